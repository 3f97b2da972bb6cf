//! The header of a sparse extent (`KDMV`), after VMware's "Virtual Disk Format 5.0": how large the
//! disk is, and where the tables lie that say where its data is.
//!
//! A disk is cut into grains. A grain directory names grain tables, a table names the sectors where
//! its grains lie; 0 is a grain that was never written, 1 (where the flags say so) one of zeros. In
//! a stream-optimised extent each grain is deflated behind a marker, and the directory comes at the
//! end, with a second header (the footer) that tells where.

use super::vmdk::SECTOR;

/// The first bytes of a sparse extent.
pub(super) const MAGIC: &[u8] = b"KDMV";
/// Where a stream-optimised extent's directory "lies": the footer knows.
const AT_END: u64 = u64::MAX;

/// The header of a sparse extent, as it stands there. All sizes and places are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SparseHeader {
    /// 1, 2 (grains of zeros) or 3 (what `streamOptimized` needs).
    pub version: u32,
    /// The size of this stretch of the disk.
    pub capacity: u64,
    /// Size of a grain: a power of two, 4 KiB at least.
    pub grain: u64,
    /// Entries of one grain table.
    pub table_entries: u32,
    /// Where the grain directory begins; `None` where only the footer knows.
    pub directory: Option<u64>,
    /// Where the data begins.
    pub overhead: u64,
    /// Whether a table's entry 1 stands for a grain of zeros.
    pub zeroed_grains: bool,
    /// Whether grains are deflated, each behind its marker.
    pub compressed: bool,
    /// Whether whoever had it open last did not close it.
    pub unclean: bool,
}

/// Why bytes are not the beginning of a whole sparse extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SparseError {
    /// It does not begin with a header.
    #[error("it does not begin like a sparse extent")]
    NotSparse,
    /// A version that is not known here.
    #[error("it is a sparse extent of version {0}, which is not known here")]
    Version(u32),
    /// Deflate is the only compression that is defined.
    #[error("it is compressed with algorithm {0}, which is not known here")]
    Compression(u16),
    /// Sizes that no writer gives, or that do not fit together.
    #[error("the {0} in its header makes no sense")]
    Absurd(&'static str),
    /// What mail and text-mode copies do to a binary file.
    #[error("its line ends were changed on the way, as by a copy in text mode")]
    TextMode,
    /// It ends before its own tables do.
    #[error("it is cut short: its {what} reach to byte {needs}, and it has {has} bytes")]
    CutShort {
        /// Which part.
        what: &'static str,
        /// Where that part ends, in bytes.
        needs: u64,
        /// How long the file is.
        has: u64,
    },
}

impl SparseHeader {
    /// Bytes of a header.
    pub const BYTES: usize = 512;

    /// Reads a header (or a footer, which is one).
    ///
    /// # Errors
    /// See [`SparseError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SparseError> {
        let field = Fields(bytes);
        if !bytes.starts_with(MAGIC) {
            return Err(SparseError::NotSparse);
        }
        let short = || SparseError::NotSparse;
        let version = field.u32(4).ok_or_else(short)?;
        if !(1..=3).contains(&version) {
            return Err(SparseError::Version(version));
        }
        let flags = field.u32(8).ok_or_else(short)?;
        let line_ends = bytes.get(73..77).ok_or_else(short)?;
        if flags & 1 != 0 && line_ends != b"\n \r\n" {
            return Err(SparseError::TextMode);
        }
        let algorithm = field.u16(77).ok_or_else(short)?;
        let compressed = flags & 1 << 16 != 0 && algorithm != 0;
        if algorithm > 1 {
            return Err(SparseError::Compression(algorithm));
        }
        let sectors = |at, what| {
            let sectors = field.u64(at).ok_or_else(short)?;
            sectors.checked_mul(SECTOR).ok_or(SparseError::Absurd(what))
        };
        let capacity = sectors(12, "capacity")?;
        let grain = sectors(20, "grain size")?;
        // The format asks for more than eight sectors; eight are met.
        if !grain.is_power_of_two() || !(8 * SECTOR..=128 << 20).contains(&grain) {
            return Err(SparseError::Absurd("grain size"));
        }
        let table_entries = field.u32(44).ok_or_else(short)?;
        if table_entries == 0 || table_entries > 1 << 16 {
            return Err(SparseError::Absurd("size of the grain tables"));
        }
        let at_end = field.u64(56) == Some(AT_END);
        Ok(Self {
            version,
            capacity,
            grain,
            table_entries,
            directory: if at_end {
                None
            } else {
                Some(sectors(56, "place of the grain directory")?)
            },
            overhead: sectors(64, "overhead")?,
            zeroed_grains: flags & 1 << 2 != 0,
            compressed,
            unclean: bytes.get(72).is_some_and(|byte| *byte != 0),
        })
    }

    /// Entries of the grain directory: grain tables that cover the capacity.
    #[must_use]
    pub fn tables(&self) -> u64 {
        // Neither factor is zero, nor large enough to overflow.
        let covered = self.grain.saturating_mul(u64::from(self.table_entries));
        self.capacity.div_ceil(covered)
    }

    /// Whether a file of so many bytes can hold what the header says of it. What the tables say is
    /// for whoever reads them.
    ///
    /// # Errors
    /// [`SparseError::CutShort`], [`SparseError::Absurd`].
    pub fn check_length(&self, has: u64) -> Result<(), SparseError> {
        let cut = |what, needs| {
            if needs > has {
                Err(SparseError::CutShort { what, needs, has })
            } else {
                Ok(())
            }
        };
        if let Some(directory) = self.directory {
            let end = self
                .tables()
                .checked_mul(4)
                .and_then(|bytes| bytes.checked_add(directory));
            let end = end.ok_or(SparseError::Absurd("place of the grain directory"))?;
            cut("grain tables", end)?;
            cut("grain tables", self.overhead)
        } else {
            // Footer and end-of-stream marker come last.
            cut("header and footer", self.overhead.max(4 * SECTOR))
        }
    }
}

/// Numbers in little-endian order.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at + N)?.try_into().ok()
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header of 64 MiB in grains of 64 KiB, its directory at sector 26 and data from 128.
    fn header() -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..8].copy_from_slice(&1_u32.to_le_bytes());
        bytes[8..12].copy_from_slice(&3_u32.to_le_bytes());
        for (at, value) in [
            (12, 131_072_u64),
            (20, 128),
            (28, 1),
            (36, 20),
            (56, 26),
            (64, 128),
        ] {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        bytes[44..48].copy_from_slice(&512_u32.to_le_bytes());
        bytes[73..77].copy_from_slice(b"\n \r\n");
        bytes
    }

    fn with(at: usize, value: &[u8]) -> Result<SparseHeader, SparseError> {
        let mut bytes = header();
        bytes[at..at + value.len()].copy_from_slice(value);
        SparseHeader::parse(&bytes)
    }

    #[test]
    fn a_header_tells_sizes_and_places_in_bytes() {
        let header = SparseHeader::parse(&header()).unwrap();
        assert_eq!(
            header,
            SparseHeader {
                version: 1,
                capacity: 64 << 20,
                grain: 64 << 10,
                table_entries: 512,
                directory: Some(26 * 512),
                overhead: 128 * 512,
                zeroed_grains: false,
                compressed: false,
                unclean: false,
            }
        );
        assert_eq!(header.tables(), 2);
        assert_eq!(header.check_length(128 * 512), Ok(()));
        let cut = header.check_length(128 * 512 - 1).unwrap_err();
        assert_eq!(
            cut.to_string(),
            "it is cut short: its grain tables reach to byte 65536, and it has 65535 bytes"
        );
    }

    #[test]
    fn what_no_writer_writes_is_named() {
        for (found, expected) in [
            (with(0, b"COWD"), SparseError::NotSparse),
            (with(4, &[9]), SparseError::Version(9)),
            (with(77, &[7, 0]), SparseError::Compression(7)),
            (with(73, b"\r\n \n"), SparseError::TextMode),
            (with(12, &[0xff; 8]), SparseError::Absurd("capacity")),
            (with(20, &[100, 0]), SparseError::Absurd("grain size")),
            (with(20, &[0; 8]), SparseError::Absurd("grain size")),
            (
                with(20, &[0, 0, 0, 0, 1]),
                SparseError::Absurd("grain size"),
            ),
            (
                with(44, &[0; 4]),
                SparseError::Absurd("size of the grain tables"),
            ),
            (
                with(56, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
                SparseError::Absurd("place of the grain directory"),
            ),
        ] {
            assert_eq!(found, Err(expected));
        }
        let stream = with(56, &[0xff; 8]).unwrap();
        assert_eq!(stream.directory, None);
        assert!(stream.check_length(1024).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_table_is_believed_beyond_the_file(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            fields in proptest::collection::vec((0..80_usize, any::<u8>()), 0..12),
            length in any::<u64>(),
        ) {
            let _ = SparseHeader::parse(&bytes);
            let mut near = header();
            for (at, byte) in fields {
                near[at] = byte;
            }
            if let Ok(header) = SparseHeader::parse(&near)
                && header.check_length(length).is_ok()
                && header.directory.is_some()
            {
                prop_assert!(header.tables() * 4 <= length);
            }
        }
    }
}

//! Disks of hosted products, read as `vmkfstools -i` reads them: flat and sparse extents, one file
//! or several, stream-optimised ones too. After VMware's "Virtual Disk Format 5.0".
//!
//! A directory and one table are all that is kept in memory, besides one grain.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::vfs::Vfs;
use crate::vmfiles::{Descriptor, SparseHeader};

const SECTOR: u64 = 512;
/// A deflated grain is never much longer than the grain.
const SLACK: u64 = 64 << 10;

/// A disk, read from its first byte to its last.
pub(crate) struct Hosted {
    parts: Vec<Part>,
    capacity: u64,
    at: u64,
}

struct Part {
    end: u64,
    data: Data,
}

enum Data {
    /// A file, and where in it the stretch begins.
    Flat(File, u64),
    Sparse(Box<Sparse>),
    Zeros,
}

/// Why a disk cannot be opened: the file, and the host's own words.
pub(crate) struct Unreadable {
    /// Its path.
    pub(crate) path: String,
    /// What a host says, with its number.
    pub(crate) said: &'static str,
}

const MISSING: &str = "The system cannot find the file specified (25)";
const NOT_A_DISK: &str = "The file specified is not a virtual disk (15)";
const BROKEN: &str = "The specified virtual disk needs repair (14)";

impl Hosted {
    /// Opens the disk whose descriptor, or whose only file, lies at `path`.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(crate) fn open(vfs: &Vfs, path: &str, disk: &Descriptor) -> Result<Self, Unreadable> {
        let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let mut parts = Vec::new();
        let mut start = 0;
        for extent in &disk.extents {
            let file = match &extent.file {
                // A disk that holds its own descriptor holds its own data, under any name.
                Some(_) if disk.embedded => Some(path.to_owned()),
                Some(name) => Some(format!("{folder}/{name}")),
                None => None,
            };
            let end = start + extent.bytes;
            let data = match file {
                None => Data::Zeros,
                Some(path) => {
                    let unreadable = |said| Unreadable {
                        path: path.clone(),
                        said,
                    };
                    let file = vfs.open(&path).map_err(|_| unreadable(MISSING))?;
                    let length = file.metadata().map_err(|_| unreadable(MISSING))?.len();
                    if extent.kind == "SPARSE" {
                        let sparse = Sparse::open(file, length).map_err(unreadable)?;
                        if sparse.header.capacity < extent.bytes {
                            return Err(unreadable(BROKEN));
                        }
                        Data::Sparse(Box::new(sparse))
                    } else {
                        let offset = extent.offset.unwrap_or(0).saturating_mul(SECTOR);
                        if offset.saturating_add(extent.bytes) > length {
                            return Err(unreadable(BROKEN));
                        }
                        Data::Flat(file, offset)
                    }
                }
            };
            parts.push(Part { end, data });
            start = end;
        }
        Ok(Self {
            parts,
            capacity: start,
            at: 0,
        })
    }

    /// Its size as the guest sees it, in bytes.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }
}

impl Read for Hosted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut start = 0;
        for part in &mut self.parts {
            if self.at < part.end {
                let within = self.at - start;
                let length = part.end - self.at;
                let length =
                    usize::try_from(length).map_or(buffer.len(), |left| left.min(buffer.len()));
                let buffer = buffer.get_mut(..length).unwrap_or_default();
                let count = match &mut part.data {
                    Data::Zeros => {
                        buffer.fill(0);
                        buffer.len()
                    }
                    Data::Flat(file, offset) => file.read_at(buffer, *offset + within)?,
                    Data::Sparse(sparse) => sparse.read(within, buffer)?,
                };
                self.at += count as u64;
                return Ok(count);
            }
            start = part.end;
        }
        Ok(0)
    }
}

/// One sparse extent.
struct Sparse {
    file: File,
    length: u64,
    header: SparseHeader,
    /// Sectors where the grain tables begin.
    directory: Vec<u32>,
    /// The table that was asked last.
    table: Option<(usize, Vec<u32>)>,
    /// The grain that was read last; `None` for one of zeros.
    grain: Option<(u64, Option<Vec<u8>>)>,
}

impl Sparse {
    fn open(file: File, length: u64) -> Result<Self, &'static str> {
        let mut head = [0; SparseHeader::BYTES];
        file.read_exact_at(&mut head, 0).map_err(|_| NOT_A_DISK)?;
        let mut header = SparseHeader::parse(&head).map_err(|_| NOT_A_DISK)?;
        header.check_length(length).map_err(|_| BROKEN)?;
        if header.directory.is_none() {
            // The footer stands before the end-of-stream marker, which is the last sector.
            file.read_exact_at(&mut head, length.saturating_sub(2 * SECTOR))
                .map_err(|_| BROKEN)?;
            header = SparseHeader::parse(&head).map_err(|_| BROKEN)?;
            header.check_length(length).map_err(|_| BROKEN)?;
        }
        let at = header.directory.ok_or(BROKEN)?;
        // Its length was checked against the file's.
        let directory = numbers(&file, at, header.tables()).map_err(|_| BROKEN)?;
        Ok(Self {
            file,
            length,
            header,
            directory,
            table: None,
            grain: None,
        })
    }

    fn read(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let number = at / self.header.grain;
        let within = at % self.header.grain;
        if self
            .grain
            .as_ref()
            .is_none_or(|(known, _)| *known != number)
        {
            let grain = self.load(number)?;
            self.grain = Some((number, grain));
        }
        let left = usize::try_from(self.header.grain - within).unwrap_or(buffer.len());
        let length = buffer.len().min(left);
        let buffer = buffer.get_mut(..length).unwrap_or_default();
        match &self.grain {
            Some((_, Some(grain))) => {
                let from = usize::try_from(within).unwrap_or(usize::MAX);
                let data = grain.get(from..from.saturating_add(length));
                buffer.copy_from_slice(data.ok_or_else(broken)?);
            }
            _ => buffer.fill(0),
        }
        Ok(length)
    }

    fn load(&mut self, number: u64) -> io::Result<Option<Vec<u8>>> {
        let entries = u64::from(self.header.table_entries);
        let table = usize::try_from(number / entries).map_err(|_| broken())?;
        let sector = *self.directory.get(table).ok_or_else(broken)?;
        if sector == 0 {
            return Ok(None);
        }
        if self.table.as_ref().is_none_or(|(known, _)| *known != table) {
            let found = numbers(&self.file, u64::from(sector) * SECTOR, entries)?;
            self.table = Some((table, found));
        }
        let entry = usize::try_from(number % entries).ok();
        let entry = self
            .table
            .as_ref()
            .zip(entry)
            .and_then(|((_, table), entry)| table.get(entry).copied())
            .ok_or_else(broken)?;
        match entry {
            0 => Ok(None),
            1 if self.header.zeroed_grains => Ok(None),
            sector => self.data(u64::from(sector) * SECTOR).map(Some),
        }
    }

    fn data(&self, at: u64) -> io::Result<Vec<u8>> {
        let grain = usize::try_from(self.header.grain).map_err(|_| broken())?;
        if !self.header.compressed {
            let mut data = vec![0; grain];
            self.file.read_exact_at(&mut data, at)?;
            return Ok(data);
        }
        // A marker: the first sector of the grain (8 bytes), the length of what is deflated (4).
        let mut marker = [0; 12];
        self.file.read_exact_at(&mut marker, at)?;
        let [.., a, b, c, d] = marker;
        let size = u64::from(u32::from_le_bytes([a, b, c, d]));
        if size == 0 || size > self.header.grain + SLACK || at + 12 + size > self.length {
            return Err(broken());
        }
        let mut deflated = vec![0; usize::try_from(size).map_err(|_| broken())?];
        self.file.read_exact_at(&mut deflated, at + 12)?;
        let mut data = decompress_to_vec_zlib_with_limit(&deflated, grain).map_err(|_| broken())?;
        // The last grain may be as short as the disk is.
        data.resize(grain, 0);
        Ok(data)
    }
}

fn broken() -> io::Error {
    io::Error::other("Input/output error")
}

fn numbers(file: &File, at: u64, count: u64) -> io::Result<Vec<u32>> {
    let length = count
        .checked_mul(4)
        .and_then(|bytes| usize::try_from(bytes).ok());
    let mut bytes = vec![0; length.ok_or_else(broken)?];
    file.read_exact_at(&mut bytes, at)?;
    let numbers = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|four| u32::from_le_bytes(*four));
    Ok(numbers.collect())
}

#[cfg(test)]
mod tests;

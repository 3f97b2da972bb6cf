//! The gzip format (RFC 1952), as `gzip` writes and `zcat` reads it: members one after the other.

use std::io::{self, Read, Write};

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

/// Bytes of the original that one member holds, so that no file need fit into memory.
const MEMBER: usize = 4 << 20;
/// Fast; what is mostly zeros gets small at any level.
const LEVEL: u8 = 1;

const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;

/// Packs everything.
///
/// # Errors
/// As reading and writing.
pub(super) fn pack(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut buffer = vec![0; MEMBER];
    let mut first = true;
    loop {
        let mut count = 0;
        while count < buffer.len() {
            match from.read(buffer.get_mut(count..).unwrap_or_default())? {
                0 => break,
                read => count += read,
            }
        }
        let part = buffer.get(..count).unwrap_or_default();
        if part.is_empty() && !first {
            return to.flush();
        }
        first = false;
        to.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])?;
        to.write_all(&miniz_oxide::deflate::compress_to_vec(part, LEVEL))?;
        let mut crc = Crc::new();
        crc.take(part);
        to.write_all(&crc.value().to_le_bytes())?;
        to.write_all(&u32::try_from(count).unwrap_or_default().to_le_bytes())?;
    }
}

/// Unpacks all members. What `out` refuses ends it.
///
/// # Errors
/// `InvalidData` with the words of `gzip`; else as reading and `out`.
pub(super) fn unpack<E: From<io::Error>>(
    from: impl Read,
    mut out: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut from = io::BufReader::with_capacity(128 << 10, from);
    let mut first = true;
    while header(&mut from, first)? {
        first = false;
        member(&mut from, &mut out)?;
    }
    Ok(())
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn take<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)
        .map_err(|_| wrong("unexpected end of file"))?;
    Ok(bytes)
}

/// Reads a member's header; false at the end of the file.
fn header(from: &mut impl io::BufRead, first: bool) -> io::Result<bool> {
    if !first && from.fill_buf()?.is_empty() {
        return Ok(false);
    }
    let [0x1f, 0x8b, 8, flags, ..] = take::<10>(from)? else {
        return Err(wrong("not in gzip format"));
    };
    if flags & FEXTRA != 0 {
        let length = u16::from_le_bytes(take(from)?);
        io::copy(&mut from.by_ref().take(length.into()), &mut io::sink())?;
    }
    for flag in [FNAME, FCOMMENT] {
        while flags & flag != 0 && take::<1>(from)? != [0] {}
    }
    if flags & FHCRC != 0 {
        take::<2>(from)?;
    }
    Ok(true)
}

fn member<E: From<io::Error>>(
    from: &mut impl io::BufRead,
    out: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut state = InflateState::new_boxed(DataFormat::Raw);
    let mut buffer = vec![0; 128 << 10];
    let mut crc = Crc::new();
    let mut length = 0_u32;
    loop {
        let input = from.fill_buf()?;
        let ended = input.is_empty();
        let result = inflate(&mut state, input, &mut buffer, MZFlush::None);
        from.consume(result.bytes_consumed);
        let part = buffer.get(..result.bytes_written).unwrap_or_default();
        crc.take(part);
        length = length.wrapping_add(u32::try_from(part.len()).unwrap_or_default());
        out(part)?;
        match result.status {
            Ok(MZStatus::StreamEnd) => break,
            _ if ended && result.bytes_written == 0 => {
                return Err(wrong("unexpected end of file").into());
            }
            Ok(_) | Err(miniz_oxide::MZError::Buf) => {}
            Err(_) => return Err(wrong("invalid compressed data--format violated").into()),
        }
    }
    if u32::from_le_bytes(take(from)?) != crc.value() {
        return Err(wrong("invalid compressed data--crc error").into());
    }
    if u32::from_le_bytes(take(from)?) != length {
        return Err(wrong("invalid compressed data--length error").into());
    }
    Ok(())
}

/// CRC-32 as in ISO 3309.
struct Crc(u32);

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                0xedb8_8320 ^ (value >> 1)
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

impl Crc {
    fn new() -> Self {
        Self(u32::MAX)
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let index = usize::from((self.0 as u8) ^ byte);
            self.0 = TABLE.get(index).copied().unwrap_or_default() ^ (self.0 >> 8);
        }
    }

    fn value(&self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn unpacked(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        unpack(packed, |part| {
            all.extend_from_slice(part);
            Ok::<(), io::Error>(())
        })?;
        Ok(all)
    }

    fn sample(bytes: usize) -> Vec<u8> {
        (0..bytes)
            .map(|at| if at % 7000 < 6000 { 0 } else { (at / 3) as u8 })
            .collect()
    }

    fn through(tool: &str, input: &[u8]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("input");
        std::fs::write(&path, input).unwrap();
        let input = std::fs::File::open(&path).unwrap();
        let output = Command::new(tool)
            .arg("-c")
            .stdin(Stdio::from(input))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    #[test]
    fn what_gzip_writes_is_read_and_zcat_reads_what_is_written() {
        for bytes in [0, 1, MEMBER, MEMBER + 1, 9 << 20] {
            let original = sample(bytes);
            let mut packed = Vec::new();
            pack(original.as_slice(), &mut packed).unwrap();
            assert_eq!(unpacked(&packed).unwrap(), original);
            assert_eq!(through("zcat", &packed), original, "{bytes}");
            assert_eq!(unpacked(&through("gzip", &original)).unwrap(), original);
        }
    }

    #[test]
    fn damage_is_named() {
        let mut packed = Vec::new();
        pack(sample(100_000).as_slice(), &mut packed).unwrap();
        let said = |bytes: &[u8]| unpacked(bytes).unwrap_err().to_string();
        assert_eq!(said(b"plain text, long enough"), "not in gzip format");
        assert_eq!(said(b""), "unexpected end of file");
        assert_eq!(said(&packed[..packed.len() - 9]), "unexpected end of file");
        let crc = packed.len() - 8;
        packed[crc] ^= 1;
        assert!(said(&packed).contains("crc error"));
    }
}

//! Disk descriptors: the small text that says which files hold a disk's data, and in what form.

use std::collections::BTreeMap;

use super::sparse::MAGIC;
use super::{MAX_TEXT, text};

/// A disk's descriptor: a `.vmdk` text file, or the text inside a sparse disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The descriptor's version, if it states one.
    pub version: Option<u32>,
    /// The content id, new after each first write; templates and odd makers leave it out.
    pub cid: Option<u32>,
    /// The content id of the disk below in a snapshot chain; `None` for a disk that stands alone.
    pub parent_cid: Option<u32>,
    /// The file of the disk below.
    pub parent_hint: Option<String>,
    /// `vmfs`, `monolithicSparse` …, as written.
    pub create_type: String,
    /// Where the data is, in order; at least one.
    pub extents: Vec<Extent>,
    /// A changed-block map beside the disk.
    pub change_map: Option<String>,
    /// The disk data base: keys without `ddb.`, in lower case.
    pub ddb: BTreeMap<String, String>,
    /// Whether the text stood inside the disk's own file.
    pub embedded: bool,
}

/// A stretch of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// What may be done with it.
    pub access: Access,
    /// Its length in bytes (written in sectors of 512). The length of its *file* is the same for a
    /// flat extent alone.
    pub bytes: u64,
    /// `VMFS`, `FLAT`, `SPARSE`, `ZERO` …, in upper case.
    pub kind: String,
    /// The file, relative to the descriptor's folder, or a device; `ZERO` has none.
    pub file: Option<String>,
    /// Where in that file it begins, in sectors.
    pub offset: Option<u64>,
}

/// What may be done with an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `RW`
    ReadWrite,
    /// `RDONLY`
    ReadOnly,
    /// `NOACCESS`
    None,
}

/// Whether an ESXi host can run a VM on a disk of this type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runnable {
    /// As it is.
    Yes,
    /// After `vmkfstools -i` has made a disk of the host's own kind of it.
    AfterConversion,
    /// It only points to a device of the other site: the data is not in the backup.
    PointsToDevice,
    /// A type that is not known here.
    Unknown,
}

/// Why bytes are no descriptor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// More than [`MAX_TEXT`] bytes of text.
    #[error("{bytes} bytes are too many for a disk descriptor (at most {MAX_TEXT})")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It does not begin with `# Disk DescriptorFile`, nor is it a sparse disk that holds one.
    #[error("not a disk descriptor")]
    NotADescriptor,
    /// A sparse disk whose header points outside what was read.
    #[error("a sparse disk whose descriptor lies at bytes {from} to {to}, outside the {have} read")]
    OutOfReach {
        /// First byte of the text.
        from: u64,
        /// Behind its last byte.
        to: u64,
        /// Bytes that were given.
        have: usize,
    },
    /// An extent's line that cannot be understood.
    #[error("line {line} describes an extent that cannot be understood: {text}")]
    BadExtent {
        /// From 1, within the text.
        line: usize,
        /// The line.
        text: String,
    },
    /// No extent at all: the disk has no data.
    #[error("a disk descriptor without extents")]
    NoExtents,
    /// A value that is no number where one must be.
    #[error("`{key}` is `{value}`, not a number")]
    BadNumber {
        /// The key.
        key: String,
        /// As written.
        value: String,
    },
    /// Extents whose lengths add up to more than any disk has.
    #[error("a disk of more than 2^64 bytes")]
    Absurd,
}

/// The unit of lengths and places in a descriptor and in a sparse extent, in bytes.
pub(super) const SECTOR: u64 = 512;
/// A content id that means "none".
const NO_CID: u32 = 0xffff_ffff;

impl Descriptor {
    /// How much of a `.vmdk` file's beginning is enough to find its descriptor, in bytes.
    pub const PREFIX: usize = 64 << 10;

    /// Reads a descriptor: a text file, NUL padding behind it allowed, or the beginning of a sparse
    /// disk that holds its own (see [`Descriptor::PREFIX`]).
    ///
    /// # Errors
    /// See [`DescriptorError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        let raw = text_of(bytes)?;
        if raw.len() > MAX_TEXT {
            return Err(DescriptorError::TooLarge { bytes: raw.len() });
        }
        let mut descriptor = Self::of_lines(raw)?;
        descriptor.embedded = bytes.starts_with(MAGIC);
        Ok(descriptor)
    }

    /// Whether bytes begin as a descriptor does, or as a disk that holds its own: a disk's data does
    /// not, but for what its guest chose to write there.
    #[must_use]
    pub fn begins(bytes: &[u8]) -> bool {
        text_of(bytes).is_ok()
    }

    fn of_lines(raw: &[u8]) -> Result<Self, DescriptorError> {
        let encoding = text::declared(declared_encoding(raw).as_deref());
        let mut keys = BTreeMap::new();
        let mut extents = Vec::new();
        for (at, line) in raw.split(|byte| *byte == b'\n').enumerate() {
            let line = text::decode(line.trim_ascii(), encoding);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(extent) = extent(&line) {
                let bad = || DescriptorError::BadExtent {
                    line: at + 1,
                    text: line.clone(),
                };
                extents.push(extent.ok_or_else(bad)?);
            } else if let Some((key, value)) = line.split_once('=') {
                let value = unquoted(value).to_owned();
                keys.entry(key.trim().to_ascii_lowercase()).or_insert(value);
            }
        }
        if extents.is_empty() {
            return Err(DescriptorError::NoExtents);
        }
        extents
            .iter()
            .try_fold(0_u64, |sum, extent| sum.checked_add(extent.bytes))
            .ok_or(DescriptorError::Absurd)?;
        let ddb = keys
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("ddb.")?, value)));
        Ok(Self {
            version: number(&keys, "version", 10)?,
            cid: number(&keys, "CID", 16)?,
            parent_cid: number(&keys, "parentCID", 16)?.filter(|cid| *cid != NO_CID),
            parent_hint: keys
                .get("parentfilenamehint")
                .filter(|hint| !hint.is_empty())
                .cloned(),
            create_type: keys.get("createtype").cloned().unwrap_or_default(),
            extents,
            change_map: keys.get("changetrackpath").cloned(),
            ddb: ddb
                .map(|(key, value)| (key.to_owned(), value.clone()))
                .collect(),
            embedded: false,
        })
    }

    /// The disk's size as the guest sees it, in bytes.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.extents.iter().map(|extent| extent.bytes).sum()
    }

    /// Whether it is a snapshot link that is nothing without the disk below.
    #[must_use]
    pub fn is_link(&self) -> bool {
        self.parent_cid.is_some() || self.parent_hint.is_some()
    }

    /// Files that hold its data, as the descriptor names them.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.extents
            .iter()
            .filter_map(|extent| extent.file.as_deref())
    }

    /// Files beside the descriptor's own that hold its data, each once. A disk that holds its own
    /// descriptor needs none, whatever name stands in it: writers leave the one that it was made
    /// under.
    #[must_use]
    pub fn other_files(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        if !self.embedded {
            for name in self.files() {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Whether a host reads it only with its module `multiextent`: a hosted disk in pieces.
    #[must_use]
    pub fn is_split(&self) -> bool {
        self.create_type
            .to_ascii_lowercase()
            .starts_with("twogbmaxextent")
    }

    /// Whether an ESXi host can run a VM on it.
    #[must_use]
    pub fn runnable(&self) -> Runnable {
        match self.create_type.to_ascii_lowercase().as_str() {
            "vmfs"
            | "vmfssparse"
            | "sesparse"
            | "vmfsthin"
            | "vmfspreallocated"
            | "vmfseagerzeroedthick" => Runnable::Yes,
            "monolithicsparse"
            | "monolithicflat"
            | "twogbmaxextentsparse"
            | "twogbmaxextentflat"
            | "streamoptimized" => Runnable::AfterConversion,
            "vmfsrawdevicemap"
            | "vmfspassthroughrawdevicemap"
            | "vmfsraw"
            | "vmfsrdm"
            | "vmfsrdmp"
            | "fulldevice"
            | "partitioneddevice" => Runnable::PointsToDevice,
            _ => Runnable::Unknown,
        }
    }
}

/// The text of a descriptor, without padding, wherever it stands.
fn text_of(bytes: &[u8]) -> Result<&[u8], DescriptorError> {
    let raw = if bytes.starts_with(MAGIC) {
        embedded(bytes)?
    } else {
        bytes
    };
    let end = raw.iter().position(|byte| *byte == 0).unwrap_or(raw.len());
    let raw = raw[..end]
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(&raw[..end]);
    let heading = b"# Disk DescriptorFile";
    let start = raw.trim_ascii_start().get(..heading.len());
    if start.is_some_and(|start| start.eq_ignore_ascii_case(heading)) {
        Ok(raw)
    } else {
        Err(DescriptorError::NotADescriptor)
    }
}

/// The text inside a sparse disk: its header tells the place in sectors.
fn embedded(bytes: &[u8]) -> Result<&[u8], DescriptorError> {
    let field = |at: usize| {
        let raw: [u8; 8] = bytes.get(at..at + 8)?.try_into().ok()?;
        u64::from_le_bytes(raw).checked_mul(SECTOR)
    };
    // Magic, version and flags (4 bytes each), capacity, grain size, then these two.
    let (from, size) = field(28)
        .zip(field(36))
        .ok_or(DescriptorError::NotADescriptor)?;
    let to = from
        .checked_add(size)
        .ok_or(DescriptorError::NotADescriptor)?;
    if from == 0 || size == 0 {
        return Err(DescriptorError::NotADescriptor);
    }
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    let found = range.and_then(|(from, to)| bytes.get(from..to));
    found.ok_or(DescriptorError::OutOfReach {
        from,
        to,
        have: bytes.len(),
    })
}

/// The value of `encoding`, read before anything is decoded.
pub(super) fn declared_encoding(raw: &[u8]) -> Option<String> {
    raw.split(|byte| *byte == b'\n').find_map(|line| {
        let line = String::from_utf8_lossy(line);
        let (key, value) = line.split_once('=')?;
        let found = key.trim().eq_ignore_ascii_case("encoding");
        // `encoding= #"UTF-8"` is met in the field.
        found.then(|| {
            value
                .trim()
                .trim_start_matches('#')
                .trim_matches('"')
                .to_owned()
        })
    })
}

/// An extent's line; `None` if the line is something else, `Some(None)` if it is broken.
pub(super) fn extent(line: &str) -> Option<Option<Extent>> {
    let (word, rest) = line.split_once(char::is_whitespace)?;
    let access = match word.to_ascii_uppercase().as_str() {
        "RW" => Access::ReadWrite,
        "RDONLY" => Access::ReadOnly,
        "NOACCESS" => Access::None,
        _ => return None,
    };
    Some(extent_rest(access, rest))
}

fn extent_rest(access: Access, rest: &str) -> Option<Extent> {
    let rest = rest.trim_start();
    let (sectors, rest) = rest.split_once(char::is_whitespace)?;
    let bytes = sectors.parse::<u64>().ok()?.checked_mul(SECTOR)?;
    let rest = rest.trim();
    let (kind, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if kind.is_empty() || !kind.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let kind = kind.to_ascii_uppercase();
    let Some(quoted) = rest.trim().strip_prefix('"') else {
        return (kind == "ZERO" && rest.trim().is_empty()).then_some(Extent {
            access,
            bytes,
            kind,
            file: None,
            offset: None,
        });
    };
    // A name may hold a quote; the last one closes it.
    let (name, offset) = quoted.rsplit_once('"')?;
    // A device's extent has more words behind its offset.
    let offset = match offset.split_whitespace().next() {
        Some(word) => Some(word.parse().ok()?),
        None => None,
    };
    (!name.is_empty()).then(|| Extent {
        access,
        bytes,
        kind,
        file: Some(name.to_owned()),
        offset,
    })
}

fn unquoted(value: &str) -> &str {
    let value = value.trim();
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value)
}

fn number(
    keys: &BTreeMap<String, String>,
    key: &str,
    radix: u32,
) -> Result<Option<u32>, DescriptorError> {
    let Some(value) = keys.get(&key.to_ascii_lowercase()) else {
        return Ok(None);
    };
    let bad = || DescriptorError::BadNumber {
        key: key.to_owned(),
        value: value.clone(),
    };
    u32::from_str_radix(value.trim(), radix)
        .map(Some)
        .map_err(|_| bad())
}

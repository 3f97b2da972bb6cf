//! The configuration file of a virtual machine, as a document that keeps what it is not told to change.

use super::dictionary::Dictionary;
use super::{MAX_TEXT, text};

/// A `.vmx` file.
///
/// Keys are found whatever their case, as VMware does. Only the lines of edited keys change; every
/// other byte comes back as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vmx {
    document: Dictionary,
}

/// Why bytes are no `.vmx`, or an edit is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VmxError {
    /// More than [`MAX_TEXT`] bytes.
    #[error("{bytes} bytes are too many for a text file of a VM (at most {MAX_TEXT})")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A NUL byte, which no text file has.
    #[error("not a text file: a zero byte on line {line}")]
    Binary {
        /// The line it is on, from 1.
        line: usize,
    },
    /// A carriage return that ends a line alone, as on an old Mac: readers do not agree on where that line
    /// ends, and what stands behind it would be passed over here.
    #[error(
        "line {line} has a carriage return without a line feed, as old Macs end lines: what stands behind it is not read \
         by all tools alike (mend it with: tr '\\r' '\\n')"
    )]
    LoneReturn {
        /// The line as line feeds count it, from 1.
        line: usize,
    },
    /// Not one line of the form `key = "value"`.
    #[error("not a .vmx: no line of the form key = \"value\"")]
    NoEntries,
    /// An edit of a key that stands more than once; VMware refuses such a file.
    #[error("`{key}` is set on lines {}", list(.lines))]
    Duplicate {
        /// As asked for.
        key: String,
        /// From 1.
        lines: Vec<usize>,
    },
    /// An edit under a name that could not be read back.
    #[error("`{0}` cannot be a key of a .vmx")]
    BadKey(String),
    /// The file's own encoding has no place for this value.
    #[error("`{value}` for `{key}` cannot be written in the file's encoding, {encoding}")]
    Unencodable {
        /// As asked for.
        key: String,
        /// As asked for.
        value: String,
        /// As the file declares it.
        encoding: String,
    },
}

fn list(lines: &[usize]) -> String {
    lines
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The entries of a text file of a VM, which is neither huge nor something else.
pub(super) fn text_of(bytes: &[u8]) -> Result<Dictionary, VmxError> {
    if bytes.len() > MAX_TEXT {
        return Err(VmxError::TooLarge { bytes: bytes.len() });
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        return Err(VmxError::Binary { line });
    }
    Ok(Dictionary::parse(bytes))
}

/// The first line with a carriage return that something but its line end follows.
fn lone_return(bytes: &[u8]) -> Option<usize> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let at = lines.position(|line| line.trim_ascii().contains(&b'\r'))?;
    Some(at + 1)
}

impl Vmx {
    /// Reads a file. What is not `key = "value"` is kept and means nothing; an encrypted file is
    /// read too (see [`Vmx::is_encrypted`]).
    ///
    /// # Errors
    /// [`VmxError::TooLarge`], [`VmxError::Binary`], [`VmxError::LoneReturn`], [`VmxError::NoEntries`].
    pub fn parse(bytes: &[u8]) -> Result<Self, VmxError> {
        let document = text_of(bytes)?;
        if let Some(line) = lone_return(bytes) {
            return Err(VmxError::LoneReturn { line });
        }
        if document.is_empty() {
            Err(VmxError::NoEntries)
        } else {
            Ok(Self { document })
        }
    }

    /// The file as it is to be written.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.document.to_bytes()
    }

    /// The value of a key, its escapes resolved; the first where there are several.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        self.document.get(key)
    }

    /// Whether a key says `TRUE` (in any case); `None` if it is absent or says neither.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        match value.trim() {
            v if v.eq_ignore_ascii_case("true") => Some(true),
            v if v.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// Gives a key a value. An existing line keeps its place, its key's spelling and its comment; a
    /// value that is already there changes nothing. Returns whether anything changed.
    ///
    /// # Errors
    /// [`VmxError::Duplicate`], [`VmxError::BadKey`], [`VmxError::Unencodable`]; the file is then
    /// unchanged.
    pub fn set(&mut self, key: &str, value: &str) -> Result<bool, VmxError> {
        let lines = self.document.lines_of(key);
        if lines.len() > 1 {
            return Err(VmxError::Duplicate {
                key: key.to_owned(),
                lines,
            });
        }
        if self.get(key).as_deref() == Some(value) {
            return Ok(false);
        }
        let good = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '#' | '=');
        if key.is_empty() || key.starts_with(';') || !key.chars().all(good) {
            return Err(VmxError::BadKey(key.to_owned()));
        }
        let bytes = text::encode(&text::escape(value), self.document.encoding());
        let bytes = bytes.ok_or_else(|| VmxError::Unencodable {
            key: key.to_owned(),
            value: value.to_owned(),
            encoding: self.get(".encoding").unwrap_or_else(|| "UTF-8".to_owned()),
        })?;
        self.document.put(key, &bytes);
        Ok(true)
    }

    /// Takes a key out, with its whole line; says whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        self.document.remove(key) > 0
    }

    /// Keys that stand more than once, in lower case, each with its lines from 1.
    #[must_use]
    pub fn duplicates(&self) -> Vec<(String, Vec<usize>)> {
        let keys = self.document.duplicates();
        keys.map(|key| (key.to_owned(), self.document.lines_of(key)))
            .collect()
    }

    /// Numbers of the lines, from 1, that are neither `key = "value"` nor blank nor a comment: a
    /// host takes them for an error of syntax and refuses the file.
    #[must_use]
    pub fn odd_lines(&self) -> Vec<usize> {
        self.document.odd_lines()
    }

    /// Keys as written, in the file's order.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        self.document.keys()
    }

    /// Lower-case keys that begin with a lower-case prefix, sorted.
    pub(super) fn keys_under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.document.keys_under(prefix)
    }

    /// Whether what matters in it is encrypted: it can be moved, but neither read nor edited.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.get("encryption.keySafe").is_some() || self.get("encryption.data").is_some()
    }

    /// Who the VM is, as written: `56 4d 6c 27 96 ea 12 07-6f 0b b1 1d 81 46 9b 0b`. Hosts spell
    /// it in other ways too, so it is never compared as text.
    #[must_use]
    pub fn uuid_bios(&self) -> Option<String> {
        self.get("uuid.bios").filter(|uuid| !uuid.is_empty())
    }

    /// The version of the virtual hardware; a host older than it cannot power the VM on.
    #[must_use]
    pub fn hardware_version(&self) -> Option<u32> {
        self.get("virtualHW.version")?.trim().parse().ok()
    }

    /// The file of BIOS or EFI variables.
    #[must_use]
    pub fn nvram(&self) -> Option<String> {
        self.get("nvram").filter(|name| !name.is_empty())
    }

    /// The `.vmxf` file.
    #[must_use]
    pub fn extended_config(&self) -> Option<String> {
        self.get("extendedConfigFile")
            .filter(|name| !name.is_empty())
    }

    /// Values that are absolute paths, which the other site may not have: `(key, path)`.
    #[must_use]
    pub fn absolute_paths(&self) -> Vec<(String, String)> {
        let keys = self.keys();
        keys.into_iter()
            .filter_map(|key| Some((key.to_owned(), self.get(key)?)))
            .filter(|(_, value)| value.starts_with('/') || value.starts_with("ds:///"))
            .collect()
    }

    pub(super) fn values(&self, key: &str) -> Vec<String> {
        self.document.values(key)
    }
}

/// One key that differs between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// As written in the newer file, else in the older.
    pub key: String,
    /// `None` where it was not there.
    pub before: Option<String>,
    /// `None` where it is gone.
    pub after: Option<String>,
}

/// What an edit does, key by key: first what stays or goes in the old file's order, then what is
/// new. A file that differs in comments or order alone shows no change. Several values of a
/// duplicate key are shown one behind the other.
#[must_use]
pub fn diff(old: &Vmx, new: &Vmx) -> Vec<Change> {
    let value = |vmx: &Vmx, key: &str| {
        let values = vmx.values(key);
        (!values.is_empty()).then(|| values.join(", "))
    };
    let mut changes = Vec::new();
    for key in old.keys() {
        changes.push(Change {
            key: key.to_owned(),
            before: value(old, key),
            after: value(new, key),
        });
    }
    for key in new.keys() {
        if old.get(key).is_none() {
            changes.push(Change {
                key: key.to_owned(),
                before: None,
                after: value(new, key),
            });
        }
    }
    changes.retain(|change| change.before != change.after);
    changes
}

//! SHA-256 sums and the `SHA256SUMS` file that names what a restore point consists of.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The SHA-256 sum of a file or of a stretch of one. `Display` is 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sum([u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 sum of 64 hexadecimal digits")]
pub struct ParseSumError;

impl Sum {
    /// The sum of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The sum of so many zeros, which takes as long as hashing them does.
    #[must_use]
    pub(super) fn of_zeros(bytes: u64) -> Self {
        let zeros = vec![0; 1 << 16];
        let mut hash = Sha256::new();
        let mut left = bytes;
        while left > 0 {
            let length = usize::try_from(left)
                .unwrap_or(zeros.len())
                .min(zeros.len());
            hash.update(zeros.get(..length).unwrap_or(&zeros));
            left -= length as u64;
        }
        Self::finish(hash)
    }

    /// What a hash that was fed piece by piece comes to.
    #[must_use]
    pub fn finish(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }
}

impl FromStr for Sum {
    type Err = ParseSumError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| ParseSumError)?;
        let mut sum = [0; 32];
        for (byte, pair) in sum.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let value = char::from(*digit).to_digit(16).ok_or(ParseSumError)?;
                *byte = *byte << 4 | u8::try_from(value).map_err(|_| ParseSumError)?;
            }
        }
        Ok(Self(sum))
    }
}

impl TryFrom<String> for Sum {
    type Error = ParseSumError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Sum> for String {
    fn from(sum: Sum) -> Self {
        sum.to_string()
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Largest `SHA256SUMS` that is looked at, in bytes.
pub const MAX_SUMS: usize = 1 << 20;

/// Why a `SHA256SUMS` cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SumsError {
    /// More bytes than are looked at.
    #[error("SHA256SUMS has {0} bytes, more than the {MAX_SUMS} that are looked at")]
    TooLarge(usize),
    /// It is there and may not be read.
    #[error("SHA256SUMS may not be read")]
    Closed,
    /// It names nothing.
    #[error("SHA256SUMS names no file")]
    Empty,
    /// A line that `sha256sum` would not have written.
    #[error("line {line} of SHA256SUMS is not `<sum>  <name>`")]
    BadLine {
        /// From 1.
        line: usize,
    },
    /// A name that leads out of the point's folder, or that no VM's file has.
    #[error("line {line} of SHA256SUMS names {name:?}, which cannot be a file of this folder")]
    BadName {
        /// From 1.
        line: usize,
        /// As read.
        name: String,
    },
    /// One name on two lines.
    #[error("line {line} of SHA256SUMS names {name} a second time")]
    Twice {
        /// From 1.
        line: usize,
        /// As read.
        name: String,
    },
}

/// Reads a `SHA256SUMS` as `sha256sum` writes it: the sum, a blank, a blank or `*`, the name; a
/// leading backslash says that the name is escaped. Nothing else is let through.
///
/// # Errors
/// See [`SumsError`].
pub fn parse_sums(bytes: &[u8]) -> Result<BTreeMap<String, Sum>, SumsError> {
    if bytes.len() > MAX_SUMS {
        return Err(SumsError::TooLarge(bytes.len()));
    }
    let mut sums = BTreeMap::new();
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for (at, raw) in body.split(|byte| *byte == b'\n').enumerate() {
        let line = at + 1;
        if body.is_empty() {
            return Err(SumsError::Empty);
        }
        let (sum, name) = sum_line(raw).ok_or(SumsError::BadLine { line })?;
        let name = name.strip_prefix("./").map(str::to_owned).unwrap_or(name);
        if !is_plain_path(&name) {
            return Err(SumsError::BadName { line, name });
        }
        if sums.contains_key(&name) {
            return Err(SumsError::Twice { line, name });
        }
        sums.insert(name, sum);
    }
    Ok(sums)
}

/// One line; made by a Windows tool it may end in a carriage return.
fn sum_line(raw: &[u8]) -> Option<(Sum, String)> {
    let text = std::str::from_utf8(raw.strip_suffix(b"\r").unwrap_or(raw)).ok()?;
    let (escaped, text) = match text.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (sum, name) = text.split_at_checked(64)?;
    let name = name
        .strip_prefix("  ")
        .or_else(|| name.strip_prefix(" *"))?;
    let name = if escaped {
        unescape(name)?
    } else {
        name.to_owned()
    };
    Some((sum.parse().ok()?, name))
}

fn unescape(name: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

/// Whether a name can stand for a file of a folder, and only for one: no path, no control
/// characters (which would garble every list it appears in), not longer than a file system takes.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= 255
        && !name.chars().any(|c| c == '/' || c.is_control())
}

/// Folders that a path may lead through.
const DEEPEST: usize = 8;

/// Whether a path stands for a file of a folder, or of one within it, and only for that.
pub(super) fn is_plain_path(path: &str) -> bool {
    path.split('/').count() <= DEEPEST && path.split('/').all(is_plain_name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn what_sha256sum_writes_is_read() {
        let text =
            format!("{A}  web01.vmx\n{A} *web 01-flat.vmdk\n\\{A}  odd\\\\name\n{A}  ./x\r\n");
        let sums = parse_sums(text.as_bytes()).unwrap();
        let names: Vec<&str> = sums.keys().map(String::as_str).collect();
        assert_eq!(names, ["odd\\name", "web 01-flat.vmdk", "web01.vmx", "x"]);
        assert_eq!(sums["web01.vmx"], Sum::of(b""));
        assert_eq!(parse_sums(format!("{A}  a").as_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn anything_else_is_refused_with_its_line() {
        let bad_line = |line| Some(SumsError::BadLine { line });
        let bad_name = |name: &str| {
            Some(SumsError::BadName {
                line: 1,
                name: name.to_owned(),
            })
        };
        for (text, expected) in [
            (String::new(), Some(SumsError::Empty)),
            (format!("{A}  a\n\n{A}  b\n"), bad_line(2)),
            (format!("{A} a\n"), bad_line(1)),
            (format!("{}  a\n", &A[1..]), bad_line(1)),
            (format!("{}g  a\n", &A[1..]), bad_line(1)),
            (format!("SHA256 (a) = {A}\n"), bad_line(1)),
            ("# comment\n".to_owned(), bad_line(1)),
            (format!("\\{A}  a\\x\n"), bad_line(1)),
            (format!("{A}  ../a\n"), bad_name("../a")),
            (format!("{A}  /etc/passwd\n"), bad_name("/etc/passwd")),
            (format!("{A}  .\n"), bad_name(".")),
            (format!("{A}  ..\n"), bad_name("..")),
            (format!("{A}  a/../b\n"), bad_name("a/../b")),
            (format!("{A}  a//b\n"), bad_name("a//b")),
            (format!("{A}  a/\n"), bad_name("a/")),
            (format!("{A}  \n"), bad_name("")),
            (format!("\\{A}  a\\nb\n"), bad_name("a\nb")),
            (
                format!("{A}  a\n{A}  ./a\n"),
                Some(SumsError::Twice {
                    line: 2,
                    name: "a".into(),
                }),
            ),
        ] {
            assert_eq!(parse_sums(text.as_bytes()).err(), expected, "{text:?}");
        }
        let big = vec![b'a'; MAX_SUMS + 1];
        assert_eq!(parse_sums(&big), Err(SumsError::TooLarge(MAX_SUMS + 1)));
        assert_eq!(parse_sums(b"\xff\xfe"), Err(SumsError::BadLine { line: 1 }));
    }

    proptest! {
        #[test]
        fn no_bytes_lead_out_of_the_folder(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            name in "[./\\\\a-c *]{0,8}",
        ) {
            let line = format!("{A}  {name}\n\\{A}  {name}{name}\n");
            for input in [&bytes[..], line.as_bytes()] {
                for name in parse_sums(input).unwrap_or_default().keys() {
                    prop_assert!(name.split('/').all(is_plain_name), "{name}");
                }
            }
        }

        #[test]
        fn zeros_sum_to_what_they_sum_to(bytes in 0..200_000_u32) {
            prop_assert_eq!(Sum::of_zeros(bytes.into()), Sum::of(&vec![0; bytes as usize]));
        }

        #[test]
        fn a_sum_is_its_text(bytes in any::<[u8; 32]>()) {
            let sum = Sum(bytes);
            prop_assert_eq!(sum.to_string().parse(), Ok(sum));
            prop_assert_eq!(sum.to_string().to_uppercase().parse(), Ok(sum));
        }
    }
}

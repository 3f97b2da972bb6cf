//! SHA-256 as journals, plans and people write it: in lower-case hex.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The sum of all of it.
#[must_use]
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// The sum of what was taken in piece by piece.
#[must_use]
pub fn finish(sum: Sha256) -> String {
    hex(&sum.finalize())
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // A string takes whatever is written to it.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// What a host sums with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumTool {
    /// coreutils or BusyBox.
    Sha256sum,
    /// Its hashlib.
    Python3,
    /// `openssl dgst`.
    Openssl,
}

impl SumTool {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Openssl, Self::Sha256sum, Self::Python3];

    /// As the scripts call it, and people do.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256sum => "sha256sum",
            Self::Python3 => "python3",
            Self::Openssl => "openssl",
        }
    }

    /// The tool of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_the_same_at_once_and_piece_by_piece() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256("abc"), known);
        let mut pieces = Sha256::new();
        pieces.update("a");
        pieces.update("bc");
        assert_eq!(finish(pieces), known);
    }
}

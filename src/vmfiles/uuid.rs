//! The UUID of a virtual machine, in the several ways in which hosts write it.

use std::fmt;
use std::str::FromStr;

/// A BIOS UUID. `uuid.bios` writes it as `56 4d 6c 27 96 ea 12 07-6f 0b b1 1d 81 46 9b 0b`, hostd as
/// `564d6c27-96ea-1207-6f0b-b11d81469b0b`; the bytes are the same and in the same order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

/// The text is no UUID: not 32 hexadecimal digits between blanks and hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID of 32 hexadecimal digits")]
pub struct ParseUuidError;

impl Uuid {
    /// Its bytes, in the order in which they are written.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// As a `.vmx` writes it.
    #[must_use]
    pub fn vmx_form(&self) -> String {
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        format!("{}-{}", hex(&self.0[..8]), hex(&self.0[8..]))
    }
}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        let mut digits = 0;
        for c in text.chars().filter(|c| !matches!(c, ' ' | '\t' | '-')) {
            let value = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let (Some(value), Some(byte)) = (value, bytes.get_mut(digits / 2)) else {
                return Err(ParseUuidError);
            };
            *byte = *byte << 4 | value;
            digits += 1;
        }
        if digits == 32 {
            Ok(Self(bytes))
        } else {
            Err(ParseUuidError)
        }
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_uuid() {
        let vmx: Uuid = "56 4d 6c 27 96 ea 12 07-6f 0b b1 1d 81 46 9b 0b"
            .parse()
            .unwrap();
        let hostd: Uuid = "564D6C27-96EA-1207-6F0B-B11D81469B0B".parse().unwrap();
        assert_eq!(vmx, hostd);
        assert_eq!(vmx.to_string(), "564d6c27-96ea-1207-6f0b-b11d81469b0b");
        assert_eq!(
            vmx.vmx_form(),
            "56 4d 6c 27 96 ea 12 07-6f 0b b1 1d 81 46 9b 0b"
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "56 4d",
            "564d6c27-96ea-1207-6f0b-b11d81469b0",
            "g".repeat(32).as_str(),
        ] {
            assert_eq!(text.parse::<Uuid>(), Err(ParseUuidError), "{text:?}");
        }
        assert_eq!("0".repeat(33).parse::<Uuid>(), Err(ParseUuidError));
    }
}

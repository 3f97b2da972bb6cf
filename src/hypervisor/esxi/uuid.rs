//! The one identity of a VM that survives moving: its uuid.bios.

use std::fmt;

/// A uuid.bios, comparable however it was spelled: `56 4d c4 d7 …-dc 69 …` in a .vmx and in the
/// process list, `564dc4d7-deeb-7781-dc69-…` in a summary. It is shown in the latter form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BiosUuid([u8; 16]);

impl BiosUuid {
    /// Reads any spelling: 32 hexadecimal digits, with blanks and dashes anywhere. `None` for
    /// anything else, and for all zeros and all ones, which no VM is known by.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0_u8; 16];
        let mut digits = 0;
        for character in text.chars() {
            if character == '-' || character.is_ascii_whitespace() {
                continue;
            }
            let digit = u8::try_from(character.to_digit(16)?).ok()?;
            let byte = bytes.get_mut(digits / 2)?;
            *byte = (*byte << 4) | digit;
            digits += 1;
        }
        let known = bytes != [0; 16] && bytes != [0xff; 16];
        (digits == 32 && known).then_some(Self(bytes))
    }
}

impl fmt::Display for BiosUuid {
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

impl fmt::Debug for BiosUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_is_the_same() {
        let vmx = BiosUuid::parse("56 4d c4 d7 de eb 77 81-dc 69 4e 96 d4 c6 18 4f").unwrap();
        let summary = BiosUuid::parse("564dc4d7-deeb-7781-dc69-4e96d4c6184f").unwrap();
        assert_eq!(vmx, summary);
        assert_eq!(
            BiosUuid::parse("564DC4D7DEEB7781DC694E96D4C6184F"),
            Some(vmx)
        );
        assert_eq!(vmx.to_string(), "564dc4d7-deeb-7781-dc69-4e96d4c6184f");
    }

    #[test]
    fn anything_else_is_no_identity() {
        for text in [
            "",
            "56 4d",
            "not a uuid",
            "00000000-0000-0000-0000-000000000000",
            "564dc4d7-deeb-7781-dc69-4e96d4c6184f0",
            "ffffffffffffffffffffffffffffffff",
        ] {
            assert_eq!(BiosUuid::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(text in "[0-9a-f]{32}", noise in ".{0,60}") {
            let _ = BiosUuid::parse(&noise);
            if let Some(uuid) = BiosUuid::parse(&text) {
                prop_assert_eq!(BiosUuid::parse(&uuid.to_string()), Some(uuid));
            }
        }
    }
}

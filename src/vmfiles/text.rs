//! Encodings and escapes of values in VMware's text files.
//!
//! A file declares its encoding in `.encoding` (`encoding` in a descriptor), and many files break
//! that promise; bytes that do not fit are still read as something, and never rewritten.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// The encoding that a declaration names; UTF-8 where there is none, `None` where the name means
/// nothing here or the encoding is one in which quotes and line ends are not single ASCII bytes.
pub(super) fn declared(label: Option<&str>) -> Option<&'static Encoding> {
    let Some(label) = label else {
        return Some(UTF_8);
    };
    let label = label.trim().to_ascii_lowercase();
    // VMware writes converter names of ICU, e.g. `windows-949-2000`.
    let label = label.strip_suffix("-2000").unwrap_or(&label);
    let label = match label {
        "windows-936" | "ibm-1386" => "gbk",
        "windows-932" | "ibm-943" | "ibm-943_p15a-2003" => "shift_jis",
        "windows-950" => "big5",
        other => other,
    };
    Encoding::for_label(label.as_bytes()).filter(|found| found.is_ascii_compatible())
}

/// Bytes as text. Where they contradict the declared encoding they are read as UTF-8, else as
/// windows-1252, in which every byte means something.
pub(super) fn decode(bytes: &[u8], encoding: Option<&'static Encoding>) -> String {
    encoding
        .and_then(|declared| strictly(bytes, declared))
        .or_else(|| strictly(bytes, UTF_8))
        .unwrap_or_else(|| WINDOWS_1252.decode_without_bom_handling(bytes).0)
        .into_owned()
}

fn strictly<'a>(bytes: &'a [u8], encoding: &'static Encoding) -> Option<Cow<'a, str>> {
    encoding.decode_without_bom_handling_and_without_replacement(bytes)
}

/// Text as bytes; `None` where the encoding has no place for it or is not known.
pub(super) fn encode(text: &str, encoding: Option<&'static Encoding>) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return Some(text.as_bytes().to_vec());
    }
    let (bytes, _, lossy) = encoding?.encode(text);
    (!lossy).then(|| bytes.into_owned())
}

/// A value as people see it: `|0A` is a line end, `|22` a quote, `|7C` a bar.
pub(super) fn unescape(text: &str, encoding: Option<&'static Encoding>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('|') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // A run of escapes may spell one character of several bytes.
        let mut run = Vec::new();
        while let Some(byte) = escaped_byte(rest) {
            run.push(byte);
            rest = &rest[3..];
        }
        if run.is_empty() {
            out.push('|');
            rest = &rest[1..];
        } else {
            out.push_str(&decode(&run, encoding));
        }
    }
    out.push_str(rest);
    out
}

fn escaped_byte(text: &str) -> Option<u8> {
    let [b'|', high, low, ..] = text.as_bytes() else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// A value as it stands between quotes. Every reader of these files understands every escape, so
/// more than quotes and bars is escaped: `#` and control characters too, as VMware does.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '|' | '#') || c.is_ascii_control() {
            out.push_str(&format!("|{:02X}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_come_back_as_they_were() {
        for text in [
            "",
            "plain",
            "a\"b|c#d\ne",
            "|",
            "||",
            "|2",
            "|zz",
            "日本|22",
        ] {
            assert_eq!(unescape(&escape(text), Some(UTF_8)), text, "{text:?}");
        }
        assert_eq!(unescape("a|0ab|7c|", Some(UTF_8)), "a\nb||");
        assert_eq!(unescape("|C3|A9t|C3|A9", Some(UTF_8)), "été");
    }

    #[test]
    fn a_bar_inside_a_double_byte_character_is_no_escape() {
        // 0x8C 0x7C is one character of GBK; its second byte is the code of `|`.
        let gbk = declared(Some("GBK"));
        let text = decode(b"\x8c\x7c22", gbk);
        assert_eq!(unescape(&text, gbk).chars().count(), 3);
    }

    #[test]
    fn names_of_encodings_as_real_files_spell_them() {
        for (label, name) in [
            ("UTF-8", "UTF-8"),
            ("windows-1252", "windows-1252"),
            ("windows-1251", "windows-1251"),
            ("GBK", "GBK"),
            ("Shift_JIS", "Shift_JIS"),
            ("windows-949-2000", "EUC-KR"),
            ("windows-936-2000", "GBK"),
        ] {
            assert_eq!(
                declared(Some(label)).map(Encoding::name),
                Some(name),
                "{label}"
            );
        }
        for label in ["UTF-16LE", "ISO-2022-JP", "klingon", ""] {
            assert_eq!(declared(Some(label)), None, "{label}");
        }
    }

    #[test]
    fn text_that_contradicts_its_declaration_is_still_read() {
        assert_eq!(decode(b"caf\xe9", Some(UTF_8)), "café");
        assert_eq!(decode("прод".as_bytes(), None), "прод");
        assert_eq!(encode("прод", declared(Some("windows-1252"))), None);
        assert_eq!(
            encode("é", declared(Some("windows-1252"))),
            Some(vec![0xe9])
        );
    }
}

//! Amounts and outputs as people read them.

use std::time::Duration;

pub use crate::transfer::size;

/// The two largest units: `5m`, `1m 30s`, `10h 52m`, `1d 10h`.
#[must_use]
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let largest = parts
        .iter()
        .position(|(amount, _)| *amount > 0)
        .unwrap_or(3);
    let shown = parts
        .iter()
        .skip(largest)
        .take(2)
        .filter(|(amount, _)| *amount > 0);
    let shown: Vec<String> = shown
        .map(|(amount, unit)| format!("{amount}{unit}"))
        .collect();
    if shown.is_empty() {
        "0s".to_owned()
    } else {
        shown.join(" ")
    }
}

/// `1 file`, `3 files`.
#[must_use]
pub fn count(amount: usize, noun: &str) -> String {
    if amount == 1 {
        format!("1 {noun}")
    } else {
        format!("{amount} {noun}s")
    }
}

/// A text in one line, cut to so many characters; `None` if nothing is in it.
pub(super) fn one_line(text: &str, most: usize) -> Option<String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => Some(format!("{}…", &line[..end])),
        None => Some(line).filter(|line| !line.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_well() {
        for (seconds, text) in [
            (0, "0s"),
            (45, "45s"),
            (90, "1m 30s"),
            (300, "5m"),
            (7200, "2h"),
            (39_169, "10h 52m"),
            (86_400, "1d"),
            (125_000, "1d 10h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        for (bytes, text) in [
            (0, "0 B"),
            (616, "616 B"),
            (1024, "1.0 KiB"),
            (19_542_101_196, "18.2 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(
            (count(1, "file"), count(2, "file")),
            ("1 file".into(), "2 files".into())
        );
    }

    #[test]
    fn an_output_is_cut_between_characters() {
        for (text, line) in [
            (" \n", None),
            ("a\n b", Some("a b")),
            ("äöüß", Some("äöüß")),
            ("äöüß!", Some("äöüß…")),
        ] {
            assert_eq!(one_line(text, 4).as_deref(), line, "{text:?}");
        }
    }
}

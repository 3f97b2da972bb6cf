//! Amounts as people read them.

use std::time::Duration;

/// `5m`, `1m 30s`, `45s`, `2h`.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, unit)| format!("{amount}{unit}"))
        .collect();
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// `18.2 GiB`, `616 B`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = UNITS.iter().find(|(shift, _)| bytes >> shift > 0);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(shift, unit)| format!("{:.1} {unit}", bytes as f64 / (1_u64 << shift) as f64),
    )
}

/// `1 file`, `3 files`.
pub(super) fn count(amount: usize, noun: &str) -> String {
    if amount == 1 { format!("1 {noun}") } else { format!("{amount} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_well() {
        for (seconds, text) in [(0, "0s"), (45, "45s"), (90, "1m 30s"), (300, "5m"), (7200, "2h")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        for (bytes, text) in [(0, "0 B"), (616, "616 B"), (1024, "1.0 KiB"), (19_542_101_196, "18.2 GiB")] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!((count(1, "file"), count(2, "file")), ("1 file".into(), "2 files".into()));
    }
}

//! Times and sizes for people.

use jiff::{SignedDuration, Timestamp};

pub(super) use crate::clock::to_second as time;

/// Whole seconds as a length of time.
pub(super) fn length(seconds: u64) -> Option<SignedDuration> {
    i64::try_from(seconds).ok().map(SignedDuration::from_secs)
}

/// A duration for people: `48 s`, `4m 10s`, `1h 02m`, `3d 04h`.
#[must_use]
pub fn duration(length: SignedDuration) -> String {
    let seconds = length.as_secs();
    if seconds < 0 {
        return format!("-{}", duration(length.abs()));
    }
    match seconds {
        0 if length.is_zero() => "0 s".to_owned(),
        0 => format!("{} ms", length.as_millis()),
        1..10 => format!("{}.{} s", seconds, length.subsec_millis() / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A size for people: `18.2 GiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let fits = |unit: usize| u128::from(count) < 1 << (10 * (unit + 1));
    let unit = (0..UNITS.len())
        .find(|unit| fits(*unit))
        .unwrap_or(UNITS.len() - 1);
    if unit == 0 {
        return format!("{count} B");
    }
    let one = 1_u128 << (10 * unit);
    let tenths = (u128::from(count) * 10 + one / 2) / one;
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// The time of day of an event, to the millisecond, UTC; with its day, if that is not the one on
/// which the run began.
pub(super) fn clock(at: Timestamp, began: Option<Timestamp>) -> String {
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let clock = at.strftime("%H:%M:%S.%3fZ");
    if began.is_none_or(|began| day(began) == day(at)) {
        clock.to_string()
    } else {
        format!("{} {clock}", day(at))
    }
}

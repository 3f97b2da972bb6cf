//! When service was lost, as a person says it.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::runbook;

/// What may be said, for prompts and messages.
pub const FORMS: &str = "now, 25m ago, 02:40 (the last time it was), or 2026-01-02T02:40:00Z";

/// Reads `now`, `25m ago`, `02:40` in the console's time zone, or a timestamp.
///
/// # Errors
/// In words, for what cannot be read and for times that are still to come.
pub fn parse(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let text = text.trim();
    let at =
        read(text, now).ok_or_else(|| format!("`{text}` cannot be read as a time: say {FORMS}"))?;
    if at > now.timestamp() {
        return Err(format!("`{text}` is still to come"));
    }
    Ok(at)
}

fn read(text: &str, now: &Zoned) -> Option<Timestamp> {
    if text.is_empty() || text.eq_ignore_ascii_case("now") {
        return Some(now.timestamp());
    }
    if let Some(ago) = text.strip_suffix("ago") {
        let length = runbook::parse_duration(ago.trim()).ok()?;
        return now
            .timestamp()
            .checked_sub(SignedDuration::try_from(length).ok()?)
            .ok();
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    last_time(text.parse::<Time>().ok()?, now)
}

/// Today's, or yesterday's where that is still to come.
fn last_time(time: Time, now: &Zoned) -> Option<Timestamp> {
    let zone: &TimeZone = now.time_zone();
    let today = now.date().to_datetime(time).to_zoned(zone.clone()).ok()?;
    if today <= *now {
        return Some(today.timestamp());
    }
    let yesterday = now
        .date()
        .yesterday()
        .ok()?
        .to_datetime(time)
        .to_zoned(zone.clone())
        .ok()?;
    Some(yesterday.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_say_them() {
        let now: Zoned = "2026-01-02T03:04:05+01:00[Europe/Paris]".parse().unwrap();
        let at = |text: &str| parse(text, &now).map(|at| at.to_string());
        assert_eq!(at("now").unwrap(), "2026-01-02T02:04:05Z");
        assert_eq!(at(" ").unwrap(), "2026-01-02T02:04:05Z");
        assert_eq!(at("25m ago").unwrap(), "2026-01-02T01:39:05Z");
        assert_eq!(at("02:40").unwrap(), "2026-01-02T01:40:00Z");
        assert_eq!(at("23:50").unwrap(), "2026-01-01T22:50:00Z", "yesterday");
        assert_eq!(at("2026-01-02T00:00:00Z").unwrap(), "2026-01-02T00:00:00Z");
        assert!(
            at("2026-01-02T04:00:00Z")
                .unwrap_err()
                .contains("still to come")
        );
        assert!(at("soon").unwrap_err().contains("cannot be read"));
        assert!(at("-5m ago").is_err());
    }
}

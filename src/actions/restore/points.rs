//! Restore points in the words of the step card.

use std::time::Duration;

use jiff::Timestamp;

use crate::actions::words::span;
use crate::runbook::model::Consistency;
use crate::transfer::Point;

/// In what state the guest was when the backup was taken.
pub(super) fn consistency(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Crash => "crash-consistent",
        Consistency::Filesystem => "file systems consistent",
        Consistency::Application => "applications consistent",
        Consistency::PoweredOff => "taken while off",
    }
}

/// What is lost with this point, against the objective.
pub(super) fn loss(point: &Point, outage: Timestamp, rpo: Option<Duration>) -> String {
    let lost = Duration::try_from(point.stamp.age_at(outage)).unwrap_or_default();
    match rpo {
        None => format!(
            "what changed in the last {} before the outage is lost",
            span(lost)
        ),
        Some(rpo) => {
            let graded = if lost <= rpo {
                "within"
            } else if lost <= rpo * 2 {
                "up to twice"
            } else if lost <= rpo * 4 {
                "up to four times"
            } else {
                "beyond four times"
            };
            format!(
                "RPO {}: {graded} the objective of {}",
                span(lost),
                span(rpo)
            )
        }
    }
}

/// `20260102T030405Z 5h 10m before the outage`, newest first.
pub(super) fn offered(points: &[Point], outage: Option<Timestamp>) -> Vec<String> {
    const SHOWN: usize = 4;
    let line = |point: &Point| {
        let age = outage.map(|outage| {
            let age = Duration::try_from(point.stamp.age_at(outage)).unwrap_or_default();
            format!(" {} before the outage", span(age))
        });
        let flaw = if point.is_sound() {
            ""
        } else {
            " (not usable)"
        };
        format!("{}{}{flaw}", point.stamp, age.unwrap_or_default())
    };
    let mut lines: Vec<String> = points.iter().take(SHOWN).map(line).collect();
    if points.len() > SHOWN {
        lines.push(format!("{} older", points.len() - SHOWN));
    }
    lines
}

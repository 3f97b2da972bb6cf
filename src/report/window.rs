//! How the time to decide between commit and rollback is told.

use jiff::{SignedDuration, Timestamp};

use crate::engine::CommitWindow;

use super::text::{duration, time};

/// `decide by 2026-01-03 04:05:00Z, 23h 10m left`; `None` once it was decided.
#[must_use]
pub fn decide_by(window: &CommitWindow, now: Timestamp) -> Option<String> {
    let left = window.left(now)?;
    let until = time(window.until);
    Some(if left.is_negative() {
        let late = duration(whole(left.abs()));
        format!("OVERDUE by {late}: it was to be decided by {until}")
    } else {
        format!("decide by {until}, {} left", duration(whole(left)))
    })
}

/// The window and what became of it, for whoever reads it at any time.
pub(super) fn told(window: &CommitWindow) -> String {
    let (within, until) = (duration(window.within), time(window.until));
    let decided = match (window.decided, window.late()) {
        (None, _) => return format!("{within}: to be decided by {until}"),
        (Some(at), None) => format!("decided at {}", time(at)),
        (Some(at), Some(late)) => format!("decided at {}, {} late", time(at), duration(late)),
    };
    format!("{within}, until {until}: {decided}")
}

fn whole(length: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(length.as_secs())
}

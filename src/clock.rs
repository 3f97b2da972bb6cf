//! The time that the journal carries: the wall clock where a session of the console began, plus what
//! a monotonic clock has counted since, a laptop's sleep included (Linux: `CLOCK_BOOTTIME`).
//!
//! So differences between times of one session are durations, whatever happens to the wall clock
//! meanwhile; a step of the wall clock shows at the next resume, which records it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// A clock in whole milliseconds. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    base: Timestamp,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// Since boot, when the session began.
    Monotonic(SignedDuration),
    Manual(Arc<AtomicI64>),
}

/// The hand of a clock that only moves when it is told to; for tests.
#[derive(Clone, Debug)]
pub struct ManualTime(Arc<AtomicI64>);

impl Clock {
    /// The console's clock, from now on.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the clocks of the machine"
    )]
    pub fn system() -> Self {
        Self {
            base: whole_ms(Timestamp::now()),
            source: Source::Monotonic(since_boot()),
        }
    }

    /// A clock that stands still until its hand is moved.
    #[must_use]
    pub fn manual(start: Timestamp) -> (Self, ManualTime) {
        let hand = Arc::new(AtomicI64::new(0));
        let clock = Self {
            base: whole_ms(start),
            source: Source::Manual(Arc::clone(&hand)),
        };
        (clock, ManualTime(hand))
    }

    /// The time now, in whole milliseconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = match &self.source {
            Source::Monotonic(started) => since_boot().saturating_sub(*started),
            Source::Manual(hand) => SignedDuration::from_millis(hand.load(Ordering::Relaxed)),
        };
        whole_ms(self.base.saturating_add(elapsed).unwrap_or(Timestamp::MAX))
    }

    /// This clock set forward, where it stands before `earliest`; also by how much it stood before.
    #[must_use]
    pub fn not_before(&self, earliest: Timestamp) -> (Self, Option<SignedDuration>) {
        let now = self.now();
        if now >= earliest {
            return (self.clone(), None);
        }
        let behind = earliest.duration_since(now);
        let base = self.base.saturating_add(behind).unwrap_or(Timestamp::MAX);
        (
            Self {
                base,
                source: self.source.clone(),
            },
            Some(behind),
        )
    }
}

impl ManualTime {
    /// Moves the hand forward.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

/// A time for people, to the second: `2026-01-02 14:03:05Z`.
#[must_use]
pub fn to_second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The same where it stands in a sentence: `2026-01-02 14:03:05 UTC`.
#[must_use]
pub fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn since_boot() -> SignedDuration {
    let now = clock_gettime(ClockId::Boottime);
    SignedDuration::from_secs(now.tv_sec).saturating_add(SignedDuration::from_nanos(now.tv_nsec))
}

fn whole_ms(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_whole_milliseconds_and_never_goes_back() {
        let clock = Clock::system();
        let mut last = clock.now();
        for _ in 0..1_000 {
            let now = clock.now();
            assert!(now >= last);
            assert_eq!(now.subsec_nanosecond() % 1_000_000, 0);
            last = now;
        }
    }

    #[test]
    fn is_set_forward_and_says_by_how_much() {
        let start: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let (clock, hand) = Clock::manual(start);
        let (same, behind) = clock.not_before(start);
        assert_eq!((same.now(), behind), (start, None));

        let later: Timestamp = "2026-01-02T04:04:05.678Z".parse().unwrap();
        let (ahead, behind) = clock.not_before(later);
        assert_eq!(behind, Some(SignedDuration::from_hours(1)));
        hand.advance(Duration::from_secs(5));
        assert_eq!(
            ahead.now().duration_since(later),
            SignedDuration::from_secs(5)
        );
    }
}

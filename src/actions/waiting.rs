//! Looking again and again at growing distances, up to a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The first pause; short, because what was just ordered is often there at once.
const FIRST: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(3);

/// Pauses between looks.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    deadline: Instant,
}

impl Pauses {
    /// Looks for this long.
    pub fn within(patience: Duration) -> Self {
        Self::until(Instant::now() + patience)
    }

    /// Looks until then.
    pub fn until(deadline: Instant) -> Self {
        Self {
            next: FIRST,
            deadline,
        }
    }

    /// Pauses, or tells that the time is up. The last pause ends with the deadline, so that there
    /// is always one look at the very end.
    pub async fn pause(&mut self) -> bool {
        let left = self.left();
        if left.is_zero() {
            return false;
        }
        sleep(self.next.min(left)).await;
        self.next = (self.next * 3 / 2).min(LONGEST);
        true
    }

    /// How much time is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_looks_once_more_at_the_deadline_and_then_no_more() {
        let began = Instant::now();
        let mut pauses = Pauses::within(Duration::from_secs(10));
        let mut looks = 1;
        while pauses.pause().await {
            looks += 1;
        }
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        assert!((8..14).contains(&looks), "{looks}");
    }
}

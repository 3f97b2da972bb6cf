//! What all transfers of a run may have on their way at once, which is what they keep in memory: one
//! alone has all of it, as a long line needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Channels for open files beside their first one, at most: more of them gain nothing.
pub(super) const BESIDE: usize = 4;

/// What is asked for ahead of readers, in bytes: over a line of 40 ms there and back, enough for
/// 150 MB/s.
const READ_AHEAD: u64 = 6 << 20;

/// Shared by all hosts of a run.
#[derive(Clone)]
pub(in super::super) struct Budget {
    readers: Arc<AtomicU64>,
    beside: Arc<Semaphore>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            readers: Arc::default(),
            beside: Arc::new(Semaphore::new(BESIDE)),
        }
    }
}

impl Budget {
    /// A share for a file that is read ahead, until it is dropped.
    pub(super) fn reader(&self) -> Reader {
        self.readers.fetch_add(1, Ordering::Relaxed);
        Reader(self.readers.clone())
    }

    /// One more channel for a file that has one; `None` where the run has as many as are of use.
    pub(super) fn beside(&self) -> Option<OwnedSemaphorePermit> {
        self.beside.clone().try_acquire_owned().ok()
    }
}

/// One of those that share what is asked for ahead.
pub(super) struct Reader(Arc<AtomicU64>);

impl Reader {
    /// Bytes that may be asked for ahead of it now.
    pub(super) fn ahead(&self) -> u64 {
        READ_AHEAD / self.0.load(Ordering::Relaxed).max(1)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reader_has_all_and_several_share_it() {
        let budget = Budget::default();
        let first = budget.reader();
        assert_eq!(first.ahead(), READ_AHEAD);
        let others: Vec<Reader> = (0..3).map(|_| budget.clone().reader()).collect();
        let all: u64 = first.ahead() + others.iter().map(Reader::ahead).sum::<u64>();
        assert_eq!(all, READ_AHEAD);
        drop(others);
        assert_eq!(first.ahead(), READ_AHEAD);
    }

    #[test]
    fn further_channels_are_counted_over_all_hosts() {
        let (one, other) = (Budget::default(), Budget::default());
        let shared = one.clone();
        let mut taken: Vec<_> = (0..BESIDE).map(|_| one.beside()).collect();
        assert!(taken.iter().all(Option::is_some));
        assert!(shared.beside().is_none() && other.beside().is_some());
        taken.pop();
        assert!(shared.beside().is_some());
    }
}

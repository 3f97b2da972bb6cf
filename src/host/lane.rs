//! A session and its thread.
//!
//! ssh2 is not async: each session lives on a thread of its own and takes one job at a time from
//! a queue. Whoever drops the future of a job that runs cancels it, which costs the session.

mod thread;
mod worker;

pub(super) use thread::LaneThread;
pub(super) use worker::{Kept, Sendable, Worker};

/// One of the sessions to a host; each carries one command at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// The steps of the run.
    Control,
    /// Answering a VM's question while its `power.on` blocks the control lane.
    Answer,
    /// The panes.
    Telemetry,
    /// Transfers: their commands, and bulk data where it cannot go over its own session. There are
    /// two: `Transfer(2)` is `Transfer(0)` again, so that no host gets more than six sessions.
    Transfer(u8),
    /// A further way for files that go over a lane for transfers: where data cannot go over its own
    /// session, this is the sixth. No command goes over it.
    Data,
}

impl Lane {
    /// One of those for transfers, so that what moves at the same time is spread over them.
    #[must_use]
    pub fn transfer(index: usize) -> Self {
        let number = index % usize::from(TRANSFERS);
        Self::Transfer(u8::try_from(number).unwrap_or_default())
    }

    /// How many before it, of those that are spread by [`Lane::transfer`], are on the same one.
    #[must_use]
    pub fn queue(index: usize) -> usize {
        index / usize::from(TRANSFERS)
    }

    /// The lane whose session is used.
    pub(super) fn session(self) -> Self {
        match self {
            Self::Transfer(number) => Self::Transfer(number % TRANSFERS),
            lane => lane,
        }
    }

    /// The lane that what goes over this one may take as well.
    pub(super) fn other(self) -> Option<Self> {
        match self.session() {
            Self::Transfer(number) => Some(Self::Transfer((number + 1) % TRANSFERS)),
            _ => None,
        }
    }

    /// Whether a command that was sent for this lane may run on that one.
    pub(super) fn takes(self, lane: Self) -> bool {
        self.session() == lane || self.other() == Some(lane)
    }
}

/// Sessions that transfers share; with the one for bulk data they are half of a host's six.
const TRANSFERS: u8 = 2;

//! A run as tests tell it, line by line.

use jiff::Timestamp;

use super::event::{Entry, RunEvent, RunInfo};
use super::state::RunState;
use crate::names::{Attempt, StepId};

impl Entry {
    /// A line about the run, or about the first attempt of a step.
    pub(crate) fn told<'a>(
        seq: u64,
        at: Timestamp,
        step: impl Into<Option<&'a str>>,
        event: RunEvent,
    ) -> Self {
        let step: Option<StepId> = step.into().map(StepId::from);
        Self {
            seq,
            at,
            attempt: step.is_some().then_some(Attempt::FIRST),
            step,
            event,
        }
    }
}

impl RunState {
    /// A run of which nothing is told but that it began.
    pub(crate) fn begun(info: RunInfo) -> Self {
        let mut state = Self::default();
        state.tell(None, RunEvent::RunStarted(Box::new(info)));
        state
    }

    /// Its next line, at as many seconds after the epoch as it has lines.
    pub(crate) fn tell<'a>(&mut self, step: impl Into<Option<&'a str>>, event: RunEvent) {
        let second = i64::try_from(self.last_seq + 1).unwrap();
        self.tell_at(Timestamp::from_second(second).unwrap(), step, event);
    }

    /// Its next line, at its own time.
    pub(crate) fn tell_at<'a>(
        &mut self,
        at: Timestamp,
        step: impl Into<Option<&'a str>>,
        event: RunEvent,
    ) {
        self.apply(&Entry::told(self.last_seq + 1, at, step, event));
    }
}

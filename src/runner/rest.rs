//! Lines added to the journal of a run that stands still, beside its steps.

use std::path::Path;

use crate::clock::Clock;
use crate::engine::{Entry, RunEvent, RunState};
use crate::journal::{Journal, JournalError};

/// The journal of a run that no console walks, held for a line or two.
pub(super) struct AtRest {
    journal: Journal,
    state: RunState,
}

impl AtRest {
    /// Takes the journal, for as long as this lives.
    pub(super) fn take(dir: &Path, by: &str, console: &str) -> Result<Self, JournalError> {
        let (journal, past) = Journal::reopen(dir, by, console)?;
        let state = RunState::fold(past.iter().map(AsRef::as_ref));
        Ok(Self { journal, state })
    }

    /// The run, with what was added.
    pub(super) fn state(&self) -> &RunState {
        &self.state
    }

    /// Adds a line; its time does not lie before the last one's, whatever the clock says.
    pub(super) fn add(&mut self, clock: &Clock, event: RunEvent) -> Result<(), JournalError> {
        let last = self.state.last_at.unwrap_or_default();
        let entry = Entry {
            seq: self.state.last_seq + 1,
            at: clock.now().max(last),
            step: None,
            attempt: None,
            event,
        };
        self.journal.append(&entry)?;
        self.state.apply(&entry);
        Ok(())
    }
}

//! The last line of a drill: what its people state to have learnt. No host takes part.

use std::path::Path;

use crate::clock::Clock;
use crate::engine::{Entry, Finding, RunEvent, RunState, Stage};
use crate::error::Fault;
use crate::journal::Journal;

/// Writes the statement by which a drill is closed; an empty one says that there was nothing.
///
/// # Errors
/// If the journal is held by another console or cannot be written; if the drill is not at that point.
pub fn state_findings(
    dir: &Path,
    by: &str,
    console: &str,
    findings: Vec<Finding>,
    unstated: Vec<String>,
) -> Result<(), Fault> {
    let (mut journal, past) = Journal::reopen(dir, by, console).map_err(|error| error.fault())?;
    let state = RunState::fold(past.iter().map(AsRef::as_ref));
    let stage = Stage::of(&state);
    if stage != Stage::FindingsDue {
        return Err(Fault::new(
            format!("its findings cannot be stated now: it is {}", stage.words()),
            dir.display().to_string(),
            "nothing was written",
            "see how it stands with `lifeboat runs`",
        ));
    }
    let (clock, _) = Clock::system().not_before(state.last_at.unwrap_or_default());
    let by = by.to_owned();
    let entry = Entry {
        seq: state.last_seq + 1,
        at: clock.now(),
        step: None,
        attempt: None,
        event: RunEvent::FindingsStated {
            by,
            findings,
            unstated,
        },
    };
    journal.append(&entry).map_err(|error| error.fault())
}

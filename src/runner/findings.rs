//! The last line of a drill: what its people state to have learnt. No host takes part.

use std::path::Path;

use crate::clock::Clock;
use crate::engine::{Finding, RunEvent, Stage};
use crate::error::Fault;

use super::rest::AtRest;

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
    let mut run = AtRest::take(dir, by, console).map_err(|error| error.fault())?;
    let stage = Stage::of(run.state());
    if stage != Stage::FindingsDue {
        return Err(Fault::new(
            format!("its findings cannot be stated now: it is {}", stage.words()),
            dir.display().to_string(),
            "nothing was written",
            "see how it stands with `lifeboat runs`",
        ));
    }
    let stated = RunEvent::FindingsStated {
        by: by.to_owned(),
        findings,
        unstated,
    };
    run.add(&Clock::system(), stated)
        .map_err(|error| error.fault())
}

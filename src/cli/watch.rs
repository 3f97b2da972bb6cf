//! `lifeboat watch`: a run as it goes on at another console, read only. It takes no lock, asks no
//! host and no secret, and cannot decide anything.

use std::sync::Arc;

use crate::headless;
use crate::journal::{self, JournalError};
use crate::runner;

use super::console::{Conclusion, Console, as_typed, no_terminal, verdict};
use super::exit::{Exit, Failure};
use super::past::Past;

/// Shows the run until it ends, nobody holds it any more, or the person leaves.
pub(super) async fn watch(console: &mut Console, run: &str) -> Result<Conclusion, Failure> {
    let folder = console.store.find(run)?;
    let past = Past::read(folder.clone())?.whole()?;
    let handle = runner::watch(
        folder.id.clone(),
        &folder.path,
        Arc::new(past.plan),
        Arc::new(past.loaded.runbook),
    )
    .map_err(|fault| Failure::of(Exit::Invalid, &fault))?;
    if console.act.headless {
        let mut out = std::io::stdout();
        let seen = headless::watch(handle, &mut out)
            .await
            .map_err(|error| no_terminal(&error))?;
        if let Some(fault) = seen.fault {
            return Err(Failure::of(Exit::Findings, &fault));
        }
    } else {
        let screen = console.screen()?;
        screen
            .watch(handle)
            .await
            .map_err(|error| no_terminal(&error))?;
    }
    let past = Past::read(folder.clone())?;
    if let Some(problem) = past.journal.problem.clone() {
        let path = folder.journal();
        return Err(JournalError::Broken { path, problem }.into());
    }
    let exit = verdict(&past.report());
    let state = match (exit, journal::held_by(&folder.path)?) {
        (Exit::Resumable, Some(holder)) => format!("goes on at another console: {holder}"),
        (Exit::Resumable, None) => {
            format!(
                "is not finished and nobody holds it: lifeboat resume {}",
                folder.id
            )
        }
        _ => format!("is finished; see `lifeboat report {}`", folder.id),
    };
    let state = as_typed(&folder, &state);
    let lines = vec![
        format!("run {} {state}", folder.id),
        format!("journal head: {}", past.journal.head),
    ];
    Ok(Conclusion { exit, lines })
}

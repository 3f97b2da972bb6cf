//! `lifeboat failback`: a finished failover, taken back.

use std::path::Path;
use std::sync::Arc;

use crate::engine::Parent;
use crate::error::Fault;
use crate::journal::Ending;
use crate::runbook::Loaded;
use crate::runbook::model::{Mode, Section};

use super::args::StartArgs;
use super::console::{Conclusion, Console};
use super::exit::{Exit, Failure};
use super::load::load_runbook;
use super::past::Past;
use super::start::{Before, Order, start};

/// Starts the way home of a run, or of a runbook, and walks it.
pub(super) async fn failback(
    console: &mut Console,
    what: &str,
    args: StartArgs,
) -> Result<Conclusion, Failure> {
    let as_path = Path::new(what);
    let (loaded, path, before) = if as_path.is_file() {
        let loaded = load_runbook(as_path)?;
        let before = newest_failover(console, &loaded)?;
        (loaded, Some(as_path.to_owned()), before)
    } else {
        let past = Past::read(console.store.find(what)?)?.whole()?;
        let path = Some(past.info.runbook_path.clone()).filter(|path| !path.is_empty());
        let loaded = past.loaded.clone();
        (loaded, path.map(Into::into), Some(taken_back(past)?))
    };
    let order = Order {
        loaded,
        path,
        mode: Mode::Failback,
        sections: vec![Section::Failback],
        parent: before,
        start: args,
    };
    start(console, order).await
}

/// The run as something that can be taken back.
fn taken_back(past: Past) -> Result<Before, Failure> {
    let state = past.state();
    let refused = |what: String, next: String| {
        let place = format!("run {}", past.folder.id);
        Err(Failure::of(
            Exit::Refused,
            &Fault::new(what, place, "nothing was started", next),
        ))
    };
    match past.info.mode {
        Some(Mode::Failover | Mode::Planned) => {}
        other => {
            let mode = other.map_or("unknown", Mode::as_str);
            return refused(
                format!("only a failover can be taken back, and this run's mode is {mode}"),
                "name the failover's run: `lifeboat runs` lists them".to_owned(),
            );
        }
    }
    if state.finished.is_none() {
        return refused(
            "the failover is not finished".to_owned(),
            format!("finish it first: `lifeboat resume {}`", past.folder.id),
        );
    }
    Ok(Before {
        parent: Parent {
            run: past.folder.id,
            head: past.journal.head,
        },
        state: Arc::new(state),
        variables: past.info.variables,
    })
}

/// The newest finished failover of the same runbook, where there is one.
fn newest_failover(console: &Console, loaded: &Loaded) -> Result<Option<Before>, Failure> {
    let runs = console.store.list()?;
    let found = runs.into_iter().find(|run| {
        matches!(run.ending, Ending::Finished(_))
            && run.info.as_ref().is_some_and(|info| {
                info.runbook == loaded.runbook.name
                    && matches!(info.mode, Some(Mode::Failover | Mode::Planned))
            })
    });
    match found {
        Some(run) => taken_back(Past::read(run.folder)?.whole()?).map(Some),
        None => Ok(None),
    }
}

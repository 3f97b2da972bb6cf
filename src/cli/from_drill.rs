//! `lifeboat run RUNBOOK --from-drill DRILL`: a failover whose restores start from the disks that a
//! drill's cleanup kept. What it may start from is checked before its first line is written.

use std::path::{Path, PathBuf};

use crate::engine::{FromDrill, RunState, Stage, kept_disks};
use crate::error::Fault;
use crate::names::RunId;
use crate::runbook::model::{Mode, Runbook, Section, SiteRole};

use super::args::StartArgs;
use super::console::{Conclusion, Console, as_typed};
use super::exit::{Exit, Failure};
use super::load::load_runbook;
use super::past::Past;
use super::resume::free;
use super::start::{Order, start};

/// Starts it and walks it.
///
/// # Errors
/// Status 3 where the drill is not one that it can start from.
pub(super) async fn failover_from(
    console: &mut Console,
    runbook: PathBuf,
    drill: &str,
    args: StartArgs,
    looks_first: bool,
) -> Result<Conclusion, Failure> {
    let loaded = load_runbook(&runbook)?;
    let past = Past::read(free(console.store.find(drill)?)?)?.whole()?;
    let from_drill = Some(seeds_of(&past, &loaded.runbook, &runbook)?);
    let order = Order {
        loaded,
        path: Some(runbook),
        mode: Mode::Failover,
        sections: vec![Section::Failover],
        parent: None,
        from_drill,
        start: args,
        looks_first,
    };
    start(console, order).await
}

/// What a run of this runbook finds of the drill.
fn seeds_of(past: &Past, runbook: &Runbook, path: &Path) -> Result<FromDrill, Failure> {
    let (run, state) = (&past.folder.id, past.state());
    let path = path.to_string_lossy();
    let whole = format!("lifeboat run {}", shell_words::quote(&path));
    let refused = |what: String, next: String| {
        let place = format!("run {run}");
        let next = as_typed(&past.folder, &next);
        let fault = Fault::new(what, place, "nothing was started", next);
        Failure::of(Exit::Refused, &fault)
    };
    if past.info.mode != Some(Mode::Drill) {
        let mode = past.info.mode.map_or("unknown", Mode::as_str);
        return Err(refused(
            format!(
                "a live restore starts from the disks of a drill, and this run's mode is {mode}"
            ),
            format!("name a drill (`lifeboat runs` lists them), or restore whole: {whole}"),
        ));
    }
    if let Some(why) = other_places(past, runbook) {
        let next = format!("name a drill of this runbook, or restore whole: {whole}");
        return Err(refused(why, next));
    }
    let kept = kept_disks(&state);
    if kept.is_empty() {
        let (what, next) = not_kept(run, &state, &whole);
        return Err(refused(what, next));
    }
    Ok(FromDrill {
        run: run.clone(),
        head: past.journal.head.clone(),
        kept,
    })
}

/// Why the drill was not held of this runbook, or not where it recovers to.
fn other_places(past: &Past, runbook: &Runbook) -> Option<String> {
    let drilled = &past.loaded.runbook;
    if drilled.name != runbook.name {
        return Some(format!(
            "it is a drill of {}, and this runbook is {}",
            drilled.name, runbook.name
        ));
    }
    if drilled.recovery_site() != runbook.recovery_site() {
        return Some(format!(
            "that drill recovered to {}, and this runbook recovers to {}",
            drilled.recovery_site(),
            runbook.recovery_site()
        ));
    }
    let kept = kept_disks(&past.state());
    let other = kept.iter().find(|kept| {
        let host = |runbook: &Runbook| Some(runbook.hosts.get(&kept.host)?.address.clone());
        let moved = host(drilled) != host(runbook);
        moved || runbook.role_of(&kept.host) != Some(SiteRole::Recovery)
    })?;
    Some(format!(
        "it kept disks on {}, which this runbook does not list, or with another address",
        other.host
    ))
}

/// Why there are no disks to start from, and the next move.
fn not_kept(run: &RunId, state: &RunState, whole: &str) -> (String, String) {
    let stage = Stage::of(state);
    let stands = stage.words();
    match stage {
        Stage::Cleaned | Stage::FindingsDue | Stage::Closed { .. } => (
            format!("nothing of its disks is left ({stands})"),
            format!("restore whole: {whole}"),
        ),
        Stage::CleaningUp | Stage::Begun(_) | Stage::BegunAgain(_) => {
            let ways = stage.ways(run, Some(Mode::Drill));
            let ways: Vec<String> = ways.iter().map(ToString::to_string).collect();
            let what = format!("its cleanup was begun and is not finished ({stands})");
            (what, ways.join("; or "))
        }
        _ => (
            format!("its disks are not kept, or not all else of it is gone ({stands})"),
            format!(
                "take them down, and keep the disks: lifeboat cleanup {run} --keep-disks; then start again"
            ),
        ),
    }
}

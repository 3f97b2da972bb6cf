//! How a run is ended: whether it may be in a given way, and the steps that do it. Pure: the same
//! runbook and the same state give the same plan, so that a chapter that was cut short goes on.

mod live;
mod steps;

use jiff::Timestamp;

pub use live::{going_live, kept_disks, may_need_disks};

use super::event::Chapter;
use super::ledger::{Item, Ledger, Thing};
use super::owners::Split;
use super::stage::{Stage, residue};
use super::state::{OpenedChapter, RunState};
use super::step::Status;
use crate::names::{RunId, StepId};
use crate::plan::{Aside, Close, PlacedFile, Plan, then_closed};
use crate::runbook::model::{Mode, Runbook};

/// A way in which a run is to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Which chapter does it.
    pub chapter: Chapter,
    /// The disks of a drill stay, for a live restore to start from.
    pub keeps: bool,
}

impl From<Chapter> for Closing {
    fn from(chapter: Chapter) -> Self {
        let keeps = false;
        Self { chapter, keeps }
    }
}

impl From<&OpenedChapter> for Closing {
    fn from(opened: &OpenedChapter) -> Self {
        Self {
            chapter: opened.chapter,
            keeps: opened.keeping.is_some(),
        }
    }
}

impl Closing {
    /// A drill is cleaned up, but for its disks.
    pub const KEEPING: Self = Self {
        chapter: Chapter::Cleanup,
        keeps: true,
    };
}

/// What becomes of somebody's wish to end a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A chapter is opened.
    New,
    /// It was opened before and is gone on with.
    GoOn,
    /// There is nothing left to do, and why.
    Nothing(String),
    /// All is done on the hosts; what was learnt is to be stated.
    Findings,
    /// Another chapter was begun, and nothing was done of it: once that is left, this one is opened.
    AfterLeaving,
    /// It must not be: why, and the next move.
    Refused(String, String),
}

fn refused(why: &str, next: String) -> Opening {
    Opening::Refused(why.to_owned(), next)
}

/// Whether a run may be ended in this way now.
#[must_use]
pub fn opening(closing: impl Into<Closing>, run: &RunId, state: &RunState) -> Opening {
    let closing = closing.into();
    let Closing { chapter, keeps } = closing;
    let mode = state.info.as_ref().and_then(|info| info.mode);
    if mode == Some(Mode::Practice) {
        return refused(
            "a practice has nothing to end: its site is simulated and goes with it",
            "nothing is left to do".to_owned(),
        );
    }
    if let Some(opened) = state.chapter().filter(|opened| opened.ended.is_none()) {
        let splits = state.splits();
        // What it goes on to remove may be what the copy that is to live needs.
        let stays = chapter == opened.chapter || state.leavable().is_none();
        if opened.chapter == Chapter::Commit && stays && !splits.is_empty() {
            let next = format!(
                "shut one copy down, and let it be seen: lifeboat watch --hosts {run}; then go on: lifeboat commit {run}"
            );
            return refused(&recovery_required(&splits), next);
        }
        // One that keeps disks is gone on with before another deletes them.
        if opened.chapter == chapter && (!keeps || opened.keeping.is_some()) {
            return Opening::GoOn;
        }
        return other_begun(closing, opened.chapter, run, state);
    }
    match (chapter, mode) {
        (Chapter::Cleanup, _) if keeps => live::keeping(mode, run, state),
        (Chapter::Cleanup, _) => cleanup(mode, run, state),
        (Chapter::Commit, Some(Mode::Drill)) => refused(
            "a drill's copies do not go live: they ran cut off and changed data of their own",
            format!(
                "a live restore can start from their disks: {}",
                live::commands(run, state)
            ),
        ),
        (Chapter::Rollback, Some(Mode::Drill)) => refused(
            "a drill changes nothing that could be taken back",
            format!("remove what it made: lifeboat cleanup {run}"),
        ),
        (Chapter::Commit, _) => commit(run, state),
        (Chapter::Rollback, _) => rollback(run, state),
    }
}

/// What becomes of a wish to end a run in one way while another one was begun.
fn other_begun(wanted: Closing, begun: Chapter, run: &RunId, state: &RunState) -> Opening {
    if state.leavable().is_some() {
        let mut before = state.clone();
        before.leave_chapter(state.last_at.unwrap_or_default());
        if opening(wanted, run, &before) == Opening::New {
            return Opening::AfterLeaving;
        }
    }
    let or_leave = match state.leavable() {
        Some(_) => format!(", or leave it: lifeboat {begun} --leave {run}"),
        None => String::new(),
    };
    refused(
        &format!("its {begun} was begun and is not finished"),
        format!("finish that first: lifeboat {begun} {run}{or_leave}"),
    )
}

fn recovery_required(splits: &[Split]) -> String {
    let splits: Vec<String> = splits.iter().map(Split::in_words).collect();
    format!("recovery is required (split brain): {}", splits.join("; "))
}

fn split_since(run: &RunId, splits: &[Split]) -> Opening {
    let next = format!(
        "shut one copy down, and let it be seen: lifeboat watch --hosts {run}; or take it back: lifeboat rollback {run}"
    );
    refused(&recovery_required(splits), next)
}

fn was(state: &RunState, chapter: Chapter) -> bool {
    let mut opened = state.chapters.iter();
    opened.any(|opened| opened.chapter == chapter)
}

/// When somebody agreed to what a chapter does.
pub(super) fn agreed_at(chapter: Chapter, state: &RunState) -> Option<Timestamp> {
    let asks = |id: &StepId| Chapter::of(id) == Some(chapter) && id.phase() == steps::PHASES[0].0;
    let mut agreed = state.steps.iter().filter(|(id, _)| asks(id));
    let (_, step) = agreed.find(|(_, step)| step.status == Status::Done)?;
    step.ended
}

fn cleanup(mode: Option<Mode>, run: &RunId, state: &RunState) -> Opening {
    match Stage::of(state) {
        Stage::Cleaned => {
            Opening::Nothing("it is cleaned: nothing that it made is left".to_owned())
        }
        stage @ Stage::Closed { .. } => Opening::Nothing(format!(
            "it is {}, and nothing that it made is left",
            stage.words()
        )),
        Stage::FindingsDue => Opening::Findings,
        Stage::RolledBack { residue: 0 } => {
            Opening::Nothing("it was rolled back, and nothing is left of it".to_owned())
        }
        _ if mode == Some(Mode::Drill) || was(state, Chapter::Rollback) => Opening::New,
        Stage::Unfinished | Stage::Interrupted | Stage::RecoveryRequired(_) => refused(
            "it is not finished, and what it made so far may be in use",
            format!("go on: lifeboat resume {run}; or take it back: lifeboat rollback {run}"),
        ),
        Stage::SplitSince(splits) => split_since(run, &splits),
        _ => refused(
            "what it made is in use: only a drill, or what a rollback left, is cleaned up",
            format!("decide first: lifeboat commit {run}, or lifeboat rollback {run}"),
        ),
    }
}

fn commit(run: &RunId, state: &RunState) -> Opening {
    if was(state, Chapter::Rollback) {
        return refused(
            "it was rolled back, so nothing is left to stay",
            "start a new run".to_owned(),
        );
    }
    match Stage::of(state) {
        Stage::Committed { residue: 0 } => Opening::Nothing("it is committed".to_owned()),
        Stage::Unfinished | Stage::Interrupted | Stage::RecoveryRequired(_) => refused(
            "it is not finished, so nobody knows what would stay",
            format!("finish it: lifeboat resume {run}; or take it back: lifeboat rollback {run}"),
        ),
        Stage::SplitSince(splits) => split_since(run, &splits),
        _ => Opening::New,
    }
}

fn rollback(run: &RunId, state: &RunState) -> Opening {
    if was(state, Chapter::Commit) {
        return refused(
            "it was committed: the files of before it are gone, or going",
            format!("move the VMs home instead: lifeboat failback {run}"),
        );
    }
    match Stage::of(state) {
        Stage::RolledBack { residue: 0 } | Stage::Cleaned => {
            Opening::Nothing("it was rolled back, and nothing is left of it".to_owned())
        }
        Stage::RolledBack { .. } | Stage::CleanupIncomplete { .. } => Opening::Nothing(format!(
            "it was rolled back; what is left of it is tried again by: lifeboat cleanup {run}"
        )),
        _ => Opening::New,
    }
}

/// What a chapter that ended now would leave behind.
#[must_use]
pub fn left_over(chapter: Chapter, state: &RunState) -> Vec<Item> {
    let ledger = Ledger::of(state);
    residue(&ledger, chapter).into_iter().cloned().collect()
}

/// The plan of a run with the chapter that ends it. `run` holds all of its steps so far.
#[must_use]
pub fn closing_plan(
    closing: impl Into<Closing>,
    runbook: &Runbook,
    run: Plan,
    state: &RunState,
) -> Plan {
    let closing = steps::of(closing.into(), runbook, &run, state);
    then_closed(run, closing)
}

/// Whether a step of a chapter can have this id, whatever a run does: what an answers file may name.
#[must_use]
pub fn is_closing_id(runbook: &Runbook, id: &StepId) -> bool {
    let parts: Vec<&str> = id.as_str().split('/').collect();
    let [_, phase, subject, verb] = parts[..] else {
        return false;
    };
    let known_subject =
        subject == "-" || runbook.vms.contains_key(subject) || runbook.hosts.contains_key(subject);
    let (verb, number) = verb.split_once('.').unwrap_or((verb, "2"));
    Chapter::of(id).is_some()
        && steps::PHASES.iter().any(|(slug, _)| *slug == phase)
        && known_subject
        && steps::VERBS.contains(&verb)
        && number.parse::<u32>().is_ok_and(|number| number > 1)
}

/// Whether a thing of the ledger is gone, or as it was before, once a step is seen to be done. A
/// folder is not among them: what others put into it keeps it there.
#[must_use]
pub fn takes_back(close: &Close, item: &Item) -> bool {
    let ours = |originals: &[Aside], aside: &String| {
        let mut originals = originals.iter();
        originals.any(|original| original.aside == *aside)
    };
    if close.host() != Some(&item.host) || close.vm().is_some_and(|vm| item.vm.as_ref() != Some(vm))
    {
        return false;
    }
    match (close, &item.thing) {
        (Close::Stop { .. }, Thing::Started)
        | (Close::AutostartBack { .. }, Thing::Autostart(_)) => true,
        (Close::Unregister { vmx, .. }, Thing::Registered(registered)) => vmx == registered,
        (
            Close::NamesBack { originals, .. } | Close::RemoveOriginals { originals, .. },
            Thing::Original { aside, .. },
        ) => ours(originals, aside),
        // What the run placed there lies under a name of its own then, as work files do.
        (Close::NamesBack { originals, .. }, Thing::File(file)) => {
            originals.iter().any(|original| original.path == file.path)
        }
        (
            Close::RemoveFiles { placed, .. },
            Thing::File(PlacedFile { path, .. }) | Thing::Original { aside: path, .. },
        ) => placed.files.iter().any(|file| file.path == *path),
        (Close::RemoveFiles { placed, .. }, Thing::Workfiles(folder)) => placed.folder == *folder,
        (Close::RemoveNetworks { groups, .. }, Thing::PortGroup { name, vswitch }) => groups
            .iter()
            .any(|(group, switch)| group == name && switch == vswitch),
        (Close::RemoveNetworks { switches, .. }, Thing::Vswitch(name)) => switches.contains(name),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

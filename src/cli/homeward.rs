//! Failbacks as they count for the failover that they take home.

use std::sync::Arc;

use crate::engine::{RunState, TakenBy, TakenHome};
use crate::journal::{self, ReadJournal, RunSummary, Store};
use crate::names::RunId;
use crate::runbook::model::Mode;

use super::exit::Failure;
use super::past::planned;

/// A failback of a run.
pub(in crate::cli) struct Homeward {
    /// The run that it takes home.
    pub(in crate::cli) of: RunId,
    pub(in crate::cli) taken: TakenBy,
    pub(in crate::cli) state: RunState,
}

impl Homeward {
    /// A run, if it is a failback; a journal with a line that does not fit counts up to there. Where it
    /// has no plan, because its runbook is gone or was changed, it takes home what it was begun for:
    /// whatever is wrong with a failback, its failover can be ended.
    pub(in crate::cli) fn read(run: &RunSummary, journal: &ReadJournal) -> Option<Self> {
        let info = run.info.as_deref()?;
        let of = takes_home(run)?.clone();
        let state = RunState::fold(journal.entries.iter().map(Arc::as_ref));
        let vms = match planned(&run.folder, info, &state) {
            Ok((_, plan)) => plan.vms,
            Err(_) => info.only.clone(),
        };
        let by = run.folder.id.clone();
        let taken = TakenBy { by, vms };
        Some(Self { of, taken, state })
    }
}

/// The run that a failback takes home.
pub(super) fn takes_home(failback: &RunSummary) -> Option<&RunId> {
    let info = failback.info.as_ref()?;
    let parent = info.parent.as_ref()?;
    (info.mode == Some(Mode::Failback)).then_some(&parent.run)
}

/// The failbacks of a run, newest first.
pub(super) fn failbacks(store: &Store, run: &RunId) -> Result<Vec<Homeward>, Failure> {
    let mut all = store.list()?;
    all.retain(|other| takes_home(other) == Some(run));
    let mut failbacks = Vec::new();
    for one in all {
        let journal = journal::read(&one.folder.journal())?;
        failbacks.extend(Homeward::read(&one, &journal));
    }
    Ok(failbacks)
}

/// A failback of a run that is not over.
pub(super) fn open_failback(store: &Store, run: &RunId) -> Result<Option<RunId>, Failure> {
    let mut failbacks = failbacks(store, run)?.into_iter();
    let open = failbacks.find(|failback| failback.state.finished.is_none());
    Ok(open.map(|failback| failback.taken.by))
}

/// What failbacks took home of the run, or began to, and was not taken back.
pub(super) fn taken_home(
    store: &Store,
    run: &RunId,
    state: &RunState,
) -> Result<Option<TakenHome>, Failure> {
    let failbacks = failbacks(store, run)?;
    let failbacks = failbacks.iter().map(|one| (one.taken.clone(), &one.state));
    Ok(TakenHome::of(Some(state), failbacks))
}

//! Failbacks as they count for the failover that they take home.

use std::sync::Arc;

use crate::engine::{RunState, TakenBy, TakenHome};
use crate::journal::{self, JournalError, ReadJournal, RunSummary, Store};
use crate::names::RunId;
use crate::runbook::model::Mode;

use super::exit::Failure;
use super::past::planned;

/// A failback of a run.
pub(in crate::cli) struct Homeward {
    /// The run that it takes home.
    pub(in crate::cli) of: RunId,
    pub(in crate::cli) taken: TakenBy,
    /// Nothing where no line of its journal can be read.
    pub(in crate::cli) state: Option<RunState>,
    /// What is wrong with its journal: what it did may be more than is known.
    pub(in crate::cli) damage: Option<String>,
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
        let damage = journal.problem.as_ref().map(|problem| {
            let path = run.folder.journal();
            format!(
                "line {} of {} does not fit: {}",
                problem.line,
                path.display(),
                problem.why
            )
        });
        Some(Self {
            of,
            taken: TakenBy { by, vms },
            state: Some(state).filter(|_| !journal.entries.is_empty()),
            damage,
        })
    }

    /// One whose journal cannot be read but for its first line: nothing is known of what it did.
    fn unreadable(run: &RunSummary, error: &JournalError) -> Option<Self> {
        Some(Self {
            of: takes_home(run)?.clone(),
            taken: TakenBy {
                by: run.folder.id.clone(),
                vms: run.info.as_deref()?.only.clone(),
            },
            state: None,
            damage: Some(error.to_string()),
        })
    }

    /// What counts of it for its failover, as far as it is known.
    pub(in crate::cli) fn known(&self) -> Option<(TakenBy, &RunState)> {
        Some((self.taken.clone(), self.state.as_ref()?))
    }

    /// The failback, and what is wrong with its journal, in words.
    pub(in crate::cli) fn damaged_in_words(&self) -> Option<String> {
        let what = self.damage.as_ref()?;
        Some(format!(
            "failback {} of it cannot be judged: {what}",
            self.taken.by
        ))
    }
}

/// The run that a failback takes home.
pub(super) fn takes_home(failback: &RunSummary) -> Option<&RunId> {
    let info = failback.info.as_ref()?;
    let parent = info.parent.as_ref()?;
    (info.mode == Some(Mode::Failback)).then_some(&parent.run)
}

/// The failbacks of a run, newest first. One whose journal is damaged is among them, and says so.
pub(super) fn failbacks(store: &Store, run: &RunId) -> Result<Vec<Homeward>, Failure> {
    let mut all = store.list()?;
    all.retain(|other| takes_home(other) == Some(run));
    let read = |one: &RunSummary| match journal::read(&one.folder.journal()) {
        Ok(journal) => Homeward::read(one, &journal),
        Err(error) => Homeward::unreadable(one, &error),
    };
    Ok(all.iter().filter_map(read).collect())
}

/// What failbacks took home of the run, or began to, and was not taken back, as far as their journals tell.
pub(super) fn taken_home(failbacks: &[Homeward], state: &RunState) -> Option<TakenHome> {
    TakenHome::of(Some(state), failbacks.iter().filter_map(Homeward::known))
}

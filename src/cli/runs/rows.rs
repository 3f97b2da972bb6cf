//! Runs, and what of their journals the list needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::homeward::Homeward;
use crate::cli::past::Past;
use crate::engine::RunState;
use crate::journal::{self, Ending, ReadJournal, RunSummary};
use crate::report::Reached;

/// No more runs of a runbook and mode are compared.
const MOST_COMPARED: usize = 8;

/// A run, and what its journal tells.
pub(in crate::cli) struct Row<'a> {
    pub(in crate::cli) run: &'a RunSummary,
    /// How it stands; nothing where its journal does not fit.
    pub(in crate::cli) state: Option<RunState>,
    /// What it takes home, of a failback.
    pub(in crate::cli) homeward: Option<Homeward>,
    /// What it reached, of one that is compared.
    pub(super) reached: Option<Reached>,
    /// How often its runbook is to be drilled, of the newest run of one.
    pub(super) every: Option<Duration>,
}

impl<'a> Row<'a> {
    pub(in crate::cli) fn read(run: &'a RunSummary) -> Self {
        Self::of(run, journal_of(run).as_ref())
    }

    fn of(run: &'a RunSummary, journal: Option<&ReadJournal>) -> Self {
        let whole = journal.filter(|journal| journal.problem.is_none());
        let fold = |journal: &ReadJournal| RunState::fold(journal.entries.iter().map(Arc::as_ref));
        Self {
            run,
            state: whole.map(fold),
            homeward: journal.and_then(|journal| Homeward::read(run, journal)),
            reached: None,
            every: None,
        }
    }
}

fn journal_of(run: &RunSummary) -> Option<ReadJournal> {
    journal::read(&run.folder.journal()).ok()
}

/// The rows with what is compared: of each runbook and mode the newest finished runs, and what the
/// newest run of a runbook says of drills.
pub(super) fn read_to_compare(runs: &[RunSummary]) -> Vec<Row<'_>> {
    let mut compared: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let look = |run| {
        let journal = journal_of(run);
        let mut row = Row::of(run, journal.as_ref());
        let Some((name, group)) = group(run) else {
            return row;
        };
        let is_newest = seen.insert(name);
        let count = group.map(|group| compared.entry(group).or_default());
        let count = count.filter(|count| **count < MOST_COMPARED);
        if !is_newest && count.is_none() {
            return row;
        }
        // A folder that cannot be read is named by the list, and by `verify`.
        let past = journal.and_then(|journal| Past::of(run.folder.clone(), journal).ok());
        let Some(past) = past else { return row };
        if is_newest {
            row.every = past.loaded.runbook.drill.every;
        }
        if let Some(count) = count {
            row.reached = Reached::of(&past.report());
            *count += usize::from(row.reached.is_some());
        }
        row
    };
    runs.iter().map(look).collect()
}

/// A run's runbook; with its mode, if it is finished, what it is compared within.
pub(super) fn group(run: &RunSummary) -> Option<(&str, Option<(&str, &str)>)> {
    let info = run.info.as_deref()?;
    let mode = info.mode.filter(|_| is_finished(run));
    let group = mode.map(|mode| (info.runbook.as_str(), mode.as_str()));
    Some((info.runbook.as_str(), group))
}

fn is_finished(run: &RunSummary) -> bool {
    run.ending == Ending::Finished
}

//! The report of a run: Markdown for the auditor, a few lines for the terminal. Pure.
//!
//! Everything in it is read from the run's events, its plan and its frozen runbook; whatever an
//! operator vouched for without proof stands first.

mod brief;
mod debrief;
mod markdown;
mod objectives;
mod statements;
mod steps;
#[cfg(test)]
mod tests;
mod text;
mod timeline;

use std::sync::Arc;

use crate::engine::{Entry, RunState};
use crate::plan::Plan;
use crate::runbook::model::Runbook;

pub use brief::{BriefLine, LONGEST, Standing, brief, brief_text, status_line};
pub use debrief::debrief;
pub use markdown::{CHECK, markdown};
pub use objectives::{Grade, Measure, VmMeasure, measures};
pub use text::{bytes, duration};

/// A run, as a report reads it.
#[derive(Debug)]
pub struct Run<'a> {
    /// Its events, all of them.
    pub entries: &'a [Arc<Entry>],
    /// Their fold.
    pub state: RunState,
    /// Its steps.
    pub plan: &'a Plan,
    /// Its frozen runbook.
    pub runbook: &'a Runbook,
    /// The hash of the journal's last line.
    pub head: &'a str,
}

impl<'a> Run<'a> {
    /// A run from its events.
    #[must_use]
    pub fn new(
        entries: &'a [Arc<Entry>],
        plan: &'a Plan,
        runbook: &'a Runbook,
        head: &'a str,
    ) -> Self {
        let state = RunState::fold(entries.iter().map(AsRef::as_ref));
        Self {
            entries,
            state,
            plan,
            runbook,
            head,
        }
    }
}

/// What a run's end has to be judged by beside its steps: objectives that were missed, in words.
/// Attestations, `duplicate_probe: none` and `source unverified` are statements, not findings.
#[must_use]
pub fn findings(run: &Run<'_>) -> Vec<String> {
    objectives::findings(run)
}

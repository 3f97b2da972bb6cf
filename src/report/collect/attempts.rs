//! Attempts that did not bring their step about: why, and what became of that.

use std::collections::BTreeMap;

use crate::engine::{BY_RULE, Entry, RunEvent};
use crate::error::Fault;
use crate::names::{Attempt, StepId};
use crate::report::Run;
use crate::report::document::FailedAttempt;

/// Every such attempt, in order of time.
pub(super) fn failed_attempts(run: &Run<'_>) -> Vec<FailedAttempt> {
    let mut told = Told::default();
    for entry in run.entries {
        if let Some(step) = &entry.step {
            told.take(entry, step);
        }
    }
    told.rows
        .into_iter()
        .map(|mut row| {
            if row.became.is_empty() {
                row.became = left_as(run, &row.step);
            }
            row
        })
        .collect()
}

/// Where a step stands that nobody went on with.
fn left_as(run: &Run<'_>, step: &StepId) -> String {
    let status = run.state.status(step);
    let passed = run
        .plan
        .step(step)
        .is_some_and(|step| status.is_passed_over(step));
    if passed {
        "the runbook goes on without it".to_owned()
    } else {
        format!("it is {}", status.as_str())
    }
}

#[derive(Default)]
struct Told {
    rows: Vec<FailedAttempt>,
    /// Attempts that were let go on and have come to no end yet.
    confirmed: BTreeMap<StepId, Attempt>,
}

impl Told {
    fn take(&mut self, entry: &Entry, step: &StepId) {
        match &entry.event {
            RunEvent::StepFailed { fault } | RunEvent::StepHeld { fault, .. } => {
                self.fails(entry, step, fault.what.clone(), Some(fault));
            }
            RunEvent::StepInterrupted { why, fault } => {
                let cause = fault.as_ref().map(|fault| format!(": {}", fault.what));
                let what = format!("{why}{}", cause.unwrap_or_default());
                self.fails(entry, step, what, fault.as_ref());
            }
            RunEvent::StepConfirmed(_) => {
                let attempt = entry.attempt.unwrap_or_default();
                self.confirmed.insert(step.clone(), attempt);
            }
            RunEvent::StepStarted => self.starts(entry, step),
            RunEvent::StepRetried { by } if by == BY_RULE => {
                self.becomes(step, "tried again by itself".to_owned());
            }
            RunEvent::StepRetried { by } => self.becomes(step, format!("tried again by {by}")),
            RunEvent::UndoStarted { by } => self.becomes(step, format!("taken back by {by}")),
            RunEvent::StepSkipped { by, .. } => self.becomes(step, format!("skipped by {by}")),
            RunEvent::StepByHand { by, .. } => {
                self.becomes(step, format!("done by hand by {by}"));
            }
            RunEvent::StepDone { .. } | RunEvent::StepAlreadyDone { .. } => {
                self.is_done(entry, step);
            }
            _ => {}
        }
    }

    fn fails(&mut self, entry: &Entry, step: &StepId, what: String, fault: Option<&Fault>) {
        self.confirmed.remove(step);
        self.rows.push(FailedAttempt {
            at: entry.at,
            step: step.clone(),
            attempt: entry.attempt.unwrap_or_default().0,
            what,
            place: fault.map(|fault| fault.place.clone()).unwrap_or_default(),
            state: fault.map(|fault| fault.state.clone()).unwrap_or_default(),
            became: String::new(),
        });
    }

    /// An attempt that was let go on ends without a word where its card turned out to be out of date.
    fn starts(&mut self, entry: &Entry, step: &StepId) {
        if let Some(attempt) = self.confirmed.remove(step) {
            let what = "its card had changed when it was let go on: nothing was done of it";
            self.fails(entry, step, what.to_owned(), None);
            if let Some(row) = self.rows.last_mut() {
                row.attempt = attempt.0;
            }
            self.becomes(step, "shown anew".to_owned());
        } else {
            self.becomes(step, "looked at again".to_owned());
        }
    }

    /// The first thing that happened after it.
    fn becomes(&mut self, step: &StepId, what: String) {
        if let Some(row) = self.last_of(step).filter(|row| row.became.is_empty()) {
            row.became = what;
        }
    }

    fn is_done(&mut self, entry: &Entry, step: &StepId) {
        self.confirmed.remove(step);
        let attempt = entry.attempt.unwrap_or_default().0;
        if let Some(row) = self.last_of(step) {
            let comma = if row.became.is_empty() { "" } else { ", " };
            row.became += &format!("{comma}done with attempt {attempt}");
        }
    }

    fn last_of(&mut self, step: &StepId) -> Option<&mut FailedAttempt> {
        self.rows.iter_mut().rev().find(|row| row.step == *step)
    }
}

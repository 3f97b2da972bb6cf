//! Steps and files: what was planned and what came of it.

use crate::engine::{Fact, Status, StepState};
use crate::plan::Step;

use super::Run;
use super::text::{bytes, code, duration, head, item, plain, row, time};

/// One table for each phase.
pub(super) fn table(run: &Run<'_>) -> String {
    let mut out = String::new();
    let mut heading = String::new();
    for step in &run.plan.steps {
        let section = step.id.as_str().split('/').next().unwrap_or_default();
        let phase = format!("### {}: {}", plain(section), plain(&step.phase));
        if phase != heading {
            if !heading.is_empty() {
                out.push('\n');
            }
            out.push_str(&phase);
            out.push_str("\n\n");
            head(
                &mut out,
                &["step", "state", "attempts", "began", "took", "seen"],
            );
            heading = phase;
        }
        step_row(&mut out, step, &run.state.step(&step.id));
    }
    out
}

fn step_row(out: &mut String, step: &Step, state: &StepState) {
    let took = state
        .started
        .zip(state.ended)
        .map(|(began, ended)| ended.duration_since(began));
    row(
        out,
        [
            code(step.id.as_str()),
            state.status.as_str().to_owned(),
            state.attempt.to_string(),
            state.started.map_or_else(String::new, time),
            took.map_or_else(String::new, duration),
            plain(&outcome(state)),
        ],
    );
}

fn outcome(state: &StepState) -> String {
    if let Some(fault) = &state.fault {
        let next = if fault.next.is_empty() {
            String::new()
        } else {
            format!("; next: {}", fault.next)
        };
        return format!("{}{next}", fault.what);
    }
    if state.evidence.is_empty() {
        state.found.clone()
    } else {
        state.evidence.join("; ")
    }
}

/// What a person put in place of what a step would have proven.
pub(super) fn overrides(run: &Run<'_>) -> String {
    let mut out = String::new();
    for step in &run.plan.steps {
        let state = run.state.step(&step.id);
        let said = state.evidence.join("; ");
        let by = state.settled_by.as_deref().unwrap_or("nobody named");
        match state.status {
            Status::Skipped => item(
                &mut out,
                &format!(
                    "{} was skipped by {}: {}",
                    code(step.id.as_str()),
                    plain(by),
                    plain(&said)
                ),
            ),
            Status::ByHand => item(
                &mut out,
                &format!(
                    "{} was done by hand by {}, who saw: {}",
                    code(step.id.as_str()),
                    plain(by),
                    plain(&said)
                ),
            ),
            Status::Undone => item(
                &mut out,
                &format!("{} was taken back.", code(step.id.as_str())),
            ),
            _ => {}
        }
    }
    out
}

/// A step that did not work, or waits for somebody.
pub(super) struct OpenEnd<'a> {
    pub(super) step: &'a Step,
    pub(super) status: Status,
    pub(super) why: String,
}

/// Steps that did not work, or wait for somebody, in plan order.
pub(super) fn open_ends<'a>(run: &Run<'a>) -> Vec<OpenEnd<'a>> {
    run.plan
        .steps
        .iter()
        .filter_map(|step| {
            let state = run.state.steps.get(&step.id)?;
            let why = state
                .fault
                .as_ref()
                .map_or_else(String::new, |fault| fault.what.clone());
            matches!(
                state.status,
                Status::Failed | Status::Held | Status::InDoubt
            )
            .then_some(OpenEnd {
                step,
                status: state.status,
                why,
            })
        })
        .collect()
}

impl OpenEnd<'_> {
    pub(super) fn markdown(&self) -> String {
        let why = if self.why.is_empty() {
            String::new()
        } else {
            format!(": {}", plain(&self.why))
        };
        format!(
            "{} is {}{why}",
            code(self.step.id.as_str()),
            self.status.as_str()
        )
    }
}

/// Every file that stands under its final name, with the sum that the destination computed.
pub(super) fn files(run: &Run<'_>) -> String {
    let mut rows = String::new();
    for found in &run.state.facts {
        if let Fact::FilePlaced {
            vm,
            host,
            path,
            bytes: size,
            sha256,
            proof,
        } = &found.fact
        {
            row(
                &mut rows,
                [
                    plain(vm.as_str()),
                    plain(host.as_str()),
                    code(path),
                    bytes(*size),
                    code(sha256),
                    plain(proof),
                ],
            );
        }
    }
    if rows.is_empty() {
        return rows;
    }
    let mut out = String::new();
    head(
        &mut out,
        &["VM", "host", "file", "size", "SHA-256", "proven by"],
    );
    out + &rows
}

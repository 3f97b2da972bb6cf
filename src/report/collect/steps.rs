//! Steps: what was planned and what came of it.

use jiff::SignedDuration;

use crate::engine::{Status, StepState};
use crate::plan;
use crate::report::Run;
use crate::report::document::{Deviation, Finding, FindingKind, Phase, Step, Tone};
use crate::report::prose::code;

/// How much longer or shorter than usual is worth a line, in parts of the usual: a quarter.
const WORTH_A_LINE: i32 = 4;

/// Every step, phase by phase.
pub(super) fn phases(run: &Run<'_>) -> Vec<Phase> {
    let mut all: Vec<Phase> = Vec::new();
    for step in &run.plan.steps {
        let section = step.id.section();
        let shown = shown(step, &run.state.step(&step.id));
        match all.last_mut() {
            Some(phase) if phase.section == section && phase.phase == step.phase => {
                phase.steps.push(shown);
            }
            _ => all.push(Phase {
                section: section.to_owned(),
                phase: step.phase.clone(),
                steps: vec![shown],
            }),
        }
    }
    all
}

fn shown(step: &plan::Step, state: &StepState) -> Step {
    Step {
        id: step.id.clone(),
        state: state.status.as_str(),
        tone: tone(state.status),
        attempts: state.attempt.0,
        began: state.started,
        took: state
            .started
            .zip(state.ended)
            .map(|(began, ended)| ended.duration_since(began)),
        again_at: state.again,
        seen: outcome(state),
    }
}

pub(super) fn tone(status: Status) -> Tone {
    match status {
        Status::Done | Status::AlreadyDone => Tone::Good,
        Status::ByHand | Status::Skipped | Status::Undone => Tone::Warn,
        Status::Failed | Status::Held | Status::InDoubt => Tone::Bad,
        _ => Tone::Plain,
    }
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

/// Steps that say how long they usually take, and took clearly longer or shorter.
pub(super) fn deviations(run: &Run<'_>) -> Vec<Deviation> {
    run.plan
        .steps
        .iter()
        .filter_map(|step| {
            let usually = SignedDuration::try_from(step.usually?).ok()?;
            let state = run.state.steps.get(&step.id)?;
            let took = state.ended?.duration_since(state.confirmed_at?);
            let off = (took - usually).abs();
            (state.status.is_met() && off * WORTH_A_LINE > usually).then(|| Deviation {
                step: step.id.clone(),
                usually,
                took,
            })
        })
        .collect()
}

/// Steps that did not work, or wait for somebody, in plan order; of a run that is being ended, those of
/// its end.
pub(super) fn open_ends(run: &Run<'_>) -> Vec<Finding> {
    let known = |step: &plan::Step| {
        let state = run.state.steps.get(&step.id)?;
        is_open(state.status).then(|| open_end(step, state))
    };
    run.plan.open_steps().iter().filter_map(known).collect()
}

pub(super) fn is_open(status: Status) -> bool {
    matches!(status, Status::Failed | Status::Held | Status::InDoubt)
}

fn open_end(step: &plan::Step, state: &StepState) -> Finding {
    let mut said = code(step.id.as_str()).plain(format!(" is {}", state.status.as_str()));
    if state.status.is_passed_over(step) {
        said = said.plain(", and the runbook goes on without it");
    }
    let (text, next) = match &state.fault {
        Some(fault) => (
            said.plain(format!(": {}", fault.what)),
            Some(fault.next.clone()).filter(|next| !next.is_empty()),
        ),
        None => (said, None),
    };
    Finding {
        kind: FindingKind::Step,
        text,
        next,
    }
}

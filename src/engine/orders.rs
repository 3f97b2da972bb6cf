//! Which orders about a step are open to a person as things are: the engine asks before it follows one,
//! and the screen before it offers the key. Pure.

use crate::names::StepId;
use crate::plan::{Plan, Step};

use super::event::RunResult;
use super::input::RetryScope;
use super::state::RunState;
use super::step::Status;

/// Whether people decide about a step: of what is being closed, about what a command of it may still
/// do and nothing else.
#[must_use]
pub fn is_walked(plan: &Plan, state: &RunState, id: &StepId) -> bool {
    !plan.is_frozen(id) || state.open_ops(id).next().is_some()
}

/// Whether a step waits for a person. One that failed and that the runbook goes on without does where
/// something else waits for it all the same: a run's end, for what its command may still do, and starts,
/// for a look that was taken anew.
#[must_use]
pub fn needs_person(plan: &Plan, state: &RunState, step: &Step) -> bool {
    let status = state.status(&step.id);
    let is_reopened = || {
        state
            .steps
            .get(&step.id)
            .is_some_and(|known| known.reopened)
    };
    let holds = || plan.is_frozen(&step.id) || is_reopened();
    status.needs_person(step) || status == Status::Failed && holds()
}

/// A step that is under way or asks a person, the first in the plan's order: where one step goes at a
/// time, nothing else begins before it is over. What failed is left for later and holds up nothing.
#[must_use]
pub fn under_way<'a>(plan: &'a Plan, state: &RunState) -> Option<&'a Step> {
    plan.steps.iter().find(|step| {
        let status = state.status(&step.id);
        status.is_active() || status == Status::Asking
    })
}

/// Whether a step may be skipped or said to be done by hand. A person may settle whatever is not acting
/// on a host right now, and so end what only waits; what is in doubt and held too, for a person can
/// always settle it.
///
/// # Errors
/// Why not, in words.
pub fn can_settle(plan: &Plan, state: &RunState, id: &StepId) -> Result<(), String> {
    let step = walked(plan, state, id)?;
    let status = state.status(id);
    match status {
        Status::Waiting
        | Status::Probing
        | Status::Asking
        | Status::Held
        | Status::Failed
        | Status::Undone => Ok(()),
        Status::Running if step.action.only_waits() => Ok(()),
        _ if status.is_met() => Err(format!("{} is {} already", step.title, status.as_str())),
        _ => Err(format!(
            "{} is {}: it has to end first",
            step.title,
            status.as_str()
        )),
    }
}

/// Whether a step by itself may be tried again: also what a person settled or took back, perhaps by
/// mistake.
///
/// # Errors
/// Why not, in words.
pub fn can_retry(plan: &Plan, state: &RunState, id: &StepId) -> Result<(), String> {
    walked(plan, state, id)?;
    match state.status(id) {
        Status::Failed | Status::Held | Status::Undone | Status::Skipped | Status::ByHand => Ok(()),
        _ => Err("nothing of it has failed".to_owned()),
    }
}

/// The steps that are tried again by such an order, in the plan's order.
#[must_use]
pub fn retried(plan: &Plan, state: &RunState, scope: &RetryScope) -> Vec<StepId> {
    let has_failed = |step: &&Step| {
        matches!(state.status(&step.id), Status::Failed | Status::Held)
            && is_walked(plan, state, &step.id)
    };
    let of_vm = |id: &StepId| plan.step(id).and_then(|step| step.subject.vm());
    let steps = plan.steps.iter();
    let chosen: Vec<&Step> = match scope {
        RetryScope::Step(id) => steps
            .filter(|step| step.id == *id && can_retry(plan, state, id).is_ok())
            .collect(),
        RetryScope::VmOf(id) => {
            let vm = of_vm(id);
            let is_its = |step: &&Step| vm.is_some() && step.subject.vm() == vm;
            steps.filter(has_failed).filter(is_its).collect()
        }
        RetryScope::AllFailed => steps.filter(has_failed).collect(),
    };
    chosen.into_iter().map(|step| step.id.clone()).collect()
}

/// Whether a step may be taken back.
///
/// # Errors
/// Why not, in words.
pub fn can_undo(plan: &Plan, state: &RunState, id: &StepId) -> Result<(), String> {
    let index = undoable(plan, state, id)?;
    if gives_back(plan, state) {
        return Err(GIVES_BACK.to_owned());
    }
    if state.open_ops(id).next().is_some() {
        return Err("its last command may still take effect: retry it first".to_owned());
    }
    let builds_on_it = |step: &&Step| {
        let status = state.status(&step.id);
        step.after.contains(&index)
            && (status.is_active()
                || matches!(status, Status::Done | Status::AlreadyDone | Status::ByHand))
    };
    match plan.steps.iter().find(builds_on_it) {
        Some(step) => Err(format!("{} builds on it: take that back first", step.title)),
        None => Ok(()),
    }
}

/// Where a step of which something can be taken back stands in the plan, whatever may keep that from
/// being done right now.
///
/// # Errors
/// Why there is nothing to take back, in words.
pub(super) fn undoable(plan: &Plan, state: &RunState, id: &StepId) -> Result<usize, String> {
    if plan.is_frozen(id) {
        return Err(FROZEN.to_owned());
    }
    let Some(index) = plan.steps.iter().position(|step| step.id == *id) else {
        return Err(UNKNOWN.to_owned());
    };
    match state.status(id) {
        Status::Done | Status::Failed | Status::Held => {}
        status => {
            let (title, status) = (&plan.steps[index].title, status.as_str());
            return Err(format!("{title} is {status}: nothing to take back"));
        }
    }
    let known = state.steps.get(id);
    let shown = known.and_then(|step| step.proposal.as_ref());
    if shown.is_none_or(|shown| shown.undo.is_none()) {
        return Err("this step has nothing to take back".to_owned());
    }
    Ok(index)
}

/// Whether nothing is left but to give the run's locks back.
fn gives_back(plan: &Plan, state: &RunState) -> bool {
    let is_free = state.people.shell().is_none() && state.splits().is_empty();
    state.finished.is_none()
        && !state.locks().is_empty()
        && is_free
        && !frozen_is_open(plan, state)
        && settled(plan, state).is_some()
}

/// How the steps were settled, once all of them are.
pub(super) fn settled(plan: &Plan, state: &RunState) -> Option<RunResult> {
    let mut result = RunResult::default();
    for step in plan.open_steps() {
        match state.status(&step.id) {
            Status::Done | Status::AlreadyDone => result.done += 1,
            Status::ByHand => result.by_hand += 1,
            Status::Skipped => result.skipped += 1,
            status if status.is_passed_over(step) => result.failed += 1,
            _ => return None,
        }
    }
    Some(result)
}

/// Whether a command of what is being closed may still take effect for all that is known, and nobody
/// has settled its step with their own eyes.
pub(super) fn frozen_is_open(plan: &Plan, state: &RunState) -> bool {
    state.unsettled_ops().any(|(_, op)| {
        let is_open = !op.bulk && plan.is_frozen(&op.step);
        is_open && !state.status(&op.step).is_met()
    })
}

const FROZEN: &str = "the run is being ended: its own steps are only looked back on";
/// Why nothing is taken back at the end.
pub(super) const GIVES_BACK: &str = "the run ends: what it holds on hosts is being given back";
const UNKNOWN: &str = "there is no such step";

/// A step about which people decide.
fn walked<'a>(plan: &'a Plan, state: &RunState, id: &StepId) -> Result<&'a Step, String> {
    let step = plan.step(id).ok_or_else(|| UNKNOWN.to_owned())?;
    if is_walked(plan, state, id) {
        Ok(step)
    } else {
        Err(FROZEN.to_owned())
    }
}

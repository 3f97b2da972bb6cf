//! What an input is about, and what it would have been an attempt ago.

use super::super::*;
use crate::engine::{Performed, RetryScope};

/// The step that an input is about.
pub(super) fn step_of(input: &Input, state: &RunState) -> Option<StepId> {
    match input {
        Input::Operator(decision) => match decision {
            OperatorInput::Confirm { step, .. }
            | OperatorInput::Skip { step, .. }
            | OperatorInput::ByHand { step, .. }
            | OperatorInput::Undo { step, .. }
            | OperatorInput::AnswerQuestion { step, .. }
            | OperatorInput::NoAnswer { step }
            | OperatorInput::Retry {
                scope: RetryScope::Step(step),
                ..
            } => Some(step.clone()),
            _ => None,
        },
        Input::WriteWanted { step, .. } | Input::FactFound { step, .. } => {
            Some(step.clone()).filter(|step| *step != StepId::default())
        }
        Input::Probed { step, .. }
        | Input::Questioned { step, .. }
        | Input::Performed { step, .. }
        | Input::Stopped { step, .. } => Some(step.clone()),
        Input::WriteStarted { op, .. }
        | Input::WriteFinished { op, .. }
        | Input::WriteLost { op, .. }
        | Input::WriteNotSent { op, .. } => {
            let step = state.ops.get(op).map(|op| op.step.clone());
            step.filter(|step| *step != StepId::default())
        }
        Input::Start(_)
        | Input::Resume { .. }
        | Input::HostSeen { .. }
        | Input::Closed
        | Input::Timer(_) => None,
    }
}

/// The same report as an earlier attempt would have made it, and made up: it says that all is done.
pub(super) fn older(input: &Input) -> Input {
    let mut input = input.clone();
    match &mut input {
        Input::Probed {
            attempt, answer, ..
        } => {
            attempt.0 = attempt.0.saturating_sub(1);
            *answer = Ok(already());
        }
        Input::Performed {
            attempt, result, ..
        } => {
            attempt.0 = attempt.0.saturating_sub(1);
            *result = Performed::Done {
                evidence: Vec::new(),
            };
        }
        Input::Stopped { attempt, .. } => attempt.0 = attempt.0.saturating_sub(1),
        _ => {}
    }
    input
}

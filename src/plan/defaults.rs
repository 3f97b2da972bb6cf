//! What a verb brings along where the runbook says nothing: time, risk, a title.

use std::time::Duration;

use super::{ActionSpec, Risk, Subject};
use crate::names::listed;
use crate::runbook::model::{DeclaredEffect, Probe, Verb, WaitSpec};
use crate::runbook::spelled;

/// How long a step of this verb may take unless the runbook says otherwise; `None` where only
/// stalling, or a person, ends it.
pub(super) fn timeout(verb: &Verb) -> Option<Duration> {
    let minutes = match verb {
        Verb::Confirm { .. }
        | Verb::Note { .. }
        | Verb::Restore { .. }
        | Verb::Replicate { .. }
        | Verb::CopyBack { .. }
        | Verb::Wait(WaitSpec::Span(_) | WaitSpec::Until(_)) => {
            return None;
        }
        // A tool that says nothing while it works: the runbook knows better how long that is.
        Verb::RestoreFiles(_) => 4 * 60,
        Verb::Fence { .. } | Verb::ShutDown { .. } | Verb::FreeCapacity { .. } => 5,
        Verb::Ready { .. } | Verb::ReturnCapacity { .. } | Verb::Wait(WaitSpec::For { .. }) => 10,
        Verb::HandOff(_) => 30,
        Verb::Register { .. }
        | Verb::Network { .. }
        | Verb::PowerOn { .. }
        | Verb::PowerOff { .. }
        | Verb::Unregister { .. }
        | Verb::Check(_)
        | Verb::Command(_)
        | Verb::Local(_) => 2,
    };
    Some(Duration::from_secs(minutes * 60))
}

/// The risk of a verb unless the step asks for a typed word. A fence that finds the VM running asks
/// for its name when it does; that is not known here.
pub(super) fn risk(verb: &Verb) -> Risk {
    match verb {
        Verb::Confirm { .. }
        | Verb::Note { .. }
        | Verb::Ready { .. }
        | Verb::Fence { .. }
        | Verb::Wait(_)
        | Verb::Check(_)
        | Verb::HandOff(_) => Risk::Read,
        Verb::Restore { .. }
        | Verb::Replicate { .. }
        | Verb::Register { .. }
        | Verb::Network { .. }
        | Verb::ReturnCapacity { .. }
        | Verb::RestoreFiles(_) => Risk::Write,
        Verb::PowerOn { .. }
        | Verb::ShutDown { .. }
        | Verb::PowerOff { .. }
        | Verb::FreeCapacity { .. }
        | Verb::Unregister { .. } => Risk::Disruptive,
        Verb::CopyBack { .. } => Risk::Typed,
        Verb::Command(command) | Verb::Local(command) => match command.effect {
            DeclaredEffect::Read => Risk::Read,
            DeclaredEffect::Write => Risk::Write,
            DeclaredEffect::Disruptive => Risk::Disruptive,
        },
    }
}

/// What a step is called.
pub(super) fn title(action: &ActionSpec, subject: &Subject) -> String {
    match action {
        ActionSpec::Confirm { question, .. } => question.clone(),
        ActionSpec::Note { text } => text.lines().next().unwrap_or_default().to_owned(),
        ActionSpec::RestoreFiles { vm, command, .. } => {
            format!("restore files of {vm} on {}", command.host)
        }
        ActionSpec::Command(command) | ActionSpec::Local(command) => {
            format!("command on {}", command.host)
        }
        ActionSpec::Wait(WaitSpec::Span(length)) => format!("wait {}", spelled(*length)),
        ActionSpec::Wait(WaitSpec::Until(time)) => format!("wait until {time}"),
        ActionSpec::Wait(WaitSpec::For { probe, .. }) => {
            format!("wait for {}", about(std::slice::from_ref(probe)))
        }
        ActionSpec::Check(probes) => format!("check {}", about(probes)),
        ActionSpec::FreeCapacity { vms } => format!("free capacity: {} off", listed(vms)),
        ActionSpec::ReturnCapacity { vms } => format!("return capacity: {} on", listed(vms)),
        ActionSpec::HandOff(given) => format!("hand off to {}", given.to),
        _ => format!("{} {}", action.verb().replace('_', " "), subject.as_str()),
    }
}

/// What some probes look at, each named once.
fn about(probes: &[Probe]) -> String {
    let mut named: Vec<&str> = Vec::new();
    for one in probes.iter().flat_map(Probe::about) {
        if !named.contains(&one) {
            named.push(one);
        }
    }
    named.join(", ")
}

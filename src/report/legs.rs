//! Where the time between the loss of service and service went.

use jiff::Timestamp;

use crate::engine::Fact;
use crate::names::VmName;
use crate::runbook::model::Section;

use super::Run;
use super::document::Leg;
use super::objectives::{VmMeasure, is_of};

/// Verbs after which a VM's files are where it is going to run.
pub(super) const BRINGS_FILES: [&str; 4] = ["restore", "restore_files", "replicate", "copy_back"];

/// The parts of the way, in order.
pub(super) const PARTS: [&str; 4] = [
    "until its first step",
    "files brought",
    "joined and started",
    "until ready passed",
];

/// The way from the loss of service to the last rung of `ready`, in parts that add up to the RTO
/// actual; nothing for the set, and for a VM that does not serve.
pub(super) fn legs(run: &Run<'_>, measure: &VmMeasure) -> Vec<Leg> {
    let (Some(vm), Some(serves), Some(whole)) = (&measure.vm, measure.serves, measure.rto.actual)
    else {
        return Vec::new();
    };
    let Ok(lost) = serves.checked_sub(whole) else {
        return Vec::new();
    };
    let section = measure.section;
    let ends = [
        begins(run, section, vm),
        brought(run, section, vm),
        started(run, section, vm),
        Some(serves),
    ];
    let mut from = lost;
    let mut legs = Vec::new();
    for (what, until) in PARTS.into_iter().zip(ends) {
        if let Some(until) = until.filter(|until| *until > from && *until <= serves) {
            legs.push(Leg {
                what,
                took: until.duration_since(from),
            });
            from = until;
        }
    }
    legs
}

fn steps_of<'a>(
    run: &'a Run<'_>,
    section: Section,
    vm: &'a VmName,
) -> impl Iterator<Item = &'a crate::plan::Step> {
    run.plan
        .steps
        .iter()
        .filter(move |step| is_of(&step.id, section) && step.action.vm() == Some(vm))
}

fn begins(run: &Run<'_>, section: Section, vm: &VmName) -> Option<Timestamp> {
    steps_of(run, section, vm)
        .filter_map(|step| run.state.steps.get(&step.id)?.started)
        .min()
}

fn brought(run: &Run<'_>, section: Section, vm: &VmName) -> Option<Timestamp> {
    steps_of(run, section, vm)
        .filter(|step| BRINGS_FILES.contains(&step.action.verb()))
        .filter_map(|step| run.state.steps.get(&step.id)?.ended)
        .max()
}

fn started(run: &Run<'_>, section: Section, vm: &VmName) -> Option<Timestamp> {
    run.state.facts.iter().rev().find_map(|found| {
        let here = found.step.as_ref().is_some_and(|step| is_of(step, section));
        match &found.fact {
            Fact::PoweredOn { vm: on, .. } if on == vm && here => Some(found.at),
            _ => None,
        }
    })
}

//! The run over time: a lane for each VM, a bar for each step.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::engine::{Fact, RunInfo};
use crate::names::VmName;
use crate::plan::Step;
use crate::report::Run;
use crate::report::document::{Bar, Lane, Mark, Timeline};
use crate::report::objectives::objectives_of;

use super::steps::tone;

/// Lanes in plan order; what belongs to no VM comes first.
pub(super) fn timeline(run: &Run<'_>) -> Timeline {
    let state = &run.state;
    let Some((started, last)) = state.started.zip(state.last_at) else {
        return Timeline::default();
    };
    let outage = state.service_lost().filter(|outage| *outage <= last);
    let mut marks = Vec::new();
    marks.extend(outage.map(|at| Mark {
        at,
        what: "service lost".to_owned(),
    }));
    if outage != Some(started) {
        marks.push(Mark {
            at: started,
            what: "run began".to_owned(),
        });
    }
    let vms: BTreeSet<&VmName> = run.plan.vms.iter().collect();
    let common = |step: &&Step| step.subject.vm().is_none_or(|vm| !vms.contains(vm));
    let mut lanes = vec![Lane {
        vm: None,
        bars: bars(run, last, run.plan.steps.iter().filter(common)),
        serves: Vec::new(),
        due: None,
    }];
    lanes.extend(run.plan.vms.iter().map(|vm| {
        let of_vm = |step: &&Step| step.subject.vm() == Some(vm);
        Lane {
            bars: bars(run, last, run.plan.steps.iter().filter(of_vm)),
            serves: serves(run, vm),
            due: due(run.info, vm, outage),
            vm: Some(vm.clone()),
        }
    }));
    lanes.retain(|lane| !lane.bars.is_empty());
    Timeline {
        from: Some(outage.map_or(started, |outage| outage.min(started))),
        to: Some(last),
        marks,
        lanes,
    }
}

fn bars<'a>(run: &Run<'_>, last: Timestamp, steps: impl Iterator<Item = &'a Step>) -> Vec<Bar> {
    steps
        .filter_map(|step| {
            let state = run.state.steps.get(&step.id)?;
            let from = state.started?;
            Some(Bar {
                step: step.id.clone(),
                verb: step.action.verb(),
                from,
                to: state.ended.unwrap_or(last).max(from),
                state: state.status.as_str(),
                tone: tone(state.status),
            })
        })
        .collect()
}

fn serves(run: &Run<'_>, vm: &VmName) -> Vec<Timestamp> {
    run.state
        .facts
        .iter()
        .filter(|found| matches!(&found.fact, Fact::Serves { vm: served } if served == vm))
        .map(|found| found.at)
        .collect()
}

/// When the VM should have served.
fn due(info: &RunInfo, vm: &VmName, outage: Option<Timestamp>) -> Option<Timestamp> {
    outage?.checked_add(objectives_of(info, vm).0?).ok()
}

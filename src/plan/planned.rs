//! What a planned run has to do beside what a failover does: nothing is lost only if each VM is shut
//! down where it runs, and what comes up elsewhere was copied after that.

use crate::names::VmName;
use crate::runbook::model::Runbook;

use super::{ActionSpec, Plan};

/// Why a VM would not be moved as a planned run moves it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlannedGap {
    /// It would be started without having been stopped in order.
    #[error("{0} would be powered on without having been shut down where it runs")]
    NotShutDown(VmName),
    /// What it would be started from was copied before.
    #[error("{0} would be powered on from a copy that was made before it was shut down")]
    CopiedBefore(VmName),
}

/// The VMs that a plan of a planned run would not move as it has to, in plan order. A physical
/// server is nobody's to shut down but a person's; its fence asks for their word.
#[must_use]
pub fn planned_gaps(plan: &Plan, runbook: &Runbook) -> Vec<PlannedGap> {
    let has_home = |vm: &VmName| {
        let vm = runbook.vms.get(vm);
        vm.is_some_and(|vm| vm.protected.is_some())
    };
    let of = |vm: &VmName, is: fn(&ActionSpec) -> bool| {
        let wanted = |action: &ActionSpec| action.vm() == Some(vm) && is(action);
        plan.steps.iter().position(|step| wanted(&step.action))
    };
    let starts = plan.vms.iter().filter(|vm| has_home(vm)).filter_map(|vm| {
        let start = of(vm, |action| matches!(action, ActionSpec::PowerOn { .. }))?;
        Some((vm, start))
    });
    let gaps = starts.filter_map(|(vm, start)| {
        let stop = of(vm, |action| matches!(action, ActionSpec::ShutDown { .. }));
        let copy = of(vm, |action| {
            matches!(
                action,
                ActionSpec::Replicate { .. } | ActionSpec::Restore { .. }
            )
        });
        match (stop.filter(|stop| *stop < start), copy) {
            (None, _) => Some(PlannedGap::NotShutDown(vm.clone())),
            // A copy that is sent ahead is no harm where another one follows.
            (Some(stop), Some(_)) if !copies_after(plan, vm, stop) => {
                Some(PlannedGap::CopiedBefore(vm.clone()))
            }
            _ => None,
        }
    });
    gaps.collect()
}

fn copies_after(plan: &Plan, vm: &VmName, stop: usize) -> bool {
    plan.steps.iter().skip(stop).any(|step| {
        let copies = matches!(
            step.action,
            ActionSpec::Replicate { .. } | ActionSpec::Restore { .. }
        );
        copies && step.action.vm() == Some(vm)
    })
}

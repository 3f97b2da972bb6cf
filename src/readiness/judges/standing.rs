//! VMs that are to stand ready at the recovery site: registered, or with their files there, and on
//! where no step starts them.

use crate::error::Fault;
use crate::names::VmName;
use crate::readiness::finding::Finding;
use crate::readiness::seen::{EsxiSeen, Seen};
use crate::readiness::task::{Standing, Task};
use crate::runbook::model::Place;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let of_vm = |(name, standing): (&VmName, &Standing)| {
        let place = task.place(task.runbook.vms.get(name)?)?;
        of_vm(name, *standing, place, seen.esxi(&place.host)?)
    };
    task.standing.iter().filter_map(of_vm).collect()
}

fn of_vm(vm: &VmName, standing: Standing, place: &Place, esxi: &EsxiSeen) -> Option<Finding> {
    let at = format!("[{}] {}", place.datastore, place.folder);
    match esxi.at(place)? {
        Some(row) => of_power(vm, standing, place, esxi.runs(row)?),
        None if standing.registered_by_plan => {
            let names = esxi.folders.get(vm)?.as_ref().ok()?;
            let has_vmx = names.iter().any(|name| name.ends_with(".vmx"));
            (!has_vmx).then(|| {
                let what = format!("there is no .vmx of {vm} in {at}, and no step brings it there");
                let next = "see whether what replicates it still does, or bring it with `restore` or `replicate`";
                lacks(vm, standing, place, what, next)
            })
        }
        None => {
            let what = format!("{vm}, which is to stand ready, is not registered from {at}");
            let next = "register it there, or correct its `recovery` in the runbook";
            Some(lacks(vm, standing, place, what, next))
        }
    }
}

fn of_power(vm: &VmName, standing: Standing, place: &Place, runs: bool) -> Option<Finding> {
    match (runs, standing.started_by_plan) {
        (false, false) => {
            let what = format!("{vm}, which is to stand ready, is off, and no step starts it");
            let next = "start it, or give the runbook a `power_on` for it";
            Some(lacks(vm, standing, place, what, next))
        }
        (true, true) => {
            let fault = Fault::new(
                format!("{vm}, which a run would start, runs already"),
                place.host.as_str(),
                "two copies may run at once, and what it holds is not what the runbook expects",
                "find out who started it, and shut it down if it is to stand ready",
            );
            let vms = vec![vm.clone()];
            Some(Finding::warning(format!("vm/{vm}/standing"), vms, fault))
        }
        (true, false) | (false, true) => None,
    }
}

/// What is not there keeps the VM down, unless a step that this check cannot see through sees to it.
fn lacks(vm: &VmName, standing: Standing, place: &Place, what: String, next: &str) -> Finding {
    let (key, vms) = (format!("vm/{vm}/standing"), vec![vm.clone()]);
    if standing.prepared_by_plan {
        let state = "a command or a hand-off before it may see to that; a check cannot tell";
        let fault = Fault::new(what, place.host.as_str(), state, next);
        return Finding::warning(key, vms, fault);
    }
    let state = format!("{vm} cannot be brought up there");
    Finding::stops(key, vms, Fault::new(what, place.host.as_str(), state, next))
}

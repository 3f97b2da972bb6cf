//! VMs that are to go home: where they are.

use crate::error::Fault;
use crate::names::{VmName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::Seen;
use crate::readiness::task::Task;
use crate::readiness::whereabouts::{copies, left_at};
use crate::runbook::model::Place;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    for vm in &task.homing {
        let Some(from) = task.leaves(vm) else {
            continue;
        };
        findings.extend(gone(task, vm, from, seen));
        let home = task.runbook.vms.get(vm).and_then(|vm| task.place(vm));
        let Some(home) = home else { continue };
        findings.extend(twice(vm, home, seen));
    }
    findings
}

/// The VM was moved at the site that it leaves, or is not where it would be taken from.
fn gone(task: &Task, vm: &VmName, from: &Place, seen: &Seen) -> Option<Finding> {
    let vms = vec![vm.clone()];
    let key = format!("vm/{vm}/from");
    if let Some((host, row)) = left_at(task, seen, vm) {
        let is_planned = *host == from.host && row.within(from).is_some();
        let fault = Fault::new(
            format!(
                "{vm} is [{}] {} there, not on {} in [{}] {} as the runbook says",
                row.datastore, row.path, from.host, from.datastore, from.folder
            ),
            host.as_str(),
            "it is shut down there and taken home from there",
            "nothing has to be done; correct `recovery` in the runbook if it is to stay so",
        );
        return (!is_planned).then(|| Finding::note(key, vms, fault));
    }
    // A host that did not tell is named by that.
    seen.esxi(&from.host)?.at(from)?;
    let copies = copies(task, seen, vm);
    let copies: Vec<String> = copies
        .iter()
        .map(|(host, row)| format!("[{}] {} on {host}", row.datastore, row.path))
        .collect();
    let (at, next) = if copies.is_empty() {
        (
            "no other host of that site that answered has it".to_owned(),
            "find out where it runs; leave it out (--only) if it is home already",
        )
    } else {
        (
            format!("there are {}", listed(&copies)),
            "unregister the copies that do not serve (their files stay), then check again",
        )
    };
    let fault = Fault::new(
        format!(
            "{vm} is not registered from [{}] {}; {at}",
            from.datastore, from.folder
        ),
        from.host.as_str(),
        "there is nothing to take home from there",
        next,
    );
    Some(Finding::stops(key, vms, fault))
}

/// A copy of it runs at home.
fn twice(vm: &VmName, home: &Place, seen: &Seen) -> Option<Finding> {
    let esxi = seen.esxi(&home.host)?;
    if !esxi.runs(esxi.at(home)??)? {
        return None;
    }
    let fault = Fault::new(
        format!("{vm} runs there already, from its old files"),
        home.host.as_str(),
        "nothing is copied over a VM that runs, and two copies serve different data",
        "decide which copy lives, and shut the other one down; then check again",
    );
    Some(Finding::stops(
        format!("vm/{vm}/twice"),
        vec![vm.clone()],
        fault,
    ))
}

//! VMs that are copied from where they are: disks that cannot be, and disks outside their folders.

use crate::error::Fault;
use crate::names::{HostName, VmName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::{Apart, Seen};
use crate::readiness::task::Task;

/// What a fault of a VM's disks comes to.
const TOO_LATE: &str =
    "it cannot be copied from its own files, which is tried only once it was shut down";

pub(super) fn judge(_: &Task, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (host, _) in &seen.hosts {
        let Some(esxi) = seen.esxi(host) else {
            continue;
        };
        let apart = esxi.apart.iter();
        let apart = apart.filter(|(_, disks)| !disks.is_empty());
        findings.extend(apart.map(|(vm, disks)| of_vm(host, vm, disks)));
        let is_named = |vm: &VmName| {
            let apart = esxi.apart.get(vm);
            apart.is_some_and(|disks| disks.iter().any(is_gone))
        };
        let unfit = esxi.brought.iter().filter(|(vm, _)| !is_named(vm));
        findings.extend(unfit.filter_map(|(vm, told)| {
            let fault = told.as_ref().ok()?.as_ref().err()?;
            Some(unfit_of(vm, fault))
        }));
    }
    findings
}

fn is_gone(disk: &Apart) -> bool {
    matches!(disk.bytes, Ok(None))
}

fn unfit_of(vm: &VmName, fault: &Fault) -> Finding {
    let fault = Fault {
        what: format!("a disk of {vm}: {}", fault.what),
        state: TOO_LATE.to_owned(),
        ..fault.clone()
    };
    Finding::stops(format!("vm/{vm}/copied"), vec![vm.clone()], fault)
}

/// All of a VM's disks come into one folder, where they are.
fn of_vm(host: &HostName, vm: &VmName, disks: &[Apart]) -> Finding {
    let (key, vms) = (format!("vm/{vm}/apart"), vec![vm.clone()]);
    if let Some(gone) = disks.iter().find(|disk| is_gone(disk)) {
        let fault = Fault::new(
            format!(
                "{vm} has a disk that is not where its .vmx says: {}",
                gone.disk
            ),
            host.as_str(),
            TOO_LATE,
            "find that disk and mend the .vmx, or bring the VM with `restore` from a backup that holds all its disks",
        );
        return Finding::stops(key, vms, fault);
    }
    let names: Vec<&String> = disks.iter().map(|disk| &disk.disk).collect();
    let what = format!("{vm} has disks outside its folder: {}", listed(&names));
    let silent = |disk: &Apart| Some((disk.disk.clone(), disk.bytes.as_ref().err()?.clone()));
    if let Some((unseen, why)) = disks.iter().find_map(silent) {
        let state = format!("{unseen} was not looked at: {}", why.fault.what);
        let fault = Fault::new(what, host.as_str(), state, why.fault.next);
        return Finding::note(key, vms, fault);
    }
    let fault = Fault::new(
        what,
        host.as_str(),
        "they come into its folder on the datastore that the runbook gives it, under names of their own, and its .vmx with them",
        "nothing has to be done, if it may have all its disks on one datastore there",
    );
    Finding::note(key, vms, fault)
}

//! VMs that are copied from where they are, and have disks outside their folders.

use crate::error::Fault;
use crate::names::{HostName, VmName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::{Apart, Seen};
use crate::readiness::task::Task;

pub(super) fn judge(_: &Task, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (host, _) in &seen.hosts {
        let Some(esxi) = seen.esxi(host) else {
            continue;
        };
        let apart = esxi.apart.iter();
        let apart = apart.filter(|(_, disks)| !disks.is_empty());
        findings.extend(apart.map(|(vm, disks)| of_vm(host, vm, disks)));
    }
    findings
}

/// All of a VM's disks come into one folder, where they are.
fn of_vm(host: &HostName, vm: &VmName, disks: &[Apart]) -> Finding {
    let (key, vms) = (format!("vm/{vm}/apart"), vec![vm.clone()]);
    let is_gone = |disk: &&Apart| matches!(disk.bytes, Ok(None));
    if let Some(gone) = disks.iter().find(is_gone) {
        let fault = Fault::new(
            format!(
                "{vm} has a disk that is not where its .vmx says: {}",
                gone.disk
            ),
            host.as_str(),
            "it cannot be copied from its own files, which is tried only once it was shut down",
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

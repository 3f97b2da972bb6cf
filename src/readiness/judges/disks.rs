//! VMs that are copied from where they are: what lies in a VM's own folder is brought, and no more.

use crate::error::Fault;
use crate::names::{HostName, VmName};
use crate::readiness::finding::Finding;
use crate::readiness::seen::Seen;
use crate::readiness::task::Task;
use crate::vmfiles::Vmx;

pub(super) fn judge(_: &Task, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (host, _) in &seen.hosts {
        let Some(esxi) = seen.esxi(host) else {
            continue;
        };
        let ahead = esxi.ahead.iter();
        let ahead = ahead.filter_map(|(vm, vmx)| Some((vm, vmx.as_ref().ok()?)));
        let home = esxi.leaving.iter();
        let home =
            home.filter_map(|(vm, leaving)| Some((vm, leaving.as_ref().ok()?.vmx.as_ref().ok()?)));
        findings.extend(
            ahead
                .chain(home)
                .filter_map(|(vm, vmx)| apart(host, vm, vmx)),
        );
    }
    findings
}

/// A disk of the VM lies elsewhere.
fn apart(host: &HostName, vm: &VmName, vmx: &[u8]) -> Option<Finding> {
    let disks = Vmx::parse(vmx).ok()?.disk_files();
    let disk = disks.into_iter().find(|disk| disk.starts_with('/'))?;
    let fault = Fault::new(
        format!("{vm} has a disk outside its folder: {disk}"),
        host.as_str(),
        "it cannot be copied from its own files, which is tried only once it was shut down",
        "bring it with `restore` from a backup that holds all its disks, or move that disk into its folder",
    );
    Some(Finding::stops(
        format!("vm/{vm}/apart"),
        vec![vm.clone()],
        fault,
    ))
}

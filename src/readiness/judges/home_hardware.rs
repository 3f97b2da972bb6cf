//! Whether a host at home runs the virtual hardware of a VM that goes home, and whether its .vmx there
//! still names its disks.

use crate::actions::other_disks;
use crate::error::Fault;
use crate::hypervisor::esxi::version::Version;
use crate::names::VmName;
use crate::readiness::finding::Finding;
use crate::readiness::seen::{Leaving, Seen};
use crate::readiness::task::Task;
use crate::runbook::model::Place;
use crate::vmfiles::{Surroundings, Vmx, fit_to_host};

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let of_vm = |vm| of_vm(task, vm, seen);
    task.homing.iter().filter_map(of_vm).flatten().collect()
}

fn of_vm(task: &Task, vm: &VmName, seen: &Seen) -> Option<Vec<Finding>> {
    let home = task.place(task.runbook.vms.get(vm)?)?;
    let leaving = seen.leaving(vm)?;
    let away = Vmx::parse(leaving.vmx.as_ref().ok()?).ok()?;
    let host = seen.esxi(&home.host)?;
    let at_home = host.homes.get(vm)?.as_ref().ok()?;
    let at_home = at_home.as_ref().and_then(|bytes| Vmx::parse(bytes).ok());
    // As `copy_back` decides it.
    let both = at_home.as_ref().zip(seen.brought(vm));
    let why = both.and_then(|(at_home, files)| other_disks(at_home, files));
    let stays = at_home.filter(|_| why.is_none());
    let version = host.version.as_ref().ok();
    let newest = version.and_then(Version::newest_hardware);
    let hardware = newest.and_then(|newest| {
        let used = stays.as_ref().unwrap_or(&away);
        let (runs, has) = (away.hardware_version()?, used.hardware_version()?);
        if has > newest {
            return Some(lowered(vm, home, used, (has, newest), leaving));
        }
        (runs > newest).then(|| older(vm, home, (runs, has, newest)))
    });
    let disks = why.map(|why| disks(vm, home, &why));
    Some(hardware.into_iter().chain(disks).collect())
}

/// The disks are other ones than when it left: its .vmx comes home with them.
fn disks(vm: &VmName, home: &Place, why: &str) -> Finding {
    let fault = Fault::new(
        format!("{vm} has other disks than when it left: {why}"),
        home.host.as_str(),
        "`copy_back` brings its .vmx home with them, and keeps the one at home aside",
        "take snapshots together and detach disks that are not needed, where they run; else nothing has to be done",
    );
    Finding::note(format!("vm/{vm}/disks"), vec![vm.clone()], fault)
}

/// The .vmx at home stays, and is older than the one with which it runs.
fn older(vm: &VmName, home: &Place, (runs, has, newest): (u32, u32, u32)) -> Finding {
    let fault = Fault::new(
        format!(
            "{vm} runs with virtual hardware of version {runs}, and {} runs up to {newest}",
            home.host
        ),
        home.host.as_str(),
        format!("the .vmx at home stays as it is: its guest sees hardware of version {has} again"),
        "nothing has to be done, unless the guest needs what came with the newer hardware",
    );
    Finding::warning(key(vm), vec![vm.clone()], fault)
}

/// The .vmx with which it would be registered at home is newer than that host.
fn lowered(
    vm: &VmName,
    home: &Place,
    vmx: &Vmx,
    (has, newest): (u32, u32),
    leaving: &Leaving,
) -> Finding {
    let host = &home.host;
    let around = Surroundings {
        host: host.to_string(),
        folder: leaving.files.keys().cloned().collect(),
        brought: Vec::new(),
        there: vmx.outside_paths(),
        pointers: Vec::new(),
        newest_hardware: Some(newest),
        came: false,
        apart: None,
    };
    let fitting = fit_to_host(vmx, &around);
    if let Some(first) = fitting.obstacles.first() {
        let state = format!("{vm} cannot be registered on {host}");
        let whats: Vec<&str> = fitting
            .obstacles
            .iter()
            .map(|its| its.what.as_str())
            .collect();
        let what = format!("the .vmx of {vm} does not fit {host}: {}", whats.join("; "));
        let fault = Fault::new(what, host.as_str(), state, first.next.clone());
        return Finding::stops(key(vm), vec![vm.clone()], fault);
    }
    let fault = Fault::new(
        format!("{vm} has virtual hardware of version {has}, and {host} runs up to {newest}"),
        host.as_str(),
        "its .vmx is changed to that before it is registered; the change is shown and confirmed in the run",
        "nothing has to be done",
    );
    Finding::note(key(vm), vec![vm.clone()], fault)
}

fn key(vm: &VmName) -> String {
    format!("vm/{vm}/hardware")
}

//! Whether a host at home runs the virtual hardware of a VM that goes home, and whether its .vmx there
//! still names its disks.

use std::collections::BTreeMap;

use crate::actions::{disk_slots, other_disks};
use crate::error::Fault;
use crate::names::VmName;
use crate::readiness::finding::Finding;
use crate::readiness::seen::{Leaving, Seen};
use crate::readiness::task::Task;
use crate::runbook::model::Place;
use crate::vmfiles::{Surroundings, Vmx, fit_to_host};

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let of_vm = |vm: &VmName| {
        let home = task.place(task.runbook.vms.get(vm)?)?;
        of_vm(vm, home, seen.leaving(vm)?, seen)
    };
    let hardware = task.homing.iter().filter_map(of_vm);
    let disks = task.homing.iter().filter_map(|vm| disks(task, vm, seen));
    hardware.chain(disks).collect()
}

fn of_vm(vm: &VmName, home: &Place, leaving: &Leaving, seen: &Seen) -> Option<Finding> {
    let host = seen.esxi(&home.host)?;
    let newest = host.version.as_ref().ok()?.newest_hardware()?;
    let away = leaving.vmx.as_ref().ok()?;
    let away = Vmx::parse(away).ok()?;
    let at_home = host.homes.get(vm)?.as_ref().ok()?;
    let at_home = at_home.as_ref().and_then(|bytes| Vmx::parse(bytes).ok());
    // As `copy_back` decides it.
    let stays = at_home.filter(|vmx| why_not(vmx, &away, leaving).is_none());
    let used = stays.as_ref().unwrap_or(&away);
    let (runs, has) = (away.hardware_version()?, used.hardware_version()?);
    if has > newest {
        return Some(lowered(vm, home, used, (has, newest), leaving));
    }
    let fault = Fault::new(
        format!(
            "{vm} runs with virtual hardware of version {runs}, and {} runs up to {newest}",
            home.host
        ),
        home.host.as_str(),
        format!("the .vmx at home stays as it is: its guest sees hardware of version {has} again"),
        "nothing has to be done, unless the guest needs what came with the newer hardware",
    );
    (runs > newest).then(|| Finding::warning(key(vm), vec![vm.clone()], fault))
}

/// Why the .vmx at home does not fit the disks that come home.
fn why_not(at_home: &Vmx, away: &Vmx, leaving: &Leaving) -> Option<String> {
    let comes = |disk: &str| leaving.files.contains_key(disk);
    other_disks(at_home, &coming(away), comes)
}

/// The disks that come, by slot: those from outside its folder under their own names.
fn coming(away: &Vmx) -> BTreeMap<String, String> {
    let name = |file: String| file.rsplit('/').next().unwrap_or_default().to_owned();
    let disks = disk_slots(away).into_iter();
    disks.map(|(slot, file)| (slot, name(file))).collect()
}

/// The disks are other ones than when it left: its .vmx comes home with them.
fn disks(task: &Task, vm: &VmName, seen: &Seen) -> Option<Finding> {
    let home = task.place(task.runbook.vms.get(vm)?)?;
    let leaving = seen.leaving(vm)?;
    let away = Vmx::parse(leaving.vmx.as_ref().ok()?).ok()?;
    let at_home = seen.esxi(&home.host)?.homes.get(vm)?.as_ref().ok()?;
    let at_home = Vmx::parse(at_home.as_ref()?).ok()?;
    let why = why_not(&at_home, &away, leaving)?;
    let fault = Fault::new(
        format!("{vm} has other disks than when it left: {why}"),
        home.host.as_str(),
        "`copy_back` brings its .vmx home with them, and keeps the one at home aside",
        "take snapshots together and detach disks that are not needed, where they run; else nothing has to be done",
    );
    let key = format!("vm/{vm}/disks");
    Some(Finding::note(key, vec![vm.clone()], fault))
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

//! What there may be one of only: uuid.bios, MAC, name.

use crate::error::Fault;
use crate::hypervisor::esxi::identity::Identity;
use crate::names::{HostName, RunId, VmName};
use crate::readiness::finding::Finding;
use crate::readiness::seen::{Registered, Seen};
use crate::readiness::task::Task;
use crate::readiness::whereabouts::left_at;
use crate::runbook::drill_of;
use crate::vmfiles::Vmx;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let own = identities(task, seen);
    let mut findings = among_themselves(&own);
    for (name, identity) in &own {
        findings.extend(where_it_comes(task, seen, name, identity));
    }
    findings.extend(unread(task, seen));
    findings
}

/// The identities that are known of the task's VMs.
pub(in crate::readiness) fn identities<'a>(
    task: &'a Task,
    seen: &Seen,
) -> Vec<(&'a VmName, Identity)> {
    let known = |(name, _)| Some((name, identity(task, seen, name)?));
    task.chosen().filter_map(known).collect()
}

/// By the .vmx that is restored, or by that of the VM that goes home.
fn identity(task: &Task, seen: &Seen, vm: &VmName) -> Option<Identity> {
    if task.leaves(vm).is_some() {
        let (_, row) = left_at(task, seen, vm)?;
        return row.unread.is_none().then(|| row.identity.clone());
    }
    let vmx = seen.used(vm)?.vmx()?;
    Some(Identity::of(&Vmx::parse(vmx).ok()?))
}

fn among_themselves(own: &[(&VmName, Identity)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, (one, identity)) in own.iter().enumerate() {
        for (other, its) in &own[index + 1..] {
            let Some(shares) = identity.shared_with(its) else {
                continue;
            };
            let fault = Fault::new(
                format!("{one} and {other} have the same {shares}"),
                "what they are brought up from",
                "the second one to be powered on is refused",
                "one is a copy of the other: give it an identity of its own and back it up again",
            );
            let vms = vec![(*one).clone(), (*other).clone()];
            findings.push(Finding::stops(
                format!("vm/{one}/same-as/{other}"),
                vms,
                fault,
            ));
        }
    }
    findings
}

/// VMs that are registered already at the site where it comes up.
fn where_it_comes(task: &Task, seen: &Seen, vm: &VmName, identity: &Identity) -> Vec<Finding> {
    let rows = registered_there(task, seen);
    rows.filter_map(|(host, row)| collision(task, vm, identity, host, row))
        .collect()
}

/// What the hosts have of the site where the task's VMs come up.
fn registered_there<'a>(
    task: &'a Task,
    seen: &'a Seen,
) -> impl Iterator<Item = (&'a HostName, &'a Registered)> {
    let site = task.runbook.site_with(task.side);
    let hosts = task.runbook.hosts.iter();
    let there = hosts.filter(move |(_, host)| host.site == site);
    there.flat_map(|(host, _)| {
        let rows = seen
            .esxi(host)
            .and_then(|esxi| esxi.registered.as_ref().ok());
        rows.into_iter().flatten().map(move |row| (host, row))
    })
}

/// What could not be compared: a VM there may be the twin of one that comes up.
fn unread(task: &Task, seen: &Seen) -> Vec<Finding> {
    let own = |host: &HostName, row: &Registered| {
        let mut vms = task.chosen();
        vms.any(|(vm, _)| is_own_file(task, vm, host, row))
    };
    let others = registered_there(task, seen).filter(|(host, row)| !own(host, row));
    let leaving = task.chosen().filter_map(|(vm, _)| left_at(task, seen, vm));
    let mut findings = Vec::new();
    for (host, row) in others.chain(leaving) {
        let Some(why) = &row.unread else { continue };
        let file = format!("[{}] {}", row.datastore, row.path);
        let fault = Fault::new(
            format!("the .vmx of {} ({file}) cannot be read: {why}", row.name),
            host.as_str(),
            "whether another VM has the same uuid.bios or MAC is not ruled out",
            format!(
                "see who holds or moves that file (vmkfstools -D), or unregister an entry whose file is gone (vmid {}); then check again",
                row.vmid
            ),
        );
        findings.push(Finding::warning(
            format!("host/{host}/unread/{file}"),
            Vec::new(),
            fault,
        ));
    }
    findings
}

fn collision(
    task: &Task,
    vm: &VmName,
    identity: &Identity,
    host: &HostName,
    row: &Registered,
) -> Option<Finding> {
    let vms = vec![vm.clone()];
    let file = format!("[{}] {}", row.datastore, row.path);
    if is_own_file(task, vm, host, row) {
        // What lies in its folder is named as left over.
        return None;
    }
    if let Some(shares) = identity.shared_with(&row.identity) {
        let folder = row.path.split('/').next();
        if let Some(run) = folder.and_then(drill_of) {
            return of_drill(task, (vm, host), row, (&run, &shares));
        }
        let fault = Fault::new(
            format!("{} ({file}) has the same {shares} as {vm}", row.name),
            host.as_str(),
            format!("{vm} cannot be registered beside it"),
            format!(
                "if it is a copy that is not needed, unregister it (its files stay); else give it a new identity (uuid.action = \"create\", generated MACs), then check again. It is registered as {} there",
                row.vmid
            ),
        );
        let key = format!("vm/{vm}/twin/{host}/{file}");
        return Some(Finding::stops(key, vms, fault));
    }
    row.name.eq_ignore_ascii_case(vm.as_str()).then(|| {
        let fault = Fault::new(
            format!("another VM there is called {} ({file})", row.name),
            host.as_str(),
            "two VMs of one name are easily taken for each other",
            "rename one of them, or unregister it if it is not needed",
        );
        Finding::warning(format!("vm/{vm}/namesake/{host}/{file}"), vms, fault)
    })
}

/// What a drill made and left registered; one that was not started stands in nobody's way.
fn of_drill(
    task: &Task,
    (vm, host): (&VmName, &HostName),
    row: &Registered,
    (run, shares): (&RunId, &str),
) -> Option<Finding> {
    let drill = task.drills.iter().find(|drill| drill.run == *run);
    if drill.is_some_and(|drill| drill.holds.values().all(|held| !held.on.contains(vm))) {
        return None;
    }
    let fault = Fault::new(
        format!("{} of drill {run} has the same {shares} as {vm}", row.name),
        host.as_str(),
        format!("while it is on, {vm} is not started beside it"),
        format!(
            "`lifeboat cleanup {run}{}` stops it and removes what that drill made",
            task.elsewhere
        ),
    );
    let key = format!("vm/{vm}/twin/{host}/[{}] {}", row.datastore, row.path);
    Some(Finding::stops(key, vec![vm.clone()], fault))
}

/// Whether it is the entry of the place where the VM is to come up.
fn is_own_file(task: &Task, vm: &VmName, host: &HostName, row: &Registered) -> bool {
    let known = task.runbook.vms.get(vm);
    let place = known.and_then(|vm| task.place(vm));
    place.is_some_and(|place| place.host == *host && row.within(place).is_some())
}

//! VMs that are to go home: where they are, and whether there is room at home for what they became.

use std::collections::BTreeMap;

use crate::actions::size;
use crate::error::Fault;
use crate::names::{HostName, VmName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::Seen;
use crate::readiness::task::Task;
use crate::runbook::model::Place;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut stores: BTreeMap<(&HostName, &str), Landing> = BTreeMap::new();
    for vm in &task.homing {
        let Some(from) = task.leaves(vm) else {
            continue;
        };
        findings.extend(gone(vm, from, seen));
        let home = task.runbook.vms.get(vm).and_then(|vm| task.place(vm));
        let Some(home) = home else { continue };
        findings.extend(twice(vm, home, seen));
        let landing = stores.entry((&home.host, &home.datastore)).or_default();
        landing.add(vm, from, home, seen);
    }
    let short = stores
        .into_iter()
        .filter_map(|((host, datastore), landing)| {
            let volumes = seen.esxi(host)?.volumes.as_ref().ok()?;
            landing.finding(host, datastore, volumes.labelled(datastore)?.free)
        });
    findings.extend(short);
    findings
}

/// The VM is not where it would be taken from.
fn gone(vm: &VmName, from: &Place, seen: &Seen) -> Option<Finding> {
    if seen.esxi(&from.host)?.at(from)?.is_some() {
        return None;
    }
    let elsewhere = seen.hosts.keys().find(|host| {
        let rows = seen
            .esxi(host)
            .and_then(|esxi| esxi.registered.as_ref().ok());
        let mut rows = rows.into_iter().flatten();
        **host != from.host && rows.any(|row| row.name.eq_ignore_ascii_case(vm.as_str()))
    });
    let at = elsewhere.map_or_else(
        || "no other host that was asked has a VM of that name".to_owned(),
        |host| format!("one of that name is on {host}"),
    );
    let fault = Fault::new(
        format!(
            "{vm} is not registered from [{}] {}; {at}",
            from.datastore, from.folder
        ),
        from.host.as_str(),
        "there is nothing to take home from there",
        "find out where it runs; leave it out (--only) if it is home already",
    );
    Some(Finding::stops(
        format!("vm/{vm}/from"),
        vec![vm.clone()],
        fault,
    ))
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

/// What comes home to one datastore.
#[derive(Default)]
struct Landing<'a> {
    /// VMs with the room that they take beside what is there, and in its place.
    known: Vec<(&'a VmName, u64, u64)>,
    /// VMs of which that is not known.
    unknown: Vec<&'a VmName>,
}

impl<'a> Landing<'a> {
    fn add(&mut self, vm: &'a VmName, from: &Place, home: &Place, seen: &Seen) {
        let taken = seen
            .esxi(&home.host)
            .and_then(|esxi| esxi.taken.get(vm).copied());
        match (seen.leaving(&from.host, vm), taken) {
            (Some(leaving), Some(taken)) => {
                let more = leaving.bytes.saturating_sub(taken);
                self.known.push((vm, leaving.bytes, more));
            }
            _ => self.unknown.push(vm),
        }
    }

    fn finding(&self, host: &HostName, datastore: &str, free: u64) -> Option<Finding> {
        let sum = |of: fn(&(&VmName, u64, u64)) -> u64| {
            self.known.iter().map(of).fold(0, u64::saturating_add)
        };
        let (beside, in_place) = (sum(|vm| vm.1), sum(|vm| vm.2));
        if beside <= free {
            return None;
        }
        let key = format!("store/{host}/{datastore}/home");
        let vms: Vec<VmName> = self.known.iter().map(|(vm, ..)| (*vm).clone()).collect();
        let fault = |state: &str, next: String| {
            let what = format!(
                "datastore {datastore} has {} free, and {} are needed to keep the originals beside what comes home: {}",
                size(free),
                size(beside),
                self.counted()
            );
            Fault::new(what, host.as_str(), state, next)
        };
        let short = size(beside - free);
        Some(if in_place > free {
            let state = "the VMs that come last find no room";
            Finding::stops(key, vms, fault(state, format!("free {short} there")))
        } else {
            let state = "disks at home would be written to themselves, which loses what they were; \
                         their steps ask for that";
            let next = format!("free {short} there, or accept that");
            Finding::warning(key, vms, fault(state, next))
        })
    }

    fn counted(&self) -> String {
        let known = self.known.iter();
        let mut parts: Vec<String> = known
            .map(|(vm, beside, _)| format!("{vm} {}", size(*beside)))
            .collect();
        if !self.unknown.is_empty() {
            parts.push(format!("not counted: {}", listed(&self.unknown)));
        }
        parts.join(", ")
    }
}

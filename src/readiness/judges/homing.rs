//! VMs that are to go home: where they are, and whether there is room at home for what they became.

use std::collections::BTreeMap;

use crate::actions::{Need, Way, size, way};
use crate::error::Fault;
use crate::names::{HostName, VmName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::Seen;
use crate::readiness::task::Task;
use crate::readiness::whereabouts::{copies, left_at};
use crate::runbook::model::Place;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut stores: BTreeMap<(&HostName, &str), Landing> = BTreeMap::new();
    for vm in &task.homing {
        let Some(from) = task.leaves(vm) else {
            continue;
        };
        findings.extend(gone(task, vm, from, seen));
        let home = task.runbook.vms.get(vm).and_then(|vm| task.place(vm));
        let Some(home) = home else { continue };
        findings.extend(twice(vm, home, seen));
        let landing = stores.entry((&home.host, &home.datastore)).or_default();
        landing.add(vm, home, seen);
    }
    let short = stores
        .into_iter()
        .filter_map(|((host, datastore), landing)| {
            let volumes = seen.esxi(host)?.volumes.as_ref().ok()?;
            Some(landing.findings(host, datastore, volumes.labelled(datastore)?.free))
        });
    findings.extend(short.flatten());
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

/// What comes home to one datastore.
#[derive(Default)]
struct Landing<'a> {
    /// VMs in the order in which they come.
    known: Vec<Coming<'a>>,
    /// VMs of which it is not known what they take.
    unknown: Vec<&'a VmName>,
}

/// What one VM takes there.
struct Coming<'a> {
    vm: &'a VmName,
    needs: Vec<Need>,
    /// The swap file that its host makes at power-on, at most.
    swap: u64,
}

/// Which VMs would find what, each coming after those before it.
struct Walk {
    in_place: Vec<VmName>,
    no_room: Vec<VmName>,
    /// Bytes that are free in the end.
    left: u64,
}

impl<'a> Landing<'a> {
    fn add(&mut self, vm: &'a VmName, home: &Place, seen: &Seen) {
        let taken = seen.esxi(&home.host).and_then(|esxi| esxi.taken.get(vm));
        let (Some(leaving), Some(taken)) = (seen.leaving(vm), taken) else {
            self.unknown.push(vm);
            return;
        };
        let files = leaving.files.iter();
        let needs = files.map(|(name, bytes)| Need::of(*bytes, None, taken.get(name).copied()));
        // What comes from outside its folder has none of its own at home beside the others.
        let apart = seen
            .apart(vm)
            .filter_map(|disk| disk.bytes.as_ref().ok().copied().flatten());
        let apart = apart.map(|bytes| Need::of(bytes, None, None));
        self.known.push(Coming {
            vm,
            needs: needs.chain(apart).collect(),
            swap: leaving.memory.as_ref().ok().copied().flatten().unwrap_or(0),
        });
    }

    fn walk(&self, free: u64) -> Walk {
        let mut walk = Walk {
            in_place: Vec::new(),
            no_room: Vec::new(),
            left: free,
        };
        for coming in &self.known {
            let need = Need::sum(&coming.needs);
            match way(&coming.needs, walk.left) {
                Way::Clone => walk.left -= need.beside,
                Way::InPlace => {
                    walk.left -= need.in_place;
                    walk.in_place.push(coming.vm.clone());
                }
                Way::NoRoom { .. } => walk.no_room.push(coming.vm.clone()),
            }
        }
        walk
    }

    fn findings(&self, host: &HostName, datastore: &str, free: u64) -> Vec<Finding> {
        let walk = self.walk(free);
        let mut findings = Vec::new();
        if !walk.no_room.is_empty() || !walk.in_place.is_empty() {
            findings.push(self.short(host, datastore, free, &walk));
        }
        if walk.no_room.is_empty() {
            findings.extend(self.short_of_swap(host, datastore, walk.left));
        }
        findings
    }

    fn vms(&self) -> Vec<VmName> {
        self.known.iter().map(|coming| coming.vm.clone()).collect()
    }

    /// Not every original can be kept beside what comes.
    fn short(&self, host: &HostName, datastore: &str, free: u64, walk: &Walk) -> Finding {
        let needs = self.known.iter().flat_map(|coming| &coming.needs);
        let beside = Need::sum(&needs.copied().collect::<Vec<_>>()).beside;
        let what = format!(
            "datastore {datastore} has {} free, and {} are needed to keep the originals beside what comes home: {}",
            size(free),
            size(beside),
            self.counted()
        );
        let more = format!("free {} more there", size(beside.saturating_sub(free)));
        let (state, next) = if walk.no_room.is_empty() {
            let state = format!(
                "disks at home would be written to themselves, which loses what they were, of {}; their steps ask for that",
                listed(&walk.in_place)
            );
            (state, format!("{more}, or accept that"))
        } else {
            let state = format!(
                "no room is left when it is the turn of {}",
                listed(&walk.no_room)
            );
            (state, more)
        };
        let key = format!("store/{host}/{datastore}/home");
        let fault = Fault::new(what, host.as_str(), state, next);
        if walk.no_room.is_empty() {
            Finding::warning(key, self.vms(), fault)
        } else {
            Finding::stops(key, self.vms(), fault)
        }
    }

    /// What a host makes at power-on comes after the files.
    fn short_of_swap(&self, host: &HostName, datastore: &str, left: u64) -> Option<Finding> {
        let swap = self.known.iter().map(|coming| coming.swap);
        let swap = swap.fold(0, u64::saturating_add);
        if swap <= left {
            return None;
        }
        let fault = Fault::new(
            format!(
                "datastore {datastore} has {} free once they are home, and their swap files take up to {}",
                size(left),
                size(swap)
            ),
            host.as_str(),
            "the VMs that start last do not start",
            format!("free {} there, or reserve their memory", size(swap - left)),
        );
        let key = format!("store/{host}/{datastore}/swap");
        Some(Finding::warning(key, self.vms(), fault))
    }

    fn counted(&self) -> String {
        let known = self.known.iter();
        let mut parts: Vec<String> = known
            .map(|coming| format!("{} {}", coming.vm, size(Need::sum(&coming.needs).beside)))
            .collect();
        if !self.unknown.is_empty() {
            parts.push(format!("not counted: {}", listed(&self.unknown)));
        }
        parts.join(", ")
    }
}

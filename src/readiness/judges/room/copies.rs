//! Room for the files of VMs that are copied from where they are: those that go home, and those whose
//! own files are sent to the other site.

use std::collections::BTreeMap;

use crate::actions::{Need, Way, size, way};
use crate::error::Fault;
use crate::names::{HostName, VmName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::Seen;
use crate::readiness::task::Task;
use crate::runbook::model::Place;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut stores: BTreeMap<(&HostName, &str), Landing> = BTreeMap::new();
    // In the order of the steps; of what is restored as well its restore point is judged.
    let copied = task.homing.iter().chain(&task.ahead);
    for vm in copied.filter(|vm| task.is_copied(vm)) {
        let place = task.runbook.vms.get(vm).and_then(|vm| task.place(vm));
        let Some(place) = place else { continue };
        let landing = stores.entry((&place.host, &place.datastore)).or_default();
        landing.add(vm, place, seen);
    }
    let short = stores
        .into_iter()
        .filter_map(|((host, datastore), landing)| {
            let volumes = seen.esxi(host)?.volumes.as_ref().ok()?;
            Some(landing.findings(host, datastore, volumes.labelled(datastore)?.free))
        });
    short.flatten().collect()
}

/// What comes to one datastore.
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
    fn add(&mut self, vm: &'a VmName, place: &Place, seen: &Seen) {
        let taken = seen.esxi(&place.host).and_then(|esxi| esxi.taken.get(vm));
        let apart = seen.apart(vm).map(|disk| disk.bytes.as_ref());
        let apart: Result<Vec<_>, _> = apart.collect();
        let (Some(leaving), Some(taken), Ok(apart)) = (seen.leaving(vm), taken, apart) else {
            self.unknown.push(vm);
            return;
        };
        let files = leaving.files.iter();
        let needs = files.map(|(name, bytes)| Need::of(*bytes, None, taken.get(name).copied()));
        // What comes from outside its folder has none of its own there beside the others.
        let apart = apart.into_iter().flatten();
        let apart = apart.map(|bytes| Need::of(*bytes, None, None));
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
            "datastore {datastore} has {} free, and {} are needed to keep what lies there beside what comes: {}",
            size(free),
            size(beside),
            self.counted()
        );
        let more = format!("free {} more there", size(beside.saturating_sub(free)));
        let (state, next) = if walk.no_room.is_empty() {
            let state = format!(
                "disks there would be written to themselves, which loses what they were, of {}; their steps ask for that",
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
        let key = format!("store/{host}/{datastore}/copies");
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
                "datastore {datastore} has {} free once they are there, and their swap files take up to {}",
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

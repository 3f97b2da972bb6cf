//! Room on each datastore for everything that lands there: what is restored, and what is copied from
//! where it is. Hosts that share a datastore share its room.

mod copies;

use std::collections::BTreeMap;

use crate::actions::size;
use crate::error::Fault;
use crate::names::{HostName, VmName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::Seen;
use crate::readiness::task::Task;
use crate::runbook::model::Place;

use copies::{Copies, Copy};

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut stores = Stores::new();
    let place_of = |vm| task.runbook.vms.get(vm).and_then(|vm| task.place(vm));
    let restored = task.vms.iter();
    for vm in restored.filter(|vm| task.brings(vm) && task.leaves(vm).is_none()) {
        if let Some(landing) = place_of(vm).and_then(|place| at(&mut stores, place, seen)) {
            landing.restore(vm, seen);
        }
    }
    // In the order of the steps; of what is restored as well its restore point is judged.
    let copied = task.homing.iter().chain(&task.ahead);
    for vm in copied.filter(|vm| task.is_copied(vm)) {
        if let Some(place) = place_of(vm)
            && let Some(landing) = at(&mut stores, place, seen)
        {
            landing.copy(vm, place, seen);
        }
    }
    stores.values().flat_map(Landing::findings).collect()
}

/// What lands, by the volume.
type Stores<'a> = BTreeMap<&'a str, Landing<'a>>;

/// What lands on the volume of a place, where its host told of that.
fn at<'s, 'a>(
    stores: &'s mut Stores<'a>,
    place: &'a Place,
    seen: &'a Seen,
) -> Option<&'s mut Landing<'a>> {
    let volumes = seen.esxi(&place.host)?.volumes.as_ref().ok()?;
    let volume = volumes.named(&place.datastore)?;
    let store = stores.entry(volume.uuid.as_str());
    let landing = store.or_insert_with(|| Landing::new(place, volume.free));
    landing.at = landing.at.min((&place.host, &place.datastore));
    Some(landing)
}

/// What comes to one datastore.
struct Landing<'a> {
    /// The first host that something lands on there, and what the datastore is called.
    at: (&'a HostName, &'a str),
    /// Bytes that are free there.
    free: u64,
    restored: Vec<Restored<'a>>,
    copied: Copies<'a>,
    /// VMs of which it is not known what they take.
    unknown: Vec<&'a VmName>,
}

/// What the restore of one VM takes there, in bytes.
struct Restored<'a> {
    vm: &'a VmName,
    least: u64,
    most: u64,
}

impl<'a> Landing<'a> {
    fn new(place: &'a Place, free: u64) -> Self {
        Self {
            at: (&place.host, &place.datastore),
            free,
            restored: Vec::new(),
            copied: Copies::default(),
            unknown: Vec::new(),
        }
    }

    fn restore(&mut self, vm: &'a VmName, seen: &Seen) {
        match seen.used(vm).and_then(|used| used.needs.as_ref().ok()) {
            Some(needs) => self.restored.push(Restored {
                vm,
                least: needs.least(),
                most: needs.files.most.max(needs.least()),
            }),
            None => self.unknown.push(vm),
        }
    }

    fn copy(&mut self, vm: &'a VmName, place: &Place, seen: &Seen) {
        match Copy::of(vm, place, seen) {
            Some(copy) => self.copied.0.push(copy),
            None => self.unknown.push(vm),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let sum = |of: fn(&Restored<'_>) -> u64| {
            self.restored.iter().map(of).fold(0, u64::saturating_add)
        };
        let (least, most) = (sum(|vm| vm.least), sum(|vm| vm.most));
        if least > self.free {
            let needed = least.saturating_add(self.copied.beside());
            let state = "the restores that come last find no room";
            let fault = self.short(needed, "are needed", state);
            return vec![Finding::stops(self.key("room"), self.vms(), fault)];
        }
        // What is restored takes its room whatever becomes of the copies.
        let walk = self.copied.walk(self.free - least);
        let mut findings = Vec::new();
        if walk.is_short() {
            findings.push(self.short_of_copies(least, &walk));
        }
        if !walk.no_room.is_empty() {
            return findings;
        }
        let copied = self.free - least - walk.left;
        let most = most.saturating_add(copied);
        if most > self.free {
            let state = "disks that are converted there may grow beyond it";
            let fault = self.short(most, "may be needed", state);
            findings.push(Finding::warning(self.key("room"), self.vms(), fault));
        }
        findings.extend(self.short_of_swap(walk.left));
        findings
    }

    fn short(&self, needed: u64, are_needed: &str, state: &str) -> Fault {
        let (host, datastore) = self.at;
        Fault::new(
            format!(
                "datastore {datastore} has {} free, and {} {are_needed}: {}",
                size(self.free),
                size(needed),
                self.counted()
            ),
            host.as_str(),
            state,
            format!(
                "free {} there, or place VMs on another datastore",
                size(needed.saturating_sub(self.free))
            ),
        )
    }

    /// Not every original can be kept beside what comes.
    fn short_of_copies(&self, restored: u64, walk: &copies::Walk) -> Finding {
        let (host, datastore) = self.at;
        let needed = self.copied.beside().saturating_add(restored);
        let what = format!(
            "datastore {datastore} has {} free, and {} are needed to keep what lies there beside what comes: {}",
            size(self.free),
            size(needed),
            self.counted()
        );
        let more = format!("free {} more there", size(needed.saturating_sub(self.free)));
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
        let key = self.key("copies");
        let fault = Fault::new(what, host.as_str(), state, next);
        if walk.no_room.is_empty() {
            Finding::warning(key, self.vms(), fault)
        } else {
            Finding::stops(key, self.vms(), fault)
        }
    }

    /// What a host makes at power-on comes after the files.
    fn short_of_swap(&self, left: u64) -> Option<Finding> {
        let (host, datastore) = self.at;
        let swap = self.copied.swap();
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
        let vms = self.copied.0.iter().map(|copy| copy.vm.clone()).collect();
        Some(Finding::warning(self.key("swap"), vms, fault))
    }

    fn key(&self, about: &str) -> String {
        let (host, datastore) = self.at;
        format!("store/{host}/{datastore}/{about}")
    }

    /// The VMs that were counted, with what each takes at least, or beside what lies there.
    fn takes(&self) -> impl Iterator<Item = (&VmName, u64)> {
        let restored = self.restored.iter().map(|vm| (vm.vm, vm.least));
        restored.chain(self.copied.0.iter().map(|vm| (vm.vm, vm.beside())))
    }

    fn vms(&self) -> Vec<VmName> {
        self.takes().map(|(vm, _)| vm.clone()).collect()
    }

    fn counted(&self) -> String {
        let takes = self.takes();
        let mut parts: Vec<String> = takes
            .map(|(vm, bytes)| format!("{vm} {}", size(bytes)))
            .collect();
        if !self.unknown.is_empty() {
            parts.push(format!("not counted: {}", listed(&self.unknown)));
        }
        parts.join(", ")
    }
}

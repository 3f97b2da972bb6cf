//! Room on each datastore for everything that lands there.

use std::collections::BTreeMap;

use crate::actions::size;
use crate::error::Fault;
use crate::names::{HostName, VmName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::Seen;
use crate::readiness::task::Task;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut stores: BTreeMap<(&HostName, &str), Landing> = BTreeMap::new();
    for (name, vm) in task.chosen() {
        let Some(place) = task.place(vm) else {
            continue;
        };
        if !task.brings(name) || task.leaves(name).is_some() {
            continue;
        }
        let landing = stores.entry((&place.host, &place.datastore)).or_default();
        match seen.used(name).and_then(|used| used.needs.as_ref().ok()) {
            Some(needs) => landing.known.push((name, needs.least(), needs.files.most)),
            None => landing.unknown.push(name),
        }
    }
    let finding = |((host, datastore), landing): ((&HostName, &str), Landing<'_>)| {
        let volumes = seen.esxi(host)?.volumes.as_ref().ok()?;
        let free = volumes.labelled(datastore)?.free;
        landing.finding(host, datastore, free)
    };
    stores.into_iter().filter_map(finding).collect()
}

/// What comes to one datastore.
#[derive(Default)]
struct Landing<'a> {
    /// VMs with what they take at least, and at most.
    known: Vec<(&'a VmName, u64, u64)>,
    /// VMs of which that is not known.
    unknown: Vec<&'a VmName>,
}

impl Landing<'_> {
    fn finding(&self, host: &HostName, datastore: &str, free: u64) -> Option<Finding> {
        let sum = |of: fn(&(&VmName, u64, u64)) -> u64| {
            self.known.iter().map(of).fold(0, u64::saturating_add)
        };
        let (least, most) = (sum(|vm| vm.1), sum(|vm| vm.1.max(vm.2)));
        let key = format!("store/{host}/{datastore}/room");
        let vms: Vec<VmName> = self.known.iter().map(|(vm, ..)| (*vm).clone()).collect();
        let fault = |needed: u64, state: &str| {
            Fault::new(
                format!(
                    "datastore {datastore} has {} free, and {} {} needed: {}",
                    size(free),
                    size(needed),
                    if needed == least { "are" } else { "may be" },
                    self.counted()
                ),
                host.as_str(),
                state,
                format!(
                    "free {} there, or place VMs on another datastore",
                    size(needed - free)
                ),
            )
        };
        if least > free {
            let state = "the restores that come last find no room";
            return Some(Finding::stops(key, vms, fault(least, state)));
        }
        (most > free).then(|| {
            let state = "disks that are converted there may grow beyond it";
            Finding::warning(key, vms, fault(most, state))
        })
    }

    fn counted(&self) -> String {
        let mut parts: Vec<String> = self
            .known
            .iter()
            .map(|(vm, least, _)| format!("{vm} {}", size(*least)))
            .collect();
        if !self.unknown.is_empty() {
            parts.push(format!("not counted: {}", listed(&self.unknown)));
        }
        parts.join(", ")
    }
}

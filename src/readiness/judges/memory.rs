//! Memory on each host for everything that comes up there, with what will be freed.

use crate::actions::size;
use crate::error::Fault;
use crate::names::{HostName, VmName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::{EsxiSeen, Seen, SpareSeen};
use crate::readiness::task::Task;
use crate::runbook::model::Vm;
use crate::vmfiles::Vmx;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let hosts = seen.hosts.keys();
    hosts
        .filter_map(|host| Some((host, seen.esxi(host)?)))
        .flat_map(|(host, esxi)| {
            let short = Coming::to(task, seen, host).finding(host, esxi);
            short.into_iter().chain(nothing_fits(task, host, esxi))
        })
        .collect()
}

/// A name that stands for nothing frees nothing: it may be misspelt.
fn nothing_fits(task: &Task, host: &HostName, esxi: &EsxiSeen) -> Option<Finding> {
    let spares = esxi.spares.as_ref().ok()?;
    esxi.registered.as_ref().ok()?;
    let here = |key: &&VmName| {
        let vm = task.runbook.vms.get(*key);
        let place = vm.and_then(|vm| vm.recovery.as_ref());
        place.is_some_and(|place| place.host == *host)
    };
    let fits = |key: &VmName| spares.iter().any(|spare| Vm::covers(key, &spare.name));
    let keys: Vec<&VmName> = task
        .frees
        .iter()
        .filter(|key| here(key) && !fits(key))
        .collect();
    if keys.is_empty() {
        return None;
    }
    let fault = Fault::new(
        format!("no VM there is called {}", listed(&keys)),
        host.as_str(),
        "free_capacity finds nothing of that name to shut down",
        "correct the name, or take it out of the step",
    );
    Some(Finding::note(
        format!("host/{host}/spares"),
        Vec::new(),
        fault,
    ))
}

/// What comes up on one host.
#[derive(Default)]
struct Coming {
    /// VMs with the memory that they take.
    known: Vec<(VmName, u64)>,
    /// VMs of which that is not known.
    unknown: Vec<VmName>,
    /// VMs that are copied from where they are, where their host does not tell it.
    untold: Vec<VmName>,
}

impl Coming {
    fn to(task: &Task, seen: &Seen, host: &HostName) -> Self {
        let mut coming = Self::default();
        for vm in task.landing(host) {
            match memory_of(task, seen, &vm) {
                Some(memory) => coming.known.push((vm, memory)),
                None if seen.leaving(&vm).is_some() => coming.untold.push(vm),
                None => coming.unknown.push(vm),
            }
        }
        coming
    }

    fn finding(&self, host: &HostName, esxi: &EsxiSeen) -> Option<Finding> {
        let summary = esxi.summary.as_ref().ok()?;
        let free = summary.memory?.saturating_sub(summary.memory_used?);
        let needed = sum(self.known.iter().map(|(_, memory)| *memory));
        if needed <= free {
            return self.uncounted(host);
        }
        let spares = esxi.spares.as_deref().unwrap_or_default();
        let running: Vec<&SpareSeen> = spares.iter().filter(|spare| spare.runs).collect();
        let freed = sum(running.iter().filter_map(|spare| spare.memory));
        let names: Vec<&str> = running.iter().map(|spare| spare.name.as_str()).collect();
        let what = format!(
            "{} of memory are free, and {} are needed: {}{}",
            size(free),
            size(needed),
            self.counted(),
            match names.as_slice() {
                [] if esxi.spares.is_err() => "; what free_capacity gives is not known".to_owned(),
                [] => "; nothing is shut down to free some".to_owned(),
                names => format!(
                    "; free_capacity gives up to {} ({})",
                    size(freed),
                    listed(names)
                ),
            }
        );
        let key = format!("host/{host}/memory");
        let vms: Vec<VmName> = self.known.iter().map(|(vm, _)| vm.clone()).collect();
        let fault =
            |state: &str, next: String| Fault::new(what.clone(), host.as_str(), state, next);
        let short = needed.saturating_sub(free.saturating_add(freed));
        Some(if short == 0 {
            let next = "nothing now: the run shuts them down first".to_owned();
            Finding::note(key, vms, fault("it fits once they are off", next))
        } else {
            let next = format!(
                "free {} more there: name expendable VMs in `free_capacity`, or place VMs on another host",
                size(short)
            );
            let state = "the VMs that start last do not start, or the host swaps";
            Finding::warning(key, vms, fault(state, next))
        })
    }

    /// The others fit, which is not all that comes.
    fn uncounted(&self, host: &HostName) -> Option<Finding> {
        if self.untold.is_empty() {
            return None;
        }
        let fault = Fault::new(
            format!(
                "how much memory they take is not known: {}",
                listed(&self.untold)
            ),
            host.as_str(),
            "whether they find memory there was not judged",
            "look at their memory where they run, and at what is free on this host",
        );
        let key = format!("host/{host}/memory");
        Some(Finding::warning(key, self.untold.clone(), fault))
    }

    fn counted(&self) -> String {
        let known = self.known.iter();
        let mut parts: Vec<String> = known
            .map(|(vm, memory)| format!("{vm} {}", size(*memory)))
            .collect();
        let unknown: Vec<&VmName> = self.unknown.iter().chain(&self.untold).collect();
        if !unknown.is_empty() {
            parts.push(format!("not counted: {}", listed(&unknown)));
        }
        parts.join(", ")
    }
}

/// No figure that a .vmx claims makes it small again.
fn sum(mut figures: impl Iterator<Item = u64>) -> u64 {
    figures.try_fold(0, u64::checked_add).unwrap_or(u64::MAX)
}

/// What a VM takes of its host's memory, by the .vmx that is restored, or where it is now, in bytes.
fn memory_of(task: &Task, seen: &Seen, vm: &VmName) -> Option<u64> {
    if task.is_copied(vm) {
        return *seen.leaving(vm)?.memory.as_ref().ok()?;
    }
    let vmx = Vmx::parse(seen.used(vm)?.vmx()?).ok()?;
    let mib: u64 = vmx.get("memSize")?.trim().parse().ok()?;
    Some(mib.saturating_mul(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_beyond_all_bounds_stays_one() {
        assert_eq!(sum([2, 3].into_iter()), 5);
        assert_eq!(sum([u64::MAX, 3].into_iter()), u64::MAX);
    }
}

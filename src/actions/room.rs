//! Room on a datastore: what a restore takes there, and what else is going to land.
//!
//! What stops a restore is what is certain to come: its own files at their fullest, the swap file
//! that the host makes at power-on, and the same of VMs whose restore has begun. VMs that are still
//! to begin are counted aloud; they do not stop one that goes before them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::Fact;
use crate::host::Lane;
use crate::hypervisor::shell;
use crate::names::{HostName, VmName};
use crate::transfer::{Delivery, Takes};

use super::context::Ctx;
use super::datastores::Datastores;
use super::moving;
use super::place::VmAt;
use super::words::{count, size};
use crate::error::Fault;

/// What a restore takes, with what else is to land on its datastore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// Its own files.
    pub own: Takes,
    /// Its swap file, in bytes.
    pub swap: u64,
    /// What is still to come of VMs whose restore has begun: files and swap, in bytes.
    pub begun: Vec<(VmName, u64)>,
    /// VMs whose restore to this datastore has not begun.
    pub waiting: Vec<VmName>,
}

impl Room {
    /// Counts for a delivery.
    ///
    /// # Errors
    /// The host could not be asked what its datastores are called.
    pub async fn count(ctx: &Ctx, at: &VmAt, delivery: &Delivery) -> Result<Self, Fault> {
        let allocated = moving::allocated(ctx, delivery).await;
        let datastores = Datastores::of_places(ctx, &at.host).await?;
        let is_here = |host: &HostName, datastore: &str| {
            *host == at.host && datastores.are_one(datastore, &at.datastore)
        };
        let mut room = Self {
            own: delivery.takes(&allocated),
            swap: delivery.survey.as_ref().map_or(0, |survey| survey.swap),
            ..Self::default()
        };
        let facts = ctx.run_facts();
        let mut known = BTreeSet::from([at.vm.clone()]);
        for fact in facts.iter().rev() {
            let Fact::RoomCounted {
                vm,
                host,
                label,
                bytes,
                swap,
            } = fact
            else {
                continue;
            };
            if !is_here(host, label) || !known.insert(vm.clone()) {
                continue;
            }
            let Ok(other) = VmAt::new(&ctx.runbook, vm, at.role) else {
                continue;
            };
            let files = if is_complete(&facts, &other) {
                0
            } else {
                bytes.saturating_sub(there(ctx, &other).await)
            };
            let runs = |fact: &Fact| matches!(fact, Fact::PoweredOn { vm, host } if *vm == other.vm && *host == other.host);
            let swap = if facts.iter().any(runs) { 0 } else { *swap };
            if files + swap > 0 {
                room.begun.push((vm.clone(), files.saturating_add(swap)));
            }
        }
        let waits = |vm: &VmName| {
            let place = VmAt::new(&ctx.runbook, vm, at.role);
            place.is_ok_and(|other| is_here(&other.host, &other.datastore))
        };
        let vms = ctx.runbook.vms.iter();
        room.waiting = vms
            .filter(|(vm, spec)| spec.backup.is_some() && !known.contains(*vm) && waits(vm))
            .map(|(vm, _)| vm.clone())
            .collect();
        Ok(room)
    }

    /// The same with so many bytes more of its own files.
    pub fn with(mut self, bytes: u64) -> Self {
        self.own.least = self.own.least.saturating_add(bytes);
        self.own.most = self.own.most.saturating_add(bytes);
        self
    }

    /// Bytes that must be free: when its files are at their fullest, or when it is powered on.
    fn needed(&self) -> u64 {
        let on = self.own.least.saturating_sub(self.own.passing);
        let own = self.own.least.max(on.saturating_add(self.swap));
        let begun = self.begun.iter().map(|(_, bytes)| *bytes);
        begun.fold(own, u64::saturating_add)
    }

    /// Why there is too little room, with every figure that is counted.
    pub fn fault(&self, at: &VmAt, free: u64) -> Option<Fault> {
        let needed = self.needed();
        (needed > free).then(|| {
            Fault::new(
                format!(
                    "datastore {} has {} free, and {} are needed: {}",
                    at.datastore,
                    size(free),
                    size(needed),
                    self.counted(at)
                ),
                at.host.as_str(),
                "nothing was changed",
                format!(
                    "free {} there, or place the VM on another datastore; then retry",
                    size(needed - free)
                ),
            )
        })
    }

    fn counted(&self, at: &VmAt) -> String {
        let mut parts = vec![format!(
            "the files of {} take {}",
            at.vm,
            size(self.own.least)
        )];
        if self.own.passing > 0 {
            parts.push(format!(
                "of these {} only until its disks are converted",
                size(self.own.passing)
            ));
        }
        if self.swap > 0 {
            parts.push(format!("its swap file at power-on {}", size(self.swap)));
        }
        for (vm, bytes) in &self.begun {
            parts.push(format!(
                "{vm}, whose restore has begun, {} more",
                size(*bytes)
            ));
        }
        parts.join(", ")
    }

    /// What a person should know although it fits.
    pub fn remark(&self, at: &VmAt, free: u64) -> Option<String> {
        let left = free.saturating_sub(self.needed());
        let mut parts = Vec::new();
        if self.own.most > self.own.least && self.own.most - self.own.least > left {
            parts.push(format!(
                "converted disks may grow to {}, for which there is no room",
                size(self.own.most)
            ));
        }
        if !self.waiting.is_empty() {
            parts.push(format!(
                "{} left on {} for {} that {} still to come there",
                size(left),
                at.datastore,
                count(self.waiting.len(), "VM"),
                if self.waiting.len() == 1 { "is" } else { "are" }
            ));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// What this restore has counted for itself, for those that begin after it.
    pub fn fact(&self, at: &VmAt) -> Fact {
        Fact::RoomCounted {
            vm: at.vm.clone(),
            host: at.host.clone(),
            label: at.datastore.clone(),
            bytes: self.own.least,
            swap: self.swap,
        }
    }
}

/// Restores that count on room on a datastore, from the moment on at which they begin: those that begin
/// together do not find each other in the journal as it stood when they looked.
#[derive(Clone, Debug, Default)]
pub struct Begun(Arc<Mutex<Vec<VmAt>>>);

impl Begun {
    /// Enters a restore that has counted with what `facts` tell.
    ///
    /// # Errors
    /// Another one to its datastore began since; it has to count anew.
    pub(super) fn enter(&self, at: &VmAt, facts: &[Fact]) -> Result<(), Fault> {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = |other: &VmAt| {
            facts
                .iter()
                .any(|fact| matches!(fact, Fact::RoomCounted { vm, .. } if *vm == other.vm))
        };
        let is_here = |other: &&VmAt| other.host == at.host && other.datastore == at.datastore;
        let mut here = begun.iter().filter(is_here);
        if let Some(other) = here.find(|other| other.vm != at.vm && !is_known(other)) {
            return Err(Fault::new(
                format!(
                    "the restore of {} to {} began at the same moment, and takes room there",
                    other.vm, at.datastore
                ),
                at.host.as_str(),
                "nothing of this VM was sent",
                "it looks anew by itself, and counts both",
            )
            .passing());
        }
        begun.push(at.clone());
        Ok(())
    }
}

/// The .vmx comes last: where it is placed, everything is.
fn is_complete(facts: &[Fact], at: &VmAt) -> bool {
    facts.iter().any(|fact| {
        matches!(fact, Fact::FilePlaced { vm, host, path, .. }
            if *vm == at.vm && *host == at.host && path.ends_with(".vmx"))
    })
}

/// Bytes that lie in a VM's folder already.
async fn there(ctx: &Ctx, at: &VmAt) -> u64 {
    let command = shell::list(&at.folder_path());
    let listed = ctx
        .read(
            &at.host,
            Lane::Control,
            &command,
            shell::entries,
            "listing a folder",
        )
        .await;
    let entries = listed.unwrap_or_default();
    let bytes = entries
        .iter()
        .filter_map(|entry| Some(entry.stat?.allocated));
    bytes.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::tests::step;
    use crate::runbook::model::SiteRole;

    fn at() -> VmAt {
        let (runbook, _) = step("failover/recover/sql01/restore");
        VmAt::new(&runbook, &"sql01".into(), SiteRole::Recovery).unwrap()
    }

    fn room() -> Room {
        Room {
            own: Takes {
                least: 30 << 30,
                most: 80 << 30,
                passing: 10 << 30,
            },
            swap: 4 << 30,
            begun: vec![("web01".into(), 5 << 30)],
            waiting: vec!["crm01".into()],
        }
    }

    #[test]
    fn everything_that_is_certain_to_land_is_counted_and_named() {
        let at = at();
        assert_eq!(room().fault(&at, 35 << 30), None);
        let fault = room().fault(&at, (35 << 30) - 1).unwrap();
        for part in [
            "35.0 GiB are needed",
            "the files of sql01 take 30.0 GiB",
            "of these 10.0 GiB only until",
            "swap file at power-on 4.0 GiB",
            "web01, whose restore has begun, 5.0 GiB more",
        ] {
            assert!(fault.what.contains(part), "{part} is not in {}", fault.what);
        }
        // Power-on comes after the conversion: the larger of both counts, not their sum.
        let swap = Room {
            swap: 12 << 30,
            ..room()
        };
        assert_eq!(swap.needed(), (20 + 12 + 5) << 30);
    }

    #[test]
    fn what_may_not_fit_is_said_and_does_not_stop() {
        let remark = room().remark(&at(), 40 << 30).unwrap();
        assert!(remark.contains("may grow to 80.0 GiB"), "{remark}");
        assert!(remark.contains("5.0 GiB left"), "{remark}");
        assert!(remark.contains("1 VM that is still to come"), "{remark}");
        assert_eq!(Room::default().remark(&at(), 0), None);
    }
}

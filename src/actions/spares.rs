//! Expendable VMs on hosts of the recovery site: what runs there under the names that a runbook gives
//! them, and never a VM that it recovers.

use jiff::Timestamp;

use crate::engine::{Fact, Item, Ledger, RunState, Thing};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::Vmid;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::host_summary::HostSummary;
use crate::hypervisor::esxi::inventory::{Inventory, InventoryEntry};
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::process::RunningVm;
use crate::hypervisor::esxi::storage::Volumes;
use crate::names::{HostName, VmName};
use crate::runbook::model::Vm;

use super::context::Ctx;
use super::datastores::{self, Datastores};
use super::place::within;
use super::registered::{self, confirmed, inventory, inventory_path};
use super::words::size;

/// An expendable VM as its host has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spare {
    pub host: HostName,
    /// Its name there.
    pub vm: VmName,
    /// `[datastore] path` of its .vmx.
    pub vmx: String,
    /// Its number now.
    pub vmid: Vmid,
    pub power: PowerState,
    /// Since when it runs, where the host tells.
    pub since: Option<Timestamp>,
    /// Whether its guest can be asked.
    pub tools: bool,
    /// What it takes of the host's memory at most, in bytes.
    pub memory: Option<u64>,
}

impl Spare {
    /// `lab-1 on lee-esx1 (4.0 GiB of memory)`.
    pub fn who(&self) -> String {
        let memory = self
            .memory
            .map_or_else(String::new, |bytes| format!(" ({} of memory)", size(bytes)));
        format!("{} on {}{memory}", self.vm, self.host)
    }
}

/// What one host told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub spares: Vec<Spare>,
    /// Entries of its list that could not be read, by it or by us.
    pub unread: usize,
    /// Those that run while such an entry may stand for them, each with its host.
    pub unlisted: Vec<String>,
    /// Memory that nothing uses, in bytes, and all of it; where the host tells it.
    pub memory: Option<(u64, u64)>,
}

impl Told {
    /// That the list may not name all of them.
    pub fn unsure(&self, host: &HostName) -> Option<String> {
        let unread = self.unread;
        (unread > 0).then(|| {
            format!("{host}: {unread} entries of getallvms could not be read; none of them runs under such a name")
        })
    }
}

/// Asks a host for the VMs that these keys of the runbook stand for.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn look(ctx: &Ctx, host: &HostName, keys: &[VmName]) -> Result<Told, Fault> {
    let listed = inventory(ctx, host, Lane::Control).await?;
    let datastores = Datastores::of_places(ctx, host).await?;
    let mut told = Told::default();
    let is_meant = |name: &str, row: &InventoryEntry| {
        let names = datastores.names_of(&row.datastore);
        ctx.runbook
            .makes_room(keys, host, name, (&names, &row.path))
    };
    for row in listed.vms.iter().filter(|row| is_meant(&row.name, row)) {
        let Some(now) = confirmed(ctx, host, Lane::Control, row).await? else {
            continue;
        };
        if !is_meant(&now.name, row) {
            continue;
        }
        told.spares.push(Spare {
            host: host.clone(),
            vm: row.name.as_str().into(),
            vmx: inventory_path(row),
            vmid: row.vmid,
            power: now.power,
            since: now.started(),
            tools: now.tools_running,
            memory: now.memory_mib.map(|mib| mib.saturating_mul(1 << 20)),
        });
    }
    told.unread = listed.unread.len() + listed.invalid.len();
    if told.unread > 0 {
        told.unlisted = unlisted(ctx, host, keys, &listed).await?;
    }
    let command = commands::host_summary();
    let doing = "reading the host's memory";
    let figures = ctx.read(host, Lane::Control, &command, HostSummary::parse, doing);
    if let Ok(figures) = figures.await {
        let free = |(all, used): (u64, u64)| (all.saturating_sub(used), all);
        told.memory = figures.memory.zip(figures.memory_used).map(free);
    }
    Ok(told)
}

/// What runs and is meant by the keys, from a file that the list has no row for.
async fn unlisted(
    ctx: &Ctx,
    host: &HostName,
    keys: &[VmName],
    listed: &Inventory,
) -> Result<Vec<String>, Fault> {
    let running = registered::running(ctx, host).await?;
    let volumes = datastores::volumes(ctx, host).await?;
    let is_meant = |vm: &&RunningVm| {
        let volume = volumes.of(&vm.config_file);
        within(&vm.config_file).is_some_and(|(name, path)| {
            let label = volume.map_or(name, |volume| volume.label.as_str());
            ctx.runbook
                .makes_room(keys, host, &vm.name, (&[label, name], path))
        })
    };
    let unlisted = running.iter().filter(is_meant);
    let unlisted = unlisted.filter(|vm| !is_listed(vm, listed, &volumes));
    Ok(unlisted
        .map(|vm| format!("{} on {host}", vm.name))
        .collect())
}

/// Whether the list has a row for the file of a VM that runs.
fn is_listed(vm: &RunningVm, listed: &Inventory, volumes: &Volumes) -> bool {
    let file = volumes.by_uuid(&vm.config_file);
    let mut rows = listed.vms.iter();
    rows.any(|row| volumes.by_uuid(&row.vmx_path()) == file)
}

/// What the run, and the one that it takes back, stopped to free capacity and nobody has seen started
/// again, of those that the keys stand for; all of it where there are none.
pub(super) fn stopped(ctx: &Ctx, keys: &[VmName]) -> Vec<Item> {
    let is_meant =
        |vm: &VmName| keys.is_empty() || keys.iter().any(|key| Vm::covers(key, vm.as_str()));
    let mut items = freed(&ctx.state);
    // What stands from both is one VM, to be started once.
    for item in ctx.parent.as_deref().map(freed).unwrap_or_default() {
        let same = |own: &Item| own.host == item.host && own.thing == item.thing;
        if !items.iter().any(same) {
            items.push(item);
        }
    }
    items.retain(|item| item.vm.as_ref().is_some_and(is_meant));
    still_off(ctx, items)
}

/// What this step stopped to free capacity, of which nobody has seen that it was started again.
pub(super) fn stopped_here(ctx: &Ctx) -> Vec<Item> {
    let mut items = freed(&ctx.state);
    items.retain(|item| item.step.as_ref() == Some(&ctx.step.id));
    still_off(ctx, items)
}

/// What stands in a run's ledger as stopped to free capacity.
fn freed(state: &RunState) -> Vec<Item> {
    let ledger = Ledger::of(state);
    let freed = ledger.standing();
    let freed = freed.filter(|item| matches!(item.thing, Thing::Freed(_)));
    freed.cloned().collect()
}

fn still_off(ctx: &Ctx, mut items: Vec<Item>) -> Vec<Item> {
    let facts = ctx.run_facts();
    items.retain(|item| {
        let stopped = facts.iter().rposition(|fact| is_stop(fact, item));
        let started = facts.iter().rposition(|fact| is_start(fact, item));
        started.is_none() || stopped > started
    });
    items
}

fn is_stop(fact: &Fact, item: &Item) -> bool {
    let (Fact::CapacityFreed { host, vmx, .. } | Fact::StopWanted { host, vmx, .. }) = fact else {
        return false;
    };
    *host == item.host && item.thing == Thing::Freed(vmx.clone())
}

fn is_start(fact: &Fact, item: &Item) -> bool {
    matches!(fact, Fact::Gone { host, what } if *host == item.host && *what == item.what())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::tests::parts::two_datastores;

    #[test]
    fn a_row_of_another_datastore_does_not_list_what_runs() {
        let volumes = two_datastores();
        let running = RunningVm {
            world_id: 1,
            uuid_bios: None,
            config_file: "/vmfs/volumes/aaa-1/lab-1/lab-1.vmx".into(),
            name: "lab-1".into(),
        };
        let has = |datastore: &str| {
            let row = InventoryEntry {
                vmid: Vmid(1),
                name: "lab-1".into(),
                datastore: datastore.into(),
                path: "lab-1/lab-1.vmx".into(),
                guest_os: String::new(),
                version: String::new(),
            };
            let listed = Inventory {
                vms: vec![row],
                ..Inventory::default()
            };
            is_listed(&running, &listed, &volumes)
        };
        assert!(has("local1") && !has("local2"));
    }
}

//! Expendable VMs on hosts of the recovery site: what runs there under the names that a runbook gives
//! them, and never a VM that it recovers.

use crate::engine::{Fact, Item, Ledger, Thing};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::Vmid;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::host_summary::HostSummary;
use crate::hypervisor::esxi::inventory::{Inventory, InventoryEntry};
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::process::RunningVm;
use crate::names::{HostName, VmName};
use crate::runbook::drill_of;
use crate::runbook::model::Vm;

use super::context::Ctx;
use super::registered::{self, inventory, inventory_path, summary};
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
    let mut told = Told::default();
    let is_meant = |name: &str, row: &InventoryEntry| {
        let file = (row.datastore.as_str(), row.path.as_str());
        ctx.runbook.makes_room(keys, host, name, file)
    };
    for row in listed.vms.iter().filter(|row| is_meant(&row.name, row)) {
        let now = summary(ctx, host, Lane::Control, row.vmid).await?;
        // A row is a claim: notes of other VMs stand in the same list, and may look like one.
        if now.path != row.path || !is_meant(&now.name, row) {
            continue;
        }
        told.spares.push(Spare {
            host: host.clone(),
            vm: row.name.as_str().into(),
            vmx: inventory_path(row),
            vmid: row.vmid,
            power: now.power,
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

/// What runs under a name that the keys stand for, from a file that the list has no row for.
async fn unlisted(
    ctx: &Ctx,
    host: &HostName,
    keys: &[VmName],
    listed: &Inventory,
) -> Result<Vec<String>, Fault> {
    let running = registered::running(ctx, host).await?;
    let is_listed = |vm: &RunningVm| {
        let mut rows = listed.vms.iter();
        rows.any(|row| vm.config_file.ends_with(&format!("/{}", row.path)))
    };
    let is_meant = |vm: &RunningVm| {
        let mut recovered = ctx.runbook.recoverable_vms();
        keys.iter().any(|key| Vm::covers(key, &vm.name))
            && drill_of(&vm.name).is_none()
            && !recovered.any(|(name, _)| name.as_str().eq_ignore_ascii_case(&vm.name))
    };
    let unlisted = running.iter().filter(|vm| is_meant(vm) && !is_listed(vm));
    Ok(unlisted
        .map(|vm| format!("{} on {host}", vm.name))
        .collect())
}

/// What the run, and the one that it takes back, stopped to free capacity and nobody has seen started
/// again, of those that the keys stand for; all of it where there are none.
pub(super) fn stopped(ctx: &Ctx, keys: &[VmName]) -> Vec<Item> {
    let before = ctx.parent.as_deref().map(Ledger::of).unwrap_or_default();
    let own = Ledger::of(&ctx.state);
    let mut items: Vec<Item> = Vec::new();
    for item in before.standing().chain(own.standing()) {
        let is_meant =
            |vm: &VmName| keys.is_empty() || keys.iter().any(|key| Vm::covers(key, vm.as_str()));
        let is_freed = matches!(item.thing, Thing::Freed(_));
        if is_freed && item.vm.as_ref().is_some_and(is_meant) {
            items.push(item.clone());
        }
    }
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

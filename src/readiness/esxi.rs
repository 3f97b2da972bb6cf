//! What an ESXi host is asked.

use std::collections::{BTreeMap, BTreeSet};

use super::ask::Asker;
use super::seen::{EsxiSeen, Leaving, Registered, SpareSeen, Told};
use super::task::Task;
use crate::actions::{holder, lock_folder};
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::Vmid;
use crate::hypervisor::esxi::autostart::AutostartEntry;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::host_summary::HostSummary;
use crate::hypervisor::esxi::identity::{self, Identity};
use crate::hypervisor::esxi::inventory::{Inventory, InventoryEntry, on_host};
use crate::hypervisor::esxi::licence::Licence;
use crate::hypervisor::esxi::network::{Nic, PortGroup, Vswitch};
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::process::RunningVm;
use crate::hypervisor::esxi::replica::Replica;
use crate::hypervisor::esxi::storage::Volumes;
use crate::hypervisor::esxi::summary::VmSummary;
use crate::hypervisor::esxi::version::Version;
use crate::hypervisor::shell::{self, Found, StandingLock};
use crate::names::{HostName, VmName};

/// Asks an ESXi host everything, one question after the other.
pub(super) async fn ask(asker: &mut Asker, task: &Task, host: &HostName) -> EsxiSeen {
    let version = asker
        .ask("its release", commands::version(), Version::parse)
        .await;
    let summary = asker
        .ask_extra(
            "its size and load",
            commands::host_summary(),
            HostSummary::parse,
        )
        .await;
    let licences = asker
        .ask_extra("its licences", commands::licences(), Licence::parse_all)
        .await;
    let vcenter = asker
        .ask_extra("vCenter's agent", commands::vcenter_agent(), runs)
        .await;
    let volumes = asker
        .ask("its volumes", commands::volumes(), Volumes::parse)
        .await;
    let replicas = asker
        .ask_extra(
            "copies of volumes",
            commands::replicas(),
            Replica::parse_all,
        )
        .await;
    let groups = asker
        .ask(
            "its port groups",
            commands::port_groups(),
            PortGroup::parse_all,
        )
        .await;
    let switches = asker
        .ask(
            "its virtual switches",
            commands::vswitches(),
            Vswitch::parse_all,
        )
        .await;
    let nics = asker
        .ask_extra("its physical adapters", commands::nics(), Nic::parse_all)
        .await;
    let registered = registered(asker).await;
    let running = asker
        .ask("what runs there", commands::running(), RunningVm::parse_all)
        .await;
    let spares = spares(asker, task, host, registered.as_deref().unwrap_or_default()).await;
    let autostart = asker
        .ask_extra("its start order", commands::autostart(), |output| {
            let entries = AutostartEntry::parse_all(output)?;
            let starting = entries.into_iter().filter(|(_, entry)| entry.starts());
            Ok(starting.map(|(vmid, _)| vmid).collect())
        })
        .await;
    let mut seen = EsxiSeen {
        version,
        summary,
        licences,
        vcenter,
        volumes,
        replicas,
        groups,
        switches,
        nics,
        registered,
        running,
        spares,
        autostart,
        tops: BTreeMap::new(),
        folders: BTreeMap::new(),
        taken: BTreeMap::new(),
        leaving: BTreeMap::new(),
        holders: BTreeMap::new(),
    };
    look_at_stores(asker, task, host, &mut seen).await;
    look_at_leaving(asker, task, host, &mut seen).await;
    seen
}

/// An agent that is not installed does not run either.
fn runs(output: &Output) -> Result<bool, DriverFault> {
    let text = output.text();
    Ok(output.status == 0 && text.contains("running") && !text.contains("not running"))
}

async fn registered(asker: &mut Asker) -> Told<Vec<Registered>> {
    let mut inventory = asker
        .ask(
            "what is registered there",
            commands::getallvms(),
            Inventory::parse,
        )
        .await?;
    once(&mut inventory.vms);
    let paths: Vec<String> = inventory.vms.iter().map(|entry| entry.vmx_path()).collect();
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let parse = |output: &Output| identity::parse_all(output, paths.len());
    let identities = asker
        .ask(
            "the identities of its VMs",
            commands::identities(&paths),
            parse,
        )
        .await;
    identified(inventory, identities)
}

/// A file that is listed again is a line of somebody's note that looks like a row: it is no twin.
fn once(rows: &mut Vec<InventoryEntry>) {
    let mut files = BTreeSet::new();
    rows.retain(|row| files.insert(row.vmx_path()));
}

/// What is registered, each with its identity: without them it is not known what is there already.
fn identified(inventory: Inventory, identities: Told<Vec<Identity>>) -> Told<Vec<Registered>> {
    let both = inventory.vms.into_iter().zip(identities?);
    let entries = both.map(|(entry, identity)| Registered {
        vmid: entry.vmid,
        name: entry.name,
        datastore: entry.datastore,
        path: entry.path,
        identity,
    });
    Ok(entries.collect())
}

/// What is shut down there to free capacity, and how much memory that is.
async fn spares(
    asker: &mut Asker,
    task: &Task,
    host: &HostName,
    registered: &[Registered],
) -> Told<Vec<SpareSeen>> {
    let mut spares = Vec::new();
    let makes_room = |vm: &&Registered| {
        let file = (vm.datastore.as_str(), vm.path.as_str());
        task.runbook.makes_room(&task.frees, host, &vm.name, file)
    };
    for vm in registered.iter().filter(makes_room) {
        let summary = asker
            .ask_extra(
                "how large its expendable VMs are",
                commands::summary(vm.vmid),
                |output| told_of(vm, VmSummary::parse(output)),
            )
            .await?;
        let Some(summary) = summary else { continue };
        spares.push(SpareSeen {
            name: vm.name.clone(),
            runs: summary.power == PowerState::On,
            memory: summary.memory_mib.map(|mib| mib.saturating_mul(1 << 20)),
        });
    }
    Ok(spares)
}

/// What a host tells of a VM, if the VM is what its row in the list claims.
fn told_of(
    vm: &Registered,
    told: Result<VmSummary, DriverFault>,
) -> Result<Option<VmSummary>, DriverFault> {
    match told {
        Ok(now) => Ok((now.path == vm.path).then_some(now)),
        Err(DriverFault::NotFound { .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// What lies on the datastores that VMs of the task come to, and in their folders.
async fn look_at_stores(asker: &mut Asker, task: &Task, host: &HostName, seen: &mut EsxiSeen) {
    let there = |datastore: &str| {
        let volumes = seen.volumes.as_ref();
        volumes.is_ok_and(|volumes| volumes.labelled(datastore).is_some())
    };
    let places: Vec<(VmName, String, String)> = task
        .chosen()
        .filter_map(|(name, vm)| Some((name, task.place(vm)?)))
        .filter(|(_, place)| place.host == *host && there(&place.datastore))
        .map(|(name, place)| (name.clone(), place.datastore.clone(), place.folder.clone()))
        .collect();
    let datastores: BTreeSet<&String> = places.iter().map(|(_, datastore, _)| datastore).collect();
    for datastore in datastores {
        let top = format!("/vmfs/volumes/{datastore}");
        let names = asker
            .ask("what lies on a datastore", shell::list(&top), names)
            .await;
        seen.tops.insert(datastore.clone(), names);
    }
    for (vm, datastore, folder) in places {
        let lock = lock_folder(&datastore, &folder);
        let is_held = seen.tops.get(&datastore).is_some_and(|names| {
            let name = lock.rsplit('/').next().unwrap_or_default();
            names
                .as_ref()
                .is_ok_and(|names| names.iter().any(|its| its == name))
        });
        if is_held {
            let told = asker
                .ask(
                    "who holds a VM",
                    shell::read_lock(&lock),
                    StandingLock::parse,
                )
                .await;
            let words = told.map(|standing| standing.map(|standing| holder(&standing.owner)));
            if let Some(words) = words.transpose() {
                seen.holders.insert(vm.clone(), words);
            }
        }
        let entries = in_folder(asker, &on_host(&datastore, &folder)).await;
        if let Ok(entries) = &entries {
            seen.taken.insert(vm.clone(), room_of(entries));
        }
        seen.folders.insert(vm, entries.map(|all| names_of(&all)));
    }
}

/// What the VMs take that go home from this host, by where the runbook says that they are.
async fn look_at_leaving(asker: &mut Asker, task: &Task, host: &HostName, seen: &mut EsxiSeen) {
    for vm in &task.homing {
        let Some(place) = task.leaves(vm).filter(|place| place.host == *host) else {
            continue;
        };
        // What is not registered there is judged by that.
        let Some(Some(row)) = seen.at(place) else {
            continue;
        };
        let vmid = row.vmid;
        let told = leaving(asker, vmid, &on_host(&place.datastore, &place.folder)).await;
        seen.leaving.insert(vm.clone(), told);
    }
}

async fn leaving(asker: &mut Asker, vmid: Vmid, folder: &str) -> Told<Leaving> {
    let entries = in_folder(asker, folder).await?;
    let summary = asker
        .ask_extra(
            "how large VMs are that go home",
            commands::summary(vmid),
            VmSummary::parse,
        )
        .await?;
    Ok(Leaving {
        bytes: room_of(&entries),
        memory: summary.memory_mib.map(|mib| mib.saturating_mul(1 << 20)),
    })
}

/// What lies in a folder; nothing where there is no such folder.
async fn in_folder(asker: &mut Asker, folder: &str) -> Told<Vec<shell::Entry>> {
    let asked = "what lies in a VM's folder";
    match asker.ask(asked, shell::find(folder), Found::parse).await? {
        Found::There(_) => asker.ask(asked, shell::list(folder), shell::entries).await,
        Found::Absent | Found::NoFolder => Ok(Vec::new()),
    }
}

fn names(output: &Output) -> Result<Vec<String>, DriverFault> {
    Ok(names_of(&shell::entries(output)?))
}

fn names_of(entries: &[shell::Entry]) -> Vec<String> {
    let names = entries.iter().map(shell::Entry::display);
    names.filter(|name| name != ".").collect()
}

/// Room that the files of a folder take.
fn room_of(entries: &[shell::Entry]) -> u64 {
    let files = entries.iter().filter(|entry| entry.display() != ".");
    let bytes = files.filter_map(|entry| Some(entry.stat?.allocated));
    bytes.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;
    use crate::hypervisor::esxi::Vmid;
    use crate::readiness::seen::Silence;

    #[test]
    fn what_is_registered_is_not_known_without_the_identities() {
        let entry = InventoryEntry {
            vmid: Vmid(1),
            name: "web01".to_owned(),
            datastore: "local1".to_owned(),
            path: "web01/web01.vmx".to_owned(),
            guest_os: "otherGuest".to_owned(),
            version: "vmx-19".to_owned(),
        };
        let inventory = || Inventory {
            vms: vec![entry.clone()],
            ..Inventory::default()
        };
        let told = identified(inventory(), Ok(vec![Identity::default()])).unwrap();
        assert_eq!(told[0].vmid, Vmid(1));
        let mut rows = vec![entry.clone(), entry.clone()];
        once(&mut rows);
        assert_eq!(rows, vec![entry.clone()]);

        let torn = Output {
            stdout: "file\nuuid.bios = \"56".into(),
            truncated: true,
            ..Output::default()
        };
        let silence = identity::parse_all(&torn, 1).map_err(|fault| Silence {
            asked: "the identities of its VMs",
            fault: Fault::new(fault.to_string(), "lee-esx1", "", fault.next_move()),
            is_extra: false,
        });
        assert!(identified(inventory(), silence).is_err());
    }
}

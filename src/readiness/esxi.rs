//! What an ESXi host is asked.

use std::collections::{BTreeMap, BTreeSet};

use super::ask::Asker;
use super::seen::{EsxiSeen, Files, Registered, SpareSeen, Told};
use super::task::Task;
use super::whereabouts::{ahead, vmx_at_home};
use crate::actions::{holder, lock_folder};
use crate::error::Fault;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::autostart::AutostartEntry;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::host_summary::HostSummary;
use crate::hypervisor::esxi::identity::{self, Identity};
use crate::hypervisor::esxi::inventory::{Inventory, InventoryEntry, on_host};
use crate::hypervisor::esxi::licence::Licence;
use crate::hypervisor::esxi::network::{Nic, PortGroup, Vswitch};
use crate::hypervisor::esxi::nfs::NfsMount;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::process::RunningVm;
use crate::hypervisor::esxi::replica::Replica;
use crate::hypervisor::esxi::storage::Volumes;
use crate::hypervisor::esxi::summary::VmSummary;
use crate::hypervisor::esxi::version::Version;
use crate::hypervisor::esxi::vmx_lines::Unread;
use crate::hypervisor::shell::{self, Access, Found, StandingLock};
use crate::names::{HostName, VmName};
use crate::vmfiles::FileKind;

/// Asks an ESXi host everything, one question after the other.
pub(super) async fn ask(asker: &mut Asker, task: &Task, host: &HostName) -> EsxiSeen {
    let version = asker
        .ask("its release", commands::version(), Version::parse)
        .await;
    if version.as_ref().is_ok_and(Version::is_before_5) {
        // It would take what it is asked for wrong use, question by question.
        asker.leave(Fault::default());
    }
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
    let nfs = nfs(asker, volumes.as_ref().ok()).await;
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
    let registered = registered(asker, volumes.as_ref().ok()).await;
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
        nfs,
        groups,
        switches,
        nics,
        registered,
        running,
        spares,
        autostart,
        tops: BTreeMap::new(),
        access: BTreeMap::new(),
        folders: BTreeMap::new(),
        taken: BTreeMap::new(),
        leaving: BTreeMap::new(),
        homes: BTreeMap::new(),
        apart: BTreeMap::new(),
        brought: BTreeMap::new(),
        holders: BTreeMap::new(),
    };
    look_at_stores(asker, task, host, &mut seen).await;
    look_at_locks(asker, task, host, &mut seen).await;
    ahead(asker, task, host, &mut seen).await;
    seen
}

/// An agent that is not installed does not run either.
fn runs(output: &Output) -> Result<bool, DriverFault> {
    let text = output.text();
    Ok(output.status == 0 && text.contains("running") && !text.contains("not running"))
}

/// The NFS mounts of each version, where a volume is one.
async fn nfs(asker: &mut Asker, volumes: Option<&Volumes>) -> Vec<Told<Vec<NfsMount>>> {
    let mut told = Vec::new();
    let volumes = volumes.map_or(&[][..], |volumes| &volumes.0);
    if volumes.iter().any(|volume| volume.nfs().is_some()) {
        for command in [commands::nfs_mounts(), commands::nfs41_mounts()] {
            let asked = "its NFS mounts";
            told.push(asker.ask_extra(asked, command, NfsMount::parse_all).await);
        }
    }
    told
}

async fn registered(asker: &mut Asker, volumes: Option<&Volumes>) -> Told<Vec<Registered>> {
    let mut inventory = asker
        .ask(
            "what is registered there",
            commands::getallvms(),
            Inventory::parse,
        )
        .await?;
    inventory.vms = rows(asker, inventory.vms).await?;
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
    identified(inventory, identities, volumes)
}

/// The list with one row for each file. Where several claim one, all but one are lines of somebody's
/// note that look like rows: the host tells which number has that file now.
async fn rows(asker: &mut Asker, claims: Vec<InventoryEntry>) -> Told<Vec<InventoryEntry>> {
    let contested = contested(&claims);
    let mut rows = Vec::new();
    let mut files = BTreeSet::new();
    for row in claims {
        if contested.contains(&row.vmx_path()) {
            let confirmed = asker
                .ask(
                    "which rows of its list are VMs",
                    commands::summary(row.vmid),
                    |output| row.confirmed(VmSummary::parse(output)),
                )
                .await?;
            if confirmed.is_none() {
                continue;
            }
        }
        if files.insert(row.vmx_path()) {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Files that several numbers claim.
fn contested(claims: &[InventoryEntry]) -> BTreeSet<String> {
    let mut numbers = BTreeMap::new();
    let other =
        |row: &&InventoryEntry| *numbers.entry(row.vmx_path()).or_insert(row.vmid) != row.vmid;
    claims
        .iter()
        .filter(other)
        .map(InventoryEntry::vmx_path)
        .collect()
}

/// What is registered, each with its identity: without them it is not known what is there already.
fn identified(
    inventory: Inventory,
    identities: Told<Vec<Result<Identity, Unread>>>,
    volumes: Option<&Volumes>,
) -> Told<Vec<Registered>> {
    let volume = |label: &str| Some(volumes?.named(label)?.uuid.clone());
    let both = inventory.vms.into_iter().zip(identities?);
    let entries = both.map(|(entry, told)| {
        let (identity, unread) = match told {
            Ok(identity) => (identity, None),
            Err(Unread(why)) => (Identity::default(), Some(why)),
        };
        Registered {
            vmid: entry.vmid,
            name: entry.name,
            volume: volume(&entry.datastore),
            datastore: entry.datastore,
            path: entry.path,
            identity,
            unread,
        }
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
        let names = vm.datastore_names();
        task.runbook
            .makes_room(&task.frees, host, &vm.name, (&names, &vm.path))
    };
    for vm in registered.iter().filter(makes_room) {
        let summary = asker
            .ask_extra(
                "how large its expendable VMs are",
                commands::summary(vm.vmid),
                |output| VmSummary::only_of(VmSummary::parse(output), &vm.datastore, &vm.path),
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

/// What lies on the datastores that VMs of the task come to, and in their folders.
async fn look_at_stores(asker: &mut Asker, task: &Task, host: &HostName, seen: &mut EsxiSeen) {
    // Each by the label, so that one that goes by its UUID too is looked at once.
    let label = |datastore: &str| {
        let volumes = seen.volumes.as_ref().ok()?;
        volumes.named(datastore)?;
        Some(volumes.label_of(datastore).to_owned())
    };
    let places: Vec<(VmName, String, String)> = task
        .chosen()
        .filter_map(|(name, vm)| Some((name, task.place(vm)?)))
        .filter(|(_, place)| place.host == *host)
        .filter_map(|(name, place)| {
            let datastore = label(&place.datastore)?;
            Some((name.clone(), datastore, place.folder.clone()))
        })
        .collect();
    let datastores: BTreeSet<&String> = places.iter().map(|(_, datastore, _)| datastore).collect();
    for datastore in datastores {
        let top = format!("/vmfs/volumes/{datastore}");
        let names = asker
            .ask("what lies on a datastore", shell::list(&top), names)
            .await;
        seen.tops.insert(datastore.clone(), names);
        let access = asker
            .ask(
                "who may write to a datastore",
                shell::access(&top),
                Access::parse,
            )
            .await;
        seen.access.insert(datastore.clone(), access);
    }
    for (vm, datastore, folder) in places {
        let lock = lock_folder(&datastore, &folder);
        let is_held = seen.tops.get(&datastore).is_some_and(|names| {
            let name = lock.rsplit('/').next().unwrap_or_default();
            names
                .as_ref()
                .is_ok_and(|names| names.iter().any(|its| its == name))
        });
        if is_held && let Some(words) = held(asker, &lock).await {
            seen.holders.insert(vm.clone(), words);
        }
        let entries = in_folder(asker, &on_host(&datastore, &folder)).await;
        if let Ok(entries) = &entries {
            let files = room_of(entries);
            if task.homing.contains(&vm) {
                let vmx = vmx_at_home(asker, task, &vm, &files).await;
                seen.homes.insert(vm.clone(), vmx);
            }
            seen.taken.insert(vm.clone(), files);
        }
        seen.folders.insert(vm, entries.map(|all| names_of(&all)));
    }
}

/// The locks that a way home takes first: beside the places that its VMs leave.
async fn look_at_locks(asker: &mut Asker, task: &Task, host: &HostName, seen: &mut EsxiSeen) {
    for vm in &task.homing {
        let Some(place) = task.leaves(vm).filter(|place| place.host == *host) else {
            continue;
        };
        let lock = lock_folder(&place.datastore, &place.folder);
        if let Some(words) = held(asker, &lock).await {
            seen.holders.insert(vm.clone(), words);
        }
    }
}

/// Who holds a VM, in words; nothing where nobody does.
async fn held(asker: &mut Asker, lock: &str) -> Option<Told<String>> {
    let asked = "who holds a VM";
    let told = asker
        .ask(asked, shell::read_lock(lock), StandingLock::parse)
        .await;
    told.map(|standing| standing.map(|standing| holder(&standing.owner)))
        .transpose()
}

/// What lies in a folder; nothing where there is no such folder.
pub(super) async fn in_folder(asker: &mut Asker, folder: &str) -> Told<Vec<shell::Entry>> {
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

/// The files of a folder that a VM keeps where it goes, with the room that each takes.
pub(super) fn room_of(entries: &[shell::Entry]) -> Files {
    let files = entries.iter().filter_map(|entry| {
        let name = entry.display();
        let kept = matches!(
            FileKind::of(&name),
            FileKind::Vmx
                | FileKind::Descriptor
                | FileKind::Extent
                | FileKind::Nvram
                | FileKind::Vmsd
        );
        Some((name, entry.stat.filter(|_| kept)?.allocated))
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::esxi::Vmid;
    use crate::hypervisor::esxi::storage::Volume;
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
        let volumes = Volumes(vec![Volume {
            label: "local1".to_owned(),
            uuid: "aaa-1".to_owned(),
            ..Volume::default()
        }]);
        let one = vec![Ok(Identity::default())];
        let told = identified(inventory(), Ok(one), Some(&volumes)).unwrap();
        assert_eq!((told[0].vmid, &told[0].unread), (Vmid(1), &None));
        assert_eq!(told[0].datastore_names(), ["local1", "aaa-1"]);
        let busy = Err(Unread("Device or resource busy".into()));
        let told = identified(inventory(), Ok(vec![busy]), None).unwrap();
        assert_eq!(told[0].unread.as_deref(), Some("Device or resource busy"));

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
        assert!(identified(inventory(), silence, None).is_err());
    }

    #[test]
    fn a_file_that_two_numbers_claim_is_contested() {
        let row = |vmid, folder: &str| InventoryEntry {
            vmid: Vmid(vmid),
            name: "web01".to_owned(),
            datastore: "local1".to_owned(),
            path: format!("{folder}/web01.vmx"),
            guest_os: "otherGuest".to_owned(),
            version: "vmx-19".to_owned(),
        };
        let claims = [row(12, "web01"), row(3, "web01"), row(4, "b"), row(4, "b")];
        let contested = contested(&claims);
        assert_eq!(
            contested.into_iter().collect::<Vec<_>>(),
            ["/vmfs/volumes/local1/web01/web01.vmx"]
        );
    }

    #[test]
    fn what_a_vm_leaves_behind_takes_no_room_where_it_goes() {
        let entry = |name: &str, allocated| shell::Entry {
            name: name.into(),
            stat: Some(shell::FileStat {
                kind: shell::FileKind::File,
                size: allocated,
                mode: 0o644,
                modified: 0,
                allocated,
            }),
        };
        let entries = [
            entry("web01-flat.vmdk", 7),
            entry("web01-1a2b.vswp", 64),
            entry("vmware.log", 3),
            entry("web01.vmx", 1),
        ];
        let kept = room_of(&entries);
        assert_eq!(kept.values().sum::<u64>(), 8, "{kept:?}");
    }
}

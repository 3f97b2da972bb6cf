//! Where the VMs are that go home: where the runbook places them, or where somebody has moved them
//! meanwhile. The steps of a failback look for them by the same rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::ask::Asker;
use super::esxi::{in_folder, room_of};
use super::seen::{Apart, EsxiSeen, Files, Leaving, Registered, Seen, Told};
use super::task::Task;
use crate::actions::{content, content_of};
use crate::error::Fault;
use crate::host::{Host, Hosts};
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::inventory::on_host;
use crate::hypervisor::esxi::storage::Volumes;
use crate::hypervisor::esxi::summary::VmSummary;
use crate::names::{HostName, VmName};
use crate::transfer::VmFiles;
use crate::vmfiles::{FileKind, Vmx, path_on_host, snapshot_of};

/// Where the VM would be taken from; nothing where it is not seen, or at several places of which none
/// is the runbook's.
pub(super) fn left_at<'a>(
    task: &Task,
    seen: &'a Seen,
    vm: &VmName,
) -> Option<(&'a HostName, &'a Registered)> {
    let place = task.leaves(vm)?;
    let planned = seen.hosts.get_key_value(&place.host);
    let planned = planned.and_then(|(host, _)| Some((host, seen.esxi(host)?.at(place)??)));
    planned.or_else(|| match copies(task, seen, vm).as_slice() {
        [one] => Some(*one),
        _ => None,
    })
}

/// What the hosts of the site that it leaves have of the VM: by its file there, or by its name where
/// its old entry at home does not show that this is another machine.
pub(super) fn copies<'a>(
    task: &Task,
    seen: &'a Seen,
    vm: &VmName,
) -> Vec<(&'a HostName, &'a Registered)> {
    let Some(place) = task.leaves(vm) else {
        return Vec::new();
    };
    let file = place
        .vmx
        .as_ref()
        .map(|file| format!("{}/{file}", place.folder));
    let home = task.runbook.vms.get(vm).and_then(|vm| task.place(vm));
    let own = home.and_then(|home| seen.esxi(&home.host)?.at(home)??.identity.uuid);
    let is_other = |row: &Registered| {
        let both = own.zip(row.identity.uuid);
        both.is_some_and(|(own, its)| own != its)
    };
    let is_it = |row: &&Registered| {
        file.as_ref() == Some(&row.path)
            || row.name.eq_ignore_ascii_case(vm.as_str()) && !is_other(row)
    };
    let site = task.runbook.site_with(task.side.other());
    let hosts = seen.hosts.keys();
    hosts
        .filter(|host| {
            let known = task.runbook.hosts.get(*host);
            known.is_some_and(|known| known.site == site)
        })
        .filter_map(|host| Some((host, seen.esxi(host)?.registered.as_ref().ok()?)))
        .flat_map(|(host, rows)| rows.iter().filter(is_it).map(move |row| (host, row)))
        .collect()
}

/// Asks what the VMs take that go home, where they are.
pub(super) async fn look(task: &Task, hosts: &Hosts, seen: &mut Seen) {
    type Asked = (Volumes, Vec<(VmName, Registered)>);
    let mut asked: BTreeMap<HostName, Asked> = BTreeMap::new();
    for vm in &task.homing {
        // What is not seen anywhere is judged by that.
        if let Some((host, row)) = left_at(task, seen, vm) {
            let (_, of_host) = asked
                .entry(host.clone())
                .or_insert_with(|| (volumes(seen.esxi(host)), Vec::new()));
            of_host.push((vm.clone(), row.clone()));
        }
    }
    let asking = asked.into_iter().filter_map(|(name, (volumes, vms))| {
        let host = hosts.host(&name)?;
        Some(async move { (name, ask(host, &volumes, vms).await) })
    });
    for (host, told) in join_all(asking.collect::<Vec<_>>()).await {
        if let Some(esxi) = seen.esxi_mut(&host) {
            for (vm, takes) in told {
                takes.tell(vm, esxi);
            }
        }
    }
}

/// The volumes of a host, as far as it told.
fn volumes(seen: Option<&EsxiSeen>) -> Volumes {
    let volumes = seen.and_then(|esxi| esxi.volumes.as_ref().ok());
    volumes.cloned().unwrap_or_default()
}

async fn ask(
    host: Arc<Host>,
    volumes: &Volumes,
    vms: Vec<(VmName, Registered)>,
) -> Vec<(VmName, Takes)> {
    let mut asker = Asker::new(host);
    let mut told = Vec::new();
    for (vm, row) in vms {
        let takes = takes(&mut asker, volumes, &row).await;
        told.push((vm, takes));
    }
    told
}

/// What a VM takes where it is.
struct Takes {
    leaving: Told<Leaving>,
    /// The disks that it has outside its folder.
    apart: Vec<Apart>,
    /// What comes of it, or why nothing can, where its .vmx was read.
    brought: Option<Told<Result<VmFiles, Fault>>>,
}

impl Takes {
    fn tell(self, vm: VmName, seen: &mut EsxiSeen) {
        seen.leaving.insert(vm.clone(), self.leaving);
        seen.apart.insert(vm.clone(), self.apart);
        seen.brought.extend(self.brought.map(|files| (vm, files)));
    }
}

async fn takes(asker: &mut Asker, volumes: &Volumes, row: &Registered) -> Takes {
    let leaving = leaving(asker, row).await;
    let (mut outside, mut brought) = (Vec::new(), None);
    // That it did not tell is told by that.
    if let Ok(Ok(vmx)) = leaving.as_ref().map(|leaving| leaving.vmx.as_ref()) {
        outside = apart(asker, volumes, row, vmx).await;
        let (folder, file) = row.path.rsplit_once('/').unwrap_or(("", &row.path));
        let folder = on_host(&row.datastore, folder);
        brought = Some(asker.ask_files(folder, file, volumes).await);
    }
    Takes {
        leaving,
        apart: outside,
        brought,
    }
}

/// The disks that a VM has outside its folder.
async fn apart(asker: &mut Asker, volumes: &Volumes, row: &Registered, vmx: &[u8]) -> Vec<Apart> {
    let folder = row.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let own = on_host(&row.datastore, folder);
    let disks = Vmx::parse(vmx).map_or_else(|_| Vec::new(), |vmx| vmx.disk_files());
    let mut folders: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for disk in disks.into_iter().filter(|disk| disk.contains('/')) {
        let path = volumes.by_uuid(&path_on_host(&disk, &own));
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if folder != volumes.by_uuid(&own) {
            let there = folders.entry(folder.to_owned()).or_default();
            there.push((name.to_owned(), disk));
        }
    }
    let mut apart = Vec::new();
    for (folder, disks) in folders {
        let entries = in_folder(asker, &folder).await;
        let files = entries.map(|entries| room_of(&entries));
        apart.extend(in_one_folder(disks, &files));
    }
    apart
}

/// Disks that lie in one folder, each by its name there and as the .vmx names it, with what they take
/// of the files of that folder. A file counts once.
fn in_one_folder(disks: Vec<(String, String)>, files: &Told<Files>) -> Vec<Apart> {
    let mut counted = BTreeSet::new();
    let of_disk = |(name, disk): (String, String)| {
        let bytes = files.as_ref().map_err(Clone::clone).map(|files| {
            let base = base(&name);
            let is_part = |file: &str| {
                let rest = file.strip_prefix(base);
                rest.is_some_and(|rest| rest.starts_with(['.', '-']))
            };
            let own = files
                .iter()
                .filter(|(file, _)| is_part(file) && counted.insert(file.as_str()));
            let bytes = own.map(|(_, bytes)| bytes).sum();
            files.contains_key(&name).then_some(bytes)
        });
        Apart { disk, bytes }
    };
    disks.into_iter().map(of_disk).collect()
}

/// What the names of all files of a disk begin with: those of its snapshots, and what they rest on.
fn base(descriptor: &str) -> &str {
    let stem = descriptor.strip_suffix(".vmdk").unwrap_or(descriptor);
    snapshot_of(descriptor).unwrap_or(stem)
}

async fn leaving(asker: &mut Asker, row: &Registered) -> Told<Leaving> {
    let folder = row.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let entries = in_folder(asker, &on_host(&row.datastore, folder)).await?;
    let summary = asker
        .ask_extra(
            "how much memory VMs take that are copied from where they are",
            commands::summary(row.vmid),
            |output| VmSummary::only_of(VmSummary::parse(output), &row.datastore, &row.path),
        )
        .await;
    let mib = summary.map(|summary| summary.and_then(|summary| summary.memory_mib));
    Ok(Leaving {
        files: room_of(&entries),
        memory: mib.map(|mib| mib.map(|mib| mib.saturating_mul(1 << 20))),
        vmx: vmx(asker, &on_host(&row.datastore, &row.path)).await,
    })
}

/// What the VMs take whose own files are sent ahead from this host, as they are registered there, and
/// the disks that they have outside their folders.
pub(super) async fn ahead(asker: &mut Asker, task: &Task, host: &HostName, seen: &mut EsxiSeen) {
    let volumes = volumes(Some(seen));
    for (vm, place) in task.sent_from(host) {
        let Some(Some(row)) = seen.at(place) else {
            continue;
        };
        let takes = takes(asker, &volumes, row).await;
        takes.tell(vm.clone(), seen);
    }
}

async fn vmx(asker: &mut Asker, path: &str) -> Told<Vec<u8>> {
    let asked = "the .vmx of VMs that are copied from where they are";
    asker.ask_extra(asked, content(path), content_of).await
}

/// The .vmx at home of a VM that goes home, of whose folder there these are the files.
pub(super) async fn vmx_at_home(
    asker: &mut Asker,
    task: &Task,
    vm: &VmName,
    files: &Files,
) -> Told<Option<Vec<u8>>> {
    let home = task.runbook.vms.get(vm).and_then(|vm| task.place(vm));
    let Some(home) = home else { return Ok(None) };
    let is_vmx = |name: &&String| FileKind::of(name) == FileKind::Vmx;
    let is_its_own = |name: &&String| home.vmx.as_ref().is_none_or(|vmx| vmx == *name);
    let mut own = files.keys().filter(is_vmx).filter(is_its_own);
    let (Some(file), None) = (own.next(), own.next()) else {
        return Ok(None);
    };
    let path = on_host(&home.datastore, &format!("{}/{file}", home.folder));
    vmx(asker, &path).await.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readiness::seen::Silence;

    fn apart(names: &[&str], files: &Told<Files>) -> Vec<Told<Option<u64>>> {
        let disks = names.iter().map(|name| {
            let written = format!("/vmfs/volumes/d2/sql01/{name}");
            ((*name).to_owned(), written)
        });
        let apart = in_one_folder(disks.collect(), files);
        apart.into_iter().map(|disk| disk.bytes).collect()
    }

    #[test]
    fn a_disk_takes_what_it_rests_on_too_and_nothing_of_the_one_beside_it() {
        let files = [
            ("sql01.vmdk", 1),
            ("sql01-flat.vmdk", 10),
            ("sql01-000001.vmdk", 100),
            ("sql01-000001-sesparse.vmdk", 1000),
            ("sql01_1.vmdk", 10_000),
            ("sql01_1-flat.vmdk", 100_000),
        ];
        let files = Ok(files.map(|(name, bytes)| (name.to_owned(), bytes)).into());
        let of = |names: &[&str]| apart(names, &files);
        assert_eq!(
            of(&["sql01-000001.vmdk", "sql01_1.vmdk"]),
            [Ok(Some(1111)), Ok(Some(110_000))]
        );
        assert_eq!(
            of(&["sql01.vmdk", "sql01-000001.vmdk"]),
            [Ok(Some(1111)), Ok(Some(0))],
            "each file counts once"
        );
        assert_eq!(of(&["sql01_2.vmdk"]), [Ok(None)]);
    }

    #[test]
    fn of_a_folder_that_cannot_be_read_no_disk_is_known() {
        let silence = Silence {
            asked: "what lies in a VM's folder",
            fault: Fault::new("not permitted", "lee-esx1", "", "look there"),
            is_extra: false,
        };
        let told = apart(&["sql01.vmdk", "sql01_1.vmdk"], &Err(silence.clone()));
        assert_eq!(told, [Err(silence.clone()), Err(silence)]);
    }
}

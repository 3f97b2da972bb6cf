//! The datastores that VMs come to: there, one of a kind, usable.

use std::collections::BTreeSet;

use crate::actions::barred;
use crate::error::Fault;
use crate::hypervisor::esxi::replica::Replica;
use crate::hypervisor::esxi::storage::{Volume, Volumes};
use crate::names::{HostName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::{EsxiSeen, Seen};
use crate::readiness::task::Task;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let places: BTreeSet<(&HostName, &str)> = task
        .chosen()
        .filter_map(|(_, vm)| task.place(vm))
        .map(|place| (&place.host, place.datastore.as_str()))
        .collect();
    let finding = |(host, datastore): (&HostName, &str)| {
        let esxi = seen.esxi(host)?;
        let volumes = esxi.volumes.as_ref().ok()?;
        let mut vms = task.landing_on(host, datastore);
        let (what, next) = match usable(datastore, volumes, esxi) {
            Err(problem) => problem,
            // What lies on it already is none of a check's business.
            Ok(volume) if volume.holds_objects() => {
                vms.retain(|vm| task.brings(vm) || task.is_copied(vm));
                (!vms.is_empty()).then(|| of_objects(volume))?
            }
            Ok(_) => return None,
        };
        let fault = Fault::new(
            what,
            host.as_str(),
            "what is to land there has no place",
            next,
        );
        let key = format!("store/{host}/{datastore}/there");
        Some(Finding::stops(key, vms, fault))
    };
    places.into_iter().filter_map(finding).collect()
}

/// The volume that is meant by a name, if VMs can be there.
fn usable<'a>(
    name: &str,
    volumes: &'a Volumes,
    esxi: &EsxiSeen,
) -> Result<&'a Volume, barred::Reason> {
    let Some(volume) = volumes.named(name) else {
        return Err(missing(name, volumes, esxi));
    };
    let mut labelled = volumes.0.iter().filter(|volume| volume.label == name);
    if let Some(other) = labelled.nth(1) {
        return Err((
            format!(
                "two volumes are called {name}: {} and {}",
                volume.uuid, other.uuid
            ),
            "rename the one that is not meant, so that the runbook's name means one of them"
                .to_owned(),
        ));
    }
    let called = volume.called(name);
    if !volume.mounted {
        let option = if volume.label == name { "-l" } else { "-u" };
        return Err((
            format!("datastore {called} is not mounted"),
            format!(
                "`esxcli storage filesystem mount {option} {name}` there, once you know who took it off"
            ),
        ));
    }
    let mounts = esxi.nfs.iter().flatten().flatten();
    let mut read_only = mounts.filter(|mount| mount.read_only == Some(true));
    if let Some(namespace) = volume.nfs()
        && read_only.any(|mount| mount.label == volume.label)
    {
        return Err(barred::read_only(&called, &volume.label, namespace));
    }
    if let Some(Ok(access)) = esxi.access.get(volumes.label_of(name))
        && let Some(problem) = barred::closed(&called, *access)
    {
        return Err(problem);
    }
    if !volume.is_datastore() {
        return Err((
            format!(
                "{called} is a volume of the host's own system ({}), where VMs cannot run",
                volume.kind
            ),
            "place its VMs on another datastore in the runbook".to_owned(),
        ));
    }
    Ok(volume)
}

/// Nothing can be brought there by writing files.
fn of_objects(volume: &Volume) -> barred::Reason {
    (
        format!(
            "datastore {} is of the kind {}: its disks are objects and not files, which is not supported",
            volume.label, volume.kind
        ),
        "place its VMs on a VMFS or NFS datastore of that host in the runbook".to_owned(),
    )
}

/// The volume is there as a copy that is not mounted, which keeps its UUID only as long as it keeps its
/// signature.
fn missing_uuid(replica: &Replica) -> barred::Reason {
    let (uuid, label) = (&replica.uuid, &replica.label);
    let way = if replica.can_mount {
        format!("mount it with its signature (`esxcli storage vmfs snapshot mount -u {uuid}`)")
    } else {
        format!(
            "it cannot be mounted beside its original ({}); resignature it (`esxcli storage vmfs snapshot resignature -u {uuid}`), and write in the runbook what it is called then",
            replica.why_not
        )
    };
    (
        format!(
            "there is no datastore {uuid}, but a copy of that volume ({label}) that is not mounted"
        ),
        format!("break its replication first; {way}; then check again"),
    )
}

fn missing(label: &str, volumes: &Volumes, esxi: &EsxiSeen) -> barred::Reason {
    let mut replicas = esxi.replicas.iter().flatten();
    if let Some(replica) = replicas.find(|replica| replica.uuid == label) {
        return missing_uuid(replica);
    }
    let mut replicas = esxi.replicas.iter().flatten();
    if let Some(replica) = replicas.find(|replica| replica.label == label) {
        let way = if replica.can_mount {
            format!("mount it with its signature (`esxcli storage vmfs snapshot mount -l {label}`)")
        } else {
            format!(
                "it cannot be mounted beside its original ({}); resignature it (`esxcli storage vmfs snapshot resignature -l {label}`), rename it to {label}",
                replica.why_not
            )
        };
        return (
            format!(
                "there is no datastore {label}, but a copy of a volume of that name ({}) that is not mounted",
                replica.uuid
            ),
            format!("break its replication first; {way}; then check again"),
        );
    }
    let tail = format!("-{label}");
    let is_copy =
        |volume: &&Volume| volume.label.starts_with("snap-") && volume.label.ends_with(&tail);
    if let Some(copy) = volumes.0.iter().find(is_copy) {
        return (
            format!(
                "there is no datastore {label}, but {}, which was made of a copy of it",
                copy.label
            ),
            format!("rename it to {label}, or name it in the runbook"),
        );
    }
    let there: Vec<&str> = volumes
        .0
        .iter()
        .filter(|volume| volume.is_datastore() && !volume.label.is_empty())
        .map(|volume| volume.label.as_str())
        .collect();
    let there = if there.is_empty() {
        "none".to_owned()
    } else {
        listed(&there)
    };
    (
        format!("there is no datastore {label}; there are {there}"),
        "mount or make it, or correct its name in the runbook (case counts)".to_owned(),
    )
}

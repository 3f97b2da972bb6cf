//! The file systems of hosts.

use std::collections::BTreeSet;
use std::path::Path;

use super::vms::SimVm;
use super::{folder_of, host_folder, identity};
use crate::names::HostName;
use crate::runbook::model::{Driver, Runbook};
use crate::sim::SitePlan;
use crate::sim::host::Volume;
use crate::sim::seed::Draw;

/// What the runbook calls the datastores that it uses on an ESXi host: by their labels or by their UUIDs.
fn names(runbook: &Runbook, vms: &[SimVm], host: &HostName) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for vm in vms {
        for place in [&vm.vm.protected, &vm.vm.recovery].into_iter().flatten() {
            if place.host == *host && !place.datastore.is_empty() {
                names.insert(place.datastore.clone());
            }
        }
    }
    for backup in runbook.backups.values() {
        if backup.host.as_ref() == Some(host)
            && let Some(path) = backup.path()
            && let Some(rest) = path.strip_prefix("/vmfs/volumes/")
        {
            names.extend(rest.split('/').next().map(str::to_owned));
        }
    }
    if names.is_empty() {
        names.insert("datastore1".to_owned());
    }
    names
}

/// The file systems of a host.
pub(in crate::sim) fn volumes(
    dir: &Path,
    plan: &SitePlan,
    runbook: &Runbook,
    vms: &[SimVm],
    host: &HostName,
) -> Vec<Volume> {
    let root = host_folder(dir, host).join("root");
    let esxi = runbook
        .hosts
        .get(host)
        .is_some_and(|host| host.driver == Driver::Esxi);
    if esxi {
        esxi_volumes(&root, plan, host, names(runbook, vms, host))
    } else {
        posix_volumes(&root, runbook, host)
    }
}

fn posix_volumes(root: &Path, runbook: &Runbook, host: &HostName) -> Vec<Volume> {
    let volume = |device: &str, capacity, taken, mounted: String| Volume {
        uuid: device.to_owned(),
        label: None,
        kind: "ext4",
        folder: root.join(mounted.trim_start_matches('/')),
        capacity,
        taken,
        hidden: false,
        mounted,
    };
    let backups = runbook.backups.iter();
    let of_host = backups.filter(|(_, backup)| backup.host.as_ref() == Some(host));
    let system = Volume {
        folder: root.to_owned(),
        ..volume("/dev/sda1", 62_725_623_808, 5_368_709_120, "/".to_owned())
    };
    let of_backup = |(name, backup)| {
        let path = folder_of(name, backup);
        volume("/dev/sdb1", 7_937_003_077_632, 2_254_857_830_400, path)
    };
    std::iter::once(system)
        .chain(of_host.map(of_backup))
        .collect()
}

/// Whether it is the UUID of a VMFS volume, or the shorter one of an NFS share.
fn is_uuid(name: &str) -> bool {
    let groups: Vec<usize> = name.split('-').map(str::len).collect();
    let is_hex = name.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    is_hex && matches!(groups[..], [8, 8] | [8, 8, 4, 12])
}

/// The UUID of a datastore: what the runbook calls it, where it names it so.
pub(super) fn datastore_uuid(plan: &SitePlan, host: &HostName, name: &str) -> String {
    if is_uuid(name) {
        return name.to_owned();
    }
    drawn_uuid(plan, host, &format!("vmfs {name}"))
}

/// The label of a datastore: of one that the runbook names by its UUID, one that it does not know.
fn label_of(name: String) -> String {
    if is_uuid(&name) {
        return format!("datastore-{}", name.split('-').next().unwrap_or_default());
    }
    name
}

fn drawn_uuid(plan: &SitePlan, host: &HostName, what: &str) -> String {
    let mac = identity(plan, host, "").mac;
    Draw::new(plan.seed, &format!("volume {host} {what}")).volume_uuid(&mac)
}

fn esxi_volumes(
    root: &Path,
    plan: &SitePlan,
    host: &HostName,
    names: BTreeSet<String>,
) -> Vec<Volume> {
    let volume = |uuid: String, label: Option<String>, kind, capacity, taken| Volume {
        folder: root.join("vmfs/volumes").join(&uuid),
        mounted: format!("/vmfs/volumes/{uuid}"),
        uuid,
        label,
        kind,
        capacity,
        taken,
        hidden: false,
    };
    let mut volumes: Vec<Volume> = names
        .into_iter()
        .map(|name| {
            let uuid = datastore_uuid(plan, host, &name);
            let label = label_of(name);
            volume(
                uuid,
                Some(label),
                "VMFS-6",
                999_922_073_600,
                408_331_242_496,
            )
        })
        .collect();
    let own = |what| drawn_uuid(plan, host, what);
    let osdata = own("osdata");
    let label = format!("OSDATA-{osdata}");
    volumes.push(volume(
        osdata,
        Some(label),
        "VMFSOS",
        128_580_583_424,
        4_453_302_272,
    ));
    volumes.push(volume(
        own("boot1"),
        Some("BOOTBANK1".into()),
        "vfat",
        4_293_591_040,
        296_812_544,
    ));
    volumes.push(volume(
        own("boot2"),
        Some("BOOTBANK2".into()),
        "vfat",
        4_293_591_040,
        65_536,
    ));
    // A volume without a label, as hosts that were upgraded have.
    volumes.push(volume(
        own("locker"),
        None,
        "vfat",
        299_712_512,
        184_737_792,
    ));
    volumes
}

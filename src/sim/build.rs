//! Makes a site's folders from a runbook: hosts, datastores, VMs, restore points.

mod esxi;
mod files;
mod ghetto;
mod kept;
mod machines;
pub(super) mod pack;
mod posix;
mod told;
mod vms;
mod volumes;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::esxi::{build_esxi, build_esxi_state};
use self::files::build_points;
use self::posix::build_posix;
use super::SitePlan;
use super::host::Volume;
use crate::names::{BackupName, HostName};
use crate::runbook::model::{Backup, Driver, PointLayout, Runbook};

pub(super) use self::esxi::identity;
pub(super) use self::machines::{is_protected, machine};
pub(super) use self::told::Told;
pub(super) use self::vms::{SimVm, answers, guests, split_url, vms};
use self::volumes::datastore_uuid;
pub(super) use self::volumes::volumes;

/// How many restore points a VM has.
const POINTS: u64 = 3;

/// A host's folder.
pub(super) fn host_folder(dir: &Path, host: &HostName) -> PathBuf {
    dir.join("hosts").join(host.as_str())
}

/// The folder of a backup on the console's own machine.
pub(super) fn console_backup(dir: &Path, backup: &BackupName) -> PathBuf {
    dir.join("backups").join(backup.as_str())
}

/// Makes everything below `dir`.
///
/// # Errors
/// As the file system's.
pub(super) fn build(dir: &Path, plan: &SitePlan, runbook: &Runbook) -> io::Result<()> {
    for folder in ["hosts", "backups"] {
        let old = dir.join(folder);
        if old.exists() {
            fs::remove_dir_all(&old)?;
        }
    }
    let vms = vms(runbook);
    let told = Told::of(runbook);
    for (name, host) in &runbook.hosts {
        let folder = host_folder(dir, name);
        let root = folder.join("root");
        let volumes = volumes(dir, plan, runbook, &vms, name);
        match host.driver {
            Driver::Esxi => {
                let address = host.address.host.clone();
                build_esxi(&root, &volumes, &identity(plan, name, &address))?;
                build_esxi_state(dir, plan, runbook, (&vms, &told), name, &volumes)?;
            }
            Driver::Posix => {
                build_posix(&root, name, &host.user, &volumes)?;
                machines::furnish(dir, plan, runbook, &told, name)?;
            }
        }
    }
    for (name, backup) in &runbook.backups {
        let folder = match &backup.host {
            None => console_backup(dir, name),
            Some(host) => {
                let vols = volumes(dir, plan, runbook, &vms, host);
                real_backup(dir, host, &vols, &folder_of(name, backup))
            }
        };
        build_backup(plan, runbook, &vms, (name, backup), &folder)?;
    }
    Ok(())
}

/// The restore points of the VMs that a backup keeps.
fn build_backup(
    plan: &SitePlan,
    runbook: &Runbook,
    vms: &[SimVm],
    (name, backup): (&BackupName, &Backup),
    folder: &Path,
) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for vm in vms.iter().filter(|vm| vm.vm.backup.as_ref() == Some(name)) {
        let lived_in = vms
            .get(vms.len() / 2)
            .is_some_and(|one| one.name == vm.name);
        let layout = backup.layout.unwrap_or(PointLayout::Full);
        let by_file = runbook.is_restored_by_file(&vm.name.as_str().into());
        build_points(plan, vm, folder, layout, lived_in, by_file)?;
        if backup.tool().is_some() && backup.host.is_some() {
            pack::points(&folder.join(&vm.name))?;
        }
    }
    Ok(())
}

/// A backup's folder on its host; that of a tool's stand-in, where a tool reads it.
pub(super) fn folder_of(name: &BackupName, backup: &Backup) -> String {
    match backup.path() {
        Some(path) => path.to_owned(),
        None => pack::folder(name),
    }
}

/// The real folder of a path on a host, whatever it calls its datastore.
pub(super) fn real_backup(dir: &Path, host: &HostName, volumes: &[Volume], path: &str) -> PathBuf {
    let root = host_folder(dir, host).join("root");
    if let Some(rest) = path.strip_prefix("/vmfs/volumes/") {
        let (name, inside) = rest.split_once('/').unwrap_or((rest, ""));
        if let Some(volume) = volumes.iter().find(|volume| volume.is_called(name)) {
            return if inside.is_empty() {
                volume.folder.clone()
            } else {
                volume.folder.join(inside)
            };
        }
    }
    let inside: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != "..")
        .collect();
    root.join(inside.join("/"))
}

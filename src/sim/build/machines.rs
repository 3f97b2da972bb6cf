//! Machines whose operating system is a host of the runbook, their files, and restore points of
//! those files.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::told::Told;
use super::{SimVm, host_folder};
use crate::names::HostName;
use crate::runbook::model::{Runbook, SiteRole};
use crate::sim::SitePlan;
use crate::sim::commands::hex;
use crate::sim::host::SimHost;
use crate::sim::machine::Machine;
use crate::sim::seed::Draw;
use crate::sim::ssh::Switch;
use crate::sim::units;

/// The machine behind a host, switched off.
pub(crate) fn machine(
    told: &Told,
    vm: Option<&SimVm>,
    protected: bool,
    host: &SimHost,
    door: Switch,
) -> Machine {
    let physical = vm.filter(|vm| protected && vm.vm.physical.is_some());
    Machine {
        host: host.name.clone(),
        guest: vm.map(|vm| vm.name.clone()).unwrap_or_default(),
        site: host.site.clone(),
        physical: physical.map(|vm| vm.physical_ports()),
        application: told.application(&host.name),
        root: host.vfs.root().to_owned(),
        processes: Arc::clone(&host.processes),
        door,
        run: Mutex::default(),
    }
}

/// Puts units on a host, and on a machine its data: at the protected site those of now, elsewhere
/// those that an agent has brought there which runs.
///
/// # Errors
/// As the file system's.
pub(super) fn furnish(
    dir: &Path,
    plan: &SitePlan,
    runbook: &Runbook,
    told: &Told,
    name: &HostName,
) -> io::Result<()> {
    let root = host_folder(dir, name).join("root");
    let host = runbook.hosts.get(name);
    let protected = host.is_some_and(|host| is_protected(runbook, &host.site));
    let units = told.units(name, protected);
    for unit in &units {
        units::install(&root, &unit.name, unit.enabled, unit.active)?;
    }
    let Some(guest) = host.and_then(|host| host.guest.as_ref()) else {
        return Ok(());
    };
    let owner = told.application(name).unwrap_or_else(|| guest.to_string());
    let program = root.join("opt").join(&owner);
    fs::create_dir_all(&program)?;
    fs::write(program.join("VERSION"), "4.2.1\n")?;
    let data = root.join("srv").join(&owner);
    fs::create_dir_all(&data)?;
    if protected || units.iter().any(|unit| unit.active) {
        write(plan, &owner, &data, super::POINTS)?;
    }
    Ok(())
}

/// Whether a site is the protected one.
pub(crate) fn is_protected(runbook: &Runbook, site: &crate::names::SiteName) -> bool {
    let site = runbook.sites.get(site);
    site.is_some_and(|site| site.role == SiteRole::Protected)
}

/// The files of a guest as they were at a backup, with their sums; gives their names.
pub(super) fn write(
    plan: &SitePlan,
    vm: &str,
    folder: &Path,
    generation: u64,
) -> io::Result<Vec<String>> {
    fs::create_dir_all(folder)?;
    let bytes = usize::try_from(plan.scale / 16).unwrap_or(64 << 10);
    let data = Draw::new(plan.seed, &format!("data {vm} {generation}")).bytes(bytes);
    let settings = format!("# {vm}, generation {generation}\nlisten = *\n").into_bytes();
    let mut sums = String::new();
    let mut names = Vec::new();
    for (name, content) in [("data.db", data), ("settings.conf", settings)] {
        fs::write(folder.join(name), &content)?;
        sums.push_str(&format!("{}  {name}\n", hex(&Sha256::digest(&content))));
        names.push(name.to_owned());
    }
    fs::write(folder.join("SHA256SUMS"), sums)?;
    Ok(names)
}

//! An ESXi host as it is found: its folders, switches, port groups and inventory.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::host_folder;
use super::kept::Kept;
use super::told::Told;
use super::vms::SimVm;
use crate::names::{HostName, SiteName, VmName};
use crate::runbook::model::{Runbook, SiteRole};
use crate::sim::SitePlan;
use crate::sim::esxi::{Group, Identity, Saved, Switch, write_saved};
use crate::sim::host::Volume;
use crate::sim::seed::Draw;

/// Who an ESXi host is.
pub(in crate::sim) fn identity(plan: &SitePlan, host: &HostName, address: &str) -> Identity {
    let mut draw = Draw::new(plan.seed, &format!("host {host}"));
    let bytes = draw.bytes(3);
    let mac = format!(
        "a4:bf:01:{}",
        bytes
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<Vec<_>>()
            .join(":")
    );
    let time = 0x5f00_0000 + draw.below(0x0300_0000);
    let uuid = format!(
        "{time:08x}-{:04x}-{:04x}-{:04x}-{}",
        draw.below(0x10000),
        draw.below(0x10000),
        draw.below(0x10000),
        mac.replace(':', "")
    );
    Identity {
        mac,
        uuid,
        address: address.to_owned(),
        seed: plan.seed,
    }
}

/// Its folders, the same on every host.
pub(super) fn build_esxi(root: &Path, volumes: &[Volume], identity: &Identity) -> io::Result<()> {
    for path in [
        "tmp",
        "var/log",
        "var/tmp",
        "etc/vmware/hostd",
        "etc/ssh/keys-root",
        "bin",
        "sbin",
        "vmfs/volumes",
    ] {
        fs::create_dir_all(root.join(path))?;
    }
    for log in [
        "hostd.log",
        "vmkernel.log",
        "syslog.log",
        "auth.log",
        "shell.log",
    ] {
        fs::write(root.join("var/log").join(log), "")?;
    }
    fs::write(
        root.join("etc/vmware/esx.conf"),
        format!("/system/uuid = \"{}\"\n", identity.uuid),
    )?;
    fs::write(root.join("etc/issue"), "")?;
    for volume in volumes {
        fs::create_dir_all(&volume.folder)?;
        if let Some(label) = &volume.label {
            let link = root.join("vmfs/volumes").join(label);
            if !link.is_symlink() {
                symlink(&volume.uuid, link)?;
            }
        }
    }
    Ok(())
}

/// What hostd remembers, and the VMs that are there.
pub(super) fn build_esxi_state(
    dir: &Path,
    plan: &SitePlan,
    runbook: &Runbook,
    (vms, told): (&[SimVm], &Told),
    host: &HostName,
    volumes: &[Volume],
) -> io::Result<()> {
    let site = runbook
        .hosts
        .get(host)
        .map(|host| host.site.clone())
        .unwrap_or_default();
    let role = runbook.sites.get(&site).map(|site| site.role);
    let (switches, groups) = networks(runbook, &site, role);
    let mut saved = Saved {
        // A host that has seen some VMs come and go: ids are neither dense nor alike between hosts.
        next: 1 + u32::try_from(Draw::new(plan.seed, &format!("vmids {host}")).below(7))
            .unwrap_or(0),
        switches,
        groups,
        ..Saved::default()
    };
    for vm in vms {
        let spare = vm.vm.expendable || runbook.vms.get(&VmName::from(vm.name.as_str())).is_none();
        let standing = told.standing(&vm.name);
        let home = Kept::home(vm, spare);
        for kept in home
            .into_iter()
            .chain(standing.and_then(|it| Kept::standing(vm, it)))
        {
            if kept.place.host == *host {
                kept.keep(plan, vm, (host, volumes), &mut saved)?;
            }
        }
    }
    write_saved(&host_folder(dir, host).join("state.json"), &saved)
}

/// The switches and port groups of a host of this site.
fn networks(
    runbook: &Runbook,
    site: &SiteName,
    role: Option<SiteRole>,
) -> (Vec<Switch>, Vec<Group>) {
    let switch = |name: &str, uplink: &str| Switch {
        name: name.to_owned(),
        uplinks: vec![uplink.to_owned()],
        ports: 128,
    };
    let group = |name: &str, switch: &str, vlan| Group {
        name: name.to_owned(),
        switch: switch.to_owned(),
        vlan,
    };
    let mut switches = vec![switch("vSwitch0", "vmnic0")];
    let mut groups = vec![group("Management Network", "vSwitch0", 0)];
    let mut missing = BTreeSet::new();
    for network in runbook.networks.values() {
        let Some(here) = network.at.get(site) else {
            continue;
        };
        match &here.create {
            // What the recovery has to make is not there yet; at the protected site it is.
            Some(_) if role == Some(SiteRole::Recovery) => {
                missing.insert(here.name.clone());
            }
            Some(spec) => {
                if !switches.iter().any(|known| known.name == spec.vswitch) {
                    switches.push(switch(&spec.vswitch, "vmnic1"));
                }
                groups.push(group(&here.name, &spec.vswitch, spec.vlan));
            }
            None => groups.push(group(&here.name, "vSwitch0", 0)),
        }
    }
    if !missing.contains("VM Network") {
        groups.push(group("VM Network", "vSwitch0", 0));
    }
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    groups.dedup_by(|a, b| a.name == b.name);
    (switches, groups)
}

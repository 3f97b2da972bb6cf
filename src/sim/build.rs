//! Makes a site's folders from a runbook: hosts, datastores, VMs, restore points.

mod files;
mod kept;
mod machines;
pub(super) mod pack;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use self::files::build_points;
use self::kept::Kept;
pub(super) use self::machines::{is_protected, machine};
pub(super) use self::told::Told;
use super::SitePlan;
use super::esxi::{Group, GuestPlan, GuestService, Identity, Saved, Switch, write_saved};
use super::host::Volume;
use super::network::Answer;
use super::seed::Draw;
use crate::names::{BackupName, HostName, VmName};
use crate::runbook::model::{Backup, Driver, PointLayout, Runbook, Rung, SiteRole, Vm};

/// How many expendable VMs stand for one pattern.
const PER_PATTERN: usize = 2;
/// What a quiet Debian host with four cores and 8 GiB says of itself.
const POSIX_FILES: [(&str, &str); 5] = [
    ("proc/loadavg", "0.08 0.06 0.05 1/182 4711\n"),
    ("proc/uptime", "3553920.11 14183204.52\n"),
    (
        "proc/meminfo",
        "MemTotal:        8131772 kB\nMemFree:         5204416 kB\nMemAvailable:    6901232 kB\n",
    ),
    (
        "proc/modules",
        "ext4 1064960 2 - Live 0x0000000000000000\nahci 49152 2 - Live 0x0000000000000000\n",
    ),
    (
        "etc/os-release",
        "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n",
    ),
];
/// How many restore points a VM has.
const POINTS: u64 = 3;

/// A VM of the simulated site.
#[derive(Clone, Debug)]
pub(super) struct SimVm {
    /// Its name, also where the runbook has only a pattern.
    pub(super) name: String,
    /// What the runbook says of it.
    pub(super) vm: Vm,
    /// Adapter, port group at the protected site and at the recovery site.
    adapters: Vec<(String, String, String)>,
    disks: usize,
    /// From one backup to the next, in seconds: once a night, or as often as its RPO asks for.
    backed_up_every: i64,
}

impl SimVm {
    /// The guest on its disk.
    pub(super) fn guest(&self, seed: u64) -> GuestPlan {
        let addresses: Vec<(String, String)> = self
            .adapters
            .iter()
            .map(|(adapter, _, _)| {
                let given = self
                    .vm
                    .adapters
                    .get(adapter)
                    .and_then(|adapter| adapter.address);
                let address = given.map(|address| address.to_string()).unwrap_or_else(|| {
                    let mut draw = Draw::new(seed, &format!("address {} {adapter}", self.name));
                    format!("10.66.{}.{}", 1 + draw.below(250), 1 + draw.below(250))
                });
                (adapter.clone(), address)
            })
            .collect();
        let services = self
            .vm
            .ready
            .iter()
            .filter_map(|rung| {
                let (host, port, _) = rung_address(rung, &addresses)?;
                let adapter = addresses
                    .iter()
                    .find(|(_, address)| *address == host)
                    .or(addresses.first());
                Some(GuestService {
                    host,
                    port,
                    adapter: adapter?.0.clone(),
                })
            })
            .collect();
        GuestPlan {
            name: self.name.clone(),
            addresses,
            services,
        }
    }

    /// Its ports as a physical server, at its address as one.
    fn physical_ports(&self) -> Vec<(String, u16)> {
        let served = self.physically_served(&self.guest(0));
        served
            .into_iter()
            .map(|(host, port, _)| (host, port))
            .collect()
    }

    /// What its ports answer as long as it is a physical server: those of its own address are at the
    /// server's.
    fn physically_served(&self, guest: &GuestPlan) -> Vec<Served> {
        let Some(physical) = &self.vm.physical else {
            return Vec::new();
        };
        let mut served = self.served(guest);
        for (host, _, _) in &mut served {
            if guest.addresses.iter().any(|(_, address)| address == host) {
                host.clone_from(physical);
            }
        }
        served
    }

    /// What its ports answer: address, port, and status by path.
    fn served(&self, guest: &GuestPlan) -> Vec<Served> {
        self.vm
            .ready
            .iter()
            .filter_map(|rung| rung_address(rung, &guest.addresses))
            .collect()
    }
}

/// Address, port, and where HTTP is spoken the path with its status.
type Served = (String, u16, Option<(String, u16)>);

/// What a rung asks for, if it asks for a port.
fn rung_address(rung: &Rung, addresses: &[(String, String)]) -> Option<Served> {
    match rung {
        Rung::Tools => None,
        Rung::Tcp { host, port } => {
            let host = host
                .clone()
                .or_else(|| addresses.first().map(|(_, address)| address.clone()))?;
            Some((host.trim_matches(['[', ']']).to_owned(), *port, None))
        }
        Rung::Http { url, status, .. } => {
            let (host, port, path) = split_url(url)?;
            Some((host, port, Some((path, *status))))
        }
    }
}

/// Host, port and path of an `http://` URL.
pub(super) fn split_url(url: &str) -> Option<(String, u16, String)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (host, port) = if let Some(inner) = authority.strip_prefix('[') {
        let (host, after) = inner.split_once(']')?;
        (
            host,
            after
                .strip_prefix(':')
                .map_or(Some(80), |port| port.parse().ok())?,
        )
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (authority, 80),
        }
    };
    Some((host.to_owned(), port, path.to_owned()))
}

/// The VMs of a runbook, patterns replaced by a couple of names.
pub(super) fn vms(runbook: &Runbook) -> Vec<SimVm> {
    let (protected, recovery) = (runbook.protected_site(), runbook.recovery_site());
    let mut vms = Vec::new();
    for (index, (name, vm)) in runbook.vms.iter().enumerate() {
        let names: Vec<String> = if Vm::is_pattern(name) {
            (1..=PER_PATTERN)
                .map(|n| {
                    name.as_str()
                        .replacen('*', &n.to_string(), 1)
                        .replace('*', "")
                })
                .collect()
        } else {
            vec![name.as_str().to_owned()]
        };
        let mut adapters: Vec<(String, String, String)> = vm
            .adapters
            .iter()
            .map(|(adapter, wanted)| {
                let group = |site| {
                    let network = runbook.networks.get(&wanted.network)?;
                    Some(network.at.get(site)?.name.clone())
                };
                let here = group(&protected).unwrap_or_else(|| "VM Network".to_owned());
                (
                    adapter.clone(),
                    here.clone(),
                    group(&recovery).unwrap_or(here),
                )
            })
            .collect();
        if adapters.is_empty() {
            adapters.push(("ethernet0".into(), "VM Network".into(), "VM Network".into()));
        }
        let backed_up_every = runbook.rpo(name).map_or(86_400, |rpo| {
            i64::try_from(rpo.as_secs()).map_or(86_400, |rpo| rpo.clamp(60, 86_400))
        });
        for name in names {
            let disks = if index == 0 { 2 } else { 1 };
            vms.push(SimVm {
                name,
                vm: vm.clone(),
                adapters: adapters.clone(),
                disks,
                backed_up_every,
            });
        }
    }
    vms
}

/// All guests by name.
pub(super) fn guests(vms: &[SimVm], seed: u64) -> BTreeMap<String, GuestPlan> {
    vms.iter()
        .map(|vm| (vm.name.clone(), vm.guest(seed)))
        .collect()
}

/// What the guests' ports answer, by address and port.
pub(super) fn answers(vms: &[SimVm], seed: u64) -> BTreeMap<(String, u16), Answer> {
    let mut all: BTreeMap<(String, u16), Answer> = BTreeMap::new();
    for vm in vms {
        let guest = vm.guest(seed);
        let served = vm.served(&guest).into_iter();
        for (host, port, page) in served.chain(vm.physically_served(&guest)) {
            let answer = all.entry((host, port)).or_default();
            answer.pages.extend(page);
        }
    }
    all
}

/// Who an ESXi host is.
pub(super) fn identity(plan: &SitePlan, host: &HostName, address: &str) -> Identity {
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

/// A host's folder.
pub(super) fn host_folder(dir: &Path, host: &HostName) -> PathBuf {
    dir.join("hosts").join(host.as_str())
}

/// The folder of a backup on the console's own machine.
pub(super) fn console_backup(dir: &Path, backup: &BackupName) -> PathBuf {
    dir.join("backups").join(backup.as_str())
}

/// Labels of the datastores that the runbook uses on an ESXi host.
fn labels(runbook: &Runbook, vms: &[SimVm], host: &HostName) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for vm in vms {
        for place in [&vm.vm.protected, &vm.vm.recovery].into_iter().flatten() {
            if place.host == *host && !place.datastore.is_empty() {
                labels.insert(place.datastore.clone());
            }
        }
    }
    for backup in runbook.backups.values() {
        if backup.host.as_ref() == Some(host)
            && let Some(path) = backup.path()
            && let Some(rest) = path.strip_prefix("/vmfs/volumes/")
        {
            labels.extend(rest.split('/').next().map(str::to_owned));
        }
    }
    if labels.is_empty() {
        labels.insert("datastore1".to_owned());
    }
    labels
}

/// The file systems of a host.
pub(super) fn volumes(
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
    if !esxi {
        let mut volumes = vec![Volume {
            uuid: "/dev/sda1".into(),
            label: None,
            kind: "ext4",
            folder: root.clone(),
            capacity: 62_725_623_808,
            taken: 5_368_709_120,
            hidden: false,
            mounted: "/".into(),
        }];
        for (name, backup) in runbook
            .backups
            .iter()
            .filter(|(_, backup)| backup.host.as_ref() == Some(host))
        {
            let path = folder_of(name, backup);
            volumes.push(Volume {
                uuid: "/dev/sdb1".into(),
                label: None,
                kind: "ext4",
                folder: root.join(path.trim_start_matches('/')),
                capacity: 7_937_003_077_632,
                taken: 2_254_857_830_400,
                hidden: false,
                mounted: path,
            });
        }
        return volumes;
    }
    let mac = identity(plan, host, "").mac;
    let volume = |what: &str, label: Option<String>, kind, capacity, taken| {
        let uuid = Draw::new(plan.seed, &format!("volume {host} {what}")).volume_uuid(&mac);
        let label = if what == "osdata" {
            Some(format!("OSDATA-{uuid}"))
        } else {
            label
        };
        Volume {
            folder: root.join("vmfs/volumes").join(&uuid),
            mounted: format!("/vmfs/volumes/{uuid}"),
            uuid,
            label,
            kind,
            capacity,
            taken,
            hidden: false,
        }
    };
    let mut volumes: Vec<Volume> = labels(runbook, vms, host)
        .into_iter()
        .map(|label| {
            volume(
                &format!("vmfs {label}"),
                Some(label),
                "VMFS-6",
                999_922_073_600,
                408_331_242_496,
            )
        })
        .collect();
    volumes.push(volume(
        "osdata",
        None,
        "VMFSOS",
        128_580_583_424,
        4_453_302_272,
    ));
    volumes.push(volume(
        "boot1",
        Some("BOOTBANK1".into()),
        "vfat",
        4_293_591_040,
        296_812_544,
    ));
    volumes.push(volume(
        "boot2",
        Some("BOOTBANK2".into()),
        "vfat",
        4_293_591_040,
        65_536,
    ));
    // A volume without a label, as hosts that were upgraded have.
    volumes.push(volume("locker", None, "vfat", 299_712_512, 184_737_792));
    volumes
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
                for path in ["tmp", "root", "var/log", "etc", "usr/bin", "bin"] {
                    fs::create_dir_all(root.join(path))?;
                }
                fs::create_dir_all(root.join("home").join(&host.user))?;
                fs::create_dir_all(root.join("proc"))?;
                for (name, text) in POSIX_FILES {
                    fs::write(root.join(name), text)?;
                }
                fs::write(root.join("etc/hostname"), format!("{name}\n"))?;
                for volume in &volumes {
                    fs::create_dir_all(&volume.folder)?;
                }
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
        fs::create_dir_all(&folder)?;
        for vm in vms.iter().filter(|vm| vm.vm.backup.as_ref() == Some(name)) {
            let lived_in = vms
                .get(vms.len() / 2)
                .is_some_and(|one| one.name == vm.name);
            let layout = backup.layout.unwrap_or(PointLayout::Full);
            let by_file = runbook.is_restored_by_file(&vm.name.as_str().into());
            build_points(plan, vm, &folder, layout, lived_in, by_file)?;
            if backup.tool().is_some() && backup.host.is_some() {
                pack::points(&folder.join(&vm.name))?;
            }
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

/// The real folder of a path on a host, a datastore's label replaced by its UUID.
pub(super) fn real_backup(dir: &Path, host: &HostName, volumes: &[Volume], path: &str) -> PathBuf {
    let root = host_folder(dir, host).join("root");
    if let Some(rest) = path.strip_prefix("/vmfs/volumes/") {
        let (label, inside) = rest.split_once('/').unwrap_or((rest, ""));
        if let Some(volume) = volumes
            .iter()
            .find(|volume| volume.label.as_deref() == Some(label))
        {
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

fn build_esxi(root: &Path, volumes: &[Volume], identity: &Identity) -> io::Result<()> {
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

fn build_esxi_state(
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
    let switch = |name: &str, uplinks: &[&str]| Switch {
        name: name.to_owned(),
        uplinks: uplinks.iter().map(|uplink| (*uplink).to_owned()).collect(),
        ports: 128,
    };
    let group = |name: &str, switch: &str, vlan| Group {
        name: name.to_owned(),
        switch: switch.to_owned(),
        vlan,
    };
    let mut saved = Saved {
        // A host that has seen some VMs come and go: ids are neither dense nor alike between hosts.
        next: 1 + u32::try_from(Draw::new(plan.seed, &format!("vmids {host}")).below(7))
            .unwrap_or(0),
        switches: vec![switch("vSwitch0", &["vmnic0"])],
        groups: vec![group("Management Network", "vSwitch0", 0)],
        ..Saved::default()
    };
    let mut missing = BTreeSet::new();
    for network in runbook.networks.values() {
        let Some(here) = network.at.get(&site) else {
            continue;
        };
        match &here.create {
            // What the recovery has to make is not there yet; at the protected site it is.
            Some(_) if role == Some(SiteRole::Recovery) => {
                missing.insert(here.name.clone());
            }
            Some(spec) => {
                if !saved.switches.iter().any(|s| s.name == spec.vswitch) {
                    saved.switches.push(switch(&spec.vswitch, &["vmnic1"]));
                }
                saved
                    .groups
                    .push(group(&here.name, &spec.vswitch, spec.vlan));
            }
            None => saved.groups.push(group(&here.name, "vSwitch0", 0)),
        }
    }
    if !missing.contains("VM Network") {
        saved.groups.push(group("VM Network", "vSwitch0", 0));
    }
    saved.groups.sort_by(|a, b| a.name.cmp(&b.name));
    saved.groups.dedup_by(|a, b| a.name == b.name);
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

//! `esxcli vm`, `storage`, `system` and `hardware`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::table::{Cell, Fields, Shown};
use super::{Answer, Request};
use crate::sim::esxi::{NfsVersion, hostsvc, power};
use crate::sim::host::SimHost;

fn text(value: impl Into<String>) -> Cell {
    Cell::Text(value.into())
}

/// Answers a command; `None` where there is no such one.
pub(super) fn answer(host: &Arc<SimHost>, words: &[&str], request: &Request) -> Option<Answer> {
    let esxi = host.esxi.as_ref()?;
    let identity = &esxi.identity;
    Some(match words {
        ["vm", "process", "list"] => Answer::Shown(processes(host)),
        ["vm", "process", "kill"] => kill(host, request),
        ["storage", "filesystem", "list"] => Answer::Shown(filesystems(host)),
        ["storage", "nfs", "list"] => Answer::Shown(nfs_mounts(host, NfsVersion::V3)),
        ["storage", "nfs41", "list"] => Answer::Shown(nfs_mounts(host, NfsVersion::V41)),
        // No copy of a volume is ever presented to these hosts.
        ["storage", "vmfs", "snapshot", "list"] => {
            Answer::Shown(Shown::Blocks("VMFSSnapshot", Vec::new()))
        }
        ["system", "module", "list"] => Answer::Shown(modules(host)),
        ["system", "module", "load"] => {
            if request.option("module", "m") != Some("multiextent") {
                return Some(Answer::Error("Unable to load module: Not found".into()));
            }
            if esxi.multiextent.swap(true, Ordering::AcqRel) {
                return Some(Answer::Error(
                    "Unable to load module /usr/lib/vmware/vmkmod/multiextent: Busy".into(),
                ));
            }
            Answer::Silent
        }
        ["system", "version", "get"] => Answer::Shown(Shown::One(
            "VersionGet",
            None,
            vec![
                ("Product", text("VMware ESXi")),
                ("Version", text("8.0.2")),
                ("Build", text("Releasebuild-22380479")),
                ("Update", text("2")),
                ("Patch", text("0")),
            ],
        )),
        ["system", "hostname", "get"] => Answer::Shown(Shown::One(
            "FullyQualifiedHostName",
            None,
            vec![
                ("Domain Name", text("")),
                ("Fully Qualified Domain Name", text(host.hostname())),
                ("Host Name", text(host.hostname())),
            ],
        )),
        ["system", "maintenanceMode", "get"] => {
            let on = esxi.lock().saved.maintenance;
            Answer::Shown(Shown::Line(
                if on { "Enabled" } else { "Disabled" }.to_owned(),
            ))
        }
        ["system", "maintenanceMode", "set"] => {
            let wanted = request.option("enable", "e").is_some_and(|on| on == "true");
            let mut state = esxi.lock();
            if state.saved.maintenance == wanted {
                let word = if wanted { "enabled" } else { "disabled" };
                return Some(Answer::Error(format!(
                    "Maintenance mode is already {word}."
                )));
            }
            if wanted && !state.running.is_empty() {
                // A real host would wait for the VMs to go; this one says so at once.
                return Some(Answer::Error(
                    "The operation is not allowed in the current state: virtual machines are running.".into(),
                ));
            }
            state.saved.maintenance = wanted;
            esxi.save(host, &state);
            Answer::Silent
        }
        ["system", "stats", "uptime", "get"] => {
            // Microseconds.
            Answer::Shown(Shown::Line((host.uptime_seconds() * 1_000_000).to_string()))
        }
        ["system", "uuid", "get"] => Answer::Shown(Shown::Line(identity.uuid.clone())),
        ["system", "time", "get"] | ["hardware", "clock", "get"] => {
            let now = jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string();
            Answer::Shown(Shown::Line(now))
        }
        ["hardware", "memory", "get"] => Answer::Shown(Shown::One(
            "Memory",
            None,
            vec![
                (
                    "Physical Memory",
                    text(format!("{} Bytes", hostsvc::MEMORY)),
                ),
                ("Reliable Memory", text("0 Bytes")),
                ("NUMA Node Count", Cell::Number(1)),
            ],
        )),
        ["hardware", "cpu", "global", "get"] => Answer::Shown(Shown::One(
            "CPUGlobal",
            None,
            vec![
                ("CPU Packages", Cell::Number(1)),
                ("CPU Cores", Cell::Number(hostsvc::CORES)),
                ("CPU Threads", Cell::Number(hostsvc::CORES * 2)),
                ("Hyperthreading Active", Cell::Flag(true)),
                ("Hyperthreading Supported", Cell::Flag(true)),
                ("Hyperthreading Enabled", Cell::Flag(true)),
                ("HV Support", Cell::Number(3)),
            ],
        )),
        ["hardware", "platform", "get"] => {
            // Bytes without leading zeros, as captured.
            let hex: Vec<char> = identity
                .uuid
                .chars()
                .filter(char::is_ascii_hexdigit)
                .collect();
            let bytes: Vec<String> = hex
                .chunks(2)
                .map(|pair| {
                    let byte =
                        u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap_or(0);
                    format!("0x{byte:x}")
                })
                .collect();
            Answer::Shown(Shown::One(
                "PlatformGet",
                Some("Platform Information"),
                vec![
                    ("UUID", text(bytes.join(" "))),
                    ("Product Name", text("PowerEdge R640")),
                    ("Vendor Name", text("Dell Inc.")),
                    ("Serial Number", text("7XK2M13")),
                    ("IPMI Supported", Cell::Flag(true)),
                ],
            ))
        }
        _ => return None,
    })
}

/// Running VMs only, and those that are not gone yet; none prints nothing at all.
fn processes(host: &SimHost) -> Shown {
    let mut blocks = Vec::new();
    if let Some(esxi) = &host.esxi {
        let mut state = esxi.lock();
        state.leaving.retain(|vm| Instant::now() < vm.until);
        let running = state.running.iter();
        let running = running.map(|(id, vm)| (*id, vm.world, vm.cartel));
        let leaving = state.leaving.iter().map(|vm| (vm.id, vm.world, vm.cartel));
        for (id, world, cartel) in running.chain(leaving) {
            let Some(vm) = state.saved.vms.iter().find(|vm| vm.id == id) else {
                continue;
            };
            let uuid = state
                .configs
                .get(&id)
                .and_then(|config| config.get("uuid.bios"))
                .unwrap_or_default();
            let name = state.name(vm);
            blocks.push((
                name.clone(),
                vec![
                    ("World ID", Cell::Number(u64::from(world))),
                    ("Process ID", Cell::Number(0)),
                    ("VMX Cartel ID", Cell::Number(u64::from(cartel))),
                    ("UUID", text(uuid)),
                    ("Display Name", text(name)),
                    ("Config File", text(vm.path.clone())),
                ],
            ));
        }
    }
    Shown::Blocks("VirtualMachine", blocks)
}

fn kill(host: &Arc<SimHost>, request: &Request) -> Answer {
    let typed = request.option("world-id", "w").unwrap_or_default();
    let kind = request.option("type", "t").unwrap_or_default();
    if !matches!(kind, "soft" | "hard" | "force") {
        return Answer::Error("Error: Invalid kill type. Expected soft, hard or force.".to_owned());
    }
    let id = host.esxi.as_ref().and_then(|esxi| {
        let state = esxi.lock();
        state
            .running
            .iter()
            .find(|(_, running)| running.world.to_string() == typed)
            .map(|(id, _)| *id)
    });
    match id {
        Some(id) => match power::off(host, &id.to_string()) {
            Ok(()) => Answer::Silent,
            Err(fault) => Answer::Error(fault.message),
        },
        None => Answer::Error(format!(
            "Unable to find a virtual machine with the world ID {typed}"
        )),
    }
}

fn filesystems(host: &SimHost) -> Shown {
    let rows = host
        .volumes
        .iter()
        .map(|volume| {
            let (size, free) = host.space(volume);
            vec![
                (
                    "Mount Point",
                    text(format!("/vmfs/volumes/{}", volume.uuid)),
                ),
                // Empty for a volume without a label.
                (
                    "Volume Name",
                    text(volume.label.clone().unwrap_or_default()),
                ),
                ("UUID", text(volume.uuid.clone())),
                ("Mounted", Cell::Flag(true)),
                ("Type", text(host.kind_of(volume))),
                ("Size", Cell::Number(size)),
                ("Free", Cell::Number(free)),
            ]
        })
        .collect();
    let labels = vec![
        "Mount Point",
        "Volume Name",
        "UUID",
        "Mounted",
        "Type",
        "Size",
        "Free",
    ];
    Shown::Table("FileSystemVolume", labels, rows)
}

/// The NFS mounts of one version, as 6.5 and later show them.
fn nfs_mounts(host: &SimHost, version: NfsVersion) -> Shown {
    let (kind, servers, security) = match version {
        NfsVersion::V3 => ("NFSVolume", "Host", None),
        NfsVersion::V41 => ("NFS41Volume", "Host(s)", Some("AUTH_SYS")),
    };
    let mounts = host.esxi.as_ref().map(|esxi| esxi.lock().nfs.clone());
    let of_version = mounts.unwrap_or_default().into_iter();
    let rows = of_version.filter(|(_, mount)| mount.version == version);
    let rows = rows.map(|(label, mount)| {
        let mut row = vec![
            ("Volume Name", text(label.clone())),
            (servers, text("10.20.0.5")),
            ("Share", text(format!("/export/{label}"))),
            ("Accessible", Cell::Flag(true)),
            ("Mounted", Cell::Flag(true)),
            ("Read-Only", Cell::Flag(mount.read_only)),
        ];
        row.extend(security.map(|security| ("Security", text(security))));
        row.push(("isPE", Cell::Flag(false)));
        row.push(("Hardware Acceleration", text("Not Supported")));
        row
    });
    let rows: Vec<Fields> = rows.collect();
    match rows.first() {
        Some(first) => {
            let labels = first.iter().map(|(label, _)| *label).collect();
            Shown::Table(kind, labels, rows)
        }
        // Where nothing is mounted, nothing is printed.
        None => Shown::Blocks(kind, Vec::new()),
    }
}

/// A few of a host's modules, `multiextent` among them.
fn modules(host: &Arc<SimHost>) -> Shown {
    let loaded = host
        .esxi
        .as_ref()
        .is_some_and(|esxi| esxi.multiextent.load(Ordering::Acquire));
    let row = |name: &str, loaded| {
        vec![
            ("Name", text(name)),
            ("Is Loaded", Cell::Flag(loaded)),
            ("Is Enabled", Cell::Flag(loaded)),
        ]
    };
    Shown::Table(
        "Module",
        vec!["Name", "Is Loaded", "Is Enabled"],
        vec![
            row("vmkernel", true),
            row("vmfs3", true),
            row("multiextent", loaded),
        ],
    )
}

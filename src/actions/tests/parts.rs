//! Parts of what is observed, for the tables of decisions.

use jiff::Timestamp;

use crate::actions::configuration::{Configuration, Content};
use crate::actions::file_locks::Locks;
use crate::actions::ownership::{Copy, Heard, Look, Ownership, Sighting, Sign, Told, Way};
use crate::actions::place::VmAt;
use crate::actions::registered::{Entry, Registration};
use crate::engine::AutostartEntry;
use crate::hypervisor::esxi::Vmid;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::storage::{Volume, Volumes};
use crate::hypervisor::esxi::summary::VmSummary;
use crate::runbook::model::SiteRole;
use crate::vmfiles::Vmx;

/// Where sql01 has its place in Leeds.
pub(in crate::actions) fn place(vmx: Option<&str>) -> VmAt {
    VmAt {
        vm: "sql01".into(),
        role: SiteRole::Recovery,
        site: "Leeds".into(),
        host: "lee-esx1".into(),
        datastore: "local1".into(),
        folder: "sql01".into(),
        vmx: vmx.map(str::to_owned),
    }
}

/// local1, which is mounted as aaa-1, and local2 as bbb-2.
pub(in crate::actions) fn two_datastores() -> Volumes {
    let volume = |label: &str, uuid: &str| Volume {
        mount_point: format!("/vmfs/volumes/{uuid}"),
        label: label.into(),
        uuid: uuid.into(),
        mounted: true,
        kind: "VMFS-6".into(),
        size: 2,
        free: 1,
    };
    Volumes(vec![volume("local1", "aaa-1"), volume("local2", "bbb-2")])
}

/// The entry of sql01 with number 7.
pub(in crate::actions) fn entry(power: PowerState, connection: &str) -> Entry {
    Entry {
        vmid: Vmid(7),
        summary: VmSummary {
            name: "sql01".into(),
            datastore: "local1".into(),
            path: "sql01/sql01.vmx".into(),
            uuid_bios: None,
            power,
            connection: connection.into(),
            has_question: false,
            boot_time: Some("2026-01-01T00:00:00Z".into()),
            uptime: None,
            tools_running: true,
            ip_address: None,
            heartbeat: None,
            memory_mib: None,
            cpus: None,
            annotation: String::new(),
        },
    }
}

/// A host that has this entry, or none.
pub(in crate::actions) fn registration(entry: Option<Entry>) -> Registration {
    Registration {
        entry,
        ..Registration::default()
    }
}

/// A .vmx as it lies on lee-esx1.
pub(in crate::actions) fn configuration(text: &str) -> Configuration {
    Configuration::Read(Box::new(Content {
        path: "/vmfs/volumes/local1/sql01/sql01.vmx".into(),
        bytes: text.as_bytes().to_vec(),
        vmx: Vmx::parse(text.as_bytes()).unwrap(),
        mode: 0o755,
    }))
}

/// sql01 as a host has it.
pub(in crate::actions) fn copy(power: PowerState) -> Copy {
    Copy {
        vmid: Some(Vmid(7)),
        name: "sql01".into(),
        vmx: "[local1] sql01/sql01.vmx".into(),
        by: "uuid.bios",
        power,
        since: "2026-01-01T00:00:00Z".parse().ok(),
        tools: true,
        autostart: None,
    }
}

/// An entry that starts the VM with its host.
pub(in crate::actions) fn autostart() -> AutostartEntry {
    AutostartEntry {
        start_action: "powerOn".into(),
        start_delay: -1,
        start_order: 2,
        stop_action: "systemDefault".into(),
        stop_delay: -1,
        wait_for_heartbeat: "systemDefault".into(),
    }
}

/// What is known of sql01 at a site whose hosts told this, its address one thing.
pub(in crate::actions) fn ownership(site: &str, told: &[Told], heard: Heard) -> Ownership {
    let prefix = site.get(..3).unwrap_or_default().to_lowercase();
    let sightings = told.iter().enumerate().map(|(n, told)| Sighting {
        host: format!("{prefix}-esx{}", n + 1).into(),
        told: told.clone(),
        invalid: 0,
    });
    let look = Look {
        target: "10.20.0.11".into(),
        by: "lee-bk1 (ping)".into(),
        heard,
        said: "as heard".into(),
        way: Way::Arp,
        near: true,
        open: false,
    };
    Ownership {
        vm: "sql01".into(),
        site: site.into(),
        sightings: sightings.collect(),
        by_uuid: true,
        sign: Sign {
            looks: if heard == Heard::NotAsked {
                vec![]
            } else {
                vec![look]
            },
            ..Sign::default()
        },
        locks: Locks::default(),
        locks_there: Vec::new(),
        attested: None,
        at: Some(Timestamp::UNIX_EPOCH),
    }
}

/// A host that could not be asked.
pub(in crate::actions) fn dark() -> Told {
    Told::Nothing("connection refused".into())
}

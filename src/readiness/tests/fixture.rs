//! A site by hand at which nothing is wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::hypervisor::esxi::Vmid;
use crate::hypervisor::esxi::host_summary::HostSummary;
use crate::hypervisor::esxi::identity::Identity;
use crate::hypervisor::esxi::licence::Licence;
use crate::hypervisor::esxi::network::{Nic, Vswitch};
use crate::hypervisor::esxi::storage::{Volume, Volumes};
use crate::hypervisor::esxi::uuid::BiosUuid;
use crate::hypervisor::esxi::version::Version;
use crate::names::{HostName, VmName};
use crate::plan::{self, PlanInputs};
use crate::readiness::{
    Clock, EsxiSeen, HostSeen, Needs, PointsSeen, Registered, Rehearsal, Seen, Shut, Task, Used,
};
use crate::runbook::model::{Mode, Section};
use crate::runbook::{self, Limits};
use crate::transfer::{Dated, Point, PointFile, PointKind, Takes};
use crate::vmfiles::FileKind;

pub(super) const RUNBOOK: &str = include_str!("../../../runbooks/v2v-image-restore.yaml");
pub(super) const NOW: &str = "2026-01-02T12:00:00Z";
pub(super) const GIB: u64 = 1 << 30;

pub(super) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub(super) fn task() -> Task {
    task_of(RUNBOOK)
}

pub(super) fn task_of(text: &str) -> Task {
    task_in(Mode::Failover, text)
}

pub(super) fn task_in(mode: Mode, text: &str) -> Task {
    let runbook = runbook::load("r.yaml", text, &Limits::default())
        .unwrap()
        .runbook;
    let inputs = PlanInputs {
        variables: [("ticket".into(), "INC000001".to_owned())].into(),
        only: Vec::new(),
    };
    let plan = plan::make(&runbook, Section::Failover, mode, &inputs).unwrap();
    let mut task = Task::new(Arc::new(runbook), &plan);
    task.rehearsal = Some(Rehearsal {
        run: "20260101-000000-aaaa".into(),
        at: now(),
        changed: Some(Vec::new()),
    });
    task
}

pub(super) fn uuid(vm: &str) -> String {
    let byte = vm.bytes().fold(7_u8, u8::wrapping_add);
    format!("{byte:02x}").repeat(16)
}

pub(super) fn vmx(vm: &str) -> Vec<u8> {
    format!(
        ".encoding = \"UTF-8\"\nconfig.version = \"8\"\nvirtualHW.version = \"19\"\nmemSize = \"1024\"\n\
         displayName = \"{vm}\"\nuuid.bios = \"{}\"\n",
        uuid(vm)
    )
    .into_bytes()
}

pub(super) fn point(vm: &str, name: &str) -> Point {
    let file = PointFile {
        name: format!("{vm}.vmx"),
        kind: FileKind::Vmx,
        at: format!("{name}/{vm}.vmx"),
        bytes: 100,
        allocated: 4096,
        sum: None,
        text: None,
    };
    Point {
        stamp: name.parse().unwrap(),
        dated: Dated::Name,
        kind: PointKind::Full,
        name: name.to_owned(),
        path: format!("/backup/nightly/{vm}/{name}"),
        files: vec![file],
        logs: Vec::new(),
        left_behind: Vec::new(),
        verified: true,
        renamed: Vec::new(),
        remarks: Vec::new(),
        flaws: Vec::new(),
    }
}

pub(super) fn points(vm: &str) -> PointsSeen {
    let point = point(vm, "20260102T100000Z");
    let used = Used {
        point: point.clone(),
        passed_over: Vec::new(),
        vmx: Ok(Some(vmx(vm))),
        needs: Ok(Needs {
            files: Takes {
                least: 2 * GIB,
                most: 2 * GIB,
                passing: 0,
            },
            swap: GIB,
        }),
        there: Vec::new(),
    };
    PointsSeen {
        points: vec![point],
        used: Ok(Box::new(used)),
    }
}

pub(super) fn volume(label: &str, free: u64) -> Volume {
    Volume {
        mount_point: format!("/vmfs/volumes/{label}-uuid"),
        label: label.to_owned(),
        uuid: format!("{label}-uuid"),
        mounted: true,
        kind: "VMFS-6".to_owned(),
        size: 100 * GIB,
        free,
    }
}

pub(super) fn registered(vmid: u32, name: &str) -> Registered {
    Registered {
        vmid: Vmid(vmid),
        name: name.to_owned(),
        datastore: "local1".to_owned(),
        volume: Some("local1-uuid".to_owned()),
        path: format!("{name}/{name}.vmx"),
        identity: Identity {
            uuid: BiosUuid::parse(&uuid(name)),
            ..Identity::default()
        },
        unread: None,
    }
}

pub(super) fn esxi() -> EsxiSeen {
    EsxiSeen {
        version: Ok(Version {
            product: "VMware ESXi".into(),
            version: "8.0.2".into(),
            build: "22380479".into(),
        }),
        summary: Ok(HostSummary {
            memory: Some(64 * GIB),
            memory_used: Some(10 * GIB),
            in_maintenance: Some(false),
            ..HostSummary::default()
        }),
        licences: Ok(vec![Licence {
            name: "bought".into(),
            ..Licence::default()
        }]),
        vcenter: Ok(false),
        volumes: Ok(Volumes(vec![volume("local1", 50 * GIB)])),
        replicas: Ok(Vec::new()),
        nfs: Vec::new(),
        groups: Ok(Vec::new()),
        switches: Ok(vec![Vswitch {
            name: "vSwitch0".into(),
            uplinks: vec!["vmnic0".into()],
            port_groups: Vec::new(),
            mtu: 1500,
        }]),
        nics: Ok(vec![Nic {
            name: "vmnic0".into(),
            mac: "a4:bf:01:00:00:01".into(),
            up: true,
        }]),
        registered: Ok(Vec::new()),
        running: Ok(Vec::new()),
        spares: Ok(Vec::new()),
        autostart: Ok(Vec::new()),
        tops: BTreeMap::new(),
        access: BTreeMap::new(),
        folders: BTreeMap::new(),
        taken: BTreeMap::new(),
        leaving: BTreeMap::new(),
        homes: BTreeMap::new(),
        apart: BTreeMap::new(),
        brought: BTreeMap::new(),
        holders: BTreeMap::new(),
    }
}

pub(super) fn host(esxi: Option<EsxiSeen>) -> Result<HostSeen, Shut> {
    Ok(HostSeen {
        clock: Ok(Clock {
            host: now(),
            before: now(),
            after: now(),
        }),
        round_trip: Duration::from_millis(5),
        slow_call: None,
        one_channel: false,
        lacks: Ok(Vec::new()),
        esxi: esxi.map(Box::new),
    })
}

/// A site at which nothing is wrong.
pub(super) fn seen() -> Seen {
    let mut home = esxi();
    home.registered = Ok(["sql01", "app01", "web01"]
        .iter()
        .zip(1..)
        .map(|(vm, id)| registered(id, vm))
        .collect());
    let vms = ["sql01", "app01", "web01"];
    Seen {
        at: now(),
        hosts: [
            ("lon-esx1".into(), host(Some(home))),
            ("lee-esx1".into(), host(Some(esxi()))),
            ("lee-bk1".into(), host(None)),
        ]
        .into(),
        points: vms
            .iter()
            .map(|vm| ((*vm).into(), Ok(points(vm))))
            .collect(),
    }
}

pub(super) fn lee(seen: &mut Seen) -> &mut EsxiSeen {
    at(seen, "lee-esx1").esxi.as_deref_mut().unwrap()
}

pub(super) fn at<'a>(seen: &'a mut Seen, host: &str) -> &'a mut HostSeen {
    seen.hosts
        .get_mut(&HostName::from(host))
        .unwrap()
        .as_mut()
        .unwrap()
}

pub(super) fn used<'a>(seen: &'a mut Seen, vm: &str) -> &'a mut Used {
    let points = seen.points.get_mut(&VmName::from(vm)).unwrap();
    points.as_mut().unwrap().used.as_mut().unwrap()
}

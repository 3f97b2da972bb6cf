//! The judges, on a site in which one thing at a time is wrong.

mod by_uuid;
mod datastores;
mod fixture;
mod homing;
mod hosts;
mod mounts;
mod planned;
mod prestaged;
mod rows;
mod vms;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use self::fixture::*;
use super::*;
use crate::error::Fault;
use crate::host::HostError;
use crate::hypervisor::esxi::Vmid;
use crate::hypervisor::esxi::licence::Licence;
use crate::hypervisor::esxi::network::PortGroup;
use crate::hypervisor::esxi::nfs::NfsMount;
use crate::hypervisor::esxi::replica::Replica;
use crate::hypervisor::esxi::storage::Volume;
use crate::hypervisor::shell::Access;
use crate::names::{HostName, VmName};
use crate::readiness::seen::{Apart, Files, Leaving, Told};
use crate::runbook;
use crate::transfer::{Dated, Flaw, NoPoint, VmFiles};

/// Findings of a site with one change, each as `severity key`, and their whole texts.
fn found(change: impl FnOnce(&mut Task, &mut Seen)) -> (Vec<String>, String) {
    let (mut task, mut seen) = (task(), seen());
    change(&mut task, &mut seen);
    let findings = judge(&task, &seen);
    for finding in &findings {
        assert!(!finding.fault.next.is_empty(), "{finding:?}");
        assert!(!finding.fault.place.is_empty(), "{finding:?}");
    }
    told(&findings)
}

fn mounted(label: &str, read_only: Option<bool>) -> NfsMount {
    NfsMount {
        label: label.to_owned(),
        read_only,
    }
}

/// Findings, each as `severity key`, and their whole texts.
fn told(findings: &[Finding]) -> (Vec<String>, String) {
    let keys = findings
        .iter()
        .map(|finding| format!("{} {}", finding.severity.as_str(), finding.key));
    let texts = findings.iter().map(|finding| finding.fault.to_string());
    let (keys, texts) = (keys.collect(), texts.collect::<Vec<_>>().join("\n"));
    // What changes from one look to the next is told by key.
    let distinct: BTreeSet<&String> = findings.iter().map(|finding| &finding.key).collect();
    assert_eq!(distinct.len(), findings.len(), "{texts}");
    (keys, texts)
}

#[track_caller]
fn only(key: &str, words: &str, change: impl FnOnce(&mut Task, &mut Seen)) {
    let (keys, texts) = found(change);
    assert_eq!(keys, [key], "{texts}");
    assert!(texts.contains(words), "{texts}");
}

fn silent(asked: &'static str, is_extra: bool) -> Silence {
    Silence {
        asked,
        fault: Fault::new("hostd does not answer", "lee-esx1", "", "restart it"),
        is_extra,
    }
}

#[test]
fn where_nothing_is_wrong_nothing_is_found() {
    assert_eq!(found(|_, _| ()).0, [""; 0]);
}

#[test]
fn what_is_left_over_is_named() {
    only(
        "blocker vm/web01/folder",
        "web01 is registered from there (4)",
        |_, seen| {
            let names = vec!["web01.vmx".to_owned()];
            lee(seen).folders.insert("web01".into(), Ok(names));
            lee(seen).registered = Ok(vec![registered(4, "web01")]);
        },
    );
    only(
        "blocker vm/web01/folder",
        "has no files there: web01 is registered from there (4)",
        |_, seen| {
            lee(seen).folders.insert("web01".into(), Ok(Vec::new()));
            lee(seen).registered = Ok(vec![registered(4, "web01")]);
        },
    );
    only(
        "blocker vm/web01/lock",
        "run 20260101-000000-bbbb",
        |_, seen| {
            let by = "run 20260101-000000-bbbb of bob".to_owned();
            lee(seen).holders.insert("web01".into(), Ok(by));
        },
    );
    only(
        "warning host/lee-esx1/drill",
        "folder [local1] drill-20260101-000000-dddd-web01",
        |_, seen| {
            let names = vec!["drill-20260101-000000-dddd-web01".to_owned()];
            lee(seen).tops.insert("local1".into(), Ok(names));
        },
    );
    only(
        "warning host/lee-esx1/drill",
        "`lifeboat cleanup 20260101-000000-dddd`",
        |_, seen| {
            let mut switch = lee(seen).switches.as_ref().unwrap()[0].clone();
            switch.name = "drill-20260101-000000-dddd".into();
            lee(seen).switches.as_mut().unwrap().push(switch);
        },
    );
    // What somebody else calls so is no drill's.
    let (keys, texts) = found(|_, seen| {
        let names = vec!["drill-press".to_owned()];
        lee(seen).tops.insert("local1".into(), Ok(names));
        let mut switch = lee(seen).switches.as_ref().unwrap()[0].clone();
        switch.name = "drill-press".into();
        lee(seen).switches.as_mut().unwrap().push(switch);
    });
    assert_eq!(keys, [""; 0], "{texts}");
    only(
        "warning run/20260101-000000-cccc",
        "`lifeboat resume 20260101-000000-cccc --state /runs`, or `lifeboat brief 20260101-000000-cccc --state /runs`",
        |task, _| {
            task.elsewhere = " --state /runs".to_owned();
            task.unfinished.push(Unfinished {
                run: "20260101-000000-cccc".into(),
                mode: "failover".into(),
                operator: "alice".into(),
            });
        },
    );
}

#[test]
fn an_open_drill_is_told_once_with_what_it_holds() {
    let run = "20260101-000000-dddd";
    let holds = || Holds {
        on: ["sql01".into()].into(),
        memory: 8 << 30,
        ..Holds::default()
    };
    only(
        &format!("warning run/{run}"),
        "sql01 is on, at lee-esx1 (8.0 GiB of memory)",
        |task, seen| {
            task.drills.push(OpenDrill {
                run: run.into(),
                stage: "cleanup due".to_owned(),
                kept: false,
                holds: [("lee-esx1".into(), holds())].into(),
            });
            let names = vec![format!("drill-{run}-sql01")];
            lee(seen).tops.insert("local1".into(), Ok(names));
        },
    );
    // What is typed has to find it.
    let (_, texts) = found(|task, seen| {
        task.elsewhere = " --state /runs".to_owned();
        let names = vec![format!("drill-{run}-sql01")];
        lee(seen).tops.insert("local1".into(), Ok(names));
    });
    let typed = format!("`lifeboat cleanup {run} --state /runs`");
    assert!(texts.contains(&typed), "{texts}");
    assert!(texts.contains("`lifeboat runs --state /runs`"), "{texts}");
}

#[test]
fn a_runbook_that_was_never_drilled_or_was_changed_since_needs_verifying() {
    only("note runbook/drill", "no drill", |task, _| {
        task.rehearsal = None
    });
    only("warning runbook/changed", "vms.web01", |task, _| {
        let last = task.rehearsal.as_mut().unwrap();
        last.changed = Some(vec!["vms.web01".to_owned()]);
    });
    only("warning runbook/drill", "due every 90d", |task, _| {
        let runbook = Arc::make_mut(&mut task.runbook);
        runbook.drill.every = Some(Duration::from_secs(90 * 86_400));
        task.rehearsal.as_mut().unwrap().at = now() - SignedDuration::from_hours(91 * 24);
    });
}

#[test]
fn a_selection_is_judged_by_what_it_needs() {
    let (keys, _) = found(|task, seen| {
        task.vms.retain(|vm| vm.as_str() == "web01");
        task.restores.retain(|vm, _| vm.as_str() == "web01");
        used(seen, "sql01").point = point("sql01", "20251220T100000Z");
    });
    assert_eq!(keys, [""; 0]);
}

#[test]
fn a_host_that_falls_silent_mends_nothing() {
    let (task, mut seen) = (task(), seen());
    lee(&mut seen).volumes.as_mut().unwrap().0[0].free = GIB;
    used(&mut seen, "web01").point = point("web01", "20251220T100000Z");
    let before = judge(&task, &seen);
    assert_eq!(before.len(), 2, "{before:?}");

    let error = HostError::Refused {
        address: "192.0.2.1:22".into(),
    };
    let shut = Shut::new(&"lee-esx1".into(), &error);
    seen.hosts.insert("lee-esx1".into(), Err(shut));
    let mut now = judge(&task, &seen);
    carry_over(&task, &seen, &before, &mut now);
    let changed = changes(&before, &now);
    assert!(
        matches!(changed.as_slice(), [Change::New(found)] if found.key == "host/lee-esx1/reach"),
        "{changed:?}"
    );

    // It is back, and there is room.
    seen.hosts.insert("lee-esx1".into(), host(Some(esxi())));
    let mut later = judge(&task, &seen);
    carry_over(&task, &seen, &now, &mut later);
    let gone: Vec<Change> = changes(&now, &later);
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert!(gone.iter().all(|change| matches!(change, Change::Gone(_))));

    // It does not tell what was asked, then it does not answer at all: what it kept to itself stays.
    let ahead = fixture::now() + SignedDuration::from_hours(1);
    at(&mut seen, "lee-esx1").clock.as_mut().unwrap().host = ahead;
    at(&mut seen, "lee-bk1").clock.as_mut().unwrap().host = ahead;
    lee(&mut seen).groups = Err(silent("its port groups", false));
    lee(&mut seen).licences = Err(silent("its licences", true));
    let before = judge(&task, &seen);
    assert_eq!(before.len(), 5, "{before:?}");
    let shut = Shut::new(&"lee-esx1".into(), &error);
    seen.hosts.insert("lee-esx1".into(), Err(shut));
    at(&mut seen, "lee-bk1").clock = Err(silent("its clock", true));
    let mut now = judge(&task, &seen);
    carry_over(&task, &seen, &before, &mut now);
    let new: Vec<String> = changes(&before, &now)
        .iter()
        .map(|change| match change {
            Change::New(found) => found.key.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(new, ["host/lee-esx1/reach", "host/lee-bk1/extras"]);

    // Its clock can be read, and is right.
    at(&mut seen, "lee-bk1").clock = host(None).unwrap().clock;
    let mut later = judge(&task, &seen);
    carry_over(&task, &seen, &now, &mut later);
    let gone = changes(&now, &later);
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert!(gone.iter().all(|change| matches!(change, Change::Gone(_))));
}

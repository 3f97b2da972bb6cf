//! VMs that are to go home.

use super::*;
use crate::hypervisor::esxi::process::RunningVm;
use crate::hypervisor::esxi::storage::Volumes;
use crate::plan::{self, PlanInputs};
use crate::runbook::model::{Mode, Section, SiteRole};

const VMS: [&str; 3] = ["sql01", "app01", "web01"];

fn task() -> Task {
    let runbook = runbook::load("r.yaml", RUNBOOK, &runbook::Limits::default());
    let runbook = runbook.unwrap().runbook;
    let inputs = PlanInputs {
        variables: [("ticket".into(), "INC000001".to_owned())].into(),
        only: Vec::new(),
    };
    let plan = plan::make(&runbook, Section::Failback, Mode::Failback, &inputs).unwrap();
    Task::new(Arc::new(runbook), &plan)
}

/// They run in Leeds, 10 GiB and 4 GiB of memory each; in London their old copies lie, switched off.
fn seen() -> Seen {
    let mut seen = fixture::seen();
    seen.points.clear();
    let group = |active_clients| PortGroup {
        name: "VM Network".into(),
        vswitch: "vSwitch0".into(),
        vlan: 0,
        active_clients,
    };
    let leeds = lee(&mut seen);
    leeds.registered = Ok(VMS
        .iter()
        .zip(1..)
        .map(|(vm, id)| registered(id, vm))
        .collect());
    for vm in VMS {
        let leaving = Leaving {
            bytes: 10 * GIB,
            memory: Some(4 * GIB),
        };
        leeds.leaving.insert(vm.into(), Ok(leaving));
    }
    let home = lon(&mut seen);
    home.groups = Ok(vec![group(0)]);
    for vm in VMS {
        home.taken.insert(vm.into(), 9 * GIB);
    }
    seen
}

fn lon(seen: &mut Seen) -> &mut EsxiSeen {
    at(seen, "lon-esx1").esxi.as_deref_mut().unwrap()
}

fn found(change: impl FnOnce(&mut Seen)) -> (Vec<String>, String) {
    let mut seen = seen();
    change(&mut seen);
    let findings = judge(&task(), &seen);
    let keys = findings
        .iter()
        .map(|finding| format!("{} {}", finding.severity.as_str(), finding.key));
    let texts = findings.iter().map(|finding| finding.fault.to_string());
    (keys.collect(), texts.collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_way_home_is_looked_at_where_it_leads() {
    let task = task();
    assert_eq!(task.side, SiteRole::Protected);
    let reversed = ["web01", "app01", "sql01"];
    assert_eq!(
        task.homing,
        reversed.map(VmName::from),
        "as they are shut down"
    );
    assert_eq!(task.landing(&"lon-esx1".into()).len(), 3);
    assert!(task.landing(&"lee-esx1".into()).is_empty());
    assert_eq!(task.leaning(&"lee-esx1".into()).len(), 3, "from there");
    let (keys, texts) = found(|_| ());
    assert_eq!(keys, [""; 0], "{texts}");
}

#[test]
fn what_comes_home_lies_beside_the_originals_or_in_their_place() {
    let (keys, texts) =
        found(|seen| lon(seen).volumes = Ok(Volumes(vec![volume("local1", 20 * GIB)])));
    assert_eq!(keys, ["warning store/lon-esx1/local1/home"]);
    assert!(texts.contains("30.0 GiB are needed"), "{texts}");
    let (keys, _) = found(|seen| lon(seen).volumes = Ok(Volumes(vec![volume("local1", 2 * GIB)])));
    assert_eq!(keys, ["blocker store/lon-esx1/local1/home"]);
}

#[test]
fn memory_is_counted_by_what_the_vms_take_where_they_run() {
    let (keys, texts) = found(|seen| {
        let summary = lon(seen).summary.as_mut().unwrap();
        summary.memory_used = Some(60 * GIB);
    });
    assert_eq!(keys, ["warning host/lon-esx1/memory"]);
    assert!(texts.contains("12.0 GiB are needed"), "{texts}");
}

#[test]
fn a_vm_that_is_not_there_or_runs_at_home_too_does_not_go() {
    let (keys, texts) = found(|seen| {
        let leeds = lee(seen);
        leeds.registered.as_mut().unwrap().remove(0);
        leeds.leaving.remove(&VmName::from("sql01"));
    });
    assert_eq!(keys, ["blocker vm/sql01/from"]);
    assert!(texts.contains("one of that name is on lon-esx1"), "{texts}");
    let (keys, _) = found(|seen| {
        lon(seen).running = Ok(vec![RunningVm {
            world_id: 7,
            uuid_bios: registered(3, "web01").identity.uuid,
            config_file: "/vmfs/volumes/local1-uuid/web01/web01.vmx".into(),
            name: "web01".into(),
        }]);
    });
    assert_eq!(keys, ["blocker vm/web01/twice"]);
}

#[test]
fn a_twin_at_home_is_in_the_way() {
    let (keys, _) = found(|seen| {
        let mut twin = registered(9, "sql01");
        twin.path = "old/sql01.vmx".into();
        lon(seen).registered.as_mut().unwrap().push(twin);
    });
    assert_eq!(
        keys,
        ["blocker vm/sql01/twin/lon-esx1/[local1] old/sql01.vmx"]
    );
}

#[test]
fn the_host_that_they_leave_is_needed_too() {
    let (keys, texts) = found(|seen| {
        let shut = Shut::unknown(&"lee-esx1".into());
        seen.hosts.insert("lee-esx1".into(), Err(shut));
    });
    assert_eq!(keys, ["blocker host/lee-esx1/reach"]);
    assert!(texts.contains("sql01"), "{texts}");
}

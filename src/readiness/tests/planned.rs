//! VMs that a planned run moves from a site that is alive.

use super::*;
use crate::host::HostError;
use crate::runbook::model::Mode;

const VMS: [&str; 3] = ["sql01", "app01", "web01"];

fn found_of(mode: Mode, change: impl FnOnce(&mut Seen)) -> (Vec<String>, String) {
    let mut seen = seen();
    if mode == Mode::Planned {
        seen.points.clear();
        for vm in VMS {
            let leaving = Leaving {
                files: [(format!("{vm}-flat.vmdk"), GIB)].into(),
                memory: Ok(Some(GIB)),
                vmx: Ok(vmx(vm)),
            };
            let london = at(&mut seen, "lon-esx1").esxi.as_deref_mut().unwrap();
            london.leaving.insert(vm.into(), Ok(leaving));
            lee(&mut seen).taken.insert(vm.into(), Files::default());
        }
    }
    change(&mut seen);
    let mut task = task_in(mode, RUNBOOK);
    task.rehearsal = super::task().rehearsal;
    told(&judge(&task, &seen))
}

fn without_home(seen: &mut Seen) {
    let error = HostError::Refused {
        address: "192.0.2.1:22".into(),
    };
    let shut = Shut::new(&"lon-esx1".into(), &error);
    seen.hosts.insert("lon-esx1".into(), Err(shut));
}

#[test]
fn a_planned_run_needs_no_restore_points_and_finds_nothing_where_nothing_is_wrong() {
    assert_eq!(found_of(Mode::Planned, |_| ()).0, [""; 0]);
}

#[test]
fn the_host_that_vms_are_shut_down_on_is_one_that_they_cannot_do_without() {
    let (keys, texts) = found_of(Mode::Planned, without_home);
    assert!(
        keys.contains(&"blocker host/lon-esx1/reach".into()),
        "{keys:?}"
    );
    let words = "app01, sql01, web01 cannot be brought up without it";
    assert!(texts.contains(words), "{texts}");
    // In a disaster it is the one that is lost.
    let (keys, _) = found_of(Mode::Failover, without_home);
    assert_eq!(keys, ["warning host/lon-esx1/reach"]);
}

#[test]
fn what_is_copied_after_the_stop_is_judged_by_what_lies_there_now() {
    let (keys, texts) = found_of(Mode::Planned, |seen| {
        let london = at(seen, "lon-esx1").esxi.as_deref_mut().unwrap();
        let sql01 = london.leaving.get_mut(&VmName::from("sql01")).unwrap();
        let sql01 = sql01.as_mut().unwrap();
        sql01.memory = Ok(Some(900 * GIB));
        sql01.files = [("sql01-flat.vmdk".to_owned(), 4000 * GIB)].into();
    });
    let wanted = [
        "blocker store/lee-esx1/local1/copies",
        "warning host/lee-esx1/memory",
    ];
    assert_eq!(keys, wanted, "{texts}");
}

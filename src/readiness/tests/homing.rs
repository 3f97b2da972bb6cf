//! VMs that are to go home.

use super::*;
use crate::hypervisor::esxi::process::RunningVm;
use crate::hypervisor::esxi::storage::Volumes;
use crate::names::HostName;
use crate::plan::{self, PlanInputs};
use crate::runbook::model::{Mode, Section, SiteRole};
use crate::transfer::{Item, VmFiles};
use crate::vmfiles::FileKind;

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
            files: disk(vm, 10 * GIB),
            memory: Ok(Some(4 * GIB)),
            vmx: Ok(vmx(vm, 19)),
        };
        leeds.leaving.insert(vm.into(), Ok(leaving));
        let comes = files(&format!("{vm}-flat.vmdk"), &[]);
        leeds.brought.insert(vm.into(), Ok(Ok(comes)));
    }
    let home = lon(&mut seen);
    home.groups = Ok(vec![group(0)]);
    for vm in VMS {
        home.taken.insert(vm.into(), disk(vm, 9 * GIB));
        home.homes.insert(vm.into(), Ok(Some(vmx(vm, 19))));
    }
    seen
}

/// Its .vmx, which names its one disk.
fn vmx(vm: &str, version: u32) -> Vec<u8> {
    format!(
        "virtualHW.version = \"{version}\"\nscsi0.present = \"TRUE\"\nscsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"{vm}-flat.vmdk\"\n"
    )
    .into_bytes()
}

/// What comes of a VM with this one disk, under the name that it gets, and files that this rests on.
fn files(disk: &str, below: &[&str]) -> VmFiles {
    let item = |name: &str| Item {
        name: name.to_owned(),
        kind: FileKind::Descriptor,
        at: name.to_owned(),
        bytes: 1,
        sum: None,
        recorded: false,
        text: None,
    };
    VmFiles {
        items: std::iter::once(disk)
            .chain(below.iter().copied())
            .map(item)
            .collect(),
        slots: [("scsi0:0".to_owned(), disk.to_owned())].into(),
        ..VmFiles::default()
    }
}

fn brings(seen: &mut Seen, files: VmFiles) {
    lee(seen).brought.insert("sql01".into(), Ok(Ok(files)));
}

fn disk(vm: &str, bytes: u64) -> Files {
    [(format!("{vm}-flat.vmdk"), bytes)].into()
}

fn lon(seen: &mut Seen) -> &mut EsxiSeen {
    at(seen, "lon-esx1").esxi.as_deref_mut().unwrap()
}

fn found_of(change: impl FnOnce(&mut Task, &mut Seen)) -> (Vec<String>, String) {
    let (mut task, mut seen) = (task(), seen());
    change(&mut task, &mut seen);
    told(&judge(&task, &seen))
}

fn found(change: impl FnOnce(&mut Seen)) -> (Vec<String>, String) {
    found_of(|_, seen| change(seen))
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
fn a_vm_is_taken_home_from_and_to_datastores_that_are_named_by_uuid() {
    let by_uuid = |task: &mut Task| {
        let runbook = Arc::make_mut(&mut task.runbook);
        for place in runbook
            .vms
            .values_mut()
            .flat_map(|vm| [vm.protected.as_mut(), vm.recovery.as_mut()])
            .flatten()
        {
            place.datastore = "local1-uuid".into();
        }
    };
    let (keys, texts) = found_of(|task, _| by_uuid(task));
    assert_eq!(keys, [""; 0], "{texts}");
    let (keys, texts) = found_of(|task, seen| {
        by_uuid(task);
        let config_file = "/vmfs/volumes/local1-uuid/sql01/sql01.vmx".into();
        lon(seen).running = Ok(vec![RunningVm {
            world_id: 1,
            uuid_bios: registered(1, "sql01").identity.uuid,
            config_file,
            name: "sql01".into(),
        }]);
    });
    assert_eq!(keys, ["blocker vm/sql01/twice"], "{texts}");
}

#[test]
fn what_comes_home_lies_beside_the_originals_or_in_their_place() {
    let with = |free| found(|seen| lon(seen).volumes = Ok(Volumes(vec![volume("local1", free)])));
    let (keys, texts) = with(34 * GIB);
    assert_eq!(keys, ["warning store/lon-esx1/local1/swap"]);
    assert!(
        texts.contains(
            "has 4.0 GiB free once they are there, and their swap files take up to 12.0 GiB"
        ),
        "{texts}"
    );
    // Two are cloned, which leaves the third its own disk alone.
    let (keys, texts) = with(21 * GIB);
    assert_eq!(
        keys,
        [
            "warning store/lon-esx1/local1/copies",
            "warning store/lon-esx1/local1/swap"
        ]
    );
    assert!(texts.contains("30.0 GiB are needed"), "{texts}");
    assert!(texts.contains("what they were, of sql01;"), "{texts}");
    // The clones leave nothing, though all would have room in place.
    let (keys, texts) = with(20 * GIB);
    assert_eq!(keys, ["blocker store/lon-esx1/local1/copies"]);
    assert!(texts.contains("the turn of sql01"), "{texts}");
}

#[test]
fn memory_is_counted_by_what_the_vms_take_where_they_run() {
    let (keys, texts) = found(|seen| {
        let summary = lon(seen).summary.as_mut().unwrap();
        summary.memory_used = Some(60 * GIB);
    });
    assert_eq!(keys, ["warning host/lon-esx1/memory"]);
    assert!(texts.contains("12.0 GiB are needed"), "{texts}");
    let untold = |seen: &mut Seen| {
        let told = lee(seen).leaving.get_mut(&VmName::from("sql01"));
        told.unwrap().as_mut().unwrap().memory = Err(silent("how much memory", true));
    };
    let (keys, texts) = found(untold);
    assert_eq!(
        keys,
        ["warning host/lon-esx1/memory", "note host/lee-esx1/extras"]
    );
    assert!(texts.contains("is not known: sql01"), "{texts}");
    let (keys, _) = found(|seen| {
        untold(seen);
        lon(seen).volumes = Ok(Volumes(vec![volume("local1", 20 * GIB)]));
    });
    assert!(
        keys.contains(&"blocker store/lon-esx1/local1/copies".to_owned()),
        "{keys:?}"
    );
}

#[test]
fn a_vm_that_is_not_there_or_runs_at_home_too_does_not_go() {
    let (keys, texts) = found(|seen| {
        let leeds = lee(seen);
        leeds.registered.as_mut().unwrap().remove(0);
        leeds.leaving.remove(&VmName::from("sql01"));
    });
    assert_eq!(keys, ["blocker vm/sql01/from"]);
    assert!(texts.contains("no other host of that site"), "{texts}");
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

#[test]
fn what_lies_outside_its_folder_takes_room_at_home_too() {
    let apart = |seen: &mut Seen, bytes| {
        let disk = "/vmfs/volumes/d2/sql01/sql01.vmdk".to_owned();
        lee(seen)
            .apart
            .insert("sql01".into(), vec![Apart { disk, bytes }]);
    };
    let with = |bytes: u64| found(|seen| apart(seen, Ok(Some(bytes))));
    assert_eq!(with(GIB).0, ["note vm/sql01/apart"]);
    let (_, texts) = found(|seen| {
        apart(seen, Err(silent("what lies in a VM's folder", false)));
        lon(seen).volumes = Ok(Volumes(vec![volume("local1", GIB)]));
    });
    assert!(texts.contains("not counted: sql01"), "{texts}");
    let (keys, texts) = with(1 << 50);
    assert_eq!(keys[0], "blocker store/lon-esx1/local1/copies", "{texts}");
}

#[test]
fn a_vm_that_was_moved_there_goes_home_from_where_it_is() {
    let moved = |task: &mut Task, seen: &mut Seen| {
        let mut runbook = (*task.runbook).clone();
        let host = runbook.hosts[&HostName::from("lee-esx1")].clone();
        runbook.hosts.insert("lee-esx2".into(), host);
        task.runbook = Arc::new(runbook);
        let here = lee(seen).registered.as_mut().unwrap().remove(0);
        let told = lee(seen).leaving.remove(&VmName::from("sql01")).unwrap();
        let mut esxi = fixture::esxi();
        esxi.registered = Ok(vec![here]);
        esxi.leaving.insert("sql01".into(), told);
        seen.hosts
            .insert("lee-esx2".into(), fixture::host(Some(esxi)));
    };
    let (keys, texts) = found_of(moved);
    assert_eq!(keys, ["note vm/sql01/from"]);
    assert!(texts.contains("not on lee-esx1"), "{texts}");
    let (keys, _) = found_of(|task, seen| {
        moved(task, seen);
        lon(seen).summary.as_mut().unwrap().memory_used = Some(53 * GIB);
    });
    assert_eq!(keys[0], "warning host/lon-esx1/memory", "it is counted");
    // Another machine of that name is not taken for it.
    let (keys, _) = found_of(|task, seen| {
        moved(task, seen);
        let other = at(seen, "lee-esx2").esxi.as_deref_mut().unwrap();
        other.registered.as_mut().unwrap()[0].identity = registered(1, "x").identity;
    });
    assert_eq!(keys, ["blocker vm/sql01/from"]);
}

#[test]
fn a_lock_at_either_end_is_in_the_way() {
    for host in ["lee-esx1", "lon-esx1"] {
        let (keys, _) = found(|seen| {
            let esxi = at(seen, host).esxi.as_deref_mut().unwrap();
            esxi.holders
                .insert("sql01".into(), Ok("run x of bob".into()));
        });
        assert_eq!(keys, ["blocker vm/sql01/lock"], "{host}");
    }
}

#[test]
fn what_rests_on_the_host_that_they_leave_is_not_mended_by_its_silence() {
    let task = task();
    let mut before = seen();
    let mut twin = registered(9, "sql01");
    twin.path = "old/sql01.vmx".into();
    lon(&mut before).registered.as_mut().unwrap().push(twin);
    lon(&mut before).volumes = Ok(Volumes(vec![volume("local1", 20 * GIB)]));
    lon(&mut before).summary.as_mut().unwrap().memory_used = Some(60 * GIB);
    let found = judge(&task, &before);
    assert_eq!(found.len(), 3);
    let mut now = before.clone();
    let shut = Shut::unknown(&"lee-esx1".into());
    now.hosts.insert("lee-esx1".into(), Err(shut));
    let mut still = judge(&task, &now);
    carry_over(&task, &now, &found, &mut still);
    let gone = changes(&found, &still);
    assert!(
        gone.iter().all(|change| !matches!(change, Change::Gone(_))),
        "{gone:?}"
    );
    let mended = seen();
    let mut still = judge(&task, &mended);
    carry_over(&task, &mended, &found, &mut still);
    assert_eq!(still, []);
}

#[test]
fn a_drill_that_stands_where_they_leave_holds_nothing_up() {
    let (keys, texts) = found_of(|task, _| {
        let on = ["sql01".into()].into();
        let holds = Holds {
            on,
            ..Holds::default()
        };
        task.drills.push(OpenDrill {
            run: "20260101-000000-dddd".into(),
            stage: "cleanup due".to_owned(),
            kept: false,
            holds: [("lee-esx1".into(), holds)].into(),
        });
    });
    assert_eq!(keys, ["note run/20260101-000000-dddd"]);
    assert!(!texts.contains("first"), "{texts}");
}

#[test]
fn a_vmx_that_comes_home_because_the_disks_are_others_is_named() {
    let (keys, texts) = found(|seen| {
        brings(seen, files("sql01-000001.vmdk", &["sql01-flat.vmdk"]));
    });
    assert_eq!(keys, ["note vm/sql01/disks"]);
    assert!(
        texts.contains("has sql01-flat.vmdk as scsi0:0, for which sql01-000001.vmdk comes"),
        "{texts}"
    );
}

#[test]
fn of_a_vm_whose_disks_cannot_be_copied_that_is_told_alone() {
    let (keys, texts) = found(|seen| {
        let old = lon(seen).homes.get_mut(&VmName::from("sql01")).unwrap();
        *old = Ok(Some(vmx("old", 19)));
        let fault = Fault::new("it is encrypted", "lee-esx1", "", "decrypt it");
        lee(seen).brought.insert("sql01".into(), Ok(Err(fault)));
    });
    assert_eq!(keys, ["blocker vm/sql01/copied"], "{texts}");
}

#[test]
fn a_disk_from_another_datastore_is_judged_by_the_name_that_it_gets() {
    let with = |at_home: &str| {
        found(|seen| {
            brings(seen, files("sql01_1.vmdk", &[]));
            let text = String::from_utf8(vmx("sql01", 19)).unwrap();
            let text = text.replace("sql01-flat.vmdk", at_home).into_bytes();
            lon(seen).homes.insert("sql01".into(), Ok(Some(text)));
        })
    };
    // Its data would have the name of what lies in the VM's folder.
    assert_eq!(with("sql01_1.vmdk").0, [""; 0]);
    let (keys, texts) = with("sql01.vmdk");
    assert_eq!(keys, ["note vm/sql01/disks"]);
    assert!(
        texts.contains("names sql01.vmdk, which does not come"),
        "{texts}"
    );
}

#[test]
fn hardware_that_is_newer_than_the_host_at_home_is_named() {
    let home_of = |seen: &mut Seen, release: &str| {
        let version = lon(seen).version.as_mut().unwrap();
        version.version = release.to_owned();
    };
    let away = |seen: &mut Seen, bytes: Vec<u8>| {
        let told = lee(seen).leaving.get_mut(&VmName::from("sql01"));
        told.unwrap().as_mut().unwrap().vmx = Ok(bytes);
    };
    let (keys, texts) = found(|seen| {
        home_of(seen, "7.0.3");
        away(seen, vmx("sql01", 21));
    });
    assert_eq!(keys, ["warning vm/sql01/hardware"]);
    assert!(
        texts.contains("version 21, and lon-esx1 runs up to 19"),
        "{texts}"
    );
    assert!(
        texts.contains("sees hardware of version 19 again"),
        "{texts}"
    );
    // The .vmx at home names a disk that is no more, so the other one comes.
    let comes = |seen: &mut Seen, bytes: Vec<u8>| {
        home_of(seen, "7.0.3");
        away(seen, bytes);
        let old = lon(seen).homes.get_mut(&VmName::from("sql01")).unwrap();
        *old = Ok(Some(vmx("old", 19)));
    };
    let (keys, texts) = found(|seen| comes(seen, vmx("sql01", 21)));
    assert_eq!(keys, ["note vm/sql01/disks", "note vm/sql01/hardware"]);
    assert!(
        texts.contains("changed to that before it is registered"),
        "{texts}"
    );
    let mut needing = vmx("sql01", 21);
    needing.extend(b"numvcpus = \"900\"\n");
    let (keys, texts) = found(|seen| comes(seen, needing));
    assert_eq!(keys, ["blocker vm/sql01/hardware", "note vm/sql01/disks"]);
    assert!(texts.contains("900 processors"), "{texts}");
    // Two of a kind: nothing is said where nothing is newer, or nothing is known.
    let (keys, _) = found(|seen| away(seen, vmx("sql01", 20)));
    assert_eq!(keys, [""; 0]);
}

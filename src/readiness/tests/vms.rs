//! What is wrong with a VM: its restore points, its configuration, its disks, its home.

use super::*;

#[test]
fn restore_points_are_there_young_and_sound() {
    only("blocker vm/sql01/point", "no restore point", |_, seen| {
        let none = PointsSeen {
            points: Vec::new(),
            used: Err(NoPoint::None),
        };
        seen.points.insert("sql01".into(), Ok(none));
    });
    only("blocker vm/sql01/point", "hostd", |_, seen| {
        seen.points
            .insert("sql01".into(), Err(silent("its restore points", false)));
    });
    // Its RPO is half a day.
    for (stamp, words) in [
        ("20260101T230000Z", "up to twice the objective of 12h"),
        ("20251220T100000Z", "beyond four times"),
    ] {
        only("warning vm/sql01/age", words, |_, seen| {
            used(seen, "sql01").point = point("sql01", stamp);
        });
    }
    only("warning vm/sql01/age", "younger than", |_, seen| {
        used(seen, "sql01").point = point("sql01", "20260102T130000Z");
    });
    only("warning vm/web01/newer-points", "cut off", |_, seen| {
        let newer = ("20260102T110000Z".to_owned(), "cut off".to_owned());
        used(seen, "web01").passed_over.push(newer);
    });
    only(
        "note vm/web01/older-points",
        "a snapshot of itself",
        |_, seen| {
            let mut older = point("web01", "20260101T100000Z");
            older.flaws = vec![Flaw::Circle {
                name: "a.vmdk".into(),
            }];
            let points = seen.points.get_mut(&VmName::from("web01")).unwrap();
            points.as_mut().unwrap().points.push(older);
        },
    );
    only("note vm/web01/remarks", "source unverified", |_, seen| {
        used(seen, "web01").point.verified = false;
    });
    only(
        "note vm/web01/remarks",
        "restore point 20260102T100000Z of web01: its time is a guess",
        |_, seen| {
            let point = &mut used(seen, "web01").point;
            point.dated = Dated::Configuration;
            point.remarks = vec!["its time is a guess".to_owned()];
        },
    );
}

#[test]
fn a_configuration_that_does_not_fit_is_named_and_one_that_is_changed_noted() {
    let with = |seen: &mut Seen, line: &str| {
        let mut bytes = vmx("web01");
        bytes.extend(line.as_bytes());
        used(seen, "web01").vmx = Ok(Some(bytes));
    };
    only("blocker vm/web01/vmx", "encrypted", |_, seen| {
        with(
            seen,
            "encryption.keySafe = \"vmware:key/list\"\nencryption.data = \"x\"\n",
        );
    });
    only(
        "blocker vm/web01/vmx",
        "memsize stands on lines",
        |_, seen| {
            with(seen, "memSize = \"64\"\nmemsize = \"128\"\n");
        },
    );
    only("note vm/web01/changes", "ide1:0", |_, seen| {
        with(
            seen,
            "ide1:0.present = \"TRUE\"\nide1:0.deviceType = \"cdrom-image\"\nide1:0.fileName = \"/vmfs/volumes/gone/a.iso\"\n",
        );
    });
}

#[test]
fn what_there_may_be_one_of_only_is_compared() {
    only(
        "blocker vm/web01/twin/lee-esx1/[local1] copy/copy.vmx",
        "the same uuid.bios",
        |_, seen| {
            let mut twin = registered(9, "copy");
            twin.identity = registered(1, "web01").identity;
            lee(seen).registered = Ok(vec![twin]);
        },
    );
    only(
        "warning host/lee-esx1/unread/[local1] copy/copy.vmx",
        "cannot be read: Device or resource busy",
        |_, seen| {
            let mut unread = registered(9, "copy");
            unread.identity.uuid = None;
            unread.unread = Some("Device or resource busy".into());
            lee(seen).registered = Ok(vec![unread]);
        },
    );
    let drilled = "drill-20260101-000000-dddd-web01";
    only(
        &format!("blocker vm/web01/twin/lee-esx1/[local1] {drilled}/{drilled}.vmx"),
        "`lifeboat cleanup 20260101-000000-dddd`",
        |_, seen| {
            let mut twin = registered(9, drilled);
            twin.identity = registered(1, "web01").identity;
            lee(seen).registered = Ok(vec![twin]);
        },
    );
    only(
        "warning vm/web01/namesake/lee-esx1/[local1] old/web01.vmx",
        "called web01",
        |_, seen| {
            let mut other = registered(9, "web01");
            other.path = "old/web01.vmx".into();
            other.identity = registered(1, "other").identity;
            lee(seen).registered = Ok(vec![other]);
        },
    );
    let (keys, texts) = found(|_, seen| used(seen, "app01").vmx = Ok(Some(vmx("web01"))));
    assert!(
        keys[0].starts_with("blocker vm/") && keys[0].contains("/same-as/"),
        "{keys:?}"
    );
    assert!(
        keys.contains(&"warning vm/app01/backup-of".to_owned()),
        "{texts}"
    );
}

#[test]
fn the_vms_homes_are_where_the_runbook_says() {
    fn lon(seen: &mut Seen) -> &mut EsxiSeen {
        at(seen, "lon-esx1").esxi.as_deref_mut().unwrap()
    }
    only(
        "warning vm/web01/home",
        "[local1] moved/web01.vmx on lon-esx1",
        |_, seen| {
            let web01 = lon(seen).registered.as_mut().unwrap();
            web01[2].path = "moved/web01.vmx".into();
        },
    );
    let moved = |task: &mut Task, seen: &mut Seen| {
        task.ahead.push("web01".into());
        lon(seen).registered.as_mut().unwrap()[2].path = "moved/web01.vmx".into();
    };
    let sent = "it is shut down there and sent from there";
    only("warning vm/web01/home", sent, moved);
    only(
        "blocker vm/web01/home",
        "nobody can tell from where",
        |task, seen| {
            moved(task, seen);
            lon(seen).registered.as_mut().unwrap().truncate(2);
        },
    );
    only("note host/lon-esx1/autostart", "sql01, web01", |_, seen| {
        lon(seen).autostart = Ok(vec![Vmid(1), Vmid(3)]);
    });
}

#[test]
fn a_disk_outside_the_folder_of_a_vm_that_is_copied_is_named_before_it_is_shut_down() {
    let with = |bytes| {
        move |_: &mut Task, seen: &mut Seen| {
            let lon = at(seen, "lon-esx1").esxi.as_deref_mut().unwrap();
            let disk = "/vmfs/volumes/d2/web01_1.vmdk".to_owned();
            lon.apart
                .insert("web01".into(), vec![Apart { disk, bytes }]);
            lon.apart.insert("sql01".into(), Vec::new());
        }
    };
    let told = "web01 has disks outside its folder: /vmfs/volumes/d2/web01_1.vmdk";
    only("note vm/web01/apart", told, with(Ok(Some(GIB))));
    let gone = "not where its .vmx says: /vmfs/volumes/d2/web01_1.vmdk";
    only("blocker vm/web01/apart", gone, with(Ok(None)));
    let silent = silent("what lies in a VM's folder", false);
    let (keys, texts) = found(with(Err(silent)));
    assert_eq!(
        keys,
        ["warning host/lon-esx1/answers", "note vm/web01/apart"]
    );
    let unseen = "web01_1.vmdk was not looked at: hostd does not answer";
    assert!(texts.contains(unseen), "{texts}");
}

#[test]
fn a_disk_that_cannot_be_copied_is_named_before_its_vm_is_shut_down() {
    let with = |told: Told<Result<VmFiles, Fault>>| {
        move |_: &mut Task, seen: &mut Seen| {
            let lon = at(seen, "lon-esx1").esxi.as_deref_mut().unwrap();
            lon.brought.insert("web01".into(), told);
            lon.brought
                .insert("sql01".into(), Ok(Ok(VmFiles::default())));
        }
    };
    let rdm = Fault::new(
        "web01_1.vmdk only points to a device",
        "lon-esx1",
        "",
        "make a disk of it",
    );
    let told = "a disk of web01: web01_1.vmdk only points to a device";
    only("blocker vm/web01/copied", told, with(Ok(Err(rdm.clone()))));
    let (keys, _) = found(with(Err(silent("the disks of VMs", false))));
    assert_eq!(keys, ["warning host/lon-esx1/answers"]);
    let gone = |task: &mut Task, seen: &mut Seen| {
        with(Ok(Err(rdm.clone())))(task, seen);
        let lon = at(seen, "lon-esx1").esxi.as_deref_mut().unwrap();
        let (disk, bytes) = ("/vmfs/volumes/d2/web01_1.vmdk".to_owned(), Ok(None));
        lon.apart
            .insert("web01".into(), vec![Apart { disk, bytes }]);
    };
    only("blocker vm/web01/apart", "not where its .vmx says", gone);
}

#[test]
fn what_is_sent_ahead_needs_room_and_memory_before_it_is_shut_down() {
    let sent = |gib: u64, memory: u64| {
        move |task: &mut Task, seen: &mut Seen| {
            task.ahead = vec!["web01".into()];
            task.restores.shift_remove("web01");
            seen.points.remove("web01");
            let leaving = Leaving {
                files: [("web01-flat.vmdk".to_owned(), gib * GIB)].into(),
                memory: Ok(Some(memory * GIB)),
                vmx: Ok(vmx("web01")),
            };
            let lon = at(seen, "lon-esx1").esxi.as_deref_mut().unwrap();
            lon.leaving.insert("web01".into(), Ok(leaving));
            lee(seen).taken.insert("web01".into(), Files::default());
        }
    };
    assert_eq!(found(sent(1, 1)).0, [""; 0]);
    let key = "blocker store/lee-esx1/local1/copies";
    only(key, "the turn of web01", sent(4000, 1));
    // What is restored there takes its room too: six of fifty.
    assert_eq!(found(sent(43, 1)).0, [""; 0]);
    let counted = "51.0 GiB are needed to keep what lies there beside what comes: sql01 3.0 GiB, app01 3.0 GiB, web01 45.0 GiB";
    only(key, counted, sent(45, 1));
    let (keys, texts) = found(sent(1, 900));
    let of_memory = ["host/lee-esx1/memory", "store/lee-esx1/local1/swap"];
    assert_eq!(
        keys,
        of_memory.map(|key| format!("warning {key}")),
        "{texts}"
    );
}

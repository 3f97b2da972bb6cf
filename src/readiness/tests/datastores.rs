//! What is wrong with a datastore: its mount, its kind, its room.

use super::*;

#[test]
fn datastores_are_there_once_and_usable() {
    let key = "blocker store/lee-esx1/local1/there";
    fn volumes(seen: &mut Seen) -> &mut Vec<Volume> {
        &mut lee(seen).volumes.as_mut().unwrap().0
    }
    only(key, "there are other", |_, seen| {
        volumes(seen)[0].label = "other".into()
    });
    only(key, "made of a copy", |_, seen| {
        volumes(seen)[0].label = "snap-1a2b-local1".into()
    });
    only(key, "two volumes", |_, seen| {
        volumes(seen).push(volume("local1", GIB))
    });
    only(key, "not mounted", |_, seen| {
        volumes(seen)[0].mounted = false
    });
    only(key, "own system", |_, seen| {
        volumes(seen)[0].kind = "VMFSOS".into()
    });
    only(key, "datastore local1 takes no writes", |_, seen| {
        lee(seen).access.insert("local1".into(), Ok(Access::Closed));
    });
    for (kind, namespace) in [("NFS", "nfs"), ("NFS41", "nfs41")] {
        let list = format!("read-only (`esxcli storage {namespace} list`)");
        only(key, &list, |_, seen| {
            volumes(seen)[0].kind = kind.into();
            lee(seen).nfs = vec![Ok(vec![mounted("local1", Some(true))])];
        });
    }
    only(key, "has no folder that can be opened", |_, seen| {
        lee(seen).access.insert("local1".into(), Ok(Access::Gone));
    });
    only(key, "snapshot mount -l local1", |_, seen| {
        volumes(seen).clear();
        lee(seen).replicas = Ok(vec![Replica {
            label: "local1".into(),
            uuid: "u".into(),
            can_mount: true,
            why_not: String::new(),
        }]);
    });
}

#[test]
fn a_mount_that_takes_writes_or_is_another_or_tells_nothing_is_no_finding() {
    for mount in [
        mounted("local1", Some(false)),
        mounted("local1", None),
        mounted("isos", Some(true)),
    ] {
        let (keys, texts) = found(|_, seen| {
            lee(seen).volumes.as_mut().unwrap().0[0].kind = "NFS".into();
            lee(seen).nfs = vec![Ok(vec![mount])];
        });
        assert_eq!(keys, [""; 0], "{texts}");
    }
}

#[test]
fn everything_that_lands_on_a_datastore_needs_room_there() {
    // Three times two for the files, and one of swap each.
    let key = "blocker store/lee-esx1/local1/room";
    let free = |seen: &mut Seen, bytes| lee(seen).volumes.as_mut().unwrap().0[0].free = bytes;
    only(key, "free 1.0 GiB there", |_, seen| free(seen, 8 * GIB));
    assert_eq!(found(|_, seen| free(seen, 9 * GIB)).0, [""; 0]);
    only(
        "warning store/lee-esx1/local1/room",
        "may be needed",
        |_, seen| {
            free(seen, 9 * GIB);
            used(seen, "web01").needs.as_mut().unwrap().files.most = 9 * GIB;
        },
    );
}

#[test]
fn hosts_that_share_a_datastore_share_its_room() {
    let with = |shared: bool| {
        found(move |task, seen| {
            let mut runbook = (*task.runbook).clone();
            let host = runbook.hosts[&HostName::from("lee-esx1")].clone();
            runbook.hosts.insert("lee-esx2".into(), host);
            let web01 = runbook.vms.get_mut(&VmName::from("web01")).unwrap();
            web01.recovery.as_mut().unwrap().host = "lee-esx2".into();
            task.runbook = Arc::new(runbook);
            lee(seen).volumes.as_mut().unwrap().0[0].free = 8 * GIB;
            let mut other = lee(seen).clone();
            if !shared {
                other.volumes.as_mut().unwrap().0[0].uuid = "its own".into();
            }
            seen.hosts
                .insert("lee-esx2".into(), fixture::host(Some(other)));
        })
    };
    assert_eq!(with(false).0, [""; 0]);
    let (keys, texts) = with(true);
    assert_eq!(keys, ["blocker store/lee-esx1/local1/room"], "{texts}");
    assert!(texts.contains("9.0 GiB are needed: "), "{texts}");
}

#[test]
fn a_datastore_of_objects_is_no_place_for_files() {
    for kind in ["vsan", "VVOL"] {
        let told = format!("is of the kind {kind}: its disks are objects and not files");
        only("blocker store/lee-esx1/local1/there", &told, |_, seen| {
            let lee = at(seen, "lee-esx1").esxi.as_deref_mut().unwrap();
            for volume in &mut lee.volumes.as_mut().unwrap().0 {
                volume.kind = kind.to_owned();
            }
        });
    }
}

#[test]
fn a_vm_that_lies_on_a_datastore_of_objects_already_is_not_stopped_by_it() {
    let lies_there = |vms: &'static [&str]| {
        move |task: &mut Task, seen: &mut Seen| {
            for vm in vms {
                task.restores.shift_remove(*vm);
                seen.points.remove(*vm);
            }
            let volumes = lee(seen).volumes.as_mut().unwrap();
            volumes.0[0].kind = "vsan".to_owned();
        }
    };
    let (_, texts) = found(lies_there(&["sql01", "app01", "web01"]));
    assert!(!texts.contains("objects"), "{texts}");
    let (mut task, mut seen) = (task(), seen());
    lies_there(&["sql01"])(&mut task, &mut seen);
    let findings = judge(&task, &seen);
    let stopped = findings.iter().find(|one| one.key.ends_with("/there"));
    let stopped: Vec<&str> = stopped.unwrap().vms.iter().map(VmName::as_str).collect();
    assert_eq!(stopped, ["app01", "web01"]);
}

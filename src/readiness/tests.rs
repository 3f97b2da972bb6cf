//! The judges, on a site in which one thing at a time is wrong.

mod by_uuid;
mod fixture;
mod homing;
mod mounts;
mod planned;
mod prestaged;
mod rows;

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
fn a_shut_host_weighs_as_much_as_what_depends_on_it() {
    let shut = |host: &str| {
        let error = HostError::Refused {
            address: "192.0.2.1:22".into(),
        };
        Err(Shut::new(&host.into(), &error))
    };
    let close = |seen: &mut Seen, host: &str| {
        seen.hosts.insert(host.into(), shut(host));
    };
    only("warning host/lon-esx1/reach", "vouched for", |_, seen| {
        close(seen, "lon-esx1")
    });
    only("blocker host/lee-esx1/reach", "sql01, web01", |_, seen| {
        close(seen, "lee-esx1")
    });
    only(
        "blocker host/lee-bk1/reach",
        "refused the connection",
        |_, seen| {
            close(seen, "lee-bk1");
            seen.points.clear();
        },
    );
    // Two hosts behind one hop are one finding.
    only(
        "blocker host/bastion/reach",
        "lon-esx1, lee-esx1 are behind it",
        |_, seen| {
            for host in ["lon-esx1", "lee-esx1"] {
                let error = HostError::Hop {
                    hop: "bastion".into(),
                    cause: Box::new(HostError::Refused {
                        address: "192.0.2.9:22".into(),
                    }),
                };
                let shut = Shut::new(&host.into(), &error);
                seen.hosts.insert(host.into(), Err(shut));
            }
        },
    );
}

#[test]
fn missing_answers_of_a_host_are_one_finding_and_what_few_hosts_tell_a_note() {
    only(
        "blocker host/lee-esx1/answers",
        "its port groups, its virtual switches",
        |_, seen| {
            lee(seen).groups = Err(silent("its port groups", false));
            lee(seen).switches = Err(silent("its virtual switches", false));
        },
    );
    only("note host/lee-esx1/extras", "its licences", |_, seen| {
        lee(seen).licences = Err(silent("its licences", true));
    });
}

#[test]
fn hosts_are_judged_by_what_they_say_of_themselves() {
    only("warning host/lee-esx1/clock", "2m 1s ahead", |_, seen| {
        at(seen, "lee-esx1").clock.as_mut().unwrap().host = now() + SignedDuration::from_secs(121);
    });
    only("warning host/lee-bk1/clock", "9m 59s behind", |_, seen| {
        at(seen, "lee-bk1").clock.as_mut().unwrap().host = now() - SignedDuration::from_secs(600);
    });
    only("warning host/lee-bk1/channels", "MaxSessions", |_, seen| {
        at(seen, "lee-bk1").one_channel = true;
    });
    only(
        "blocker host/lee-bk1/programs",
        "it lacks stat, dd",
        |_, seen| {
            at(seen, "lee-bk1").lacks = Ok(vec!["stat".into(), "dd".into()]);
        },
    );
    only("note host/lee-bk1/extras", "which programs", |_, seen| {
        at(seen, "lee-bk1").lacks = Err(silent("which programs it has", true));
    });
    only("warning host/lee-esx1/slow", "takes 9.8 s", |_, seen| {
        at(seen, "lee-esx1").slow_call = Some(Duration::from_millis(9840));
    });
    only(
        "blocker host/lee-esx1/maintenance",
        "maintenance",
        |_, seen| {
            lee(seen).summary.as_mut().unwrap().in_maintenance = Some(true);
        },
    );
    only("warning host/lee-esx1/vcenter", "192.0.2.5", |_, seen| {
        lee(seen).summary.as_mut().unwrap().managed_by = Some("192.0.2.5".into());
    });
    only("note host/lee-esx1/release", "9.9.0", |_, seen| {
        lee(seen).version.as_mut().unwrap().version = "9.9.0".into();
    });
    only(
        "blocker host/lee-esx1/release",
        "it is VMware ESX 4.1.0: a restore needs 5.0 or later",
        |_, seen| {
            let esxi = lee(seen);
            let version = esxi.version.as_mut().unwrap();
            (version.product, version.version) = ("VMware ESX".into(), "4.1.0".into());
            // Nothing else was asked there.
            esxi.volumes = Err(silent("its volumes", false));
            esxi.running = Err(silent("what runs there", false));
            esxi.licences = Err(silent("its licences", true));
        },
    );
    for (days, key) in [
        (-1, "blocker host/lee-esx1/licence"),
        (20, "warning host/lee-esx1/licence"),
        (50, "note host/lee-esx1/licence"),
    ] {
        only(key, "evaluation", |_, seen| {
            lee(seen).licences = Ok(vec![Licence {
                name: "Evaluation".into(),
                evaluation: true,
                expires: Some(now() + SignedDuration::from_hours(24 * days)),
            }]);
        });
    }
}

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
fn port_groups_exist_or_can_be_made_and_lead_out() {
    let key = "blocker network/lee-esx1/Recovered Production/there";
    let group = |vlan| PortGroup {
        name: "Recovered Production".into(),
        vswitch: "vSwitch0".into(),
        vlan,
        active_clients: 0,
    };
    assert_eq!(
        found(|_, seen| lee(seen).groups = Ok(vec![group(20)])).0,
        [""; 0]
    );
    only(key, "VLAN 30", |_, seen| {
        lee(seen).groups = Ok(vec![group(30)])
    });
    only(key, "no virtual switch vSwitch0", |_, seen| {
        lee(seen).switches = Ok(Vec::new())
    });
    let key = "warning network/lee-esx1/Recovered Production/uplink";
    only(key, "(vmnic0)", |_, seen| {
        lee(seen).nics.as_mut().unwrap()[0].up = false
    });
    only(key, "has no uplink", |_, seen| {
        lee(seen).switches.as_mut().unwrap()[0].uplinks.clear();
    });
}

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

#[test]
fn memory_is_counted_with_what_will_be_freed() {
    let spare = |name: &str, gib, runs| SpareSeen {
        name: name.to_owned(),
        runs,
        memory: Some(gib * GIB),
    };
    // Three VMs of 1 GiB come to a host with 64 GiB.
    let used = |seen: &mut Seen, gib| {
        lee(seen).summary.as_mut().unwrap().memory_used = Some(gib * GIB);
    };
    only(
        "warning host/lee-esx1/memory",
        "2.0 GiB of memory are free, and 3.0 GiB are needed",
        |_, seen| used(seen, 62),
    );
    let off = spare("lab-2", 8, false);
    only(
        "warning host/lee-esx1/memory",
        "free 1.0 GiB more",
        |_, seen| {
            used(seen, 63);
            lee(seen).spares = Ok(vec![spare("lab-1", 1, true), off.clone()]);
        },
    );
    only(
        "note host/lee-esx1/memory",
        "up to 2.0 GiB (lab-1)",
        |_, seen| {
            used(seen, 63);
            lee(seen).spares = Ok(vec![spare("lab-1", 2, true), off.clone()]);
        },
    );
    let (_, texts) = found(|_, seen| {
        used(seen, 63);
        lee(seen).spares = Err(silent("how large its expendable VMs are", true));
    });
    assert!(
        texts.contains("what free_capacity gives is not known"),
        "{texts}"
    );
    assert_eq!(found(|_, seen| used(seen, 61)).0, [""; 0]);
    let frees = |task: &mut Task| {
        let vms = "\nvms:\n  \"lab-*\": { recovery: { host: lee-esx1 }, role: expendable }
  lba-1: { recovery: { host: lee-esx1 }, role: expendable }\n";
        let text = RUNBOOK.replacen("\nvms:\n", vms, 1);
        let loaded = runbook::load("r.yaml", &text, &runbook::Limits::default());
        task.runbook = Arc::new(loaded.unwrap().runbook);
        task.frees = vec!["lab-*".into(), "lba-1".into()];
    };
    let key = "note host/lee-esx1/spares";
    only(key, "called lab-*, lba-1", |task, _| frees(task));
    only(key, "called lba-1", |task, seen| {
        frees(task);
        lee(seen).spares = Ok(vec![spare("lab-1", 1, true)]);
    });
    let (_, texts) = found(|task, seen| {
        frees(task);
        lee(seen).registered = Err(silent("what is registered there", false));
    });
    assert!(!texts.contains("called"), "{texts}");

    // A host that does not tell how large they are takes nothing back.
    let (mut task, mut seen) = (task(), seen());
    frees(&mut task);
    used(&mut seen, 63);
    let before = judge(&task, &seen);
    assert_eq!(before.len(), 2, "{before:?}");
    lee(&mut seen).spares = Err(silent("how large its expendable VMs are", true));
    let mut now = judge(&task, &seen);
    carry_over(&task, &seen, &before, &mut now);
    let changed = changes(&before, &now);
    assert!(
        matches!(changed.as_slice(), [Change::New(found)] if found.key == "host/lee-esx1/extras"),
        "{changed:?}"
    );
}

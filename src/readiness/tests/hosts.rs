//! What is wrong with a host itself: its answers, its networks, its memory.

use super::*;

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

//! A VM whose files alone are restored, into a machine that stands ready.

use super::*;
use crate::hypervisor::esxi::process::RunningVm;

const BY_AGENT: &str = include_str!("../../../runbooks/v2v-agent-restore.yaml");
const STANDBY: &str = include_str!("../../../runbooks/replicated-by-agent.yaml");

/// hr01 serves in London; in Leeds it stands ready, switched off, so that nothing in it answers.
fn site() -> Seen {
    let (mut home, mut away) = (esxi(), esxi());
    home.registered = Ok(vec![registered(1, "hr01")]);
    let mut ready = registered(1, "hr01");
    ready.path = "hr01-prestaged/hr01.vmx".into();
    away.registered = Ok(vec![ready]);
    away.groups = Ok(vec![PortGroup {
        name: "VM Network".into(),
        vswitch: "vSwitch0".into(),
        vlan: 0,
        active_clients: 1,
    }]);
    let folder = vec!["hr01.vmx".to_owned(), "hr01.vmdk".to_owned()];
    away.folders.insert("hr01".into(), Ok(folder));
    let mut points = points("hr01");
    let used = points.used.as_mut().unwrap();
    used.vmx = Ok(None);
    used.needs = Ok(Needs::default());
    Seen {
        at: now(),
        hosts: [
            ("lon-esx1".into(), host(Some(home))),
            ("lee-esx1".into(), host(Some(away))),
            ("lee-bk1".into(), host(None)),
            ("hr-lon".into(), host(None)),
            ("hr-lee".into(), Err(shut("hr-lee"))),
        ]
        .into(),
        points: [("hr01".into(), Ok(points))].into(),
    }
}

fn shut(name: &str) -> Shut {
    let error = HostError::Refused {
        address: "198.51.100.61:22".into(),
    };
    Shut::new(&name.into(), &error)
}

fn judged(change: impl FnOnce(&mut Seen)) -> (Vec<String>, String) {
    let (task, mut seen) = (task_of(BY_AGENT), site());
    change(&mut seen);
    told(&judge(&task, &seen))
}

fn running(name: &str, file: &str) -> RunningVm {
    RunningVm {
        world_id: 7,
        uuid_bios: None,
        config_file: format!("/vmfs/volumes/600d-1/{file}"),
        name: name.to_owned(),
    }
}

#[test]
fn a_machine_that_stands_ready_is_no_leftover_and_its_guest_need_not_answer() {
    let (keys, texts) = judged(|_| ());
    assert_eq!(keys, ["note host/hr-lee/reach"], "{texts}");
    assert!(
        texts.contains("it is in hr01, which is off on lee-esx1"),
        "{texts}"
    );
}

#[test]
fn whoever_answers_at_the_address_of_a_guest_that_is_off_is_named() {
    let key = || "SHA256:other".to_owned();
    let changed = HostError::HostKeyChanged {
        fingerprint: key(),
        key_type: "ssh-ed25519".into(),
        known: vec![key()],
    };
    let (keys, texts) = judged(|seen| {
        let shut = Shut::new(&"hr-lee".into(), &changed);
        seen.hosts.insert("hr-lee".into(), Err(shut));
    });
    assert_eq!(keys, ["blocker host/hr-lee/reach"], "{texts}");
    assert!(texts.contains("host key changed"), "{texts}");

    let dead = HostError::Hop {
        hop: "bastion".into(),
        cause: Box::new(HostError::Refused {
            address: "bastion:22".into(),
        }),
    };
    let (keys, texts) = judged(|seen| {
        let shut = Shut::new(&"hr-lee".into(), &dead);
        seen.hosts.insert("hr-lee".into(), Err(shut));
    });
    assert_eq!(keys, ["blocker host/bastion/reach"], "{texts}");
    // A guest that is off, and that others are behind.
    let (keys, texts) = judged(|seen| {
        let error = HostError::Hop {
            hop: "hr-lee".into(),
            cause: Box::new(HostError::Refused {
                address: "198.51.100.61:22".into(),
            }),
        };
        let shut = Shut::new(&"hr-lon".into(), &error);
        seen.hosts.insert("hr-lon".into(), Err(shut));
    });
    assert_eq!(keys, ["warning host/hr-lee/reach"], "{texts}");
    assert!(texts.contains("hr-lon is behind it"), "{texts}");
}

#[test]
fn a_machine_that_was_renamed_while_it_runs_is_no_other_and_one_of_another_uuid_is() {
    let run = |name: &str, uuid_bios| {
        judged(|seen| {
            let vm = running(name, "hr01-prestaged/hr01.vmx");
            lee(seen).running = Ok(vec![RunningVm { uuid_bios, ..vm }]);
        })
    };
    let own = registered(1, "hr01").identity.uuid;
    let (keys, texts) = run("renamed", own);
    assert!(
        keys.contains(&"warning vm/hr01/standing".to_owned()),
        "{texts}"
    );
    let other = registered(1, "app01").identity.uuid;
    assert!(other.is_some() && other != own);
    assert_eq!(run("hr01", other).0, ["note host/hr-lee/reach"]);
}

#[test]
fn what_a_command_may_bring_there_is_a_warning_where_it_is_not_there_yet() {
    let promoted = BY_AGENT.replacen(
        "failover:\n",
        "failover:\n  - phase: Storage\n    steps:\n      - command: { host: lee-bk1, argv: [promote-the-array], effect: write }\n",
        1,
    );
    let task = task_of(&promoted);
    let mut seen = site();
    lee(&mut seen).registered = Ok(Vec::new());
    let (keys, texts) = told(&judge(&task, &seen));
    assert!(
        keys.contains(&"warning vm/hr01/standing".to_owned()),
        "{texts}"
    );
    let only_looks = promoted.replace("effect: write", "effect: read");
    let (keys, texts) = told(&judge(&task_of(&only_looks), &seen));
    assert!(
        keys.contains(&"blocker vm/hr01/standing".to_owned()),
        "{texts}"
    );
}

#[test]
fn a_machine_that_does_not_stand_ready_or_runs_already_is_named() {
    let (keys, texts) = judged(|seen| lee(seen).registered = Ok(Vec::new()));
    assert!(
        keys.contains(&"blocker vm/hr01/standing".to_owned()),
        "{texts}"
    );
    assert!(
        texts.contains("not registered from [local1] hr01-prestaged"),
        "{texts}"
    );

    let on = |seen: &mut Seen| {
        lee(seen).running = Ok(vec![running("hr01", "hr01-prestaged/hr01.vmx")]);
    };
    let (keys, texts) = judged(on);
    assert_eq!(
        keys,
        ["blocker host/hr-lee/reach", "warning vm/hr01/standing"],
        "{texts}"
    );
    assert!(texts.contains("runs already"), "{texts}");
}

#[test]
fn the_points_of_files_are_judged_as_others_are() {
    let (keys, texts) = judged(|seen| {
        used(seen, "hr01").point = point("hr01", "20251220T100000Z");
    });
    assert_eq!(
        keys,
        ["warning vm/hr01/age", "note host/hr-lee/reach"],
        "{texts}"
    );
    let (keys, texts) = judged(|seen| {
        let points = seen.points.get_mut(&VmName::from("hr01")).unwrap();
        points.as_mut().unwrap().used = Err(NoPoint::None);
    });
    assert!(
        keys.contains(&"blocker vm/hr01/point".to_owned()),
        "{keys:?} {texts}"
    );
}

#[test]
fn a_standby_that_no_step_starts_has_to_run() {
    let task = task_of(STANDBY);
    let mut away = esxi();
    away.registered = Ok(vec![registered(1, "erp01-standby")]);
    let mut seen = Seen {
        at: now(),
        hosts: [("lee-esx1".into(), host(Some(away)))].into(),
        ..Seen::default()
    };
    let (keys, texts) = told(&judge(&task, &seen));
    assert_eq!(keys, ["blocker vm/erp01-standby/standing"], "{texts}");
    assert!(texts.contains("is off, and no step starts it"), "{texts}");
    let file = "erp01-standby/erp01-standby.vmx";
    lee(&mut seen).running = Ok(vec![running("erp01-standby", file)]);
    assert_eq!(told(&judge(&task, &seen)).0, [""; 0]);
}

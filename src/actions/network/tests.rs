use super::*;
use crate::actions::registered::Entry;
use crate::actions::tests::parts::{configuration, entry, registration};
use crate::actions::tests::{blocked, done, lines, needed, step};
use crate::hypervisor::esxi::devices::Adapter;
use crate::runbook::model::PortGroupSpec;

const AS_RESTORED: &str = ".encoding = \"UTF-8\"\nethernet0.present = \"TRUE\"\nethernet0.networkName = \"VM Network\"\nethernet0.dvs.switchId = \"50 2d\"\nmsg.autoAnswer = \"TRUE\"\n";
const AS_WANTED: &str = ".encoding = \"UTF-8\"\nethernet0.present = \"TRUE\"\nethernet0.networkName = \"Recovered Production\"\nuuid.action = \"keep\"\n";

fn network() -> Network {
    let (runbook, step) = step("failover/recover/sql01/network");
    Network::new(&runbook, &step, &"sql01".into()).unwrap()
}

fn devices(network: &str) -> Devices {
    let adapter = Adapter {
        key: 4000,
        label: "Network adapter 1".into(),
        network: Some(network.into()),
        mac: None,
        connected: false,
        start_connected: true,
    };
    Devices {
        adapters: vec![adapter],
        disks: vec![],
    }
}

fn seen(text: &str, entry: Option<Entry>, joined: &str) -> Seen {
    let mut at = network().at;
    at.vmx = Some("sql01.vmx".into());
    Seen {
        at: Some(at),
        devices: entry.is_some().then(|| devices(joined)),
        registration: Known::Is(registration(entry)),
        configuration: Known::Is(configuration(text)),
        groups: Known::Is(Groups::default()),
        arrived: true,
        isolated: false,
        folder: vec!["sql01.vmx".into()],
        run: "r1".into(),
        ..Seen::default()
    }
}

fn off() -> Option<Entry> {
    Some(entry(PowerState::Off, "connected"))
}

#[test]
fn the_file_and_the_host_must_both_say_so() {
    let wanted = "Recovered Production";
    done(&network().decide(&seen(AS_WANTED, off(), wanted)));
    done(&network().decide(&seen(AS_WANTED, None, wanted)));
    let stale = network().decide(&seen(AS_WANTED, off(), "VM Network"));
    assert_eq!(lines(needed(&stale)), ["vim-cmd vmsvc/reload 7"]);
}

#[test]
fn the_edit_is_shown_as_a_diff_with_every_command() {
    let answer = network().decide(&seen(AS_RESTORED, off(), "VM Network"));
    let proposal = needed(&answer);
    assert_eq!(
        proposal.changes,
        [
            "- ethernet0.networkName = \"VM Network\"",
            "+ ethernet0.networkName = \"Recovered Production\"",
            "- ethernet0.dvs.switchId = \"50 2d\"",
            "- msg.autoAnswer = \"TRUE\"",
            "+ uuid.action = \"keep\"",
        ]
    );
    let lines = lines(proposal);
    assert!(lines[0].starts_with("keep the file as it was"), "{lines:?}");
    assert_eq!(lines.last(), Some(&"vim-cmd vmsvc/reload 7"));
    let renames: Vec<_> = lines.iter().filter(|line| line.contains("mv ")).collect();
    assert!(
        renames[0].ends_with("sql01.vmx.lifeboat-r1-before"),
        "{renames:?}"
    );
    assert!(
        renames[1].ends_with("-new /vmfs/volumes/local1/sql01/sql01.vmx"),
        "{renames:?}"
    );
}

#[test]
fn a_crash_between_the_renames_is_gone_on_from() {
    let mut half = seen(AS_RESTORED, None, "");
    let Known::Is(Configuration::Read(content)) = &mut half.configuration else {
        panic!()
    };
    content.path = "/vmfs/volumes/local1/sql01/sql01.vmx.lifeboat-r1-before".into();
    half.folder = vec![
        "sql01.vmx.lifeboat-r1-before".into(),
        "sql01.vmx.lifeboat-r1-new".into(),
    ];
    let answer = network().decide(&half);
    let lines = lines(needed(&answer));
    let renames: Vec<_> = lines.iter().filter(|line| line.contains("mv ")).collect();
    assert_eq!(
        renames.len(),
        1,
        "the old one is aside already: {renames:?}"
    );
    assert!(renames[0].ends_with("-new /vmfs/volumes/local1/sql01/sql01.vmx"));
}

#[test]
fn a_vm_that_runs_or_is_locked_is_not_edited() {
    let on = || Some(entry(PowerState::On, "connected"));
    let answer = network().decide(&seen(AS_RESTORED, on(), "VM Network"));
    assert!(blocked(&answer).what.contains("runs"));
    // Its host took uuid.action out when it started it: that is no difference any more.
    let started = AS_WANTED.replace("uuid.action = \"keep\"\n", "");
    done(&network().decide(&seen(&started, on(), "Recovered Production")));
    needed(&network().decide(&seen(&started, off(), "Recovered Production")));

    let mut locked = seen(AS_RESTORED, off(), "VM Network");
    locked.locked_by = Some("the host with the adapter 00:50:56:00:00:01".into());
    assert!(
        blocked(&network().decide(&locked))
            .what
            .contains("00:50:56:00:00:01")
    );
}

#[test]
fn a_missing_port_group_is_made_first_and_a_wrong_one_blocks() {
    let mut missing = seen(AS_RESTORED, None, "");
    let spec = PortGroupSpec {
        vswitch: "vSwitch0".into(),
        vlan: 20,
    };
    missing.groups = Known::Is(Groups {
        missing: vec![("Recovered Production".into(), spec)],
        ..Groups::default()
    });
    let answer = network().decide(&missing);
    let lines = lines(needed(&answer));
    assert_eq!(
        lines[..2],
        [
            "esxcli network vswitch standard portgroup add -p 'Recovered Production' -v vSwitch0",
            "esxcli network vswitch standard portgroup set -p 'Recovered Production' --vlan-id 20",
        ]
    );
    let mut wrong = seen(AS_RESTORED, None, "");
    let fault = Fault::new(
        "it is otherwise",
        "lee-esx1",
        "nothing was changed",
        "correct it",
    );
    wrong.groups = Known::Is(Groups {
        problems: vec![fault],
        ..Groups::default()
    });
    assert_eq!(blocked(&network().decide(&wrong)).what, "it is otherwise");
}

#[test]
fn an_adapter_that_the_vm_does_not_have_blocks() {
    let answer = network().decide(&seen("displayName = \"x\"\n", None, ""));
    assert!(
        blocked(&answer).what.contains("no adapter ethernet0"),
        "{answer:?}"
    );
}

#[test]
fn the_outline_shows_what_will_be_set() {
    let network = network();
    let answer = network.decide(&network.unknown());
    let proposal = needed(&answer);
    assert!(proposal.changes[0].starts_with("+ ethernet0.networkName = \"Recovered Production\""));
    assert!(
        lines(proposal)
            .iter()
            .any(|line| line.contains("portgroup add"))
    );
}

#[test]
fn an_adapter_whose_address_nobody_knows_comes_up_unplugged_except_in_isolation() {
    let mut network = network();
    network.wanted[0].blind = true;
    let unplugged = AS_WANTED.to_owned() + "ethernet0.startConnected = \"FALSE\"\n";
    let joined = "Recovered Production";
    let answer = network.decide(&seen(AS_WANTED, off(), joined));
    assert_eq!(
        needed(&answer).changes[0],
        "+ ethernet0.startConnected = \"FALSE\""
    );
    done(&network.decide(&seen(&unplugged, off(), joined)));
    let isolated = Seen {
        isolated: true,
        ..seen(&unplugged, off(), joined)
    };
    let answer = network.decide(&isolated);
    assert!(
        needed(&answer)
            .changes
            .contains(&"+ ethernet0.startConnected = \"TRUE\"".to_owned())
    );
    // While it runs, that is a matter of its next start.
    let on = || Some(entry(PowerState::On, "connected"));
    for file in [&unplugged, AS_WANTED] {
        done(&network.decide(&seen(
            &file.replace("uuid.action = \"keep\"\n", ""),
            on(),
            joined,
        )));
    }
}

use super::*;
use crate::actions::tests::parts::{configuration, entry, registration};
use crate::actions::tests::{blocked, done, lines, needed, step};

const VMX: &str = "displayName = \"sql01\"\n";

fn register() -> Register {
    let (runbook, step) = step("failover/recover/sql01/register");
    Register::new(&runbook, &step, &"sql01".into()).unwrap()
}

fn seen(registration: Registration, configuration: Option<Configuration>) -> Seen {
    let mut at = register().at;
    at.vmx = Some("sql01.vmx".into());
    Seen {
        twins: None,
        at: Some(at),
        registration: Known::Is(registration),
        configuration: configuration.map_or(Known::Not, Known::Is),
        around: None,
        locked_by: None,
        invalid: None,
        stale: None,
        run: "r1".into(),
    }
}

#[test]
fn an_entry_for_the_same_file_is_done_whatever_its_power() {
    for power in [PowerState::Off, PowerState::On, PowerState::Suspended] {
        let answer = register().decide(&seen(registration(Some(entry(power, "connected"))), None));
        assert!(done(&answer)[0].contains("registered as vmid 7"));
    }
}

#[test]
fn an_unreadable_entry_is_read_again_and_not_entered_twice() {
    let by_summary = seen(registration(Some(entry(PowerState::Off, "invalid"))), None);
    let mut by_number = seen(registration(None), Some(configuration(VMX)));
    by_number.invalid = Some(Vmid(7));
    for seen in [by_summary, by_number] {
        assert_eq!(
            lines(needed(&register().decide(&seen))),
            ["vim-cmd vmsvc/reload 7"]
        );
    }
}

#[test]
fn another_file_under_that_name_blocks() {
    let mut other = registration(None);
    other.namesakes = vec!["[local2] sql01/sql01.vmx".into()];
    let answer = register().decide(&seen(other, Some(configuration(VMX))));
    assert!(blocked(&answer).what.contains("[local2] sql01/sql01.vmx"));
}

#[test]
fn what_the_host_would_refuse_is_told_before() {
    let twice = "memSize = \"1\"\nMEMSIZE = \"2\"\n";
    for (configuration, what) in [
        (
            Configuration::Missing("there is no folder".into()),
            "is not there",
        ),
        (
            Configuration::Unfit {
                path: "x".into(),
                why: "it is no .vmx".into(),
            },
            "cannot be used",
        ),
        (configuration(twice), "lines 1 and 2"),
    ] {
        let answer = register().decide(&seen(registration(None), Some(configuration)));
        assert!(blocked(&answer).what.contains(what), "{answer:?}");
    }
}

#[test]
fn a_vm_that_is_missing_is_entered_and_can_be_taken_out() {
    let answer = register().decide(&seen(registration(None), Some(configuration(VMX))));
    let proposal = needed(&answer);
    assert_eq!(
        lines(proposal),
        ["vim-cmd solo/registervm /vmfs/volumes/local1/sql01/sql01.vmx"]
    );
    assert_eq!(
        proposal.undo.as_deref(),
        Some("vim-cmd vmsvc/unregister ‹vmid of sql01›")
    );
}

#[test]
fn the_outline_has_a_hole_where_the_point_decides() {
    let register = register();
    let answer = register.decide(&register.unknown());
    assert!(
        lines(needed(&answer))
            .iter()
            .all(|line| line.contains("‹.vmx of sql01›") || line.contains("sql01.vmx")),
        "{answer:?}"
    );
}

/// A place that has nothing but the .vmx.
fn unfit(text: &str) -> Seen {
    let mut seen = seen(registration(None), Some(configuration(text)));
    seen.around = Some(Surroundings {
        host: "lee-esx1".into(),
        folder: vec!["sql01.vmx".into()],
        newest_hardware: Some(21),
        came: true,
        ..Surroundings::default()
    });
    seen
}

const LEFT_OVER: &str = "displayName = \"sql01\"\nvirtualHW.version = \"22\"\nsched.swap.derivedName = \"/vmfs/volumes/x/a.vswp\"\n";

#[test]
fn what_the_host_could_not_run_is_changed_first_and_shown_with_its_reason() {
    let answer = register().decide(&unfit(LEFT_OVER));
    let proposal = needed(&answer);
    let changes = &proposal.changes;
    assert!(
        changes[0].contains("lee-esx1 could not run it"),
        "{changes:?}"
    );
    assert!(changes[1].contains("up to version 21"), "{changes:?}");
    assert_eq!(
        changes[2..4],
        [
            "- virtualHW.version = \"22\"",
            "+ virtualHW.version = \"21\""
        ]
    );
    assert!(changes[4].contains("misleads"), "{changes:?}");
    assert_eq!(
        changes[6],
        "- sched.swap.derivedName = \"/vmfs/volumes/x/a.vswp\""
    );
    assert!(changes[7].starts_with("sql01 is entered"), "{changes:?}");
    let lines = lines(proposal);
    assert!(lines[0].starts_with("keep the file as it was"), "{lines:?}");
    assert!(
        lines
            .last()
            .is_some_and(|last| last.contains("solo/registervm"))
    );
    assert!(
        proposal
            .undo
            .as_deref()
            .is_some_and(|undo| undo.contains("as it was"))
    );

    let fit = needed(&register().decide(&unfit(VMX))).clone();
    assert_eq!(
        fit.commands.len(),
        1,
        "a file that fits is not touched: {fit:?}"
    );
}

#[test]
fn an_edit_that_broke_off_between_its_renames_is_gone_on_from() {
    let mut half = unfit(LEFT_OVER);
    let Known::Is(Configuration::Read(content)) = &mut half.configuration else {
        panic!()
    };
    content.path = "/vmfs/volumes/local1/sql01/sql01.vmx.lifeboat-r1-before".into();
    let answer = register().decide(&half);
    let lines = lines(needed(&answer));
    let renames = lines.iter().filter(|line| line.contains("mv "));
    assert_eq!(
        renames.count(),
        1,
        "the old one is aside already: {lines:?}"
    );
}

#[test]
fn what_no_change_can_mend_blocks_with_a_way_on() {
    let disk = "scsi0.present = \"TRUE\"\nscsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"/vmfs/volumes/x/b.vmdk\"\n";
    let answer = register().decide(&unfit(disk));
    let fault = blocked(&answer);
    assert!(fault.what.contains("/vmfs/volumes/x/b.vmdk"), "{fault}");
    assert!(fault.next.contains("bring that disk"), "{fault}");
    let mut locked = unfit(LEFT_OVER);
    locked.locked_by = Some("the host with the adapter 00:50:56:00:00:01".into());
    assert!(
        blocked(&register().decide(&locked))
            .what
            .contains("00:50:56:00:00:01")
    );
}

#[test]
fn an_entry_that_is_invalid_gets_a_file_that_fits_before_it_is_read_again() {
    let mut seen = unfit(LEFT_OVER);
    seen.registration = Known::Is(registration(Some(entry(PowerState::Off, "invalid"))));
    let answer = register().decide(&seen);
    let lines = lines(needed(&answer));
    assert!(lines.len() > 2, "{lines:?}");
    assert_eq!(lines.last(), Some(&"vim-cmd vmsvc/reload 7"));
}

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
        at: Some(at),
        registration: Known::Is(registration),
        configuration: configuration.map_or(Known::Not, Known::Is),
        around: None,
        locked_by: None,
        invalid: None,
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
        lines(needed(&answer))[0].contains("‹.vmx of sql01›"),
        "{answer:?}"
    );
}

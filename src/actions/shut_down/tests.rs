use std::time::Duration;

use super::*;
use crate::actions::ownership::Heard;
use crate::actions::tests::parts::{copy, dark, ownership};
use crate::actions::tests::{blocked, done, lines, needed, step};
use crate::hypervisor::esxi::power::PowerState;

fn shut_down() -> ShutDown {
    let (runbook, step) = step("failback/go-home/sql01/shut_down");
    ShutDown::new(&runbook, &step, &"sql01".into()).unwrap()
}

fn seen(ownership: Ownership) -> Seen {
    Seen {
        ownership,
        onward: None,
    }
}

fn answer(told: &[Told]) -> ProbeAnswer {
    shut_down().decide(&seen(ownership("Leeds", told, Heard::NotAsked)))
}

#[test]
fn it_acts_where_the_vm_runs() {
    assert_eq!(shut_down().home.host.as_str(), "lee-esx1");
    let running = answer(&[Told::Copies(vec![copy(PowerState::On)])]);
    let proposal = needed(&running);
    assert_eq!(
        lines(proposal),
        [
            "vim-cmd vmsvc/power.shutdown 7",
            "vim-cmd vmsvc/power.off 7"
        ]
    );
    assert_eq!(proposal.risk, Some(Risk::Disruptive));
}

#[test]
fn what_is_off_is_done_even_if_another_host_is_dark() {
    done(&answer(&[Told::Copies(vec![copy(PowerState::Off)])]));
    done(&answer(&[Told::Copies(vec![]), dark()]));
}

#[test]
fn what_runs_without_an_entry_is_for_a_person() {
    let strange = Copy {
        vmid: None,
        ..copy(PowerState::On)
    };
    blocked(&answer(&[Told::Copies(vec![strange])]));
}

#[test]
fn what_is_suspended_is_not_shut_down_and_not_done_either() {
    let asleep = answer(&[Told::Copies(vec![copy(PowerState::Suspended)]), dark()]);
    let fault = blocked(&asleep);
    assert!(fault.what.contains("suspended on"), "{fault}");
    assert!(fault.next.contains("vim-cmd vmsvc/power.off 7"), "{fault}");
}

#[test]
fn a_guest_that_cannot_be_asked_is_left_to_a_person_unless_it_has_just_started() {
    let deaf = Copy {
        tools: false,
        ..copy(PowerState::On)
    };
    let told = [Told::Copies(vec![deaf.clone()])];
    let held = answer(&told);
    let fault = blocked(&held);
    assert!(fault.what.contains("its tools do not run"), "{fault}");
    assert!(fault.state.contains("was not powered off"), "{fault}");
    assert!(fault.next.contains("vim-cmd vmsvc/power.off 7"), "{fault}");

    let mut found = ownership("Leeds", &told, Heard::NotAsked);
    found.at = deaf.since.map(|since| since + Duration::from_secs(60));
    let starting = shut_down().decide(&seen(found));
    let changes = &needed(&starting).changes;
    assert!(
        changes[0].contains("tools are waited for, 5m at most"),
        "{changes:?}"
    );
    assert!(
        changes[0].contains("one that cannot be asked runs on"),
        "{changes:?}"
    );

    let at_once = ShutDown {
        way: Way::AtOnce("as the runbook says"),
        ..shut_down()
    };
    let off = at_once.decide(&seen(ownership("Leeds", &told, Heard::NotAsked)));
    assert_eq!(lines(needed(&off)), ["vim-cmd vmsvc/power.off 7"]);
}

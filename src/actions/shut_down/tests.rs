use super::*;
use crate::actions::ownership::Heard;
use crate::actions::tests::parts::{copy, dark, ownership};
use crate::actions::tests::{blocked, done, lines, needed, step};
use crate::hypervisor::esxi::power::PowerState;

fn shut_down() -> ShutDown {
    let (runbook, step) = step("failback/go-home/sql01/shut_down");
    ShutDown::new(&runbook, &step, &"sql01".into()).unwrap()
}

fn answer(told: &[Told]) -> ProbeAnswer {
    shut_down().decide(&ownership("Leeds", told, Heard::NotAsked))
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

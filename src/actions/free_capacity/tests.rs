use super::super::tests::{blocked, done, lines, needed, step};
use super::*;
use crate::engine::{BY_RULE, Consent, RunEvent};
use crate::hypervisor::esxi::Vmid;

fn spare(vm: &str, vmid: u32, power: PowerState) -> Spare {
    Spare {
        host: "lee-esx1".into(),
        vm: vm.into(),
        vmx: format!("[local1] {vm}/{vm}.vmx"),
        vmid: Vmid(vmid),
        power,
        since: None,
        tools: true,
        memory: Some(4 << 30),
    }
}

fn seen(spares: &[Spare], unheeded: &[(Spare, &str)]) -> Seen {
    let told = Told {
        spares: spares.to_vec(),
        memory: Some((16 << 30, 64 << 30)),
        ..Told::default()
    };
    let why = unheeded.iter();
    Seen {
        hosts: vec![("lee-esx1".into(), told)],
        unheeded: why
            .map(|(spare, why)| (spare.clone(), (*why).to_owned()))
            .collect(),
    }
}

fn decided(seen: &Seen) -> ProbeAnswer {
    let (runbook, step) = step("failover/recover/sql01/register");
    let keys = ["lab-*".into()];
    FreeCapacity::new(&runbook, &step, &keys).decide(seen)
}

#[test]
fn guests_are_asked_first_and_a_vm_without_one_waits_for_a_decision_of_its_own() {
    let (first, second) = (
        spare("lab-1", 7, PowerState::On),
        spare("lab-2", 8, PowerState::On),
    );
    let mut deaf = seen(
        &[first.clone(), second.clone()],
        &[(second.clone(), "its guest's tools do not run")],
    );
    let answer = decided(&deaf);
    assert!(answer.found.contains("8.0 GiB"), "{}", answer.found);
    let asked = needed(&answer);
    assert_eq!(lines(asked), ["vim-cmd vmsvc/power.shutdown 7"]);
    assert!(asked.typed.is_none() && asked.changes[1].contains("runs on for now"));

    deaf.hosts[0].1.spares[0].power = PowerState::Off;
    let answer = decided(&deaf);
    let cut = needed(&answer);
    assert_eq!(lines(cut), ["vim-cmd vmsvc/power.off 8"]);
    assert_eq!(cut.typed.as_deref(), Some(CONSENT));
    assert!(cut.changes[0].contains("may lose"), "{:?}", cut.changes);
}

#[test]
fn a_guest_that_boots_is_asked_once_it_can_be() {
    let booting = Spare {
        tools: false,
        ..spare("lab-1", 7, PowerState::On)
    };
    let answer = decided(&seen(&[booting], &[]));
    let asked = needed(&answer);
    assert_eq!(lines(asked), ["vim-cmd vmsvc/power.shutdown 7"]);
    assert!(asked.typed.is_none() && asked.changes[0].contains("has just started"));
    let now = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    let (minute, patience) = (Duration::from_secs(60), Duration::from_secs(300));
    assert!(is_deaf(false, Some(now - minute * 6), now, patience));
    assert!(is_deaf(false, None, now, patience));
    assert!(!is_deaf(false, Some(now - minute), now, patience));
    assert!(!is_deaf(true, None, now, patience));
}

#[test]
fn what_is_off_already_is_left_alone() {
    let off = seen(&[spare("lab-1", 7, PowerState::Off)], &[]);
    let answer = decided(&off);
    let lines = done(&answer);
    assert!(lines[0].starts_with("lab-1 on lee-esx1"), "{lines:?}");
    assert_eq!(lines[1], "lee-esx1 has 16.0 GiB of 64.0 GiB of memory free");
    let nobody = decided(&seen(&[], &[]));
    assert_eq!(done(&nobody)[0], "lee-esx1 has no such VM");
}

#[test]
fn what_is_powered_off_on_a_persons_word_says_whose_and_why() {
    let why = "its guest's tools do not run";
    assert_eq!(with_consent(why, None), why);
    let said = Confirmation {
        typed: Some(CONSENT.to_owned()),
        ..Confirmation::plain("alice", Consent::Person)
    };
    let told = with_consent(why, Some(&said));
    assert_eq!(told, format!("{why}; alice typed `power off`"));
}

#[test]
fn a_guest_that_did_not_obey_is_asked_again_once_it_was_down() {
    let spare = spare("lab-1", 7, PowerState::On);
    let deaf = |vmx: &str| Fact::ShutdownUnheeded {
        vm: "lab-1".into(),
        host: "lee-esx1".into(),
        vmx: vmx.to_owned(),
        why: "its guest did not shut down within 5m".to_owned(),
    };
    let freed = Fact::CapacityFreed {
        host: "lee-esx1".into(),
        name: "lab-1".into(),
        vmx: spare.vmx.clone(),
        how: "powered off".to_owned(),
    };
    assert!(unheeded(&[deaf(&spare.vmx)], &spare).is_some());
    assert!(unheeded(&[deaf("")], &spare).is_some(), "an older journal");
    assert_eq!(unheeded(&[deaf("[other] lab-1/lab-1.vmx")], &spare), None);
    assert_eq!(unheeded(&[deaf(&spare.vmx), freed], &spare), None);
}

#[test]
fn a_guest_that_did_not_obey_is_asked_again_once_a_person_retries_the_step() {
    let spare = spare("lab-1", 7, PowerState::On);
    let step = StepId::from("failover/make-room/-/free_capacity");
    let mut state = RunState::default();
    let mut stands_after = |of: &StepId, event| {
        state.tell(of.as_str(), event);
        unheeded(&still_stands(&state, &step), &spare).is_some()
    };
    let deaf = RunEvent::FactFound(Fact::ShutdownUnheeded {
        vm: "lab-1".into(),
        host: "lee-esx1".into(),
        vmx: spare.vmx.clone(),
        why: "its guest did not shut down within 5m".to_owned(),
    });
    let retried = |by: &str| RunEvent::StepRetried { by: by.to_owned() };
    assert!(stands_after(&step, deaf.clone()));
    let by_rule = stands_after(&step, retried(BY_RULE));
    assert!(by_rule, "no person has seen to it");
    assert!(!stands_after(&step, retried("alice")), "it is asked again");
    assert!(stands_after(&step, deaf), "and did not obey again");
    let other = "cleanup/bring-back/-/return_capacity".into();
    assert!(stands_after(&other, retried("alice")), "another step");
}

#[test]
fn what_runs_and_is_in_no_list_is_not_called_off() {
    let mut nobody = seen(&[], &[]);
    nobody.hosts[0].1.unread = 1;
    let answer = decided(&nobody);
    assert!(done(&answer)[1].contains("could not be read"));
    nobody.hosts[0].1.unlisted = vec!["lab-9 on lee-esx1".to_owned()];
    let answer = decided(&nobody);
    assert!(blocked(&answer).what.starts_with("lab-9 on lee-esx1"));
}

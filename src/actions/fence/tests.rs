use super::*;
use crate::actions::tests::parts::{autostart, dark, ownership};
use crate::actions::tests::{blocked, done, lines, needed, parts, step};
use crate::hypervisor::esxi::power::PowerState;

fn fence() -> Fence {
    let (runbook, step) = step("failover/recover/sql01/fence");
    Fence::new(&runbook, &step, &"sql01".into()).unwrap()
}

fn copy(power: PowerState, starts: bool) -> Copy {
    Copy {
        autostart: starts.then(autostart),
        ..parts::copy(power)
    }
}

fn seen(told: &[Told], heard: Heard, attested: bool) -> Seen {
    let mut ownership = ownership("London", told, heard);
    ownership.attested = attested.then(|| "alice: I saw it".into());
    Seen {
        ownership,
        elsewhere: None,
        shared: None,
        lives: None,
        calm: false,
    }
}

fn copies(copies: &[Copy]) -> Told {
    Told::Copies(copies.to_vec())
}

#[test]
fn not_registered_or_off_is_done_where_every_host_answered() {
    let off = copy(PowerState::Off, false);
    for told in [vec![copies(&[])], vec![copies(&[off]), copies(&[])]] {
        let answer = fence().decide(&seen(&told, Heard::Silence, false));
        assert!(!done(&answer).is_empty());
    }
}

#[test]
fn an_autostart_entry_of_a_vm_that_is_off_is_a_write_and_shown() {
    let told = [copies(&[copy(PowerState::Off, true)])];
    let answer = fence().decide(&seen(&told, Heard::Silence, false));
    let proposal = needed(&answer);
    assert_eq!(proposal.risk, Some(Risk::Write));
    assert_eq!(proposal.typed, None);
    assert_eq!(
        lines(proposal),
        ["vim-cmd hostsvc/autostartmanager/update_autostartentry 7 none 0 0 none 0 yes"]
    );
}

#[test]
fn a_vm_that_runs_is_stopped_only_for_its_typed_name() {
    let told = [copies(&[copy(PowerState::On, true)])];
    let answer = fence().decide(&seen(&told, Heard::Answer, false));
    let proposal = needed(&answer);
    assert_eq!(proposal.risk, Some(Risk::Typed));
    assert_eq!(proposal.typed.as_deref(), Some("sql01"));
    assert!(proposal.attest.is_none());
    let lines = lines(proposal);
    assert_eq!(
        lines[..2],
        [
            "vim-cmd vmsvc/power.shutdown 7",
            "vim-cmd vmsvc/power.off 7"
        ]
    );
    assert!(
        proposal.changes[0].contains("since 2026-01-01T00:00:00Z"),
        "{:?}",
        proposal.changes
    );
    assert!(
        proposal.changes[0].contains("after 5m"),
        "{:?}",
        proposal.changes
    );
}

#[test]
fn hosts_that_cannot_be_asked_need_somebody_who_vouches() {
    for told in [vec![dark()], vec![copies(&[]), dark()]] {
        let answer = fence().decide(&seen(&told, Heard::Silence, false));
        let attest = needed(&answer).attest.as_ref().unwrap();
        assert_eq!(attest.statement, "sql01 does not run in London");
        assert!(
            attest
                .evidence
                .iter()
                .any(|line| line.contains("no answer (connection refused)"))
        );
        assert!(
            attest
                .evidence
                .iter()
                .any(|line| line.contains("asked by lee-bk1 (ping)"))
        );
        let attested = fence().decide(&seen(&told, Heard::Silence, true));
        assert!(done(&attested)[0].contains("attested, not proven"));
    }
}

#[test]
fn what_can_be_done_is_done_beside_what_is_vouched_for() {
    let told = [copies(&[copy(PowerState::Off, true)]), dark()];
    let answer = fence().decide(&seen(&told, Heard::Silence, false));
    let proposal = needed(&answer);
    assert!(proposal.attest.is_some() && proposal.commands.len() == 1);
    // The attestation alone does not make it done.
    assert!(
        needed(&fence().decide(&seen(&told, Heard::Silence, true)))
            .attest
            .is_none()
    );
}

#[test]
fn an_address_that_answers_is_never_overridden() {
    for attested in [false, true] {
        let answer = fence().decide(&seen(&[dark()], Heard::Answer, attested));
        let fault = blocked(&answer);
        // A host that did not answer may run it: nobody is sent to look for another machine.
        assert!(fault.what.contains("something answers"), "{answer:?}");
        assert!(
            fault.what.contains("did not tell what they run"),
            "{answer:?}"
        );
        assert!(fault.next.contains("it may be sql01 itself"), "{answer:?}");
    }
    let strange = fence().decide(&seen(&[copies(&[])], Heard::Answer, false));
    let fault = blocked(&strange);
    assert!(
        fault.what.contains("which no listed host runs"),
        "{fault:?}"
    );
    assert!(fault.next.contains("which machine answers"), "{fault:?}");
    // Unless it is the VM itself that runs at the other site already.
    let mut moved = seen(&[copies(&[])], Heard::Answer, false);
    moved.elsewhere = Some(ownership(
        "Leeds",
        &[copies(&[copy(PowerState::On, false)])],
        Heard::NotAsked,
    ));
    done(&fence().decide(&moved));
}

#[test]
fn a_vm_that_runs_without_an_entry_cannot_be_stopped_from_here() {
    let strange = Copy {
        vmid: None,
        ..copy(PowerState::On, false)
    };
    let answer = fence().decide(&seen(&[copies(&[strange])], Heard::Silence, true));
    assert!(blocked(&answer).what.contains("without being registered"));
}

#[test]
fn a_physical_server_is_vouched_for_whatever_hosts_say() {
    let (mut runbook, step) = step("failover/recover/sql01/fence");
    let vm = runbook.vms.get_mut("sql01").unwrap();
    (vm.protected, vm.physical) = (None, Some("192.0.2.50".into()));
    let fence = Fence::new(&runbook, &step, &"sql01".into()).unwrap();
    assert!(needed(&fence.decide(&fence.unknown())).changes[1].contains("192.0.2.50"));
    let mut nobody = seen(&[], Heard::Silence, false);
    assert!(needed(&fence.decide(&nobody)).attest.is_some());
    nobody.ownership.attested = Some("alice: I pulled the plug".into());
    done(&fence.decide(&nobody));
}

#[test]
fn the_outline_asks_nobody() {
    let fence = fence();
    let answer = fence.decide(&fence.unknown());
    assert_eq!(
        lines(needed(&answer))[0],
        "vim-cmd vmsvc/power.shutdown ‹vmid of sql01›"
    );
}

#[test]
fn of_two_running_copies_a_person_chooses_and_types_the_name() {
    let on = || copies(&[copy(PowerState::On, false)]);
    let mut split = seen(&[on()], Heard::Answer, true);
    split.elsewhere = Some(ownership("Leeds", &[on()], Heard::NotAsked));
    let answer = fence().decide(&split);
    assert!(answer.found.starts_with("split brain"), "{}", answer.found);
    let proposal = needed(&answer);
    assert_eq!(proposal.typed.as_deref(), Some("sql01"));
    assert!(proposal.attest.is_none() && proposal.ask.contains_key("lives"));
    assert_eq!(proposal.commands.len(), 4, "{:?}", proposal.commands);
    // Leeds is to live: London is fenced as ever.
    split.lives = Some("Leeds".into());
    split.elsewhere = Some(ownership("Leeds", &[copies(&[])], Heard::NotAsked));
    assert!(needed(&fence().decide(&split)).ask.is_empty());
    // London is to live: done once every host of Leeds says that it does not run there.
    split.lives = Some("London".into());
    assert!(done(&fence().decide(&split))[0].contains("lives in London"));
    split.elsewhere = Some(ownership("Leeds", &[dark()], Heard::NotAsked));
    assert!(needed(&fence().decide(&split)).typed.is_some());
}

#[test]
fn nobody_is_asked_whether_a_drills_copy_lives() {
    let on = || copy(PowerState::On, false);
    let mut split = seen(&[copies(&[on()])], Heard::Answer, true);
    let drilled = Copy {
        vmx: "[local1] drill-20260102-030405-k7qd-sql01/sql01.vmx".into(),
        ..on()
    };
    split.elsewhere = Some(ownership(
        "Leeds",
        &[copies(std::slice::from_ref(&drilled))],
        Heard::NotAsked,
    ));
    let answer = fence().decide(&split);
    let fault = blocked(&answer);
    assert!(
        fault.next.contains("lifeboat cleanup 20260102-030405-k7qd"),
        "{fault}"
    );
    // Beside a copy that no drill made it is a split like any other.
    let both = [copies(&[drilled, on()])];
    split.elsewhere = Some(ownership("Leeds", &both, Heard::NotAsked));
    assert!(needed(&fence().decide(&split)).ask.contains_key("lives"));
}

#[test]
fn an_address_that_another_vm_has_too_says_nothing_of_this_one() {
    let told = [copies(&[copy(PowerState::Off, false)])];
    let mut seen = seen(&told, Heard::Answer, false);
    assert!(
        blocked(&fence().decide(&seen))
            .what
            .contains("the address of sql01")
    );
    let whose = "standby has 10.20.0.11:1433 too, and serves on lee-esx1";
    seen.shared = Some(whose.to_owned());
    let answer = fence().decide(&seen);
    assert!(done(&answer).iter().any(|line| line == whose), "{answer:?}");

    let other = || Some(whose.to_owned());
    assert_eq!(of_others(vec![other()]).as_deref(), Some(whose));
    assert_eq!(of_others(vec![other(), None]), None, "one may be its own");
    assert_eq!(of_others(vec![]), None);
}

#[test]
fn a_guest_that_cannot_be_asked_is_powered_off_after_its_time_in_a_disaster_alone() {
    let deaf = Copy {
        tools: false,
        ..copy(PowerState::On, false)
    };
    let mut found = seen(&[copies(&[deaf])], Heard::Answer, false);
    let answer = fence().decide(&found);
    let change = &needed(&answer).changes[0];
    assert!(change.contains("its guest's tools do not run"), "{change}");
    assert!(
        change.contains("after 5m it is powered off without its guest"),
        "{change}"
    );
    found.calm = true;
    let answer = fence().decide(&found);
    let fault = blocked(&answer);
    assert!(fault.state.contains("was not powered off"), "{fault}");
}

#[test]
fn a_guest_that_boots_is_waited_for_where_it_has_to_be_asked() {
    let mut booting = Copy {
        tools: false,
        ..copy(PowerState::On, false)
    };
    let mut found = seen(&[copies(&[booting.clone()])], Heard::Answer, false);
    found.calm = true;
    booting.since = found
        .ownership
        .at
        .map(|at| at - std::time::Duration::from_secs(60));
    let at = found.ownership.at;
    found.ownership = seen(&[copies(&[booting])], Heard::Answer, false).ownership;
    found.ownership.at = at;
    let answer = fence().decide(&found);
    let change = &needed(&answer).changes[0];
    assert!(
        change.contains("its guest's tools are waited for"),
        "{change}"
    );
    assert!(
        change.contains("one that cannot be asked runs on"),
        "{change}"
    );
}

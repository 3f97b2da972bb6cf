use super::starting::{GLANCE, grown_old};
use super::*;
use crate::actions::context::Sent;
use crate::actions::ownership::Heard;
use crate::actions::ownership::{Copy, Told};
use crate::actions::tests::parts::{autostart, copy, dark, entry, ownership, registration};
use crate::actions::tests::world::World;
use crate::actions::tests::{blocked, done, lines, needed, step};
use crate::host::Output;
use crate::plan::Risk;

fn power_on() -> PowerOn {
    let (runbook, step) = step("failover/recover/sql01/power_on");
    PowerOn::new(&runbook, &step, &"sql01".into()).unwrap()
}

fn off(other: Ownership) -> Seen {
    Seen {
        registration: Known::Is(registration(Some(entry(PowerState::Off, "connected")))),
        other: Some(other),
        ..Seen::default()
    }
}

fn on(runs: bool) -> Seen {
    Seen {
        registration: Known::Is(registration(Some(entry(PowerState::On, "connected")))),
        runs,
        under_way: !runs,
        ..Seen::default()
    }
}

fn no() -> Told {
    Told::Copies(vec![])
}

#[test]
fn whole_evidence_needs_no_attestation() {
    let answer = power_on().decide(&off(ownership("London", &[no()], Heard::Silence)));
    let proposal = needed(&answer);
    assert_eq!(lines(proposal), ["vim-cmd vmsvc/power.on 7"]);
    assert_eq!(
        (proposal.risk, &proposal.attest),
        (Some(Risk::Disruptive), &None)
    );
}

#[test]
fn partial_evidence_waits_for_somebody_who_vouches() {
    for (told, heard) in [
        (vec![dark()], Heard::Silence),
        (vec![no(), dark()], Heard::Silence),
        (vec![no()], Heard::Unknown),
        (vec![no()], Heard::NotAsked),
    ] {
        let mut other = ownership("London", &told, heard);
        let open = power_on().decide(&off(other.clone()));
        let attest = needed(&open).attest.clone().unwrap();
        assert_eq!(attest.statement, "sql01 does not run in London");
        // One that was given at fence stands; what is confirmed stays the same.
        other.attested = Some("alice: I saw it".into());
        let attested = power_on().decide(&off(other));
        assert_eq!(needed(&attested).attest, None);
        assert_eq!(needed(&attested).changes, needed(&open).changes);
    }
}

#[test]
fn what_contradicts_is_never_overridden() {
    let runs = Told::Copies(vec![copy(PowerState::On)]);
    let strange = Told::Copies(vec![Copy {
        vmid: None,
        ..copy(PowerState::On)
    }]);
    let (fence, stop) = ("fence it in London", "find out what that is");
    for (told, heard, next) in [
        (vec![runs], Heard::Silence, fence),
        (vec![dark(), strange], Heard::Silence, fence),
        (vec![dark()], Heard::Answer, stop),
        (vec![no()], Heard::Answer, stop),
    ] {
        let mut other = ownership("London", &told, heard);
        other.attested = Some("alice: I saw it".into());
        let answer = power_on().decide(&off(other));
        let fault = blocked(&answer);
        assert!(fault.what.contains("must not start in Leeds"), "{fault}");
        assert!(fault.next.contains(next), "{fault}");
        // A fence that asked looks again by itself; one that a person settled is only retried.
        let by_hand = "retry that step where it was skipped or done by hand";
        assert_eq!(fault.next.contains(by_hand), next == fence, "{fault}");
    }
}

#[test]
fn where_no_step_fences_none_is_named() {
    let unfenced = PowerOn {
        fences: false,
        ..power_on()
    };
    let runs = Told::Copies(vec![copy(PowerState::On)]);
    let answer = unfenced.decide(&off(ownership("London", &[runs], Heard::Silence)));
    let next = &blocked(&answer).next;
    assert!(!next.contains("fence"), "{next}");
    assert!(
        next.contains("lon-esx1 (vim-cmd vmsvc/power.shutdown 7)"),
        "{next}"
    );
}

#[test]
fn nobody_who_could_tell_about_its_address_is_said() {
    let answer = power_on().decide(&off(ownership("London", &[no()], Heard::NotAsked)));
    assert!(
        needed(&answer)
            .changes
            .iter()
            .any(|line| line.contains("another machine has its address"))
    );
}

#[test]
fn on_counts_when_both_lists_agree() {
    done(&power_on().decide(&on(true)));
    let starting = power_on().decide(&on(false));
    assert!(
        needed(&starting).commands.is_empty(),
        "it is waited for, not sent again"
    );
}

#[test]
fn a_question_is_answered_and_the_start_is_not_sent_again() {
    let text = "Virtual machine message _vmx1:\nmsg.uuid.altered:Moved or copied?\n   0. Cancel (Cancel)\n   1. button.uuid.movedTheVM (I Moved It)\n   2. button.uuid.copiedTheVM (I Copied It)\n";
    let output = Output {
        stdout: text.into(),
        ..Output::default()
    };
    let question = Question::parse(&output).unwrap();
    let answer = power_on().decide(&Seen {
        question,
        ..on(false)
    });
    assert_eq!(
        lines(needed(&answer)),
        ["vim-cmd vmsvc/message 7 _vmx1 ‹number of your choice›"]
    );
}

#[test]
fn a_start_under_way_goes_on_only_while_the_other_site_does_not_run_it() {
    let begun = |told: &[Told]| Seen {
        other: Some(ownership("London", told, Heard::NotAsked)),
        ..on(false)
    };
    assert_eq!(needed(&power_on().decide(&begun(&[no()]))).attest, None);

    let silent = power_on().decide(&begun(&[dark()]));
    let asked = needed(&silent).attest.as_ref().unwrap();
    assert!(asked.statement.contains("does not run in London"));

    let answer = power_on().decide(&begun(&[Told::Copies(vec![copy(PowerState::On)])]));
    let fault = blocked(&answer);
    assert!(fault.what.contains("does not go on"), "{fault:?}");
    let there = "shut down the one on lon-esx1 (vim-cmd vmsvc/power.shutdown 7)";
    assert!(fault.next.contains(there), "{fault:?}");
    assert!(fault.next.contains("its fence step"), "{fault:?}");
    let unfenced = PowerOn {
        fences: false,
        ..power_on()
    };
    let answer = unfenced.decide(&begun(&[Told::Copies(vec![copy(PowerState::On)])]));
    let next = &blocked(&answer).next;
    assert!(next.contains(there) && !next.contains("fence"), "{next}");

    // Nobody who could be asked leaves it as open as one who is silent.
    assert!(needed(&power_on().decide(&begun(&[]))).attest.is_some());
}

#[test]
fn the_autostart_entry_that_fence_took_is_put_back() {
    let seen = Seen {
        autostart: Some(autostart()),
        ..on(true)
    };
    let answer = power_on().decide(&seen);
    let proposal = needed(&answer);
    assert_eq!(proposal.risk, Some(Risk::Write));
    assert_eq!(
        lines(proposal),
        [
            "vim-cmd hostsvc/autostartmanager/update_autostartentry -- 7 powerOn -1 2 systemDefault -1 systemDefault",
            "vim-cmd hostsvc/autostartmanager/update_autostartentry 7 powerOn -1 2 systemDefault -1 systemDefault"
        ]
    );
    let both = Seen {
        autostart: Some(autostart()),
        ..off(ownership("London", &[no()], Heard::Silence))
    };
    assert_eq!(lines(needed(&power_on().decide(&both))).len(), 3);
}

#[test]
fn a_vm_that_is_not_known_to_the_host_is_not_started() {
    for entry in [None, Some(entry(PowerState::Off, "invalid"))] {
        let seen = Seen {
            registration: Known::Is(registration(entry)),
            ..Seen::default()
        };
        blocked(&power_on().decide(&seen));
    }
}

#[test]
fn the_outline_says_what_is_asked_first() {
    let power_on = power_on();
    let answer = power_on.decide(&power_on.unknown());
    assert_eq!(
        lines(needed(&answer)),
        ["vim-cmd vmsvc/power.on ‹vmid of sql01›"]
    );
    assert!(needed(&answer).changes[0].starts_with("London is asked once more"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_waits_its_turn_for_too_long_is_not_covered_any_more() {
    let world = World::new().await;
    let (_, step) = step("failover/recover/sql01/power_on");
    let run = |fresh: bool, has_started: bool| {
        world.run(&step, None, move |ctx| async move {
            let taken = fresh.then(|| ctx.clock.now());
            let sent = Sent::default();
            if has_started {
                sent.mark_started();
            }
            let ended = grown_old(&ctx, taken, sent);
            tokio::time::timeout(GLANCE * 2, ended).await.is_ok()
        })
    };
    assert!(run(false, false).await);
    assert!(!run(true, false).await, "it is fresh");
    assert!(!run(false, true).await, "it is on its way");
    world.end().await;
}

#[test]
fn what_fails_after_the_start_says_that_the_vm_is_on() {
    let looked = Fault::new(
        "reading it failed",
        "lon-esx1",
        "nothing was changed",
        "retry",
    );
    let ActError::Failed(fault) = power_on().though_on(ActError::Failed(looked)) else {
        panic!("it is a failure still");
    };
    assert!(
        fault.state.starts_with("sql01 on lee-esx1 is on"),
        "{fault}"
    );
}

//! State and input in, exact effects out.

mod ending;
mod pace;
mod questions;
mod writes;

use std::collections::BTreeMap;

use super::*;
use crate::engine::{
    Consent, Fact, Pace, PeopleInput, Performed, Question, RetryScope, Status, StopOutcome,
};
use crate::error::Fault;
use crate::names::OpId;
use crate::runbook::model::AtOnce;

fn started(plan: &Arc<Plan>) -> (Engine, StepId) {
    started_with(plan, Settings::default())
}

fn started_with(plan: &Arc<Plan>, settings: Settings) -> (Engine, StepId) {
    let mut engine = Engine::new(Arc::clone(plan), RunState::default(), settings);
    let effects = engine.handle(at(0), Input::Start(info()));
    assert_eq!(names(&effects), ["run-started", "step-started", "PROBE 1"]);
    (engine, plan.steps[0].id.clone())
}

fn probed(step: &StepId, attempt: u32, answer: Result<ProbeAnswer, Fault>) -> Input {
    Input::Probed {
        step: step.clone(),
        attempt: Attempt(attempt),
        answer,
    }
}

fn wanted(step: &StepId, attempt: u32) -> Input {
    Input::WriteWanted {
        step: step.clone(),
        attempt: Attempt(attempt),
        ticket: 7,
        host: "esx".into(),
        command: "vim-cmd solo/registervm x.vmx".to_owned(),
        bulk: false,
    }
}

fn performed(step: &StepId, attempt: u32, result: Performed) -> Input {
    Input::Performed {
        step: step.clone(),
        attempt: Attempt(attempt),
        result,
    }
}

fn done() -> Performed {
    Performed::Done {
        evidence: vec!["vmid 1".to_owned()],
    }
}

#[test]
fn one_step_is_probed_shown_confirmed_done_and_ends_the_run() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let effects = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    assert_eq!(names(&effects), ["probe-answered"], "pace step waits");
    assert_eq!(
        names(&engine.handle(at(2), confirm(&step, 1))),
        ["step-confirmed", "START 1"]
    );
    assert_eq!(
        names(&engine.handle(at(3), wanted(&step, 1))),
        ["write-intended", "GRANT 1"]
    );
    let finished = Input::WriteFinished {
        op: OpId(1),
        exit: 0,
        took_ms: 5,
        output_sha256: None,
    };
    assert_eq!(names(&engine.handle(at(4), finished)), ["write-finished"]);
    let effects = engine.handle(at(5), performed(&step, 1, done()));
    assert_eq!(names(&effects), ["step-done", "run-finished", "LEAVE"]);
    assert!(engine.state().finished.as_ref().unwrap().is_clean());
}

#[test]
fn a_confirmation_of_another_attempt_or_without_what_is_asked_is_ignored() {
    let plan = {
        let mut plan = Arc::unwrap_or_clone(plan(&[&[]]));
        plan.steps[0].typed = Some("vm0".to_owned());
        plan.steps[0].people = 2;
        Arc::new(plan)
    };
    let (mut engine, step) = started(&plan);
    let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    let full = Confirmation {
        typed: Some("vm0".to_owned()),
        second: Some("bob".to_owned()),
        ..confirmation()
    };
    let cases = [
        (2, full.clone()),
        (1, confirmation()),
        (
            1,
            Confirmation {
                typed: Some("vm1".to_owned()),
                ..full.clone()
            },
        ),
        (
            1,
            Confirmation {
                second: Some("alice".to_owned()),
                ..full.clone()
            },
        ),
        (
            1,
            Confirmation {
                second: None,
                ..full.clone()
            },
        ),
    ];
    for (attempt, confirmation) in cases {
        let input = Input::Operator(OperatorInput::Confirm {
            step: step.clone(),
            attempt: Attempt(attempt),
            confirmation,
        });
        assert_eq!(names(&engine.handle(at(2), input)), [""; 0]);
    }
    let input = Input::Operator(OperatorInput::Confirm {
        step: step.clone(),
        attempt: Attempt(1),
        confirmation: full,
    });
    assert_eq!(
        names(&engine.handle(at(3), input)),
        ["step-confirmed", "START 1"]
    );
}

#[test]
fn a_failed_probe_is_repeated_with_back_off_and_stale_timers_do_nothing() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let down = || Err(Fault::default().passing());
    let mut timers = Vec::new();
    let mut now = 1;
    let effects = loop {
        let effects = engine.handle(at(now), probed(&step, 1, down()));
        let Some(Effect::Timer { id, after }) = effects.last() else {
            break effects;
        };
        assert_eq!(names(&effects), ["probe-failed", "TIMER"]);
        assert!(after.as_secs() <= 30, "{after:?}");
        let fault = engine.state().step(&step).fault;
        assert!(fault.is_some_and(|fault| fault.passing), "it is seen");
        timers.push(*id);
        now += i64::try_from(after.as_secs()).unwrap();
        assert_eq!(
            names(&engine.handle(at(now), Input::Timer(*id))),
            ["PROBE 1"]
        );
    };
    assert!((180..=210).contains(&now), "a restart of hostd: {now}");
    assert_eq!(names(&effects), ["probe-failed", "step-failed"]);
    for id in timers {
        assert_eq!(names(&engine.handle(at(now), Input::Timer(id))), [""; 0]);
    }
}

#[test]
fn a_clock_that_stands_still_ends_looking_again_too() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let down = || Err(Fault::default().passing());
    for _ in 0..20 {
        let effects = engine.handle(at(1), probed(&step, 1, down()));
        let Some(Effect::Timer { id, .. }) = effects.last() else {
            return assert_eq!(names(&effects), ["probe-failed", "step-failed"]);
        };
        let _ = engine.handle(at(1), Input::Timer(*id));
    }
    panic!("it looks for ever");
}

#[test]
fn what_passes_while_a_step_acts_lets_it_look_anew_and_not_for_ever() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let cut = || Performed::Failed(Fault::default().passing());
    for attempt in 1..=5 {
        let _ = engine.handle(at(1), probed(&step, attempt, Ok(needed())));
        let _ = engine.handle(at(1), confirm(&step, attempt));
        let effects = engine.handle(at(1), performed(&step, attempt, cut()));
        assert_eq!(names(&effects), ["step-interrupted", "TIMER"]);
        assert!(engine.state().step(&step).fault.is_some(), "it is seen");
        let Some(Effect::Timer { id, .. }) = effects.last() else {
            panic!("no timer")
        };
        let effects = names(&engine.handle(at(1), Input::Timer(*id)));
        assert_eq!(
            effects,
            ["step-started".to_owned(), format!("PROBE {}", attempt + 1)]
        );
    }
    assert_eq!(
        names(&engine.handle(at(1), confirm(&step, 5))),
        [""; 0],
        "nobody confirmed what is shown now"
    );
    let _ = engine.handle(at(1), probed(&step, 6, Ok(needed())));
    let _ = engine.handle(at(1), confirm(&step, 6));
    let effects = engine.handle(at(1), performed(&step, 6, cut()));
    assert_eq!(names(&effects), ["step-failed"]);
}

#[test]
fn a_step_that_was_held_while_it_acted_by_what_may_pass_looks_anew() {
    let plan = plan(&[&[]]);
    let held = |fault| Performed::Held {
        fault,
        remedies: vec!["stop what answers".to_owned()],
    };
    for (fault, wanted) in [
        (
            Fault::default().passing(),
            &["step-interrupted", "TIMER"][..],
        ),
        (Fault::default(), &["step-held"][..]),
    ] {
        let (mut engine, step) = started(&plan);
        let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
        let _ = engine.handle(at(1), confirm(&step, 1));
        let effects = engine.handle(at(1), performed(&step, 1, held(fault)));
        assert_eq!(names(&effects), wanted);
    }
}

fn blocked(fault: Fault) -> ProbeAnswer {
    ProbeAnswer {
        found: "off".to_owned(),
        verdict: Verdict::Blocked {
            fault,
            remedies: vec!["stop what answers".to_owned()],
        },
    }
}

#[test]
fn what_stands_against_a_step_and_may_pass_is_looked_at_again_before_it_is_held() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let answers = || Ok(blocked(Fault::default().passing()));
    let effects = engine.handle(at(1), probed(&step, 1, answers()));
    assert_eq!(names(&effects), ["probe-answered", "TIMER"]);
    assert_eq!(engine.stuck(), None, "nobody has to decide yet");
    let known = engine.state().step(&step);
    assert!(
        known.fault.is_some() && !known.remedies.is_empty(),
        "it is seen"
    );
    let mut timer = effects.last().cloned();
    let mut now = 1;
    let end = loop {
        let Some(Effect::Timer { id, after }) = timer else {
            panic!("no timer")
        };
        now += i64::try_from(after.as_secs()).unwrap();
        assert_eq!(
            names(&engine.handle(at(now), Input::Timer(id))),
            ["PROBE 1"]
        );
        let effects = engine.handle(at(now), probed(&step, 1, answers()));
        if names(&effects) != ["TIMER"] {
            break effects;
        }
        timer = effects.last().cloned();
    };
    assert_eq!(names(&end), ["step-held"], "one line for all its looks");
    assert!((60..=90).contains(&now), "{now}");
    assert_eq!(engine.stuck(), Some(vec![step]));
}

#[test]
fn what_has_passed_is_asked_about_as_ever() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let answers = Ok(blocked(Fault::default().passing()));
    let effects = engine.handle(at(1), probed(&step, 1, answers));
    let Some(Effect::Timer { id, .. }) = effects.last() else {
        panic!("no timer")
    };
    let _ = engine.handle(at(2), Input::Timer(*id));
    let effects = engine.handle(at(3), probed(&step, 1, Ok(needed())));
    assert_eq!(names(&effects), ["probe-answered"]);
    assert_eq!(engine.state().status(&step), Status::Asking);
}

#[test]
fn what_does_not_pass_is_held_at_once() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let runs = Ok(blocked(Fault::default()));
    let effects = engine.handle(at(1), probed(&step, 1, runs));
    assert_eq!(names(&effects), ["probe-answered", "step-held"]);
}

#[test]
fn what_was_under_way_is_settled_first_when_a_run_is_taken_up() {
    let plan = plan(&[&[], &[0]]);
    let (mut engine, step) = started(&plan);
    let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    let _ = engine.handle(at(2), confirm(&step, 1));
    let resume = || Input::Resume {
        operator: "bob".to_owned(),
        console: "c2".to_owned(),
        clock_back_s: None,
        with: Vec::new(),
    };
    let taken_up = |state: &RunState| {
        let settings = Settings::default();
        let mut engine = Engine::new(Arc::clone(&plan), state.clone(), settings);
        names(&engine.handle(at(9), resume()))
    };
    assert_eq!(
        taken_up(engine.state()),
        ["run-resumed", "step-interrupted", "step-started", "PROBE 2"],
        "confirmed, nothing sent: look again"
    );
    let _ = engine.handle(at(3), wanted(&step, 1));
    assert_eq!(
        taken_up(engine.state()),
        ["run-resumed", "write-lost", "STOP 1"],
        "a write may have left: stop it first"
    );
    let _ = engine.handle(
        at(4),
        performed(&step, 1, Performed::Failed(Fault::default())),
    );
    assert_eq!(
        engine.state().status(&step),
        Status::InDoubt,
        "an open write is never a failure"
    );
}

#[test]
fn a_change_between_confirmation_and_act_asks_again_under_a_new_attempt() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    let _ = engine.handle(at(2), confirm(&step, 1));
    let changed = Performed::Changed(Box::new(needed()));
    let effects = engine.handle(at(3), performed(&step, 1, changed));
    assert_eq!(names(&effects), ["step-started", "probe-answered"]);
    assert_eq!(
        names(&engine.handle(at(4), confirm(&step, 1))),
        [""; 0],
        "the old one is void"
    );
    assert_eq!(
        names(&engine.handle(at(5), confirm(&step, 2))),
        ["step-confirmed", "START 2"]
    );
}

#[test]
fn a_skipped_step_lets_its_followers_begin_and_needs_a_reason() {
    let plan = plan(&[&[], &[0]]);
    let (mut engine, step) = started(&plan);
    let skip = |reason: &str| {
        Input::Operator(OperatorInput::Skip {
            step: plan.steps[0].id.clone(),
            by: "alice".to_owned(),
            reason: reason.to_owned(),
        })
    };
    assert_eq!(names(&engine.handle(at(1), skip("  "))), [""; 0]);
    let effects = engine.handle(at(2), skip("not needed tonight"));
    assert_eq!(
        names(&effects),
        ["CANCEL", "step-skipped", "step-started", "PROBE 1"]
    );
    assert_eq!(
        names(&engine.handle(at(3), probed(&step, 1, Ok(needed())))),
        [""; 0],
        "stale"
    );
}

#[test]
fn the_second_person_is_another_one_than_whoever_took_the_run_over() {
    let mut plan = (*plan(&[&[]])).clone();
    plan.steps[0].people = 2;
    let step = &plan.steps[0];
    let gaps = |by: &str, second: &str| {
        let confirmation = Confirmation {
            by: by.to_owned(),
            second: Some(second.to_owned()),
            ..confirmation()
        };
        crate::engine::confirmation_gaps(step, &Proposal::default(), &confirmation).len()
    };
    assert_eq!(gaps("bob", " Bob "), 1);
    assert_eq!(gaps("bob", "alice"), 0);
}

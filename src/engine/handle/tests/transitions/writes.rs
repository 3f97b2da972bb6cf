//! Writes that are lost, stopped, held, and taken back.

use std::time::Duration;

use super::*;
use crate::engine::TimerId;
use crate::runbook::model::{CommandLine, CommandSpec, DeclaredEffect};

#[test]
fn a_lost_write_is_stopped_before_it_is_probed_and_probed_before_it_is_sent_again() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    let _ = engine.handle(at(2), confirm(&step, 1));
    let _ = engine.handle(at(3), wanted(&step, 1));
    let lost = Input::WriteLost {
        op: OpId(1),
        why: "link cut".to_owned(),
    };
    assert_eq!(names(&engine.handle(at(4), lost)), ["write-lost"]);
    assert_eq!(engine.state().status(&step), Status::InDoubt);
    let effects = engine.handle(at(5), performed(&step, 1, Performed::Lost));
    assert_eq!(names(&effects), ["STOP 1"]);
    let stopped = Input::Stopped {
        step: step.clone(),
        attempt: Attempt(1),
        op: OpId(1),
        outcome: Ok(StopOutcome::Killed),
    };
    let effects = engine.handle(at(6), stopped);
    assert_eq!(
        names(&effects),
        ["lost-stopped", "step-retried", "step-started", "PROBE 2"]
    );
    let effects = engine.handle(at(7), probed(&step, 2, Ok(already())));
    assert_eq!(
        names(&effects),
        [
            "probe-answered",
            "step-already-done",
            "run-finished",
            "LEAVE"
        ]
    );
}

#[test]
fn a_command_that_takes_longer_than_it_has_is_looked_at_once_and_not_sent_over_and_over() {
    let mut own = Plan::clone(&plan(&[&[]]));
    own.steps[0].action = ActionSpec::Command(CommandSpec {
        host: "esx".into(),
        line: CommandLine::Argv(vec!["backup".to_owned()]),
        effect: DeclaredEffect::Write,
        done_if: None,
        verify: None,
        environment: Vec::new(),
    });
    own.steps[0].timeout = Some(Duration::from_secs(30));
    let own = Arc::new(own);
    let (mut engine, step) = started(&own);
    let mut second = 0;
    // Sent, lost after so many seconds, and stopped.
    let mut lose = |engine: &mut Engine, attempt: u32, after: i64| {
        second += 1;
        let _ = engine.handle(at(second), probed(&step, attempt, Ok(needed())));
        let _ = engine.handle(at(second), confirm(&step, attempt));
        let _ = engine.handle(at(second), wanted(&step, attempt));
        second += after;
        let op = OpId(attempt.into());
        let why = "cut".to_owned();
        let _ = engine.handle(at(second), Input::WriteLost { op, why });
        let _ = engine.handle(at(second), performed(&step, attempt, Performed::Lost));
        let stopped = Input::Stopped {
            step: step.clone(),
            attempt: Attempt(attempt),
            op,
            outcome: Ok(StopOutcome::Killed),
        };
        let effects = names(&engine.handle(at(second), stopped));
        second += 60;
        let timers: Vec<TimerId> = engine.timers.keys().copied().collect();
        for timer in timers {
            let _ = engine.handle(at(second), Input::Timer(timer));
        }
        effects
    };
    let again = |effects: Vec<String>| effects.contains(&"step-retried".to_owned());
    assert!(again(lose(&mut engine, 1, 30)), "it may have done its work");
    assert!(again(lose(&mut engine, 2, 5)), "a link that was cut");
    assert_eq!(lose(&mut engine, 3, 31), ["lost-stopped", "step-failed"]);
    let fault = engine.state().step(&step).fault.unwrap_or_default();
    assert!(fault.what.contains("sent 2 times"), "{fault:?}");
}

/// A console that comes back in the morning does not know how long a command took in the night.
#[test]
fn a_command_whose_console_was_away_is_not_said_to_have_taken_so_long() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    let _ = engine.handle(at(2), confirm(&step, 1));
    let _ = engine.handle(at(3), wanted(&step, 1));
    let state = engine.state().clone();
    let mut engine = Engine::new(Arc::clone(&plan), state, Settings::default());
    let resume = Input::Resume {
        operator: "bob".to_owned(),
        console: "c2".to_owned(),
        clock_back_s: None,
        with: Vec::new(),
    };
    let effects = engine.handle(at(9000), resume);
    assert!(names(&effects).contains(&"write-lost".to_owned()));
    assert_eq!(engine.state().ops[&OpId(1)].lasted, None);
}

#[test]
fn what_cannot_be_stopped_is_held_and_a_person_can_settle_it() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    let _ = engine.handle(at(2), confirm(&step, 1));
    let _ = engine.handle(at(3), wanted(&step, 1));
    let _ = engine.handle(
        at(4),
        Input::WriteLost {
            op: OpId(1),
            why: String::new(),
        },
    );
    let _ = engine.handle(at(5), performed(&step, 1, Performed::Lost));
    let stopped = Input::Stopped {
        step: step.clone(),
        attempt: Attempt(1),
        op: OpId(1),
        outcome: Err(Fault::default()),
    };
    assert_eq!(
        names(&engine.handle(at(6), stopped)),
        ["stop-failed", "step-held"]
    );
    assert_eq!(engine.stuck(), Some(vec![step.clone()]));
    let retry = OperatorInput::Retry {
        scope: RetryScope::Step(step.clone()),
        by: "alice".to_owned(),
    };
    let effects = engine.handle(at(7), Input::Operator(retry));
    assert_eq!(
        names(&effects),
        ["step-retried", "STOP 1"],
        "still no probe before it is stopped"
    );
    let stopped = Input::Stopped {
        step: step.clone(),
        attempt: Attempt(1),
        op: OpId(1),
        outcome: Err(Fault::default()),
    };
    let _ = engine.handle(at(8), stopped);
    let by_hand = OperatorInput::ByHand {
        step: step.clone(),
        by: "alice".to_owned(),
        evidence: "seen registered in the host client".to_owned(),
    };
    let effects = engine.handle(at(9), Input::Operator(by_hand));
    assert_eq!(names(&effects), ["step-by-hand", "run-finished", "LEAVE"]);
}

#[test]
fn a_try_at_stopping_that_lost_its_own_command_is_nobody_elses_success() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    let _ = engine.handle(at(2), confirm(&step, 1));
    let _ = engine.handle(at(3), wanted(&step, 1));
    let lost = |op| Input::WriteLost {
        op: OpId(op),
        why: String::new(),
    };
    let _ = engine.handle(at(4), lost(1));
    let _ = engine.handle(at(5), performed(&step, 1, Performed::Lost));
    // Two tries are under way: the one has sent its kill and loses it, the other succeeds.
    let _ = engine.handle(at(6), wanted(&step, 1));
    let _ = engine.handle(at(7), lost(2));
    let stopped = |outcome| Input::Stopped {
        step: step.clone(),
        attempt: Attempt(1),
        op: OpId(1),
        outcome,
    };
    let effects = engine.handle(at(8), stopped(Ok(StopOutcome::Killed)));
    assert_eq!(names(&effects), ["lost-stopped"], "the kill may still land");
    let effects = engine.handle(at(9), stopped(Err(Fault::default())));
    assert_eq!(names(&effects), ["step-held"], "somebody has to see to it");
}

#[test]
fn what_may_still_take_effect_is_settled_before_its_step_is_taken_back() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    let _ = engine.handle(at(2), confirm(&step, 1));
    let _ = engine.handle(at(3), wanted(&step, 1));
    let _ = engine.handle(at(4), performed(&step, 1, Performed::Lost));
    let stopped = |outcome| Input::Stopped {
        step: step.clone(),
        attempt: Attempt(1),
        op: OpId(1),
        outcome,
    };
    let _ = engine.handle(at(5), stopped(Err(Fault::default())));
    assert_eq!(engine.state().status(&step), Status::Held);
    let by = "alice".to_owned();
    let undo = OperatorInput::Undo {
        step: step.clone(),
        by: by.clone(),
    };
    assert_eq!(
        names(&engine.handle(at(6), Input::Operator(undo))),
        [""; 0],
        "its first command may land after the undo"
    );
    let scope = RetryScope::Step(step.clone());
    let effects = engine.handle(at(7), Input::Operator(OperatorInput::Retry { scope, by }));
    assert_eq!(names(&effects), ["step-retried", "STOP 1"]);
}

#[test]
fn an_undo_that_was_cut_short_waits_for_a_person_whatever_the_pace() {
    let plan = plan(&[&[], &[]]);
    let (mut engine, step) = started(&plan);
    let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    let _ = engine.handle(at(2), confirm(&step, 1));
    let _ = engine.handle(at(3), performed(&step, 1, done()));
    let auto = OperatorInput::SetPace {
        pace: Pace::Auto,
        by: "alice".to_owned(),
    };
    let _ = engine.handle(at(4), Input::Operator(auto));
    let undo = OperatorInput::Undo {
        step: step.clone(),
        by: "alice".to_owned(),
    };
    let _ = engine.handle(at(5), Input::Operator(undo.clone()));
    let _ = engine.handle(at(6), wanted(&step, 1));
    let _ = engine.handle(at(7), performed(&step, 1, Performed::Lost));
    let unsure = Input::Stopped {
        step: step.clone(),
        attempt: Attempt(1),
        op: OpId(1),
        outcome: Ok(StopOutcome::Gone),
    };
    let effects = engine.handle(at(8), unsure);
    assert_eq!(names(&effects), ["lost-stopped", "step-held"]);
    let resume = Input::Resume {
        operator: "bob".to_owned(),
        console: "c2".to_owned(),
        clock_back_s: None,
        with: Vec::new(),
    };
    let effects = engine.handle(at(9), resume);
    assert_eq!(
        names(&effects),
        ["run-resumed"],
        "not even a new console does the step again"
    );
    assert_eq!(
        names(&engine.handle(at(10), Input::Operator(undo))),
        ["undo-started", "UNDO"]
    );
}

#[test]
fn what_rests_on_a_step_that_was_taken_back_waits_for_it_again() {
    let plan = plan(&[&[], &[0]]);
    let (mut engine, first) = started(&plan);
    let second = plan.steps[1].id.clone();
    let _ = engine.handle(at(1), probed(&first, 1, Ok(needed())));
    let _ = engine.handle(at(2), confirm(&first, 1));
    let _ = engine.handle(at(3), performed(&first, 1, done()));
    let _ = engine.handle(at(4), probed(&second, 1, Ok(needed())));
    assert_eq!(engine.state().status(&second), Status::Asking);
    let by = "alice".to_owned();
    let undo = OperatorInput::Undo {
        step: first.clone(),
        by: by.clone(),
    };
    let effects = engine.handle(at(5), Input::Operator(undo));
    assert_eq!(
        names(&effects),
        ["undo-started", "UNDO", "step-interrupted"]
    );
    let evidence = vec!["not registered".to_owned()];
    let attempt = engine.state().step(&first).attempt.0;
    let undone = performed(&first, attempt, Performed::Undone { evidence });
    let effects = engine.handle(at(6), undone);
    assert_eq!(names(&effects), ["step-undone"]);
    assert_eq!(engine.state().status(&second), Status::Waiting);
    assert_eq!(
        engine.stuck(),
        Some(vec![first.clone()]),
        "a person has to say what becomes of it"
    );
    let scope = RetryScope::Step(first.clone());
    let effects = engine.handle(at(7), Input::Operator(OperatorInput::Retry { scope, by }));
    assert!(
        names(&effects).iter().any(|name| name.starts_with("PROBE")),
        "{:?}",
        names(&effects)
    );
    assert_eq!(engine.state().status(&second), Status::Waiting);
}

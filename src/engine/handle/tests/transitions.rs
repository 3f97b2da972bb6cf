//! State and input in, exact effects out.

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
fn a_failed_probe_is_repeated_with_back_off_and_stale_timers_do_nothing() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let down = || Err(Fault::default().passing());
    let mut timers = Vec::new();
    for second in 1..5 {
        let effects = engine.handle(at(second), probed(&step, 1, down()));
        assert_eq!(names(&effects), ["probe-failed", "TIMER"]);
        let Some(Effect::Timer { id, .. }) = effects.last() else {
            panic!("no timer")
        };
        timers.push(*id);
        assert_eq!(
            names(&engine.handle(at(second), Input::Timer(*id))),
            ["PROBE 1"]
        );
    }
    for id in timers {
        assert_eq!(names(&engine.handle(at(6), Input::Timer(id))), [""; 0]);
    }
    let effects = engine.handle(at(7), probed(&step, 1, down()));
    assert_eq!(names(&effects), ["probe-failed", "step-failed"]);
}

#[test]
fn pace_auto_goes_on_alone_up_to_the_caps_and_waits_at_gates() {
    let plan = {
        let mut plan = Arc::unwrap_or_clone(plan(&[&[], &[], &[], &[], &[], &[]]));
        plan.steps[1].gate = true;
        for step in &mut plan.steps[2..] {
            step.transfer = true;
        }
        Arc::new(plan)
    };
    let (mut engine, first) = started(&plan);
    let auto = OperatorInput::SetPace {
        pace: Pace::Auto,
        by: "alice".to_owned(),
    };
    let effects = engine.handle(at(1), Input::Operator(auto));
    let probes = names(&effects)
        .iter()
        .filter(|name| name.starts_with("PROBE"))
        .count();
    assert_eq!(
        probes,
        3,
        "the gate and two transfers: {:?}",
        names(&effects)
    );
    let effects = engine.handle(at(2), probed(&first, 1, Ok(needed())));
    assert_eq!(
        names(&effects),
        ["probe-answered", "step-confirmed", "START 1"]
    );
    let gate = plan.steps[1].id.clone();
    let effects = engine.handle(at(3), probed(&gate, 1, Ok(needed())));
    assert_eq!(names(&effects), ["probe-answered"]);
}

#[test]
fn a_person_who_takes_up_a_headless_run_is_shown_each_step() {
    let plan = plan(&[&[]]);
    let headless = Settings {
        headless: true,
        ..Settings::default()
    };
    let mut alone = Engine::new(Arc::clone(&plan), RunState::default(), headless);
    let mut info = info();
    info.headless = true;
    let _ = alone.handle(at(0), Input::Start(info));
    assert_eq!(alone.state().pace, Pace::Auto);
    let state = alone.state().clone();
    let mut engine = Engine::new(Arc::clone(&plan), state, Settings::default());
    let resumed = Input::Resume {
        operator: "alice".to_owned(),
        console: "c".to_owned(),
        clock_back_s: None,
        with: Vec::new(),
    };
    let _ = engine.handle(at(1), resumed);
    assert_eq!(engine.state().pace, Pace::Step);
}

#[test]
fn hosts_and_datastores_get_as_much_at_a_time_as_the_runbook_says() {
    let probes_with = |settings| {
        let mut plan = Arc::unwrap_or_clone(plan(&[&[], &[], &[], &[], &[], &[], &[]]));
        for step in &mut plan.steps[4..] {
            step.transfer = true;
            step.datastore = Some("shared".to_owned());
        }
        let (mut engine, _) = started_with(&Arc::new(plan), settings);
        let auto = OperatorInput::SetPace {
            pace: Pace::Auto,
            by: "alice".to_owned(),
        };
        let effects = engine.handle(at(1), Input::Operator(auto));
        let names = names(&effects);
        let probes = names.iter().filter(|name| name.starts_with("PROBE"));
        probes.count()
    };
    let at_once = |transfers, steps| Settings {
        at_once: BTreeMap::from([("esx".into(), AtOnce { transfers, steps })]),
        ..Settings::default()
    };
    // The first step was begun before.
    assert_eq!(probes_with(at_once(1, 2)), 1 + 1);
    assert_eq!(probes_with(at_once(3, 1)), 3);
    assert_eq!(probes_with(at_once(8, 8)), 6);
    let onto = |side| Settings {
        transfers_onto: BTreeMap::from([((side, "shared".to_owned()), 1)]),
        ..at_once(3, 1)
    };
    assert_eq!(probes_with(onto(SiteRole::Recovery)), 1);
    assert_eq!(probes_with(onto(SiteRole::Protected)), 3, "another site's");
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

#[test]
fn a_question_is_gone_with_the_action_that_waits_for_its_answer() {
    let plan = plan(&[&[]]);
    let (mut engine, step) = started(&plan);
    let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    let _ = engine.handle(at(2), confirm(&step, 1));
    let _ = engine.handle(at(3), wanted(&step, 1));
    let asked = Input::Questioned {
        step: step.clone(),
        attempt: Attempt(1),
        question: question(),
    };
    assert_eq!(names(&engine.handle(at(4), asked)), ["question-asked"]);
    let lost = Input::WriteLost {
        op: OpId(1),
        why: "cut".to_owned(),
    };
    let _ = engine.handle(at(5), lost);
    assert_eq!(
        engine.state().step(&step).question,
        None,
        "it would be shown for ever, and no answer would count"
    );
}

/// An undo may start a VM, and that may ask.
#[test]
fn a_question_of_an_undo_is_answered() {
    let plan = plan(&[&[], &[]]);
    let (mut engine, step) = started(&plan);
    let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    let _ = engine.handle(at(2), confirm(&step, 1));
    let _ = engine.handle(at(3), performed(&step, 1, done()));
    let undo = OperatorInput::Undo {
        step: step.clone(),
        by: "alice".to_owned(),
    };
    let _ = engine.handle(at(4), Input::Operator(undo));
    let asked = Input::Questioned {
        step: step.clone(),
        attempt: Attempt(1),
        question: question(),
    };
    assert_eq!(names(&engine.handle(at(5), asked)), ["question-asked"]);
    let answer = OperatorInput::AnswerQuestion {
        step,
        attempt: Attempt(1),
        label: "Moved".to_owned(),
        by: "alice".to_owned(),
        how: Consent::Person,
    };
    let effects = engine.handle(at(6), Input::Operator(answer));
    assert_eq!(names(&effects), ["question-answered", "ANSWER Moved"]);
}

fn question() -> Question {
    Question {
        vm: Some("vm0".into()),
        host: "esx".into(),
        id: "1".to_owned(),
        text: "Moved or copied?".to_owned(),
        choices: vec!["Moved".to_owned()],
        suggested: None,
        why: None,
    }
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

fn lock_wanted(step: &StepId) -> Input {
    let (vm, host, path) = (Some("sql01".into()), "esx".into(), "/l".to_owned());
    Input::FactFound {
        step: step.clone(),
        attempt: Attempt(1),
        ticket: 1,
        fact: Fact::LockWanted { vm, host, path },
    }
}

#[test]
fn what_the_run_holds_is_given_back_before_its_last_line() {
    let plan = plan(&[&[], &[0]]);
    let mut engine = engine(&plan);
    let _ = engine.handle(at(0), Input::Start(info()));
    let first = plan.steps[0].id.clone();
    let _ = engine.handle(at(1), lock_wanted(&first));
    assert_eq!(engine.state().locks().len(), 1);
    let mut effects = Vec::new();
    for step in &plan.steps {
        let skip = OperatorInput::Skip {
            step: step.id.clone(),
            by: "alice".to_owned(),
            reason: "r".to_owned(),
        };
        effects = engine.handle(at(2), Input::Operator(skip));
    }
    assert_eq!(names(&effects).last().unwrap(), "CLOSE");
    assert_eq!(engine.stuck(), None, "it waits for no person");

    // Its writes are announced as every other, and belong to no step.
    let write = |step: StepId| Input::WriteWanted {
        step,
        attempt: Attempt::default(),
        ticket: 2,
        host: "esx".into(),
        command: "rmdir /l".to_owned(),
        bulk: false,
    };
    let effects = engine.handle(at(3), write(first.clone()));
    assert_eq!(names(&effects), ["DENY"]);
    let effects = engine.handle(at(3), write(StepId::default()));
    assert_eq!(names(&effects), ["write-intended", "GRANT 1"]);
    let Effect::Record(entry) = &effects[0] else {
        panic!("{effects:?}");
    };
    assert_eq!((&entry.step, entry.attempt), (&None, None));
    let lost = Input::WriteLost {
        op: OpId(1),
        why: "cut".to_owned(),
    };
    assert_eq!(names(&engine.handle(at(4), lost)), ["write-lost"]);
    let (vm, host, path) = (Some("sql01".into()), "esx".into(), "/l".to_owned());
    let how = "removed".to_owned();
    let released = Input::FactFound {
        step: StepId::default(),
        attempt: Attempt::default(),
        ticket: 3,
        fact: Fact::LockReleased {
            vm,
            host,
            path,
            how,
        },
    };
    assert_eq!(
        names(&engine.handle(at(5), released)),
        ["fact-found", "KEPT"]
    );
    let effects = engine.handle(at(6), Input::Closed);
    assert_eq!(names(&effects), ["run-finished", "LEAVE"]);
    assert!(engine.state().locks().is_empty());
}

#[test]
fn nothing_is_taken_back_while_the_run_gives_back_what_it_holds() {
    let plan = plan(&[&[], &[]]);
    let (mut engine, step) = started(&plan);
    let _ = engine.handle(at(1), probed(&step, 1, Ok(needed())));
    let _ = engine.handle(at(2), confirm(&step, 1));
    let _ = engine.handle(at(3), lock_wanted(&step));
    let _ = engine.handle(at(4), performed(&step, 1, done()));
    let can_undo = |engine: &Engine| crate::engine::can_undo(&plan, engine.state(), &step);
    assert_eq!(can_undo(&engine), Ok(()));
    let skip = OperatorInput::Skip {
        step: plan.steps[1].id.clone(),
        by: "alice".to_owned(),
        reason: "r".to_owned(),
    };
    let effects = engine.handle(at(5), Input::Operator(skip));
    assert_eq!(names(&effects).last().unwrap(), "CLOSE");
    assert!(can_undo(&engine).is_err(), "no key without an effect");
}

#[test]
fn a_run_ends_although_a_lock_cannot_be_given_back_and_tries_again_when_resumed() {
    let plan = plan(&[&[], &[0]]);
    let mut engine = engine(&plan);
    let _ = engine.handle(at(0), Input::Start(info()));
    let _ = engine.handle(at(1), lock_wanted(&plan.steps[0].id));
    for step in &plan.steps {
        let (step, by) = (step.id.clone(), "alice".to_owned());
        let reason = "r".to_owned();
        let skip = OperatorInput::Skip { step, by, reason };
        let _ = engine.handle(at(2), Input::Operator(skip));
    }
    let effects = engine.handle(at(3), Input::Closed);
    assert_eq!(names(&effects), ["run-finished", "LEAVE"]);

    let state = engine.state().clone();
    assert_eq!(state.locks().len(), 1);
    let mut again = Engine::new(Arc::clone(&plan), state, Settings::default());
    let resumed = Input::Resume {
        operator: "bob".to_owned(),
        console: "noc-4".to_owned(),
        clock_back_s: None,
        with: Vec::new(),
    };
    assert_eq!(
        names(&again.handle(at(9), resumed)),
        ["run-resumed", "CLOSE"]
    );
}

#[test]
fn nothing_starts_while_a_shell_is_open_and_its_step_then_waits_for_a_person() {
    let plan = plan(&[&[], &[]]);
    let (first, other) = (plan.steps[0].id.clone(), plan.steps[1].id.clone());
    let mut engine = engine(&plan);
    let _ = engine.handle(at(0), Input::Start(info()));
    let people = |input| Input::Operator(OperatorInput::People(input));
    let by = || "alice".to_owned();
    let pace = crate::engine::Pace::Auto;
    let auto = OperatorInput::SetPace { pace, by: by() };
    let _ = engine.handle(at(1), Input::Operator(auto));
    let down = Fault::new("no answer", "esx", "", "");
    let _ = engine.handle(at(2), probed(&first, 1, Ok(needed())));
    let failed = Input::Performed {
        step: first.clone(),
        attempt: Attempt(1),
        result: Performed::Failed(down),
    };
    let _ = engine.handle(at(3), failed);
    assert_eq!(engine.state().status(&first), Status::Failed);
    let open = |reason: &str| PeopleInput::OpenShell {
        step: first.clone(),
        host: "esx".into(),
        by: by(),
        reason: reason.to_owned(),
    };
    assert!(
        engine.handle(at(4), people(open(" "))).is_empty(),
        "no reason"
    );
    let effects = engine.handle(at(4), people(open("look")));
    assert_eq!(names(&effects), ["shell-opened"]);
    assert!(engine.handle(at(4), people(open("twice"))).is_empty());
    // What was under way goes on; what it leads to waits.
    let effects = engine.handle(at(5), probed(&other, 1, Ok(needed())));
    assert_eq!(names(&effects), ["probe-answered"]);
    let effects = engine.handle(at(6), people(PeopleInput::CloseShell { by: by() }));
    assert_eq!(
        names(&effects)[..2],
        ["shell-closed".to_owned(), "step-retried".to_owned()]
    );
    assert_eq!(engine.state().status(&other), Status::Running, "by pace");
    let _ = engine.handle(at(7), probed(&first, 2, Ok(needed())));
    assert_eq!(
        engine.state().status(&first),
        Status::Asking,
        "for a person"
    );
    let effects = engine.handle(at(8), confirm(&first, 2));
    assert_eq!(names(&effects), ["step-confirmed", "START 2"]);
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

#[test]
fn a_drill_is_aborted_with_a_reason_and_leaves_and_no_other_run_is() {
    let abort = |why: &str| {
        let (by, why) = ("bob".to_owned(), why.to_owned());
        Input::Operator(OperatorInput::People(PeopleInput::Abort { by, why }))
    };
    let mut plan = plan(&[&[], &[0]]);
    let mut failover = engine(&plan);
    let _ = failover.handle(at(0), Input::Start(info()));
    assert!(failover.handle(at(1), abort("an alarm")).is_empty());

    Arc::make_mut(&mut plan).mode = Mode::Drill;
    let mut drill = engine(&plan);
    let _ = drill.handle(at(0), Input::Start(info()));
    assert!(drill.handle(at(1), abort(" ")).is_empty(), "no reason");
    let effects = drill.handle(at(2), abort("an alarm"));
    assert_eq!(names(&effects)[..2], ["drill-aborted", "run-detached"]);
    assert_eq!(names(&effects).last().map(String::as_str), Some("LEAVE"));
    let aborted = drill.state().people.aborted.clone().unwrap();
    assert_eq!(
        (aborted.by.as_str(), aborted.text.as_str()),
        ("bob", "an alarm")
    );
    assert!(drill.state().finished.is_none());
}

#[test]
fn the_cleanup_of_a_drill_is_left_and_not_aborted() {
    let mut plan = plan(&[&[]]);
    Arc::make_mut(&mut plan).mode = Mode::Drill;
    let mut drill = engine(&plan);
    let _ = drill.handle(at(0), Input::Start(info()));
    drill.record(
        None,
        crate::engine::RunEvent::ChapterOpened {
            chapter: crate::engine::Chapter::Cleanup,
            by: "alice".to_owned(),
            plan: "f".to_owned(),
            keeping: None,
        },
    );
    let (by, why) = ("bob".to_owned(), "an alarm".to_owned());
    let abort = Input::Operator(OperatorInput::People(PeopleInput::Abort { by, why }));
    let effects = drill.handle(at(1), abort);
    assert!(drill.state().people.aborted.is_none(), "{effects:?}");
}

#[test]
fn in_a_drill_one_step_at_a_time_makes_a_hosts_networks() {
    let mut drill = plan(&[&[], &[], &[]]);
    let plan = Arc::make_mut(&mut drill);
    for (index, step) in plan.steps.iter_mut().enumerate() {
        let vm = crate::names::VmName::from(format!("vm{index}"));
        step.action = match index {
            2 => ActionSpec::Network { vm },
            _ => ActionSpec::Fence { vm },
        };
    }
    let begun = |mode| {
        let mut plan = (*drill).clone();
        plan.mode = mode;
        let mut engine = engine(&Arc::new(plan));
        let auto = OperatorInput::SetPace {
            pace: crate::engine::Pace::Auto,
            by: "alice".to_owned(),
        };
        let _ = engine.handle(at(0), Input::Start(info()));
        let _ = engine.handle(at(1), Input::Operator(auto));
        let steps = engine.state().steps.values();
        steps.filter(|step| step.status.is_active()).count()
    };
    assert_eq!(begun(Mode::Failover), 3);
    assert_eq!(begun(Mode::Drill), 1);
}

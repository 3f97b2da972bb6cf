//! What a run gives back before its last line, and how a drill is aborted.

use super::*;

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
    // A screen that had not heard of it yet is told why.
    let undo = OperatorInput::Undo {
        step,
        by: "alice".to_owned(),
    };
    let effects = engine.handle(at(6), Input::Operator(undo));
    assert_eq!(names(&effects), ["decision-refused"]);
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
            despite: None,
        },
    );
    let (by, why) = ("bob".to_owned(), "an alarm".to_owned());
    let abort = Input::Operator(OperatorInput::People(PeopleInput::Abort { by, why }));
    let effects = drill.handle(at(1), abort);
    assert!(drill.state().people.aborted.is_none(), "{effects:?}");
}

#[test]
fn what_failed_and_is_gone_on_without_waits_for_no_decision() {
    let plan = {
        let mut plan = Arc::unwrap_or_clone(plan(&[&[], &[]]));
        plan.steps[0].on_failure = OnFailure::Continue;
        Arc::new(plan)
    };
    let (first, other) = (plan.steps[0].id.clone(), plan.steps[1].id.clone());
    let mut engine = engine(&plan);
    let _ = engine.handle(at(0), Input::Start(info()));
    for (second, step) in [(1, &first), (2, &other)] {
        let gone = Err(Fault::new("it is not there", "esx", "", ""));
        let _ = engine.handle(at(second), probed(step, 1, gone));
    }
    assert_eq!(engine.state().status(&first), Status::Failed);
    assert_eq!(engine.state().status(&other), Status::Failed);
    assert_eq!(engine.stuck(), Some(vec![other]));
}

#[test]
fn what_failed_in_a_run_that_is_being_ended_waits_while_its_command_may_still_act() {
    let mut plan = Arc::unwrap_or_clone(plan(&[&[]]));
    plan.steps[0].on_failure = OnFailure::Continue;
    let step = plan.steps[0].clone();
    let mut state = RunState::default();
    state.steps.entry(step.id.clone()).or_default().status = Status::Failed;
    assert!(!crate::engine::needs_person(&plan, &state, &step));
    plan.frozen = 1;
    assert!(crate::engine::needs_person(&plan, &state, &step));
    plan.frozen = 0;
    state.steps.entry(step.id.clone()).or_default().reopened = true;
    assert!(crate::engine::needs_person(&plan, &state, &step));
}

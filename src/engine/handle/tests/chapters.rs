//! A run that is being ended: what came before is settled and left, then its own steps are walked.

use super::*;
use crate::engine::{Chapter, PeopleInput, Performed, RunEvent, Status, StopOutcome};
use crate::names::OpId;
use crate::plan::{Close, then_closed};

/// Two steps of a run, the second on the first; then a question, and a step that rests on it.
fn ending(close: Close) -> Arc<Plan> {
    let mut closing = Arc::unwrap_or_clone(plan(&[&[], &[0]])).steps;
    let agree = Close::Agree {
        question: "all of it?".to_owned(),
        lines: Vec::new(),
    };
    for (step, close) in closing.iter_mut().zip([agree, close]) {
        step.id = format!("cleanup/x/{}/{}", step.subject.as_str(), close.verb())
            .as_str()
            .into();
        step.action = ActionSpec::Close(close);
    }
    Arc::new(then_closed(
        Arc::unwrap_or_clone(plan(&[&[], &[0]])),
        closing,
    ))
}

fn unregister() -> Close {
    Close::Unregister {
        vm: "vm1".into(),
        host: "esx".into(),
        vmx: "/x.vmx".to_owned(),
    }
}

/// The first step of the run was sending something when the console died.
fn died() -> RunState {
    let own = plan(&[&[], &[0]]);
    let (mut engine, step) = (engine(&own), own.steps[0].id.clone());
    let probed = Input::Probed {
        step: step.clone(),
        attempt: Attempt(1),
        answer: Ok(needed()),
    };
    let wanted = Input::WriteWanted {
        step: step.clone(),
        attempt: Attempt(1),
        ticket: 7,
        host: "esx".into(),
        command: "vim-cmd solo/registervm x.vmx".to_owned(),
        bulk: false,
    };
    for input in [Input::Start(info()), probed, confirm(&step, 1), wanted] {
        let _ = engine.handle(at(1), input);
    }
    engine.state().clone()
}

fn opened(plan: &Arc<Plan>) -> Input {
    Input::Resume {
        operator: "bob".to_owned(),
        console: "noc-4".to_owned(),
        clock_back_s: None,
        with: vec![RunEvent::ChapterOpened {
            chapter: Chapter::Cleanup,
            by: "bob".to_owned(),
            plan: plan.fingerprint.clone(),
            keeping: None,
            despite: None,
        }],
    }
}

fn probed(step: &StepId, answer: ProbeAnswer) -> Input {
    Input::Probed {
        step: step.clone(),
        attempt: Attempt(1),
        answer: Ok(answer),
    }
}

fn performed(step: &StepId) -> Input {
    Input::Performed {
        step: step.clone(),
        attempt: Attempt(1),
        result: Performed::Done {
            evidence: vec!["seen".to_owned()],
        },
    }
}

/// The engine once what the run had sent is stopped, and the question is up.
fn asked(plan: &Arc<Plan>) -> Engine {
    let mut engine = Engine::new(Arc::clone(plan), died(), Settings::default());
    assert_eq!(
        names(&engine.handle(at(10), opened(plan))),
        ["run-resumed", "chapter-opened", "write-lost", "STOP 1"],
        "nothing begins while a command of before may take effect"
    );
    let stopped = Input::Stopped {
        step: plan.steps[0].id.clone(),
        attempt: Attempt(1),
        op: OpId(1),
        outcome: Ok(StopOutcome::NeverSent),
    };
    assert_eq!(
        names(&engine.handle(at(11), stopped)),
        ["lost-stopped", "step-retried", "step-started", "PROBE 1"]
    );
    let agree = &plan.steps[2].id;
    assert_eq!(engine.state().status(agree), Status::Probing);
    let _ = engine.handle(at(12), probed(agree, needed()));
    engine
}

fn agreed(plan: &Arc<Plan>) -> Engine {
    let mut engine = asked(plan);
    let agree = &plan.steps[2].id;
    let _ = engine.handle(at(13), confirm(agree, 1));
    let effects = engine.handle(at(14), performed(agree));
    assert_eq!(names(&effects), ["step-done", "step-started", "PROBE 1"]);
    engine
}

#[test]
fn what_came_before_is_stopped_and_then_left_as_it_is() {
    let plan = ending(unregister());
    let mut engine = agreed(&plan);
    let frozen = &plan.steps[1].id;
    let skip = Input::Operator(OperatorInput::Skip {
        step: frozen.clone(),
        by: "bob".to_owned(),
        reason: "because".to_owned(),
    });
    assert_eq!(names(&engine.handle(at(15), skip)), [""; 0]);
    let last = &plan.steps[3].id;
    let effects = engine.handle(at(16), probed(last, already()));
    assert_eq!(
        names(&effects)[1..],
        ["step-already-done", "run-finished", "LEAVE"]
    );
    let result = engine.state().finished.clone().unwrap();
    assert_eq!(result.done, 2, "its own steps count, and no other");
    assert!(engine.state().chapter().unwrap().ended.is_some());
    assert_eq!(engine.state().own_end, None, "the run itself never ended");
}

#[test]
fn a_yes_to_everything_covers_what_asks_for_no_more_than_that() {
    let plan = ending(unregister());
    let mut engine = agreed(&plan);
    let last = &plan.steps[3].id;
    let effects = engine.handle(at(15), probed(last, needed()));
    assert_eq!(
        names(&effects),
        ["probe-answered", "step-confirmed", "START 1"]
    );
    let known = engine.state().step(last);
    let confirmation = known.confirmation.unwrap();
    assert_eq!(
        (confirmation.by.as_str(), confirmation.how),
        ("alice", Consent::Agreed)
    );

    let mut engine = agreed(&plan);
    let mut more = needed();
    if let Verdict::Needed(proposal) = &mut more.verdict {
        proposal.typed = Some("vm1".to_owned());
    }
    let effects = engine.handle(at(15), probed(last, more));
    assert_eq!(names(&effects), ["probe-answered"], "it waits for the word");
}

#[test]
fn nothing_goes_on_before_somebody_agreed() {
    let plan = ending(unregister());
    let engine = asked(&plan);
    assert_eq!(engine.state().status(&plan.steps[2].id), Status::Asking);
    assert_eq!(engine.state().status(&plan.steps[3].id), Status::Waiting);
    assert_eq!(engine.stuck(), Some(vec![plan.steps[2].id.clone()]));
}

#[test]
fn an_ending_is_left_at_its_own_screen_until_something_of_it_was_sent() {
    let plan = ending(unregister());
    let leave = |reason: &str| {
        Input::Operator(OperatorInput::People(PeopleInput::LeaveEnding {
            chapter: Chapter::Cleanup,
            by: "bob".to_owned(),
            reason: reason.to_owned(),
        }))
    };
    let mut engine = asked(&plan);
    assert_eq!(names(&engine.handle(at(13), leave(" "))), [""; 0]);
    let effects = engine.handle(at(13), leave("too early"));
    assert_eq!(names(&effects), ["chapter-left", "LEAVE"]);
    assert!(engine.state().chapter().is_none() && engine.state().detached);

    let mut engine = agreed(&plan);
    let last = plan.steps[3].id.clone();
    let wanted = Input::WriteWanted {
        step: last.clone(),
        attempt: Attempt(1),
        ticket: 8,
        host: "esx".into(),
        command: "vim-cmd vmsvc/unregister 7".to_owned(),
        bulk: false,
    };
    for input in [probed(&last, needed()), confirm(&last, 1), wanted] {
        let _ = engine.handle(at(15), input);
    }
    // What comes too late is said, and nothing is done of it.
    let effects = engine.handle(at(16), leave("too late"));
    assert_eq!(names(&effects), ["decision-refused"]);
    assert!(engine.state().chapter().is_some());
}

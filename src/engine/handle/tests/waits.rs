//! Steps that only look and wait: a person may end them while they run.

use std::time::Duration;

use super::*;
use crate::engine::{Performed, Status};
use crate::runbook::model::WaitSpec;

#[test]
fn a_pause_is_ended_while_it_runs_and_a_write_is_not() {
    let mut plan = (*plan(&[&[], &[]])).clone();
    plan.steps[0].action = ActionSpec::Wait(WaitSpec::Span(Duration::from_secs(600)));
    let plan = Arc::new(plan);
    let mut engine = Engine::new(
        Arc::clone(&plan),
        RunState::default(),
        Settings {
            headless: true,
            ..Settings::default()
        },
    );
    let _ = engine.handle(at(0), Input::Start(info()));
    for (index, step) in plan.steps.iter().enumerate() {
        let probed = Input::Probed {
            step: step.id.clone(),
            attempt: Attempt(1),
            answer: Ok(needed()),
        };
        let _ = engine.handle(at(1), probed);
        let _ = engine.handle(at(2), confirm(&step.id, 1));
        assert_eq!(engine.state().status(&step.id), Status::Running, "{index}");
    }
    let by_hand = |step: &StepId| {
        Input::Operator(OperatorInput::ByHand {
            step: step.clone(),
            by: "alice".to_owned(),
            evidence: "the array says that it is in step".to_owned(),
        })
    };
    let [pause, write] = [&plan.steps[0].id, &plan.steps[1].id];
    assert!(engine.handle(at(3), by_hand(write)).is_empty());
    let effects = engine.handle(at(4), by_hand(pause));
    assert_eq!(names(&effects), ["CANCEL", "step-by-hand"]);
    let late = Input::Performed {
        step: pause.clone(),
        attempt: Attempt(1),
        result: Performed::Done { evidence: vec![] },
    };
    assert!(engine.handle(at(5), late).is_empty(), "it was settled");
    assert_eq!(engine.state().status(pause), Status::ByHand);
}

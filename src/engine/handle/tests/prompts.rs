//! Prompts that are answered with no, or with what does not hold, and challenges.

use super::*;
use crate::engine::{Answer, NO, Prompt, RunEvent, Status, YES};
use crate::runbook::model::Challenge;

/// One prompt of two questions, tried again by rule twice if it fails.
fn asking() -> (Engine, StepId) {
    let mut plan = Arc::unwrap_or_clone(plan(&[&[]]));
    plan.steps[0].action = ActionSpec::Confirm {
        question: "Is it right?".to_owned(),
        ask: indexmap::IndexMap::new(),
    };
    plan.steps[0].retries = 2;
    asked(plan)
}

fn asked(plan: Plan) -> (Engine, StepId) {
    let statement = "Users lose an hour".to_owned();
    let compare = Prompt::Compare {
        prompt: "Open orders".to_owned(),
        by: "wc on lee-bk1".to_owned(),
        printed: Some("14".to_owned()),
    };
    let ask = [
        ("loss".to_owned(), Prompt::Acknowledge { statement }),
        ("orders".to_owned(), compare),
    ];
    let step = plan.steps[0].id.clone();
    let mut engine = engine(&Arc::new(plan));
    let _ = engine.handle(at(0), Input::Start(info()));
    let verdict = Verdict::Needed(Box::new(Proposal {
        ask: ask.into(),
        ..Proposal::default()
    }));
    let answer = ProbeAnswer {
        found: "for people".to_owned(),
        verdict,
    };
    let probed = Input::Probed {
        step: step.clone(),
        attempt: Attempt::FIRST,
        answer: Ok(answer),
    };
    let _ = engine.handle(at(1), probed);
    (engine, step)
}

fn say(engine: &mut Engine, step: &StepId, confirmation: Confirmation) -> Vec<String> {
    let attempt = Attempt::FIRST;
    let step = step.clone();
    let said = Input::Operator(OperatorInput::Confirm {
        step,
        attempt,
        confirmation,
    });
    names(&engine.handle(at(2), said))
}

fn answers(loss: &str, orders: &str) -> Confirmation {
    let answer = |key: &str, said: &str| (key.to_owned(), Answer::Value(said.to_owned()));
    Confirmation {
        answers: [answer("loss", loss), answer("orders", orders)].into(),
        ..confirmation()
    }
}

fn no(confirmation: Confirmation) -> Confirmation {
    Confirmation {
        decline: Some("the owner is against it".to_owned()),
        ..confirmation
    }
}

#[test]
fn what_holds_lets_it_go_on_and_what_is_missing_changes_nothing() {
    let (mut engine, step) = asking();
    for lacks in [confirmation(), answers(YES, ""), answers("perhaps", "14")] {
        assert_eq!(say(&mut engine, &step, lacks), [""; 0]);
    }
    let went_on = say(&mut engine, &step, answers(YES, "14"));
    assert_eq!(went_on, ["step-confirmed", "START 1"]);
}

#[test]
fn a_no_fails_the_step_with_its_reason_and_no_rule_tries_it_again() {
    // Of the whole step, or of one question; alone, or beside answers.
    for said in [
        no(confirmation()),
        no(answers(NO, "")),
        no(answers(YES, "14")),
    ] {
        let (mut engine, step) = asking();
        let failed = say(&mut engine, &step, said);
        assert_eq!(failed, ["step-declined", "step-failed"]);
        let known = engine.state().step(&step);
        assert_eq!(known.status, Status::Failed);
        let fault = known.fault.unwrap();
        assert_eq!(fault.state, "nothing was sent in this attempt");
        assert!(
            fault
                .what
                .starts_with("alice answered no: the owner is against it"),
            "{fault}"
        );
        let retry = OperatorInput::Retry {
            scope: crate::engine::RetryScope::Step(step.clone()),
            by: "alice".to_owned(),
        };
        let again = engine.handle(at(3), Input::Operator(retry));
        assert_eq!(names(&again), ["step-retried", "step-started", "PROBE 2"]);
    }
}

#[test]
fn a_no_needs_a_reason_and_another_value_is_one() {
    let (mut engine, step) = asking();
    let blank = Confirmation {
        decline: Some(" ".to_owned()),
        ..answers(YES, "14")
    };
    for without in [answers(NO, "14"), blank] {
        assert_eq!(say(&mut engine, &step, without), [""; 0]);
    }
    let failed = say(&mut engine, &step, answers(YES, "12"));
    assert_eq!(failed, ["step-declined", "step-failed"]);
    let fault = engine.state().step(&step).fault.unwrap();
    assert!(fault.what.contains("12 was read"), "{fault}");
}

#[test]
fn a_step_that_asks_nobody_is_not_declined_and_a_gate_is() {
    let mut plan = Arc::unwrap_or_clone(plan(&[&[]]));
    let (mut engine, step) = asked(plan.clone());
    assert_eq!(say(&mut engine, &step, no(answers(YES, "14"))), [""; 0]);
    plan.steps[0].gate = true;
    let (mut engine, step) = asked(plan);
    let failed = say(&mut engine, &step, no(answers(YES, "14")));
    assert_eq!(failed, ["step-declined", "step-failed"]);
}

#[test]
fn another_answer_to_the_challenge_is_recorded_and_refused() {
    let mut plan = Arc::unwrap_or_clone(plan(&[&[]]));
    plan.steps[0].people = 2;
    plan.steps[0].challenge = Some(Challenge {
        say: "Which site stops?".to_owned(),
        response: "Leeds".to_owned(),
    });
    let (mut engine, step) = asked(plan);
    let answered = |second: &str, response: Option<&str>| Confirmation {
        second: Some(second.to_owned()),
        response: response.map(str::to_owned),
        ..answers(YES, "14")
    };
    assert_eq!(say(&mut engine, &step, answered("bob", None)), [""; 0]);
    let both = answered("Alice", Some("Leeds"));
    assert_eq!(
        say(&mut engine, &step, both),
        [""; 0],
        "one person is not two"
    );
    let attempt = Attempt::FIRST;
    let input = OperatorInput::Confirm {
        step: step.clone(),
        attempt,
        confirmation: answered("bob", Some("London")),
    };
    let effects = engine.handle(at(2), Input::Operator(input));
    let [Effect::Record(entry)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let RunEvent::ResponseRefused { second, said, .. } = &entry.event else {
        panic!("{entry:?}")
    };
    assert_eq!((second.as_str(), said.as_str()), ("bob", "London"));
    let known = engine.state().step(&step);
    assert_eq!((known.status, known.refused), (Status::Asking, 1));
    let right = say(&mut engine, &step, answered("bob", Some(" leeds")));
    assert_eq!(right, ["step-confirmed", "START 1"]);
    let kept = engine.state().step(&step).confirmation.unwrap();
    assert_eq!(kept.response.as_deref(), Some("as agreed"));
}

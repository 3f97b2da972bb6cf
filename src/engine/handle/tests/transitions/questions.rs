//! Questions of VMs.

use super::*;

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

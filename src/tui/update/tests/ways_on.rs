//! The ways on from a step that failed or is over.

use super::*;

#[test]
fn a_failed_step_has_every_way_on() {
    let mut bench = Bench::new(&failed(), SMALL);
    bench.calmly("<Enter><Enter>");
    let scope = RetryScope::Step(id("sql01", "register"));
    let by = "alice".to_owned();
    assert_eq!(
        sends(&mut bench),
        [OperatorInput::Retry {
            scope,
            by: by.clone()
        }]
    );
    bench.calmly("r<Down><Enter>");
    let scope = RetryScope::VmOf(id("sql01", "register"));
    assert_eq!(
        sends(&mut bench),
        [OperatorInput::Retry {
            scope,
            by: by.clone()
        }]
    );
    bench.calmly("r<Down><Down><Enter>");
    let scope = RetryScope::AllFailed;
    assert_eq!(
        sends(&mut bench),
        [OperatorInput::Retry {
            scope,
            by: by.clone()
        }]
    );
    bench.calmly("<Enter>s<Enter>").keys("not needed<Enter>");
    let (step, reason) = (id("sql01", "register"), "not needed".to_owned());
    assert_eq!(
        sends(&mut bench),
        [OperatorInput::Skip {
            step,
            by: by.clone(),
            reason
        }]
    );
    bench.calmly("hregistered at the console<Enter>");
    let (step, evidence) = (
        id("sql01", "register"),
        "registered at the console".to_owned(),
    );
    assert_eq!(
        sends(&mut bench),
        [OperatorInput::ByHand {
            step,
            by: by.clone(),
            evidence
        }]
    );
    // Undo wants to be chosen: its first answer is no.
    bench.calmly("u<Enter>");
    assert_eq!(sends(&mut bench), []);
    bench.calmly("u<Down><Enter>");
    let step = id("sql01", "register");
    assert_eq!(
        sends(&mut bench),
        [OperatorInput::Undo {
            step,
            by: by.clone()
        }]
    );
    bench.keys("a");
    assert_eq!(sends(&mut bench), [OperatorInput::Pause { by }]);
}

#[test]
fn every_way_on_stands_in_a_failed_steps_menu() {
    let mut story = Story::asking();
    story.confirmed("sql01", "register");
    story.of(
        "sql01",
        "register",
        1,
        RunEvent::StepFailed { fault: fault() },
    );
    let mut bench = Bench::new(&story, SMALL);
    bench.calmly("<Enter>");
    let text = bench.text();
    for way in [
        "retry this step",
        "retry all of sql01",
        "retry everything failed",
        "skip it",
        "done by hand",
        "take it back",
        "a shell on lee-esx1",
        "pause the run",
        "a corrected runbook",
    ] {
        assert!(text.contains(way), "{way} is not in\n{text}");
    }
    bench.calmly("c");
    assert!(bench.text().contains("--runbook FILE"), "{}", bench.text());
}

#[test]
fn what_was_skipped_by_mistake_is_shown_as_not_sent_and_can_be_tried_again() {
    let mut story = Story::asking();
    let (by, reason) = ("alice".to_owned(), "in a hurry".to_owned());
    story.of("sql01", "register", 1, RunEvent::StepSkipped { by, reason });
    let mut bench = Bench::new(&story, SMALL);
    bench.keys("r");
    assert!(
        bench.text().contains("nothing of it has failed"),
        "of the step on screen: {}",
        bench.text()
    );
    bench.keys("<Up>");
    let text = bench.text();
    assert!(
        text.contains("shown   on lee-esx1") && !text.contains("sent "),
        "{text}"
    );
    bench.calmly("r<Enter>");
    let (step, by) = (id("sql01", "register"), "alice".to_owned());
    let scope = RetryScope::Step(step);
    assert_eq!(sends(&mut bench), [OperatorInput::Retry { scope, by }]);
}

#[test]
fn what_is_only_looked_back_on_and_what_others_build_on_is_not_offered_to_be_changed() {
    let mut story = Story::asking();
    let (by, reason) = ("alice".to_owned(), "in a hurry".to_owned());
    story.of("sql01", "register", 1, RunEvent::StepSkipped { by, reason });
    story.of("web01", "fence", 1, RunEvent::StepFailed { fault: fault() });
    let mut ending = plan();
    ending.frozen = ending.steps.len() - 1;
    let look_at = |bench: &mut Bench, step: StepId| {
        let mut steps = bench.run.plan.steps.iter();
        bench.run.ui.shown = steps.position(|one| one.id == step).unwrap();
        bench.run.ui.follow = false;
        bench.draw();
    };
    let mut bench = Bench::of(ending, &story, SMALL);
    look_at(&mut bench, id("sql01", "register"));
    for key in ["r", "s", "h", "u"] {
        bench.keys(key);
        let text = bench.text();
        assert!(text.contains("only looked back on"), "{key}: {text}");
        assert!(bench.run.ui.dialog.is_none(), "{key}");
    }

    let mut story = Story::begun();
    story.step("sql01", "register", register());
    story.done("sql01", "register", "vmid 7");
    story.already("sql01", "network", "as it is");
    let mut bench = Bench::new(&story, SMALL);
    look_at(&mut bench, id("sql01", "register"));
    bench.keys("u");
    assert!(
        bench.text().contains("take that back first"),
        "{}",
        bench.text()
    );
    assert!(bench.run.ui.dialog.is_none());
}

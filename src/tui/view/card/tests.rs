//! What a card says of the attempt before, and of what a step waits for.

use crate::engine::{Proposal, RunEvent};
use crate::tui::fixture::{Bench, Story, fault, id, register, typed, write};

fn shown(story: &Story, size: (u16, u16)) -> String {
    Bench::new(story, size).text()
}

#[test]
fn a_card_that_asks_again_says_what_is_not_as_it_was_confirmed() {
    let anew = |now: Proposal| {
        let mut story = Story::asking();
        story.confirmed("sql01", "register");
        story.probe("sql01", "register", 2, now);
        shown(&story, (200, 50))
    };
    let mut now = register();
    now.commands[0] = write("lee-esx1", "vim-cmd solo/registervm /vmfs/other.vmx");
    let with_other_command = now.clone();
    now.changes = vec!["sql01 stands in the inventory of lee-esx1 as sql01-new".to_owned()];
    let text = anew(now);
    for words in [
        "attempt 1 was confirmed; since then this differs:",
        "gone: sql01",
        "new: sql01 stands in the inventory",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    // The commands follow from that.
    assert!(!text.contains("gone: lee-esx1"), "{text}");
    // Where nothing else differs, they are what differs.
    let text = anew(with_other_command);
    for words in [
        "gone: lee-esx1: vim-cmd solo/registervm",
        "new: lee-esx1: vim-cmd solo/registervm",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert!(!text.contains("gone: lee-esx1: vim-cmd vmsvc"), "{text}");
    assert!(!shown(&Story::asking(), (200, 50)).contains("differs"));
}

#[test]
fn a_card_that_asks_after_a_failure_says_that_it_failed() {
    let mut story = Story::asking();
    story.confirmed("sql01", "register");
    let failed = RunEvent::StepFailed { fault: fault() };
    story.of("sql01", "register", 1, failed);
    let by = "lifeboat".to_owned();
    story.of("sql01", "register", 1, RunEvent::StepRetried { by });
    story.probe("sql01", "register", 2, register());
    let text = shown(&story, (200, 50));
    let what = &fault().what;
    let begins = &what[..what.len().min(20)];
    assert!(text.contains(&format!("attempt 1: {begins}")), "{text}");
    assert!(!text.contains("differs"), "{text}");
}

#[test]
fn a_step_that_could_begin_says_which_one_it_waits_for_at_pace_step() {
    let mut story = Story::begun();
    story
        .step("-", "confirm", Proposal::default())
        .done("-", "confirm", "power, network");
    story.of("web01", "fence", 1, RunEvent::StepStarted);
    let mut bench = Bench::new(&story, (200, 50));
    let waiting = id("sql01", "fence");
    let steps = bench.run.plan.steps.iter();
    let at = steps.take_while(|step| step.id != waiting).count();
    (bench.run.ui.shown, bench.run.ui.follow) = (at, false);
    bench.draw();
    let text = bench.text();
    assert!(text.contains("fence web01 is probing"), "{text}");
    assert!(text.contains("[p] phase or auto"), "{text}");
}

#[test]
fn the_head_of_a_narrow_card_keeps_the_attempt() {
    let mut story = Story::begun();
    story.of("sql01", "fence", 12, RunEvent::StepStarted);
    let text = shown(&story, (80, 24));
    assert!(text.contains("attempt 12"), "{text}");
}

#[test]
fn a_fence_is_not_said_to_be_final_beside_the_way_back() {
    let mut story = Story::begun();
    story.probe("sql01", "fence", 1, typed());
    let text = shown(&story, (200, 50));
    assert!(text.contains("it cuts users off"), "{text}");
    assert!(!text.contains("typed: it cannot be taken back"), "{text}");
}

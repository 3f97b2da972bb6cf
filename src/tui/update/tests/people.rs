//! Who watches, who takes the run over, who is told, who has a shell.

use super::*;

#[test]
fn whoever_watches_decides_nothing_whatever_they_press() {
    let mut trouble = Story::asking();
    let (fault, remedies) = (fault(), vec!["retry".to_owned()]);
    trouble.of(
        "sql01",
        "register",
        1,
        RunEvent::StepHeld { fault, remedies },
    );
    for story in [Story::asking(), trouble, Story::begun()] {
        let mut bench = Bench::new(&story, SMALL);
        bench.run.watching = true;
        bench.wait(60_000);
        assert!(
            bench.text().contains("watching, read only"),
            "{}",
            bench.text()
        );
        assert!(
            bench.text().contains("[q] stop watching"),
            "{}",
            bench.text()
        );
        for key in
            "s h r u p a ! <Enter> y 1 2 <Enter> g <Enter> l / x <Enter> <Esc> z ?".split(' ')
        {
            bench.wait(3000).keys(key);
        }
        assert_eq!(bench.sent(), [], "{}", bench.text());
        bench.keys("<Esc>q");
        assert!(matches!(bench.sent().as_slice(), [Cmd::Leave(_)]));
    }
}

#[test]
fn who_watches_is_told_of_an_offer_and_that_the_run_was_left() {
    let mut story = Story::asking();
    let by = "alice".to_owned();
    story.event(RunEvent::HandoverOffered { by });
    let mut bench = Bench::new(&story, SMALL);
    bench.run.watching = true;
    bench.wait(60_000);
    let text = bench.text();
    let says = "watching, read only; alice offers it [o]";
    assert!(text.contains(says), "{text}");
    let why = "handed over".to_owned();
    happens(&mut bench, &mut story, RunEvent::RunDetached { why });
    let ended = Update::Ended {
        head: "0".repeat(64),
        fault: None,
    };
    bench.msg(Msg::Updates(vec![ended]));
    bench.draw();
    let text = bench.text();
    assert!(!text.contains("without a word"), "{text}");
    assert!(text.contains("alice left the run, and offers it"), "{text}");
}

#[test]
fn whoever_takes_the_run_over_stands_behind_what_follows() {
    let mut story = Story::asking();
    let by = || "alice".to_owned();
    story.event(RunEvent::HandoverOffered { by: by() });
    let mut bench = Bench::new(&story, SMALL);
    bench.calmly("o<Enter>t");
    bench.keys("Alice<Enter>");
    assert!(bench.text().contains("somebody else takes it"));
    bench.keys("<C-u>bob<Enter>i have it<Enter>");
    assert!(bench.text().contains("type: I have control"));
    assert!(sends(&mut bench).is_empty(), "neither key alone is enough");
    bench.keys("<C-u>i have control<Enter>");
    let by_bob = || "bob".to_owned();
    let taking = OperatorInput::People(PeopleInput::TakeOver { by: by_bob() });
    assert_eq!(sends(&mut bench), [taking]);
    let taken = RunEvent::HandoverTaken {
        from: by(),
        by: by_bob(),
    };
    happens(&mut bench, &mut story, taken);
    bench.calmly("!");
    bench.keys("mine<Enter>");
    let sent = sends(&mut bench);
    assert!(
        matches!(&sent[..], [OperatorInput::Note { by, .. }] if by == "bob"),
        "{sent:?}"
    );
}

#[test]
fn an_update_that_is_due_rings_once_and_again_after_the_next_interval() {
    let mut story = Story::asking();
    let mut bench = Bench::new(&story, SMALL);
    bench.keys("g<Esc>");
    std::sync::Arc::make_mut(&mut bench.run.runbook)
        .updates
        .every = Some(Duration::from_secs(24 * 3_600));
    let rings = |bench: &mut Bench| {
        let rung = bench.sent.iter().filter(|cmd| **cmd == Cmd::Ring).count();
        bench.sent.clear();
        rung
    };
    // What else needs a person has rung by now.
    bench.wait(20_000).wait(1_000);
    rings(&mut bench);
    assert!(bench.text().contains("update in "), "{}", bench.text());
    bench.wait(24 * 3_600_000).wait(1_000).wait(1_000);
    assert_eq!(rings(&mut bench), 1);
    assert!(bench.text().contains("due an update"), "{}", bench.text());
    story.wait(24 * 3_600 + 100);
    let posted = RunEvent::UpdatePosted {
        by: "alice".to_owned(),
        text: "still at it".to_owned(),
    };
    happens(&mut bench, &mut story, posted);
    bench.wait(1_000);
    assert_eq!(rings(&mut bench), 0);
    assert!(bench.text().contains("update in "), "{}", bench.text());
}

#[test]
fn a_shell_is_opened_only_when_the_journal_says_so_and_closed_when_it_is_left() {
    let mut story = Story::asking();
    story.confirmed("sql01", "register");
    story.of(
        "sql01",
        "register",
        1,
        RunEvent::StepFailed { fault: fault() },
    );
    let mut bench = Bench::new(&story, SMALL);
    bench.calmly("<Enter>x");
    bench.calmly("look around<Enter>");
    let sent = bench.sent();
    let opening = OperatorInput::People(PeopleInput::OpenShell {
        step: id("sql01", "register"),
        host: "lee-esx1".into(),
        by: "alice".to_owned(),
        reason: "look around".to_owned(),
    });
    assert_eq!(sent, [Cmd::Send(opening)]);
    let opened = RunEvent::ShellOpened {
        host: "lee-esx1".into(),
        by: "alice".to_owned(),
        reason: "look around".to_owned(),
    };
    happens(&mut bench, &mut story, opened);
    assert_eq!(bench.sent(), [Cmd::Shell("lee-esx1".into())]);
    bench.msg(Msg::ShellLeft(Err("no shell on lee-esx1".to_owned())));
    let by = "alice".to_owned();
    let closing = OperatorInput::People(PeopleInput::CloseShell { by });
    assert_eq!(sends(&mut bench), [closing]);
    bench.draw();
    assert!(bench.text().contains("no shell on lee-esx1"));
}

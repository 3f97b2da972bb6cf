//! Leaving a run, and what is left of one that has ended.

use super::*;

#[test]
fn leaving_asks_and_waits_for_the_journal() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.calmly("q<Enter>");
    assert_eq!(bench.sent(), []);
    bench.calmly("qy");
    assert!(matches!(
        sends(&mut bench).as_slice(),
        [OperatorInput::Detach { .. }]
    ));
    bench.keys("<Enter>");
    assert_eq!(bench.sent(), []);
    let ended = Update::Ended {
        head: "0".repeat(64),
        fault: None,
    };
    bench.msg(Msg::Updates(vec![ended]));
    let exit = RunExit {
        detached: true,
        finished: None,
    };
    assert_eq!(bench.sent(), [Cmd::Leave(exit)]);
}

#[test]
fn ctrl_c_twice_within_two_seconds_leaves() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.keys("<C-c>").wait(2500).keys("<C-c>");
    assert_eq!(sends(&mut bench), []);
    bench.wait(500).keys("<C-c>");
    assert!(matches!(
        sends(&mut bench).as_slice(),
        [OperatorInput::Detach { .. }]
    ));
    // A journal that cannot be closed does not hold the terminal for ever.
    bench.wait(11_000);
    let exit = RunExit {
        detached: true,
        finished: None,
    };
    assert_eq!(bench.sent().first(), Some(&Cmd::Leave(exit)));
}

#[test]
fn esc_that_arrives_with_the_next_key_is_not_lost() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.calmly("q<A-l>");
    assert!(bench.text().contains("log in UTC"), "{}", bench.text());
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.calmly("!half a thought<A-l>");
    assert!(bench.text().contains("half a thought"), "{}", bench.text());
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.keys("q<A-C-c><C-c>");
    assert!(matches!(
        sends(&mut bench).as_slice(),
        [OperatorInput::Detach { .. }]
    ));
}

#[test]
fn a_signal_leaves_too() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.msg(Msg::Ending("the console was told to end (SIGTERM)"));
    assert!(
        matches!(sends(&mut bench).as_slice(), [OperatorInput::Detach { why }] if why.contains("SIGTERM"))
    );
}

#[test]
fn a_finished_run_is_left_with_its_result() {
    let mut bench = Bench::new(&Story::finished(), SMALL);
    bench.keys("<Enter>");
    assert_eq!(bench.sent(), []);
    bench.msg(Msg::Updates(vec![Update::Ended {
        head: "ab".repeat(32),
        fault: None,
    }]));
    bench.draw();
    assert!(bench.text().contains("[Enter] leave"), "{}", bench.text());
    bench.calmly("<Enter>");
    let sent = bench.sent();
    let [Cmd::Leave(exit)] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert!(!exit.detached);
    assert_eq!(exit.finished.as_ref().map(|result| result.skipped), Some(1));
}

#[test]
fn the_steps_of_a_finished_run_can_still_be_looked_at() {
    let mut bench = Bench::new(&Story::finished(), SMALL);
    bench.msg(Msg::Updates(vec![Update::Ended {
        head: "ab".repeat(32),
        fault: None,
    }]));
    bench.keys("<Esc><Up>");
    assert!(bench.text().contains("[1] steps"), "{}", bench.text());
    bench.keys("<Esc>");
    assert!(bench.text().contains("debrief"), "{}", bench.text());
}

#[test]
fn a_run_that_stops_on_its_own_says_why_and_what_next() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    let fault = crate::error::Fault::new(
        "the journal cannot be written: no space left on device",
        "/home/alice/.local/state/lifeboat/runs/20260102-030405-k7qd/journal.jsonl",
        "the last line that was confirmed is on disk, nothing after it was sent",
        "make room, then resume the run",
    );
    bench.msg(Msg::Updates(vec![Update::Ended {
        head: "ab".repeat(32),
        fault: Some(fault),
    }]));
    bench.draw();
    for words in [
        "no space left",
        "journal.jsonl",
        "make room",
        "lifeboat resume",
        "[Enter] leave",
    ] {
        assert!(bench.text().contains(words), "{words}: {}", bench.text());
    }
    bench.calmly("<Enter>");
    assert_eq!(
        bench.sent(),
        [Cmd::Leave(RunExit {
            detached: true,
            finished: None
        })]
    );
}

#[test]
fn a_drill_shows_its_limit_and_is_aborted_by_one_key_and_a_reason() {
    let mut story = Story::asking();
    let first = std::sync::Arc::make_mut(&mut story.entries[0]);
    let RunEvent::RunStarted(info) = &mut first.event else {
        panic!("{first:?}");
    };
    info.drill = Some(crate::engine::DrillTerms {
        abort: "any alarm".to_owned(),
        limit_s: Some(3_600),
        abort_key: "bob".to_owned(),
    });
    let mut plan = crate::tui::fixture::plan();
    plan.mode = crate::runbook::model::Mode::Drill;
    let mut bench = Bench::of(plan, &story, SMALL);
    let text = bench.text();
    for words in [
        " DRILL ",
        "limit 55m left",
        "abort on: any alarm; bob holds the abort key",
        "[x] abort",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    bench.calmly("x");
    assert!(bench.text().contains("bob holds the abort key"));
    bench.calmly("<Enter>");
    assert!(bench.text().contains("this cannot stay empty"));
    bench.keys("an alarm<Enter>");
    let (by, why) = ("alice".to_owned(), "an alarm".to_owned());
    let abort = OperatorInput::People(PeopleInput::Abort { by, why });
    assert_eq!(sends(&mut bench), [abort]);

    let mut failover = Bench::new(&Story::asking(), SMALL);
    assert!(!failover.text().contains("[x] abort"));
    failover.calmly("x");
    assert!(sends(&mut failover).is_empty());
    assert!(failover.text().contains("only a drill can be aborted"));
}

#[test]
fn an_ending_of_which_nothing_was_done_is_left_with_a_reason() {
    let mut story = Story::begun();
    story.event(RunEvent::ChapterOpened {
        chapter: Chapter::Rollback,
        by: "bob".to_owned(),
        plan: String::new(),
        keeping: None,
        despite: None,
    });
    let mut bench = Bench::new(&story, SMALL);
    bench.calmly("q");
    assert!(
        bench.text().contains("leave the rollback too"),
        "{}",
        bench.text()
    );
    bench.calmly("e<Enter>");
    assert!(
        bench.text().contains("this cannot stay empty"),
        "{}",
        bench.text()
    );
    bench.keys("begun too early<Enter>");
    let left = OperatorInput::People(PeopleInput::LeaveEnding {
        chapter: Chapter::Rollback,
        by: "alice".to_owned(),
        reason: "begun too early".to_owned(),
    });
    assert_eq!(sends(&mut bench), [left]);
    // It came too late after all: that is said.
    story.event(RunEvent::DecisionRefused {
        by: "alice".to_owned(),
        wish: "to leave the rollback".to_owned(),
        why: "a shell is open on lee-esx1".to_owned(),
    });
    let entry = story.entries.last().unwrap().clone();
    bench.msg(Msg::Updates(vec![Update::Entry(entry)]));
    bench.draw();
    let words = "not done (to leave the rollback): a shell is open on lee-esx1";
    assert!(bench.text().contains(words), "{}", bench.text());
    let ended = Update::Ended {
        head: "0".repeat(64),
        fault: None,
    };
    let left = bench
        .run
        .state
        .leaving(Chapter::Rollback, "alice".to_owned(), "early".to_owned());
    story.event(left.unwrap());
    let entry = story.entries.last().unwrap().clone();
    bench.msg(Msg::Updates(vec![Update::Entry(entry), ended]));
    let exit = bench.sent();
    assert!(matches!(exit[..], [Cmd::Leave(_)]), "{exit:?}");
}

#[test]
fn a_commit_over_a_split_is_not_said_to_be_resumable() {
    let mut story = Story::begun();
    story.event(RunEvent::ChapterOpened {
        chapter: Chapter::Commit,
        by: "bob".to_owned(),
        plan: String::new(),
        keeping: None,
        despite: None,
    });
    story.event(RunEvent::FactFound(Fact::SplitBrain {
        vm: "web01".into(),
        started: "lee-esx1".into(),
        also: "lon-esx1".into(),
    }));
    let mut bench = Bench::new(&story, SMALL);
    bench.calmly("q");
    let text = bench.text();
    assert!(text.contains("lifeboat watch --hosts"), "{text}");
    assert!(!text.contains("resum"), "{text}");
}

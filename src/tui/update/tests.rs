mod prompts;

use super::*;

use crate::engine::{
    Answer, Chapter, Choice, ChoiceOption, Consent, Entry, Fact, PeopleInput, Proposal, RetryScope,
    RunEvent,
};
use crate::names::{Attempt, StepId};
use crate::runner::{Live, Update};
use crate::tui::fixture::{
    Bench, Story, at, attested, declare, fault, id, parse, plan, power_on, question, register,
    typed,
};

const SMALL: (u16, u16) = (80, 24);

fn sends(bench: &mut Bench) -> Vec<OperatorInput> {
    let send = |cmd| match cmd {
        Cmd::Send(input) => Some(input),
        _ => None,
    };
    bench.sent().into_iter().filter_map(send).collect()
}

/// Reads the card to its end and opens what it asks.
fn until_dialog(bench: &mut Bench) {
    for _ in 0..5 {
        bench.calmly("<Enter>");
        if bench.run.ui.dialog.is_some() {
            return;
        }
    }
    panic!("{}", bench.text());
}

#[test]
fn enter_confirms_the_attempt_that_is_shown() {
    let mut bench = Bench::new(&Story::asking(), (110, 30));
    bench.calmly("<Enter>");
    let sent = sends(&mut bench);
    let [
        OperatorInput::Confirm {
            step,
            attempt,
            confirmation,
        },
    ] = sent.as_slice()
    else {
        panic!("{sent:?}");
    };
    assert_eq!(*step, id("sql01", "register"));
    assert_eq!(*attempt, Attempt(1));
    assert_eq!(confirmation.by, "alice");
    assert_eq!(confirmation.how, Consent::Person);
}

/// The restore of sql01, as proposed or waiting for a choice.
fn choosing(taken: Option<&str>) -> Bench {
    let option = |name: &str, unusable: Option<&str>| ChoiceOption {
        name: name.to_owned(),
        about: "6h before the outage, full, whole, 2.0 GiB, RPO within".to_owned(),
        unusable: unusable.map(str::to_owned),
    };
    let choice = Choice {
        key: "point".to_owned(),
        of: "the restore point".to_owned(),
        options: vec![
            option("20260103T000000Z", Some("it has no SHA256SUMS")),
            option("20260102T000000Z", None),
            option("20260101T000000Z", None),
        ],
        taken: taken.map(str::to_owned),
    };
    let mut story = Story::begun();
    story
        .step("-", "confirm", declare())
        .done("-", "confirm", "power, network")
        .already("sql01", "fence", "not registered on lon-esx1");
    let proposal = Proposal {
        changes: vec!["restore point 20260102T000000Z".to_owned()],
        choice: Some(choice),
        ..Proposal::default()
    };
    story.probe("sql01", "restore", 1, proposal);
    Bench::new(&story, SMALL)
}

#[test]
fn another_restore_point_is_taken_with_c_a_list_and_a_reason() {
    let mut bench = choosing(Some("20260102T000000Z"));
    bench.keys("c");
    assert!(
        bench.text().contains("Proposed is 20260102T000000Z"),
        "{}",
        bench.text()
    );
    bench.calmly("<Enter>");
    assert!(
        bench.text().contains("on the card already"),
        "{}",
        bench.text()
    );
    bench.calmly("<Up>");
    assert!(
        bench.text().contains("it has no SHA256SUMS"),
        "{}",
        bench.text()
    );
    bench.calmly("<Enter>");
    assert!(bench.text().contains("cannot be taken"), "{}", bench.text());
    assert_eq!(sends(&mut bench), []);
    bench.calmly("<Down><Down><Enter>suspect since noon<Enter>");
    let sent = sends(&mut bench);
    let [OperatorInput::Confirm { confirmation, .. }] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    let value = |text: &str| Answer::Value(text.to_owned());
    assert_eq!(confirmation.answers["point"], value("20260101T000000Z"));
    assert_eq!(confirmation.answers["why"], value("suspect since noon"));

    // Enter alone sends what the card shows.
    let mut bench = choosing(Some("20260102T000000Z"));
    until_sent(&mut bench);

    // Where nothing is proposed Enter asks.
    let mut bench = choosing(None);
    until_dialog(&mut bench);
    assert!(
        bench.text().contains("cannot be taken. Nothing is sent"),
        "{}",
        bench.text()
    );
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.keys("c");
    assert!(
        bench.text().contains("leaves nothing to choose"),
        "{}",
        bench.text()
    );
}

fn until_sent(bench: &mut Bench) {
    for _ in 0..5 {
        bench.calmly("<Enter>");
        if let [OperatorInput::Confirm { confirmation, .. }] = sends(bench).as_slice() {
            assert!(confirmation.answers.is_empty());
            return;
        }
    }
    panic!("{}", bench.text());
}

#[test]
fn a_card_that_does_not_fit_is_read_to_its_end_first() {
    let mut bench = Bench::new(&Story::asking(), (60, 16));
    assert!(bench.text().contains("[Enter] read on"), "{}", bench.text());
    let mut presses = 0;
    while sends(&mut bench).is_empty() {
        bench.calmly("<Enter>");
        presses += 1;
        assert!(presses < 10, "{}", bench.text());
    }
    assert!(presses > 1);
}

#[test]
fn type_ahead_and_a_key_held_down_never_confirm() {
    let mut story = Story::asking();
    story
        .confirmed("sql01", "register")
        .done("sql01", "register", "seen");
    story.probe("sql01", "power_on", 1, power_on());
    let mut bench = Bench::new(&story, SMALL);
    for _ in 0..100 {
        bench.keys("<Enter>").wait(40);
    }
    assert_eq!(sends(&mut bench), []);
    // Half a second later it is still not armed, a whole second later it is.
    bench.wait(500).keys("<Enter>");
    assert_eq!(sends(&mut bench), []);
    assert!(bench.text().contains("armed in"), "{}", bench.text());
    bench.wait(1000).keys("<Enter>");
    assert!(matches!(
        sends(&mut bench).as_slice(),
        [OperatorInput::Confirm { .. }]
    ));
}

#[test]
fn a_key_pressed_for_one_card_does_not_confirm_the_next() {
    let story = Story::asking();
    let mut bench = Bench::new(&story, SMALL);
    bench.wait(5000);
    let from = story.entries.len();
    let mut story = story;
    story
        .confirmed("sql01", "register")
        .done("sql01", "register", "seen");
    story.probe("sql01", "network", 1, power_on());
    // The next card comes in with the same batch as the key, before anything is drawn.
    for entry in &story.entries[from..] {
        bench.msg(Msg::Updates(vec![Update::Entry(
            std::sync::Arc::<Entry>::clone(entry),
        )]));
    }
    bench.msg(Msg::Key(parse("<Enter>")[0]));
    assert_eq!(sends(&mut bench), []);
}

#[test]
fn a_prompt_asks_for_ticks_and_a_second_person() {
    let mut story = Story::begun();
    story.probe("-", "confirm", 1, declare());
    let mut bench = Bench::new(&story, SMALL);
    until_dialog(&mut bench);
    bench.calmly("<Enter>");
    assert!(
        bench.text().contains("choose at least 2 of power"),
        "{}",
        bench.text()
    );
    bench.calmly(" <Down> <Enter>").keys("Alice<Enter>");
    assert!(bench.text().contains("cannot be alice"), "{}", bench.text());
    bench.msg(Msg::Key(parse("<Esc>")[0]));
    // Esc goes one question back, and what was ticked is still there.
    bench.draw();
    assert!(bench.text().contains("[x] network"), "{}", bench.text());
    bench.calmly("<Enter>");
    let field = bench
        .run
        .ui
        .dialog
        .as_mut()
        .and_then(Dialog::field_mut)
        .unwrap();
    field.input.reset();
    bench.keys("bob<Enter>");
    let sent = sends(&mut bench);
    let [OperatorInput::Confirm { confirmation, .. }] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert_eq!(confirmation.second.as_deref(), Some("bob"));
    let chosen = Answer::Chosen(vec!["power".to_owned(), "network".to_owned()]);
    assert_eq!(confirmation.answers.get("signs"), Some(&chosen));
}

#[test]
fn an_attestation_is_typed_after_its_evidence() {
    let mut story = Story::begun();
    story.probe("sql01", "power_on", 1, attested());
    let mut bench = Bench::new(&story, (110, 30));
    until_dialog(&mut bench);
    assert!(
        bench.text().contains("silent, asked by lee-bk1"),
        "{}",
        bench.text()
    );
    bench.keys("<Enter>");
    assert!(
        bench.text().contains("cannot stay empty"),
        "{}",
        bench.text()
    );
    bench.msg(Msg::Paste("the racks are\ndark\u{1b}[31m".to_owned()));
    bench.keys("<Enter>");
    let sent = sends(&mut bench);
    let [OperatorInput::Confirm { confirmation, .. }] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert_eq!(
        confirmation.attest.as_deref(),
        Some("the racks are dark[31m")
    );
}

#[test]
fn a_typed_step_takes_its_name_and_nothing_else() {
    let mut story = Story::begun();
    story.probe("sql01", "fence", 1, typed());
    let mut bench = Bench::new(&story, (110, 30));
    until_dialog(&mut bench);
    bench.keys("web01<Enter>");
    assert!(
        bench.text().contains("that is not sql01"),
        "{}",
        bench.text()
    );
    assert_eq!(sends(&mut bench), []);
    bench.keys("<Esc>").calmly("<Enter>").keys("sql01<Enter>");
    let sent = sends(&mut bench);
    let [OperatorInput::Confirm { confirmation, .. }] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert_eq!(confirmation.typed.as_deref(), Some("sql01"));
}

fn failed() -> Story {
    let mut story = Story::asking();
    story.confirmed("sql01", "register");
    story.of(
        "sql01",
        "register",
        1,
        RunEvent::StepFailed { fault: fault() },
    );
    story
}

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
    bench.calmly("<Enter>s").keys("<Enter>not needed<Enter>");
    let (step, reason) = (id("sql01", "register"), "not needed".to_owned());
    assert_eq!(
        sends(&mut bench),
        [OperatorInput::Skip {
            step,
            by: by.clone(),
            reason
        }]
    );
    bench.keys("hregistered at the console<Enter>");
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

#[test]
fn a_key_that_does_nothing_says_why() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.keys("r");
    assert!(
        bench.text().contains("nothing of it has failed"),
        "{}",
        bench.text()
    );
    bench.keys("<Up>s");
    assert!(
        bench.text().contains("restore sql01 is done already"),
        "{}",
        bench.text()
    );
    assert!(bench.run.ui.dialog.is_none());
    bench.msg(Msg::Paste("y\n".to_owned()));
    bench.draw();
    assert!(
        bench.text().contains("text fields only"),
        "{}",
        bench.text()
    );
    assert_eq!(sends(&mut bench), []);
}

#[test]
fn a_question_opens_by_itself_and_is_answered_by_its_label() {
    let mut story = Story::asking();
    story
        .confirmed("sql01", "register")
        .done("sql01", "register", "seen");
    story.step("sql01", "power_on", power_on());
    story.of(
        "sql01",
        "power_on",
        1,
        RunEvent::QuestionAsked(Box::new(question())),
    );
    let mut bench = Bench::new(&story, SMALL);
    // A key that was on its way when it opened does not answer it.
    bench.keys("<Enter>");
    assert_eq!(sends(&mut bench), []);
    bench.keys("<Esc>");
    assert!(bench.run.ui.dialog.is_none());
    bench.calmly("<Enter><Enter>");
    let sent = sends(&mut bench);
    let [OperatorInput::AnswerQuestion { step, label, .. }] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert_eq!(
        (step, label.as_str()),
        (&id("sql01", "power_on"), "I Moved It")
    );
}

#[test]
fn a_question_that_is_not_known_is_never_answered_by_enter_alone() {
    let mut story = Story::asking();
    story.confirmed("sql01", "register");
    let unknown = crate::engine::Question {
        suggested: None,
        why: None,
        ..question()
    };
    story.of(
        "sql01",
        "register",
        1,
        RunEvent::QuestionAsked(Box::new(unknown)),
    );
    let mut bench = Bench::new(&story, SMALL);
    bench.calmly("<Enter>");
    assert_eq!(sends(&mut bench), []);
    assert!(
        bench.text().contains("suggests nothing"),
        "{}",
        bench.text()
    );
    bench.calmly("3<Enter>");
    let sent = sends(&mut bench);
    assert!(
        matches!(sent.as_slice(), [OperatorInput::AnswerQuestion { label, .. }] if label == "I Copied It"),
        "{sent:?}"
    );
}

fn host_key(known: &[&str]) -> Live {
    Live::HostKey {
        host: "lee-esx1".into(),
        shown: "SHA256:dLkgm3ZyYcUJ8uJGZJr1TbUqZsQ2y1yWZ0yX9n5hPZc".to_owned(),
        known: known.iter().map(|key| (*key).to_owned()).collect(),
    }
}

#[test]
fn a_host_key_is_accepted_by_its_beginning_and_refused_by_anything_else() {
    let mut bench = Bench::new(&Story::begun(), SMALL);
    bench.live(host_key(&[
        "SHA256:OLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDO",
    ]));
    assert!(
        bench.text().contains("ANOTHER host key"),
        "{}",
        bench.text()
    );
    bench.keys("dLkgm3Z<Enter>");
    assert!(
        bench.text().contains("first 8 characters"),
        "{}",
        bench.text()
    );
    bench.keys("x<Enter>");
    assert!(
        bench.text().contains("not the key this host showed"),
        "{}",
        bench.text()
    );
    assert_eq!(sends(&mut bench), []);
    bench.keys("<Esc>");
    assert!(
        bench.text().contains("[Enter] look at the host key"),
        "{}",
        bench.text()
    );
    bench.keys("<Enter>SHA256:dLkgm3Zy<Enter>");
    let sent = sends(&mut bench);
    let [
        OperatorInput::TrustHost {
            host, fingerprint, ..
        },
    ] = sent.as_slice()
    else {
        panic!("{sent:?}")
    };
    assert_eq!(host.as_str(), "lee-esx1");
    assert_eq!(
        fingerprint,
        "SHA256:dLkgm3ZyYcUJ8uJGZJr1TbUqZsQ2y1yWZ0yX9n5hPZc"
    );
}

#[test]
fn nothing_that_opens_by_itself_takes_the_keys_from_a_text_field() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.keys("!half a rem");
    bench.live(host_key(&[]));
    bench.keys("ark<Enter>");
    let sent = sends(&mut bench);
    assert!(
        matches!(sent.as_slice(), [OperatorInput::Note { text, .. }] if text == "half a remark"),
        "{sent:?}"
    );
    assert!(
        bench.text().contains("host key that is not known"),
        "{}",
        bench.text()
    );
}

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
fn a_key_for_a_dialog_does_not_meet_the_card_beneath() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.calmly("p<Enter>").keys("<Enter>");
    assert!(matches!(
        sends(&mut bench).as_slice(),
        [OperatorInput::SetPace { .. }]
    ));
    bench.calmly("l<Esc>").keys("<Enter>");
    assert_eq!(sends(&mut bench), []);
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
fn the_screen_follows_the_run_until_somebody_looks_elsewhere() {
    let mut bench = Bench::new(&failed(), SMALL);
    bench.keys("<Up><Up>");
    assert!(
        bench.text().contains("[Enter] go to register sql01"),
        "{}",
        bench.text()
    );
    bench.keys("<Enter>");
    assert!(
        bench.text().contains("[Enter] what now?"),
        "{}",
        bench.text()
    );
    // The search of the log, and back.
    bench.keys("l/already<Enter>");
    assert!(
        bench.text().contains("/already 1 found"),
        "{}",
        bench.text()
    );
    bench.keys("<Esc><Esc>");
    assert!(
        bench.text().contains("[Enter] what now?"),
        "{}",
        bench.text()
    );
    bench.keys("g<Down><Enter>");
    assert!(bench.text().contains("fence web01"), "{}", bench.text());
}

#[test]
fn the_bell_rings_once_and_only_for_somebody_who_looks_away() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.wait(5000);
    assert!(!bench.sent.contains(&Cmd::Ring));
    bench.wait(6000).wait(20_000).wait(20_000);
    let rings = bench.sent.iter().filter(|cmd| **cmd == Cmd::Ring).count();
    assert_eq!(rings, 1);
}

#[test]
fn titles_and_cells_carry_nothing_that_a_host_smuggled_in() {
    let mut bench = Bench::new(&Story::asking(), (110, 30));
    let line = "\u{1b}]0;owned\u{7}\u{202e}evil\ttab".to_owned();
    bench.live(Live::Output {
        host: "lee-esx1".into(),
        line,
        replaces: false,
    });
    bench.live(Live::Banner("\u{9b}31mred\nline".to_owned()));
    assert!(
        !bench.text().chars().any(|c| c != '\n' && c.is_control()),
        "{}",
        bench.text()
    );
    assert!(
        bench.text().contains("]0;ownedevil tab"),
        "{}",
        bench.text()
    );
    assert!(at(0) < bench.now.wall);
}

#[test]
fn an_alarm_that_has_no_room_is_cut_and_keeps_its_key() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.live(Live::Banner(format!("sql01 RUNS {}", "there ".repeat(20))));
    assert!(bench.text().contains("…  [Esc] seen"), "{}", bench.text());
}

#[test]
fn a_window_that_has_grown_says_no_more_that_it_is_too_small() {
    let mut bench = Bench::new(&Story::asking(), (60, 15));
    bench.keys("s");
    bench.area = ratatui::layout::Rect::new(0, 0, 80, 24);
    bench.draw();
    bench.draw();
    assert!(!bench.text().contains("too small"), "{}", bench.text());
}

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

mod properties {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Event {
        Keys(String),
        Wait(u64),
        Next(usize),
        Resize(u16, u16),
        Live(u8),
        Paste(String),
    }

    fn event() -> impl Strategy<Value = Event> {
        let special = prop::sample::select(vec![
            "<Enter>", "<Esc>", "<Up>", "<Down>", "<Left>", "<Right>", "<Tab>", "<PgDn>", "<PgUp>",
            "s", "h", "u", "r", "p", "g", "z", "l", "!", "a", "?", "q", "n", "N", "/", "f", "G",
            " ", "1", "2", "3", "4", "y", "sql01", "bob", "<C-c>",
        ]);
        prop_oneof![
            6 => special.prop_map(|keys| Event::Keys(keys.to_owned())),
            2 => (0_u64..3000).prop_map(Event::Wait),
            3 => (1_usize..4).prop_map(Event::Next),
            1 => (0_u16..220, 0_u16..70).prop_map(|(width, height)| Event::Resize(width, height)),
            1 => any::<u8>().prop_map(Event::Live),
            1 => any::<String>().prop_map(Event::Paste),
        ]
    }

    fn long_story() -> Story {
        let mut story = failed();
        story.of(
            "sql01",
            "register",
            2,
            RunEvent::StepRetried {
                by: "alice".to_owned(),
            },
        );
        story.probe("sql01", "register", 2, attested());
        story.of(
            "sql01",
            "power_on",
            1,
            RunEvent::QuestionAsked(Box::new(question())),
        );
        let rest = Story::finished();
        story.entries.extend(rest.entries);
        story
    }

    fn live(kind: u8) -> Live {
        match kind % 4 {
            0 => host_key(&[]),
            1 => Live::Banner(format!("banner {kind}")),
            2 => Live::Host(Box::new(crate::tui::fixture::figures(
                "lee-esx1",
                i64::from(kind),
            ))),
            _ => Live::Progress {
                step: id("sql01", "restore"),
                progress: crate::actions::Progress {
                    done: u64::from(kind) << 56,
                    total: u64::from(kind),
                    ..Default::default()
                },
            },
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
        #[test]
        fn no_sequence_of_messages_panics_or_confirms_what_is_not_asked(
            events in prop::collection::vec(event(), 1..60)
        ) {
            let story = long_story();
            let mut bench = Bench::new(&Story::begun(), (80, 24));
            let mut next = 1;
            for event in events {
                match event {
                    Event::Keys(keys) => { bench.keys(&keys); }
                    Event::Wait(ms) => { bench.wait(ms); }
                    Event::Next(count) => {
                        let to = (next + count).min(story.entries.len());
                        for entry in &story.entries[next.min(to)..to] {
                            bench.msg(Msg::Updates(vec![Update::Entry(std::sync::Arc::clone(entry))]));
                        }
                        next = to;
                        bench.draw();
                    }
                    Event::Resize(width, height) => {
                        bench.area = ratatui::layout::Rect::new(0, 0, width, height);
                        bench.draw();
                    }
                    Event::Live(kind) => { bench.live(live(kind)); }
                    Event::Paste(text) => bench.msg(Msg::Paste(text)),
                }
                for input in sends(&mut bench) {
                    if let OperatorInput::Confirm { step, attempt, .. } = input {
                        let known = bench.run.state.step(&step);
                        prop_assert_eq!(known.status, crate::engine::Status::Asking);
                        prop_assert_eq!(known.attempt, attempt);
                    }
                }
                prop_assert!(bench.run.ui.shown < bench.run.plan.steps.len());
            }
            let folded = crate::engine::RunState::fold(
                story.entries[..next].iter().map(std::sync::Arc::as_ref),
            );
            prop_assert_eq!(&bench.run.state.steps, &folded.steps);
        }
    }
}

fn happens(bench: &mut Bench, story: &mut Story, event: RunEvent) {
    story.event(event);
    let entry = story.entries.last().unwrap().clone();
    bench.msg(Msg::Updates(vec![Update::Entry(entry)]));
    bench.draw();
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
    bench.keys("look around<Enter>");
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
    bench.keys("<Enter>");
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

#[test]
fn the_fence_of_a_vm_at_both_sites_comes_first_once_it_asks() {
    let mut story = failed();
    story.event(RunEvent::FactFound(Fact::SplitBrain {
        vm: "web01".into(),
        started: "lee-esx1".into(),
        also: "lon-esx1".into(),
    }));
    let mut bench = Bench::new(&story, SMALL);
    let shown = |bench: &Bench| bench.run.plan.steps[bench.run.ui.shown].id.to_string();
    assert!(
        shown(&bench).contains("sql01/register"),
        "{}",
        shown(&bench)
    );
    let known = story.entries.len();
    story.probe("web01", "fence", 1, typed());
    let entries = story.entries[known..].iter().cloned();
    bench.msg(Msg::Updates(entries.map(Update::Entry).collect()));
    bench.draw();
    assert!(shown(&bench).contains("web01/fence"), "{}", shown(&bench));
    bench.calmly("N");
    bench.wait(100);
    assert!(
        shown(&bench).contains("sql01/register"),
        "it is not brought back: {}",
        shown(&bench)
    );
}

//! What is shown is what is confirmed, and by the keys that are meant for it.

use super::*;

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
fn a_name_that_is_typed_where_nothing_asks_for_it_leaves_no_step_out() {
    let mut story = Story::begun();
    story.probe("sql01", "fence", 1, typed());
    let mut bench = Bench::new(&story, SMALL);
    // All at once, as what was typed ahead comes; then as somebody types who does not look.
    bench.keys("sql01<Enter>");
    assert!(bench.text().contains("too early"), "{}", bench.text());
    assert!(bench.text().contains("> ql01"), "what is typed is kept");
    bench.calmly("<Enter>");
    assert!(bench.text().contains("sql01 is a name"), "{}", bench.text());
    bench.calmly("<Esc>sql01<Enter>");
    assert_eq!(sends(&mut bench), []);
    // A reason is one, however soon it is typed.
    bench
        .calmly("<Esc>s")
        .keys("the rack is dark")
        .calmly("<Enter>");
    assert!(matches!(
        sends(&mut bench).as_slice(),
        [OperatorInput::Skip { reason, .. }] if reason == "the rack is dark"
    ));
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

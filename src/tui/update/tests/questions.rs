//! What opens by itself: questions of VMs, and host keys.

use super::*;

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
        bench.text().contains("[Enter] compare the host key"),
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
fn a_host_whose_key_is_refused_leaves_enter_to_the_steps() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.wait(1500);
    let before = bench.run.enter();
    bench.live(host_key(&[
        "SHA256:OLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDO",
    ]));
    bench.keys("<Esc>").wait(1500);
    assert_eq!(bench.run.enter(), before);
    bench.keys("i");
    assert!(
        bench.text().contains("ANOTHER host key"),
        "{}",
        bench.text()
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

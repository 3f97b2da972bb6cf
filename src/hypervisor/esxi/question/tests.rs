//! Layouts of questions: choices on one line or each on its own, in any order.

use proptest::prelude::*;

use super::*;

fn parse(stdout: &str) -> Question {
    Question::parse(&Output::of(stdout)).unwrap().unwrap()
}

const ONE_LINE: &str = "Virtual machine message 12: msg.uuid.altered:This virtual machine may have been moved or copied.\n\n\
    To configure certain features VMware ESX needs to know which.\n\nDid you move it? If you don't know, answer \"I copied it\".\n\n\
    0. Cancel (Cancel) 1. I _moved it (I _moved it) 2. I _copied it (I _copied it) [default]\n";

const OWN_LINES: &str = "Virtual machine message _vmx1:\nmsg.uuid.altered:This virtual machine might have been moved or copied.\n\
    In order to configure certain features, VMware ESX needs to know.\n\nIf you don't know, answer \"I Co_pied It\".\n   \
    0. button.uuid.cancel (Cancel)\n   1. button.uuid.copiedTheVM (I Copied It) [default]\n   2. button.uuid.movedTheVM (I Moved It)\n";

#[test]
fn choices_on_one_line() {
    let question = parse(ONE_LINE);
    assert_eq!(question.id, "12");
    assert_eq!(question.key.as_deref(), Some("msg.uuid.altered"));
    assert!(
        question
            .text
            .starts_with("This virtual machine may have been")
    );
    assert!(question.text.ends_with("answer \"I copied it\"."));
    let labels: Vec<_> = question
        .choices
        .iter()
        .map(|choice| choice.label.as_str())
        .collect();
    assert_eq!(labels, ["Cancel", "I moved it", "I copied it"]);
    assert_eq!(question.default, Some(2));
    assert!(question.is_moved_or_copied());
    assert_eq!(question.moved().unwrap().number, 1);
    assert_eq!(question.copied().unwrap().number, 2);
}

#[test]
fn choices_on_their_own_lines_in_another_order() {
    let question = parse(OWN_LINES);
    assert_eq!(question.id, "_vmx1");
    assert_eq!(question.default, Some(1));
    assert_eq!(question.moved().unwrap().number, 2);
    assert_eq!(
        question.moved().unwrap().key.as_deref(),
        Some("button.uuid.movedTheVM")
    );
    assert_eq!(question.copied().unwrap().number, 1);
    assert_eq!(question.choice("i MOVED it!").unwrap().number, 2);
    assert_eq!(question.choice("something else"), None);
}

#[test]
fn four_choices_have_one_that_keeps() {
    let question = parse(
        "Virtual machine message 3:\nmsg.uuid.altered:The location has changed.\n\n   0. Create (Create)\n   1. Keep (Keep)\n   2. Always Create (Always Create)\n   3. Always Keep (Always Keep) [default]\n",
    );
    assert!(question.is_moved_or_copied());
    assert_eq!(question.moved().unwrap().label, "Keep");
    assert_eq!(question.copied().unwrap().label, "Create");
    assert_eq!(question.default, Some(3));
}

#[test]
fn a_question_without_its_key_is_known_by_its_text_and_its_choices() {
    let question = parse(
        "Virtual machine message _vmx4: This virtual machine may have been moved or copied.\n 0. Cancel\n 1. I moved it\n 2. I copied it\n",
    );
    assert_eq!(question.key, None);
    assert!(question.is_moved_or_copied());
}

#[test]
fn an_unknown_question_is_read_but_not_known() {
    let question = parse(
        "Virtual machine message _vmx2:\nmsg.hbacommon.outofspace:There is no more space for disk 'x.vmdk'.\n1. Free some (500.0 MB) and retry.\n   0. Retry (_Retry) [default]\n   1. Abort (_Abort)\n",
    );
    assert_eq!(question.key.as_deref(), Some("msg.hbacommon.outofspace"));
    assert!(!question.is_moved_or_copied());
    assert!(question.moved().is_none());
    let labels: Vec<_> = question
        .choices
        .iter()
        .map(|choice| choice.label.as_str())
        .collect();
    assert_eq!(labels, ["Retry", "Abort"]);
    assert!(
        question
            .text
            .ends_with("1. Free some (500.0 MB) and retry.")
    );
}

#[test]
fn no_question_is_none_in_both_ways_in_which_it_is_said() {
    for text in ["", "\n", "No message.\n", "No message\n"] {
        assert_eq!(Question::parse(&Output::of(text)), Ok(None), "{text:?}");
    }
}

#[test]
fn what_is_not_understood_is_an_error_not_silence() {
    for text in ["Something else\n", "Virtual machine message 1: what now?\n"] {
        assert!(Question::parse(&Output::of(text)).is_err(), "{text}");
    }
    assert!(
        Question::parse(&Output {
            status: 1,
            ..Output::default()
        })
        .is_err()
    );
}

proptest! {
    #[test]
    fn never_panics(text in "(Virtual machine message 1: )?(msg.x:)?(.{0,40}\n){0,5}([0-9]{1,4}\\. .{0,30}\n?){0,6}") {
        let _ = Question::parse(&Output::of(&text));
    }

    #[test]
    fn both_layouts_tell_the_same(
        labels in proptest::collection::vec("[A-Z][a-z]{1,8}( [a-z]{1,5}){0,2}", 1..6),
        first in 0_u32..3,
        one_line in any::<bool>(),
    ) {
        let mut text = "Virtual machine message _vmx9: msg.any.thing:What now?\n\n".to_owned();
        for (index, label) in labels.iter().enumerate() {
            let separator = if one_line { " " } else { "\n" };
            text.push_str(&format!("{}. {label} ({label}){separator}", first as usize + index));
        }
        let question = parse(&text);
        let read: Vec<_> = question.choices.iter().map(|choice| choice.label.clone()).collect();
        prop_assert_eq!(read, labels);
        prop_assert_eq!(question.choices[0].number, first);
    }
}

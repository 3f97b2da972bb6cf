//! Prompts of every kind at the keys: yes, no with its reason, and the second person's answer.

use super::*;
use crate::engine::{Confirmation, Prompt};
use crate::runbook::model::Challenge;
use crate::tui::fixture::plan;

/// A card that asks this, of one person.
fn asking(ask: Vec<(&str, Prompt)>) -> Bench {
    let mut plan = plan();
    plan.steps[0].people = 1;
    bench(plan, ask)
}

fn bench(plan: crate::plan::Plan, ask: Vec<(&str, Prompt)>) -> Bench {
    let ask = ask.into_iter().map(|(key, ask)| (key.to_owned(), ask));
    let mut story = Story::begun();
    let proposal = Proposal {
        ask: ask.collect(),
        ..declare()
    };
    story.probe("-", "confirm", 1, proposal);
    Bench::of(plan, &story, SMALL)
}

fn loss() -> (&'static str, Prompt) {
    let statement = "Users lose what they typed since 22:00".to_owned();
    ("loss", Prompt::Acknowledge { statement })
}

fn confirmed(bench: &mut Bench) -> Confirmation {
    match sends(bench).as_slice() {
        [OperatorInput::Confirm { confirmation, .. }] => confirmation.clone(),
        other => panic!("{other:?}"),
    }
}

fn shows(bench: &mut Bench, part: &str) {
    bench.draw();
    assert!(bench.text().contains(part), "{part}: {}", bench.text());
}

#[test]
fn a_statement_takes_a_yes_and_suggests_none() {
    let mut bench = asking(vec![loss()]);
    until_dialog(&mut bench);
    bench.calmly("<Enter>");
    shows(&mut bench, "say y or n first");
    bench.calmly("y<Enter>");
    let said = confirmed(&mut bench);
    assert_eq!(said.answers["loss"], Answer::Value("yes".to_owned()));
    assert_eq!(said.decline, None);
}

#[test]
fn a_no_is_sent_with_its_reason_and_ends_the_questions() {
    let prompt = "Who says so?".to_owned();
    let mut bench = asking(vec![loss(), ("who", Prompt::Evidence { prompt })]);
    until_dialog(&mut bench);
    // Esc goes back from the reason to the question.
    bench.calmly("n<Enter>");
    shows(&mut bench, "Why not?");
    bench.msg(Msg::Key(parse("<Esc>")[0]));
    shows(&mut bench, "[y] yes");
    bench.calmly("n<Enter>").keys("<Enter>");
    shows(&mut bench, "cannot stay empty");
    bench.keys("the owner is against it<Enter>");
    let said = confirmed(&mut bench);
    assert_eq!(said.decline.as_deref(), Some("the owner is against it"));
    assert_eq!(said.answers["loss"], Answer::Value("no".to_owned()));
}

#[test]
fn any_prompt_is_declined_from_its_card_and_a_step_that_asks_nobody_is_not() {
    let prompt = "Who says so?".to_owned();
    let mut bench = asking(vec![("who", Prompt::Evidence { prompt })]);
    bench.calmly("dnobody answers<Enter>");
    let said = confirmed(&mut bench);
    assert_eq!(said.decline.as_deref(), Some("nobody answers"));
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.calmly("d");
    assert!(bench.run.ui.dialog.is_none());
    shows(&mut bench, "asks no yes or no");
}

#[test]
fn what_is_compared_is_not_shown_and_another_value_ends_the_questions() {
    let compare = Prompt::Compare {
        prompt: "Open orders on the screen".to_owned(),
        by: "wc on lee-bk1".to_owned(),
        printed: Some("1417".to_owned()),
    };
    let mut bench = asking(vec![("orders", compare), loss()]);
    until_dialog(&mut bench);
    shows(&mut bench, "wc on lee-bk1");
    assert!(!bench.text().contains("1417"), "{}", bench.text());
    bench.keys("12<Enter>");
    let said = confirmed(&mut bench);
    assert_eq!(said.answers["orders"], Answer::Value("12".to_owned()));
    assert_eq!(said.answers.len(), 1);
}

#[test]
fn the_second_person_answers_what_the_screen_does_not_show() {
    let mut plan = plan();
    plan.steps[0].challenge = Some(Challenge {
        say: "Which site stops?".to_owned(),
        response: "Bradford".to_owned(),
    });
    let mut bench = bench(plan, Vec::new());
    until_dialog(&mut bench);
    bench.keys("bob<Enter>");
    shows(&mut bench, "alice reads aloud:");
    shows(&mut bench, "bob answers");
    assert!(!bench.text().contains("Bradford"), "{}", bench.text());
    bench.keys("London<Enter>");
    shows(&mut bench, "that is not the response");
    let refused = confirmed(&mut bench);
    assert_eq!(refused.response.as_deref(), Some("London"));
    // Only the engine knows that it is recorded.
    assert!(!bench.text().contains("so far"), "{}", bench.text());
    let state = &bench.run.state;
    let step = bench.run.plan.steps[0].id.as_str();
    let refused = RunEvent::ResponseRefused {
        by: "alice".to_owned(),
        second: "bob".to_owned(),
        said: "London".to_owned(),
        how: Consent::Person,
    };
    let entry = Entry::told(state.last_seq + 1, state.last_at.unwrap(), step, refused);
    bench.msg(Msg::Updates(vec![Update::Entry(entry.into())]));
    shows(&mut bench, "1 so far");
    bench.keys("bradford<Enter>");
    let said = confirmed(&mut bench);
    assert_eq!(said.response.as_deref(), Some("bradford"));
    assert_eq!(said.second.as_deref(), Some("bob"));
}

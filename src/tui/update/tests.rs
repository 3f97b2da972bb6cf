//! Keys and events in; what the run is told, and what the screen shows.

mod confirming;
mod leaving;
mod people;
mod prompts;
mod properties;
mod questions;
mod screen;
mod ways_on;

use super::*;

use crate::engine::{
    Answer, Chapter, Choice, ChoiceOption, Consent, Entry, Fact, PeopleInput, Proposal, RetryScope,
    RunEvent,
};
use crate::names::{Attempt, StepId};
use crate::runner::{Live, Update};
use crate::telemetry::RefusedKey;
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

fn happens(bench: &mut Bench, story: &mut Story, event: RunEvent) {
    story.event(event);
    let entry = story.entries.last().unwrap().clone();
    bench.msg(Msg::Updates(vec![Update::Entry(entry)]));
    bench.draw();
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

fn host_key(known: &[&str]) -> Live {
    Live::HostKey(RefusedKey {
        host: "lee-esx1".into(),
        key_type: "ecdsa-sha2-nistp256".to_owned(),
        shown: "SHA256:dLkgm3ZyYcUJ8uJGZJr1TbUqZsQ2y1yWZ0yX9n5hPZc".to_owned(),
        known: known.iter().map(|key| (*key).to_owned()).collect(),
    })
}

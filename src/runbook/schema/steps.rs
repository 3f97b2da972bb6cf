//! Phases, steps, and what a step asks for.

use serde_json::{Value, json};

use super::probes::probe_ref;
use super::types::{about, any_of, argv, duration, entries, flag, list, one_of, text, whole};
use super::{object, verbs};
use crate::runbook::model::VerbName;
use crate::runbook::read::shapes;
use crate::runbook::reader::Shape;

pub(super) fn phase() -> Value {
    let tier = object(&shapes::TIER, &[("tier", whole(1, 1_000))]);
    let for_each = any_of([json!({ "const": "vms" }), tier, list(text())]);
    let step = json!({ "$ref": "#/definitions/step" });
    object(
        &shapes::PHASE,
        &[
            ("phase", about(text(), "The phase's name")),
            (
                "for_each",
                about(
                    for_each,
                    "Its steps once for each of these VMs, which they call ${vm}",
                ),
            ),
            ("steps", list(step)),
        ],
    )
}

/// One verb, and what any step may say besides.
pub(super) fn step() -> Value {
    let shape = Shape {
        also: VerbName::WORDS,
        ..Shape::new("a step", &[], &shapes::COMMON)
    };
    let mut kinds = common();
    let all = VerbName::ALL.iter();
    kinds.extend(all.map(|verb| (verb.as_str(), verbs::argument(*verb))));
    let mut step = object(&shape, &kinds);
    let one_verb = VerbName::WORDS.iter();
    step["oneOf"] = one_verb.map(|verb| json!({ "required": [verb] })).collect();
    step["dependencies"] = json!({ "ask": ["confirm"], "challenge": ["people"] });
    step
}

fn common() -> Vec<(&'static str, Value)> {
    vec![
        (
            "name",
            about(text(), "What the step is called; else what its verb says"),
        ),
        (
            "why",
            about(text(), "Why it is there: for whoever reads at night"),
        ),
        ("text", about(text(), "What to know before it is confirmed")),
        ("timeout", about(duration(), "When it has failed")),
        (
            "retries",
            about(whole(0, 100), "How often it is tried again by itself"),
        ),
        (
            "on_failure",
            about(one_of(&shapes::ON_FAILURE), "Else: ask"),
        ),
        ("usually", about(duration(), "How long it takes as a rule")),
        (
            "modes",
            about(list(one_of(&shapes::MODES)), "Only in these; else in all"),
        ),
        (
            "gate",
            about(flag(), "Nothing behind it starts before it is done"),
        ),
        (
            "typed",
            about(text(), "A word that has to be typed to confirm it"),
        ),
        ("people", about(whole(1, 2), "How many people confirm it")),
        (
            "challenge",
            about(
                challenge(),
                "What the first of two people reads aloud, and the second has to answer",
            ),
        ),
        (
            "ask",
            about(
                entries(ask()),
                "What a confirm asks for, each under a key of its own",
            ),
        ),
    ]
}

fn challenge() -> Value {
    object(
        &shapes::CHALLENGE,
        &[
            ("say", about(text(), "What is read aloud")),
            (
                "response",
                about(text(), "The answer, which the screen does not show"),
            ),
        ],
    )
}

fn ask() -> Value {
    let with = object(&shapes::LOOK, &[("host", text()), ("argv", argv())]);
    let mut ask = object(
        &shapes::ASK,
        &[
            ("choose", about(list(text()), "Words to choose from")),
            (
                "at_least",
                about(whole(1, 1_000), "How many have to be chosen; else 1"),
            ),
            ("value", about(text(), "What is to be typed")),
            (
                "pattern",
                about(text(), "A regular expression that matches the whole value"),
            ),
            (
                "example",
                about(
                    text(),
                    "A value that may be typed: the answer of a practice",
                ),
            ),
            (
                "acknowledge",
                about(text(), "A statement to say yes to; no fails the step"),
            ),
            (
                "evidence",
                about(text(), "What is to be shown, in the person's words"),
            ),
            (
                "compare",
                about(
                    text(),
                    "What is to be read; another value than `with` prints fails the step",
                ),
            ),
            (
                "with",
                about(with, "The command that prints what is compared"),
            ),
            (
                "check",
                about(
                    text(),
                    "What is to be judged of what `probe` shows; no fails the step",
                ),
            ),
            ("probe", about(probe_ref(), "What is looked at first")),
        ],
    );
    ask["oneOf"] = json!(shapes::KINDS.map(|(kind, ..)| json!({ "required": [kind] })));
    for (kind, needs, may) in shapes::KINDS {
        for key in needs.iter().chain(may) {
            ask["dependencies"][key] = json!([kind]);
        }
        if !needs.is_empty() {
            ask["dependencies"][kind] = json!(needs);
        }
    }
    ask
}

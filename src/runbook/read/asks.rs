//! What a prompt asks for, and what one person asks another.

use indexmap::IndexMap;

use super::optional;
use super::probes::{LOOK, look, probe};
use super::texts::{Scope, template};
use crate::runbook::diagnostics::visible;
use crate::runbook::model::{Ask, Challenge, Expect, Probe};
use crate::runbook::reader::{At, Entry, Fields, Reader, Shape};
use crate::runbook::values;

pub(in crate::runbook) const ASK: Shape = Shape::new(
    "a question",
    &[],
    &[
        "choose",
        "at_least",
        "value",
        "pattern",
        "example",
        "acknowledge",
        "evidence",
        "compare",
        "with",
        "check",
        "probe",
    ],
);
pub(in crate::runbook) const CHALLENGE: Shape =
    Shape::new("a challenge", &["say", "response"], &[]);

/// Every kind of question by the key that tells it, with the keys that it needs and may have.
pub(in crate::runbook) const KINDS: [(&str, &[&str], &[&str]); 6] = [
    ("choose", &[], &["at_least"]),
    ("value", &[], &["pattern", "example"]),
    ("acknowledge", &[], &[]),
    ("evidence", &[], &[]),
    ("compare", &["with"], &[]),
    ("check", &["probe"], &[]),
];
const HINT: &str = "there are: { choose: [power, network], at_least: 2 }, { value: Ticket number, pattern: \"INC[0-9]+\" }, { acknowledge: … }, { evidence: … }, { compare: …, with: { host: …, argv: […] } }, { check: …, probe: … }";

/// Everything that a prompt asks for, by its key in answers.
pub(super) fn asks<'a>(
    at: At<'a>,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> IndexMap<String, Ask> {
    let mut asks = IndexMap::new();
    for entry in reader.entries(at, "what is asked") {
        if Ask::RESERVED.contains(&entry.name.as_str()) {
            let message = format!("`{}` has a meaning of its own in answers", entry.name);
            reader.report(entry.key, message, "choose another name");
        } else if !values::is_name(&entry.name) {
            let message = "what is asked is named with letters, digits, hyphens and underscores";
            reader.report(entry.key, message, "");
        }
        if let Some(ask) = ask(&entry, scope, reader) {
            asks.insert(entry.name, ask);
        }
    }
    asks
}

fn ask<'a>(entry: &Entry<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Ask> {
    let fields = reader.fields(entry.at, &ASK)?;
    let mut kinds = KINDS
        .iter()
        .map(|(kind, ..)| *kind)
        .filter(|kind| fields.get(kind).is_some());
    let kind = match (kinds.next(), kinds.next()) {
        (Some(kind), None) => kind,
        (Some(one), Some(other)) => {
            let message = format!("a question is of one kind, and this has `{one}` and `{other}`");
            reader.report(entry.key, message, HINT);
            return None;
        }
        (None, _) => {
            reader.report(entry.key, "a question of no kind", HINT);
            return None;
        }
    };
    for (owner, needs, may) in KINDS.iter().filter(|(owner, ..)| *owner != kind) {
        for key in needs.iter().chain(*may) {
            if fields.get(key).is_some() {
                let message = format!("`{key}` belongs to `{owner}`");
                reader.report(fields.key(key), message, HINT);
            }
        }
    }
    let text = |reader: &mut Reader<'a>| template(fields.get(kind)?, scope, reader);
    Some(match kind {
        "choose" => return choose(&fields, reader),
        "value" => {
            let prompt = text(reader);
            let pattern = optional(&fields, "pattern", reader, super::pattern);
            let example = optional(&fields, "example", reader, Reader::text);
            check_example(&fields, pattern.as_deref(), example.as_deref(), reader);
            Ask::Value {
                prompt: prompt?,
                pattern,
                example,
            }
        }
        "acknowledge" => Ask::Acknowledge {
            statement: text(reader)?,
        },
        "evidence" => Ask::Evidence {
            prompt: text(reader)?,
        },
        "compare" => {
            let prompt = text(reader);
            let with = beside(&fields, "with", reader, |reader, at| {
                let fields = reader.fields(at, &LOOK)?;
                let look = look(&fields, scope, reader)?;
                let expect = Expect::Success;
                Some(Probe::Command { look, expect })
            });
            Ask::Compare {
                prompt: prompt?,
                with: with?,
            }
        }
        _ => {
            let prompt = text(reader);
            let probe = beside(&fields, "probe", reader, |reader, at| {
                probe(at, scope, reader)
            });
            Ask::Check {
                prompt: prompt?,
                probe: probe?,
            }
        }
    })
}

/// What is looked at beside a question, which must be there.
fn beside<'a>(
    fields: &Fields<'a>,
    key: &str,
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>, At<'a>) -> Option<Probe>,
) -> Option<Probe> {
    if let Some(at) = fields.get(key) {
        return read(reader, at);
    }
    let message = format!("this question needs the key `{key}`");
    reader.report(fields.key(key), message, HINT);
    None
}

fn choose<'a>(fields: &Fields<'a>, reader: &mut Reader<'a>) -> Option<Ask> {
    let at = fields.get("choose")?;
    let options = choices(at, reader)?;
    let most = at.value.as_sequence().map_or(0, Vec::len) as u64;
    let at_least = optional(fields, "at_least", reader, |reader, at| {
        reader.number(at, "at_least", 1, most)
    });
    let at_least = at_least.and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
    Some(Ask::Choose { options, at_least })
}

fn choices<'a>(at: At<'a>, reader: &mut Reader<'a>) -> Option<Vec<String>> {
    let mut options: Vec<String> = Vec::new();
    for at in reader.list(at, "choices")? {
        let Some(option) = reader.text(at) else {
            continue;
        };
        if options.contains(&option) {
            reader.report(at.node, "this choice stands twice", "remove one of them");
        } else {
            options.push(option);
        }
    }
    if options.is_empty() {
        reader.report(at.node, "there is nothing to choose", "");
        return None;
    }
    Some(options)
}

/// `challenge: { say: …, response: … }` of a step that `people` confirm.
pub(super) fn challenge<'a>(
    at: At<'a>,
    people: u8,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> Option<Challenge> {
    if people < 2 {
        let message = "a challenge is answered by a second person, and this step has one";
        reader.report(at.node, message, "add `people: 2`");
    }
    let fields = reader.fields(at, &CHALLENGE)?;
    let text = |key: &str, reader: &mut Reader<'a>| {
        optional(&fields, key, reader, |reader, at| {
            template(at, scope, reader)
        })
    };
    let (say, response) = (text("say", reader), text("response", reader));
    Some(Challenge {
        say: say?,
        response: response?,
    })
}

/// An example that does not fit would stop every practice.
fn check_example(
    fields: &Fields<'_>,
    pattern: Option<&str>,
    example: Option<&str>,
    reader: &mut Reader<'_>,
) {
    let (Some(pattern), Some(example)) = (pattern, example) else {
        return;
    };
    let fits = values::whole_match(pattern).is_ok_and(|whole| whole.is_match(example.trim()));
    if let (false, Some(at)) = (fits, fields.get("example")) {
        let message = format!(
            "`{}` does not match the pattern {pattern}",
            visible(example)
        );
        reader.report(at.node, message, "give a value that a person could type");
    }
}

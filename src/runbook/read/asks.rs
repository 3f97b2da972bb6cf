//! What a prompt asks for.

use indexmap::IndexMap;

use super::optional;
use super::texts::{Scope, template};
use crate::runbook::model::Ask;
use crate::runbook::reader::{At, Entry, Reader, Shape};
use crate::runbook::values;

/// Keys of an answer to a prompt that mean something else (who confirmed it).
const RESERVED_ANSWERS: [&str; 4] = ["by", "second", "typed", "attest"];

pub(in crate::runbook) const ASK: Shape = Shape {
    what: "a question",
    required: &[],
    optional: &["choose", "at_least", "value", "pattern"],
    also: &[],
    later: &["acknowledge", "evidence", "compare", "check"],
    extensible: false,
};

/// Everything that a prompt asks for, by its key in answers.
pub(super) fn asks<'a>(
    at: At<'a>,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> IndexMap<String, Ask> {
    let mut asks = IndexMap::new();
    for entry in reader.entries(at, "what is asked") {
        if RESERVED_ANSWERS.contains(&entry.name.as_str()) {
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
    const HINT: &str = "there are: { choose: [power, network], at_least: 2 }, { value: Ticket number, pattern: \"INC[0-9]+\" }";
    let fields = reader.fields(entry.at, &ASK)?;
    let misplaced = |key: &str, owner: &str, reader: &mut Reader<'a>| {
        if fields.get(key).is_some() {
            reader.report(
                fields.key(key),
                format!("`{key}` belongs to `{owner}`"),
                HINT,
            );
        }
    };
    match (fields.get("choose"), fields.get("value")) {
        (Some(at), None) => {
            misplaced("pattern", "value", reader);
            let options = choices(at, reader)?;
            let most = at.value.as_sequence().map_or(0, Vec::len) as u64;
            let at_least = optional(&fields, "at_least", reader, |reader, at| {
                reader.number(at, "at_least", 1, most)
            });
            let at_least = at_least.and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
            Some(Ask::Choose { options, at_least })
        }
        (None, Some(at)) => {
            misplaced("at_least", "choose", reader);
            let prompt = template(at, scope, reader);
            let pattern = optional(&fields, "pattern", reader, super::pattern);
            Some(Ask::Value {
                prompt: prompt?,
                pattern,
            })
        }
        (Some(_), Some(_)) => {
            reader.report(
                entry.key,
                "a question either lets choose or asks for a value",
                HINT,
            );
            None
        }
        (None, None) => {
            // A kind of a later version has been reported.
            if !ASK.later.iter().any(|later| fields.get(later).is_some()) {
                reader.report(entry.key, "a question of no kind", HINT);
            }
            None
        }
    }
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

//! The JSON Schema of a runbook, for editors: completion, what a key means, and mistakes while typing.
//!
//! Which keys a mapping has comes from the [`Shape`]s that the reader itself goes by, so that the two
//! cannot drift apart; what stands here is the kind of each value and a line about it. A schema knows
//! nothing of names that stand elsewhere in the file, so `lifeboat validate` finds more. Draft 7, which
//! editors know best.

mod parts;
mod probes;
mod steps;
mod types;
mod verbs;

use serde_json::{Map, Value, json};

use super::read::shapes;
use super::reader::Shape;
use types::{about, duration, entries, flag, list, one_of, text};

/// The schema of format 1.
#[must_use]
pub fn schema() -> Value {
    let mut schema = object(
        &shapes::RUNBOOK,
        &[
            (
                "lifeboat",
                about(json!({ "const": 1 }), "The version of the format: 1"),
            ),
            (
                "name",
                about(
                    json!({ "type": "string", "pattern": "^[a-z0-9-]{1,80}$" }),
                    "The runbook's name: lower-case letters, digits, hyphens",
                ),
            ),
            ("title", about(text(), "What people read")),
            (
                "description",
                about(text(), "What happens here, and when it is used"),
            ),
            ("contacts", about(list(contact()), "Who is called")),
            (
                "objectives",
                about(objectives(), "What is promised; a VM may override either"),
            ),
            ("drill", drill()),
            ("commit", commit()),
            ("updates", updates()),
            (
                "variables",
                about(
                    entries(variable()),
                    "Asked once before the start, frozen for the run; `${name}` in steps",
                ),
            ),
            (
                "sites",
                about(entries(parts::site()), "One protected, one recovery"),
            ),
            (
                "hosts",
                about(entries(parts::host()), "Machines that are driven over SSH"),
            ),
            (
                "networks",
                about(
                    entries(parts::network()),
                    "What an adapter is joined to, at each site and in a drill",
                ),
            ),
            (
                "backups",
                about(entries(parts::backup()), "Where restore points lie"),
            ),
            (
                "vms",
                about(entries(parts::vm()), "Machines that are moved, by name"),
            ),
            (
                "failover",
                about(list(steps::phase()), "To the recovery site, phase by phase"),
            ),
            (
                "failback",
                about(list(steps::phase()), "And home again, phase by phase"),
            ),
        ],
    );
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("Lifeboat runbook, format 1");
    schema["definitions"] = json!({ "step": steps::step(), "probe": probes::probe() });
    schema
}

/// A mapping with the keys of a shape. A key that has no kind here takes anything; a test finds it.
fn object(shape: &Shape, kinds: &[(&str, Value)]) -> Value {
    let kind = |key: &str| {
        let found = kinds.iter().find(|(known, _)| *known == key);
        found.map_or(Value::Bool(true), |(_, kind)| kind.clone())
    };
    let properties: Map<String, Value> = shape
        .known()
        .map(|key| (key.to_owned(), kind(key)))
        .collect();
    let mut object = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !shape.required.is_empty() {
        object["required"] = json!(shape.required);
    }
    if shape.extensible {
        object["patternProperties"] = json!({ "^x-": {} });
    }
    object
}

fn contact() -> Value {
    object(
        &shapes::CONTACT,
        &[
            ("name", text()),
            ("phone", text()),
            ("role", about(text(), "What they are called for")),
        ],
    )
}

fn objectives() -> Value {
    object(
        &shapes::OBJECTIVES,
        &[
            ("rto", about(duration(), "How long a service may be away")),
            ("rpo", about(duration(), "How old its restored data may be")),
        ],
    )
}

fn drill() -> Value {
    object(
        &shapes::DRILL,
        &[
            (
                "identity",
                about(
                    one_of(&shapes::IDENTITIES),
                    "What a VM answers when it is asked whether it was moved or copied",
                ),
            ),
            ("every", about(duration(), "A drill is due this often")),
            (
                "limit",
                about(duration(), "A drill is to end within this time"),
            ),
        ],
    )
}

fn commit() -> Value {
    object(
        &shapes::COMMIT,
        &[(
            "within",
            about(
                duration(),
                "How long there is to commit or roll back, from the last step on: 1m to 90d",
            ),
        )],
    )
}

fn updates() -> Value {
    let every = json!({ "anyOf": [{ "const": "never" }, duration()] });
    object(
        &shapes::UPDATES,
        &[(
            "every",
            about(
                every,
                "How often those who wait are told: 1m to 24h, or never",
            ),
        )],
    )
}

fn variable() -> Value {
    object(
        &shapes::VARIABLE,
        &[
            ("prompt", about(text(), "What is asked for")),
            (
                "pattern",
                about(text(), "A regular expression that matches the whole value"),
            ),
            ("example", about(text(), "Used in practice")),
            ("default", text()),
            ("secret", about(flag(), "Neither shown nor recorded")),
        ],
    )
}

#[cfg(test)]
mod tests;

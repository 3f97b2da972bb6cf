//! Probes.

use serde_json::{Value, json};

use super::object;
use super::types::{about, any_of, argv, duration, number, one_of, text, vm, whole};
use crate::runbook::read::shapes;

/// A probe, wherever one stands.
pub(super) fn probe_ref() -> Value {
    json!({ "$ref": "#/definitions/probe" })
}

/// What can be looked at.
pub(super) fn probe() -> Value {
    let from = || about(text(), "The posix host that asks; else the console");
    let mut vm_sign = object(
        &shapes::VM_PROBE,
        &[
            ("vm", vm()),
            ("power", one_of(&shapes::POWER)),
            ("tools", json!({ "const": true })),
            ("ready", json!({ "const": true })),
            ("site", text()),
        ],
    );
    let signs = ["power", "tools", "ready"];
    vm_sign["oneOf"] = json!(signs.map(|sign| json!({ "required": [sign] })));
    let look = [("host", text()), ("argv", argv())];
    let output = object(
        &shapes::COMMAND_PROBE,
        &[
            look[0].clone(),
            look[1].clone(),
            ("equals", about(text(), "What it prints")),
            (
                "matches",
                about(text(), "A regular expression for what it prints"),
            ),
            ("at_least", number()),
            ("at_most", number()),
        ],
    );
    let two = json!({ "type": "array", "items": object(&shapes::LOOK, &look), "minItems": 2, "maxItems": 2 });
    let age = object(
        &shapes::AGE,
        &[
            ("vm", vm()),
            (
                "age",
                about(duration(), "Its newest sound point is not older"),
            ),
            (
                "since",
                about(
                    one_of(&shapes::SINCE),
                    "Taken since the VM moved: protected again",
                ),
            ),
            ("in", about(text(), "A backup; else the VM's own")),
        ],
    );
    any_of([
        vm_sign,
        object(&shapes::TCP_PROBE, &[("tcp", text()), ("from", from())]),
        object(
            &shapes::HTTP_PROBE,
            &[
                ("http", text()),
                ("status", whole(100, 599)),
                ("from", from()),
            ],
        ),
        output,
        object(
            &shapes::COMPARE,
            &[("compare", about(two, "Both print the same"))],
        ),
        object(&shapes::POINT, &[("point", age)]),
        object(
            &shapes::ATTESTED,
            &[
                ("attested", about(text(), "What somebody vouches for")),
                ("dated", about(text(), "The day: 2026-01-31")),
                ("every", about(duration(), "How long it holds")),
                ("by", text()),
            ],
        ),
    ])
}

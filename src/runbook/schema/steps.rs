//! Phases, steps and probes.

use serde_json::{Value, json};

use super::object;
use super::types::{
    about, any_of, argv, duration, entries, flag, list, number, one_of, text, whole,
};
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
        also: &shapes::VERBS,
        ..Shape::new("a step", &[], &shapes::COMMON)
    };
    let mut kinds = common();
    kinds.extend(verbs());
    let mut step = object(&shape, &kinds);
    let one_verb = shapes::VERBS.map(|verb| json!({ "required": [verb] }));
    step["oneOf"] = json!(one_verb);
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

fn verbs() -> Vec<(&'static str, Value)> {
    vec![
        (
            "confirm",
            about(
                text(),
                "A question to a person, who answers with their name",
            ),
        ),
        ("note", about(text(), "A remark; nothing is asked")),
        (
            "fence",
            about(
                one_vm(),
                "Makes sure that the VM does not run at the other site",
            ),
        ),
        (
            "restore",
            about(
                restore(),
                "The files of a restore point into an empty folder",
            ),
        ),
        (
            "replicate",
            about(one_vm(), "Copies the VM's files, only what differs"),
        ),
        (
            "register",
            about(one_vm(), "The .vmx into the host's inventory"),
        ),
        ("network", about(one_vm(), "Adapters to port groups")),
        (
            "power_on",
            about(
                one_vm(),
                "Powers it on, with the evidence that it runs nowhere else",
            ),
        ),
        (
            "ready",
            about(one_vm(), "Waits for the VM's readiness ladder"),
        ),
        ("shut_down", about(one_vm(), "Guest first, then off")),
        (
            "copy_back",
            about(one_vm(), "Brings home what differs, into a clone"),
        ),
        (
            "unregister",
            about(unregister(), "Out of the inventory; its files stay"),
        ),
        (
            "free_capacity",
            about(
                list(text()),
                "Expendable VMs that are shut down at the recovery site, so that there is memory",
            ),
        ),
        (
            "return_capacity",
            about(
                list(text()),
                "Starts those of them again that the run shut down",
            ),
        ),
        (
            "restore_files",
            about(
                restore_files(),
                "Files into a guest or a physical server by the backup tool's own command",
            ),
        ),
        ("command", about(command(), "A command on a host")),
        (
            "local",
            about(local(), "A command on the console's own machine"),
        ),
        (
            "check",
            about(
                any_of([probe_ref(), list(probe_ref())]),
                "Looks at something; fails where it is otherwise",
            ),
        ),
        (
            "wait",
            about(wait(), "A pause, a time, or until a probe sees it"),
        ),
        (
            "hand_off",
            about(
                hand_off(),
                "Somebody else's work, and what shows that it is done",
            ),
        ),
        (
            "power_off",
            about(power_off(), "Off, without asking the guest"),
        ),
    ]
}

fn one_vm() -> Value {
    any_of([vm(), object(&shapes::ONE_VM, &[("vm", vm())])])
}

fn vm() -> Value {
    json!({ "type": "string", "pattern": "\\S", "examples": ["${vm}"] })
}

fn restore() -> Value {
    let full = object(
        &shapes::RESTORE,
        &[
            ("vm", vm()),
            ("point", point()),
            ("logs", about(flag(), "The VM's logs as well")),
        ],
    );
    any_of([vm(), full])
}

fn point() -> Value {
    let before = object(
        &shapes::BEFORE,
        &[(
            "before",
            about(text(), "A time with its zone: 2026-01-02T03:04:05Z"),
        )],
    );
    let stamp = json!({ "type": "string", "pattern": "^[0-9]{8}T[0-9]{6}Z$" });
    any_of([json!({ "const": "latest" }), stamp, before])
}

fn unregister() -> Value {
    object(
        &shapes::UNREGISTER,
        &[
            ("vm", vm()),
            ("site", about(text(), "The site whose host forgets it")),
        ],
    )
}

fn power_off() -> Value {
    let full = object(&shapes::POWER_OFF, &[("vm", vm()), ("site", text())]);
    any_of([vm(), full])
}

fn command() -> Value {
    let mut kinds = vec![("host", text())];
    kinds.extend(command_line());
    one_line(object(&shapes::COMMAND, &kinds))
}

fn local() -> Value {
    one_line(object(&shapes::LOCAL, &command_line()))
}

fn command_line() -> Vec<(&'static str, Value)> {
    vec![
        ("argv", about(argv(), "Its words: no shell reads them")),
        (
            "sh",
            about(text(), "A script; values come as environment, not as ${…}"),
        ),
        (
            "effect",
            about(one_of(&shapes::EFFECTS), "What it may do; else disruptive"),
        ),
        (
            "done_if",
            about(argv(), "Exit status 0 shows that it was done before"),
        ),
        (
            "verify",
            about(argv(), "Exit status 0 shows that it worked"),
        ),
    ]
}

fn one_line(mut command: Value) -> Value {
    command["oneOf"] = json!([{ "required": ["argv"] }, { "required": ["sh"] }]);
    command
}

fn restore_files() -> Value {
    object(
        &shapes::RESTORE_FILES,
        &[
            ("vm", vm()),
            (
                "host",
                about(text(), "The guest or the physical server, as a posix host"),
            ),
            (
                "quiesced",
                about(
                    text(),
                    "What was quiesced when the backup was taken, and how",
                ),
            ),
            (
                "argv",
                about(argv(), "The tool's command, with ${point} in it"),
            ),
            ("from", point()),
            ("done_if", argv()),
            ("verify", argv()),
        ],
    )
}

fn wait() -> Value {
    let mut full = object(
        &shapes::WAIT,
        &[
            ("until", about(text(), "A time with its zone")),
            ("for", probe_ref()),
            (
                "every",
                about(duration(), "How often it is looked at; else 10s"),
            ),
        ],
    );
    full["oneOf"] = json!([{ "required": ["until"] }, { "required": ["for"] }]);
    any_of([duration(), full])
}

fn hand_off() -> Value {
    object(
        &shapes::HAND_OFF,
        &[
            ("to", about(text(), "The name of a contact")),
            ("ask", about(text(), "What they are asked")),
            ("verify", probe_ref()),
            ("every", duration()),
        ],
    )
}

fn probe_ref() -> Value {
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

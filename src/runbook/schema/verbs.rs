//! Verbs: what stands behind each.

use serde_json::{Value, json};

use super::object;
use super::probes::probe_ref;
use super::types::{about, any_of, argv, duration, flag, list, one_of, text, vm};
use crate::runbook::model::VerbName;
use crate::runbook::read::shapes;

/// What stands behind a verb.
pub(super) fn argument(verb: VerbName) -> Value {
    let (argument, says) = match verb {
        VerbName::Confirm => (
            text(),
            "A question to a person, who answers with their name",
        ),
        VerbName::Note => (text(), "A remark; nothing is asked"),
        VerbName::Fence => (
            one_vm(),
            "Makes sure that the VM does not run at the other site",
        ),
        VerbName::Restore => (
            restore(),
            "The files of a restore point into an empty folder",
        ),
        VerbName::Replicate => (one_vm(), "Copies the VM's files, only what differs"),
        VerbName::Register => (one_vm(), "The .vmx into the host's inventory"),
        VerbName::Network => (one_vm(), "Adapters to port groups"),
        VerbName::PowerOn => (
            one_vm(),
            "Powers it on, with the evidence that it runs nowhere else",
        ),
        VerbName::Ready => (one_vm(), "Waits for the VM's readiness ladder"),
        VerbName::ShutDown => (one_vm(), "Guest first, then off"),
        VerbName::PowerOff => (power_off(), "Off, without asking the guest"),
        VerbName::CopyBack => (one_vm(), "Brings home what differs, into a clone"),
        VerbName::Unregister => (unregister(), "Out of the inventory; its files stay"),
        VerbName::FreeCapacity => (
            list(text()),
            "Expendable VMs that are shut down at the recovery site, so that there is memory",
        ),
        VerbName::ReturnCapacity => (
            list(text()),
            "Starts those of them again that the run shut down",
        ),
        VerbName::RestoreFiles => (
            restore_files(),
            "Files into a guest or a physical server by the backup tool's own command",
        ),
        VerbName::Command => (command(), "A command on a host"),
        VerbName::Local => (local(), "A command on the console's own machine"),
        VerbName::Wait => (wait(), "A pause, a time, or until a probe sees it"),
        VerbName::Check => (
            any_of([probe_ref(), list(probe_ref())]),
            "Looks at something; fails where it is otherwise",
        ),
        VerbName::HandOff => (
            hand_off(),
            "Somebody else's work, and what shows that it is done",
        ),
    };
    about(argument, says)
}

fn one_vm() -> Value {
    any_of([vm(), object(&shapes::ONE_VM, &[("vm", vm())])])
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

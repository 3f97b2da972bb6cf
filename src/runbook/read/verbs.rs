//! What a step does: the verb and its argument.

use indexmap::IndexMap;

use super::optional;
use super::texts::{Scope, check_addresses, report_within, template};
use crate::runbook::diagnostics::visible;
use crate::runbook::model::{
    Ask, CommandLine, CommandSpec, DeclaredEffect, FileRestore, PointChoice, Verb,
};
use crate::runbook::reader::{At, Entry, Fields, Reader, Shape, kind_of};
use crate::runbook::values;

/// The verbs of this version.
pub(super) const VERBS: [&str; 14] = [
    "confirm",
    "note",
    "fence",
    "restore",
    "replicate",
    "register",
    "network",
    "power_on",
    "ready",
    "shut_down",
    "copy_back",
    "unregister",
    "restore_files",
    "command",
];
/// Verbs of the format that come with later versions.
pub(super) const LATER: [&str; 6] = [
    "wait",
    "check",
    "power_off",
    "free_capacity",
    "hand_off",
    "local",
];

/// Keys of an answer to a prompt that mean something else (who confirmed it).
const RESERVED_ANSWERS: [&str; 4] = ["by", "second", "typed", "attest"];

const ONE_VM: Shape = Shape::new("this verb's argument", &["vm"], &[]);
const RESTORE: Shape = Shape::new("a restore", &["vm"], &["point", "logs"]);
const BEFORE: Shape = Shape::new("a restore point", &["before"], &[]);
const UNREGISTER: Shape = Shape::new("an unregister", &["vm", "site"], &[]);
const COMMAND: Shape = Shape::new(
    "a command",
    &["host"],
    &["argv", "sh", "effect", "done_if", "verify"],
);
const RESTORE_FILES: Shape = Shape::new(
    "a restore_files",
    &["vm", "host", "quiesced", "argv"],
    &["from", "done_if", "verify"],
);
const ASK: Shape = Shape {
    what: "a question",
    required: &[],
    optional: &["choose", "at_least", "value", "pattern"],
    also: &[],
    later: &["acknowledge", "evidence", "compare", "check"],
    extensible: false,
};
const EFFECTS: [(&str, DeclaredEffect); 3] = [
    ("read", DeclaredEffect::Read),
    ("write", DeclaredEffect::Write),
    ("disruptive", DeclaredEffect::Disruptive),
];

/// Reads a step's verb; `fields` is the whole step.
pub(super) fn verb<'a>(
    key: &str,
    at: At<'a>,
    fields: &Fields<'a>,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> Option<Verb> {
    Some(match key {
        "confirm" => {
            let question = template(at, scope, reader);
            let ask = optional(fields, "ask", reader, |reader, at| {
                Some(asks(at, scope, reader))
            });
            Verb::Confirm {
                question: question?,
                ask: ask.unwrap_or_default(),
            }
        }
        "note" => Verb::Note {
            text: template(at, scope, reader)?,
        },
        "restore" => return restore(at, scope, reader),
        "unregister" => return unregister(at, scope, reader),
        "restore_files" => Verb::RestoreFiles(restore_files(at, scope, reader)?),
        "command" => Verb::Command(command(at, scope, reader)?),
        "fence" => Verb::Fence {
            vm: one_vm(at, scope, reader)?,
        },
        "replicate" => Verb::Replicate {
            vm: one_vm(at, scope, reader)?,
        },
        "register" => Verb::Register {
            vm: one_vm(at, scope, reader)?,
        },
        "network" => Verb::Network {
            vm: one_vm(at, scope, reader)?,
        },
        "power_on" => Verb::PowerOn {
            vm: one_vm(at, scope, reader)?,
        },
        "ready" => Verb::Ready {
            vm: one_vm(at, scope, reader)?,
        },
        "shut_down" => Verb::ShutDown {
            vm: one_vm(at, scope, reader)?,
        },
        "copy_back" => Verb::CopyBack {
            vm: one_vm(at, scope, reader)?,
        },
        _ => return None,
    })
}

/// `fence: "${vm}"` or `fence: { vm: "${vm}" }`.
fn one_vm<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<String> {
    if at.value.is_mapping() {
        let fields = reader.fields(at, &ONE_VM)?;
        return vm_name(fields.get("vm")?, scope, reader);
    }
    vm_name(at, scope, reader)
}

fn vm_name<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<String> {
    let text = reader.raw_text(at)?;
    if text == "${vm}" {
        return template(at, scope, reader);
    }
    if text.contains("${") {
        let hint = "write \"${vm}\" in a phase with `for_each`, or a VM's name";
        reader.report(at.node, "a verb acts on one VM", hint);
    } else if !scope.names.vms.contains(text) {
        reader.unknown(
            at.node,
            "VM",
            text,
            scope.names.vms.iter().map(String::as_str),
        );
    } else if text.contains('*') {
        let message = format!("`{}` is a pattern, not one VM", visible(text));
        reader.report(at.node, message, "name the VM");
    } else if scope.has_vm {
        let message = format!("this step would act on {text} once for each VM of the phase");
        reader.report(
            at.node,
            message,
            "write \"${vm}\", or use a phase without `for_each`",
        );
    } else {
        return Some(text.to_owned());
    }
    None
}

fn restore<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Verb> {
    if !at.value.is_mapping() {
        return Some(Verb::Restore {
            vm: vm_name(at, scope, reader)?,
            point: PointChoice::Latest,
            logs: false,
        });
    }
    let fields = reader.fields(at, &RESTORE)?;
    let vm = optional(&fields, "vm", reader, |reader, at| {
        vm_name(at, scope, reader)
    });
    let point = match fields.get("point") {
        Some(at) => point(at, reader)?,
        None => PointChoice::Latest,
    };
    let logs = optional(&fields, "logs", reader, Reader::flag);
    Some(Verb::Restore {
        vm: vm?,
        point,
        logs: logs.unwrap_or(false),
    })
}

fn restore_files<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<FileRestore> {
    if !at.value.is_mapping() {
        let hint = "write restore_files: { vm: …, host: …, quiesced: …, argv: [restic, …, \"${point}\", …] }";
        reader.report(
            at.node,
            "`restore_files` must say where, by what, and what was quiesced",
            hint,
        );
        return None;
    }
    let fields = reader.fields(at, &RESTORE_FILES)?;
    let vm = optional(&fields, "vm", reader, |reader, at| {
        vm_name(at, scope, reader)
    });
    let host = optional(&fields, "host", reader, |reader, at| {
        reader.reference(at, "host", &scope.names.hosts)
    });
    if let Some(at) = fields.get("host")
        && let Some(name) = at.value.as_str()
        && scope.names.hosts.contains(name)
        && !scope.names.posix_hosts.contains(name)
    {
        let hint = "name the guest, or the physical server, as a posix host of the runbook";
        reader.report(
            at.node,
            format!("{name} is an ESXi host: files are restored into a guest"),
            hint,
        );
    }
    let from = match fields.get("from") {
        Some(at) => point(at, reader),
        None => Some(PointChoice::Latest),
    };
    let quiesced = optional(&fields, "quiesced", reader, |reader, at| {
        template(at, scope, reader)
    });
    let with_point = Scope {
        has_point: true,
        ..scope
    };
    let words = |key: &str, reader: &mut Reader<'a>| {
        optional(&fields, key, reader, |reader, at| {
            argv(at, with_point, reader)
        })
    };
    let argv = words("argv", reader);
    if let (Some(words), Some(at)) = (&argv, fields.get("argv"))
        && !words.iter().any(|word| word.contains("${point}"))
    {
        let hint = "write ${point} where the tool takes the id of a snapshot or archive";
        reader.report(
            at.node,
            "the same files would come whatever point is chosen",
            hint,
        );
    }
    let (done_if, verify) = (words("done_if", reader), words("verify", reader));
    Some(FileRestore {
        vm: vm?,
        from: from?,
        quiesced: quiesced?,
        command: CommandSpec {
            host: host?,
            line: CommandLine::Argv(argv?),
            effect: DeclaredEffect::Write,
            done_if,
            verify,
            environment: Vec::new(),
        },
    })
}

fn point<'a>(at: At<'a>, reader: &mut Reader<'a>) -> Option<PointChoice> {
    const HINT: &str = "there are: latest, 20260102T030405Z, { before: \"2026-01-02T03:04:05Z\" }";
    if at.value.is_mapping() {
        let at = reader.fields(at, &BEFORE)?.get("before")?;
        let time = reader.text(at)?;
        if time.parse::<jiff::Timestamp>().is_err() {
            let message = format!("`{}` is not a time with its zone", visible(&time));
            reader.report(
                at.node,
                message,
                "write for example \"2026-01-02T03:04:05Z\"",
            );
            return None;
        }
        return Some(PointChoice::Before(time));
    }
    match at.value.as_str() {
        Some("latest") => Some(PointChoice::Latest),
        Some(stamp) if values::is_stamp(stamp) => Some(PointChoice::Stamp(stamp.to_owned())),
        Some(other) => {
            reader.report(
                at.node,
                format!("`{}` is not a restore point", visible(other)),
                HINT,
            );
            None
        }
        None => {
            let message = format!("expected a restore point, found {}", kind_of(at.value));
            reader.report(at.node, message, HINT);
            None
        }
    }
}

fn unregister<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Verb> {
    if at.value.is_string() {
        let hint = "write unregister: { vm: \"${vm}\", site: … }";
        reader.report(at.node, "`unregister` must say at which site", hint);
        return None;
    }
    let fields = reader.fields(at, &UNREGISTER)?;
    let vm = optional(&fields, "vm", reader, |reader, at| {
        vm_name(at, scope, reader)
    });
    let site = optional(&fields, "site", reader, |reader, at| {
        reader.reference(at, "site", &scope.names.sites)
    });
    Some(Verb::Unregister {
        vm: vm?,
        site: site?,
    })
}

fn asks<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> IndexMap<String, Ask> {
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

fn command<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<CommandSpec> {
    let fields = reader.fields(at, &COMMAND)?;
    let host = optional(&fields, "host", reader, |reader, at| {
        reader.reference(at, "host", &scope.names.hosts)
    });
    let words = |key: &str, reader: &mut Reader<'a>| {
        optional(&fields, key, reader, |reader, at| argv(at, scope, reader))
    };
    let line = match (fields.get("argv"), fields.get("sh")) {
        (Some(_), None) => words("argv", reader).map(CommandLine::Argv),
        (None, Some(at)) => script(at, scope, reader).map(CommandLine::Sh),
        (Some(_), Some(_)) => {
            reader.report(
                fields.key("sh"),
                "a command has `argv` or `sh`, not both",
                "",
            );
            None
        }
        (None, None) => {
            let hint = "write argv: [logger, \"done\"], or sh: a script";
            reader.report(at.node, "a command without `argv` or `sh`", hint);
            None
        }
    };
    let effect = optional(&fields, "effect", reader, |reader, at| {
        reader.one_of(at, "effect", &EFFECTS, &[])
    });
    Some(CommandSpec {
        done_if: words("done_if", reader),
        verify: words("verify", reader),
        host: host?,
        line: line?,
        effect: effect.unwrap_or_default(),
        environment: Vec::new(),
    })
}

fn argv<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<Vec<String>> {
    let items = reader.list(at, "words")?;
    if items.is_empty() {
        reader.report(at.node, "a command without words", "");
        return None;
    }
    let mut words = Vec::with_capacity(items.len());
    for at in items {
        // An empty word is a legitimate argument.
        if at.value.as_str() == Some("") {
            words.push(String::new());
        } else {
            words.extend(template(at, scope, reader));
        }
    }
    Some(words)
}

/// A script: values come as environment, so that nothing of theirs is ever read as shell.
fn script<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<String> {
    let text = reader.raw_text(at)?;
    if text.contains("${") {
        let hint = "values come as environment: write \"$ticket\", or use `argv`";
        report_within(at.node, "${", "`${…}` in a script".to_owned(), hint, reader);
        return None;
    }
    check_addresses(at.node, text, scope.names, reader).then(|| text.to_owned())
}

//! Commands of the site's own: their words, what they declare, and what shows that they worked.

use super::Names;
use super::optional;
use super::texts::{Scope, check_addresses, report_within, template};
use crate::names::HostName;
use crate::runbook::model::{CommandLine, CommandSpec, DeclaredEffect};
use crate::runbook::reader::{At, Fields, Reader, Shape};

pub(in crate::runbook) const COMMAND: Shape = Shape::new(
    "a command",
    &["host"],
    &["argv", "sh", "effect", "done_if", "verify"],
);
pub(in crate::runbook) const LOCAL: Shape = Shape::new(
    "a local command",
    &[],
    &["argv", "sh", "effect", "done_if", "verify"],
);
pub(in crate::runbook) const EFFECTS: [(&str, DeclaredEffect); 3] = [
    ("read", DeclaredEffect::Read),
    ("write", DeclaredEffect::Write),
    ("disruptive", DeclaredEffect::Disruptive),
];

/// `command: { host: …, argv: […] }`.
pub(super) fn command<'a>(
    at: At<'a>,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> Option<CommandSpec> {
    let fields = reader.fields(at, &COMMAND)?;
    let host = optional(&fields, "host", reader, |reader, at| {
        reader.reference(at, "host", &scope.names.hosts)
    });
    let spec = at_host(at, &fields, HostName::default(), scope, reader);
    Some(CommandSpec {
        host: host?,
        ..spec?
    })
}

/// `local: { argv: […] }`, on the console's own machine.
pub(super) fn local<'a>(
    at: At<'a>,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> Option<CommandSpec> {
    let fields = reader.fields(at, &LOCAL)?;
    at_host(at, &fields, CommandSpec::CONSOLE.into(), scope, reader)
}

fn at_host<'a>(
    at: At<'a>,
    fields: &Fields<'a>,
    host: HostName,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> Option<CommandSpec> {
    let words = |key: &str, reader: &mut Reader<'a>| {
        optional(fields, key, reader, |reader, at| argv(at, scope, reader))
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
    let effect = optional(fields, "effect", reader, |reader, at| {
        reader.one_of(at, "effect", &EFFECTS, &[])
    });
    Some(CommandSpec {
        done_if: words("done_if", reader),
        verify: words("verify", reader),
        host,
        line: line?,
        effect: effect.unwrap_or_default(),
        environment: Vec::new(),
    })
}

/// The words of a command.
pub(super) fn argv<'a>(
    at: At<'a>,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> Option<Vec<String>> {
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
    if let Some(written) = secret_in(text, scope.names) {
        let message = format!("the secret `{}` does not reach a script", &written[1..]);
        let hint = "it would come out empty; a secret stands in `auth: password` only";
        report_within(at.node, written, message, hint, reader);
        return None;
    }
    check_addresses(at.node, text, scope.names, reader).then(|| text.to_owned())
}

/// Where a script names a variable that is secret: `$root_password`.
fn secret_in<'t>(script: &'t str, names: &Names) -> Option<&'t str> {
    let named = script.match_indices('$').map(|(at, _)| {
        let rest = &script[at + 1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &script[at..at + 1 + end.unwrap_or(rest.len())]
    });
    named
        .into_iter()
        .find(|name| names.variables.get(&name[1..]) == Some(&true))
}

//! Texts of steps: what `${…}` in them may refer to, and what must not stand in them.

use super::Names;
use crate::runbook::diagnostics::{Diagnostic, visible};
use crate::runbook::places::NodeId;
use crate::runbook::reader::{At, Reader, did_you_mean};
use crate::runbook::template::{self, Part};

/// What a step's texts may refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'n> {
    pub(super) names: &'n Names,
    /// Whether the phase has a VM at hand.
    pub(super) has_vm: bool,
    /// Whether a restore point is at hand.
    pub(super) has_point: bool,
}

/// Text in which `${…}` is replaced.
pub(super) fn template<'a>(
    at: At<'a>,
    scope: Scope<'_>,
    reader: &mut Reader<'a>,
) -> Option<String> {
    let text = reader.raw_text(at)?;
    let sound = check_template(at.node, text, scope, reader);
    let free = check_addresses(at.node, text, scope.names, reader);
    (sound && free).then(|| text.to_owned())
}

fn check_template(node: NodeId, text: &str, scope: Scope<'_>, reader: &mut Reader<'_>) -> bool {
    if !text.contains("${") {
        return true;
    }
    let parts = match template::parts(text) {
        Ok(parts) => parts,
        Err(malformed) => {
            let message = format!("`{}` is not `${{name}}`", visible(&text[malformed.at..]));
            report_within(
                node,
                "${",
                message,
                "write ${name}, or $${ for a plain ${",
                reader,
            );
            return false;
        }
    };
    let mut sound = true;
    for part in parts {
        let Part::Name(name, span) = part else {
            continue;
        };
        let written = &text[span];
        let problem = match (name, scope.names.variables.get(name)) {
            ("mode", _) => continue,
            ("point", None) if scope.has_point => continue,
            ("vm", _) if scope.has_vm => continue,
            ("vm", _) => Some((
                "`${vm}` has no meaning here: this phase has no `for_each`".to_owned(),
                "name the VM, or add `for_each: vms` to the phase".to_owned(),
            )),
            (_, Some(false)) => continue,
            (_, Some(true)) => Some((
                format!("the secret `{name}` would be printed here"),
                "a secret stands in `auth: password` only".to_owned(),
            )),
            (_, None) => {
                let known = scope.names.variables.iter().filter(|(_, secret)| !**secret);
                let known = known
                    .map(|(name, _)| name.as_str())
                    .chain(template::BUILT_IN);
                Some((
                    format!("unknown variable `{name}`"),
                    did_you_mean(name, known),
                ))
            }
        };
        if let Some((message, hint)) = problem {
            report_within(node, written, message, &hint, reader);
            sound = false;
        }
    }
    sound
}

/// Reports a problem with one word of a text, at that word.
pub(super) fn report_within(
    node: NodeId,
    word: &str,
    message: String,
    hint: &str,
    reader: &mut Reader<'_>,
) {
    let mut span = reader.places.span(node);
    let source = reader.places.source(node);
    if let Some(at) = source.find(word) {
        let start = reader.places.start(node) + at;
        span = start..start + word.len();
    }
    let problem = Diagnostic::at(span, message);
    reader.push(problem, hint);
}

/// Steps name hosts and VMs, so that the same steps run forward, backward and in practice.
pub(super) fn check_addresses(
    node: NodeId,
    text: &str,
    names: &Names,
    reader: &mut Reader<'_>,
) -> bool {
    let of_address =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    for word in text.split(|c| !of_address(c)) {
        let word = word.trim_end_matches(['.', ':']);
        let without_port = word.rsplit_once(':').map_or(word, |(host, _)| host);
        let host = names
            .addresses
            .get_key_value(word)
            .or_else(|| names.addresses.get_key_value(without_port));
        let Some((address, host)) = host else {
            continue;
        };
        // A host whose address is its name may be called by it.
        if address == host {
            continue;
        }
        let message = format!("the address of {host} stands in a step");
        let hint = format!("name `{host}` instead: steps hold no addresses");
        report_within(node, address, message, &hint, reader);
        return false;
    }
    true
}

//! Phases, steps, and what every step may say whatever its verb.

use super::verbs::{self, VERBS};
use super::{Names, PhaseNodes, optional};
use crate::names::VmName;
use crate::runbook::Limits;
use crate::runbook::diagnostics::visible;
use crate::runbook::model::{ForEach, Mode, OnFailure, Phase, StepSpec, Vm};
use crate::runbook::places::NodeId;
use crate::runbook::reader::{At, Fields, Reader, Shape, kind_of};
use crate::runbook::template::{self, Part};
use crate::runbook::values;

const PHASE: Shape = Shape::new("a phase", &["phase", "steps"], &["for_each"]);
const TIER: Shape = Shape::new("a selection of VMs", &["tier"], &[]);

/// What any step may say besides its verb.
///
/// `ask` belongs to `confirm`; elsewhere it has a message of its own.
const COMMON: [&str; 12] = [
    "name",
    "why",
    "text",
    "timeout",
    "retries",
    "on_failure",
    "usually",
    "modes",
    "gate",
    "typed",
    "people",
    "ask",
];

const MODES: [(&str, Mode); 5] = [
    ("practice", Mode::Practice),
    ("drill", Mode::Drill),
    ("failover", Mode::Failover),
    ("planned", Mode::Planned),
    ("failback", Mode::Failback),
];
const ON_FAILURE: [(&str, OnFailure); 3] = [
    ("ask", OnFailure::Ask),
    ("stop", OnFailure::Stop),
    ("continue", OnFailure::Continue),
];

/// What a step's texts may refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'n> {
    pub(super) names: &'n Names,
    /// Whether the phase has a VM at hand.
    pub(super) has_vm: bool,
}

/// The phases of `failover` or `failback`.
pub(super) fn section<'a>(
    top: &Fields<'a>,
    key: &str,
    names: &Names,
    reader: &mut Reader<'a>,
    limits: &Limits,
) -> Vec<(Phase, PhaseNodes)> {
    let Some(at) = top.get(key) else {
        return Vec::new();
    };
    let Some(items) = reader.list(at, "phases") else {
        return Vec::new();
    };
    if items.is_empty() {
        reader.report(at.node, format!("`{key}` has no phases"), "");
    }
    let mut phases = Vec::new();
    let mut steps = 0;
    for at in items {
        let Some((phase, nodes)) = phase(at, names, reader) else {
            continue;
        };
        steps += phase
            .steps
            .len()
            .saturating_mul(repetitions(&phase.for_each, names));
        if steps > limits.steps {
            let message = format!("`{key}` makes more than {} steps up to here", limits.steps);
            reader.report(
                at.node,
                message,
                "split the runbook, or name fewer VMs in `for_each`",
            );
            return phases;
        }
        phases.push((phase, nodes));
    }
    phases
}

/// How often a phase's steps are repeated, at most.
fn repetitions(for_each: &ForEach, names: &Names) -> usize {
    match for_each {
        ForEach::Once => 1,
        ForEach::Vms | ForEach::Tier(_) => names.vms.len(),
        ForEach::List(vms) => vms.len(),
    }
}

fn phase<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<(Phase, PhaseNodes)> {
    let fields = reader.fields(at, &PHASE)?;
    let name = optional(&fields, "phase", reader, |reader, at| {
        let name = reader.text(at)?;
        if values::slug(&name).is_empty() {
            reader.report(at.node, "a phase's name needs a letter or a digit", "");
        }
        Some(name)
    });
    let for_each = optional(&fields, "for_each", reader, |reader, at| {
        for_each(at, names, reader)
    });
    let scope = Scope {
        names,
        has_vm: fields.get("for_each").is_some(),
    };
    let mut steps = Vec::new();
    let mut nodes = PhaseNodes {
        phase: at.node,
        steps: Vec::new(),
    };
    if let Some(at) = fields.get("steps") {
        let items = reader.list(at, "steps")?;
        if items.is_empty() {
            reader.report(at.node, "a phase without steps", "remove it, or add steps");
        }
        for at in items {
            if let Some(step) = step(at, scope, reader) {
                steps.push(step);
                nodes.steps.push(at.node);
            }
        }
    }
    let phase = Phase {
        name: name.unwrap_or_default(),
        for_each: for_each.unwrap_or_default(),
        steps,
    };
    Some((phase, nodes))
}

fn for_each<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<ForEach> {
    if at.value.is_mapping() {
        let fields = reader.fields(at, &TIER)?;
        let tier = reader.number(fields.get("tier")?, "a tier", 1, 1_000)?;
        return Some(ForEach::Tier(u32::try_from(tier).ok()?));
    }
    if at.value.is_sequence() {
        let mut vms: Vec<VmName> = Vec::new();
        for at in reader.list(at, "VMs")? {
            let Some(vm) = reader.reference::<VmName>(at, "VM", &names.vms) else {
                continue;
            };
            if Vm::is_pattern(&vm) {
                reader.report(
                    at.node,
                    format!("`{vm}` is a pattern, not one VM"),
                    "name each VM",
                );
            } else if vms.contains(&vm) {
                reader.report(
                    at.node,
                    format!("`{vm}` stands twice in this list"),
                    "remove one of them",
                );
            } else {
                vms.push(vm);
            }
        }
        return Some(ForEach::List(vms));
    }
    if at.value.as_str() == Some("vms") {
        return Some(ForEach::Vms);
    }
    let found = at.value.as_str().map_or_else(
        || kind_of(at.value).to_owned(),
        |t| format!("`{}`", visible(t)),
    );
    reader.report(
        at.node,
        format!("expected what the phase is repeated for, found {found}"),
        "there are: vms, { tier: 2 }, [sql01, web01]",
    );
    None
}

fn step<'a>(at: At<'a>, scope: Scope<'_>, reader: &mut Reader<'a>) -> Option<StepSpec> {
    let verb_key = verb_key(at, reader)?;
    let before = reader.problems.count();
    let fields = reader.fields(at, &shape_of(verb_key))?;
    if verb_key != "confirm" && fields.get("ask").is_some() {
        reader.report(
            fields.key("ask"),
            "`ask` belongs to `confirm`",
            "make a step of its own of the question",
        );
    }
    let verb = fields
        .get(verb_key)
        .and_then(|at| verbs::verb(verb_key, at, &fields, scope, reader));
    let text = |key: &str, reader: &mut Reader<'a>| {
        optional(&fields, key, reader, |reader, at| {
            template(at, scope, reader)
        })
    };
    let number = |key: &str, least, most, reader: &mut Reader<'a>| {
        optional(&fields, key, reader, |reader, at| {
            reader.number(at, key, least, most)
        })
    };
    let step = StepSpec {
        name: text("name", reader),
        why: text("why", reader),
        text: text("text", reader),
        timeout: optional(&fields, "timeout", reader, Reader::duration),
        retries: number("retries", 0, 100, reader).map_or(0, |n| u32::try_from(n).unwrap_or(0)),
        on_failure: optional(&fields, "on_failure", reader, |reader, at| {
            reader.one_of(at, "on_failure", &ON_FAILURE, &[])
        })
        .unwrap_or_default(),
        usually: optional(&fields, "usually", reader, Reader::duration),
        modes: optional(&fields, "modes", reader, modes).unwrap_or_default(),
        gate: optional(&fields, "gate", reader, Reader::flag).unwrap_or(false),
        typed: text("typed", reader),
        people: number("people", 1, 2, reader).map_or(1, |n| u8::try_from(n).unwrap_or(1)),
        line: reader.places.line(at.node),
        verb: verb?,
    };
    (reader.problems.count() == before).then_some(step)
}

/// The one key of a step that is its verb.
fn verb_key<'a>(at: At<'a>, reader: &mut Reader<'a>) -> Option<&'static str> {
    const HINT: &str = "write for example `- fence: \"${vm}\"`";
    let Some(mapping) = at.value.as_mapping() else {
        let message = format!(
            "a step is a mapping with one verb, found {}",
            kind_of(at.value)
        );
        reader.report(at.node, message, HINT);
        return None;
    };
    let keys: Vec<&str> = mapping
        .keys()
        .filter_map(serde_yaml::Value::as_str)
        .collect();
    let place = |key: &str| reader.places.key(at.node, key).unwrap_or(at.node);
    let mut found = VERBS.iter().copied().filter(|verb| keys.contains(verb));
    match (found.next(), found.next()) {
        (Some(verb), None) => return Some(verb),
        (Some(one), Some(other)) => {
            // The one that stands second in the file is the one too many.
            let (first, second) =
                if reader.places.start(place(one)) < reader.places.start(place(other)) {
                    (one, other)
                } else {
                    (other, one)
                };
            let message = format!("a step has one verb, and this has `{first}` and `{second}`");
            let mut problem = reader.at(place(second), message);
            problem.labels.push(
                reader
                    .places
                    .label(reader.places.span(place(first)), "the first verb"),
            );
            reader.push(problem, "make two steps of it");
            return None;
        }
        (None, _) => {}
    }
    if let Some(later) = keys.iter().find(|key| verbs::LATER.contains(key)) {
        let node = place(later);
        reader.later(node, "verb", later);
        return None;
    }
    match keys.iter().find(|key| !COMMON.contains(key)) {
        Some(word) => {
            let node = place(word);
            reader.unknown(node, "verb", word, VERBS.iter().copied());
        }
        None => {
            let hint = format!("there are: {}", VERBS.join(", "));
            reader.report(at.node, "a step without a verb", &hint);
        }
    }
    None
}

/// The keys that a step with this verb may have.
fn shape_of(verb: &'static str) -> Shape {
    let mut shape = Shape::new("a step", &[], &COMMON);
    shape.also = verbs::VERBS
        .iter()
        .position(|known| *known == verb)
        .map_or(&[], |at| &VERBS[at..=at]);
    shape
}

fn modes<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<Vec<Mode>> {
    let mut modes = Vec::new();
    for at in reader.list(at, "modes")? {
        modes.extend(reader.one_of(at, "mode", &MODES, &[]));
    }
    if at.value.as_sequence().is_some_and(Vec::is_empty) {
        reader.report(
            at.node,
            "a step of no mode would never run",
            "remove `modes`, or name one",
        );
    }
    Some(modes)
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
                    super::did_you_mean(name, known),
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
    let problem = reader.places.problem(span, message);
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

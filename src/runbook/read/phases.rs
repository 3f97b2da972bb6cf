//! Phases, steps, and what every step may say whatever its verb.

use super::asks::challenge;
use super::texts::{Scope, template};
use super::verbs;
use super::{Names, PhaseNodes, optional};
use crate::names::VmName;
use crate::runbook::Limits;
use crate::runbook::diagnostics::visible;
use crate::runbook::model::{ForEach, Mode, OnFailure, Phase, StepSpec, VerbName, Vm};
use crate::runbook::reader::{At, Fields, Reader, Shape, kind_of};
use crate::runbook::values;

pub(in crate::runbook) const PHASE: Shape =
    Shape::new("a phase", &["phase", "steps"], &["for_each"]);
pub(in crate::runbook) const TIER: Shape = Shape::new("a selection of VMs", &["tier"], &[]);

/// What any step may say besides its verb.
///
/// `ask` belongs to `confirm`; elsewhere it has a message of its own.
pub(in crate::runbook) const COMMON: [&str; 13] = [
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
    "challenge",
    "ask",
];

pub(in crate::runbook) const MODES: [(&str, Mode); 5] = [
    ("practice", Mode::Practice),
    ("drill", Mode::Drill),
    ("failover", Mode::Failover),
    ("planned", Mode::Planned),
    ("failback", Mode::Failback),
];
pub(in crate::runbook) const ON_FAILURE: [(&str, OnFailure); 3] = [
    ("ask", OnFailure::Ask),
    ("stop", OnFailure::Stop),
    ("continue", OnFailure::Continue),
];

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
        has_point: false,
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
    let name = verb_name(at, reader)?;
    let before = reader.problems.count();
    let fields = reader.fields(at, &shape_of(name))?;
    if name != VerbName::Confirm && fields.get("ask").is_some() {
        reader.report(
            fields.key("ask"),
            "`ask` belongs to `confirm`",
            "make a step of its own of the question",
        );
    }
    let verb = fields
        .get(name.as_str())
        .and_then(|at| verbs::verb(name, at, &fields, scope, reader));
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
    let people = number("people", 1, 2, reader).map_or(1, |n| u8::try_from(n).unwrap_or(1));
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
        people,
        challenge: optional(&fields, "challenge", reader, |reader, at| {
            challenge(at, people, scope, reader)
        }),
        line: reader.places.line(at.node),
        verb: verb?,
    };
    (reader.problems.count() == before).then_some(step)
}

/// The one key of a step that is its verb.
fn verb_name<'a>(at: At<'a>, reader: &mut Reader<'a>) -> Option<VerbName> {
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
    let all = VerbName::ALL.iter().copied();
    let mut found = all.filter(|verb| keys.contains(&verb.as_str()));
    match (found.next(), found.next()) {
        (Some(verb), None) => return Some(verb),
        (Some(one), Some(other)) => {
            let (one, other) = (one.as_str(), other.as_str());
            // The one that stands second in the file is the one too many.
            let (first, second) =
                if reader.places.start(place(one)) < reader.places.start(place(other)) {
                    (one, other)
                } else {
                    (other, one)
                };
            let message = format!("a step has one verb, and this has `{first}` and `{second}`");
            let mut problem = reader.at(place(second), message);
            problem
                .labels
                .push(reader.places.label(place(first), "the first verb"));
            reader.push(problem, "make two steps of it");
            return None;
        }
        (None, _) => {}
    }
    match keys.iter().find(|key| !COMMON.contains(key)) {
        Some(word) => {
            let node = place(word);
            reader.unknown(node, "verb", word, VerbName::WORDS.iter().copied());
        }
        None => {
            let hint = format!("there are: {}", VerbName::WORDS.join(", "));
            reader.report(at.node, "a step without a verb", &hint);
        }
    }
    None
}

/// The keys that a step with this verb may have.
fn shape_of(verb: VerbName) -> Shape {
    Shape {
        also: std::slice::from_ref(&VerbName::WORDS[verb as usize]),
        ..Shape::new("a step", &[], &COMMON)
    }
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

//! From YAML values to the typed runbook, one file for each part of it.
//!
//! What does not parse is reported and left out, so that one mistake is one problem. Rules that
//! concern several parts are in [`super::check`].

mod asks;
mod backups;
mod commands;
mod network;
mod phases;
mod probes;
mod sites;
mod texts;
mod verbs;
mod vms;

/// What mappings may hold and which words there are, for the schema.
pub(super) mod shapes {
    pub(in crate::runbook) use super::asks::{ASK, CHALLENGE, KINDS};
    pub(in crate::runbook) use super::backups::{BACKUP, BORG, COMMAND as TOOL, LAYOUTS, RESTIC};
    pub(in crate::runbook) use super::commands::{COMMAND, EFFECTS, LOCAL};
    pub(in crate::runbook) use super::network::PORT_GROUP;
    pub(in crate::runbook) use super::phases::{COMMON, MODES, ON_FAILURE, PHASE, TIER};
    pub(in crate::runbook) use super::probes::{
        AGE, ATTESTED, COMMAND as COMMAND_PROBE, COMPARE, HAND_OFF, HTTP as HTTP_PROBE, LOOK,
        POINT, POWER, SINCE, TCP as TCP_PROBE, VM as VM_PROBE, WAIT,
    };
    pub(in crate::runbook) use super::sites::{
        DATASTORE, DRIVERS, HOST, KEY_LOGIN, MOST_STEPS, MOST_TRANSFERS, ROLES, SITE,
    };
    pub(in crate::runbook) use super::verbs::{
        BEFORE, ONE_VM, POWER_OFF, RESTORE, RESTORE_FILES, UNREGISTER,
    };
    pub(in crate::runbook) use super::vms::{
        ADAPTER, CONSISTENCIES, DISKS, HTTP as HTTP_RUNG, LOOSE_PLACE, MACS, PHYSICAL,
        TCP as TCP_RUNG, VM,
    };
    pub(in crate::runbook) use super::{
        COMMIT, CONTACT, DRILL, IDENTITIES, OBJECTIVES, RUNBOOK, UPDATES, VARIABLE,
    };
}

use std::collections::HashMap;
use std::time::Duration;

use indexmap::{IndexMap, IndexSet};
use serde_yaml::Value;

use super::Limits;
use super::model::{
    CommitRules, Contact, DrillRules, Identity, Objectives, Runbook, Updates, Variable,
};
use super::places::NodeId;
use super::reader::{At, Entry, Fields, Reader, Shape};
use super::template;
use super::values;
use crate::names::VariableName;

pub(in crate::runbook) const RUNBOOK: Shape = Shape {
    what: "a runbook",
    required: &["lifeboat", "name", "sites", "hosts", "vms", "failover"],
    optional: &[
        "title",
        "description",
        "contacts",
        "objectives",
        "drill",
        "commit",
        "updates",
        "variables",
        "networks",
        "backups",
        "failback",
    ],
    also: &[],
    extensible: true,
};
pub(in crate::runbook) const CONTACT: Shape =
    Shape::new("a contact", &["name"], &["phone", "role"]);
pub(in crate::runbook) const OBJECTIVES: Shape = Shape::new("the objectives", &[], &["rto", "rpo"]);
pub(in crate::runbook) const DRILL: Shape =
    Shape::new("the rules for drills", &[], &["identity", "every", "limit"]);
pub(in crate::runbook) const COMMIT: Shape = Shape::new("the commit", &["within"], &[]);
pub(in crate::runbook) const UPDATES: Shape = Shape::new("the updates", &["every"], &[]);
pub(in crate::runbook) const VARIABLE: Shape = Shape::new(
    "a variable",
    &["prompt"],
    &["pattern", "example", "default", "secret"],
);

pub(in crate::runbook) const IDENTITIES: [(&str, Identity); 2] =
    [("moved", Identity::Moved), ("copied", Identity::Copied)];

/// The format that this version reads.
const FORMAT: u64 = 1;

/// Names that the file declares, whether or not what they stand for could be read: a mistake in a
/// host must not make every mention of it a second one.
#[derive(Debug, Default)]
struct Names {
    sites: IndexSet<String>,
    hosts: IndexSet<String>,
    posix_hosts: IndexSet<String>,
    networks: IndexSet<String>,
    backups: IndexSet<String>,
    vms: IndexSet<String>,
    /// The names of contacts.
    contacts: IndexSet<String>,
    /// Each with whether it is a secret.
    variables: IndexMap<String, bool>,
    /// Addresses that must not stand in steps, each with its host.
    addresses: HashMap<String, String>,
}

impl Names {
    fn declared(top: &Fields<'_>) -> Self {
        let keys = |part: &str| -> IndexSet<String> {
            let mapping = top.get(part).and_then(|at| at.value.as_mapping());
            let names = mapping
                .into_iter()
                .flat_map(|m| m.keys())
                .filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        };
        let mut names = Self {
            sites: keys("sites"),
            hosts: keys("hosts"),
            networks: keys("networks"),
            backups: keys("backups"),
            vms: keys("vms"),
            ..Self::default()
        };
        let of = |part: &str, name: &str, key: &str| -> Option<&Value> {
            top.get(part)?.value.get(name)?.get(key)
        };
        let listed = top.get("contacts").and_then(|at| at.value.as_sequence());
        let contacts = listed.into_iter().flatten();
        let called = contacts.filter_map(|contact| contact.get("name")?.as_str());
        names.contacts.extend(called.map(str::to_owned));
        for variable in keys("variables") {
            let secret = of("variables", &variable, "secret").and_then(Value::as_bool);
            names.variables.insert(variable, secret.unwrap_or(false));
        }
        for host in &names.hosts {
            let driver = of("hosts", host, "driver").and_then(Value::as_str);
            if driver != Some("esxi") {
                names.posix_hosts.insert(host.clone());
            }
            let address = of("hosts", host, "address").and_then(Value::as_str);
            if let Some(Ok(address)) = address.map(values::parse_address) {
                names.addresses.insert(address.host, host.clone());
            }
        }
        names
    }
}

/// A runbook as far as it could be read, and where its steps stand.
pub(super) struct Read {
    pub(super) runbook: Runbook,
    /// Beside the phases of `failover`.
    pub(super) failover: Vec<PhaseNodes>,
    /// Beside the phases of `failback`.
    pub(super) failback: Vec<PhaseNodes>,
}

/// Where a phase and its steps stand. Those that could not be read are missing.
pub(super) struct PhaseNodes {
    pub(super) phase: NodeId,
    pub(super) steps: Vec<NodeId>,
}

/// Reads everything. The result lacks what could not be read.
pub(super) fn read<'a>(root: At<'a>, reader: &mut Reader<'a>, limits: &Limits) -> Option<Read> {
    let top = reader.fields(root, &RUNBOOK)?;
    format_version(&top, reader)?;
    let names = Names::declared(&top);
    let name = runbook_name(&top, reader);
    let mut runbook = Runbook {
        title: optional(&top, "title", reader, Reader::text).unwrap_or_else(|| name.clone()),
        name,
        description: optional(&top, "description", reader, Reader::text).unwrap_or_default(),
        contacts: optional(&top, "contacts", reader, contacts).unwrap_or_default(),
        objectives: optional(&top, "objectives", reader, objectives).unwrap_or_default(),
        drill: optional(&top, "drill", reader, drill_rules).unwrap_or_default(),
        commit: optional(&top, "commit", reader, commit_rules).unwrap_or_default(),
        updates: optional(&top, "updates", reader, updates).unwrap_or_default(),
        variables: optional(&top, "variables", reader, variables).unwrap_or_default(),
        sites: optional(&top, "sites", reader, sites::sites).unwrap_or_default(),
        hosts: part(&top, "hosts", &names, reader, sites::hosts),
        networks: part(&top, "networks", &names, reader, network::networks),
        backups: part(&top, "backups", &names, reader, backups::backups),
        vms: part(&top, "vms", &names, reader, vms::vms),
        failover: Vec::new(),
        failback: Vec::new(),
        isolation: None,
    };
    let failover = phases::section(&top, "failover", &names, reader, limits);
    let failback = phases::section(&top, "failback", &names, reader, limits);
    let (failover, failover_nodes) = failover.into_iter().unzip();
    let (failback, failback_nodes) = failback.into_iter().unzip();
    runbook.failover = failover;
    runbook.failback = failback;
    Some(Read {
        runbook,
        failover: failover_nodes,
        failback: failback_nodes,
    })
}

/// A part whose entries have names; empty where it is absent.
fn part<'a, T: Default>(
    top: &Fields<'a>,
    key: &str,
    names: &Names,
    reader: &mut Reader<'a>,
    read: impl FnOnce(At<'a>, &Names, &mut Reader<'a>) -> T,
) -> T {
    top.get(key)
        .map(|at| read(at, names, reader))
        .unwrap_or_default()
}

/// An optional key's value.
fn optional<'a, T>(
    fields: &Fields<'a>,
    key: &str,
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>, At<'a>) -> Option<T>,
) -> Option<T> {
    fields.get(key).and_then(|at| read(reader, at))
}

fn format_version(top: &Fields<'_>, reader: &mut Reader<'_>) -> Option<()> {
    let at = top.get("lifeboat")?;
    match at.value.as_u64() {
        Some(FORMAT) => Some(()),
        Some(version) if version > FORMAT => {
            let message =
                format!("this file is format {version}; this Lifeboat reads format {FORMAT}");
            reader.report(at.node, message, "use a newer Lifeboat");
            None
        }
        _ => {
            let message = "the format version is the number 1";
            reader.report(at.node, message, "write `lifeboat: 1`");
            Some(())
        }
    }
}

fn runbook_name<'a>(top: &Fields<'a>, reader: &mut Reader<'a>) -> String {
    let Some(at) = top.get("name") else {
        return String::new();
    };
    let Some(name) = reader.text(at) else {
        return String::new();
    };
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.len() > 80 || !name.chars().all(allowed) {
        let hint = format!("write for example `{}`", values::slug(&name));
        reader.report(
            at.node,
            "a runbook's name has lower-case letters, digits and hyphens",
            &hint,
        );
    }
    name
}

/// Reports a name that cannot stand in a step id.
fn check_name(entry: &Entry<'_>, kind: &str, reader: &mut Reader<'_>) {
    if !values::is_name(&entry.name) {
        let message = format!(
            "a {kind}'s name begins with a letter or digit and has letters, digits, dots, hyphens and underscores"
        );
        reader.report(entry.key, message, "what people read goes to `title`");
    }
}

fn contacts<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<Vec<Contact>> {
    let mut contacts = Vec::new();
    for at in reader.list(at, "contacts")? {
        let Some(fields) = reader.fields(at, &CONTACT) else {
            continue;
        };
        contacts.push(Contact {
            name: optional(&fields, "name", reader, Reader::text).unwrap_or_default(),
            phone: optional(&fields, "phone", reader, Reader::text).unwrap_or_default(),
            role: optional(&fields, "role", reader, Reader::text).unwrap_or_default(),
        });
    }
    Some(contacts)
}

fn objectives<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<Objectives> {
    let fields = reader.fields(at, &OBJECTIVES)?;
    Some(Objectives {
        rto: optional(&fields, "rto", reader, Reader::duration),
        rpo: optional(&fields, "rpo", reader, Reader::duration),
    })
}

fn drill_rules<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<DrillRules> {
    let fields = reader.fields(at, &DRILL)?;
    let identity = |reader: &mut Reader<'a>, at| reader.one_of(at, "identity", &IDENTITIES, &[]);
    Some(DrillRules {
        identity: optional(&fields, "identity", reader, identity).unwrap_or_default(),
        every: optional(&fields, "every", reader, Reader::duration),
        limit: optional(&fields, "limit", reader, Reader::duration),
    })
}

fn commit_rules<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<CommitRules> {
    const SHORTEST: Duration = Duration::from_secs(60);
    const LONGEST: Duration = Duration::from_secs(90 * 24 * 3_600);
    let within = reader.fields(at, &COMMIT)?.get("within")?;
    let length = reader.duration(within)?;
    if !(SHORTEST..=LONGEST).contains(&length) {
        let message = "a run is to be committed or rolled back within 1m to 90d";
        reader.report(within.node, message, "write for example `within: 24h`");
        return None;
    }
    let within = Some(length);
    Some(CommitRules { within })
}

fn updates<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<Updates> {
    const OFTEN: Duration = Duration::from_secs(60);
    const SELDOM: Duration = Duration::from_secs(24 * 3_600);
    let every = reader.fields(at, &UPDATES)?.get("every")?;
    if every.value.as_str() == Some("never") {
        return Some(Updates { every: None });
    }
    let interval = reader.duration(every)?;
    if !(OFTEN..=SELDOM).contains(&interval) {
        let message = "those who wait are told every 1m to 24h";
        reader.report(every.node, message, "write `every: 15m`, or `every: never`");
        return None;
    }
    let every = Some(interval);
    Some(Updates { every })
}

fn variables<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<IndexMap<VariableName, Variable>> {
    let mut variables = IndexMap::new();
    for entry in reader.entries(at, "the variables") {
        if template::BUILT_IN.contains(&entry.name.as_str()) {
            let message = format!("`{}` has a meaning of its own in `${{…}}`", entry.name);
            reader.report(entry.key, message, "choose another name");
        } else if !template::is_variable_name(&entry.name) {
            let message =
                "a variable's name has lower-case letters, digits and underscores, a letter first";
            reader.report(entry.key, message, "");
        }
        if let Some(variable) = variable(entry.at, reader) {
            variables.insert(VariableName::from(entry.name), variable);
        }
    }
    Some(variables)
}

fn variable<'a>(at: At<'a>, reader: &mut Reader<'a>) -> Option<Variable> {
    let fields = reader.fields(at, &VARIABLE)?;
    let variable = Variable {
        prompt: optional(&fields, "prompt", reader, Reader::text).unwrap_or_default(),
        pattern: optional(&fields, "pattern", reader, pattern),
        example: optional(&fields, "example", reader, Reader::text),
        default: optional(&fields, "default", reader, Reader::text),
        secret: optional(&fields, "secret", reader, Reader::flag).unwrap_or(false),
    };
    for (key, value) in [
        ("example", &variable.example),
        ("default", &variable.default),
    ] {
        let Some(value) = value else { continue };
        if variable.secret {
            let message = format!("a secret with its `{key}` in the file");
            reader.report(
                fields.key(key),
                message,
                "remove it: secrets are asked for, or come from the answers file",
            );
        } else if let Err(message) = variable.check(value) {
            reader.report(fields.get(key).map_or(at.node, |at| at.node), message, "");
        }
    }
    Some(variable)
}

/// A regular expression that matches somewhere in a text.
fn pattern_within<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<String> {
    regular_expression(reader, at, values::compiled, "")
}

/// A regular expression that compiles and matches a whole value.
fn pattern<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<String> {
    let hint = "it must match the whole value, so `^` and `$` are not needed";
    regular_expression(reader, at, values::whole_match, hint)
}

fn regular_expression<'a>(
    reader: &mut Reader<'a>,
    at: At<'a>,
    compile: fn(&str) -> Result<regex_lite::Regex, String>,
    hint: &str,
) -> Option<String> {
    let text = reader.raw_text(at)?;
    match compile(text) {
        Ok(_) => Some(text.to_owned()),
        Err(message) => {
            reader.report(at.node, message, hint);
            None
        }
    }
}

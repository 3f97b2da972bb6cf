//! What a corrected runbook changes of a plan, and what it may not change any more. Pure.

use std::collections::BTreeSet;
use std::fmt::Debug;

use indexmap::IndexMap;

use crate::names::{StepId, VmName};
use crate::runbook::model::{CommandLine, Place, Runbook, SiteRole};

use super::{ActionSpec, Plan, Step};

/// A runbook with the plan made from it.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// Its steps.
    pub plan: &'a Plan,
    /// What they rest on.
    pub runbook: &'a Runbook,
}

/// What is different in a corrected runbook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Steps that stand and would mean something else, or be gone.
    pub refused: Vec<Change>,
    /// Steps that it brings.
    pub added: Vec<StepId>,
    /// Steps that it leaves out.
    pub removed: Vec<StepId>,
    /// Steps that have not begun and will be done otherwise.
    pub changed: Vec<Change>,
    /// Entries of its lists that differ, whether or not a step of this run feels it.
    pub entries: Vec<String>,
}

/// What is different about one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub step: StepId,
    /// In words, one for each thing.
    pub what: Vec<String>,
}

impl Difference {
    /// In lines for people, the refusals first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let changes = |lines: &mut Vec<String>, word: &str, changes: &[Change]| {
            for change in changes {
                lines.push(format!("{word} {}", change.step));
                lines.extend(change.what.iter().map(|what| format!("    {what}")));
            }
        };
        changes(&mut lines, "must not change:", &self.refused);
        lines.extend(self.added.iter().map(|step| format!("new: {step}")));
        lines.extend(self.removed.iter().map(|step| format!("gone: {step}")));
        changes(&mut lines, "changed:", &self.changed);
        lines.extend(self.entries.iter().cloned());
        if lines.is_empty() {
            lines.push("no step and no entry is different".to_owned());
        }
        lines
    }
}

/// Compares two versions of a runbook in mid-run. `stands` tells which steps are behind the run, so
/// that what is known of them must stay true: their meaning may not change; how they are titled,
/// ordered or confirmed says nothing any more.
#[must_use]
pub fn difference(
    old: Version<'_>,
    new: Version<'_>,
    stands: impl Fn(&StepId) -> bool,
) -> Difference {
    let mut found = Difference {
        entries: entries(old.runbook, new.runbook),
        ..Difference::default()
    };
    for before in &old.plan.steps {
        let id = &before.id;
        let Some(after) = new.plan.step(id) else {
            if stands(id) {
                found.refused.push(Change {
                    step: id.clone(),
                    what: vec!["the corrected runbook does not have it".to_owned()],
                });
            } else {
                found.removed.push(id.clone());
            }
            continue;
        };
        let mut what = meaning((old, before), (new, after));
        let stands = stands(id);
        if !stands {
            what.extend(manner((old.plan, before), (new.plan, after)));
        }
        if !what.is_empty() {
            let list = if stands {
                &mut found.refused
            } else {
                &mut found.changed
            };
            let step = id.clone();
            list.push(Change { step, what });
        }
    }
    let known: BTreeSet<&StepId> = old.plan.steps.iter().map(|step| &step.id).collect();
    let added = new.plan.steps.iter().map(|step| &step.id);
    found.added = added.filter(|id| !known.contains(id)).cloned().collect();
    found
}

/// Differences of a step, in words.
#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn compare<T: PartialEq>(&mut self, name: &str, old: T, new: T, say: impl Fn(&T) -> String) {
        if old == new {
            return;
        }
        let (was, is) = (say(&old), say(&new));
        self.0.push(if was == is {
            format!("{name} differs")
        } else {
            format!("{name}: {was} -> {is}")
        });
    }
}

/// What a step does and what it does it to.
fn meaning(old: (Version<'_>, &Step), new: (Version<'_>, &Step)) -> Vec<String> {
    let mut words = Words::default();
    let ((was, before), (is, after)) = (old, new);
    words.compare("what it does", &before.action, &after.action, |action| {
        in_words(action)
    });
    words.compare("where it acts", before.side, after.side, |side| {
        side_in_words(*side).to_owned()
    });
    for host in &before.hosts {
        let host_of = |runbook: &'_ Runbook| {
            let host = runbook.hosts.get(host)?;
            Some((host.site.clone(), host.driver, host.address.clone()))
        };
        words.compare(
            &format!("host {host}"),
            host_of(was.runbook),
            host_of(is.runbook),
            |found| {
                found
                    .as_ref()
                    .map_or("none".to_owned(), |(site, _, at)| format!("{at} in {site}"))
            },
        );
    }
    if let Some(vm) = before.action.vm() {
        vm_meaning(
            &mut words,
            before.action.verb(),
            vm,
            was.runbook,
            is.runbook,
        );
    }
    words.0
}

/// The parts of a VM's entry that a verb goes by.
fn vm_meaning(words: &mut Words, verb: &str, name: &VmName, old: &Runbook, new: &Runbook) {
    let (Some(was), Some(is)) = (old.vms.get(name), new.vms.get(name)) else {
        return;
    };
    let place = |place: &Option<&Place>| {
        place.map_or("none".to_owned(), |place| {
            format!("{}:{}/{}", place.host, place.datastore, place.folder)
        })
    };
    for side in [SiteRole::Protected, SiteRole::Recovery] {
        let name = format!("its place at {}", side_in_words(side));
        words.compare(&name, was.place(side), is.place(side), place);
    }
    if matches!(verb, "restore" | "restore_files") {
        let backup = |runbook: &Runbook, name: &Option<_>| {
            let name: &crate::names::BackupName = name.as_ref()?;
            Some((name.clone(), runbook.backups.get(name).cloned()))
        };
        words.compare(
            "its backup",
            backup(old, &was.backup),
            backup(new, &is.backup),
            |found| {
                found
                    .as_ref()
                    .map_or("none".to_owned(), |(name, _)| name.to_string())
            },
        );
    }
    if matches!(verb, "network" | "power_on") {
        let networks = |runbook: &Runbook, vm: &crate::runbook::model::Vm| -> Vec<_> {
            let used = vm.adapters.values().map(|adapter| &adapter.network);
            used.map(|name| runbook.networks.get(name).cloned())
                .collect()
        };
        words.compare("its adapters", &was.adapters, &is.adapters, |adapters| {
            let each = adapters.iter().map(|(key, adapter)| match adapter.address {
                Some(address) => format!("{key} {} {address}", adapter.network),
                None => format!("{key} {}", adapter.network),
            });
            each.collect::<Vec<_>>().join(", ")
        });
        words.compare(
            "its networks",
            networks(old, was),
            networks(new, is),
            |_| String::new(),
        );
    }
    if verb == "ready" {
        words.compare("what proves that it serves", &was.ready, &is.ready, |_| {
            String::new()
        });
    }
}

/// How a step is shown, ordered, bounded and confirmed.
fn manner(old: (&Plan, &Step), new: (&Plan, &Step)) -> Vec<String> {
    let mut words = Words::default();
    let ((was, before), (is, after)) = (old, new);
    let before_it = |plan: &Plan, step: &Step| -> BTreeSet<StepId> {
        let earlier = step.after.iter().filter_map(|index| plan.steps.get(*index));
        earlier.map(|step| step.id.clone()).collect()
    };
    words.compare("title", &before.title, &after.title, |title| {
        (*title).clone()
    });
    words.compare("why", &before.why, &after.why, |_| String::new());
    words.compare("text", &before.text, &after.text, |_| String::new());
    words.compare("timeout", before.timeout, after.timeout, debug);
    words.compare("usually", before.usually, after.usually, debug);
    words.compare("retries", before.retries, after.retries, debug);
    words.compare("on_failure", before.on_failure, after.on_failure, debug);
    words.compare("gate", before.gate, after.gate, debug);
    words.compare("typed", &before.typed, &after.typed, debug);
    words.compare("people", before.people, after.people, debug);
    // Never the response: whoever reads this may be asked it.
    words.0.extend(match (&before.challenge, &after.challenge) {
        (None, Some(_)) => Some("challenge added".to_owned()),
        (Some(_), None) => Some("challenge removed".to_owned()),
        (was, is) if was != is => Some("challenge changed".to_owned()),
        _ => None,
    });
    words.compare(
        "what comes before it",
        before_it(was, before),
        before_it(is, after),
        |_| String::new(),
    );
    words.0
}

fn debug<T: Debug>(value: &T) -> String {
    format!("{value:?}").to_lowercase()
}

fn side_in_words(side: SiteRole) -> &'static str {
    match side {
        SiteRole::Protected => "the protected site",
        SiteRole::Recovery => "the recovery site",
    }
}

fn in_words(action: &ActionSpec) -> String {
    match action {
        ActionSpec::Confirm { question, .. } => format!("ask: {question}"),
        ActionSpec::Note { text } => format!("note: {text}"),
        ActionSpec::Command(command) | ActionSpec::Local(command) => match &command.line {
            CommandLine::Argv(words) => format!("{}: {}", command.host, words.join(" ")),
            CommandLine::Sh(script) => format!("{}: {script}", command.host),
        },
        action => action.verb().to_owned(),
    }
}

/// Entries of the runbook's lists that are new, gone or different.
fn entries(old: &Runbook, new: &Runbook) -> Vec<String> {
    let mut found = Vec::new();
    list(&mut found, "host", &old.hosts, &new.hosts);
    list(&mut found, "network", &old.networks, &new.networks);
    list(&mut found, "backup", &old.backups, &new.backups);
    list(&mut found, "VM", &old.vms, &new.vms);
    list(&mut found, "variable", &old.variables, &new.variables);
    if old.objectives != new.objectives {
        let words = "the objectives are different; a run keeps those that it began with";
        found.push(words.to_owned());
    }
    found
}

fn list<K, V>(found: &mut Vec<String>, what: &str, old: &IndexMap<K, V>, new: &IndexMap<K, V>)
where
    K: std::hash::Hash + Eq + std::fmt::Display,
    V: PartialEq,
{
    for (name, was) in old {
        match new.get(name) {
            None => found.push(format!("{what} {name} is gone")),
            Some(is) if is != was => found.push(format!("{what} {name} is different")),
            Some(_) => {}
        }
    }
    let added = new.keys().filter(|name| !old.contains_key(*name));
    found.extend(added.map(|name| format!("{what} {name} is new")));
}

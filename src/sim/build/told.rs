//! What the steps of a runbook tell of the sites that they are written for: which VMs stand ready at
//! the recovery site, which units machines have.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{HostName, VmName};
use crate::runbook::model::{CommandLine, CommandSpec, FileRestore, Phase, Runbook, Section, Verb};
use crate::sim::units;

/// It.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What the way out does with each VM.
    verbs: BTreeMap<String, BTreeSet<&'static str>>,
    /// The units that commands on a host name.
    units: BTreeMap<HostName, BTreeMap<String, Use>>,
    vms: BTreeSet<String>,
}

/// What commands do with a unit on one host.
#[derive(Clone, Debug)]
struct Use {
    first: String,
    started: bool,
}

/// A VM that no step brings to the recovery site, because it stands there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// No step registers it.
    pub(super) registered: bool,
    /// No step powers it on.
    pub(super) on: bool,
}

/// A unit as it is on a good day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Without its kind.
    pub(super) name: String,
    /// It starts at boot: no step starts it.
    pub(super) enabled: bool,
    /// It runs.
    pub(super) active: bool,
}

impl Told {
    /// What the runbook's steps tell.
    pub(crate) fn of(runbook: &Runbook) -> Self {
        let names = runbook.vms.keys().map(ToString::to_string);
        let mut told = Self {
            vms: names.collect(),
            ..Self::default()
        };
        for phase in &runbook.failover {
            told.take_phase(runbook, phase, Section::Failover);
        }
        for phase in &runbook.failback {
            told.take_phase(runbook, phase, Section::Failback);
        }
        told
    }

    fn take_phase(&mut self, runbook: &Runbook, phase: &Phase, section: Section) {
        let selected = runbook.selected(&phase.for_each);
        let subjects = selected.into_iter().map(VmName::as_str);
        let subjects: Vec<&str> = match subjects.collect::<Vec<_>>() {
            none if none.is_empty() => vec![""],
            some => some,
        };
        for step in &phase.steps {
            for subject in &subjects {
                let fill = |word: &str| word.replace("${vm}", subject);
                if let Some(vm) = step.verb.vm().filter(|_| section == Section::Failover) {
                    let verbs = self.verbs.entry(fill(vm)).or_default();
                    verbs.insert(step.verb.as_str());
                }
                self.take_commands(&step.verb, fill);
            }
        }
    }

    fn take_commands(&mut self, verb: &Verb, fill: impl Fn(&str) -> String) {
        let (Verb::Command(spec) | Verb::RestoreFiles(FileRestore { command: spec, .. })) = verb
        else {
            return;
        };
        for words in lines(spec) {
            let [program, verb, rest @ ..] = words else {
                continue;
            };
            let rest = if program == "systemctl" { rest } else { &[] };
            for unit in rest.iter().filter(|word| !word.starts_with('-')) {
                let unit = units::short(&fill(unit)).to_owned();
                let units = self.units.entry(spec.host.clone()).or_default();
                let known = units.entry(unit).or_insert_with(|| Use {
                    first: verb.clone(),
                    started: false,
                });
                known.started |= verb == "start";
            }
        }
    }

    fn does(&self, vm: &str, verb: &str) -> bool {
        let verbs = self.verbs.get(vm);
        verbs.is_some_and(|verbs| verbs.contains(verb))
    }

    /// Whether a VM stands at the recovery site: it is to run there, or gets files there, and no step
    /// brings it.
    pub(super) fn standing(&self, vm: &str) -> Option<Standing> {
        let does = |verb| self.does(vm, verb);
        let used = does("power_on") || does("ready") || does("restore_files");
        (used && !does("restore") && !does("replicate")).then(|| Standing {
            registered: !does("register"),
            on: !does("power_on"),
        })
    }

    /// The units of a host as they are on a good day: what runs where, and what waits to be started.
    pub(super) fn units(&self, host: &HostName, protected: bool) -> Vec<Unit> {
        let units = self.units.get(host).into_iter().flatten();
        units
            .map(|(name, told)| Unit {
                name: name.clone(),
                enabled: !told.started,
                active: protected || told.first != "start",
            })
            .collect()
    }

    /// The application that steps start on a host: a unit that bears the name of a VM.
    pub(super) fn application(&self, host: &HostName) -> Option<String> {
        let units = self.units.get(host).into_iter().flatten();
        let mut started = units.filter(|(name, told)| told.started && self.vms.contains(*name));
        started.next().map(|(name, _)| name.clone())
    }
}

/// The words of a command and of what looks after it.
fn lines(spec: &CommandSpec) -> impl Iterator<Item = &[String]> {
    let main = match &spec.line {
        CommandLine::Argv(words) => Some(words),
        CommandLine::Sh(_) => None,
    };
    let all = [main, spec.done_if.as_ref(), spec.verify.as_ref()];
    all.into_iter().flatten().map(Vec::as_slice)
}

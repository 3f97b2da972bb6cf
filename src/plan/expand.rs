//! From phases to steps with ids: `for_each` unrolled, every `${…}` filled in, every default set.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{ActionSpec, PlanError, PlanInputs, Risk, Step, Subject};
use super::{defaults, way_home};
use crate::names::{HostName, StepId, VariableName, VmName};
use crate::runbook::model::{
    Challenge, CommandLine, CommandSpec, DeclaredEffect, FileRestore, ForEach, HandOff, Mode,
    Phase, Probe, Runbook, Section, SiteRole, StepSpec, Verb, Vm, WaitSpec,
};
use crate::runbook::{slug, template};

/// A step and where it came from.
pub(super) struct Expanded {
    pub(super) step: Step,
    /// Index of its phase in the section.
    pub(super) phase: usize,
    /// Whether the phase repeats its steps for each VM, which makes a chain of each VM's steps.
    pub(super) repeated: bool,
}

/// Names every step that a section can have, whatever the mode and the selection: ids must not
/// change with either.
pub(super) fn ids(runbook: &Runbook, section: Section) -> BTreeSet<StepId> {
    let mut numbers = Numbers::default();
    let mut ids = BTreeSet::new();
    // A practice has no steps that the others lack.
    for phase in way_home::walked(runbook, section, Mode::Failback).iter() {
        for vm in turns(runbook, phase) {
            for spec in &phase.steps {
                ids.insert(numbers.id(section, phase, &subject(spec, vm.as_ref()), spec));
            }
        }
    }
    ids
}

/// The phases of a section, as written.
pub(super) fn phases(runbook: &Runbook, section: Section) -> &[Phase] {
    match section {
        Section::Failover => &runbook.failover,
        Section::Failback => &runbook.failback,
    }
}

/// Whether a step of the same section as this one, as written, has such a verb. What ends a run has none.
pub(crate) fn has_verb(runbook: &Runbook, step: &StepId, is: impl Fn(&Verb) -> bool) -> bool {
    let mut sections = [Section::Failover, Section::Failback].into_iter();
    let own = sections.find(|section| step.section() == section.as_str());
    let phases = own.map_or(&[][..], |section| phases(runbook, section));
    let mut steps = phases.iter().flat_map(|phase| &phase.steps);
    steps.any(|step| is(&step.verb))
}

/// Every step of the section that belongs to the mode and the selection, in the file's order and
/// without dependencies.
pub(super) fn expand(
    runbook: &Runbook,
    section: Section,
    mode: Mode,
    inputs: &PlanInputs,
) -> Result<Vec<Expanded>, PlanError> {
    let selected: BTreeSet<&VmName> = inputs.only.iter().collect();
    let expander = Expander {
        runbook,
        section,
        mode,
        values: values(runbook, inputs),
    };
    let mut numbers = Numbers::default();
    let mut steps = Vec::new();
    let phases = way_home::walked(runbook, section, mode);
    for (index, phase) in phases.iter().enumerate() {
        for vm in turns(runbook, phase) {
            for spec in &phase.steps {
                let subject = subject(spec, vm.as_ref());
                let id = numbers.id(section, phase, &subject, spec);
                let left_out = subject
                    .vm()
                    .is_some_and(|vm| !selected.is_empty() && !selected.contains(vm));
                if left_out || !(spec.modes.is_empty() || spec.modes.contains(&mode)) {
                    continue;
                }
                steps.push(Expanded {
                    step: expander.step(id, phase, spec, subject, vm.as_ref())?,
                    phase: index,
                    repeated: phase.for_each != ForEach::Once,
                });
            }
        }
    }
    Ok(steps)
}

/// A drill has no step that changes anything at the protected site.
pub(super) fn spares_production(runbook: &Runbook, steps: &[Expanded]) -> Result<(), PlanError> {
    let changes = |step: &&Step| match &step.action {
        ActionSpec::Command(spec) | ActionSpec::RestoreFiles { command: spec, .. } => {
            spec.effect != DeclaredEffect::Read
        }
        _ => step.risk != Risk::Read,
    };
    let there = steps.iter().map(|expanded| &expanded.step);
    let mut there = there.filter(|step| step.side == SiteRole::Protected);
    let Some(step) = there.find(changes) else {
        return Ok(());
    };
    let site = runbook.protected_site();
    let title = runbook.sites.get(&site).map(|site| site.title.clone());
    Err(PlanError::DrillWrites {
        verb: step.action.verb().to_owned(),
        site: title.unwrap_or_else(|| site.to_string()),
        line: step.line,
    })
}

/// The VMs that a phase is repeated for, in the file's order; one turn without a VM where it is not.
pub(super) fn turns(runbook: &Runbook, phase: &Phase) -> Vec<Option<VmName>> {
    match &phase.for_each {
        ForEach::Once => vec![None],
        for_each => runbook
            .selected(for_each)
            .into_iter()
            .cloned()
            .map(Some)
            .collect(),
    }
}

/// The VM at hand, else the VM of the verb, else the command's host, else the run.
fn subject(spec: &StepSpec, vm: Option<&VmName>) -> Subject {
    match (spec.verb.vm(), &spec.verb, vm) {
        (Some("${vm}"), _, Some(vm)) => Subject::Vm(vm.clone()),
        (Some(written), _, _) => Subject::Vm(VmName::from(written)),
        (None, _, Some(vm)) => Subject::Vm(vm.clone()),
        (None, Verb::Command(command), None) => Subject::Host(command.host.clone()),
        (None, _, None) => Subject::Run,
    }
}

/// Counts equal ids: the second one ends in `.2`.
#[derive(Default)]
struct Numbers(HashMap<String, u32>);

impl Numbers {
    fn id(
        &mut self,
        section: Section,
        phase: &Phase,
        subject: &Subject,
        spec: &StepSpec,
    ) -> StepId {
        let (slug, subject, verb) = (slug(&phase.name), subject.as_str(), spec.verb.as_str());
        let id = format!("{section}/{slug}/{subject}/{verb}");
        let count = self.0.entry(id.clone()).or_insert(0);
        *count += 1;
        if *count == 1 {
            StepId::from(id)
        } else {
            StepId::from(format!("{id}.{count}"))
        }
    }
}

/// The values that texts may refer to: what was given, else the variable's default.
fn values(runbook: &Runbook, inputs: &PlanInputs) -> BTreeMap<VariableName, String> {
    let mut values = BTreeMap::new();
    for (name, variable) in runbook
        .variables
        .iter()
        .filter(|(_, variable)| !variable.secret)
    {
        let value = inputs.variables.get(name).or(variable.default.as_ref());
        if let Some(value) = value {
            values.insert(name.clone(), value.clone());
        }
    }
    values
}

struct Expander<'r> {
    runbook: &'r Runbook,
    section: Section,
    mode: Mode,
    values: BTreeMap<VariableName, String>,
}

impl Expander<'_> {
    fn step(
        &self,
        id: StepId,
        phase: &Phase,
        spec: &StepSpec,
        subject: Subject,
        vm: Option<&VmName>,
    ) -> Result<Step, PlanError> {
        let fill = |text: &str| self.fill(text, vm, spec);
        let option = |text: &Option<String>| text.as_deref().map(fill).transpose();
        let action = self.action(spec, &subject, vm)?;
        let side = self.side(spec);
        let risk = defaults::risk(&spec.verb);
        // What cannot be taken back asks for the VM's name, unless the runbook asks for another word.
        let typed = match (option(&spec.typed)?, risk) {
            (None, Risk::Typed) => Some(subject.as_str().to_owned()),
            (typed, _) => typed,
        };
        let transfer = matches!(
            action,
            ActionSpec::Restore { .. } | ActionSpec::Replicate { .. } | ActionSpec::CopyBack { .. }
        );
        Ok(Step {
            phase: phase.name.clone(),
            side,
            title: match option(&spec.name)? {
                Some(name) => name,
                None if self.mode == Mode::Drill && matches!(action, ActionSpec::Fence { .. }) => {
                    format!("isolate {}", subject.as_str())
                }
                None => defaults::title(&action, &subject),
            },
            why: option(&spec.why)?,
            text: option(&spec.text)?,
            risk: if typed.is_some() { Risk::Typed } else { risk },
            after: Vec::new(),
            timeout: spec.timeout.or_else(|| defaults::timeout(&spec.verb)),
            retries: spec.retries,
            on_failure: spec.on_failure,
            usually: spec.usually,
            gate: spec.gate,
            typed,
            people: spec.people,
            challenge: match &spec.challenge {
                Some(challenge) => Some(Challenge {
                    say: self.fill(&challenge.say, vm, spec)?,
                    response: self.fill(&challenge.response, vm, spec)?,
                }),
                None => None,
            },
            transfer,
            datastore: self.datastore(&action, side).filter(|_| transfer),
            hosts: self.hosts(&action, side),
            vmx: None,
            line: spec.line,
            id,
            subject,
            action,
        })
    }

    fn fill(&self, text: &str, vm: Option<&VmName>, spec: &StepSpec) -> Result<String, PlanError> {
        let value_of = |name: &str| match name {
            "vm" => vm.map(VmName::as_str),
            "mode" => Some(self.mode.as_str()),
            // Known when the step looks: see `restore_files`.
            "point" if matches!(spec.verb, Verb::RestoreFiles(_)) => Some("${point}"),
            _ => self.values.get(name).map(String::as_str),
        };
        template::fill(text, value_of).map_err(|name| PlanError::NoValue {
            name: VariableName::from(name),
            line: spec.line,
        })
    }

    fn action(
        &self,
        spec: &StepSpec,
        subject: &Subject,
        vm: Option<&VmName>,
    ) -> Result<ActionSpec, PlanError> {
        let fill = |text: &str| self.fill(text, vm, spec);
        let of = || subject.vm().cloned().unwrap_or_default();
        Ok(match &spec.verb {
            Verb::Confirm { question, ask } => {
                let filled = ask
                    .iter()
                    .map(|(key, ask)| Ok((key.clone(), ask.filled(fill)?)));
                ActionSpec::Confirm {
                    question: fill(question)?,
                    ask: filled.collect::<Result<_, PlanError>>()?,
                }
            }
            Verb::Note { text } => ActionSpec::Note { text: fill(text)? },
            Verb::Fence { .. } => ActionSpec::Fence { vm: of() },
            Verb::Restore { point, logs, .. } => ActionSpec::Restore {
                vm: of(),
                point: point.clone(),
                logs: *logs,
            },
            Verb::Replicate { .. } => ActionSpec::Replicate { vm: of() },
            Verb::Register { .. } => ActionSpec::Register { vm: of() },
            Verb::Network { .. } => ActionSpec::Network { vm: of() },
            Verb::PowerOn { .. } => ActionSpec::PowerOn { vm: of() },
            Verb::Ready { .. } => ActionSpec::Ready { vm: of() },
            Verb::ShutDown { .. } => ActionSpec::ShutDown { vm: of() },
            Verb::PowerOff { .. } => ActionSpec::PowerOff { vm: of() },
            Verb::CopyBack { .. } => ActionSpec::CopyBack { vm: of() },
            Verb::Unregister { .. } => ActionSpec::Unregister { vm: of() },
            Verb::FreeCapacity { vms } => ActionSpec::FreeCapacity { vms: vms.clone() },
            Verb::ReturnCapacity { vms } => ActionSpec::ReturnCapacity { vms: vms.clone() },
            Verb::RestoreFiles(files) => ActionSpec::RestoreFiles {
                vm: of(),
                from: files.from.clone(),
                quiesced: fill(&files.quiesced)?,
                command: self.command(&files.command, vm, spec)?,
            },
            Verb::Command(command) => ActionSpec::Command(self.command(command, vm, spec)?),
            Verb::Local(command) => ActionSpec::Local(self.command(command, vm, spec)?),
            Verb::Wait(wait) => ActionSpec::Wait(self.wait(wait, vm, spec)?),
            Verb::Check(probes) => {
                let probes = probes.iter().map(|probe| probe.filled(fill));
                ActionSpec::Check(probes.collect::<Result<_, _>>()?)
            }
            Verb::HandOff(given) => ActionSpec::HandOff(HandOff {
                to: given.to.clone(),
                ask: fill(&given.ask)?,
                verify: match &given.verify {
                    Some(probe) => Some(probe.filled(fill)?),
                    None => None,
                },
                every: given.every,
            }),
        })
    }

    fn wait(
        &self,
        wait: &WaitSpec,
        vm: Option<&VmName>,
        spec: &StepSpec,
    ) -> Result<WaitSpec, PlanError> {
        let fill = |text: &str| self.fill(text, vm, spec);
        Ok(match wait {
            WaitSpec::Span(span) => WaitSpec::Span(*span),
            WaitSpec::Until(time) => WaitSpec::Until(fill(time)?),
            WaitSpec::For { probe, every } => WaitSpec::For {
                probe: probe.filled(fill)?,
                every: *every,
            },
        })
    }

    fn command(
        &self,
        command: &CommandSpec,
        vm: Option<&VmName>,
        spec: &StepSpec,
    ) -> Result<CommandSpec, PlanError> {
        let words = |words: &[String]| -> Result<Vec<String>, PlanError> {
            words.iter().map(|word| self.fill(word, vm, spec)).collect()
        };
        let (line, environment) = match &command.line {
            CommandLine::Argv(argv) => (CommandLine::Argv(words(argv)?), Vec::new()),
            CommandLine::Sh(script) => (CommandLine::Sh(script.clone()), self.environment(vm)),
        };
        Ok(CommandSpec {
            host: command.host.clone(),
            line,
            effect: command.effect,
            done_if: command.done_if.as_deref().map(words).transpose()?,
            verify: command.verify.as_deref().map(words).transpose()?,
            environment,
        })
    }

    fn environment(&self, vm: Option<&VmName>) -> Vec<(String, String)> {
        let mut environment = vec![("mode".to_owned(), self.mode.to_string())];
        environment.extend(vm.map(|vm| ("vm".to_owned(), vm.to_string())));
        environment.extend(
            self.values
                .iter()
                .map(|(name, value)| (name.to_string(), value.clone())),
        );
        environment
    }

    /// The role of the site that a step acts on.
    fn side(&self, spec: &StepSpec) -> SiteRole {
        let of_site = |site| self.runbook.sites.get(site).map(|site| site.role);
        match &spec.verb {
            // In a drill it proves that the recovery host keeps the VM apart.
            Verb::Fence { .. } if self.mode == Mode::Drill => self.section.target(),
            Verb::Fence { .. } | Verb::ShutDown { .. } | Verb::PowerOff { site: None, .. } => {
                self.section.source()
            }
            Verb::FreeCapacity { .. } | Verb::ReturnCapacity { .. } => SiteRole::Recovery,
            Verb::PowerOff {
                site: Some(site), ..
            }
            | Verb::Unregister { site, .. } => of_site(site).unwrap_or(self.section.source()),
            Verb::Command(command) | Verb::RestoreFiles(FileRestore { command, .. }) => {
                let host = self.runbook.hosts.get(&command.host);
                host.and_then(|host| of_site(&host.site))
                    .unwrap_or(self.section.target())
            }
            _ => self.section.target(),
        }
    }

    /// The hosts that a step keeps busy.
    fn hosts(&self, action: &ActionSpec, side: SiteRole) -> Vec<HostName> {
        if let ActionSpec::Command(command) | ActionSpec::RestoreFiles { command, .. } = action {
            return vec![command.host.clone()];
        }
        if let ActionSpec::FreeCapacity { vms } | ActionSpec::ReturnCapacity { vms } = action {
            return self.runbook.recovery_hosts(vms);
        }
        if let Some(probes) = action.probes() {
            let looks = probes.into_iter().flat_map(Probe::looks);
            let hosts: BTreeSet<HostName> = looks.map(|look| look.host.clone()).collect();
            return hosts.into_iter().collect();
        }
        let Some(vm) = action.vm().and_then(|vm| self.runbook.vms.get(vm)) else {
            return Vec::new();
        };
        let place = |role| vm.place(role).map(|place| place.host.clone());
        let other = match action {
            ActionSpec::Restore { .. } => self.backup_host(vm),
            ActionSpec::CopyBack { .. } | ActionSpec::Replicate { .. } => place(side.other()),
            _ => None,
        };
        let mut hosts: Vec<HostName> = place(side).into_iter().chain(other).collect();
        hosts.dedup();
        hosts
    }

    /// The datastore on which its VM has its place.
    fn datastore(&self, action: &ActionSpec, side: SiteRole) -> Option<String> {
        let vm = self.runbook.vms.get(action.vm()?)?;
        vm.place(side).map(|place| place.datastore.clone())
    }

    fn backup_host(&self, vm: &Vm) -> Option<HostName> {
        self.runbook.backups.get(vm.backup.as_ref()?)?.host.clone()
    }
}

//! From a runbook to an ordered list of steps: ids, risks, dependencies, fingerprint. Pure.
//!
//! Order (see [`make`]): a phase starts when the one before it is over; within a phase the steps of
//! one VM form a chain; `priority` and `needs` order `power_on` (and `shut_down`, in reverse) across
//! VMs. The list itself is in an order in which an operator can walk it one step at a time.

mod action;
mod close;
mod defaults;
mod difference;
mod expand;
mod fingerprint;
mod join;
mod order;
mod planned;
mod way_home;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::{HostName, StepId, VariableName, VmName};
use crate::runbook::model::{Ask, Challenge, Mode, OnFailure, Runbook, Section, SiteRole};

pub use action::ActionSpec;
pub use close::{Aside, Close, Placed, PlacedFile};
pub use difference::{Change, Difference, Version, difference};
pub(crate) use expand::has_verb;
pub use join::{join, then_closed};
pub use planned::{PlannedGap, planned_gaps};

/// Everything that a plan depends on beside the runbook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanInputs {
    /// Values of the variables that are not secret.
    pub variables: BTreeMap<VariableName, String>,
    /// A recorded selection of VMs; empty means all.
    pub only: Vec<VmName>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The runbook has no such half.
    #[error("this runbook has no `{0}`")]
    NoSection(Section),
    /// No step is left after modes and selection.
    #[error("no step of the runbook belongs to this mode and selection")]
    Empty,
    /// `--only` names what is not there.
    #[error("unknown VM `{0}` in the selection")]
    UnknownVm(VmName),
    /// A step refers to a variable without a value.
    #[error("the variable `{name}` has no value, and the step on line {line} needs it")]
    NoValue {
        /// Which one.
        name: VariableName,
        /// Line of the step in the runbook, from 1.
        line: usize,
    },
    /// A drill changes nothing at the protected site.
    #[error(
        "the step on line {line} ({verb}) changes something in {site}, and a drill changes nothing there; say `modes: [failover, planned]` in it"
    )]
    DrillWrites {
        /// What it does.
        verb: String,
        /// The protected site's title.
        site: String,
        /// Line of the step in the runbook, from 1.
        line: usize,
    },
    /// Steps that wait for each other. Needs alone cannot do that (a runbook with a circle in them is
    /// invalid); stopping and starting a VM in an unusual order within one phase can.
    #[error("{} steps wait for each other, first the one on line {line}", steps.len())]
    Circle {
        /// Line of the first of them, from 1.
        line: usize,
        /// All of them.
        steps: Vec<StepId>,
    },
}

/// Makes the plan of one half of a runbook: ids, order, risks and texts with every `${…}` filled in.
/// A practice run asks for both halves in turn.
///
/// # Errors
///
/// See [`PlanError`]; a valid runbook with values for all its variables gives a plan.
pub fn make(
    runbook: &Runbook,
    section: Section,
    mode: Mode,
    inputs: &PlanInputs,
) -> Result<Plan, PlanError> {
    if way_home::walked(runbook, section, mode).is_empty() {
        return Err(PlanError::NoSection(section));
    }
    if let Some(unknown) = inputs.only.iter().find(|vm| !runbook.vms.contains_key(*vm)) {
        return Err(PlanError::UnknownVm(unknown.clone()));
    }
    let expanded = expand::expand(runbook, section, mode, inputs)?;
    if expanded.is_empty() {
        return Err(PlanError::Empty);
    }
    if mode == Mode::Drill {
        expand::spares_production(runbook, &expanded)?;
    }
    let steps = order::order(runbook, expanded)?;
    let present: BTreeSet<&VmName> = steps.iter().filter_map(|step| step.subject.vm()).collect();
    let vms: Vec<VmName> = order::vm_order(runbook)
        .into_iter()
        .filter(|vm| present.contains(vm))
        .collect();
    let needs = vms
        .iter()
        .flat_map(|vm| runbook.vms[vm].needs.iter().map(move |need| (vm, need)));
    let left_out = needs
        .filter(|(_, need)| !present.contains(need))
        .map(|(vm, need)| (vm.clone(), need.clone()))
        .collect();
    let fingerprint = fingerprint::fingerprint(&steps);
    Ok(Plan {
        section,
        mode,
        steps,
        fingerprint,
        vms,
        left_out,
        frozen: 0,
    })
}

/// Every id that a step of this runbook can have, in any mode and selection: what an answers file
/// may name.
#[must_use]
pub fn step_ids(runbook: &Runbook) -> BTreeSet<StepId> {
    let mut ids = expand::ids(runbook, Section::Failover);
    ids.extend(expand::ids(runbook, Section::Failback));
    ids
}

/// What a run will do, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which half of the runbook.
    pub section: Section,
    /// How it is done.
    pub mode: Mode,
    /// In an order in which one person can walk them.
    pub steps: Vec<Step>,
    /// SHA-256 over ids, actions and order: tells whether a resumed run still has the same plan.
    pub fingerprint: String,
    /// The selected VMs, in plan order.
    pub vms: Vec<VmName>,
    /// Needed VMs that the selection left out: `(vm, what it needs)`.
    pub left_out: Vec<(VmName, VmName)>,
    /// The steps before this index belong to what a closing chapter closes: none is started again.
    pub frozen: usize,
}

impl Plan {
    /// The step with this id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == *id)
    }

    /// The steps that are walked, and not only looked back on.
    #[must_use]
    pub fn open_steps(&self) -> &[Step] {
        self.steps.get(self.frozen..).unwrap_or_default()
    }

    /// Whether the step belongs to what a closing chapter closes.
    #[must_use]
    pub fn is_frozen(&self, id: &StepId) -> bool {
        self.steps
            .iter()
            .take(self.frozen)
            .any(|step| step.id == *id)
    }
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// `section/phase-slug/subject/verb[.n]`.
    pub id: StepId,
    /// The phase's heading.
    pub phase: String,
    /// What it is about.
    pub subject: Subject,
    /// What it does, with every `${…}` resolved.
    pub action: ActionSpec,
    /// The role of the site it acts on.
    pub side: SiteRole,
    /// For people: the step's `name`, else verb and subject.
    pub title: String,
    /// Why it is there.
    pub why: Option<String>,
    /// More for the person at the console.
    pub text: Option<String>,
    /// What may go wrong for others.
    pub risk: Risk,
    /// Indexes of the steps that must be over first.
    pub after: Vec<usize>,
    /// How long it may take; `None` means that only stalling ends it.
    pub timeout: Option<Duration>,
    /// Clean failures tried again without asking.
    pub retries: u32,
    /// What a failure means for the rest.
    pub on_failure: OnFailure,
    /// How long it usually takes.
    pub usually: Option<Duration>,
    /// Waits for a person whatever the pace.
    pub gate: bool,
    /// A word to type before it runs.
    pub typed: Option<String>,
    /// How many people confirm it.
    pub people: u8,
    /// What the second of them is asked by the first.
    pub challenge: Option<Challenge>,
    /// Whether it moves bulk data (capped on its own).
    pub transfer: bool,
    /// The label of the datastore of its side onto which it moves them.
    pub datastore: Option<String>,
    /// Hosts it works on, for the cap per host.
    pub hosts: Vec<HostName>,
    /// The .vmx of its VM as the first of them names it, where a run found the VM elsewhere than the
    /// runbook places it.
    pub vmx: Option<String>,
    /// Line in the runbook.
    pub line: usize,
}

/// How long a command of the runbook may take that gets no time there.
const COMMAND_TIME: Duration = Duration::from_secs(120);

impl Step {
    /// How long a command of this step may take, where it is one of the runbook's own.
    #[must_use]
    pub fn command_time(&self) -> Option<Duration> {
        let is_own = matches!(
            self.action,
            ActionSpec::Command(_) | ActionSpec::Local(_) | ActionSpec::RestoreFiles { .. }
        );
        is_own.then(|| self.timeout.unwrap_or(COMMAND_TIME))
    }

    /// What the runbook gives as a value that may be typed, where it is asked for one by this key.
    #[must_use]
    pub fn example(&self, key: &str) -> Option<&str> {
        match &self.action {
            ActionSpec::Confirm { ask, .. } => match ask.get(key)? {
                Ask::Value { example, .. } => example.as_deref(),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What a step is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A VM.
    Vm(VmName),
    /// A host.
    Host(HostName),
    /// The run as a whole.
    Run,
}

impl Subject {
    /// As in a step id; the run is one hyphen.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Vm(vm) => vm.as_str(),
            Self::Host(host) => host.as_str(),
            Self::Run => "-",
        }
    }

    /// The VM, if it is about one.
    #[must_use]
    pub fn vm(&self) -> Option<&VmName> {
        match self {
            Self::Vm(vm) => Some(vm),
            Self::Host(_) | Self::Run => None,
        }
    }
}

/// What may go wrong for others if a step is confirmed by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// It only looks.
    Read,
    /// It changes something that nobody uses yet.
    Write,
    /// It interrupts or exposes somebody.
    Disruptive,
    /// It cannot be taken back: a word is typed.
    Typed,
}

impl Risk {
    /// The word on screens and in the journal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Disruptive => "disruptive",
            Self::Typed => "typed",
        }
    }
}

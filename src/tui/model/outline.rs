//! The plan as a tree for people: sections, phases, VMs, steps.

use std::collections::BTreeMap;

use crate::names::{StepId, VmName};
use crate::plan::{Plan, Step, Subject};

/// The tree; made once, since a plan does not change while it is on screen.
#[derive(Debug, Default)]
pub(in crate::tui) struct Outline {
    /// In the plan's order.
    pub phases: Vec<Phase>,
    /// Indexes into the plan in the order in which the tree shows them.
    pub order: Vec<usize>,
    /// Where a step of the plan stands in `order`.
    pub position: Vec<usize>,
    /// Index of each step.
    pub index: BTreeMap<StepId, usize>,
}

/// A phase of one section.
#[derive(Debug)]
pub(in crate::tui) struct Phase {
    /// As in the step id: `failover/recover`.
    pub key: String,
    /// `Recover`, or `failback: Recover` where the plan has both sections.
    pub title: String,
    /// In the plan's order.
    pub groups: Vec<Group>,
}

/// Steps under one VM, or one step on its own.
#[derive(Debug)]
pub(in crate::tui) struct Group {
    /// The VM whose heading it has.
    pub vm: Option<VmName>,
    /// Indexes into the plan.
    pub steps: Vec<usize>,
}

impl Group {
    /// One step needs no heading of its own.
    pub(in crate::tui) fn has_heading(&self) -> bool {
        self.vm.is_some() && self.steps.len() > 1
    }
}

fn phase_key(id: &StepId) -> &str {
    let id = id.as_str();
    match id.match_indices('/').nth(1) {
        Some((at, _)) => &id[..at],
        None => id,
    }
}

impl Outline {
    pub(in crate::tui) fn new(plan: &Plan) -> Self {
        let mut outline = Self::default();
        let first = plan.steps.first().map_or("", |step| step.id.section());
        let both = plan.steps.iter().any(|step| step.id.section() != first);
        for (at, step) in plan.steps.iter().enumerate() {
            outline.index.insert(step.id.clone(), at);
            let key = phase_key(&step.id);
            let known = outline.phases.iter().position(|phase| phase.key == key);
            let phase = known.unwrap_or_else(|| {
                let title = if both {
                    format!("{}: {}", step.id.section(), step.phase)
                } else {
                    step.phase.clone()
                };
                outline.phases.push(Phase {
                    key: key.to_owned(),
                    title,
                    groups: Vec::new(),
                });
                outline.phases.len() - 1
            });
            let groups = &mut outline.phases[phase].groups;
            let vm = match &step.subject {
                Subject::Vm(vm) => Some(vm.clone()),
                Subject::Host(_) | Subject::Run => None,
            };
            match groups
                .iter_mut()
                .find(|group| vm.is_some() && group.vm == vm)
            {
                Some(group) => group.steps.push(at),
                None => groups.push(Group {
                    vm,
                    steps: vec![at],
                }),
            }
        }
        let groups = outline.phases.iter().flat_map(|phase| &phase.groups);
        outline.order = groups
            .flat_map(|group| group.steps.iter().copied())
            .collect();
        outline.position = vec![0; plan.steps.len()];
        for (position, step) in outline.order.iter().enumerate() {
            outline.position[*step] = position;
        }
        outline
    }
}

/// A step's title under the heading of its VM: `power on` instead of `power on sql01`.
pub(in crate::tui) fn short_title(step: &Step) -> &str {
    let own = step
        .subject
        .vm()
        .and_then(|vm| step.title.strip_suffix(vm.as_str()));
    match own.map(str::trim_end) {
        Some(verb) if !verb.is_empty() => verb,
        _ => &step.title,
    }
}

//! The plans that the worlds walk: VMs with chains of steps of every kind, in 96 variations.

use std::sync::OnceLock;

use indexmap::IndexMap;

use super::super::*;
use super::dice::Dice;
use crate::engine::Prompt;
use crate::runbook::model::PointChoice;

/// What a step does to the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Asks two people; sends nothing.
    Prompt,
    /// Stops the VM at the other site.
    Fence,
    /// Sends bytes to absolute offsets: harmless if they arrive late or twice.
    Copy,
    /// A command that must not take effect twice.
    Write,
    /// Starts the VM here: needs evidence or an attestation.
    PowerOn,
    /// Asks about everything that a run is ended by.
    Agree,
    /// Takes another step back, to end a run.
    Back,
}

/// A step as the site sees it.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) kind: Kind,
    /// Commands it takes.
    pub(super) parts: u8,
    pub(super) host: usize,
    pub(super) vm: usize,
    /// The step that it takes back.
    pub(super) of: usize,
}

pub(super) struct Shape {
    pub(super) plan: Arc<Plan>,
    pub(super) work: Vec<Work>,
    /// The step that starts each VM, where one does.
    pub(super) starts: [Option<usize>; 2],
    /// The step that fences it.
    pub(super) fences: [Option<usize>; 2],
}

/// Each VM's host at home, then the hosts of the recovery site.
pub(super) const HOSTS: [&str; 4] = ["lon1", "lon2", "esx1", "esx2"];
/// The VMs.
pub(super) const VMS: [&str; 2] = ["vm0", "vm1"];
pub(super) const TICKET: &str = "INC000001";

pub(super) fn shapes() -> &'static [Shape] {
    static SHAPES: OnceLock<Vec<Shape>> = OnceLock::new();
    SHAPES.get_or_init(|| (0..96).map(shape).collect())
}

fn shape(seed: u64) -> Shape {
    let mut dice = Dice::new(seed);
    let mut steps: Vec<Step> = Vec::new();
    let mut work = Vec::new();
    let prompt = dice.one_in(3);
    if prompt {
        add(
            &mut dice,
            &mut steps,
            &mut work,
            Kind::Prompt,
            0,
            Vec::new(),
        );
    }
    let vms = 1 + dice.below(2);
    let mut powered = None;
    for vm in 0..vms {
        let mut before: Vec<usize> = prompt.then_some(0).into_iter().collect();
        for kind in [
            Kind::Fence,
            Kind::Copy,
            Kind::Write,
            Kind::Write,
            Kind::PowerOn,
        ] {
            if dice.one_in(if vms == 2 { 2 } else { 4 }) {
                continue;
            }
            let mut after = before.clone();
            if kind == Kind::PowerOn {
                after.extend(powered);
                powered = Some(steps.len());
            }
            before = vec![steps.len()];
            add(&mut dice, &mut steps, &mut work, kind, vm, after);
        }
    }
    if steps.is_empty() {
        add(&mut dice, &mut steps, &mut work, Kind::Write, 0, Vec::new());
    }
    let mut plan = Arc::unwrap_or_clone(plan(&[]));
    plan.steps = steps;
    let plan = Arc::new(plan);
    Shape {
        starts: find(&work, Kind::PowerOn),
        fences: find(&work, Kind::Fence),
        plan,
        work,
    }
}

/// Each VM's step of a kind.
pub(super) fn find(work: &[Work], kind: Kind) -> [Option<usize>; 2] {
    [0, 1].map(|vm| {
        let is = |work: &Work| work.kind == kind && work.vm == vm;
        work.iter().position(is)
    })
}

fn add(
    dice: &mut Dice,
    steps: &mut Vec<Step>,
    work: &mut Vec<Work>,
    kind: Kind,
    vm: usize,
    after: Vec<usize>,
) {
    let index = steps.len();
    let vm_name: crate::names::VmName = format!("vm{vm}").as_str().into();
    let action = match kind {
        Kind::Prompt => ActionSpec::Confirm {
            question: "Declare?".to_owned(),
            ask: IndexMap::new(),
        },
        Kind::Fence => ActionSpec::Fence {
            vm: vm_name.clone(),
        },
        Kind::Copy => ActionSpec::Restore {
            vm: vm_name.clone(),
            point: PointChoice::default(),
            logs: false,
        },
        Kind::Write if dice.one_in(3) => ActionSpec::Network {
            vm: vm_name.clone(),
        },
        Kind::Write => ActionSpec::Register {
            vm: vm_name.clone(),
        },
        Kind::PowerOn | Kind::Agree | Kind::Back => ActionSpec::PowerOn {
            vm: vm_name.clone(),
        },
    };
    let host = if kind == Kind::Fence {
        vm
    } else {
        2 + dice.below(2)
    };
    let on_failure = match dice.roll(6) {
        0 => OnFailure::Stop,
        1 => OnFailure::Continue,
        _ => OnFailure::Ask,
    };
    steps.push(Step {
        id: format!("failover/p{}/vm{vm}/{}.{index}", index / 2, action.verb())
            .as_str()
            .into(),
        phase: format!("p{}", index / 2),
        subject: if kind == Kind::Prompt {
            Subject::Run
        } else {
            Subject::Vm(vm_name)
        },
        action,
        side: if kind == Kind::Fence {
            SiteRole::Protected
        } else {
            SiteRole::Recovery
        },
        title: format!("step {index}"),
        why: None,
        text: None,
        risk: Risk::Write,
        after,
        timeout: None,
        retries: if dice.one_in(3) { dice.roll(3) } else { 0 },
        on_failure,
        usually: None,
        gate: dice.one_in(6),
        typed: dice.one_in(8).then(|| format!("vm{vm}")),
        people: if kind == Kind::Prompt || dice.one_in(10) {
            2
        } else {
            1
        },
        challenge: None,
        transfer: kind == Kind::Copy,
        datastore: None,
        hosts: if kind == Kind::Prompt {
            Vec::new()
        } else {
            vec![HOSTS[host].into()]
        },
        vmx: None,
        line: index + 1,
    });
    work.push(Work {
        kind,
        parts: match kind {
            Kind::Prompt | Kind::Fence | Kind::Agree | Kind::Back => 0,
            // The second part of a start: its autostart entry, say.
            Kind::Copy | Kind::Write | Kind::PowerOn => 1 + u8::from(dice.one_in(3)),
        },
        host,
        vm,
        of: 0,
    });
}

/// What a prompt asks for.
pub(super) fn asked() -> IndexMap<String, Prompt> {
    let ask = Prompt::Value {
        prompt: "Ticket".to_owned(),
        pattern: None,
    };
    IndexMap::from([("ticket".to_owned(), ask)])
}

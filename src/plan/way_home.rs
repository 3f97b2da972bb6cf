//! The way home where the runbook has none written down: of each VM that the way out starts and
//! that no step of `failback` is about, the steps that bring it back.

use std::borrow::Cow;
use std::collections::BTreeSet;

use indexmap::{IndexMap, IndexSet};

use crate::names::VmName;
use crate::runbook::model::{
    Ask, ForEach, Mode, OnFailure, Phase, Runbook, Section, StepSpec, Verb,
};

use super::expand::{phases, turns};

/// The phase that brings VMs home.
const HOME: &str = "Go home";
/// The phase that starts again what made room.
const GIVE_BACK: &str = "Give back";
/// The phase for those whose home is a physical server.
const HARDWARE: &str = "Go home to hardware";
const VM: &str = "${vm}";

/// The phases of a section as they are walked. A practice rehearses what is written and no more.
pub(super) fn walked(runbook: &Runbook, section: Section, mode: Mode) -> Cow<'_, [Phase]> {
    let written = phases(runbook, section);
    if section == Section::Failover || mode == Mode::Practice {
        return Cow::Borrowed(written);
    }
    let covered: BTreeSet<VmName> = written
        .iter()
        .flat_map(|phase| about(runbook, phase))
        .collect();
    let starts = |phase: &Phase| phase.steps.iter().any(is_start);
    let mut virtual_ones = Vec::new();
    let mut physical = Vec::new();
    for name in runbook
        .failover
        .iter()
        .filter(|phase| starts(phase))
        .flat_map(|phase| started(runbook, phase))
    {
        let Some(vm) = runbook.vms.get(&name).filter(|_| !covered.contains(&name)) else {
            continue;
        };
        let list = if vm.protected.is_some() {
            &mut virtual_ones
        } else {
            &mut physical
        };
        if !list.contains(&name) {
            list.push(name);
        }
    }
    let made_room = made_room(runbook);
    if virtual_ones.is_empty() && physical.is_empty() && made_room.is_empty() {
        return Cow::Borrowed(written);
    }
    // Before what the runbook says once all are home.
    let place = written
        .iter()
        .rposition(|phase| phase.for_each != ForEach::Once)
        .map_or(written.len(), |last| last + 1);
    let mut all = written.to_vec();
    if !physical.is_empty() {
        all.insert(place, phase(HARDWARE, physical, to_hardware(runbook)));
    }
    if !virtual_ones.is_empty() {
        all.insert(place, phase(HOME, virtual_ones, home(runbook)));
    }
    if !made_room.is_empty() {
        let verb = Verb::ReturnCapacity { vms: made_room };
        all.push(Phase {
            name: GIVE_BACK.to_owned(),
            for_each: ForEach::Once,
            steps: vec![step(
                verb,
                "They were shut down to make room, which is free again.",
            )],
        });
    }
    Cow::Owned(all)
}

/// The expendable VMs that the way out shuts down and that no step of the way home starts again.
fn made_room(runbook: &Runbook) -> Vec<VmName> {
    let verbs = |section| {
        let phases = phases(runbook, section).iter();
        phases.flat_map(|phase| phase.steps.iter().map(|step| &step.verb))
    };
    let freed = verbs(Section::Failover).flat_map(|verb| match verb {
        Verb::FreeCapacity { vms } => vms.as_slice(),
        _ => &[],
    });
    let is_returned = |vm: &VmName| {
        let mut home = verbs(Section::Failback);
        home.any(|verb| matches!(verb, Verb::ReturnCapacity { vms } if vms.contains(vm)))
    };
    let made: IndexSet<&VmName> = freed.filter(|vm| !is_returned(vm)).collect();
    made.into_iter().cloned().collect()
}

/// The VMs that a phase's steps are about.
fn about(runbook: &Runbook, phase: &Phase) -> Vec<VmName> {
    let named = phase.steps.iter().filter_map(|step| step.verb.vm());
    let named = named.filter(|vm| *vm != VM).map(VmName::from);
    named
        .chain(turns(runbook, phase).into_iter().flatten())
        .collect()
}

/// The VMs that a phase starts.
fn started(runbook: &Runbook, phase: &Phase) -> Vec<VmName> {
    let mut all = Vec::new();
    for step in phase.steps.iter().filter(|step| is_start(step)) {
        match step.verb.vm() {
            Some(VM) => all.extend(turns(runbook, phase).into_iter().flatten()),
            Some(named) => all.push(VmName::from(named)),
            None => {}
        }
    }
    all
}

fn is_start(step: &StepSpec) -> bool {
    matches!(step.verb, Verb::PowerOn { .. })
}

fn phase(name: &str, vms: Vec<VmName>, steps: Vec<StepSpec>) -> Phase {
    Phase {
        name: name.to_owned(),
        for_each: ForEach::List(vms),
        steps,
    }
}

/// From the recovery site back to where the runbook says that it lives.
fn home(runbook: &Runbook) -> Vec<StepSpec> {
    let vm = || VM.to_owned();
    vec![
        step(
            Verb::ShutDown { vm: vm() },
            "Nothing may change there while it is copied.",
        ),
        step(
            Verb::CopyBack { vm: vm() },
            "What it wrote there must not be lost.",
        ),
        step(
            Verb::Register { vm: vm() },
            "The host must know it to run it.",
        ),
        step(
            Verb::Network { vm: vm() },
            "Its adapters join what the network is called at home.",
        ),
        step(Verb::PowerOn { vm: vm() }, "From here on it lives at home."),
        step(
            Verb::Ready { vm: vm() },
            "Powered on is not yet in service.",
        ),
        unregister(runbook),
    ]
}

/// To a physical server: nothing here can carry its disks, so that each thing that goes wrong in a
/// restore to hardware is looked at and vouched for by a person.
fn to_hardware(runbook: &Runbook) -> Vec<StepSpec> {
    let asked = |question: &str, why: &str, key: &str, prompt: &str| {
        let prompt = prompt.to_owned();
        let ask = IndexMap::from([(key.to_owned(), Ask::Evidence { prompt })]);
        let question = question.to_owned();
        step(Verb::Confirm { question, ask }, why)
    };
    vec![
        asked(
            "Is the server that ${vm} goes back to ready, and off the production network?",
            "Two machines with one name and address would answer for each other.",
            "hardware",
            "Model, disk controller, firmware (UEFI or BIOS) and disk sizes, as its console shows them",
        ),
        asked(
            "Have the services on ${vm} been stopped and a last backup been taken of it?",
            "What it wrote since the failover is nowhere else.",
            "backup",
            "The backup tool's job and the time of the last point",
        ),
        step(
            Verb::ShutDown { vm: VM.to_owned() },
            "Nothing may change after the last backup.",
        ),
        asked(
            "Has the backup tool restored ${vm} to the server, bare metal or by its agent?",
            "Its own log decides, not its window.",
            "job",
            "The restore job, and what its log says of errors and skipped files",
        ),
        asked(
            "Does ${vm} boot with the drivers of this hardware, without those of the hypervisor?",
            "Storage and network drivers and a ghost adapter of the virtual machine are what fails here.",
            "drivers",
            "What was installed and removed: disk controller, network adapter, hypervisor tools",
        ),
        asked(
            "Are all drive letters or mount points of ${vm} where its services look for them?",
            "A restore numbers volumes anew; a service that starts without its data makes new data.",
            "volumes",
            "The list as the system shows it: letter or mount point, size, label",
        ),
        asked(
            "Does ${vm} have its name, address, gateway and name servers, and nothing else of that name?",
            "A second holder of the address or a stale name record takes it off the network again.",
            "network",
            "Name and address as the system shows them, and what a ping said before they were set",
        ),
        asked(
            "Do the services of ${vm} serve from the server?",
            "Booted is not yet in service.",
            "serves",
            "What was tried, from where, and what came back",
        ),
        unregister(runbook),
    ]
}

fn unregister(runbook: &Runbook) -> StepSpec {
    let site = runbook.recovery_site();
    let vm = VM.to_owned();
    step(
        Verb::Unregister { vm, site },
        "Nobody shall start that copy by mistake. Its files stay.",
    )
}

fn step(verb: Verb, why: &str) -> StepSpec {
    StepSpec {
        verb,
        name: None,
        why: Some(why.to_owned()),
        text: None,
        timeout: None,
        retries: 0,
        on_failure: OnFailure::Ask,
        usually: None,
        modes: Vec::new(),
        gate: false,
        typed: None,
        people: 1,
        challenge: None,
        line: 1,
    }
}

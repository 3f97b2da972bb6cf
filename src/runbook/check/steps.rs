//! Rules about steps: can the verb serve the VM, and does the order respect what VMs need?

use std::collections::HashMap;

use super::Checker;
use crate::names::VmName;
use crate::runbook::model::{ForEach, Phase, Probe, Section, SiteRole, StepSpec, Verb, Young};
use crate::runbook::places::NodeId;
use crate::runbook::read::{PhaseNodes, Read};

pub(super) fn check(checker: &mut Checker<'_, '_>, read: &Read) {
    let runbook = checker.runbook;
    for (section, phases, nodes) in [
        (Section::Failover, &runbook.failover, &read.failover),
        (Section::Failback, &runbook.failback, &read.failback),
    ] {
        let located: Vec<(&Phase, &PhaseNodes)> = phases.iter().zip(nodes).collect();
        for (phase, nodes) in &located {
            selection(checker, phase, nodes);
            for (step, node) in phase.steps.iter().zip(&nodes.steps) {
                served(checker, section, phase, step, *node);
            }
        }
        order(checker, &located);
    }
}

/// A phase that is repeated is repeated at least once.
fn selection(checker: &mut Checker<'_, '_>, phase: &Phase, nodes: &PhaseNodes) {
    // VMs that could not be read may be the ones.
    let all_read = {
        let vms = checker.find(&["vms"]);
        checker.reader.places.len(vms) <= checker.runbook.vms.len()
    };
    let what = match &phase.for_each {
        ForEach::Once => return,
        ForEach::Vms => "there is no VM to recover".to_owned(),
        ForEach::Tier(tier) => format!("no VM has the tier {tier}"),
        ForEach::List(_) => "the list of VMs is empty".to_owned(),
    };
    if all_read && checker.runbook.selected(&phase.for_each).is_empty() {
        let node = checker.find_from(nodes.phase, &["for_each"]);
        checker.report(node, what, None, "the steps of this phase would never run");
    }
}

/// Every VM that a step is for has what the verb works with.
fn served(
    checker: &mut Checker<'_, '_>,
    section: Section,
    phase: &Phase,
    step: &StepSpec,
    node: NodeId,
) {
    for probe in step.verb.probes() {
        looked_at(checker, section, phase, step, probe, node);
    }
    if let Verb::FreeCapacity { vms } | Verb::ReturnCapacity { vms } = &step.verb {
        makes_room(checker, step, vms, node);
    }
    let Some(written) = step.verb.vm() else {
        return;
    };
    if section == Section::Failback && matches!(step.verb, Verb::Replicate { .. }) {
        let node = checker.find_from(node, &["replicate"]);
        let hint = "write `copy_back`: it brings home what differs";
        checker.report(
            node,
            "`replicate` belongs to `failover`".to_owned(),
            None,
            hint,
        );
        return;
    }
    let mut unserved = vms_of(checker, phase, written)
        .into_iter()
        .filter_map(|name| Some((name, lacks(checker, section, &step.verb, name)?)));
    let Some((first, lack)) = unserved.next() else {
        return;
    };
    let others = unserved.count();
    let verb = step.verb.as_str();
    let mut message = format!("`{verb}` cannot serve {first}: {lack}");
    if others > 0 {
        message.push_str(&format!(" ({others} more like it)"));
    }
    let hint = if written == "${vm}" {
        format!("add what is missing, or leave {first} out of this phase's `for_each`")
    } else {
        format!("add what is missing to {first}")
    };
    let label = (
        checker.find(&["vms", first.as_str()]),
        format!("{first} is here"),
    );
    let node = checker.find_from(node, &[verb]);
    checker.report(node, message, Some(label), &hint);
}

/// Only what may be stopped for others is, and it is known where it runs.
fn makes_room(checker: &mut Checker<'_, '_>, step: &StepSpec, vms: &[VmName], node: NodeId) {
    let runbook = checker.runbook;
    let lack = |name: &VmName| match runbook.vms.get(name)? {
        vm if !vm.expendable => Some("it is not expendable"),
        vm if vm.recovery.is_none() && !checker.is_given(name, "recovery") => {
            Some("it has no `recovery` place")
        }
        _ => None,
    };
    let Some((name, lack)) = vms.iter().find_map(|name| Some((name, lack(name)?))) else {
        return;
    };
    let label = (
        checker.find(&["vms", name.as_str()]),
        format!("{name} is here"),
    );
    let verb = step.verb.as_str();
    let node = checker.find_from(node, &[verb]);
    let hint = format!("give {name} `role: expendable` and the host it runs on, or leave it out");
    let message = format!("`{verb}` cannot serve {name}: {lack}");
    checker.report(node, message, Some(label), &hint);
}

/// Every VM that a probe is about has what is looked at.
fn looked_at(
    checker: &mut Checker<'_, '_>,
    section: Section,
    phase: &Phase,
    step: &StepSpec,
    probe: &Probe,
    node: NodeId,
) {
    let Some(written) = probe.vm() else { return };
    let lacks = |name: &VmName| {
        let vm = checker.runbook.vms.get(name)?;
        match probe {
            Probe::Point { backup, young, .. } => {
                let is_old = match young {
                    Young::Within(age) => age.or_else(|| checker.runbook.rpo(name)).is_none(),
                    Young::SinceMove => false,
                };
                let lack = match backup.as_ref().or(vm.backup.as_ref()) {
                    None if checker.is_given(name, "backup") => return None,
                    None => "it has no `backup`",
                    Some(_) if is_old => "it has no RPO, and the check gives no age",
                    Some(_) => return None,
                };
                Some(lack.to_owned())
            }
            Probe::Vm { site, .. } => {
                let site = site
                    .as_ref()
                    .and_then(|site| checker.runbook.sites.get(site));
                let role = site.map_or(section.target(), |site| site.role);
                let key = key_of(role);
                let has_none = vm.place(role).is_none() && !checker.is_given(name, key);
                has_none.then(|| format!("it has no `{key}` place"))
            }
            _ => None,
        }
    };
    let found = vms_of(checker, phase, written)
        .into_iter()
        .find_map(|name| Some((name, lacks(name)?)));
    if let Some((name, lack)) = found {
        let label = (
            checker.find(&["vms", name.as_str()]),
            format!("{name} is here"),
        );
        let verb = step.verb.as_str();
        let node = checker.find_from(node, &[verb]);
        let hint = format!("add what is missing to {name}, or look at something else");
        let message = format!("`{verb}` cannot look at {name}: {lack}");
        checker.report(node, message, Some(label), &hint);
    }
}

/// What a VM lacks for a verb, in words.
fn lacks(
    checker: &Checker<'_, '_>,
    section: Section,
    verb: &Verb,
    name: &VmName,
) -> Option<String> {
    let vm = checker.runbook.vms.get(name)?;
    let (source, target) = (section.source(), section.target());
    let needed: &[SiteRole] = match verb {
        Verb::Confirm { .. }
        | Verb::Note { .. }
        | Verb::FreeCapacity { .. }
        | Verb::ReturnCapacity { .. }
        | Verb::Command(_)
        | Verb::Local(_)
        | Verb::Wait(_)
        | Verb::Check(_)
        | Verb::HandOff(_) => return None,
        // Nobody logs in to a physical server; its fence is a person's word.
        Verb::Fence { .. } if source == SiteRole::Protected && vm.physical.is_some() => {
            return None;
        }
        Verb::Fence { .. } | Verb::ShutDown { .. } | Verb::PowerOff { site: None, .. } => &[source],
        Verb::CopyBack { .. } | Verb::Replicate { .. } => &[target, source],
        // Into a machine that is there, wherever it is.
        Verb::RestoreFiles(_) => &[],
        Verb::PowerOff {
            site: Some(site), ..
        }
        | Verb::Unregister { site, .. } => &[checker.runbook.sites.get(site)?.role],
        Verb::Restore { .. }
        | Verb::Register { .. }
        | Verb::Network { .. }
        | Verb::PowerOn { .. }
        | Verb::Ready { .. } => &[target],
    };
    for role in needed {
        if vm.place(*role).is_some() || checker.is_given(name, key_of(*role)) {
            continue;
        }
        let physical = *role == SiteRole::Protected && vm.physical.is_some();
        return Some(if physical {
            "it is a physical server".to_owned()
        } else {
            format!("it has no `{}` place", key_of(*role))
        });
    }
    let is_restored = matches!(verb, Verb::Restore { .. } | Verb::RestoreFiles(_));
    let has_none = vm.backup.is_none() && !checker.is_given(name, "backup");
    (is_restored && has_none).then(|| "it has no `backup`".to_owned())
}

/// Under which key a VM has its place at a site.
fn key_of(role: SiteRole) -> &'static str {
    match role {
        SiteRole::Protected => "protected",
        SiteRole::Recovery => "recovery",
    }
}

/// The VMs that a step is for.
fn vms_of<'r>(checker: &Checker<'r, '_>, phase: &Phase, written: &str) -> Vec<&'r VmName> {
    if written == "${vm}" {
        return checker.runbook.selected(&phase.for_each);
    }
    checker
        .runbook
        .vms
        .get_key_value(written)
        .map(|(name, _)| name)
        .into_iter()
        .collect()
}

/// Where a VM is first powered on.
#[derive(Clone, Copy)]
struct Start {
    phase: usize,
    /// Index of the step, where steps follow one another as they stand.
    step: Option<usize>,
    node: NodeId,
}

/// No VM is powered on before one that it needs.
fn order(checker: &mut Checker<'_, '_>, phases: &[(&Phase, &PhaseNodes)]) {
    let mut starts: HashMap<&VmName, Start> = HashMap::new();
    for (index, (phase, nodes)) in phases.iter().enumerate() {
        for (at, (step, node)) in phase.steps.iter().zip(&nodes.steps).enumerate() {
            let Verb::PowerOn { vm } = &step.verb else {
                continue;
            };
            let step = (phase.for_each == ForEach::Once).then_some(at);
            for name in vms_of(checker, phase, vm) {
                starts.entry(name).or_insert(Start {
                    phase: index,
                    step,
                    node: *node,
                });
            }
        }
    }
    for (name, vm) in &checker.runbook.vms {
        let Some(start) = starts.get(name).copied() else {
            continue;
        };
        for need in &vm.needs {
            let Some(needed) = starts.get(need).copied() else {
                continue;
            };
            if (needed.phase, needed.step) > (start.phase, start.step) {
                let label = (
                    checker.find_from(needed.node, &["power_on"]),
                    format!("{need} is powered on here"),
                );
                let message = format!("{name} is powered on before {need}, which it needs");
                let node = checker.find_from(start.node, &["power_on"]);
                checker.report(
                    node,
                    message,
                    Some(label),
                    "change the order of these steps",
                );
            }
        }
    }
}

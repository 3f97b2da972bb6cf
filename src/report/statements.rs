//! What stands at the head of a report: what was vouched for instead of proven, what was not
//! looked at, and what is left behind.

use crate::engine::{Fact, FoundFact, Status};
use crate::names::VmName;
use crate::plan::ActionSpec;
use crate::runbook::model::Section;

use super::Run;
use super::objectives::is_of;
use super::text::{code, duration, item, plain, time};

/// Attestations first, then everything else that was not proven.
pub(super) fn statements(run: &Run<'_>) -> String {
    let mut out = String::new();
    splits(run, &mut out);
    attestations(run, &mut out);
    locks(run, &mut out);
    unfenced(run, &mut out);
    picked_points(run, &mut out);
    unproven_sources(run, &mut out);
    stated_as_quiesced(run, &mut out);
    unprobed_addresses(run, &mut out);
    for (vm, needed) in &run.plan.left_out {
        item(
            &mut out,
            &format!(
                "{} needs {}, which was left out of this run by choice; the need counted as met.",
                plain(vm.as_str()),
                plain(needed.as_str())
            ),
        );
    }
    for (host, fingerprint) in &run.state.trusted {
        item(
            &mut out,
            &format!(
                "The key of {} was accepted for this run by a person: {}.",
                plain(host.as_str()),
                code(fingerprint)
            ),
        );
    }
    shells(run, &mut out);
    for (at, seconds) in &run.state.clock_jumps {
        item(
            &mut out,
            &format!(
                "The console's clock stood {seconds} s before the journal's last line when the run was taken up again at {}.",
                time(*at)
            ),
        );
    }
    out
}

/// Shells that people had on hosts: what they did there is known to them alone.
fn shells(run: &Run<'_>, out: &mut String) {
    for shell in &run.state.people.shells {
        let length = match shell.closed {
            Some(closed) if shell.ended => {
                format!("for {}", duration(closed.duration_since(shell.opened)))
            }
            Some(_) => "until the console died or later".to_owned(),
            None => "which is open".to_owned(),
        };
        item(
            out,
            &format!(
                "{} had a shell on {} from {} {length}: {}. Changes made in a shell are not recorded.",
                plain(&shell.by),
                plain(shell.host.as_str()),
                time(shell.opened),
                plain(&shell.reason)
            ),
        );
    }
}

/// VMs that run at both sites, or did, before anything else.
fn splits(run: &Run<'_>, out: &mut String) {
    for split in run.state.splits() {
        item(
            out,
            &format!(
                "**Recovery required (split brain)**: {}. Choose in its fence step which copy lives.",
                plain(&split.in_words())
            ),
        );
    }
    for FoundFact { at, fact, .. } in &run.state.facts {
        let said = match fact {
            Fact::SplitBrain { vm, started, also } => {
                format!("Split brain: {vm} was seen running on {started} and on {also}")
            }
            Fact::SplitBrainEnded { vm, how } => format!("{vm} ran at one site again: {how}"),
            Fact::SurvivorChosen { vm, site, by } => {
                format!("{by} chose that {vm} lives in {site}")
            }
            Fact::HostReturned { host, .. } => {
                format!("{host}, silent before, answered again and was asked what it runs")
            }
            _ => continue,
        };
        item(out, &format!("{} at {}.", plain(&said), time(*at)));
    }
}

fn attestations(run: &Run<'_>, out: &mut String) {
    for FoundFact { at, step, fact } in &run.state.facts {
        if let Fact::Attested {
            vm,
            by,
            words,
            statement,
        } = fact
        {
            item(
                out,
                &format!(
                    "**Attested, not proven**, for {}: {}. {} vouched for it at {} ({}): \u{201c}{}\u{201d}",
                    plain(vm.as_str()),
                    plain(statement),
                    plain(by),
                    time(*at),
                    step.as_ref()
                        .map_or_else(|| "no step".to_owned(), |step| code(step.as_str())),
                    plain(words)
                ),
            );
        }
    }
}

/// Locks of other runs that a person had broken, and own ones that still lie on hosts.
fn locks(run: &Run<'_>, out: &mut String) {
    for FoundFact { at, fact, .. } in &run.state.facts {
        if let Fact::LockBroken {
            vm,
            host,
            holder,
            by,
            reason,
            ..
        } = fact
        {
            item(
                out,
                &format!(
                    "**Another run's lock was broken**: {} on {} was held by {}. {} took it over at {}: \u{201c}{}\u{201d}",
                    plain(vm.as_str()),
                    plain(host.as_str()),
                    plain(holder),
                    plain(by),
                    time(*at),
                    plain(reason)
                ),
            );
        }
    }
    let Some(info) = run
        .state
        .info
        .as_ref()
        .filter(|_| run.state.finished.is_some())
    else {
        return;
    };
    let id = &info.run;
    for fact in run.state.locks() {
        if let Fact::LockWanted { vm, host, path } = fact {
            item(
                out,
                &format!(
                    "The lock of this run on {} could not be given back: {} on {} keeps other runs from it. {} tries again.",
                    plain(vm.as_str()),
                    code(path),
                    plain(host.as_str()),
                    code(&format!("lifeboat resume {id}"))
                ),
            );
        }
    }
}

/// VMs that were brought up although nothing showed that their other copy is off.
fn unfenced(run: &Run<'_>, out: &mut String) {
    let fences = |vm, section| {
        run.plan.steps.iter().filter(move |step| {
            is_of(&step.id, section)
                && matches!(&step.action, ActionSpec::Fence { vm: fenced } if fenced == vm)
        })
    };
    for step in &run.plan.steps {
        let ActionSpec::PowerOn { vm } = &step.action else {
            continue;
        };
        // On the way home `shut_down` stops the other copy.
        if !is_of(&step.id, Section::Failover) || run.state.status(&step.id) == Status::Waiting {
            continue;
        }
        let mut of_vm = fences(vm, Section::Failover).peekable();
        if of_vm.peek().is_none() {
            item(
                out,
                &format!(
                    "{} was not fenced: the runbook has no such step for it.",
                    plain(vm.as_str())
                ),
            );
        }
        for fence in of_vm {
            let how = match run.state.status(&fence.id) {
                Status::Done | Status::AlreadyDone => continue,
                other => other.as_str(),
            };
            item(
                out,
                &format!(
                    "{} was not fenced: {} is {how}.",
                    plain(vm.as_str()),
                    code(fence.id.as_str())
                ),
            );
        }
    }
}

/// Restore points that a person chose instead of the runbook's.
fn picked_points(run: &Run<'_>, out: &mut String) {
    for found in &run.state.facts {
        if let Fact::PointPicked {
            vm,
            point,
            by,
            instead_of,
            why,
        } = &found.fact
        {
            let why = if why.is_empty() {
                "No reason was given.".to_owned()
            } else {
                format!("\u{201c}{}\u{201d}", plain(why))
            };
            item(
                out,
                &format!(
                    "{} chose the restore point {} for {} at {}, instead of {}. {why}",
                    plain(by),
                    code(point),
                    plain(vm.as_str()),
                    time(found.at),
                    plain(instead_of),
                ),
            );
        }
    }
}

fn unproven_sources(run: &Run<'_>, out: &mut String) {
    for found in &run.state.facts {
        if let Fact::PointChosen {
            vm,
            stamp,
            backup,
            verified: false,
            ..
        } = &found.fact
        {
            item(
                out,
                &format!(
                    "Source unverified: the restore point {stamp} of {} for {} has no recorded sums; its files were compared with what was read from them.",
                    plain(backup.as_str()),
                    plain(vm.as_str())
                ),
            );
        }
    }
}

/// What was quiesced is what the runbook says: nothing here proves it.
fn stated_as_quiesced(run: &Run<'_>, out: &mut String) {
    for found in &run.state.facts {
        if let Fact::FilesChosen {
            vm,
            host,
            backup,
            stamp,
            quiesced,
            ..
        } = &found.fact
        {
            item(
                out,
                &format!(
                    "Files of {} were restored into {} from point {stamp} of {}; quiesced when it was taken, as the runbook states and nobody proved: \u{201c}{}\u{201d}",
                    plain(vm.as_str()),
                    plain(host.as_str()),
                    plain(backup.as_str()),
                    plain(quiesced)
                ),
            );
        }
    }
}

fn unprobed_addresses(run: &Run<'_>, out: &mut String) {
    for vm in &run.plan.vms {
        let Some(described) = run.runbook.vms.get(vm) else {
            continue;
        };
        for name in described.blind_adapters() {
            item(out, &unknown_address(run, vm, name));
        }
        for (name, adapter) in &described.adapters {
            if !adapter.duplicate_probe {
                item(
                    out,
                    &format!(
                        "No duplicate-address probe for {} of {}: the runbook says {}.",
                        plain(name),
                        plain(vm.as_str()),
                        code("duplicate_probe: none")
                    ),
                );
            }
        }
    }
}

/// Nobody could ask who has the address of this adapter, and what came of that.
fn unknown_address(run: &Run<'_>, vm: &VmName, name: &str) -> String {
    let decided = run
        .state
        .facts
        .iter()
        .rev()
        .find_map(|found| match &found.fact {
            Fact::ConnectionDecided {
                vm: of, adapter, ..
            } if of == vm && adapter == name => Some((found.at, found.fact.connection()?)),
            _ => None,
        });
    match decided {
        Some((at, said)) => format!(
            "No duplicate-address probe: {} at {}. Its .vmx keeps it disconnected at the next start.",
            plain(&said),
            time(at)
        ),
        None => format!(
            "No duplicate-address probe for {} of {}: its address is not known.",
            plain(name),
            plain(vm.as_str())
        ),
    }
}

/// What this run left on hosts: originals kept aside, and what it made.
pub(super) fn residue(run: &Run<'_>) -> String {
    let mut out = String::new();
    for found in &run.state.facts {
        match &found.fact {
            Fact::OriginalKept {
                host, path, aside, ..
            } => item(
                &mut out,
                &format!(
                    "Kept aside on {}: {}, before {}.",
                    plain(host.as_str()),
                    code(aside),
                    code(path)
                ),
            ),
            Fact::ConfigKept {
                host,
                path,
                copy,
                sha256,
                ..
            } => item(
                &mut out,
                &format!(
                    "The old {} of {} is in the run's folder as {} (SHA-256 {sha256}).",
                    code(path),
                    plain(host.as_str()),
                    code(copy)
                ),
            ),
            Fact::PortGroupMade {
                host,
                name,
                vswitch,
                vlan,
            } => item(
                &mut out,
                &format!(
                    "Made on {}: port group {} on {}, VLAN {vlan}.",
                    plain(host.as_str()),
                    code(name),
                    code(vswitch)
                ),
            ),
            Fact::FolderMade { host, path } => item(
                &mut out,
                &format!("Made on {}: folder {}.", plain(host.as_str()), code(path)),
            ),
            Fact::AutostartRemoved { vm, host, entry } => item(
                &mut out,
                &format!(
                    "Taken away on {}: the autostart entry of {} (order {}, {}).",
                    plain(host.as_str()),
                    plain(vm.as_str()),
                    entry.start_order,
                    plain(&entry.start_action)
                ),
            ),
            _ => {}
        }
    }
    out
}

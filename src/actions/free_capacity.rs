//! `free_capacity` shuts expendable VMs down at the recovery site, so that there is memory for those
//! that come up there. Their guests are asked; a VM whose guest does not go down is powered off only
//! after somebody read its name and said so. What was stopped is in the ledger, and is started again
//! by a cleanup, a rollback, or `return_capacity`.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::engine::{Confirmation, Fact, FoundFact, ProbeAnswer, Proposal, RunState, Thing};
use crate::error::Fault;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::power::PowerState;
use crate::names::{HostName, StepId, VmName, listed};
use crate::plan::{Risk, Step};
use crate::runbook::model::Runbook;

use super::action::Action;
use super::answer::{Known, blocked, done, needed, shown_for};
use super::context::Ctx;
use super::link::ActError;
use super::return_capacity::ReturnCapacity;
use super::spares::{self, Spare, Told};
use super::stopping::{self, Tools};
use super::words::{size, span};

/// The word that lets VMs be powered off without their guests.
const CONSENT: &str = "power off";
/// Why a guest cannot be asked.
const TOOLLESS: &str = "its guest's tools do not run";

/// The verb about the VMs of some keys.
pub(super) struct FreeCapacity<'a> {
    keys: &'a [VmName],
    hosts: Vec<HostName>,
    patience: Duration,
    back: ReturnCapacity<'a>,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Each host with what it told; none where nobody asked.
    hosts: Vec<(HostName, Told)>,
    /// VMs whose guests were asked in vain, and why.
    unheeded: Vec<(Spare, String)>,
}

impl Seen {
    fn spares(&self) -> impl Iterator<Item = &Spare> {
        self.hosts.iter().flat_map(|(_, told)| &told.spares)
    }

    /// Those that run and that no list of VMs has, with their hosts.
    fn unlisted(&self) -> impl Iterator<Item = &str> {
        let all = self.hosts.iter().flat_map(|(_, told)| &told.unlisted);
        all.map(String::as_str)
    }

    /// Those that run and whose guest can be asked.
    fn to_ask(&self) -> Vec<&Spare> {
        let in_vain = |spare: &&Spare| self.unheeded.iter().any(|(other, _)| other == *spare);
        self.spares()
            .filter(|spare| runs(spare) && !in_vain(spare))
            .collect()
    }

    /// A line for each VM and one for each host's memory.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (host, told) in &self.hosts {
            let off = told.spares.iter().filter(|spare| !runs(spare));
            lines.extend(off.map(|spare| format!("{} is off", spare.who())));
            if told.spares.is_empty() {
                lines.push(format!("{host} has no such VM"));
            }
            lines.extend(told.unsure(host));
            if let Some((free, all)) = told.memory {
                let (free, all) = (size(free), size(all));
                lines.push(format!("{host} has {free} of {all} of memory free"));
            }
        }
        lines
    }
}

fn runs(spare: &Spare) -> bool {
    spare.power == PowerState::On
}

impl<'a> FreeCapacity<'a> {
    /// The verb for the VMs that these keys of the runbook stand for.
    pub fn new(runbook: &Runbook, step: &Step, keys: &'a [VmName]) -> Self {
        Self {
            keys,
            hosts: runbook.recovery_hosts(keys),
            patience: step.timeout.unwrap_or(stopping::PATIENCE),
            back: ReturnCapacity::new(step, keys),
        }
    }

    /// What would be done where nobody was asked which VMs there are.
    fn outline(&self) -> Proposal {
        let keys = listed(self.keys);
        let each = |host: &HostName| {
            let vm: VmName = keys.as_str().into();
            shown_for(host, &vm, Known::Not, commands::shutdown_guest)
        };
        Proposal {
            changes: self
                .hosts
                .iter()
                .map(|host| format!("what runs on {host} as {keys} is shut down"))
                .collect(),
            commands: self.hosts.iter().map(each).collect(),
            ..self.proposal()
        }
    }

    fn proposal(&self) -> Proposal {
        Proposal {
            then: "they are off, and their memory is free".to_owned(),
            undo: Some("each is started again".to_owned()),
            risk: Some(Risk::Disruptive),
            ..Proposal::default()
        }
    }

    /// What its host's list of VMs does not name cannot be stopped by a number of that list.
    fn unlisted(&self, names: &str) -> ProbeAnswer {
        let found = format!("on, and in no list of VMs that could be read: {names}");
        let fault = Fault::new(
            format!("{names} cannot be shut down from here"),
            self.hosts.first().map_or("", |host| host.as_str()),
            "esxcli vm process list has it, getallvms does not; nothing was changed",
            "shut it down from inside its guest, or register it there again; then retry",
        );
        blocked(found, fault, &["skip the step: its memory stays in use"])
    }

    fn asking(&self, seen: &Seen, spares: &[&Spare]) -> Proposal {
        let mut changes: Vec<String> = spares
            .iter()
            .map(|spare| match spare.tools {
                true => format!("{} is shut down by its guest", spare.who()),
                false => format!(
                    "{} has just started: it is shut down by its guest once that can be asked, within {}",
                    spare.who(),
                    span(self.patience)
                ),
            })
            .collect();
        let left = seen.unheeded.iter();
        changes.extend(left.map(|(spare, why)| {
            format!(
                "{} runs on for now, and is asked about after: {why}",
                spare.who()
            )
        }));
        Proposal {
            changes,
            commands: spares
                .iter()
                .map(|spare| {
                    let vmid = Known::Is(spare.vmid);
                    shown_for(&spare.host, &spare.vm, vmid, commands::shutdown_guest)
                })
                .collect(),
            ..self.proposal()
        }
    }

    /// Nobody loses what a guest has not written without having said so.
    fn cutting(&self, seen: &Seen) -> Proposal {
        let left = seen.unheeded.iter();
        Proposal {
            changes: left
                .clone()
                .map(|(spare, why)| {
                    format!(
                        "{} is powered off without its guest, which may lose what it has not \
                         written: {why}",
                        spare.who()
                    )
                })
                .collect(),
            commands: left
                .map(|(spare, _)| {
                    let vmid = Known::Is(spare.vmid);
                    shown_for(&spare.host, &spare.vm, vmid, commands::power_off)
                })
                .collect(),
            typed: Some(CONSENT.to_owned()),
            ..self.proposal()
        }
    }

    /// Asks every guest, then waits for all of them together.
    async fn ask(&self, ctx: &Ctx, spares: &[&Spare]) -> Result<(), ActError> {
        let mut asked = Vec::new();
        // A guest that boots keeps none of the others waiting.
        let (able, starting): (Vec<&Spare>, Vec<&Spare>) =
            spares.iter().copied().partition(|spare| spare.tools);
        let began = Instant::now();
        for spare in able.into_iter().chain(starting) {
            let (host, vm, vmx) = (&spare.host, &spare.vm, &spare.vmx);
            let left = self.patience.saturating_sub(began.elapsed());
            match stopping::await_tools(ctx, host, vm, vmx, left).await? {
                Tools::Run => {}
                // Nobody's doing here: it is not this run's to start again.
                Tools::Off => continue,
                Tools::Not => {
                    keep_unheeded(ctx, spare, TOOLLESS.to_owned()).await?;
                    continue;
                }
            }
            stopping::keep_wanted(ctx, host, vm, vmx).await?;
            match stopping::ask_guest(ctx, host, vm, vmx).await? {
                Ok(()) => asked.push(spare),
                Err(fault) => {
                    let why = format!("its guest could not be asked: {fault}");
                    keep_unheeded(ctx, spare, why).await?;
                }
            }
        }
        let began = Instant::now();
        for spare in asked {
            ctx.doing(format!(
                "waiting for the guest of {} to shut down",
                spare.vm
            ));
            let left = self.patience.saturating_sub(began.elapsed());
            if stopping::wait_until_off(ctx, &spare.host, &spare.vmx, left).await? {
                keep_freed(ctx, spare, "shut down by its guest").await?;
            } else {
                let patience = span(self.patience);
                let why = format!("its guest did not shut down within {patience}");
                keep_unheeded(ctx, spare, why).await?;
            }
        }
        Ok(())
    }
}

async fn keep_unheeded(ctx: &Ctx, spare: &Spare, why: String) -> Result<(), ActError> {
    let fact = Fact::ShutdownUnheeded {
        vm: spare.vm.clone(),
        host: spare.host.clone(),
        vmx: spare.vmx.clone(),
        why,
    };
    ctx.link.fact(fact).await
}

async fn keep_freed(ctx: &Ctx, spare: &Spare, how: &str) -> Result<(), ActError> {
    let fact = Fact::CapacityFreed {
        host: spare.host.clone(),
        name: spare.vm.clone(),
        vmx: spare.vmx.clone(),
        how: how.to_owned(),
    };
    ctx.link.fact(fact).await
}

/// Why a VM is powered off, and on whose word.
fn with_consent(why: &str, confirmation: Option<&Confirmation>) -> String {
    let by = confirmation.map(|said| said.by.as_str());
    by.filter(|by| !by.is_empty()).map_or_else(
        || why.to_owned(),
        |by| format!("{why}; {by} typed `{CONSENT}`"),
    )
}

/// Why its guest was asked in vain, unless it went down since.
fn unheeded(facts: &[Fact], spare: &Spare) -> Option<String> {
    let is_it = |vm: &VmName, vmx: &str| match vmx {
        "" => *vm == spare.vm,
        vmx => vmx == spare.vmx,
    };
    let last = facts.iter().rev().find_map(|fact| match fact {
        Fact::ShutdownUnheeded { vm, host, vmx, why } if *host == spare.host && is_it(vm, vmx) => {
            Some(Some(why.clone()))
        }
        Fact::CapacityFreed {
            name, host, vmx, ..
        } if *host == spare.host && is_it(name, vmx) => Some(None),
        _ => None,
    });
    last.flatten()
}

/// What the run knows, without guests that this step asked in vain before a person wanted it tried
/// again: these are asked once more.
fn still_stands(state: &RunState, step: &StepId) -> Vec<Fact> {
    let retried = state.step(step).retried_at;
    let is_void = |found: &&FoundFact| {
        matches!(found.fact, Fact::ShutdownUnheeded { .. })
            && found.step.as_ref() == Some(step)
            && retried.is_some_and(|retried| found.at <= retried)
    };
    let standing = state.facts.iter().filter(|found| !is_void(found));
    standing.map(|found| found.fact.clone()).collect()
}

/// Why the guest of a VM is not asked, or not again. One that has just started is, once its tools run.
fn in_vain(ctx: &Ctx, spare: &Spare, patience: Duration) -> Option<String> {
    let mut facts = still_stands(&ctx.state, &ctx.step.id);
    facts.extend(ctx.link.kept());
    let is_deaf = || is_deaf(spare.tools, spare.since, ctx.clock.now(), patience);
    unheeded(&facts, spare).or_else(|| is_deaf().then(|| TOOLLESS.to_owned()))
}

/// Whether a guest cannot be asked, and would not come to be by waiting.
fn is_deaf(tools: bool, since: Option<Timestamp>, now: Timestamp, patience: Duration) -> bool {
    !tools && !stopping::is_starting(since, now, patience)
}

impl Action for FreeCapacity<'_> {
    type Observed = Seen;

    fn unknown(&self) -> Seen {
        Seen::default()
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        let mut seen = Seen::default();
        for host in &self.hosts {
            let told = spares::look(ctx, host, self.keys).await?;
            for spare in told.spares.iter().filter(|spare| runs(spare)) {
                if let Some(why) = in_vain(ctx, spare, self.patience) {
                    seen.unheeded.push((spare.clone(), why));
                }
            }
            seen.hosts.push((host.clone(), told));
        }
        Ok(seen)
    }

    fn decide(&self, seen: &Seen) -> ProbeAnswer {
        if seen.hosts.is_empty() {
            return needed("not asked", self.outline());
        }
        let running: Vec<&Spare> = seen.spares().filter(|spare| runs(spare)).collect();
        let unlisted: Vec<&str> = seen.unlisted().collect();
        if running.is_empty() && !unlisted.is_empty() {
            return self.unlisted(&unlisted.join(", "));
        }
        if running.is_empty() {
            return done("no expendable VM runs there", seen.lines());
        }
        let memory = running.iter().filter_map(|spare| spare.memory).sum();
        let names: Vec<&str> = running.iter().map(|spare| spare.vm.as_str()).collect();
        let names = names.join(", ");
        let found = format!("{names}: on, with {} of memory", size(memory));
        let to_ask = seen.to_ask();
        if to_ask.is_empty() {
            return needed(found, self.cutting(seen));
        }
        needed(found, self.asking(seen, &to_ask))
    }

    async fn act(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        let to_ask = seen.to_ask();
        if !to_ask.is_empty() {
            return self.ask(ctx, &to_ask).await;
        }
        for (spare, why) in &seen.unheeded {
            let (host, vm, vmx) = (&spare.host, &spare.vm, &spare.vmx);
            let why = with_consent(why, ctx.confirmation.as_ref());
            stopping::keep_wanted(ctx, host, vm, vmx).await?;
            let how = stopping::power_off(ctx, host, vm, vmx, &why).await?;
            keep_freed(ctx, spare, &how).await?;
        }
        Ok(())
    }

    /// What is left runs in spite of its guest: a decision of its own.
    fn has_next(&self, seen: &Seen) -> bool {
        seen.spares().any(runs)
    }

    /// What this step was about to stop when the console or the link died, and is off now.
    async fn settle(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        for item in spares::stopped(ctx, self.keys) {
            let is_it = |spare: &&Spare| {
                item.announced
                    && spare.host == item.host
                    && item.thing == Thing::Freed(spare.vmx.clone())
            };
            let Some(spare) = seen.spares().find(is_it).filter(|spare| !runs(spare)) else {
                continue;
            };
            let kept = |fact: &Fact| matches!(fact, Fact::CapacityFreed { host, vmx, .. } if *host == spare.host && *vmx == spare.vmx);
            if !ctx.link.kept().iter().any(kept) {
                keep_freed(ctx, spare, "found off after it was told to stop").await?;
            }
        }
        Ok(())
    }

    async fn undo(&self, ctx: &Ctx) -> Result<Vec<String>, ActError> {
        let own = || spares::stopped_here(ctx);
        let seen = self.back.look(ctx, own()).await?;
        self.back.may_start_unasked(&seen)?;
        let started = match self.back.act(ctx, &seen).await {
            Err(ActError::Failed(fault)) => Err(fault),
            other => Ok(other?),
        };
        let seen = self.back.look(ctx, own()).await?;
        // Those that are on are not left over, whatever became of the others.
        self.back.settle(ctx, &seen).await?;
        self.back.undone(&seen).map_err(|error| match started {
            Err(fault) => ActError::Failed(fault),
            Ok(()) => error,
        })
    }
}

#[cfg(test)]
mod tests;

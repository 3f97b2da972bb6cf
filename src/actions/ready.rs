//! `ready`: waits until the VM serves, rung by rung.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::{Fact, ProbeAnswer, Proposal};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::guest::Guest;
use crate::hypervisor::esxi::power::PowerState;
use crate::names::VmName;
use crate::plan::{Risk, Step};
use crate::runbook::model::{Runbook, Rung, Vm};

use super::action::Action;
use super::answer::{blocked, done, needed};
use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;
use super::waiting::Pauses;
use super::words::span;
use super::{configuration, http, reach, registered};

/// How long a VM may take to serve where the runbook says nothing.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// The verb about one VM.
pub(super) struct Ready {
    at: VmAt,
    spec: Box<Vm>,
    patience: Duration,
    /// Until when it is waited for, once that has begun.
    until: OnceLock<Instant>,
    /// Rungs that a drill's isolation keeps out of reach.
    beyond: Vec<Rung>,
}

/// What was seen; rungs behind the first that is not reached were not asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// Whether the VM runs; `None` where nobody asked.
    runs: Option<bool>,
    /// What each rung showed, in order.
    reached: Vec<String>,
    /// What the next one shows.
    waits_for: Option<String>,
}

impl Ready {
    /// The verb for the VM at the step's side.
    ///
    /// # Errors
    /// The runbook gives the VM no place there.
    pub fn new(runbook: &Runbook, step: &Step, vm: &VmName) -> Result<Self, Fault> {
        let mut spec = Box::new(runbook.vms.get(vm).cloned().unwrap_or_default());
        let mut beyond = Vec::new();
        if runbook.isolation.is_some() {
            // Nothing outside has a path in: the guest's tools, which the host asks, must answer.
            beyond = std::mem::replace(&mut spec.ready, vec![Rung::Tools]);
            beyond.retain(|rung| *rung != Rung::Tools);
        }
        Ok(Self {
            at: VmAt::of_step(runbook, step, vm)?,
            spec,
            patience: step.timeout.unwrap_or(PATIENCE),
            until: OnceLock::new(),
            beyond,
        })
    }

    /// A rung in words.
    fn rung(&self, rung: &Rung) -> String {
        match rung {
            Rung::Tools => "tools".to_owned(),
            Rung::Tcp { port, .. } => match reach::endpoint(&self.spec, rung) {
                Some((host, port)) => format!("tcp {host}:{port}"),
                None => format!("tcp port {port}"),
            },
            Rung::Http { url, status, .. } => format!("http {url} answers {status}"),
        }
    }

    fn rungs(&self) -> Vec<String> {
        self.spec.ready.iter().map(|rung| self.rung(rung)).collect()
    }

    /// What one rung shows: reached, or not yet.
    async fn look(&self, ctx: &Ctx, rung: &Rung, guest: &Guest) -> Result<String, String> {
        match rung {
            Rung::Tools if guest.tools_running => {
                let address = guest
                    .usable_address()
                    .map(|address| format!(", address {address}"));
                Ok(format!(
                    "its tools run{} (get.guest)",
                    address.unwrap_or_default()
                ))
            }
            Rung::Tools => {
                let status = guest.tools_status.as_deref().unwrap_or("no status");
                Err(format!("its tools do not run yet ({status})"))
            }
            Rung::Tcp { port, .. } => self.look_tcp(ctx, rung, *port, guest).await,
            Rung::Http { url, status, from } => match http::status(ctx, from.as_ref(), url).await {
                Ok((got, by)) if got == *status => Ok(format!("status {got} (asked by {by})")),
                Ok((got, by)) => Err(format!("status {got}, not {status} (asked by {by})")),
                Err(why) => Err(why),
            },
        }
    }

    async fn look_tcp(
        &self,
        ctx: &Ctx,
        rung: &Rung,
        port: u16,
        guest: &Guest,
    ) -> Result<String, String> {
        // What the tools told last is history while they do not run.
        let told = guest.usable_address().filter(|_| guest.tools_running);
        let endpoint = reach::endpoint(&self.spec, rung);
        let endpoint = endpoint.or_else(|| told.map(|address| (address.to_string(), port)));
        let Some((host, port)) = endpoint else {
            return Err(
                "its address is not known: the runbook gives none, its tools tell none".into(),
            );
        };
        let from = reach::probe_from(ctx, &self.spec, &host);
        let look = reach::ask_port(ctx, from.as_ref(), &host, port).await;
        look.accepts()
    }

    /// Looks until it serves, is off, or its time is over; gives what was seen last.
    async fn wait(&self, ctx: &Ctx) -> Result<Seen, ActError> {
        let until = self.until.get_or_init(|| Instant::now() + self.patience);
        let mut pauses = Pauses::until(*until);
        let rungs = self.rungs();
        let mut last = Seen::default();
        loop {
            match self.observe(ctx).await {
                Ok(seen) => last = seen,
                // A host that does not answer for a moment says nothing about the VM.
                Err(fault) => last.waits_for = Some(fault.what),
            }
            self.keep(ctx, &last).await?;
            let serves = last.runs == Some(true) && last.waits_for.is_none();
            // A guest that restarts does not go off; what is off stays so, however long one waits.
            if serves || last.runs == Some(false) {
                return Ok(last);
            }
            let rung = rungs
                .get(last.reached.len())
                .map_or("power", String::as_str);
            ctx.doing(format!("waiting for {rung}"));
            if !pauses.pause().await {
                return Ok(last);
            }
        }
    }

    fn too_late(&self, seen: &Seen) -> Fault {
        let rungs = self.rungs();
        let rung = rungs
            .get(seen.reached.len())
            .map_or("its power", String::as_str);
        let last = seen.waits_for.as_deref().unwrap_or("nothing was seen");
        Fault::new(
            format!(
                "{} does not serve after {}: {rung} was not reached",
                self.at.vm,
                span(self.patience)
            ),
            self.at.host.as_str(),
            format!(
                "{} of {} rungs reached; last seen: {last}",
                seen.reached.len(),
                rungs.len()
            ),
            "look at the guest's console; retry waits again from here",
        )
    }

    fn went_off(&self) -> Fault {
        Fault::new(
            format!("{} does not run any more", self.at.vm),
            self.at.host.as_str(),
            "it ran when this step began to wait; nothing was sent",
            "find out why it went off (its vmware.log, and whether its host was restarted); retry power_on, then this step",
        )
    }

    async fn keep(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        for (rung, saw) in self.rungs().into_iter().zip(&seen.reached) {
            let (vm, its) = (self.at.vm.clone(), rung.clone());
            let fact = Fact::RungReached {
                vm,
                rung,
                seen: saw.clone(),
            };
            let same = |kept: &Fact| matches!(kept, Fact::RungReached { rung, .. } if *rung == its);
            ctx.keep_once(fact, same).await?;
        }
        Ok(())
    }

    /// What a drill leaves unproven, in words.
    fn unproven(&self) -> impl Iterator<Item = String> {
        self.beyond.iter().map(|rung| {
            let rung = self.rung(rung);
            format!("{rung}: not provable in a drill, nothing outside reaches into the isolation")
        })
    }
}

/// It runs, and its host's list of VMs has no row by which its guest can be asked.
fn unlisted() -> Seen {
    Seen {
        runs: Some(true),
        waits_for: Some("it runs, and getallvms does not list it".to_owned()),
        ..Seen::default()
    }
}

impl Action for Ready {
    type Observed = Seen;

    fn unknown(&self) -> Seen {
        Seen::default()
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        let at = configuration::name_vmx(ctx, self.at.clone().with_facts(ctx)).await?;
        let entry = registered::look(ctx, &at, Lane::Control).await?.entry;
        let entry = match entry {
            Some(entry) if entry.power() == PowerState::On => entry,
            // While its storage is away for a moment the list skips what runs.
            None if registered::runs(ctx, &at).await? => return Ok(unlisted()),
            Some(_) | None => {
                return Ok(Seen {
                    runs: Some(false),
                    ..Seen::default()
                });
            }
        };
        let guest = registered::guest(ctx, &at.host, entry.vmid).await?;
        let mut seen = Seen {
            runs: Some(true),
            ..Seen::default()
        };
        for rung in &self.spec.ready {
            match self.look(ctx, rung, &guest).await {
                Ok(saw) => seen.reached.push(saw),
                Err(why) => {
                    seen.waits_for = Some(why);
                    break;
                }
            }
        }
        Ok(seen)
    }

    fn decide(&self, seen: &Seen) -> ProbeAnswer {
        let rungs = self.rungs();
        let found = match (seen.runs, &seen.waits_for) {
            (None, _) => "not asked".to_owned(),
            (Some(false), _) => format!("{} does not run", self.at.who()),
            (Some(true), Some(why)) => {
                format!("{} of {} rungs; {why}", seen.reached.len(), rungs.len())
            }
            (Some(true), None) => format!("{} of {} rungs: it serves", rungs.len(), rungs.len()),
        };
        match (seen.runs, &seen.waits_for) {
            (Some(false), _) => {
                let fault = Fault::new(
                    format!("{} does not run, so it cannot serve", self.at.vm),
                    self.at.host.as_str(),
                    "nothing was sent",
                    "power it on first (power_on), then retry",
                );
                blocked(found, fault, &[])
            }
            (Some(true), None) => {
                let evidence = rungs
                    .iter()
                    .zip(&seen.reached)
                    .map(|(rung, saw)| format!("{rung}: {saw}"));
                let mut evidence: Vec<String> = evidence.chain(self.unproven()).collect();
                if evidence.is_empty() {
                    evidence.push(format!(
                        "{} runs; the runbook asks for no rung",
                        self.at.who()
                    ));
                }
                done(found, evidence)
            }
            _ => {
                let mut changes = vec![format!(
                    "nothing is changed; {} has {} to reach: {}",
                    self.at.vm,
                    span(self.patience),
                    rungs.join(", then ")
                )];
                changes.extend(self.unproven());
                let proposal = Proposal {
                    changes,
                    then: format!("{} serves; the clock of its RTO stops", self.at.vm),
                    risk: Some(Risk::Read),
                    ..Proposal::default()
                };
                needed(found, proposal)
            }
        }
    }

    async fn act(&self, ctx: &Ctx, _seen: &Seen) -> Result<(), ActError> {
        let last = self.wait(ctx).await?;
        match last.runs {
            Some(true) if last.waits_for.is_none() => Ok(()),
            Some(false) => Err(ActError::Failed(self.went_off())),
            _ => Err(ActError::Failed(self.too_late(&last))),
        }
    }

    /// A guest whose services settle may be gone for a moment after it was seen to serve.
    async fn observe_after(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        match self.wait(ctx).await {
            Ok(seen) => Ok(seen),
            // Nobody waits for it any more.
            Err(_) => self.observe(ctx).await,
        }
    }

    async fn settle(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        self.keep(ctx, seen).await?;
        for rung in &self.beyond {
            let (vm, rung) = (self.at.vm.clone(), self.rung(rung));
            let fact = Fact::RungNotProvable { vm, rung };
            let same = fact.clone();
            ctx.keep_once(fact, |kept| *kept == same).await?;
        }
        let fact = Fact::Serves {
            vm: self.at.vm.clone(),
        };
        ctx.keep_once(fact, |kept| matches!(kept, Fact::Serves { .. }))
            .await
    }
}

#[cfg(test)]
mod tests;

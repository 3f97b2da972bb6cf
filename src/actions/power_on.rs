//! `power_on`: starts the VM, once it is as sure as it can be that it runs nowhere else.
//!
//! Whatever the runbook lists, the evidence is taken again right before the start (promise 3):
//! every listed host of the other site, and the guest's address, which does not pass through them.
//! What contradicts blocks; what cannot be proven is vouched for by a person. While `power.on`
//! blocks, the VM is watched for a question on a session of its own.
//!
//! In a drill the proof of the VM's isolation takes that evidence's place, and is taken again likewise.

use std::time::Duration;

use crate::engine::{AutostartEntry, Fact, ProbeAnswer};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::question::Question;
use crate::names::VmName;
use crate::plan::Step;
use crate::runbook::model::{Isolation, Runbook, SiteRole};

mod begun;
mod connecting;
mod decision;
mod starting;

use super::action::Action;
use super::answer::Known;
use super::context::Ctx;
use super::copying::rest;
use super::evidence::{Evidence, apart, has_fence};
use super::isolation::{self, Ground};
use super::link::ActError;
use super::ownership::Ownership;
use super::place::{VmAt, site_title};
use super::questions;
use super::registered::{self, Registration};
use super::twins::{self, Twins};
use super::view::Stale;
use super::{autostart, configuration, lock, power_tasks, sighting, stopping};
use connecting::Blind;
pub(super) use starting::start;

/// How long a host may take to show the state that a command left.
const SETTLE: Duration = Duration::from_secs(5);

/// The verb about one VM.
pub(super) struct PowerOn {
    at: VmAt,
    other: SiteRole,
    other_site: String,
    /// Adapters of which nobody knows the address.
    blind: Vec<String>,
    /// Where a drill keeps itself apart: its proof stands in for the other site's evidence.
    isolation: Option<Isolation>,
    /// Whether this part of the run has steps that fence a VM.
    fences: bool,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    at: Option<VmAt>,
    registration: Known<Registration>,
    /// The host's list of what runs has it.
    runs: bool,
    /// The question on which it waits.
    question: Option<Question>,
    /// A power-on that was ordered before is still under way.
    under_way: bool,
    /// What is known of it at the other site; not asked while it runs here, and only its hosts are
    /// asked while a start is under way.
    other: Option<Ownership>,
    /// In a drill, the proof of its isolation instead; not asked while it runs here.
    ground: Option<Ground>,
    /// The host would start it by another view than its .vmx; not asked while it runs here.
    stale: Option<Stale>,
    /// Others of its identity on the hosts of this site; not asked while it runs here.
    twins: Option<Twins>,
    /// How it was seen that it ran where its files were copied from since then; not asked while it runs here.
    ran_since: Option<String>,
    /// What the host has of adapters whose address nobody knows.
    blind: Blind,
    /// The autostart entry that `fence` took away here and that is not back.
    autostart: Option<AutostartEntry>,
}

impl Seen {
    /// Its start is under way, or it waits on a question.
    fn is_begun(&self) -> bool {
        self.under_way || self.question.is_some()
    }
}

impl PowerOn {
    /// The verb for the VM at the step's side.
    ///
    /// # Errors
    /// The runbook gives the VM no place there.
    pub fn new(runbook: &Runbook, step: &Step, vm: &VmName) -> Result<Self, Fault> {
        let other = step.side.other();
        Ok(Self {
            at: VmAt::of_step(runbook, step, vm)?,
            other,
            other_site: site_title(runbook, other),
            blind: runbook
                .vms
                .get(vm)
                .iter()
                .flat_map(|vm| vm.blind_adapters())
                .map(str::to_owned)
                .collect(),
            isolation: runbook.isolation.clone(),
            fences: has_fence(runbook, &step.id),
        })
    }

    fn vm(&self) -> &VmName {
        &self.at.vm
    }

    /// What failed after it was started: that it is on comes first.
    fn though_on(&self, error: ActError) -> ActError {
        match error {
            ActError::Failed(mut fault) => {
                fault.state = format!(
                    "{} is on; whether its autostart entry is back is not known",
                    self.at.who()
                );
                ActError::Failed(fault)
            }
            other => other,
        }
    }

    /// Asks its host, then the other site; nothing is made yet of what somebody vouched for of that.
    async fn look(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        let at = configuration::name_vmx(ctx, self.at.clone().with_facts(ctx)).await?;
        let registration = registered::look(ctx, &at, Lane::Control).await?;
        let mut seen = Seen {
            at: Some(at.clone()),
            ..Seen::default()
        };
        if let Some(entry) = registration.entry.as_ref().filter(|entry| entry.is_valid()) {
            seen.autostart = autostart::due(ctx, &at, entry.vmid).await?;
            if entry.power() == PowerState::On {
                seen.question =
                    questions::pending(ctx, &at.host, Lane::Control, entry.vmid).await?;
                seen.runs = registered::runs(ctx, &at).await?;
                seen.under_way = !seen.runs;
                if seen.runs && seen.question.is_none() {
                    seen.blind = self.look_at_blind(ctx, &at, entry).await?;
                }
            } else {
                seen.under_way = power_tasks::is_under_way(ctx, &at, entry.vmid).await?;
                if seen.under_way {
                    seen.question =
                        questions::pending(ctx, &at.host, Lane::Control, entry.vmid).await?;
                } else {
                    seen.blind = self.look_at_blind(ctx, &at, entry).await?;
                    seen.stale = Stale::look(ctx, &at, entry).await?;
                    seen.twins = Some(twins::look(ctx, &at, &at.vmx_path()).await?);
                    match &self.isolation {
                        Some(isolation) => {
                            let ground =
                                isolation::look_at_vm(ctx, isolation, &at, entry.vmid).await?;
                            seen.ground = Some(ground);
                        }
                        None => {
                            let other = sighting::unvouched(ctx, self.vm(), self.other).await;
                            seen.other = Some(other);
                            seen.ran_since = rest::has_run_since(ctx, &at).await;
                        }
                    }
                }
            }
        }
        if seen.is_begun()
            && let Some(entry) = &registration.entry
        {
            match &self.isolation {
                Some(isolation) => {
                    let ground = isolation::look_at_vm(ctx, isolation, &at, entry.vmid).await?;
                    seen.ground = Some(ground);
                }
                None => {
                    let other = sighting::of_starting(ctx, self.vm(), self.other).await;
                    seen.other = Some(other);
                }
            }
        }
        seen.registration = Known::Is(registration);
        Ok(seen)
    }
}

impl Action for PowerOn {
    type Observed = Seen;

    fn unknown(&self) -> Seen {
        Seen::default()
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        let mut seen = self.look(ctx).await?;
        if seen.other.as_ref().is_some_and(Ownership::has_stranger) {
            // It may be this very VM, which somebody has started here since its host was asked.
            seen = self.look(&ctx.looking()).await?;
        }
        if let Some(other) = &mut seen.other {
            sighting::vouched(ctx, other).await;
        }
        Ok(seen)
    }

    fn decide(&self, seen: &Seen) -> ProbeAnswer {
        let Known::Is(registration) = &seen.registration else {
            return self.outline();
        };
        let entry = registration.entry.as_ref();
        if let Some(answer) = self.unready(entry) {
            return answer;
        }
        match (entry, &seen.other, &seen.ground) {
            (Some(entry), ..) if seen.is_begun() => self.decide_on(seen, entry),
            (Some(entry), Some(other), _) => self.decide_off(seen, entry, other),
            (Some(entry), None, Some(ground)) => self.decide_apart(seen, entry, ground),
            (Some(entry), None, None) => self.decide_on(seen, entry),
            (None, ..) => self.outline(),
        }
    }

    async fn act(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        let at = seen.at.as_ref().unwrap_or(&self.at);
        let Some(entry) = seen.registration.get().and_then(|r| r.entry.as_ref()) else {
            return Ok(());
        };
        if let Some(stale) = &seen.stale {
            stale.mend(ctx, at).await?;
        }
        if seen.is_begun() {
            self.see_through(ctx, at, entry, seen).await?;
        } else if let Some(other) = &seen.other {
            let other = self.fresh(ctx, other).await?;
            self.keep_evidence(ctx, &other).await?;
            let evidence = Evidence::Alone {
                other: self.other,
                seen: other,
            };
            self.start(ctx, at, entry, evidence).await?;
        } else if let (Some(isolation), Some(_)) = (&self.isolation, &seen.ground) {
            let evidence = Evidence::Apart {
                isolation: isolation.clone(),
                seen: apart(ctx, isolation, at, entry.vmid).await?,
            };
            self.start(ctx, at, entry, evidence).await?;
        } else if !seen.blind.open.is_empty() {
            self.connect(ctx, at, entry, &seen.blind.open).await?;
        }
        if let Some(due) = &seen.autostart {
            // It is on by now, whatever becomes of the entry.
            self.settle(ctx, seen).await?;
            let put = autostart::put_back_by_vmx(ctx, at, &entry.inventory_path(), due).await;
            put.map_err(|error| self.though_on(error))?;
        }
        Ok(())
    }

    fn has_next(&self, seen: &Seen) -> bool {
        seen.runs && !seen.blind.open.is_empty()
    }

    async fn settle(&self, ctx: &Ctx, _seen: &Seen) -> Result<(), ActError> {
        let fact = Fact::PoweredOn {
            vm: self.vm().clone(),
            host: self.at.host.clone(),
        };
        // Started again after it was stopped is a fact of its own.
        let known = ctx.state.started_on(self.vm());
        if known.is_some_and(|(host, _)| *host == self.at.host) || ctx.link.kept().contains(&fact) {
            return Ok(());
        }
        ctx.link.fact(fact).await
    }

    async fn undo(&self, ctx: &Ctx) -> Result<Vec<String>, ActError> {
        let at = configuration::name_vmx(ctx, self.at.clone().with_facts(ctx)).await?;
        let entry = registered::look(ctx, &at, Lane::Control).await?.entry;
        let Some(entry) = entry.filter(|entry| entry.power() == PowerState::On) else {
            let how = "was off when its start was taken back";
            let known = ctx.state.started_on(self.vm());
            if known.is_some_and(|(host, _)| *host == at.host) {
                let fact = stopping::stopped(ctx, &at.vm, &at.host, how);
                ctx.link.fact(fact).await?;
            }
            return Ok(vec![format!("{} does not run (get.summary)", at.who())]);
        };
        let vmx = entry.inventory_path();
        let way = stopping::Way::GuestFirst(stopping::PATIENCE);
        // Lost in a guest that has frozen since, it holds this up: see there.
        lock::leave(ctx, &at.host, &at.vm).await?;
        let how = stopping::stop(ctx, &at.host, &at.vm, &vmx, way).await?;
        Ok(vec![format!("{}: {how}", at.who())])
    }
}

#[cfg(test)]
mod tests;

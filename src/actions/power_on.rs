//! `power_on`: starts the VM, once it is as sure as it can be that it runs nowhere else.
//!
//! Whatever the runbook lists, the evidence is taken again right before the start (promise 3):
//! every listed host of the other site, and the guest's address, which does not pass through them.
//! What contradicts blocks; what cannot be proven is vouched for by a person. While `power.on`
//! blocks, the VM is watched for a question on a session of its own.

use std::time::Duration;

use crate::engine::{AutostartEntry, Fact, ProbeAnswer};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::power::{PowerReply, PowerState};
use crate::hypervisor::esxi::question::Question;
use crate::names::VmName;
use crate::plan::Step;
use crate::runbook::model::{Runbook, SiteRole};

mod connecting;
mod decision;

use super::action::Action;
use super::answer::Known;
use super::context::{Ctx, Sent};
use super::link::ActError;
use super::ownership::{Heard, Ownership, Standing};
use super::place::{VmAt, site_title};
use super::questions::{self, Watch};
use super::registered::{self, Entry, Registration};
use super::twins::{self, Twins};
use super::waiting::Pauses;
use super::{autostart, configuration, power_tasks, sighting, stopping};
use connecting::Blind;

/// A person may take this long to answer a VM's question before `power.on` is given up.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
/// How long a VM may take to show up after its host said that it started it.
const SHOW_UP: Duration = Duration::from_secs(60);

/// How often it is looked whether a start that waits its turn is still covered by its evidence.
const GLANCE: Duration = Duration::from_millis(500);
/// How long a host may take to show the state that a command left.
const SETTLE: Duration = Duration::from_secs(5);

/// The verb about one VM.
pub(super) struct PowerOn {
    at: VmAt,
    other: SiteRole,
    other_site: String,
    /// Adapters of which nobody knows the address.
    blind: Vec<String>,
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
    /// What is known of it at the other site; not asked while it runs here.
    other: Option<Ownership>,
    /// Others of its identity on the hosts of this site; not asked while it runs here.
    twins: Option<Twins>,
    /// What the host has of adapters whose address nobody knows.
    blind: Blind,
    /// The autostart entry that `fence` took away here and that is not back.
    autostart: Option<AutostartEntry>,
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
        })
    }

    fn vm(&self) -> &VmName {
        &self.at.vm
    }

    /// Evidence that is still fresh, or taken again; what a person has to decide ends it.
    async fn fresh(&self, ctx: &Ctx, gathered: &Ownership) -> Result<Ownership, ActError> {
        let other = if gathered.is_stale(ctx.clock.now()) {
            sighting::of_site(ctx, self.vm(), self.other).await
        } else {
            gathered.clone()
        };
        match other.standing() {
            Standing::Whole | Standing::Attested => Ok(other),
            Standing::Open => Err(self.held("nobody vouched for what cannot be proven", &other)),
            Standing::Contradicted(why) => Err(self.held(&why, &other)),
        }
    }

    fn held(&self, why: &str, other: &Ownership) -> ActError {
        ActError::Held {
            fault: Box::new(Fault::new(
                format!("{} was not started: {why}", self.vm()),
                self.other_site.clone(),
                other.lines().join("; "),
                "retry: the evidence is taken again, and you are asked for what it leaves open",
            )),
            remedies: vec![format!("fence it in {} first", self.other_site)],
        }
    }

    async fn keep_evidence(&self, ctx: &Ctx, other: &Ownership) -> Result<(), ActError> {
        sighting::keep_attestation(ctx, other).await?;
        for look in &other.sign.looks {
            let fact = Fact::AddressProbed {
                vm: self.vm().clone(),
                address: look.target.clone(),
                by: format!("{}: {}", look.by, look.said),
                answered: look.heard == Heard::Answer,
            };
            ctx.link.fact(fact).await?;
        }
        sighting::keep_evidence(ctx, other).await
    }

    /// Starts it, and answers what it asks meanwhile.
    async fn start(
        &self,
        ctx: &Ctx,
        at: &VmAt,
        entry: &Entry,
        other: &Ownership,
    ) -> Result<(), ActError> {
        let host = &at.host;
        ctx.doing(format!("powering {} on", at.vm));
        let vmx = entry.inventory_path();
        let vmid = registered::vmid_of(ctx, host, Lane::Control, &vmx).await?;
        let command = commands::power_on(vmid).deadline(LONGEST);
        let watch = Watch::new(at, &vmx, commands::POWER_ON_DEADLINE);
        let enough = async |sent| {
            tokio::select! {
                end = questions::answer_until(ctx, &watch) => end,
                why = grown_old(ctx, other, sent) => Ok(why),
            }
        };
        let output = ctx
            .write_until(host, Lane::Control, &command, enough)
            .await?;
        let said = PowerReply::parse(&output, PowerState::On);
        if self.wait_until_on(ctx, at).await? {
            return Ok(());
        }
        let said = match said {
            Err(fault) => fault.to_string(),
            Ok(PowerReply::Unclear { text }) => text,
            Ok(PowerReply::Accepted | PowerReply::AlreadyThere) => {
                "the host reported no failure".into()
            }
        };
        Err(ActError::Failed(
            power_tasks::fault(ctx, at, &vmx, &said).await,
        ))
    }

    /// Whether it came to be on, with nothing left to ask.
    async fn wait_until_on(&self, ctx: &Ctx, at: &VmAt) -> Result<bool, ActError> {
        let mut pauses = Pauses::within(SHOW_UP);
        loop {
            let entry = registered::look(ctx, at, Lane::Control).await?.entry;
            let on = entry.is_some_and(|entry| entry.power() == PowerState::On);
            if on && registered::runs(ctx, at).await? {
                return Ok(true);
            }
            // Off for a while after the host is done with it: more waiting cannot help.
            let late = pauses.left() < SHOW_UP.saturating_sub(SETTLE);
            if (!on && late) || !pauses.pause().await {
                return Ok(false);
            }
        }
    }
}

/// Ends when the evidence is too old and the start, which waits its turn behind other commands, has
/// not reached the host yet.
async fn grown_old(ctx: &Ctx, other: &Ownership, sent: Sent) -> String {
    loop {
        tokio::time::sleep(GLANCE).await;
        if sent.has_started() {
            return std::future::pending().await;
        }
        if other.is_stale(ctx.clock.now()) {
            return "its evidence grew old before the host was free to start it".to_owned();
        }
    }
}

impl Action for PowerOn {
    type Observed = Seen;

    fn unknown(&self) -> Seen {
        Seen::default()
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Seen, Fault> {
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
                    seen.twins = Some(twins::look(ctx, &at).await?);
                    seen.other = Some(sighting::of_site(ctx, self.vm(), self.other).await);
                }
            }
        }
        seen.registration = Known::Is(registration);
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
        match (entry, &seen.other) {
            (Some(entry), Some(other)) => self.decide_off(seen, entry, other),
            (Some(entry), None) => self.decide_on(seen, entry),
            (None, _) => self.outline(),
        }
    }

    async fn act(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        let at = seen.at.as_ref().unwrap_or(&self.at);
        let Some(entry) = seen.registration.get().and_then(|r| r.entry.as_ref()) else {
            return Ok(());
        };
        if let Some(other) = &seen.other {
            let other = self.fresh(ctx, other).await?;
            self.keep_evidence(ctx, &other).await?;
            self.start(ctx, at, entry, &other).await?;
        } else if seen.question.is_some() || !seen.runs {
            let watch = Watch::new(at, &entry.inventory_path(), commands::POWER_ON_DEADLINE);
            questions::answer_until_on(ctx, &watch).await?;
        } else if !seen.blind.open.is_empty() {
            self.connect(ctx, at, entry, &seen.blind.open).await?;
        }
        if let Some(due) = &seen.autostart {
            let vmid =
                registered::vmid_of(ctx, &at.host, Lane::Control, &entry.inventory_path()).await?;
            autostart::put_back(ctx, at, vmid, due).await?;
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
            return Ok(vec![format!("{} does not run (get.summary)", at.who())]);
        };
        let vmx = entry.inventory_path();
        let how = stopping::stop(
            ctx,
            &at.host,
            &at.vm,
            &vmx,
            stopping::Way::GuestFirst(stopping::PATIENCE),
        )
        .await?;
        let (vm, host, clock) = (at.vm.clone(), at.host.clone(), ctx.clock.now());
        ctx.link
            .fact(Fact::Stopped {
                vm,
                host,
                how: how.clone(),
                at: clock,
            })
            .await?;
        Ok(vec![format!("{}: {how}", at.who())])
    }
}

#[cfg(test)]
mod tests;

//! The start itself, on evidence that is taken again right before it.

use std::time::Duration;

use jiff::Timestamp;

use crate::actions::context::{Ctx, Sent};
use crate::actions::evidence::Evidence;
use crate::actions::link::ActError;
use crate::actions::ownership::{Heard, Ownership, Standing, is_stale};
use crate::actions::place::VmAt;
use crate::actions::questions::{self, Watch};
use crate::actions::registered::{self, Entry};
use crate::actions::waiting::Pauses;
use crate::actions::{power_tasks, sighting};
use crate::engine::Fact;
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::power::{PowerReply, PowerState};

use super::{PowerOn, SETTLE};

/// A person may take this long to answer a VM's question before `power.on` is given up.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
/// How long a VM may take to show up after its host said that it started it.
const SHOW_UP: Duration = Duration::from_secs(60);
/// How often it is looked whether a start that waits its turn is still covered by its evidence.
pub(super) const GLANCE: Duration = Duration::from_millis(500);

impl PowerOn {
    /// Evidence that is still fresh, or taken again; what a person has to decide ends it.
    pub(super) async fn fresh(
        &self,
        ctx: &Ctx,
        gathered: &Ownership,
    ) -> Result<Ownership, ActError> {
        let other = if gathered.is_stale(ctx.clock.now()) {
            let mut other = sighting::unvouched(ctx, self.vm(), self.other).await;
            // Whose answer that is, the next look tells: what was vouched for is not ended by it yet.
            if !other.has_stranger() {
                sighting::vouched(ctx, &mut other).await;
            }
            other
        } else {
            gathered.clone()
        };
        match other.standing() {
            Standing::Whole | Standing::Attested => Ok(other),
            Standing::Open => Err(self.held("nobody vouched for what cannot be proven", &other)),
            Standing::Contradicted(why) => Err(self.held(&why, &other)),
        }
    }

    /// Nothing was sent. What a new look can ask a person for, or find gone, passes: a copy that runs at
    /// the other site does not.
    fn held(&self, why: &str, other: &Ownership) -> ActError {
        let fault = Fault::new(
            format!("{} was not started: {why}", self.vm()),
            self.other_site.clone(),
            other.lines().join("; "),
            "retry: the evidence is taken again, and you are asked for what it leaves open",
        );
        let (fault, remedy) = match other.running().next() {
            None => (
                fault.passing(),
                "an attestation does not override what answers or holds its files".to_owned(),
            ),
            Some((host, copy)) => (
                fault,
                format!("stop it on {host} first ({})", copy.listed()),
            ),
        };
        ActError::Held {
            fault: Box::new(fault),
            remedies: vec![remedy],
        }
    }

    pub(super) async fn keep_evidence(&self, ctx: &Ctx, other: &Ownership) -> Result<(), ActError> {
        sighting::keep_attestation(ctx, other).await?;
        for look in &other.sign.looks {
            let fact = Fact::AddressProbed {
                vm: self.vm().clone(),
                address: look.target.clone(),
                by: format!("{}: {}", look.by, look.said),
                answered: look.heard == Heard::Answer,
                unasked: matches!(look.heard, Heard::Unknown | Heard::NotAsked),
            };
            ctx.link.fact(fact).await?;
        }
        sighting::keep_evidence(ctx, other).await
    }

    /// Starts it, and answers what it asks meanwhile.
    pub(super) async fn start(
        &self,
        ctx: &Ctx,
        at: &VmAt,
        entry: &Entry,
        evidence: Evidence,
    ) -> Result<(), ActError> {
        let taken = evidence.at();
        start(ctx, at, entry, Some(evidence), |sent| {
            grown_old(ctx, taken, sent)
        })
        .await
    }
}

/// Starts a VM, and answers what it asks meanwhile; given up where `enough` ends before the host has
/// begun with it, which says why. The evidence on which it rests, if on any, is taken again before an
/// answer for which it is too old.
///
/// # Errors
/// It did not come to be on, a write was lost, or the host could not be asked.
pub(in crate::actions) async fn start<E: Future<Output = String>>(
    ctx: &Ctx,
    at: &VmAt,
    entry: &Entry,
    evidence: Option<Evidence>,
    enough: impl FnOnce(Sent) -> E,
) -> Result<(), ActError> {
    let host = &at.host;
    ctx.doing(format!("powering {} on", at.vm));
    let vmx = entry.inventory_path();
    let vmid = registered::vmid_of(ctx, host, Lane::Control, &vmx).await?;
    let command = commands::power_on(vmid).deadline(LONGEST);
    let mut watch = Watch::new(at, &vmx, commands::POWER_ON_DEADLINE, evidence);
    let ends = async |sent| {
        tokio::select! {
            end = questions::answer_until(ctx, &mut watch) => end,
            why = enough(sent) => Ok(why),
        }
    };
    let output = ctx.write_until(host, Lane::Control, &command, ends).await?;
    let said = PowerReply::parse(&output, PowerState::On);
    if wait_until_on(ctx, at).await? {
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
async fn wait_until_on(ctx: &Ctx, at: &VmAt) -> Result<bool, ActError> {
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

/// Ends when the evidence is too old and the start, which waits its turn behind other commands, has
/// not reached the host yet.
pub(super) async fn grown_old(ctx: &Ctx, taken: Option<Timestamp>, sent: Sent) -> String {
    loop {
        tokio::time::sleep(GLANCE).await;
        if sent.has_started() {
            return std::future::pending().await;
        }
        if is_stale(ctx.clock.now(), taken) {
            return "its evidence grew old before the host was free to start it".to_owned();
        }
    }
}

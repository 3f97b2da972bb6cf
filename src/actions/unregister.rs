//! `unregister`: takes the VM out of a host's inventory. Its files stay.

use crate::engine::{ProbeAnswer, Proposal};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::inventory::Registered;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::names::VmName;
use crate::plan::{Risk, Step};
use crate::runbook::model::Runbook;

use super::action::Action;
use super::answer::{Known, blocked, done, needed, shown, shown_for};
use super::configuration;
use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;
use super::registered::{self, Registration};
use super::whereabouts;

/// The way past a VM that runs.
const STAYS: &str = "skip the step: it stays registered";

/// The verb about one VM.
pub(super) struct Unregister {
    at: VmAt,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    at: Option<VmAt>,
    registration: Known<Registration>,
}

impl Unregister {
    /// The verb for the VM at the step's side.
    ///
    /// # Errors
    /// The runbook gives the VM no place there.
    pub fn new(runbook: &Runbook, step: &Step, vm: &VmName) -> Result<Self, Fault> {
        Ok(Self {
            at: VmAt::of_step(runbook, step, vm)?,
        })
    }

    /// Where this run stopped it, else where the runbook places it.
    async fn place(&self, ctx: &Ctx) -> Result<VmAt, Fault> {
        match whereabouts::stopped_at(ctx, &self.at) {
            Some(stopped) => Ok(stopped),
            None => configuration::name_vmx(ctx, self.at.clone().with_facts(ctx)).await,
        }
    }
}

impl Action for Unregister {
    type Observed = Seen;

    fn unknown(&self) -> Seen {
        Seen::default()
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        let at = self.place(ctx).await?;
        let registration = registered::look_past(ctx, &at).await?;
        Ok(Seen {
            at: Some(at),
            registration: Known::Is(registration),
        })
    }

    fn decide(&self, seen: &Seen) -> ProbeAnswer {
        let at = seen.at.as_ref().unwrap_or(&self.at);
        let Known::Is(registration) = &seen.registration else {
            return needed("not asked", proposal(at, Known::Not));
        };
        let Some(entry) = &registration.entry else {
            if let Some(answer) = registration.unlisted.blocks(at, STAYS) {
                return answer;
            }
            if let Some(vmid) = registration.vmid() {
                let found = registered::unreadable(vmid);
                return needed(found, proposal(at, Known::Is(vmid)));
            }
            let found = registration.is_none(at);
            return done(found.clone(), vec![found]);
        };
        let found = format!(
            "registered as vmid {}, power state {}",
            entry.vmid,
            entry.power()
        );
        if entry.power() != PowerState::On {
            return needed(found, proposal(at, Known::Is(entry.vmid)));
        }
        let fault = Fault::new(
            format!("{} runs, so it stays registered", at.who()),
            at.host.as_str(),
            format!("{found}; nothing was changed"),
            "shut it down there first (shut_down, or by hand), then retry",
        );
        blocked(found, fault, &[STAYS])
    }

    async fn act(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        let at = seen.at.as_ref().unwrap_or(&self.at);
        let Some(vmid) = seen.registration.get().and_then(Registration::vmid) else {
            return Ok(());
        };
        let doing = format!("unregistering {}", at.vm);
        let command = commands::unregister(vmid);
        ctx.order(&at.host, &command, check_silent, &doing).await
    }

    async fn undo(&self, ctx: &Ctx) -> Result<Vec<String>, ActError> {
        let at = self.place(ctx).await?;
        if registered::look(ctx, &at, Lane::Control)
            .await?
            .entry
            .is_none()
        {
            let doing = format!("registering {}", at.vm);
            ctx.order(
                &at.host,
                &commands::register(&at.vmx_path()),
                Registered::parse,
                &doing,
            )
            .await?;
        }
        match registered::look(ctx, &at, Lane::Control).await?.entry {
            Some(entry) => Ok(vec![format!(
                "{} is registered as vmid {}",
                at.who(),
                entry.vmid
            )]),
            None => Err(ActError::Failed(Fault::new(
                format!("{} is still not registered", at.who()),
                at.host.as_str(),
                "the host accepted the command and lists nothing for that file",
                "look at the host's tasks, then undo again",
            ))),
        }
    }
}

/// Taking the VM at a place out of its host's inventory.
pub(super) fn proposal(at: &VmAt, vmid: Known<Vmid>) -> Proposal {
    Proposal {
        changes: vec![format!(
            "{} is taken out of the inventory of {}; its files stay in {}",
            at.vm,
            at.host,
            at.folder_path()
        )],
        commands: vec![shown_for(&at.host, &at.vm, vmid, commands::unregister)],
        then: format!("{} does not list it any more", at.host),
        undo: Some(shown(&at.host, &commands::register(&at.vmx_path())).line),
        risk: Some(Risk::Disruptive),
        ..Proposal::default()
    }
}

#[cfg(test)]
mod tests;

//! `shut_down` stops the VM where it runs, guest first, so that its last state is whole: a VM whose guest
//! cannot be asked is left to a person. `power_off` stops it at once.

use crate::engine::{ProbeAnswer, Proposal};
use crate::error::Fault;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::power::PowerState;
use crate::names::{HostName, VmName};
use crate::plan::{ActionSpec, Risk, Step};
use crate::runbook::model::Runbook;

use super::action::Action;
use super::answer::{Known, blocked, done, needed, shown_for};
use super::context::Ctx;
use super::link::ActError;
use super::ownership::{Copy, Ownership, Told, copy_line};
use super::place::VmAt;
use super::sighting;
use super::stopping::{self, Way};

mod onward;

use onward::Onward;

/// The verb about one VM.
pub(super) struct ShutDown {
    vm: VmName,
    home: VmAt,
    way: Way,
    onward: Option<Onward>,
}

/// What was seen of the VM.
pub(super) struct Seen {
    ownership: Ownership,
    /// What was seen where it goes; not looked for once it is off.
    onward: Option<onward::Seen>,
}

impl ShutDown {
    /// The verb for the VM at the step's side.
    ///
    /// # Errors
    /// The runbook gives the VM no place there.
    pub fn new(runbook: &Runbook, step: &Step, vm: &VmName) -> Result<Self, Fault> {
        Ok(Self {
            vm: vm.clone(),
            home: VmAt::of_step(runbook, step, vm)?,
            onward: Onward::of(runbook, step, vm),
            way: match &step.action {
                ActionSpec::PowerOff { .. } => Way::AtOnce("as the runbook says"),
                _ => Way::Asked(step.timeout.unwrap_or(stopping::PATIENCE)),
            },
        })
    }

    /// Where the VM should be decides; the site's other hosts are asked because it may have been
    /// moved there.
    async fn look(&self, ctx: &Ctx) -> Result<Ownership, Fault> {
        let ownership = sighting::of_hosts(ctx, &self.vm, self.home.role).await;
        let home = ownership
            .sightings
            .iter()
            .find(|seen| seen.host == self.home.host);
        match home.map(|seen| &seen.told) {
            Some(Told::Copies(_)) => Ok(ownership),
            // It was moved away from a host that is gone: there it is, and there it is stopped.
            Some(Told::Nothing(_) | Told::Part { .. })
                if ownership.running().any(|(_, copy)| copy.vmid.is_some()) =>
            {
                Ok(ownership)
            }
            Some(Told::Nothing(why) | Told::Part { why, .. }) => Err(Fault::new(
                format!("{} could not be looked at: {why}", self.home.who()),
                self.home.host.as_str(),
                "it is not known whether it runs; nothing was sent",
                sighting::way_on(ctx, self.home.role, &self.home.site),
            )
            .passing()),
            Some(Told::NotAsked) | None => Err(Fault::new(
                format!(
                    "{} is not one of the hosts of {}",
                    self.home.host, self.home.site
                ),
                self.home.host.as_str(),
                "nothing was sent",
                "correct the runbook",
            )),
        }
    }

    fn proposal(&self, ownership: &Ownership) -> Proposal {
        let mut changes = Vec::new();
        let mut commands = Vec::new();
        let mut stop = |host: &_, vmid, state: &str, tools| {
            let how = match self.way {
                Way::Asked(patience) | Way::GuestFirst(patience) => {
                    commands.push(shown_for(host, &self.vm, vmid, commands::shutdown_guest));
                    stopping::guest_alone(tools, patience)
                }
                Way::AtOnce(_) => {
                    "it is powered off without asking its guest, which may lose what it has not written"
                        .to_owned()
                }
            };
            changes.push(format!("{} on {host} is stopped{state}: {how}", self.vm));
            commands.push(shown_for(host, &self.vm, vmid, commands::power_off));
        };
        if ownership.at.is_none() {
            stop(&self.home.host, Known::Not, "", true);
        }
        for (host, copy) in ownership.running() {
            let Some(vmid) = copy.vmid else { continue };
            let state = format!(", {}", copy_line(copy));
            stop(host, Known::Is(vmid), &state, copy.tools);
        }
        Proposal {
            changes,
            commands,
            then: format!(
                "{} is off on every host of {} that answers",
                self.vm, self.home.site
            ),
            undo: None,
            risk: Some(Risk::Disruptive),
            ..Proposal::default()
        }
    }

    fn without_entry(&self, found: String, host: &str, copy: &Copy) -> ProbeAnswer {
        let fault = Fault::new(
            format!("{} runs on {host} without being registered there", self.vm),
            host,
            format!("{}; nothing was sent", copy_line(copy)),
            "shut it down from inside its guest, or register it on that host again; then retry",
        );
        blocked(found, fault, &[])
    }

    /// A copy that runs, whose guest cannot be asked, and which did not start just now.
    fn deaf<'a>(&self, ownership: &'a Ownership) -> Option<(&'a HostName, &'a Copy)> {
        let Way::Asked(patience) = self.way else {
            return None;
        };
        stopping::deaf_copy(ownership, patience)
    }

    /// It does not run, and yet its disks are not whole: what its guest had not written is in the
    /// suspended memory.
    fn asleep(&self, found: String, host: &str, copy: &Copy) -> ProbeAnswer {
        let off = copy.vmid.map(|vmid| commands::power_off(vmid).line());
        let off = off.unwrap_or_default();
        let fault = Fault::new(
            format!(
                "{} is suspended on {host}: what its guest had not written is in its memory there, and not \
                 on its disks",
                self.vm
            ),
            host,
            format!("{}; nothing was sent", copy_line(copy)),
            format!(
                "resume it on that host, and retry: its guest is then shut down; or, if that memory may \
                 be lost, power it off there ({off}), then retry"
            ),
        );
        blocked(found, fault, &[])
    }
}

impl Action for ShutDown {
    type Observed = Seen;

    fn unknown(&self) -> Seen {
        let nobody = vec![sighting::not_asked(&self.home.host)];
        Seen {
            ownership: sighting::nothing_known(&self.vm, &self.home.site, nobody),
            onward: None,
        }
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        let ownership = self.look(ctx).await?;
        let onward = match &self.onward {
            Some(onward) if ownership.running().next().is_some() => onward.look(ctx).await?,
            _ => None,
        };
        Ok(Seen { ownership, onward })
    }

    fn decide(&self, Seen { ownership, onward }: &Seen) -> ProbeAnswer {
        if ownership.at.is_none() {
            return needed("not asked", self.proposal(ownership));
        }
        let found = ownership_found(ownership);
        let unregistered = ownership.running().find(|(_, copy)| copy.vmid.is_none());
        if let Some((host, copy)) = unregistered {
            return self.without_entry(found, host.as_str(), copy);
        }
        let asleep = |(_, copy): &(_, &Copy)| copy.power == PowerState::Suspended;
        if let Some((host, copy)) = ownership.copies().find(asleep) {
            return self.asleep(found, host.as_str(), copy);
        }
        if ownership.running().next().is_none() {
            return done(found.clone(), host_lines(ownership));
        }
        let held = self.onward.as_ref().zip(onward.as_ref());
        if let Some(held) = held.and_then(|(onward, seen)| onward.held(seen, ownership)) {
            return held;
        }
        if let Some((host, copy)) = self.deaf(ownership) {
            return stopping::deaf(found, host, &self.vm, copy);
        }
        needed(found, self.proposal(ownership))
    }

    async fn act(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        for (host, copy) in seen.ownership.running() {
            stopping::stop(ctx, host, &self.vm, &copy.vmx, self.way).await?;
        }
        Ok(())
    }

    async fn settle(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        for (host, _) in seen.ownership.copies() {
            stopping::keep_stopped(ctx, &self.vm, host, "found off").await?;
        }
        Ok(())
    }
}

/// What the hosts told, without the address, which was not asked.
fn host_lines(ownership: &Ownership) -> Vec<String> {
    ownership
        .lines()
        .into_iter()
        .take(ownership.sightings.len())
        .collect()
}

fn ownership_found(ownership: &Ownership) -> String {
    host_lines(ownership).join("; ")
}

#[cfg(test)]
mod tests;

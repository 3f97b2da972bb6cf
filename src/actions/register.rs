//! `register`: makes the host know the VM.

use crate::engine::{Fact, ProbeAnswer, Proposal, ShownCommand};
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
use super::configuration::{self, Configuration};
use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;
use super::registered::{self, Entry, Registration};

/// The verb about one VM.
pub(super) struct Register {
    at: VmAt,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The place, with the .vmx file's name if it became known.
    at: Option<VmAt>,
    registration: Known<Registration>,
    /// The .vmx, read only where the VM is not registered.
    configuration: Known<Configuration>,
    /// The entry for this very file that the host cannot read.
    invalid: Option<Vmid>,
}

impl Register {
    /// The verb for the VM at the step's side.
    ///
    /// # Errors
    /// The runbook gives the VM no place there.
    pub fn new(runbook: &Runbook, step: &Step, vm: &VmName) -> Result<Self, Fault> {
        Ok(Self {
            at: VmAt::of_step(runbook, step, vm)?,
        })
    }

    fn is_registered(&self, entry: &Entry) -> ProbeAnswer {
        let who = self.at.who();
        let found = format!(
            "registered as vmid {}, power state {}",
            entry.vmid,
            entry.power()
        );
        if entry.is_valid() {
            let file = entry.summary.vmx_path();
            return done(
                found.clone(),
                vec![
                    format!("{who}: {found} (getallvms, get.summary)"),
                    format!("its file is {file}, and the host can read it"),
                ],
            );
        }
        self.reload(format!("{found}, {}", entry.summary.connection), entry.vmid)
    }

    /// The host knows the file and could not read it when it last tried.
    fn reload(&self, found: String, vmid: Vmid) -> ProbeAnswer {
        let command = shown_for(
            &self.at.host,
            &self.at.vm,
            Known::Is(vmid),
            commands::reload,
        );
        let change = format!(
            "{} has an entry for this file (vmid {vmid}) that was not readable: it reads the file again",
            self.at.host
        );
        needed(found, self.proposal(change, command, None))
    }

    fn proposal(&self, change: String, command: ShownCommand, undo: Option<String>) -> Proposal {
        Proposal {
            changes: vec![change],
            commands: vec![command],
            then: format!("{} lists it, and can read its file", self.at.host),
            undo,
            risk: Some(Risk::Write),
            ..Proposal::default()
        }
    }

    fn enter(&self, at: &VmAt, found: String) -> ProbeAnswer {
        let path = at.vmx_path();
        let change = format!(
            "{} is entered into the inventory of {} from {path}",
            at.vm, at.host
        );
        let undo = shown_for(&at.host, &at.vm, Known::Not, commands::unregister).line;
        needed(
            found,
            self.proposal(
                change,
                shown(&at.host, &commands::register(&path)),
                Some(undo),
            ),
        )
    }

    fn blocked_by_namesake(&self, others: &[String]) -> ProbeAnswer {
        let found = format!(
            "{} is registered from another file: {}",
            self.at.vm,
            others.join(", ")
        );
        let fault = Fault::new(
            format!(
                "another file is registered as {}: {}",
                self.at.vm,
                others.join(", ")
            ),
            self.at.host.as_str(),
            "nothing was changed",
            "find out which of the two is right; unregister the other (its files stay), then retry",
        );
        blocked(
            found,
            fault,
            &["correct folder, datastore or vmx in the runbook"],
        )
    }

    fn act_on(seen: &Seen) -> Option<Vmid> {
        let entry = seen.registration.get().and_then(|r| r.entry.as_ref());
        entry.map(|entry| entry.vmid).or(seen.invalid)
    }
}

impl Action for Register {
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
        if registration.entry.is_none() {
            seen.configuration = Known::Is(configuration::read(ctx, &at).await?);
            if !registration.invalid.is_empty() {
                seen.invalid =
                    configuration::invalid_entry(ctx, &at, &registration.invalid).await?;
            }
        }
        seen.registration = Known::Is(registration);
        Ok(seen)
    }

    fn decide(&self, seen: &Seen) -> ProbeAnswer {
        let at = seen.at.as_ref().unwrap_or(&self.at);
        let Known::Is(registration) = &seen.registration else {
            return self.enter(at, "not asked".into());
        };
        if let Some(entry) = &registration.entry {
            return self.is_registered(entry);
        }
        if !registration.namesakes.is_empty() {
            return self.blocked_by_namesake(&registration.namesakes);
        }
        if let Some(answer) = seen
            .configuration
            .get()
            .and_then(|file| file.blocks(at).or_else(|| file.is_refused(at)))
        {
            return answer;
        }
        if let Some(vmid) = seen.invalid {
            return self.reload(
                format!("an unreadable entry stands for it, vmid {vmid}"),
                vmid,
            );
        }
        let doubt = if registration.unread > 0 {
            "; some lines could not be read"
        } else {
            ""
        };
        self.enter(at, format!("not registered (getallvms{doubt})"))
    }

    async fn act(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        let at = seen.at.as_ref().unwrap_or(&self.at);
        let doing = format!("registering {}", at.vm);
        if let Some(vmid) = Self::act_on(seen) {
            return ctx
                .order(&at.host, &commands::reload(vmid), check_silent, &doing)
                .await;
        }
        let command = commands::register(&at.vmx_path());
        ctx.order(&at.host, &command, Registered::parse, &doing)
            .await?;
        Ok(())
    }

    async fn settle(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        let Some(entry) = seen.registration.get().and_then(|r| r.entry.as_ref()) else {
            return Ok(());
        };
        let uuid = entry
            .summary
            .uuid_bios
            .map(|uuid| uuid.to_string().replace('-', ""));
        let fact = Fact::Registered {
            vm: self.at.vm.clone(),
            host: self.at.host.clone(),
            vmx: entry.summary.vmx_path(),
            uuid_bios: uuid.unwrap_or_default(),
        };
        let same = fact.clone();
        ctx.keep_once(fact, |kept| *kept == same).await
    }

    async fn undo(&self, ctx: &Ctx) -> Result<Vec<String>, ActError> {
        let at = self.at.clone().with_facts(ctx);
        let Some(entry) = registered::look(ctx, &at, Lane::Control).await?.entry else {
            return Ok(vec![format!("{} is not registered (getallvms)", at.who())]);
        };
        if entry.power() != PowerState::Off {
            return Err(ActError::Failed(Fault::new(
                format!("{} is {}, so it stays registered", at.who(), entry.power()),
                at.host.as_str(),
                "nothing was changed",
                "shut it down first, then undo again",
            )));
        }
        let doing = format!("unregistering {}", at.vm);
        ctx.order(
            &at.host,
            &commands::unregister(entry.vmid),
            check_silent,
            &doing,
        )
        .await?;
        match registered::look(ctx, &at, Lane::Control).await?.entry {
            None => Ok(vec![format!(
                "{} is not registered any more (getallvms); its files stay",
                at.who()
            )]),
            Some(entry) => Err(ActError::Failed(Fault::new(
                format!("{} is still registered", at.who()),
                at.host.as_str(),
                format!("vmid {}, power state {}", entry.vmid, entry.power()),
                "look at the host's tasks, then undo again",
            ))),
        }
    }
}

#[cfg(test)]
mod tests;

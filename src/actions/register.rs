//! `register`: makes the host know the VM.
//!
//! A .vmx that came from another place is made fit first (see [`fit_to_host`]): the changes stand on
//! the step card as a diff with reasons, are made as `network` makes its own, and go with the entry
//! when the step is taken back. Only a VM of which the host has not read this file yet is looked at so:
//! a host writes such lines itself once the VM runs there. An entry that knows the VM by another .vmx
//! than lies there now is made to read that.
//!
//! [`fit_to_host`]: crate::vmfiles::fit_to_host

use crate::engine::{Fact, ProbeAnswer, Proposal, ShownCommand, Verdict};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::inventory::Registered;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::names::{RunId, VmName};
use crate::plan::{Risk, Step};
use crate::runbook::model::Runbook;
use crate::vmfiles::Surroundings;

pub(super) mod fit;

use fit::Fitted;

use super::action::Action;
use super::answer::{Known, blocked, done, needed, shown, shown_for};
use super::configuration::{self, Configuration, Content};
use super::context::Ctx;
use super::file_locks;
use super::giving_back::give_back;
use super::link::ActError;
use super::place::{VmAt, file_name};
use super::registered::{self, Entry, Registration};
use super::replacing::{self, Names};
use super::twins::{self, Twins};
use super::view::{self, Stale};

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
    /// The .vmx, read only where the host has yet to read it.
    configuration: Known<Configuration>,
    /// What decides whether the host could run it, where the .vmx was read.
    around: Option<Surroundings>,
    /// Who else holds the .vmx.
    locked_by: Option<String>,
    /// Others of its identity on the site's hosts, where it is not registered.
    twins: Option<Twins>,
    /// The entry for this very file that the host cannot read.
    invalid: Option<Vmid>,
    /// The host's view of it is not what the file says.
    stale: Option<Stale>,
    /// The run's id, for names of its own.
    run: RunId,
}

impl Seen {
    /// The .vmx that was read, and as it is to be.
    fn fitted(&self, at: &VmAt) -> Option<Result<(&Content, Fitted), ProbeAnswer>> {
        let content = self.configuration.get()?.content()?;
        let around = self.around.as_ref()?;
        Some(Fitted::new(at, content, around).map(|fitted| (content, fitted)))
    }

    fn names(&self, at: &VmAt, content: &Content) -> Names {
        let folder = self
            .around
            .as_ref()
            .map_or(&[][..], |around| &around.folder);
        Names::of_read(at, &self.run, folder, content)
    }
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

    /// The host knows the VM by a .vmx that is no more.
    fn is_stale(&self, entry: &Entry, stale: &Stale) -> ProbeAnswer {
        let found = format!("registered as vmid {}, but {}", entry.vmid, stale.found());
        let mut proposal = self.proposal(stale.change(&self.at), stale.command(&self.at), None);
        proposal.then = format!("{} lists it as its .vmx says", self.at.host);
        needed(found, proposal)
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

    /// What is done where nothing was asked yet.
    fn outline(&self) -> ProbeAnswer {
        let at = &self.at;
        let mut answer = self.enter(at, "not asked".into());
        if let Verdict::Needed(proposal) = &mut answer.verdict {
            proposal.changes.insert(
                0,
                format!(
                    "what {} could not run in its .vmx is changed first, with the reasons on the step card: \
                     paths of the other site, missing CD and floppy images, hardware that is too new, \
                     devices of another host, leftovers",
                    at.host
                ),
            );
            let names = Names::new(at, &"‹run›".into(), &[]);
            let edit = replacing::shown(&at.host, &names, replacing::MODE);
            proposal.commands.splice(0..0, edit);
            with_file_back(proposal);
        }
        answer
    }

    /// Adds what makes the .vmx fit to what enters or reloads it.
    fn with_fit(&self, seen: &Seen, at: &VmAt, mut answer: ProbeAnswer) -> ProbeAnswer {
        let (content, fitted) = match seen.fitted(at) {
            None => return answer,
            Some(Err(blocked)) => return blocked,
            Some(Ok(fitted)) => fitted,
        };
        if !fitted.is_edit(at, content) {
            return answer;
        }
        if let Some(who) = &seen.locked_by {
            return configuration::locked(at, who);
        }
        if let Verdict::Needed(proposal) = &mut answer.verdict {
            proposal.changes.splice(0..0, fitted.changes(at));
            let edit = replacing::shown_edit(at, &seen.names(at, content), content);
            proposal.commands.splice(0..0, edit);
            with_file_back(proposal);
        }
        answer
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
        if let Some(entry) = &registration.entry {
            seen.stale = Stale::look(ctx, &at, entry).await?;
        }
        let valid = registration.entry.as_ref().is_some_and(Entry::is_valid);
        if !valid || seen.stale.is_some() {
            self.observe_file(ctx, &at, &mut seen).await?;
            let content = seen.configuration.get().and_then(Configuration::content);
            if registration.entry.is_none()
                && let Some(content) = content
            {
                seen.twins = Some(twins::look(ctx, &at, &content.path).await?);
            }
        }
        if registration.entry.is_none() && !registration.invalid.is_empty() {
            seen.invalid = configuration::invalid_entry(ctx, &at, &registration.invalid).await?;
        }
        seen.registration = Known::Is(registration);
        Ok(seen)
    }

    fn decide(&self, seen: &Seen) -> ProbeAnswer {
        let at = seen.at.as_ref().unwrap_or(&self.at);
        let Known::Is(registration) = &seen.registration else {
            return self.outline();
        };
        if let Some(entry) = &registration.entry {
            let answer = match &seen.stale {
                Some(stale) => self.is_stale(entry, stale),
                None => self.is_registered(entry),
            };
            return self.with_fit(seen, at, answer);
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
        if let Some(answer) = seen.twins.as_ref().and_then(|twins| twins.blocks(at)) {
            return answer;
        }
        if let Some(vmid) = seen.invalid {
            return self.with_fit(seen, at, self.reload(registered::unreadable(vmid), vmid));
        }
        let found = format!("not registered ({})", registration.asked());
        let mut answer = self.with_fit(seen, at, self.enter(at, found));
        if let (Verdict::Needed(proposal), Some(twins)) = (&mut answer.verdict, &seen.twins) {
            proposal.changes.extend(twins.doubts(at));
        }
        answer
    }

    async fn act(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        let at = seen.at.as_ref().unwrap_or(&self.at);
        if let Some(Ok((content, fitted))) = seen.fitted(at)
            && fitted.is_edit(at, content)
        {
            let names = seen.names(at, content);
            replacing::edit(ctx, at, &names, content, &fitted.bytes).await?;
        }
        if let Some(vmid) = Self::act_on(seen) {
            return view::read_again(ctx, at, vmid).await;
        }
        let doing = format!("registering {}", at.vm);
        let command = commands::register(&at.vmx_path());
        ctx.order(&at.host, &command, Registered::parse, &doing)
            .await?;
        view::was_read(ctx, at).await
    }

    async fn settle(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        let Some(entry) = seen.registration.get().and_then(|r| r.entry.as_ref()) else {
            return Ok(());
        };
        let uuid = entry
            .summary
            .uuid_bios
            .map(|uuid| uuid.to_string().replace('-', ""));
        // Its host calls the datastore by its label, whatever the runbook does.
        let at = VmAt {
            vmx: file_name(&entry.summary.path).map(str::to_owned),
            ..self.at.clone()
        };
        let fact = Fact::Registered {
            vm: at.vm.clone(),
            host: at.host.clone(),
            vmx: at.vmx_path(),
            uuid_bios: uuid.unwrap_or_default(),
        };
        let same = fact.clone();
        ctx.keep_once(fact, |kept| *kept == same).await
    }

    async fn undo(&self, ctx: &Ctx) -> Result<Vec<String>, ActError> {
        let at = self.at.clone().with_facts(ctx);
        let mut evidence = vec![self.take_out(ctx, &at).await?];
        evidence.extend(give_back(ctx, &at).await?);
        Ok(evidence)
    }
}

impl Register {
    /// Reads the .vmx and asks what decides whether the host could run the VM.
    async fn observe_file(&self, ctx: &Ctx, at: &VmAt, seen: &mut Seen) -> Result<(), Fault> {
        let folder = configuration::folder(ctx, at).await?;
        let names: Vec<String> = folder.iter().map(|(name, _)| name.clone()).collect();
        let configuration = configuration::read_or_aside(ctx, at, &names).await?;
        if let Some(content) = configuration.content() {
            seen.around = Some(fit::surroundings(ctx, at, &content.vmx, &folder).await?);
            seen.locked_by = file_locks::locked_by(ctx, at, &content.path).await;
        }
        seen.run = ctx.run.clone();
        seen.configuration = Known::Is(configuration);
        Ok(())
    }

    /// Takes the VM out of the inventory, and says what was seen then.
    async fn take_out(&self, ctx: &Ctx, at: &VmAt) -> Result<String, ActError> {
        let Some(entry) = registered::look(ctx, at, Lane::Control).await?.entry else {
            return Ok(format!("{} is not registered (getallvms)", at.who()));
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
        let command = commands::unregister(entry.vmid);
        ctx.order(&at.host, &command, check_silent, &doing).await?;
        match registered::look(ctx, at, Lane::Control).await?.entry {
            None => Ok(format!(
                "{} is not registered any more (getallvms); its files stay",
                at.who()
            )),
            Some(entry) => Err(ActError::Failed(Fault::new(
                format!("{} is still registered", at.who()),
                at.host.as_str(),
                format!("vmid {}, power state {}", entry.vmid, entry.power()),
                "look at the host's tasks, then undo again",
            ))),
        }
    }
}

/// The way back of a proposal that edits the .vmx.
fn with_file_back(proposal: &mut Proposal) {
    let back = "the .vmx as it was gets its name back";
    proposal.undo = Some(match proposal.undo.take() {
        Some(undo) => format!("{undo}; {back}"),
        None => back.to_owned(),
    });
}

#[cfg(test)]
mod tests;

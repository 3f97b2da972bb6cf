//! `return_capacity` starts the expendable VMs again that the run, or the one that it takes back,
//! stopped to free capacity: those and no others, as the ledger has them.

use std::collections::BTreeSet;

use crate::engine::{Chapter, Fact, Item, ProbeAnswer, Proposal, ShownCommand, Thing, Verdict};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::question::Question;
use crate::names::{HostName, VmName, listed};
use crate::plan::{Risk, Step};
use crate::runbook::model::SiteRole;

use super::action::Action;
use super::answer::{Known, blocked, done, needed, shown_for};
use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;
use super::questions::{self, Watch};
use super::registered::{self, Entry, Registration};
use super::{power_on, power_tasks, spares};

/// The word that lets them be started where what they made room for still runs.
const CONSENT: &str = "start";

/// The verb about the VMs of some keys; of none for everything that the run stopped.
pub(super) struct ReturnCapacity<'a> {
    title: String,
    keys: &'a [VmName],
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    due: Vec<Due>,
    /// VMs of the runbook that still run on those hosts, on the memory that was freed for them.
    tenants: Vec<String>,
}

/// A VM that is due back.
#[derive(Clone, Debug)]
pub(super) struct Due {
    item: Item,
    at: VmAt,
    registration: Registration,
    /// The question on which it waits.
    question: Option<Question>,
    /// A power-on that was ordered before is still under way.
    under_way: bool,
}

impl Due {
    fn entry(&self) -> Option<&Entry> {
        self.registration.entry.as_ref()
    }

    fn is_on(&self) -> bool {
        let is_on = |entry: &Entry| entry.power() == PowerState::On;
        self.question.is_none() && self.entry().is_some_and(is_on)
    }

    /// It is known to its host, and not on.
    fn is_to_start(&self) -> bool {
        self.entry().is_some() && !self.is_on()
    }

    /// What keeps it from being on.
    fn found(&self) -> String {
        let who = self.at.who();
        match &self.question {
            Some(_) => format!("{who} waits on a question"),
            None if self.under_way => format!("{who} is being started"),
            None => format!("{who} is off"),
        }
    }

    fn change(&self) -> String {
        let who = self.at.who();
        match &self.question {
            Some(_) => format!(
                "{who} was started, and waits for an answer: the question is shown, and answered as \
                 you choose"
            ),
            None if self.under_way => {
                format!("{who} was started before: its end is awaited, nothing is sent")
            }
            None => format!("{who} is started again: it was stopped to free capacity"),
        }
    }

    fn command(&self) -> Option<ShownCommand> {
        let vmid = self.entry()?.vmid;
        match &self.question {
            Some(question) => Some(questions::shown_answer(&self.at, vmid, question)),
            None if self.under_way => None,
            None => {
                let (host, vm) = (&self.at.host, &self.at.vm);
                Some(shown_for(host, vm, Known::Is(vmid), commands::power_on))
            }
        }
    }

    /// Why its host cannot be told to start it.
    fn missing(&self) -> String {
        let who = self.at.who();
        let unlisted = &self.registration.unlisted;
        match unlisted.invalid {
            _ if unlisted.runs => {
                format!("{who} runs, and getallvms does not list it (esxcli vm process list)")
            }
            Some(vmid) => format!("{who}: {}", registered::unreadable(vmid)),
            None => self.registration.is_none(&self.at),
        }
    }
}

impl<'a> ReturnCapacity<'a> {
    /// The verb for the VMs that these keys of the runbook stand for.
    pub fn new(step: &Step, keys: &'a [VmName]) -> Self {
        Self {
            title: step.title.clone(),
            keys,
        }
    }

    fn proposal(off: &[&Due], tenants: &[String]) -> Proposal {
        let mut changes: Vec<String> = off.iter().map(|due| due.change()).collect();
        if !tenants.is_empty() {
            changes.push(format!(
                "they share the memory that was freed with what still runs there: {}",
                tenants.join(", ")
            ));
        }
        Proposal {
            changes,
            typed: (!tenants.is_empty()).then(|| CONSENT.to_owned()),
            commands: off.iter().filter_map(|due| due.command()).collect(),
            then: "they are on, as they were before".to_owned(),
            risk: Some(Risk::Write),
            ..Proposal::default()
        }
    }

    fn outline(&self) -> Proposal {
        let of = if self.keys.is_empty() {
            String::new()
        } else {
            format!(" of {}", listed(self.keys))
        };
        Proposal {
            changes: vec![format!(
                "what{of} the run stopped to free capacity is started again"
            )],
            ..Self::proposal(&[], &[])
        }
    }

    /// A VM that its host does not list cannot be started by it.
    fn gone(&self, gone: &[&Due]) -> ProbeAnswer {
        let names: Vec<String> = gone.iter().map(|due| due.at.who()).collect();
        let found: Vec<String> = gone.iter().map(|due| due.missing()).collect();
        let found = found.join("; ");
        let fault = Fault::new(
            format!(
                "{}: {} cannot be started again",
                self.title,
                names.join(", ")
            ),
            gone.first().map_or("", |due| due.at.host.as_str()),
            format!("{found}; the run stopped it there to free capacity"),
            "have it listed there again (register it, or make its .vmx readable to the host), then retry",
        );
        blocked(
            found,
            fault,
            &["skip the step: what stays off is listed as left over"],
        )
    }

    /// Nobody can consent to what an undo starts, so it starts nothing that takes a consent.
    ///
    /// # Errors
    /// What is off shares its memory with VMs of the runbook that run there.
    pub fn may_start_unasked(&self, seen: &Option<Seen>) -> Result<(), Fault> {
        let tenants = seen.iter().flat_map(|seen| seen.tenants.clone());
        let tenants: Vec<String> = tenants.collect();
        if tenants.is_empty() || !all(seen).any(Due::is_to_start) {
            return Ok(());
        }
        Err(Fault::new(
            format!(
                "what made room stays off: {} runs on it",
                tenants.join(", ")
            ),
            self.title.clone(),
            "nothing was started",
            "take back what runs there first, then undo this again; or start it by hand",
        ))
    }

    /// What is due back of these, as its host has it now.
    ///
    /// # Errors
    /// A host could not be asked.
    pub async fn look(&self, ctx: &Ctx, items: Vec<Item>) -> Result<Option<Seen>, Fault> {
        let mut seen = Seen::default();
        for item in items {
            let (Some(vm), Thing::Freed(vmx)) = (&item.vm, &item.thing) else {
                continue;
            };
            let place = (&item.host, vm);
            let at = VmAt::of_path(&ctx.runbook, SiteRole::Recovery, place, vmx);
            let at = at.ok_or_else(|| self.nowhere(&item))?;
            let registration = registered::look_past(ctx, &at).await?;
            let mut due = Due {
                item,
                at,
                registration,
                question: None,
                under_way: false,
            };
            if let Some(vmid) = due.entry().map(|entry| entry.vmid) {
                due.question = questions::pending(ctx, &due.at.host, Lane::Control, vmid).await?;
                due.under_way =
                    !due.is_on() && power_tasks::is_under_way(ctx, &due.at, vmid).await?;
            }
            seen.due.push(due);
        }
        seen.tenants = tenants(ctx, &seen.due).await?;
        Ok(Some(seen))
    }

    /// Nothing is left off because its place is not understood.
    fn nowhere(&self, item: &Item) -> Fault {
        let title = &self.title;
        Fault::new(
            format!("{title}: {} has no place on a datastore", item.what()),
            item.host.as_str(),
            "nothing was started",
            "start it by hand, then skip the step",
        )
    }

    /// What showed that they are on again.
    ///
    /// # Errors
    /// One is not.
    pub fn undone(&self, seen: &Option<Seen>) -> Result<Vec<String>, ActError> {
        match self.decide(seen).verdict {
            Verdict::AlreadyDone { evidence } => Ok(evidence),
            Verdict::Blocked { fault, .. } => Err(ActError::Failed(fault)),
            Verdict::Needed(proposal) => Err(ActError::Failed(Fault::new(
                "not all of them were started again",
                self.title.clone(),
                proposal.changes.join("; "),
                "retry",
            ))),
        }
    }
}

impl Action for ReturnCapacity<'_> {
    type Observed = Option<Seen>;

    fn unknown(&self) -> Self::Observed {
        None
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Self::Observed, Fault> {
        self.look(ctx, spares::stopped(ctx, self.keys)).await
    }

    fn decide(&self, seen: &Self::Observed) -> ProbeAnswer {
        let Some(seen) = seen else {
            return needed("not asked", self.outline());
        };
        let all = &seen.due;
        if all.is_empty() {
            let found = "nothing that the run stopped to free capacity is off";
            return done(found, vec![found.to_owned()]);
        }
        let off: Vec<&Due> = all.iter().filter(|due| due.is_to_start()).collect();
        if !off.is_empty() {
            let found: Vec<String> = off.iter().map(|due| due.found()).collect();
            return needed(found.join("; "), Self::proposal(&off, &seen.tenants));
        }
        let gone: Vec<&Due> = all.iter().filter(|due| due.entry().is_none()).collect();
        if !gone.is_empty() {
            return self.gone(&gone);
        }
        let evidence: Vec<String> = all
            .iter()
            .map(|due| format!("{} is on, as it was before", due.at.who()))
            .collect();
        done("on again", evidence)
    }

    async fn act(&self, ctx: &Ctx, seen: &Self::Observed) -> Result<(), ActError> {
        let mut faults = Vec::new();
        for due in all(seen).filter(|due| due.is_to_start()) {
            match start(ctx, due).await {
                Ok(()) => {}
                // It keeps none of the others off.
                Err(ActError::Failed(fault)) => faults.push(fault),
                Err(other) => return Err(other),
            }
        }
        together(faults).map_or(Ok(()), |fault| Err(ActError::Failed(fault)))
    }

    /// Those that nobody can start here come after all others.
    fn has_next(&self, seen: &Self::Observed) -> bool {
        let gone = |due: &Due| due.entry().is_none();
        all(seen).all(|due| due.is_on() || gone(due)) && all(seen).any(gone)
    }

    /// What is on is not left over, whatever became of the others.
    fn settles_in_part(&self) -> bool {
        true
    }

    async fn settle(&self, ctx: &Ctx, seen: &Self::Observed) -> Result<(), ActError> {
        for due in all(seen).filter(|due| due.is_on()) {
            let fact = Fact::Gone {
                host: due.item.host.clone(),
                what: due.item.what(),
            };
            ctx.link.fact(fact).await?;
        }
        Ok(())
    }
}

fn all(seen: &Option<Seen>) -> impl Iterator<Item = &Due> {
    seen.iter().flat_map(|seen| &seen.due)
}

/// VMs of the runbook that run where these are due back. The end of a run has an order of its own.
async fn tenants(ctx: &Ctx, all: &[Due]) -> Result<Vec<String>, Fault> {
    let mut tenants = Vec::new();
    if Chapter::of(&ctx.step.id).is_some() {
        return Ok(tenants);
    }
    let hosts: BTreeSet<&HostName> = all.iter().map(|due| &due.at.host).collect();
    for host in hosts {
        let running = registered::running(ctx, host).await?;
        let vms = ctx.runbook.recoverable_vms();
        let places = vms.filter_map(|(vm, _)| VmAt::new(&ctx.runbook, vm, SiteRole::Recovery).ok());
        for at in places.filter(|at| at.host == *host) {
            if registered::is_among(ctx, &at, &running).await? {
                tenants.push(at.who());
            }
        }
    }
    Ok(tenants)
}

async fn start(ctx: &Ctx, due: &Due) -> Result<(), ActError> {
    let Some(entry) = due.entry() else {
        return Ok(());
    };
    if due.question.is_some() || due.under_way {
        let vmx = entry.inventory_path();
        let mut watch = Watch::new(&due.at, &vmx, commands::POWER_ON_DEADLINE, None);
        return questions::answer_until_on(ctx, &mut watch).await;
    }
    power_on::start(ctx, &due.at, entry, None, |_| std::future::pending()).await
}

/// What failed of several, in one.
fn together(faults: Vec<Fault>) -> Option<Fault> {
    faults.into_iter().reduce(|first, next| Fault {
        what: format!("{}; {}", first.what, next.what),
        state: format!("{}; {}", first.state, next.state),
        passing: first.passing && next.passing,
        ..first
    })
}

#[cfg(test)]
mod tests;

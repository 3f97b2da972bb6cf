//! `return_capacity` starts the expendable VMs again that the run, or the one that it takes back,
//! stopped to free capacity: those and no others, as the ledger has them.

use crate::engine::{Fact, Item, ProbeAnswer, Proposal, Thing, Verdict};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::question::Question;
use crate::names::VmName;
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

/// The verb about the VMs of some keys; of none for everything that the run stopped.
pub(super) struct ReturnCapacity<'a> {
    title: String,
    keys: &'a [VmName],
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
    fn is_off(&self) -> bool {
        self.entry().is_some() && !self.is_on()
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

    fn proposal(off: &[&Due]) -> Proposal {
        Proposal {
            changes: off
                .iter()
                .map(|due| {
                    format!(
                        "{} is started again: it was stopped to free capacity",
                        due.at.who()
                    )
                })
                .collect(),
            commands: off
                .iter()
                .map(|due| {
                    let vmid = due
                        .entry()
                        .map_or(Known::Not, |entry| Known::Is(entry.vmid));
                    shown_for(&due.at.host, &due.at.vm, vmid, commands::power_on)
                })
                .collect(),
            then: "they are on, as they were before".to_owned(),
            risk: Some(Risk::Write),
            ..Proposal::default()
        }
    }

    fn outline(&self) -> Proposal {
        let keys: Vec<&str> = self.keys.iter().map(VmName::as_str).collect();
        let of = if keys.is_empty() {
            String::new()
        } else {
            format!(" of {}", keys.join(", "))
        };
        Proposal {
            changes: vec![format!(
                "what{of} the run stopped to free capacity is started again"
            )],
            ..Self::proposal(&[])
        }
    }

    /// A VM that its host does not know any more cannot be started by it.
    fn gone(&self, gone: &[&Due]) -> ProbeAnswer {
        let names: Vec<String> = gone.iter().map(|due| due.at.who()).collect();
        let found = format!("not registered (getallvms): {}", names.join(", "));
        let fault = Fault::new(
            format!(
                "{}: {} cannot be started again",
                self.title,
                names.join(", ")
            ),
            gone.first().map_or("", |due| due.at.host.as_str()),
            format!("{found}; the run stopped it there to free capacity"),
            "look who took it out of the inventory; register it there again, then retry",
        );
        blocked(
            found,
            fault,
            &["skip the step: what stays off is listed as left over"],
        )
    }

    /// What showed that they are on again.
    ///
    /// # Errors
    /// One is not.
    pub fn undone(&self, seen: &Option<Vec<Due>>) -> Result<Vec<String>, ActError> {
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
    type Observed = Option<Vec<Due>>;

    fn unknown(&self) -> Self::Observed {
        None
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Self::Observed, Fault> {
        let mut all = Vec::new();
        for item in spares::stopped(ctx, self.keys) {
            let (Some(vm), Thing::Freed(vmx)) = (&item.vm, &item.thing) else {
                continue;
            };
            let place = (&item.host, vm);
            let Some(at) = VmAt::of_path(&ctx.runbook, SiteRole::Recovery, place, vmx) else {
                continue;
            };
            let registration = registered::look(ctx, &at, Lane::Control).await?;
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
            all.push(due);
        }
        Ok(Some(all))
    }

    fn decide(&self, seen: &Self::Observed) -> ProbeAnswer {
        let Some(all) = seen else {
            return needed("not asked", self.outline());
        };
        if all.is_empty() {
            let found = "nothing that the run stopped to free capacity is off";
            return done(found, vec![found.to_owned()]);
        }
        let off: Vec<&Due> = all.iter().filter(|due| due.is_off()).collect();
        if !off.is_empty() {
            let names: Vec<String> = off.iter().map(|due| due.at.who()).collect();
            return needed(format!("off: {}", names.join(", ")), Self::proposal(&off));
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
        for due in seen.iter().flatten().filter(|due| due.is_off()) {
            let Some(entry) = due.entry() else { continue };
            if due.question.is_some() || due.under_way {
                let vmx = entry.inventory_path();
                let watch = Watch::new(&due.at, &vmx, commands::POWER_ON_DEADLINE);
                questions::answer_until_on(ctx, &watch).await?;
            } else {
                power_on::start(ctx, &due.at, entry, |_| std::future::pending()).await?;
            }
        }
        Ok(())
    }

    /// Those that nobody can start here come after all others.
    fn has_next(&self, seen: &Self::Observed) -> bool {
        let gone = |due: &Due| due.entry().is_none();
        seen.iter().flatten().all(|due| due.is_on() || gone(due)) && seen.iter().flatten().any(gone)
    }

    async fn settle(&self, ctx: &Ctx, seen: &Self::Observed) -> Result<(), ActError> {
        for due in seen.iter().flatten().filter(|due| due.is_on()) {
            let fact = Fact::Gone {
                host: due.item.host.clone(),
                what: due.item.what(),
            };
            ctx.link.fact(fact).await?;
        }
        Ok(())
    }
}

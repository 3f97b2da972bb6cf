//! A start that is under way already, or waits on a question: what is sent to it counts as a start,
//! so the other site is asked first, as before any; in a drill its isolation is looked at.
//!
//! Only the hosts of the other site can tell. The guest's address may be answered by this very copy,
//! and the locks on its files are this one's.

use crate::actions::context::Ctx;
use crate::actions::link::ActError;
use crate::actions::ownership::Ownership;
use crate::actions::place::VmAt;
use crate::actions::questions::{self, Watch};
use crate::actions::registered::Entry;
use crate::actions::{answer, sighting};
use crate::engine::{ProbeAnswer, Proposal};
use crate::error::Fault;
use crate::hypervisor::esxi::commands;
use crate::runbook::model::SiteRole;

use super::{PowerOn, Seen};

impl PowerOn {
    /// What a look at such a start comes to, where it must not go on.
    pub(super) fn blocked_begun(&self, found: &str, seen: &Seen) -> Option<ProbeAnswer> {
        let blocked = |fault, way| Some(answer::blocked(found.to_owned(), fault, &[way]));
        if let Some(ground) = &seen.ground {
            let fault = ground.broken(self.vm().as_str(), &self.at.host)?;
            return blocked(fault, "retry its fence step: it looks at the isolation");
        }
        let fault = runs_twice(&self.at, seen.other.as_ref()?)?;
        blocked(fault, "an attestation does not override this")
    }

    /// Asks a person for what the hosts of the other site leave open.
    pub(super) fn vouched(seen: &Seen, proposal: Proposal) -> Proposal {
        let open = seen.other.as_ref().filter(|other| is_open(other));
        Proposal {
            attest: open.map(Ownership::attest_request),
            ..proposal
        }
    }

    /// Sees the start through, answering what it asks.
    pub(super) async fn see_through(
        &self,
        ctx: &Ctx,
        at: &VmAt,
        entry: &Entry,
        seen: &Seen,
    ) -> Result<(), ActError> {
        let vmx = entry.inventory_path();
        let mut watch = Watch::new(at, &vmx, commands::POWER_ON_DEADLINE);
        match (&self.isolation, &seen.other) {
            (Some(isolation), _) => drop(self.isolated(ctx, isolation, at, entry).await?),
            (None, gathered) => {
                let other = alone(ctx, at, self.other, gathered.as_ref()).await?;
                self.keep_evidence(ctx, &other).await?;
                watch = watch.beside(self.other);
            }
        }
        questions::answer_until_on(ctx, &watch).await
    }
}

/// What the hosts of the other site say of a VM whose start is under way at this one: taken again
/// where it is old, and enough to let it go on.
///
/// # Errors
/// It runs there, or nobody vouched for the hosts there that do not answer.
pub(in crate::actions) async fn alone(
    ctx: &Ctx,
    at: &VmAt,
    site: SiteRole,
    gathered: Option<&Ownership>,
) -> Result<Ownership, ActError> {
    let other = match gathered.filter(|other| !other.is_stale(ctx.clock.now())) {
        Some(other) => other.clone(),
        None => sighting::of_answering(ctx, &at.vm, site).await,
    };
    match runs_twice(at, &other).or_else(|| unvouched(at, &other)) {
        Some(fault) => Err(ActError::Held {
            fault: Box::new(fault),
            remedies: vec!["retry: the other site is asked again".to_owned()],
        }),
        None => Ok(other),
    }
}

fn runs_twice(at: &VmAt, other: &Ownership) -> Option<Fault> {
    let (host, copy) = other.running().next()?;
    Some(Fault::new(
        format!(
            "the start of {} does not go on: it runs on {host} too ({})",
            at.vm, copy.vmx
        ),
        at.host.as_str(),
        format!("{} was started before; nothing more was sent", at.who()),
        "stop one of the two at its host's own console (to stop this one, answer its question with \
         cancel there, or power it off); its fence step looks again once the watch has seen it; then \
         retry",
    ))
}

fn unvouched(at: &VmAt, other: &Ownership) -> Option<Fault> {
    let silent: Vec<&str> = other.silent_hosts().map(|host| host.as_str()).collect();
    is_open(other).then(|| {
        Fault::new(
            format!(
                "the start of {} does not go on: nobody vouched for what cannot be asked in {} ({})",
                at.vm,
                other.site,
                silent.join(", ")
            ),
            at.host.as_str(),
            format!("{} was started before; nothing more was sent", at.who()),
            "retry: the evidence is taken again, and you are asked for what it leaves open",
        )
    })
}

/// A host did not answer in full, or there is none to ask, and nobody vouched for that.
fn is_open(other: &Ownership) -> bool {
    !other.all_answered() && other.attested.is_none()
}

//! A start that is under way already, or waits on a question: what is sent to it counts as a start,
//! so the other site is asked first, as before any.
//!
//! Only its hosts can tell. The guest's address may be answered by this very copy, and the locks on
//! its files are this one's.

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

use super::{PowerOn, Seen};

impl PowerOn {
    /// What speaks against letting it go on: it runs at the other site, or nobody vouched for the
    /// hosts there that do not answer.
    fn speaks_against(&self, other: &Ownership) -> Option<String> {
        if let Some((host, copy)) = other.running().next() {
            return Some(format!("it runs on {host} too ({})", copy.vmx));
        }
        let silent: Vec<&str> = other.silent_hosts().map(|host| host.as_str()).collect();
        (is_open(other)).then(|| {
            format!(
                "nobody vouched for what does not answer in {} ({})",
                self.other_site,
                silent.join(", ")
            )
        })
    }

    fn held_begun(&self, why: &str) -> Fault {
        Fault::new(
            format!("the start of {} does not go on: {why}", self.vm()),
            self.at.host.as_str(),
            format!(
                "{} was started before; nothing more was sent",
                self.at.who()
            ),
            format!(
                "fence it in {} (retry its fence step), then retry; or undo this step, which stops \
                 the copy on {}",
                self.other_site, self.at.host
            ),
        )
    }

    /// What a look at such a start comes to, where the other site says that it must not go on.
    pub(super) fn blocked_begun(&self, found: &str, seen: &Seen) -> Option<ProbeAnswer> {
        let other = seen.begun.as_ref()?;
        other.running().next()?;
        let why = self.speaks_against(other)?;
        let way = "an attestation does not override this";
        Some(answer::blocked(
            found.to_owned(),
            self.held_begun(&why),
            &[way],
        ))
    }

    /// Asks a person for what the hosts of the other site leave open.
    pub(super) fn vouched(seen: &Seen, proposal: Proposal) -> Proposal {
        let open = seen.begun.as_ref().filter(|other| is_open(other));
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
        if let Some(gathered) = &seen.begun {
            let mut other = gathered.clone();
            if other.is_stale(ctx.clock.now()) {
                other = sighting::of_answering(ctx, self.vm(), self.other).await;
            }
            if let Some(why) = self.speaks_against(&other) {
                return Err(ActError::Held {
                    fault: Box::new(self.held_begun(&why)),
                    remedies: vec![format!("fence it in {} first", self.other_site)],
                });
            }
            self.keep_evidence(ctx, &other).await?;
        }
        let watch = Watch::new(at, &entry.inventory_path(), commands::POWER_ON_DEADLINE);
        questions::answer_until_on(ctx, &watch).await
    }
}

/// A host did not answer in full, and nobody vouched for it.
fn is_open(other: &Ownership) -> bool {
    other.silent_hosts().next().is_some() && other.attested.is_none()
}

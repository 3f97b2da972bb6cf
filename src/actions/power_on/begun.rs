//! A start that is under way already, or waits on a question: what is sent to it counts as a start,
//! so the other site is asked first, as before any; in a drill its isolation is looked at.

use crate::actions::answer;
use crate::actions::context::Ctx;
use crate::actions::evidence::{Evidence, alone, apart, is_open, runs_twice};
use crate::actions::link::ActError;
use crate::actions::ownership::Ownership;
use crate::actions::place::VmAt;
use crate::actions::questions::{self, Watch};
use crate::actions::registered::Entry;
use crate::engine::{ProbeAnswer, Proposal};
use crate::hypervisor::esxi::commands;

use super::{PowerOn, Seen};

impl PowerOn {
    /// What a look at such a start comes to, where it must not go on.
    pub(super) fn blocked_begun(&self, found: &str, seen: &Seen) -> Option<ProbeAnswer> {
        let blocked = |fault, ways: &[&str]| Some(answer::blocked(found.to_owned(), fault, ways));
        if let Some(ground) = &seen.ground {
            return blocked(ground.broken(self.vm().as_str(), &self.at.host)?, &[]);
        }
        let fault = runs_twice(&self.at, seen.other.as_ref()?, self.fences)?;
        blocked(fault, &["an attestation does not override this"])
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
        let evidence = match &self.isolation {
            Some(isolation) => Evidence::Apart {
                isolation: isolation.clone(),
                seen: apart(ctx, isolation, at, entry.vmid).await?,
            },
            None => {
                let seen = alone(ctx, at, self.other, seen.other.as_ref()).await?;
                self.keep_evidence(ctx, &seen).await?;
                let other = self.other;
                Evidence::Alone { other, seen }
            }
        };
        let mut watch = Watch::new(at, &vmx, commands::POWER_ON_DEADLINE, Some(evidence));
        questions::answer_until_on(ctx, &mut watch).await
    }
}

//! What ends a run: its things are taken down, given back or removed, each looked at again first.
//!
//! Every place comes from the ledger of the run, as the hosts name it, and not from the runbook. What
//! is seen to be gone is told in the ledger's words, so that what is left can be said at the end.

mod files;
mod keeping;
mod networks;
mod originals;
mod removing;
mod vms;

use crate::engine::{Fact, Item, Ledger, ProbeAnswer, Proposal, takes_back};
use crate::error::Fault;
use crate::names::VmName;
use crate::plan::{Close, Risk, Step};
use crate::runbook::model::Runbook;

use super::answer::needed;
use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;

pub(super) use files::EndFiles;
pub(super) use networks::EndNetworks;
pub(super) use vms::EndVm;

/// The way past something that has to stay.
const LEFT: &str = "skip the step: what stays is listed as left over";

/// The question about everything that follows.
pub(super) fn agreement(lines: &[String], question: &str) -> ProbeAnswer {
    let mut changes = vec![question.to_owned()];
    changes.extend(lines.iter().cloned());
    let proposal = Proposal {
        changes,
        then:
            "the steps that follow go on without asking each, unless one asks for more than a yes"
                .into(),
        risk: Some(Risk::Write),
        ..Proposal::default()
    };
    needed("this is for people to answer", proposal)
}

/// The place of a file of the step's host, as [`VmAt::of_path`] reads it.
///
/// # Errors
/// It is no path of a datastore.
pub(super) fn place(
    runbook: &Runbook,
    step: &Step,
    vm: &VmName,
    path: &str,
) -> Result<VmAt, Fault> {
    let host = step.hosts.first();
    let place = host.and_then(|host| VmAt::of_path(runbook, step.side, (host, vm), path));
    place.ok_or_else(|| {
        Fault::new(
            format!("{path} is no place on a datastore"),
            step.id.as_str(),
            "nothing was sent",
            "look at what the run left there and take it away by hand; then skip the step",
        )
    })
}

/// Tells of each thing in the ledger that it is gone now: those that the step takes back, and others
/// that `too` has seen to be gone.
///
/// # Errors
/// The run no longer waits for this action.
async fn tell_gone(
    ctx: &Ctx,
    close: &Close,
    too: impl Fn(&Item) -> bool + Send,
) -> Result<(), ActError> {
    let ledger = Ledger::of(&ctx.state);
    let gone: Vec<Fact> = ledger
        .standing()
        .filter(|item| takes_back(close, item) || too(item))
        .map(|item| Fact::Gone {
            host: item.host.clone(),
            what: item.what(),
        })
        .collect();
    for fact in gone {
        let same = fact.clone();
        ctx.keep_once(fact, |kept| *kept == same).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

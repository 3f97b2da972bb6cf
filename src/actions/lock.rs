//! The run's lock on a VM, so that no second console, on whatever machine, drives the same VM; and on
//! a host that the runbook's own commands change without being about a VM.
//!
//! A VM's lies beside its folder, on the recovery datastore and in a failback also at home; a host's
//! in the home folder of its login, or on a datastore. It is taken with the first commands that
//! change anything: every proposal passes through [`guard`] before it is shown and before it is done,
//! so that the step card shows the lock's command among the others and nothing is sent while another
//! run holds what it is about. Where a host has no place for it, the card says so. The run's end gives
//! its locks back ([`close`]), once no lost command can take them any more; one that lies in a VM which a
//! step stops is given back before that. Another run's lock is
//! broken only by a person who types that run's id and a reason; from then on the other run finds
//! itself held, for it looks too.
//!
//! Whether a lock is this run's own is read from the lock, which names the run and a mark made of
//! its first journal line: a console whose link died under its own lock command finds it so.

mod claim;
mod giving_back;
mod inside;
mod owner;
mod place;
mod standing;

#[cfg(test)]
mod tests;

use crate::engine::{AttestRequest, ProbeAnswer, Proposal, ShownCommand, Verdict};
use crate::error::Fault;
use crate::host::{Lane, Output};
use crate::hypervisor::shell::{LockTaken, is_writable, take_lock};
use crate::plan::{Risk, Step};
use crate::runbook::model::Runbook;

use super::answer::{blocked, needed, shown};
use super::context::Ctx;
use super::link::ActError;
use super::store;
use claim::{Claim, want};
use owner::Owner;
use place::{Place, hosts_changed};
use standing::{Standing, in_words, look, may_be_released};

pub use giving_back::close;
pub(super) use inside::leave;
pub use place::lock_folder;

/// What a lock says of its owner, for people.
#[must_use]
pub fn holder(owner: &str) -> String {
    in_words(Owner::read(owner).as_ref())
}

/// A verb's answer with the locks that it needs.
pub(super) struct Guarded {
    /// As it is shown and confirmed.
    pub answer: ProbeAnswer,
    claims: Vec<Claim>,
    /// Locks that the run holds, and its journal may not know of.
    ours: Vec<Place>,
    /// Locks in the VMs that the step stops, which are given back before.
    leaving: Vec<Place>,
}

/// What became of the locks that a step needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// The run holds it: act.
    Held,
    /// Things are no longer as they were shown: look again.
    Moved,
}

impl Guarded {
    /// Takes the locks, as they were shown, and gives back those that the step would put out of reach.
    ///
    /// # Errors
    /// A lock could not be made, or the link was lost.
    pub async fn claim(&self, ctx: &Ctx) -> Result<Claimed, ActError> {
        for place in &self.ours {
            want(ctx, place).await?;
        }
        let mut outcome = Claimed::Held;
        for claim in &self.claims {
            if claim.take(ctx).await? != LockTaken::Done {
                return Ok(Claimed::Moved);
            }
            if claim.holder.is_some() {
                // What the verb has to do was not shown yet.
                outcome = Claimed::Moved;
            }
        }
        if outcome == Claimed::Held {
            inside::give_back(ctx, &self.leaving).await?;
        }
        Ok(outcome)
    }
}

/// Adds to what a step would do the locks that it needs; while another run holds them, breaking
/// that lock is all that is offered.
///
/// # Errors
/// A host could not be asked.
pub(super) async fn guard(ctx: &Ctx, answer: ProbeAnswer) -> Result<Guarded, Fault> {
    let mut guarded = Guarded {
        answer,
        claims: Vec::new(),
        ours: Vec::new(),
        leaving: Vec::new(),
    };
    let Verdict::Needed(proposal) = &mut guarded.answer.verdict else {
        return Ok(guarded);
    };
    if !changes_a_host(proposal) {
        return Ok(guarded);
    }
    if let Some(fault) = other_volume(ctx).await? {
        guarded.answer = blocked(guarded.answer.found, fault, &[]);
        return Ok(guarded);
    }
    let owner = Owner::this(ctx).line();
    let mut theirs = Vec::new();
    let places = Place::of_step(&ctx.runbook, &ctx.step);
    if places.len() < hosts_changed(&ctx.step).len() {
        proposal.changes.push(unlocked());
    }
    for place in places {
        match look(ctx, &place).await? {
            Standing::Ours(lock) if !may_be_released(&ctx.state, &lock) => guarded.ours.push(place),
            Standing::Free if !takes_locks(ctx, &place).await? => {
                proposal.changes.push(closed(&place));
            }
            Standing::Free => guarded.claims.push(Claim::new(place, &owner)),
            Standing::Ours(lock) | Standing::Unnamed(lock) => {
                guarded.claims.push(Claim::over(&lock, place, &owner));
            }
            Standing::Theirs(lock, other) => {
                let claim = Claim {
                    holder: Some(in_words(other.as_ref())),
                    ..Claim::over(&lock, place, &owner)
                };
                theirs.push((claim, other));
            }
        }
    }
    if let Some((first, other)) = theirs.first() {
        guarded.answer = held_elsewhere(ctx, &first.place, other.as_ref(), &theirs);
        guarded.claims = theirs.into_iter().map(|(claim, _)| claim).collect();
        return Ok(guarded);
    }
    guarded.leaving = inside::add(ctx, proposal).await;
    for claim in guarded.claims.iter().rev() {
        add(
            proposal,
            &claim.place,
            shown(&claim.place.host, &claim.command),
            "",
        );
    }
    Ok(guarded)
}

/// The same without asking anybody, for a plan: whether the lock stands by then is not known.
pub(super) fn outlined(runbook: &Runbook, step: &Step, mut answer: ProbeAnswer) -> ProbeAnswer {
    if let Verdict::Needed(proposal) = &mut answer.verdict
        && changes_a_host(proposal)
    {
        let places = Place::of_step(runbook, step);
        if places.len() < hosts_changed(step).len() {
            proposal.changes.push(unlocked());
        }
        inside::outline(runbook, step, proposal);
        for place in places.into_iter().rev() {
            let command = take_lock(&place.folder, "‹this run›");
            let command = shown(&place.host, &command);
            add(proposal, &place, command, ", unless it is already");
        }
    }
    answer
}

/// Why nothing is sent while the datastore of the step's VM is another volume than it was: neither its
/// files nor its lock lie there.
async fn other_volume(ctx: &Ctx) -> Result<Option<Fault>, Fault> {
    for at in place::of_vm(&ctx.runbook, &ctx.step) {
        if let Some(fault) = store::changed(ctx, &at).await? {
            return Ok(Some(fault));
        }
    }
    Ok(None)
}

fn changes_a_host(proposal: &Proposal) -> bool {
    let changes = |command: &ShownCommand| command.write && command.host.is_some();
    proposal.commands.iter().any(changes)
}

/// Whether there is a place for the lock: not every login may write to where it begins.
async fn takes_locks(ctx: &Ctx, place: &Place) -> Result<bool, Fault> {
    if !place.is_at_home() {
        return Ok(true);
    }
    let command = is_writable(".");
    let doing = "looking whether its login can write to its home folder";
    let parse = |output: &Output| Ok(output.status == 0);
    ctx.read(&place.host, Lane::Control, &command, parse, doing)
        .await
}

fn closed(place: &Place) -> String {
    format!(
        "{} is not locked for this run: its login cannot write to its home folder there, so make sure \
         that no other console drives it",
        place.who()
    )
}

fn unlocked() -> String {
    "its host is not locked for this run: the runbook names no datastore there, so make sure that no \
     other console drives it"
        .to_owned()
}

fn add(proposal: &mut Proposal, place: &Place, command: ShownCommand, unless: &str) {
    let change = format!(
        "{} is locked for this run{unless}: no other console can drive it meanwhile",
        place.who()
    );
    proposal.changes.push(change);
    proposal.commands.insert(0, command);
}

/// What is offered while another run holds the VM.
fn held_elsewhere(
    ctx: &Ctx,
    place: &Place,
    owner: Option<&Owner>,
    theirs: &[(Claim, Option<Owner>)],
) -> ProbeAnswer {
    let holder = in_words(owner);
    let there = owner.map_or_else(
        || format!("look into {} on {}", place.folder, place.host),
        |owner| {
            format!(
                "there: lifeboat resume {run}; cleanup, where it is a drill that was left",
                run = owner.run
            )
        },
    );
    let found = format!("{} is held by {holder}", place.who());
    let mut evidence = Vec::new();
    for (claim, other) in theirs {
        evidence.push(format!(
            "{} on {}: {}",
            claim.place.folder,
            claim.place.host,
            in_words(other.as_ref())
        ));
    }
    let word = owner.map_or_else(|| place.name().to_owned(), |owner| owner.run.to_string());
    let proposal = Proposal {
        changes: vec![
            format!("{found}: nothing was sent, and nothing is while that run goes on"),
            format!("the way on is that run ({there}); or leave this step until it has ended"),
            format!(
                "only if that console is gone for good: its lock is broken, this run takes {} over, and \
                 that one is held back from it",
                place.name()
            ),
        ],
        commands: theirs
            .iter()
            .map(|(claim, _)| shown(&claim.place.host, &claim.command))
            .collect(),
        then: format!("{} holds it; the step is looked at anew", ctx.run),
        risk: Some(Risk::Typed),
        typed: Some(word),
        attest: Some(AttestRequest {
            vm: place.vm.clone(),
            statement: format!("nobody drives {} from {holder} any more", place.name()),
            evidence,
        }),
        ..Proposal::default()
    };
    needed(found, proposal)
}

/// Makes sure that the run holds what a step is about before a step is taken back.
///
/// # Errors
/// Another run holds it, it could not be locked, or the link was lost.
pub(super) async fn hold(ctx: &Ctx) -> Result<(), ActError> {
    if let Some(fault) = other_volume(ctx).await? {
        return Err(fault.into());
    }
    let owner = Owner::this(ctx).line();
    for place in Place::of_step(&ctx.runbook, &ctx.step) {
        let claim = match look(ctx, &place).await? {
            Standing::Ours(lock) if !may_be_released(&ctx.state, &lock) => continue,
            Standing::Free => Claim::new(place, &owner),
            Standing::Ours(lock) | Standing::Unnamed(lock) => Claim::over(&lock, place, &owner),
            Standing::Theirs(_, other) => return Err(refused(&place, &in_words(other.as_ref()))),
        };
        if claim.take(ctx).await? != LockTaken::Done {
            return Err(refused(&claim.place, "a run that was faster just now"));
        }
    }
    Ok(())
}

fn refused(place: &Place, holder: &str) -> ActError {
    ActError::Held {
        fault: Box::new(Fault::new(
            format!("{} is held by {holder}", place.who()),
            format!("{} on {}", place.folder, place.host),
            "nothing was sent",
            "end that run (resume it, roll it back, clean it up); or retry the step here, which shows how to break its lock",
        )),
        remedies: vec![
            "retry: shows who holds it, and takes a reason for breaking that".to_owned(),
        ],
    }
}

//! The run's lock on a VM, so that no second console, on whatever machine, drives the same VM; and on
//! a host that the runbook's own commands change without being about a VM.
//!
//! A VM's lies beside its folder, on the recovery datastore and in a failback also at home; a host's
//! in the home folder of its login, or on a datastore. It is taken with the first commands that
//! change anything: every proposal passes through [`guard`] before it is shown and before it is done,
//! so that the step card shows the lock's command among the others and nothing is sent while another
//! run holds what it is about. Where a host has no place for it, the card says so. The run's end gives
//! its locks back ([`close`]), once no lost command can take them any more. Another run's lock is broken only by a person who types that run's id
//! and a reason; from then on the other run finds itself held, for it looks too.
//!
//! Whether a lock is this run's own is read from the lock, which names the run and a mark made of
//! its first journal line: a console whose link died under its own lock command finds it so.

use std::time::Duration;

use crate::engine::{
    AttestRequest, Fact, Op, ProbeAnswer, Proposal, RunState, ShownCommand, Verdict,
};
use crate::error::Fault;
use crate::host::{HostCommand, Lane, Output};
use crate::hypervisor::shell::{
    LockTaken, StandingLock, break_lock, is_writable, read_lock, release_lock, take_lock,
};
use crate::names::{HostName, OpId, StepId, VmName};
use crate::plan::{Risk, Step};
use crate::runbook::model::Runbook;

use super::answer::{needed, shown};
use super::context::Ctx;
use super::link::ActError;
use super::stop_lost::stop_lost;
use super::waiting::Pauses;
use super::words::span;
use owner::Owner;
pub use place::lock_folder;
use place::{Place, hosts_changed};

mod owner;
mod place;

/// How long the end of a run tries to give a lock back.
const PATIENCE: Duration = Duration::from_secs(20);
/// Looks at a lock without a name before it is believed: its owner may be about to write it.
const LOOKS: u32 = 3;
/// Between those looks.
const MOMENT: Duration = Duration::from_millis(300);

/// What a lock says of its owner, for people.
#[must_use]
pub fn holder(owner: &str) -> String {
    in_words(Owner::read(owner).as_ref())
}

/// Who holds what a lock keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// Nobody.
    Free,
    /// This run.
    Ours(StandingLock),
    /// This run, whose command was cut off before it could write its name, or after it took it away.
    Unnamed(StandingLock),
    /// Another run; `None` where the lock does not say which.
    Theirs(StandingLock, Option<Owner>),
}

async fn look(ctx: &Ctx, place: &Place) -> Result<Standing, Fault> {
    let doing = format!("looking whether another run holds {}", place.name());
    let command = read_lock(&place.folder);
    let mut looks = 1;
    loop {
        let found = ctx
            .read(
                &place.host,
                Lane::Control,
                &command,
                StandingLock::parse,
                &doing,
            )
            .await?;
        let Some(lock) = found else {
            return Ok(Standing::Free);
        };
        if lock.owner.trim().is_empty() && looks < LOOKS {
            looks += 1;
            tokio::time::sleep(MOMENT).await;
            continue;
        }
        return Ok(match Owner::read(&lock.owner) {
            Some(owner) if owner.is_this(ctx) => Standing::Ours(lock),
            None if lock.owner.trim().is_empty() && announced(&ctx.state, place) => {
                Standing::Unnamed(lock)
            }
            owner => Standing::Theirs(lock, owner),
        });
    }
}

/// Whether a command of the run's end may still take this lock away: it was lost, and a step goes on
/// after all. Such a command knows the lock by its owner's line, so taking it anew, for this step,
/// puts it out of reach.
fn may_be_released(state: &RunState, lock: &StandingLock) -> bool {
    state.unsettled_ops().any(|(_, op)| {
        let words = shell_words::split(&op.command).unwrap_or_default();
        op.step == StepId::default() && words.contains(&lock.owner)
    })
}

/// Whether this run has ever announced a command about that lock.
fn announced(state: &RunState, place: &Place) -> bool {
    state.ops.values().any(|op| place.is_meant_by(op))
}

/// A lock that has to be taken before the step acts.
struct Claim {
    place: Place,
    command: HostCommand,
    /// Whose lock is broken by it, in words.
    holder: Option<String>,
}

/// A verb's answer with the locks that it needs.
pub(super) struct Guarded {
    /// As it is shown and confirmed.
    pub answer: ProbeAnswer,
    claims: Vec<Claim>,
    /// Locks that the run holds, and its journal may not know of.
    ours: Vec<Place>,
}

/// What became of the locks that a step needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// The run holds it: act.
    Held,
    /// Things are no longer as they were shown: look again.
    Moved,
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
    };
    let Verdict::Needed(proposal) = &mut guarded.answer.verdict else {
        return Ok(guarded);
    };
    if !changes_a_host(proposal) {
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
            Standing::Ours(lock) if may_be_released(&ctx.state, &lock) => {
                guarded.claims.push(Claim {
                    command: break_lock(&lock, &owner),
                    place,
                    holder: None,
                });
            }
            Standing::Ours(_) => guarded.ours.push(place),
            Standing::Free if !takes_locks(ctx, &place).await? => {
                proposal.changes.push(closed(&place));
            }
            Standing::Free => guarded.claims.push(Claim {
                command: take_lock(&place.folder, &owner),
                place,
                holder: None,
            }),
            Standing::Unnamed(lock) => guarded.claims.push(Claim {
                command: break_lock(&lock, &owner),
                place,
                holder: None,
            }),
            Standing::Theirs(lock, other) => {
                let claim = Claim {
                    command: break_lock(&lock, &owner),
                    holder: Some(in_words(other.as_ref())),
                    place,
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
        for place in places.into_iter().rev() {
            let command = take_lock(&place.folder, "‹this run›");
            let command = shown(&place.host, &command);
            add(proposal, &place, command, ", unless it is already");
        }
    }
    answer
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

fn in_words(owner: Option<&Owner>) -> String {
    owner.map_or_else(
        || "a run that its lock does not name".to_owned(),
        Owner::to_string,
    )
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

impl Guarded {
    /// Takes the locks, as they were shown.
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
        Ok(outcome)
    }
}

/// Keeps that the run holds a lock, or is about to, so that its end gives it back.
async fn want(ctx: &Ctx, place: &Place) -> Result<(), ActError> {
    let is = |fact: &Fact| place.is_of(fact);
    let mut standing = ctx.state.locks().into_iter();
    if standing.any(is) || ctx.link.kept().iter().any(is) {
        return Ok(());
    }
    let wanted = Fact::LockWanted {
        vm: place.vm.clone(),
        host: place.host.clone(),
        path: place.folder.clone(),
    };
    ctx.link.fact(wanted).await
}

impl Claim {
    async fn take(&self, ctx: &Ctx) -> Result<LockTaken, ActError> {
        let Place { vm, host, folder } = self.place.clone();
        let (path, doing) = (folder, format!("locking {}", self.place.name()));
        want(ctx, &self.place).await?;
        if let (Some(holder), Some(given)) = (&self.holder, &ctx.confirmation) {
            let broken = Fact::LockBroken {
                vm,
                host: host.clone(),
                path,
                holder: holder.clone(),
                by: given.by.clone(),
                reason: given.attest.clone().unwrap_or_default(),
            };
            ctx.link.fact(broken).await?;
        }
        let output = ctx.write(&host, Lane::Control, &self.command).await?;
        Ok(taken(&output, &doing, &host)?)
    }
}

/// What became of the lock. A command that says that it failed has changed nothing; of one that was
/// cut off that is not known.
fn taken(output: &Output, doing: &str, host: &HostName) -> Result<LockTaken, Fault> {
    LockTaken::parse(output).map_err(|fault| {
        let state = match output.status {
            1 => "nothing was changed: without that lock nothing is sent".to_owned(),
            status => format!("the command ended with status {status}"),
        };
        fault.fault(doing, host.as_str(), state)
    })
}

/// Makes sure that the run holds what a step is about before a step is taken back.
///
/// # Errors
/// Another run holds it, it could not be locked, or the link was lost.
pub(super) async fn hold(ctx: &Ctx) -> Result<(), ActError> {
    let owner = Owner::this(ctx).line();
    for place in Place::of_step(&ctx.runbook, &ctx.step) {
        let command = match look(ctx, &place).await? {
            Standing::Ours(lock) if may_be_released(&ctx.state, &lock) => break_lock(&lock, &owner),
            Standing::Ours(_) => continue,
            Standing::Free => take_lock(&place.folder, &owner),
            Standing::Unnamed(lock) => break_lock(&lock, &owner),
            Standing::Theirs(_, other) => return Err(refused(&place, &in_words(other.as_ref()))),
        };
        let claim = Claim {
            command,
            place,
            holder: None,
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

/// Gives back every lock of the run. What cannot be given back now stays recorded as held.
pub async fn close(ctx: &Ctx) {
    for fact in ctx.state.locks() {
        let Fact::LockWanted { vm, host, path } = fact else {
            continue;
        };
        let place = Place {
            vm: vm.clone(),
            host: host.clone(),
            folder: path.clone(),
        };
        // Another run, or a person, may have started it since: one look tells.
        let off = off(&ctx.runbook, &ctx.state, &place.host);
        let patience = off.map_or(PATIENCE, |_| Duration::ZERO);
        match give_back(ctx, &place, patience).await {
            Ok(how) => {
                let released = Fact::LockReleased {
                    vm: place.vm,
                    host: place.host,
                    path: place.folder,
                    how,
                };
                if ctx.link.fact(released).await.is_err() {
                    return;
                }
            }
            Err(ActError::Failed(fault)) => {
                if let Some(vm) = off {
                    ctx.doing(format!(
                        "the lock on {host} stays, for it lies in {vm}, which this run stopped: {fault}",
                        host = place.host
                    ));
                }
                tracing::warn!(%fault, lock = %place.folder, "a lock could not be given back");
            }
            Err(ActError::Held { .. } | ActError::Lost | ActError::Stale) => return,
        }
    }
}

/// The VM whose operating system a host is, where the run stopped it there and has not started it
/// since: as far as the run knows, nobody answers.
fn off<'a>(runbook: &'a Runbook, state: &RunState, host: &HostName) -> Option<&'a VmName> {
    let vm = runbook.hosts.get(host)?.guest.as_ref()?;
    let place = runbook.vms.get(vm)?.place(runbook.role_of(host)?)?;
    let mut told = state.facts_of(|fact| match fact {
        Fact::PoweredOn { vm: of, host } if of == vm && *host == place.host => Some(false),
        Fact::Stopped { vm: of, host, .. } if of == vm && *host == place.host => Some(true),
        _ => None,
    });
    told.next()?.then_some(vm)
}

/// Commands of steps that were lost and may take this lock yet: a person settled such a step by
/// hand, or left it out, without their end being known.
fn may_be_taken(state: &RunState, place: &Place) -> Vec<OpId> {
    let takes = |op: &Op| op.step != StepId::default() && place.is_meant_by(op);
    let open = state.unsettled_ops().filter(|(_, op)| takes(op));
    open.map(|(id, _)| *id).collect()
}

/// Stops what may take the lock yet, looks, removes what is this run's own, and looks again. The
/// removal can do no harm late or twice: it removes nothing but a lock with this run's own name on
/// it.
async fn give_back(ctx: &Ctx, place: &Place, patience: Duration) -> Result<String, ActError> {
    let mut pauses = Pauses::within(patience);
    let (mut sent, mut told) = (false, patience.is_zero());
    let mut lost = may_be_taken(&ctx.state, place);
    loop {
        let trouble = match look_at_last(ctx, place, &mut lost).await {
            Ok(Standing::Free) if sent => return Ok("was removed".to_owned()),
            Ok(Standing::Free) => return Ok("was not there".to_owned()),
            Ok(Standing::Theirs(_, other)) => {
                return Ok(format!("is that of {} by now", in_words(other.as_ref())));
            }
            Ok(Standing::Ours(lock) | Standing::Unnamed(lock)) => {
                let command = release_lock(&lock, &place.folder);
                match ctx.write(&place.host, Lane::Control, &command).await {
                    Ok(output) if output.status == 0 => {
                        sent = true;
                        continue;
                    }
                    Ok(output) => Fault::new(
                        format!("the lock on {} could not be removed", place.who()),
                        place.folder.as_str(),
                        output.error_text().trim(),
                        "look at that folder on the host",
                    ),
                    Err(ActError::Lost) => {
                        sent = true;
                        Fault::default()
                    }
                    Err(ActError::Failed(fault)) => fault,
                    Err(other) => return Err(other),
                }
            }
            Err(fault) => fault,
        };
        if !told {
            ctx.doing(format!(
                "giving back the lock on {}, for up to {}: {trouble}",
                place.who(),
                span(patience)
            ));
            told = true;
        }
        if !pauses.pause().await {
            return Err(ActError::Failed(trouble));
        }
    }
}

/// How the lock stands once nothing of this run can take it any more.
async fn look_at_last(ctx: &Ctx, place: &Place, lost: &mut Vec<OpId>) -> Result<Standing, Fault> {
    while let Some(op) = lost.last() {
        stop_lost(ctx, *op).await?;
        lost.pop();
    }
    look(ctx, place).await
}

#[cfg(test)]
mod tests;

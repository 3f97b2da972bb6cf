//! Locks that lie in the operating system of a VM that a step stops: they are given back before, for
//! nobody answers there afterwards.

use std::time::Duration;

use crate::actions::answer::shown;
use crate::actions::context::Ctx;
use crate::actions::link::ActError;
use crate::engine::Proposal;
use crate::hypervisor::esxi::commands::stops_vm;
use crate::hypervisor::shell::{StandingLock, release_lock};
use crate::names::{HostName, VmName};
use crate::plan::{ActionSpec, Step};
use crate::runbook::model::{Runbook, SiteRole};

use super::giving_back::hand_back;
use super::place::Place;
use super::standing::{Standing, look};

/// Adds what gives them back to a step that stops their VM, and gives those that answered.
pub(super) async fn add(ctx: &Ctx, proposal: &mut Proposal) -> Vec<Place> {
    let mut leaving = Vec::new();
    let places = places(&ctx.runbook, &ctx.step, proposal).into_iter();
    for place in places.filter(|place| has(ctx, place)) {
        match look(ctx, &place).await {
            Ok(Standing::Ours(lock) | Standing::Unnamed(lock)) => {
                announce(proposal, &place, &lock, "");
                leaving.push(place);
            }
            Ok(Standing::Free | Standing::Theirs(..)) => leaving.push(place),
            Err(fault) => proposal.changes.push(format!(
                "the lock on {}, which lies in it, stays: {}",
                place.who(),
                fault.what
            )),
        }
    }
    leaving
}

/// Whether the run took a lock there.
fn has(ctx: &Ctx, place: &Place) -> bool {
    ctx.state.locks().iter().any(|fact| place.is_of(fact))
}

/// Gives back what the run has in a VM that is stopped without being shown first, on this host.
///
/// # Errors
/// As [`give_back`].
pub(in crate::actions) async fn leave(
    ctx: &Ctx,
    host: &HostName,
    vm: &VmName,
) -> Result<(), ActError> {
    let sites: Vec<SiteRole> = ctx.runbook.role_of(host).into_iter().collect();
    let held = in_guest(&ctx.runbook, vm, &sites).filter(|place| has(ctx, place));
    let held: Vec<Place> = held.collect();
    give_back(ctx, &held).await
}

/// The same without asking anybody: which locks the run has by then is not known.
pub(super) fn outline(runbook: &Runbook, step: &Step, proposal: &mut Proposal) {
    for place in places(runbook, step, proposal) {
        let lock = StandingLock {
            folder: place.folder.clone(),
            owner: "‹this run›".to_owned(),
        };
        announce(proposal, &place, &lock, ", where the run has it");
    }
}

/// Gives them back. One that its host refuses, or that cannot be asked for, keeps no VM running. One whose
/// removal was lost does: a step that is in doubt keeps no facts, and so cannot stop a VM, before that
/// command is known to be over. Where the guest has frozen meanwhile nobody can tell until its VM is off, and a
/// person is asked.
///
/// # Errors
/// A removal was lost, or the run no longer waits for this action.
pub(super) async fn give_back(ctx: &Ctx, leaving: &[Place]) -> Result<(), ActError> {
    for place in leaving {
        match hand_back(ctx, place, Duration::ZERO).await {
            Err(ActError::Failed(fault)) => {
                ctx.doing(format!("the lock on {} stays: {fault}", place.who()));
            }
            other => other?,
        }
    }
    Ok(())
}

fn announce(proposal: &mut Proposal, place: &Place, lock: &StandingLock, if_any: &str) {
    proposal.changes.push(format!(
        "the lock on {}, which lies in it, is given back first{if_any}",
        place.who()
    ));
    let command = release_lock(lock, &place.folder);
    proposal.commands.insert(0, shown(&place.host, &command));
}

/// Where locks lie in the VMs that a step is about, at the site at which they are stopped.
fn places(runbook: &Runbook, step: &Step, proposal: &Proposal) -> Vec<Place> {
    let stops = proposal
        .commands
        .iter()
        .filter(|shown| stops_vm(&shown.line));
    let sites: Vec<_> = stops
        .filter_map(|shown| runbook.role_of(shown.host.as_ref()?))
        .collect();
    let vms = vms_of(step).iter();
    vms.flat_map(|vm| in_guest(runbook, vm, &sites)).collect()
}

/// Its own, or those that make room: the locks in all of these are given back with the first of them that
/// is stopped, and the next command in one that runs on takes its lock anew.
fn vms_of(step: &Step) -> &[VmName] {
    match &step.action {
        ActionSpec::FreeCapacity { vms } => vms,
        _ => step.subject.vm().map_or(&[], std::slice::from_ref),
    }
}

/// Where locks lie in a VM at these sites.
fn in_guest<'a>(
    runbook: &'a Runbook,
    vm: &'a VmName,
    sites: &'a [SiteRole],
) -> impl Iterator<Item = Place> + 'a {
    let inside = runbook.hosts.iter().filter(move |(name, host)| {
        let role = runbook.role_of(name);
        host.guest.as_ref() == Some(vm) && role.is_some_and(|role| sites.contains(&role))
    });
    inside.filter_map(|(name, _)| Place::of_host(runbook, name))
}

//! Giving a run's locks back at its end.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::actions::context::Ctx;
use crate::actions::link::ActError;
use crate::actions::stop_lost::stop_lost;
use crate::actions::waiting::Pauses;
use crate::actions::words::span;
use crate::engine::{Fact, Op, RunState};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::shell::{StandingLock, release_lock};
use crate::names::{HostName, OpId, StepId, VmName};
use crate::runbook::model::Runbook;

use super::place::Place;
use super::standing::{Standing, in_words, look};

/// How long the end of a run tries to give a lock back.
const PATIENCE: Duration = Duration::from_secs(20);

/// Gives back every lock of the run. What cannot be given back now stays recorded as held; a host that
/// does not answer is not tried again for another lock.
pub async fn close(ctx: &Ctx) {
    let mut silent = BTreeSet::new();
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
        if silent.contains(&place.host) {
            let why = format!("{} did not answer for another lock either", place.host);
            ctx.doing(stays(&place, off, &why));
            continue;
        }
        let (why, is_silent) = match hand_back(ctx, &place, patience).await {
            Ok(()) => continue,
            Err(ActError::Failed(fault)) => (fault.to_string(), fault.passing),
            Err(ActError::Lost) => ("its removal was lost, and may come yet".to_owned(), true),
            Err(ActError::Held { .. } | ActError::Stale) => return,
        };
        ctx.doing(stays(&place, off, &why));
        tracing::warn!(why, lock = %place.folder, "a lock could not be given back");
        if is_silent {
            silent.insert(place.host);
        }
    }
}

/// Gives one lock back, and keeps how that went.
pub(super) async fn hand_back(
    ctx: &Ctx,
    place: &Place,
    patience: Duration,
) -> Result<(), ActError> {
    let how = give_back(ctx, place, patience).await?;
    let released = Fact::LockReleased {
        vm: place.vm.clone(),
        host: place.host.clone(),
        path: place.folder.clone(),
        how,
    };
    ctx.link.fact(released).await
}

fn stays(place: &Place, off: Option<&VmName>, why: &str) -> String {
    let lies = off.map(|vm| format!(", for it lies in {vm}, which this run stopped"));
    let (who, lies) = (place.who(), lies.unwrap_or_default());
    format!("the lock on {who} stays{lies}: {why}")
}

/// The VM whose operating system a host is, where the run stopped it there and has not started it
/// since: as far as the run knows, nobody answers.
pub(super) fn off<'a>(
    runbook: &'a Runbook,
    state: &RunState,
    host: &HostName,
) -> Option<&'a VmName> {
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
///
/// # Errors
/// It is not known to be gone when the patience ends: [`ActError::Lost`] where its removal may come yet.
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
                let removed = remove(ctx, place, &lock).await;
                sent |= matches!(removed, Ok(()) | Err(ActError::Lost));
                match removed {
                    Ok(()) => continue,
                    Err(error) => error,
                }
            }
            Err(fault) => ActError::Failed(fault),
        };
        if !matches!(trouble, ActError::Failed(_) | ActError::Lost) {
            return Err(trouble);
        }
        if !told {
            ctx.doing(format!(
                "giving back the lock on {}, for up to {}: {trouble}",
                place.who(),
                span(patience)
            ));
            told = true;
        }
        if !pauses.pause().await {
            return Err(trouble);
        }
    }
}

/// Sends the removal of a lock.
///
/// # Errors
/// Its host refused it, or the write was lost.
async fn remove(ctx: &Ctx, place: &Place, lock: &StandingLock) -> Result<(), ActError> {
    let command = release_lock(lock, &place.folder);
    let output = ctx.write(&place.host, Lane::Control, &command).await?;
    if output.status == 0 {
        return Ok(());
    }
    Err(ActError::Failed(Fault::new(
        format!("the lock on {} could not be removed", place.who()),
        place.folder.as_str(),
        output.error_text().trim(),
        "look at that folder on the host",
    )))
}

/// How the lock stands once nothing of this run can take it any more.
async fn look_at_last(ctx: &Ctx, place: &Place, lost: &mut Vec<OpId>) -> Result<Standing, Fault> {
    while let Some(op) = lost.last() {
        stop_lost(ctx, *op).await?;
        lost.pop();
    }
    look(ctx, place).await
}

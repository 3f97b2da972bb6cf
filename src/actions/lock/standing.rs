//! Whose a lock is.

use std::time::Duration;

use crate::actions::context::Ctx;
use crate::engine::{Op, OpStatus, RunState};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::shell::{StandingLock, read_lock};
use crate::names::StepId;

use super::owner::Owner;
use super::place::Place;

/// Looks at a lock without a name before it is believed: its owner may be about to write it.
const LOOKS: u32 = 3;

/// Between those looks.
const MOMENT: Duration = Duration::from_millis(300);

/// Who holds what a lock keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody.
    Free,
    /// This run.
    Ours(StandingLock),
    /// This run, whose command was cut off before it could write its name, or after it took it away.
    Unnamed(StandingLock),
    /// Another run; `None` where the lock does not say which.
    Theirs(StandingLock, Option<Owner>),
}

pub(super) async fn look(ctx: &Ctx, place: &Place) -> Result<Standing, Fault> {
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
            None if lock.owner.trim().is_empty() && was_cut_off(&ctx.state, place) => {
                Standing::Unnamed(lock)
            }
            owner => Standing::Theirs(lock, owner),
        });
    }
}

/// Whether a command of the run's end may still take this lock away: it was lost, and a step goes on
/// after all. Such a command knows the lock by its owner's line, so taking it anew, for this step,
/// puts it out of reach.
pub(super) fn may_be_released(state: &RunState, lock: &StandingLock) -> bool {
    state.unsettled_ops().any(|(_, op)| {
        let words = shell_words::split(&op.command).unwrap_or_default();
        op.step == StepId::default() && words.contains(&lock.owner)
    })
}

/// Whether the end of this run's newest command about that lock is not known, or it took the name away
/// and not the lock. After one that ended, a lock without a name is another run's that is being made.
fn was_cut_off(state: &RunState, place: &Place) -> bool {
    let meant = |op: &&Op| place.is_meant_by(op) && op.may_have_acted();
    state
        .ops
        .values()
        .rev()
        .find(meant)
        .is_some_and(|op| !matches!(op.status, OpStatus::Finished { exit: 0 | 1, .. }))
}

pub(super) fn in_words(owner: Option<&Owner>) -> String {
    owner.map_or_else(
        || "a run that its lock does not name".to_owned(),
        Owner::to_string,
    )
}

//! Taking a lock that is free, this run's own without its name, or to be broken.

use crate::actions::context::Ctx;
use crate::actions::link::ActError;
use crate::engine::Fact;
use crate::error::Fault;
use crate::host::{HostCommand, Lane, Output};
use crate::hypervisor::shell::{LockTaken, StandingLock, break_lock, take_lock};
use crate::names::HostName;

use super::place::Place;

/// A lock that has to be taken before the step acts.
pub(super) struct Claim {
    pub(super) place: Place,
    pub(super) command: HostCommand,
    /// Whose lock is broken by it, in words.
    pub(super) holder: Option<String>,
}

impl Claim {
    /// On a place where no lock is.
    pub(super) fn new(place: Place, owner: &str) -> Self {
        Self {
            command: take_lock(&place.folder, owner),
            place,
            holder: None,
        }
    }

    /// On a place where this lock is: it is broken, and taken anew.
    pub(super) fn over(lock: &StandingLock, place: Place, owner: &str) -> Self {
        Self {
            command: break_lock(lock, owner),
            place,
            holder: None,
        }
    }

    /// Keeps that the run wants the lock, and takes it.
    pub(super) async fn take(&self, ctx: &Ctx) -> Result<LockTaken, ActError> {
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

/// Keeps that the run holds a lock, or is about to, so that its end gives it back.
pub(super) async fn want(ctx: &Ctx, place: &Place) -> Result<(), ActError> {
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

/// What became of the lock. A command that says that it failed has changed nothing; of one that was
/// cut off that is not known.
pub(super) fn taken(output: &Output, doing: &str, host: &HostName) -> Result<LockTaken, Fault> {
    LockTaken::parse(output).map_err(|fault| {
        let state = match output.status {
            1 => "nothing was changed: without that lock nothing is sent".to_owned(),
            status => format!("the command ended with status {status}"),
        };
        fault.fault(doing, host.as_str(), state)
    })
}

//! On what the start of a VM rests, and its being taken again (promise 3): whatever is sent for it,
//! an answer to one of its questions included, rests on nothing that is older than a minute.

use jiff::Timestamp;

use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::Vmid;
use crate::runbook::model::{Isolation, SiteRole};

use super::context::Ctx;
use super::isolation::{self, Ground};
use super::link::ActError;
use super::ownership::{Ownership, is_stale};
use super::place::VmAt;
use super::registered::vmid_of;
use super::sighting;

/// On what a start rests.
#[derive(Clone, Debug)]
pub(super) enum Evidence {
    /// It runs nowhere else.
    Alone {
        /// The site that was asked.
        other: SiteRole,
        /// What it said.
        seen: Ownership,
    },
    /// Nothing of it leaves the drill.
    Apart {
        /// The drill's network.
        isolation: Isolation,
        /// What its host has of that.
        seen: Ground,
    },
}

impl Evidence {
    /// When it was taken.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Alone { seen, .. } => seen.at,
            Self::Apart { seen, .. } => seen.at,
        }
    }

    /// Takes it again where it is too old to send anything on, and keeps what was seen. `vmx` is the
    /// VM's file as an inventory names it; its start may be under way.
    ///
    /// # Errors
    /// It does not allow the start any more, or could not be taken.
    pub async fn renew(&mut self, ctx: &Ctx, at: &VmAt, vmx: &str) -> Result<(), ActError> {
        if !is_stale(ctx.clock.now(), self.at()) {
            return Ok(());
        }
        ctx.doing(format!("looking again at what {} may start on", at.vm));
        let ctx = ctx.beside(&at.host);
        match self {
            Self::Alone { other, seen } => {
                *seen = alone(&ctx, at, *other, None).await?;
                sighting::keep_evidence(&ctx, seen).await
            }
            Self::Apart { isolation, seen } => {
                let vmid = vmid_of(&ctx, &at.host, Lane::Control, vmx).await?;
                *seen = apart(&ctx, isolation, at, vmid).await?;
                Ok(())
            }
        }
    }
}

/// What the hosts of the other site say of a VM whose start is under way at this one: taken again
/// where it is old, and enough to let it go on.
///
/// Only they can tell. The guest's address may be answered by this very copy, and the locks on its
/// files are this one's.
///
/// # Errors
/// It runs there, or nobody vouched for the hosts there that do not answer.
pub(super) async fn alone(
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

/// Looks at the isolation of a drill's VM, and keeps what was seen.
///
/// # Errors
/// It is none, or the host could not be asked.
pub(super) async fn apart(
    ctx: &Ctx,
    isolation: &Isolation,
    at: &VmAt,
    vmid: Vmid,
) -> Result<Ground, ActError> {
    let ground = isolation::look_at_vm(ctx, isolation, at, vmid).await?;
    if let Some(fault) = ground.broken(at.vm.as_str(), &at.host) {
        return Err(ActError::Held {
            fault: Box::new(fault),
            remedies: Vec::new(),
        });
    }
    let groups = isolation::groups_of(&ctx.runbook, isolation, &at.vm);
    isolation::keep(ctx, isolation, at, &groups, &ground).await?;
    Ok(ground)
}

/// Why a start does not go on where a host of the other site runs the VM, or holds its files there.
pub(super) fn runs_twice(at: &VmAt, other: &Ownership) -> Option<Fault> {
    let running = other.running().next();
    let runs = running.is_some();
    let running = running.map(|(host, copy)| format!("it runs on {host} too ({})", copy.vmx));
    let held = || {
        Some(format!(
            "it may run in {} too: {}",
            other.site,
            other.locked_there()?
        ))
    };
    let why = running.or_else(held)?;
    let past = other.way_past_lock().filter(|_| !runs);
    let past = past.map_or_else(String::new, |past| format!("{past}. Or "));
    Some(Fault::new(
        format!("the start of {} does not go on: {why}", at.vm),
        at.host.as_str(),
        format!("{} was started before; nothing more was sent", at.who()),
        format!(
            "{past}stop one of the two at its host's own console (to stop this one, answer its question with \
             cancel there, or power it off); its fence step looks again once the watch has seen it (retry \
             that step where it was skipped or done by hand); then retry"
        ),
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

/// Whether a host did not answer in full, or there is none to ask, and nobody vouched for that.
pub(super) fn is_open(other: &Ownership) -> bool {
    !other.all_answered() && other.attested.is_none()
}

#[cfg(test)]
mod tests;

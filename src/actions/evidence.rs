//! On what the start of a VM rests, and its being taken again (promise 3): whatever is sent for it,
//! an answer to one of its questions included, rests on nothing that is older than a minute.

use jiff::Timestamp;

use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::Vmid;
use crate::names::StepId;
use crate::plan;
use crate::runbook::model::{Isolation, Runbook, SiteRole, Verb};

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
    let twice = runs_twice(at, &other, has_fence(&ctx.runbook, &ctx.step.id));
    match twice.or_else(|| unvouched(at, &other)) {
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

/// Whether the part of the run that this step is of has steps that fence a VM.
pub(super) fn has_fence(runbook: &Runbook, step: &StepId) -> bool {
    plan::has_verb(runbook, step, |verb| matches!(verb, Verb::Fence { .. }))
}

/// Why a start does not go on where a host of the other site runs the VM, or holds its files there.
pub(super) fn runs_twice(at: &VmAt, other: &Ownership, has_fence: bool) -> Option<Fault> {
    let copy = other.running().next();
    let running =
        copy.map(|(host, copy)| format!("it runs on {host} too ({}; {})", copy.listed(), copy.vmx));
    let held = || {
        Some(format!(
            "it may run in {} too: {}",
            other.site,
            other.locked_there()?
        ))
    };
    let why = running.or_else(held)?;
    let stop_this = format!(
        "stop this one on {} (answer its question with cancel there, or power it off), and skip this step",
        at.host
    );
    let fenced = match has_fence {
        true => {
            " (its fence step looks again once the watch has seen it; retry that step where it was skipped or done \
             by hand)"
        }
        false => "",
    };
    let next = match copy {
        Some((host, copy)) => format!(
            "decide which copy lives: if it is this one, shut down the one on {host} ({}){fenced}, then retry; if it is \
             that one, {stop_this}",
            copy.shut_down_by()
        ),
        None => {
            let find = || format!("find out in {} who holds its files", other.site);
            let past = other.way_past_lock().unwrap_or_else(find);
            format!("{past}; then retry. Or {stop_this}")
        }
    };
    Some(Fault::new(
        format!("the start of {} does not go on: {why}", at.vm),
        at.host.as_str(),
        format!("{} was started before; nothing more was sent", at.who()),
        next,
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

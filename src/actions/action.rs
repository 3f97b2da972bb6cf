//! The contract that every verb keeps, and the one loop around it: look, decide, act, look again.

use std::future::Future;

use crate::engine::{Performed, ProbeAnswer, Proposal, Verdict};
use crate::error::Fault;
use crate::names::in_commands;
use crate::settings::elsewhere;

use super::context::{Ctx, ONLY_LOOKED};
use super::link::ActError;
use super::lock::{self, Claimed, Guarded};

/// A verb about one step. `decide` is pure: preview, outline, performance and tests all use it, so
/// that what is shown is what is done.
pub(super) trait Action: Sync {
    /// What the verb looks at. What nobody asked yet is a typed hole in it.
    type Observed: Send + Sync;

    /// Nothing is known yet.
    fn unknown(&self) -> Self::Observed;

    /// Asks the hosts. Sends reads only. What it waits for, or takes once more, it has to look at with a
    /// context of its own ([`Ctx::looking`]): within one, a list is asked for once.
    fn observe(&self, ctx: &Ctx) -> impl Future<Output = Result<Self::Observed, Fault>> + Send;

    /// What follows from what was seen.
    fn decide(&self, observed: &Self::Observed) -> ProbeAnswer;

    /// Does what is missing.
    fn act(
        &self,
        ctx: &Ctx,
        observed: &Self::Observed,
    ) -> impl Future<Output = Result<(), ActError>> + Send;

    /// Whether the next thing is a decision of its own, which is shown before more is sent.
    fn has_next(&self, _observed: &Self::Observed) -> bool {
        false
    }

    /// Looks after it acted. What comes and goes by itself is waited for until it is there again.
    fn observe_after(
        &self,
        ctx: &Ctx,
    ) -> impl Future<Output = Result<Self::Observed, Fault>> + Send {
        async { self.observe(&ctx.looking()).await }
    }

    /// Keeps what became known now that the step is seen to be done.
    fn settle(
        &self,
        _ctx: &Ctx,
        _observed: &Self::Observed,
    ) -> impl Future<Output = Result<(), ActError>> + Send {
        async { Ok(()) }
    }

    /// Whether what became known is kept even while a part of the step is not done.
    fn settles_in_part(&self) -> bool {
        false
    }

    /// Takes it back and gives what was seen afterwards.
    fn undo(&self, ctx: &Ctx) -> impl Future<Output = Result<Vec<String>, ActError>> + Send {
        let fault = no_undo(ctx);
        async { Err(ActError::Failed(fault)) }
    }
}

/// Looks and decides.
pub(super) async fn probe<A: Action>(action: &A, ctx: &Ctx) -> Result<ProbeAnswer, Fault> {
    let (observed, guarded) = look(action, ctx).await?;
    if matches!(guarded.answer.verdict, Verdict::AlreadyDone { .. }) || action.settles_in_part() {
        // A fact that cannot be kept now is kept when the step is looked at again.
        let _ = action.settle(ctx, &observed).await;
    }
    Ok(guarded.answer)
}

/// What the verb saw and makes of it, with the locks that this needs.
async fn look<A: Action>(action: &A, ctx: &Ctx) -> Result<(A::Observed, Guarded), Fault> {
    let looking = ctx.looking();
    let observed = action.observe(&looking).await?;
    let guarded = guarded(&looking, action.decide(&observed)).await?;
    Ok((observed, guarded))
}

/// The answer with the locks that it needs, and its commands of ours as they are to be typed.
pub(super) async fn guarded(ctx: &Ctx, answer: ProbeAnswer) -> Result<Guarded, Fault> {
    let mut guarded = lock::guard(ctx, answer).await?;
    let elsewhere = elsewhere(&ctx.run_dir);
    let type_all = |texts: &mut dyn Iterator<Item = &mut String>| {
        texts.for_each(|text| *text = in_commands(text, &elsewhere));
    };
    match &mut guarded.answer.verdict {
        Verdict::AlreadyDone { .. } => {}
        Verdict::Needed(proposal) => type_all(&mut proposal.changes.iter_mut()),
        Verdict::Blocked { fault, remedies } => {
            type_all(&mut std::iter::once(&mut fault.next).chain(remedies));
        }
    }
    Ok(guarded)
}

/// Looks again, acts if things are as confirmed, and looks once more.
pub(super) async fn perform<A: Action>(action: &A, ctx: &Ctx) -> Performed {
    match try_perform(action, ctx).await {
        Ok(performed) => performed,
        Err(error) => ended(error),
    }
}

async fn try_perform<A: Action>(action: &A, ctx: &Ctx) -> Result<Performed, ActError> {
    let (observed, guarded) = look(action, ctx).await?;
    match &guarded.answer.verdict {
        Verdict::Needed(proposal) if is_confirmed(ctx, proposal) => {}
        _ => return not_as_confirmed(action, ctx, observed, guarded).await,
    }
    if guarded.claim(ctx).await? == Claimed::Moved {
        let (observed, guarded) = look(action, ctx).await?;
        return not_as_confirmed(action, ctx, observed, guarded).await;
    }
    let fault = match action.act(ctx, &observed).await {
        Ok(()) => None,
        Err(ActError::Failed(fault)) => Some(with_what_was_sent(fault, &ctx.link.sent())),
        Err(other) => return Err(other),
    };
    verify(action, ctx, fault).await
}

/// A look that failed changed nothing; what was sent before it may have.
fn with_what_was_sent(mut fault: Fault, sent: &[String]) -> Fault {
    if fault.state == ONLY_LOOKED && !sent.is_empty() {
        fault.state = format!("sent by this attempt before that: {}", sent.join("; "));
    }
    fault
}

/// There is nothing left to do, or what there is has to be shown first.
async fn not_as_confirmed<A: Action>(
    action: &A,
    ctx: &Ctx,
    observed: A::Observed,
    guarded: Guarded,
) -> Result<Performed, ActError> {
    match guarded.answer.verdict {
        Verdict::AlreadyDone { evidence } => {
            action.settle(ctx, &observed).await?;
            Ok(Performed::Done { evidence })
        }
        Verdict::Needed(_) | Verdict::Blocked { .. } => {
            Ok(Performed::Changed(Box::new(guarded.answer)))
        }
    }
}

/// Nothing is green before it was seen; and what a host calls a failure may have worked.
async fn verify<A: Action>(
    action: &A,
    ctx: &Ctx,
    fault: Option<Fault>,
) -> Result<Performed, ActError> {
    let looked = match &fault {
        None => action.observe_after(ctx).await,
        Some(_) => action.observe(&ctx.looking()).await,
    };
    let observed = match (looked, &fault) {
        (Ok(observed), _) => observed,
        (Err(_), Some(fault)) => return Ok(Performed::Failed(fault.clone())),
        (Err(mut unseen), None) => {
            unseen.what = format!("it was done, but could not be looked at: {}", unseen.what);
            "what was sent ended without an error".clone_into(&mut unseen.state);
            return Ok(Performed::Failed(unseen));
        }
    };
    let answer = action.decide(&observed);
    let is_done = matches!(answer.verdict, Verdict::AlreadyDone { .. });
    if !is_done && action.settles_in_part() {
        action.settle(ctx, &observed).await?;
    }
    if fault.is_none() && action.has_next(&observed) {
        let guarded = guarded(ctx, answer).await?;
        return Ok(Performed::Changed(Box::new(guarded.answer)));
    }
    if let Verdict::AlreadyDone { mut evidence } = answer.verdict {
        if let Some(fault) = fault {
            evidence.push(format!("although this was reported: {}", fault.what));
        }
        action.settle(ctx, &observed).await?;
        return Ok(Performed::Done { evidence });
    }
    Ok(Performed::Failed(
        fault.unwrap_or_else(|| unseen(ctx, answer)),
    ))
}

/// The commands went through, and yet it is not done.
fn unseen(ctx: &Ctx, answer: ProbeAnswer) -> Fault {
    if let Verdict::Blocked { fault, .. } = answer.verdict {
        return fault;
    }
    let place = ctx
        .step
        .hosts
        .first()
        .map_or(ctx.step.id.as_str(), |host| host.as_str());
    Fault::new(
        format!(
            "{}: every command was accepted, but it is not done",
            ctx.step.title
        ),
        place,
        answer.found,
        "look at the output of the step and at the host's log, then retry",
    )
}

/// Whether a person confirmed exactly these changes by exactly these commands.
pub(super) fn is_confirmed(ctx: &Ctx, proposal: &Proposal) -> bool {
    let step = ctx.state.steps.get(&ctx.step.id);
    let Some(shown) = step.and_then(|step| step.proposal.as_deref()) else {
        return false;
    };
    let Some(confirmation) = &ctx.confirmation else {
        return false;
    };
    let attested =
        |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    // What was shown went through the same cleaning on its way to the journal.
    let proposal = proposal.clone().cleaned(&|text| ctx.hosts.clean(text));
    shown.changes == proposal.changes
        && shown.commands == proposal.commands
        && (proposal.typed.is_none() || proposal.typed == confirmation.typed)
        && (proposal.attest.is_none() || attested(&confirmation.attest))
}

/// Takes the step back.
pub(super) async fn undo<A: Action>(action: &A, ctx: &Ctx) -> Performed {
    let undone = match lock::hold(ctx).await {
        Ok(()) => action.undo(ctx).await,
        Err(error) => Err(error),
    };
    match undone {
        Ok(evidence) => Performed::Undone { evidence },
        Err(error) => ended(error),
    }
}

/// Its verb has no way back.
pub(super) fn no_undo(ctx: &Ctx) -> Fault {
    Fault::new(
        format!("{} cannot be taken back", ctx.step.title),
        ctx.step.id.as_str(),
        "nothing was changed",
        "take it back by hand and add a note",
    )
}

/// How an action that ended early looks to the engine.
pub(super) fn ended(error: ActError) -> Performed {
    match error {
        ActError::Failed(fault) => Performed::Failed(fault),
        ActError::Held { fault, remedies } => Performed::Held {
            fault: *fault,
            remedies,
        },
        ActError::Lost => Performed::Lost,
        // The engine no longer waits for this attempt and ignores what it says.
        ActError::Stale => Performed::Failed(Fault::new(
            "the step was taken back from this attempt",
            "console",
            "no further command was sent",
            "look at the step again",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::tests::world::World;
    use crate::host::Lane;
    use crate::hypervisor::shell;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_look_that_fails_tells_what_was_sent_before_it() {
        let world = World::new().await;
        let step = world.step("sql01/restore");
        let states = world
            .run(&step, None, |ctx| async move {
                let state = || {
                    let looked = Fault::new("reading it failed", "lee-esx1", ONLY_LOOKED, "retry");
                    with_what_was_sent(looked, &ctx.link.sent()).state
                };
                let before = state();
                let command = shell::remove_file("/vmfs/volumes/local1/none");
                let host = "lee-esx1".into();
                ctx.write(&host, Lane::Control, &command).await.unwrap();
                [before, state()]
            })
            .await;
        assert_eq!(states[0], ONLY_LOOKED);
        let sent = "sent by this attempt before that: ";
        assert!(states[1].starts_with(sent), "{states:?}");
        let to = " /vmfs/volumes/local1 on lee-esx1";
        assert!(states[1].ends_with(to), "{states:?}");
        world.end().await;
    }
}

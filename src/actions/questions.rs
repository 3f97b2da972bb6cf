//! A VM's questions while it starts: shown as a decision, answered by the label that was chosen.
//!
//! Only the moved-or-copied question is known, and even that is only suggested an answer. What is
//! not known is asked without any suggestion, and never answered for anybody.

use std::time::Duration;

use crate::engine::{self, ShownCommand};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::question::Question;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::names::HostName;
use crate::runbook::model::Identity;

use super::answer::{Known, shown_for};
use super::context::Ctx;
use super::evidence::Evidence;
use super::link::ActError;
use super::place::VmAt;
use super::power_tasks;
use super::registered::{Entry, entry_of, vmid_of};
use super::waiting::Pauses;
use super::words::span;

/// Pauses between two looks at a starting VM, at most.
const LOOK: Duration = Duration::from_secs(24 * 60 * 60);

/// Which VM is watched.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    at: &'a VmAt,
    /// `[datastore] path`, by which its number is looked up.
    vmx: String,
    /// How long it may take without asking anything.
    patience: Duration,
    /// On what its start rests: an answer starts the VM, too.
    evidence: Option<Evidence>,
}

impl<'a> Watch<'a> {
    /// Watches the VM of a file.
    pub fn new(at: &'a VmAt, vmx: &str, patience: Duration, evidence: Option<Evidence>) -> Self {
        Self {
            at,
            vmx: vmx.to_owned(),
            patience,
            evidence,
        }
    }
}

/// The command that answers a question, before anybody chose.
pub(super) fn shown_answer(at: &VmAt, vmid: Vmid, question: &Question) -> ShownCommand {
    let answer = |vmid| commands::answer(vmid, &question.id, u32::MAX);
    let mut shown = shown_for(&at.host, &at.vm, Known::Is(vmid), answer);
    let number = u32::MAX.to_string();
    shown.line = shown.line.replace(&number, "‹number of your choice›");
    shown
}

/// The question on which a VM waits.
///
/// # Errors
/// The host could not be asked, or asks in a form that is not known.
pub(super) async fn pending(
    ctx: &Ctx,
    host: &HostName,
    lane: Lane,
    vmid: Vmid,
) -> Result<Option<Question>, Fault> {
    ctx.read(
        host,
        lane,
        &commands::question(vmid),
        Question::parse,
        "reading the VM's question",
    )
    .await
}

/// Answers questions while `power.on` blocks the other session. It ends only when the VM took too
/// long without asking anything; its result then says so.
///
/// # Errors
/// An answer could not be given.
pub(super) async fn answer_until(ctx: &Ctx, watch: &mut Watch<'_>) -> Result<String, ActError> {
    let mut silence = Pauses::within(watch.patience);
    let mut looks = Pauses::within(LOOK);
    loop {
        if !looks.pause().await || silence.left().is_zero() {
            return Ok(format!("it did not return within {}", span(watch.patience)));
        }
        if answer_pending(ctx, watch).await? {
            silence = Pauses::within(watch.patience);
        }
    }
}

/// Answers questions of a VM whose start was ordered before, until it is on or took too long.
///
/// # Errors
/// An answer could not be given, or the VM did not come to be on.
pub(super) async fn answer_until_on(ctx: &Ctx, watch: &mut Watch<'_>) -> Result<(), ActError> {
    let host = &watch.at.host;
    let mut pauses = Pauses::within(watch.patience);
    loop {
        if answer_pending(ctx, watch).await? {
            pauses = Pauses::within(watch.patience);
        }
        let entry = entry_of(ctx, host, Lane::Answer, &watch.vmx).await?;
        let Entry { vmid, summary: now } = entry;
        if now.power == PowerState::On && !now.has_question {
            return Ok(());
        }
        if now.power == PowerState::Off
            && pending(ctx, host, Lane::Answer, vmid).await?.is_none()
            // A start that is under way shows as off until its host has made room for the VM.
            && power_tasks::unended(ctx, host, Lane::Answer, vmid, "powerOn").await?.is_empty()
        {
            // The answer was to cancel, or the start failed: the next look says what is so.
            return Ok(());
        }
        if !pauses.pause().await {
            return Err(ActError::Failed(Fault::new(
                format!(
                    "{} did not come to be on within {}",
                    watch.at.vm,
                    span(watch.patience)
                ),
                host.as_str(),
                format!("power state {}", now.power),
                "look at its tasks and its vmware.log, then retry",
            )));
        }
    }
}

/// Shows the question that is open, if one is, and sends the chosen answer. A host that does not
/// answer for a moment asks nothing.
async fn answer_pending(ctx: &Ctx, watch: &mut Watch<'_>) -> Result<bool, ActError> {
    let host = &watch.at.host;
    let Ok(vmid) = vmid_of(ctx, host, Lane::Answer, &watch.vmx).await else {
        return Ok(false);
    };
    let Ok(Some(question)) = pending(ctx, host, Lane::Answer, vmid).await else {
        return Ok(false);
    };
    ctx.doing(format!("{} asks something", watch.at.vm));
    let identity = ctx.runbook.isolation.as_ref();
    let identity = identity.map_or(Identity::Moved, |isolation| isolation.identity);
    let label = ctx
        .link
        .ask(as_shown(watch.at, &question, identity))
        .await?;
    if let Some(evidence) = &mut watch.evidence {
        evidence.renew(ctx, watch.at, &watch.vmx).await?;
    }
    let Some(choice) = question.choice(&label) else {
        return Err(ActError::Failed(Fault::new(
            format!(
                "{label:?} is not one of the answers to the question of {}",
                watch.at.vm
            ),
            host.as_str(),
            "the VM still waits; nothing was answered",
            "retry, and choose one of the labels that are shown",
        )));
    };
    // Somebody may have answered it elsewhere while it was on screen here.
    let vmid = vmid_of(ctx, host, Lane::Answer, &watch.vmx).await?;
    if pending(ctx, host, Lane::Answer, vmid)
        .await?
        .is_none_or(|now| now.id != question.id)
    {
        return Ok(true);
    }
    let command = commands::answer(vmid, &question.id, choice.number);
    let output = ctx.write(host, Lane::Answer, &command).await?;
    check_silent(&output).map_err(|fault| {
        let state = "the VM may still wait";
        ActError::Failed(fault.fault(&format!("answering {}", watch.at.vm), host.as_str(), state))
    })?;
    Ok(true)
}

/// The question as a person sees it.
fn as_shown(at: &VmAt, question: &Question, identity: Identity) -> engine::Question {
    let (fits, why) = match identity {
        Identity::Moved => (
            question.moved(),
            "it is the same machine at another place, and keeps its UUID and its MAC addresses; the other \
             answer makes it a new machine",
        ),
        Identity::Copied => (
            question.copied(),
            "the runbook says that a drill's VM is a copy: it becomes a new machine with a UUID and MAC \
             addresses of its own",
        ),
    };
    let known = fits.filter(|_| question.is_moved_or_copied());
    engine::Question {
        vm: Some(at.vm.clone()),
        host: at.host.clone(),
        id: question.id.clone(),
        text: question.text.clone(),
        choices: question
            .choices
            .iter()
            .map(|choice| choice.label.clone())
            .collect(),
        suggested: known.map(|choice| choice.label.clone()),
        why: known.map(|_| why.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::tests::parts::place;
    use crate::host::Output;

    fn shown(text: &str) -> engine::Question {
        shown_as(text, Identity::Moved)
    }

    fn shown_as(text: &str, identity: Identity) -> engine::Question {
        let at = place(None);
        let output = Output {
            stdout: text.into(),
            ..Output::default()
        };
        as_shown(&at, &Question::parse(&output).unwrap().unwrap(), identity)
    }

    #[test]
    fn moved_is_suggested_by_its_label_wherever_it_stands() {
        let text = "Virtual machine message _vmx1:\nmsg.uuid.altered:This virtual machine might have been moved or copied.\n\n   0. button.uuid.copiedTheVM (I Copied It) [default]\n   1. Cancel (Cancel)\n   2. button.uuid.movedTheVM (I Moved It)\n";
        let copied = shown_as(text, Identity::Copied);
        assert_eq!(copied.suggested.as_deref(), Some("I Copied It"));
        let shown = shown(text);
        assert_eq!(shown.suggested.as_deref(), Some("I Moved It"));
        assert_eq!(shown.choices.len(), 3);
        assert!(shown.why.is_some());
    }

    #[test]
    fn an_unknown_question_has_no_suggestion() {
        let text = "Virtual machine message _vmx2:\nmsg.disk.noBackEnd:The file disk.vmdk is missing.\n\n   0. Retry (Retry) [default]\n   1. Cancel (Cancel)\n";
        let shown = shown(text);
        assert_eq!((shown.suggested, shown.why), (None, None));
    }
}

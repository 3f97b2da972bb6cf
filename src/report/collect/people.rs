//! What people decided, remarked, and put in place of what would have been proven.

use crate::engine::{BY_RULE, Confirmation, Consent, Fact, RunEvent, Status};
use crate::report::Run;
use crate::report::document::{Decision, Note, Override};
use crate::report::prose::{Text, code, plain};
use crate::runbook::model::Challenge;

use super::statements::picked;

/// Who decided what.
pub(super) fn decisions(run: &Run<'_>) -> Vec<Decision> {
    run.entries
        .iter()
        .filter_map(|entry| {
            let asked = entry.step.as_ref().and_then(|id| run.plan.step(id));
            let challenge = asked.and_then(|step| step.challenge.as_ref());
            let (who, what) = decision(&entry.event, challenge)?;
            Some(Decision {
                at: entry.at,
                who,
                what,
                step: entry.step.clone(),
            })
        })
        .collect()
}

fn decision(event: &RunEvent, challenge: Option<&Challenge>) -> Option<(String, Text)> {
    let (who, what) = match event {
        RunEvent::StepConfirmed(confirmation) => {
            (&confirmation.by, confirmed(confirmation, challenge))
        }
        RunEvent::StepDeclined(confirmation) => (&confirmation.by, declined(confirmation)),
        RunEvent::ResponseRefused {
            by,
            second,
            said,
            how,
        } => {
            let said = plain("read the challenge ")
                .then(quoted(challenge))
                .plain(format!("to {second}, whose answer "))
                .quoted(said)
                .plain(" was refused")
                .then(on_behalf(*how));
            (by, said)
        }
        RunEvent::QuestionAnswered { by, label, how } => {
            (by, plain("answered ").quoted(label).then(on_behalf(*how)))
        }
        RunEvent::StepSkipped { by, reason } => (by, plain(format!("skipped: {reason}"))),
        RunEvent::StepByHand { by, evidence } => (by, plain(format!("done by hand: {evidence}"))),
        RunEvent::StepRetried { by } if by != BY_RULE => (by, plain("tried again")),
        RunEvent::UndoStarted { by } => (by, plain("taken back")),
        RunEvent::PaceSet { pace, by } => (by, plain(format!("pace {}", pace.as_str()))),
        RunEvent::RunPaused { by } => (by, plain("paused")),
        RunEvent::RunContinued { by } => (by, plain("continued")),
        RunEvent::RunResumed {
            operator, console, ..
        } => (
            operator,
            plain(format!("took the run up again on {console}")),
        ),
        RunEvent::RunDetached { why } => {
            return Some((String::new(), plain(format!("left: {why}"))));
        }
        RunEvent::HostTrusted {
            host,
            fingerprint,
            by,
        } => (
            by,
            plain("accepted the key ")
                .code(fingerprint)
                .plain(format!(" of {host}")),
        ),
        event => {
            let (who, what) = event.by_people()?;
            return Some((who.to_owned(), plain(what)));
        }
    };
    Some((who.clone(), what))
}

/// What was read aloud, where the plan knows it.
fn quoted(challenge: Option<&Challenge>) -> Text {
    challenge.map_or_else(Text::default, |challenge| {
        Text::default().quoted(&challenge.say).plain(" ")
    })
}

fn confirmed(confirmation: &Confirmation, challenge: Option<&Challenge>) -> Text {
    let mut said = plain("let it go on").then(on_behalf(confirmation.how));
    if let Some(second) = &confirmation.second {
        said = said.plain(format!(", with {second}"));
    }
    if confirmation.response.is_some() {
        said = said
            .plain(" who answered the challenge ")
            .then(quoted(challenge))
            .plain("as agreed");
    }
    if let Some(typed) = &confirmation.typed {
        said = said.plain(", typed ").code(typed);
    }
    if let Some(words) = &confirmation.attest {
        said = said.plain(", attested ").quoted(words);
    }
    said.then(answers(confirmation))
}

/// A no, or an answer that does not hold; why not stands in the failure that follows.
fn declined(confirmation: &Confirmation) -> Text {
    let said = match &confirmation.decline {
        Some(words) => plain("answered no")
            .then(on_behalf(confirmation.how))
            .plain(": ")
            .quoted(words),
        None => plain("answered what does not hold").then(on_behalf(confirmation.how)),
    };
    said.then(answers(confirmation))
}

fn answers(confirmation: &Confirmation) -> Text {
    let said = confirmation.answers.iter();
    said.fold(Text::default(), |text, (key, answer)| {
        text.plain(format!(", {key}: {answer}"))
    })
}

fn on_behalf(how: Consent) -> Text {
    match how {
        Consent::Person => Text::default(),
        Consent::Pace => plain(" by pace"),
        Consent::Yes => plain(" by ").code("--yes"),
        Consent::Answers => plain(" by the answers file"),
        Consent::Agreed => plain(" with the rest"),
    }
}

/// Remarks.
pub(super) fn notes(run: &Run<'_>) -> Vec<Note> {
    run.state
        .notes
        .iter()
        .map(|note| Note {
            at: note.at,
            by: note.by.clone(),
            text: note.text.clone(),
            step: note.step.clone(),
        })
        .collect()
}

/// What people put in place of what a step would have proven, or of what the runbook says.
pub(super) fn overrides(run: &Run<'_>) -> Vec<Override> {
    let mut all = settled(run);
    all.extend(started_over(run));
    for found in &run.state.facts {
        let (by, text) = match &found.fact {
            Fact::LockBroken {
                vm,
                host,
                by,
                reason,
                ..
            } => (
                by.as_str(),
                plain(format!(
                    "broke the lock of another run on {}: ",
                    Fact::locked(vm.as_ref(), host)
                ))
                .quoted(reason),
            ),
            _ => match picked(found) {
                Some(picked) => picked,
                None => continue,
            },
        };
        all.push(Override {
            at: Some(found.at),
            by: by.to_owned(),
            text,
        });
    }
    all.extend(run.entries.iter().filter_map(|entry| {
        let (by, text) = match &entry.event {
            RunEvent::HostTrusted { by, .. } => (by, decision(&entry.event, None)?.1),
            RunEvent::RunbookCorrected {
                by, reason, sha256, ..
            } => (
                by,
                plain("corrected the runbook (now SHA-256 ")
                    .code(sha256)
                    .plain("): ")
                    .quoted(reason),
            ),
            _ => return None,
        };
        Some(Override {
            at: Some(entry.at),
            by: by.clone(),
            text,
        })
    }));
    all.sort_by_key(|one| one.at);
    all
}

/// Blockers that were found before the start, over which the run was started.
fn started_over(run: &Run<'_>) -> Option<Override> {
    let despite = run.info.despite.as_ref()?;
    let blockers = despite.blockers.join("; ");
    let said = plain(format!(
        "started the run over what blocked it ({blockers}): "
    ));
    let text = if despite.reason.is_empty() {
        said.plain("nobody was asked why, it ran without a terminal")
    } else {
        said.quoted(&despite.reason)
    };
    Some(Override {
        at: run.state.started,
        by: run.info.operator.clone(),
        text: plain(format!("{} ", run.info.operator)).then(text),
    })
}

/// Steps that a person settled otherwise than by letting them run.
fn settled(run: &Run<'_>) -> Vec<Override> {
    run.plan
        .steps
        .iter()
        .filter_map(|step| {
            let state = run.state.steps.get(&step.id)?;
            let by = state.settled_by.clone().unwrap_or_default();
            let said = state.evidence.join("; ");
            let id = code(step.id.as_str());
            let text = match state.status {
                Status::Skipped => id.plain(format!(" was skipped by {by}: {said}")),
                Status::ByHand => id.plain(format!(" was done by hand by {by}, who saw: {said}")),
                Status::Undone => id.plain(" was taken back."),
                _ => return None,
            };
            Some(Override {
                at: state.ended,
                by,
                text,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_told_with_what_was_asked_and_never_with_its_response() {
        let challenge = Challenge {
            say: "Which site stops?".to_owned(),
            response: "Leeds".to_owned(),
        };
        // A journal of an earlier version has the response itself.
        let confirmation = Confirmation {
            second: Some("bob".to_owned()),
            response: Some("Leeds".to_owned()),
            ..Confirmation::plain("alice", Consent::Person)
        };
        let event = RunEvent::StepConfirmed(Box::new(confirmation));
        let (_, said) = decision(&event, Some(&challenge)).unwrap();
        let words = "let it go on, with bob who answered the challenge \u{201c}Which site stops?\u{201d} as agreed";
        assert_eq!(said.words(), words);
    }
}

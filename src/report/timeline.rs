//! What was sent, what was decided and what was remarked, in order of time.

use crate::engine::{Answer, BY_RULE, Confirmation, Consent, OpStatus, RunEvent, StopOutcome};

use super::Run;
use super::text::{clock, code, duration, head, item, plain, row, time};

/// Every write that left for a host.
pub(super) fn commands(run: &Run<'_>) -> String {
    let mut out = String::new();
    for op in run.state.ops.values() {
        if out.is_empty() {
            head(&mut out, &["time", "host", "command", "outcome", "took"]);
        }
        let (outcome, took) = match &op.status {
            OpStatus::Open => ("unknown".to_owned(), String::new()),
            OpStatus::Finished { exit, took_ms } => (
                format!("exit {exit}"),
                duration(jiff::SignedDuration::from_millis(
                    i64::try_from(*took_ms).unwrap_or(i64::MAX),
                )),
            ),
            OpStatus::Lost => ("lost: its outcome was looked up".to_owned(), String::new()),
            OpStatus::NotSent => ("not sent".to_owned(), String::new()),
            OpStatus::Stopped(how) => (
                match how {
                    StopOutcome::Gone => "lost; its process was gone",
                    StopOutcome::Killed => "lost; its process was ended",
                    StopOutcome::NeverSent => "lost; it had never begun",
                }
                .to_owned(),
                String::new(),
            ),
        };
        row(
            &mut out,
            [
                clock(op.intended),
                plain(op.host.as_str()),
                code(&op.command),
                outcome,
                took,
            ],
        );
    }
    out
}

/// Who decided what.
pub(super) fn decisions(run: &Run<'_>) -> String {
    let mut out = String::new();
    for entry in run.entries {
        let Some((who, what)) = decision(&entry.event) else {
            continue;
        };
        if out.is_empty() {
            head(&mut out, &["time", "who", "decision", "step"]);
        }
        let step = entry
            .step
            .as_ref()
            .map_or_else(String::new, |step| code(step.as_str()));
        row(&mut out, [clock(entry.at), plain(&who), what, step]);
    }
    out
}

fn decision(event: &RunEvent) -> Option<(String, String)> {
    let said = match event {
        RunEvent::StepConfirmed(confirmation) => (confirmation.by.clone(), confirmed(confirmation)),
        RunEvent::QuestionAnswered { by, label, how } => (
            by.clone(),
            format!(
                "answered \u{201c}{}\u{201d}{}",
                plain(label),
                on_behalf(*how)
            ),
        ),
        RunEvent::StepSkipped { by, reason } => (by.clone(), format!("skipped: {}", plain(reason))),
        RunEvent::StepByHand { by, evidence } => {
            (by.clone(), format!("done by hand: {}", plain(evidence)))
        }
        RunEvent::StepRetried { by } if by != BY_RULE => (by.clone(), "tried again".to_owned()),
        RunEvent::UndoStarted { by } => (by.clone(), "taken back".to_owned()),
        RunEvent::PaceSet { pace, by } => (by.clone(), format!("pace {}", pace.as_str())),
        RunEvent::RunPaused { by } => (by.clone(), "paused".to_owned()),
        RunEvent::RunContinued { by } => (by.clone(), "continued".to_owned()),
        RunEvent::RunResumed {
            operator, console, ..
        } => (
            operator.clone(),
            format!("took the run up again on {}", plain(console)),
        ),
        RunEvent::RunDetached { why } => (String::new(), format!("left: {}", plain(why))),
        RunEvent::HostTrusted {
            host,
            fingerprint,
            by,
        } => (
            by.clone(),
            format!(
                "accepted the key {} of {}",
                code(fingerprint),
                plain(host.as_str())
            ),
        ),
        event => {
            let (who, what) = event.by_people()?;
            (who.to_owned(), plain(&what))
        }
    };
    Some(said)
}

fn confirmed(confirmation: &Confirmation) -> String {
    let mut said = format!("let it go on{}", on_behalf(confirmation.how));
    if let Some(second) = &confirmation.second {
        said.push_str(&format!(", with {}", plain(second)));
    }
    if let Some(typed) = &confirmation.typed {
        said.push_str(&format!(", typed {}", code(typed)));
    }
    if let Some(words) = &confirmation.attest {
        said.push_str(&format!(", attested \u{201c}{}\u{201d}", plain(words)));
    }
    for (key, answer) in &confirmation.answers {
        let answer = match answer {
            Answer::Chosen(chosen) => chosen.join(", "),
            Answer::Value(value) => value.clone(),
        };
        said.push_str(&format!(", {}: {}", plain(key), plain(&answer)));
    }
    said
}

fn on_behalf(how: Consent) -> &'static str {
    match how {
        Consent::Person => "",
        Consent::Pace => " by pace",
        Consent::Yes => " by `--yes`",
        Consent::Answers => " by the answers file",
    }
}

/// Remarks.
pub(super) fn notes(run: &Run<'_>) -> String {
    let mut out = String::new();
    for note in &run.state.notes {
        let step = note
            .step
            .as_ref()
            .map_or_else(String::new, |step| format!(" ({})", code(step.as_str())));
        item(
            &mut out,
            &format!(
                "{}, {}{step}: {}",
                time(note.at),
                plain(&note.by),
                plain(&note.text)
            ),
        );
    }
    out
}

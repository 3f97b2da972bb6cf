//! A run's events as lines: time since its start, step, what happened.

use std::collections::BTreeMap;
use std::io::Write;

use jiff::Timestamp;

use crate::actions::Progress;
use crate::engine::{
    Confirmation, Consent, Entry, Fact, ProbeAnswer, RunEvent, ShownCommand, Status, Verdict,
};
use crate::error::Fault;
use crate::hypervisor::shell;
use crate::names::StepId;
use crate::report;

/// Writes lines. Nobody need read them: what cannot be written is dropped, the journal has it all.
pub(super) struct Printer<'o> {
    out: &'o mut (dyn Write + Send),
    started: Option<Timestamp>,
    tenths: BTreeMap<StepId, (String, u64)>,
}

impl<'o> Printer<'o> {
    pub(super) fn new(out: &'o mut (dyn Write + Send), started: Option<Timestamp>) -> Self {
        Self {
            out,
            started,
            tenths: BTreeMap::new(),
        }
    }

    /// One line.
    pub(super) fn say(&mut self, at: Option<Timestamp>, step: Option<&StepId>, text: &str) {
        let seconds = match (self.started, at) {
            (Some(started), Some(at)) => at.duration_since(started).as_secs().max(0),
            _ => 0,
        };
        let clock = format!(
            "{:02}:{:02}:{:02}",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        );
        let step = step.map_or("-", StepId::as_str);
        let text: String = text
            .chars()
            .map(|sign| if sign.is_control() { ' ' } else { sign })
            .collect();
        let _ = writeln!(self.out, "{clock}  {step}  {text}");
        let _ = self.out.flush();
    }

    /// What somebody who comes to look has to know about a step that did not work.
    fn fault(
        &mut self,
        at: Option<Timestamp>,
        step: Option<&StepId>,
        status: Status,
        fault: &Fault,
        remedies: &[String],
    ) {
        self.say(at, step, &format!("{}: {}", status.as_str(), fault.what));
        for (word, text) in [
            ("where", &fault.place),
            ("now", &fault.state),
            ("next", &fault.next),
        ] {
            if !text.is_empty() {
                self.say(at, step, &format!("  {word}: {text}"));
            }
        }
        for remedy in remedies {
            self.say(at, step, &format!("  way on: {remedy}"));
        }
    }

    /// One line for each tenth of what a step does.
    pub(super) fn progress(&mut self, at: Option<Timestamp>, step: &StepId, progress: &Progress) {
        let tenth = (progress.done.saturating_mul(10))
            .checked_div(progress.total)
            .unwrap_or(0);
        let now = (progress.doing.clone(), tenth);
        if self.tenths.get(step) == Some(&now) {
            return;
        }
        self.tenths.insert(step.clone(), now);
        let amount = if progress.total == 0 {
            String::new()
        } else {
            format!(
                " {} % of {}{}",
                tenth * 10,
                report::bytes(progress.total),
                if progress.rate == 0 {
                    String::new()
                } else {
                    format!(", {}/s", report::bytes(progress.rate))
                }
            )
        };
        let doing = progress.in_words();
        self.say(at, Some(step), &format!("{doing}{amount}"));
    }

    /// An event: a line or a few, or none where it says nothing to somebody who reads along.
    pub(super) fn entry(&mut self, entry: &Entry) {
        self.started.get_or_insert(entry.at);
        let (at, step) = (Some(entry.at), entry.step.as_ref());
        match &entry.event {
            RunEvent::StepFailed { fault } => self.fault(at, step, Status::Failed, fault, &[]),
            RunEvent::StepHeld { fault, remedies } => {
                self.fault(at, step, Status::Held, fault, remedies);
            }
            event => {
                for line in said(event) {
                    self.say(at, step, &line);
                }
            }
        }
    }
}

fn said(event: &RunEvent) -> Vec<String> {
    let line = match event {
        RunEvent::ProbeAnswered(answer) => return answered(answer),
        RunEvent::RunStarted(_)
        | RunEvent::RunResumed { .. }
        | RunEvent::RunPaused { .. }
        | RunEvent::RunContinued { .. }
        | RunEvent::RunDetached { .. }
        | RunEvent::RunFinished { .. }
        | RunEvent::NoteAdded { .. }
        | RunEvent::HostTrusted { .. } => of_run(event),
        RunEvent::WriteIntended { .. }
        | RunEvent::WriteFinished { .. }
        | RunEvent::WriteLost { .. }
        | RunEvent::WriteNotSent { .. }
        | RunEvent::LostStopped { .. }
        | RunEvent::StopFailed { .. } => of_write(event),
        RunEvent::FactFound(fact) => known(fact),
        RunEvent::ProbeFailed { .. }
        | RunEvent::StepConfirmed(_)
        | RunEvent::StepDeclined(_)
        | RunEvent::ResponseRefused { .. }
        | RunEvent::QuestionAsked(_)
        | RunEvent::QuestionAnswered { .. }
        | RunEvent::StepDone { .. }
        | RunEvent::StepAlreadyDone { .. }
        | RunEvent::StepSkipped { .. }
        | RunEvent::StepByHand { .. }
        | RunEvent::StepRetried { .. }
        | RunEvent::UndoStarted { .. }
        | RunEvent::StepUndone { .. }
        | RunEvent::StepInterrupted { .. } => of_step(event),
        // Said in full by the printer itself.
        RunEvent::StepFailed { .. } | RunEvent::StepHeld { .. } => None,
        RunEvent::StepStarted | RunEvent::WriteStarted { .. } | RunEvent::PaceSet { .. } => None,
        RunEvent::HandoverOffered { .. }
        | RunEvent::HandoverWithdrawn { .. }
        | RunEvent::HandoverTaken { .. }
        | RunEvent::UpdatePosted { .. }
        | RunEvent::RunbookCorrected { .. }
        | RunEvent::ChapterOpened { .. }
        | RunEvent::ChapterLeft { .. }
        | RunEvent::ShellOpened { .. }
        | RunEvent::ShellClosed { .. }
        | RunEvent::DecisionRefused { .. }
        | RunEvent::DrillAborted { .. }
        | RunEvent::FindingsStated { .. } => {
            event.by_people().map(|(who, what)| format!("{who} {what}"))
        }
    };
    line.into_iter().collect()
}

fn of_run(event: &RunEvent) -> Option<String> {
    Some(match event {
        RunEvent::RunStarted(info) => {
            let mode = info.mode.map_or("", |mode| mode.as_str()).to_uppercase();
            format!(
                "{mode} {} ({}), run {}, by {}{}",
                info.runbook,
                info.way(),
                info.run,
                info.operator,
                info.follows()
            )
        }
        RunEvent::RunResumed { operator, .. } => format!("taken up again by {operator}"),
        RunEvent::RunPaused { by } => format!("paused by {by}: nothing new starts"),
        RunEvent::RunContinued { by } => format!("continued by {by}"),
        RunEvent::RunDetached { why } => format!("left: {why}"),
        RunEvent::RunFinished { result } => format!(
            "finished: {} done, {} by hand, {} skipped, {} failed",
            result.done, result.by_hand, result.skipped, result.failed
        ),
        RunEvent::NoteAdded { by, text } => format!("note by {by}: {text}"),
        RunEvent::HostTrusted {
            host,
            fingerprint,
            by,
        } => {
            format!("{by} accepted the key {fingerprint} of {host}")
        }
        _ => return None,
    })
}

fn of_write(event: &RunEvent) -> Option<String> {
    Some(match event {
        // Its exact text stands in the journal.
        RunEvent::WriteIntended { host, command, .. } => {
            format!("sending to {host}: {}", shell::in_short(command))
        }
        RunEvent::WriteFinished { exit, took_ms, .. } => {
            format!(
                "exit {exit} after {}.{} s",
                took_ms / 1_000,
                took_ms % 1_000 / 100
            )
        }
        RunEvent::WriteLost { why, .. } => format!("lost a command: {why}"),
        RunEvent::WriteNotSent { why, .. } => format!("not sent: {why}"),
        RunEvent::LostStopped { .. } => "the lost command can no longer take effect".to_owned(),
        RunEvent::StopFailed { fault, .. } => {
            format!(
                "whether the lost command still runs is unknown: {}",
                fault.what
            )
        }
        _ => return None,
    })
}

fn of_step(event: &RunEvent) -> Option<String> {
    Some(match event {
        RunEvent::ProbeFailed { fault, again_in_ms } => {
            let again = again_in_ms.map_or_else(String::new, |ms| {
                format!("; looking again in {} s", ms.div_ceil(1_000))
            });
            format!("could not look: {}{again}", fault.what)
        }
        RunEvent::StepConfirmed(confirmation) => confirmed(confirmation),
        RunEvent::StepDeclined(confirmation) => format!("answered by {}", confirmation.by),
        RunEvent::ResponseRefused { second, said, .. } => {
            format!("{second} answered the challenge with \u{201c}{said}\u{201d}: refused")
        }
        RunEvent::QuestionAsked(question) => {
            format!(
                "{} asks: {} [{}]",
                question.asker(),
                question.text,
                question.choices.join(" | ")
            )
        }
        RunEvent::QuestionAnswered { label, by, .. } => format!("answered by {by}: {label}"),
        RunEvent::StepDone { evidence } => format!("done: {}", evidence.join("; ")),
        RunEvent::StepAlreadyDone { evidence } => format!("already done: {}", evidence.join("; ")),
        RunEvent::StepSkipped { by, reason } => format!("skipped by {by}: {reason}"),
        RunEvent::StepByHand { by, evidence } => format!("done by hand by {by}: {evidence}"),
        RunEvent::StepRetried { by } => format!("to be tried again ({by})"),
        RunEvent::UndoStarted { by } => format!("being taken back by {by}"),
        RunEvent::StepUndone { evidence } => format!("taken back: {}", evidence.join("; ")),
        RunEvent::StepInterrupted { why, .. } => format!("interrupted: {why}"),
        _ => return None,
    })
}

/// What was found, and every command before it is sent.
fn answered(answer: &ProbeAnswer) -> Vec<String> {
    let mut lines = vec![format!("found: {}", answer.found)];
    if let Verdict::Needed(proposal) = &answer.verdict {
        lines.extend(
            proposal
                .changes
                .iter()
                .map(|change| format!("change: {change}")),
        );
        lines.extend(proposal.commands.iter().flat_map(shown));
    }
    lines
}

/// A command in its own lines: joined, a script would be no valid shell.
fn shown(command: &ShownCommand) -> Vec<String> {
    let what = if command.write {
        "will send"
    } else {
        "will look"
    };
    let place = command.host.as_ref().map_or("here", |host| host.as_str());
    let all = format!("{what}: {place}: {}", command.line);
    all.lines().map(str::to_owned).collect()
}

fn confirmed(confirmation: &Confirmation) -> String {
    let how = match confirmation.how {
        Consent::Person => "",
        Consent::Pace => " (pace)",
        Consent::Yes => " (--yes)",
        Consent::Answers => " (answers file)",
        Consent::Agreed => " (agreed to with the rest)",
    };
    let second = confirmation
        .second
        .as_ref()
        .map_or_else(String::new, |second| format!(" with {second}"));
    format!("goes on, by {}{second}{how}", confirmation.by)
}

/// What is new to somebody who reads along: what only later steps go by is in the journal.
fn known(fact: &Fact) -> Option<String> {
    let for_later = matches!(
        fact,
        Fact::DatastoreSeen { .. }
            | Fact::RoomCounted { .. }
            | Fact::FolderMade { .. }
            | Fact::ConfigKept { .. }
            | Fact::ConfigRead { .. }
            | Fact::Registered { .. }
            | Fact::PortGroupMade { .. }
            | Fact::VswitchMade { .. }
            | Fact::AdapterJoined { .. }
            | Fact::StopWanted { .. }
            | Fact::AutostartRemoved { .. }
            | Fact::AutostartRestored { .. }
    );
    (!for_later).then(|| report::fact_in_words(fact))
}

//! A run's events as lines: time since its start, step, what happened.

use std::collections::BTreeMap;
use std::io::Write;

use jiff::Timestamp;

use crate::actions::Progress;
use crate::engine::{Confirmation, Consent, Entry, Fact, RunEvent, ShownCommand, Status, Verdict};
use crate::error::Fault;
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
    pub(super) fn fault(
        &mut self,
        at: Option<Timestamp>,
        step: &StepId,
        status: Status,
        fault: &Fault,
        remedies: &[String],
    ) {
        self.say(
            at,
            Some(step),
            &format!("{}: {}", status.as_str(), fault.what),
        );
        for (word, text) in [
            ("where", &fault.place),
            ("now", &fault.state),
            ("next", &fault.next),
        ] {
            if !text.is_empty() {
                self.say(at, Some(step), &format!("  {word}: {text}"));
            }
        }
        for remedy in remedies {
            self.say(at, Some(step), &format!("  way on: {remedy}"));
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
        self.say(at, Some(step), &format!("{}{amount}", progress.doing));
    }

    /// An event: a line or a few, or none where it says nothing to somebody who reads along.
    pub(super) fn entry(&mut self, entry: &Entry) {
        if self.started.is_none() {
            self.started = Some(entry.at);
        }
        let mut say = |text: &str| self.say(Some(entry.at), entry.step.as_ref(), text);
        match &entry.event {
            RunEvent::RunStarted(info) => {
                let mode = info.mode.map_or("", |mode| mode.as_str()).to_uppercase();
                say(&format!(
                    "{mode} {} ({} -> {}), run {}, by {}",
                    info.runbook, info.sites[0], info.sites[1], info.run, info.operator
                ));
            }
            RunEvent::RunResumed { operator, .. } => say(&format!("taken up again by {operator}")),
            RunEvent::RunPaused { by } => say(&format!("paused by {by}: nothing new starts")),
            RunEvent::RunContinued { by } => say(&format!("continued by {by}")),
            RunEvent::ProbeAnswered(answer) => {
                say(&format!("found: {}", answer.found));
                if let Verdict::Needed(proposal) = &answer.verdict {
                    for change in &proposal.changes {
                        say(&format!("change: {change}"));
                    }
                    for command in &proposal.commands {
                        say(&shown(command));
                    }
                }
            }
            RunEvent::ProbeFailed { fault, again_in_ms } => {
                let again = again_in_ms.map_or_else(String::new, |ms| {
                    format!("; looking again in {} s", ms.div_ceil(1_000))
                });
                say(&format!("could not look: {}{again}", fault.what));
            }
            RunEvent::StepConfirmed(confirmation) => say(&confirmed(confirmation)),
            RunEvent::WriteIntended { host, command, .. } => {
                say(&format!("sending to {host}: {command}"))
            }
            RunEvent::WriteFinished { exit, took_ms, .. } => {
                say(&format!(
                    "exit {exit} after {}.{} s",
                    took_ms / 1_000,
                    took_ms % 1_000 / 100
                ));
            }
            RunEvent::WriteLost { why, .. } => say(&format!("lost a command: {why}")),
            RunEvent::WriteNotSent { why, .. } => say(&format!("not sent: {why}")),
            RunEvent::LostStopped { .. } => say("the lost command can no longer take effect"),
            RunEvent::StopFailed { fault, .. } => {
                say(&format!(
                    "whether the lost command still runs is unknown: {}",
                    fault.what
                ));
            }
            RunEvent::FactFound(fact) => {
                if let Some(text) = known(fact) {
                    say(&text);
                }
            }
            RunEvent::QuestionAsked(question) => say(&format!(
                "{} asks: {} [{}]",
                question.vm,
                question.text,
                question.choices.join(" | ")
            )),
            RunEvent::QuestionAnswered { label, by, .. } => {
                say(&format!("answered by {by}: {label}"))
            }
            RunEvent::StepDone { evidence } => say(&format!("done: {}", evidence.join("; "))),
            RunEvent::StepAlreadyDone { evidence } => {
                say(&format!("already done: {}", evidence.join("; ")));
            }
            RunEvent::StepFailed { fault } => {
                self.fault(
                    Some(entry.at),
                    entry.step.as_ref().unwrap_or(&StepId::default()),
                    Status::Failed,
                    fault,
                    &[],
                );
            }
            RunEvent::StepHeld { fault, remedies } => {
                self.fault(
                    Some(entry.at),
                    entry.step.as_ref().unwrap_or(&StepId::default()),
                    Status::Held,
                    fault,
                    remedies,
                );
            }
            RunEvent::StepSkipped { by, reason } => say(&format!("skipped by {by}: {reason}")),
            RunEvent::StepByHand { by, evidence } => {
                say(&format!("done by hand by {by}: {evidence}"))
            }
            RunEvent::StepRetried { by } => say(&format!("to be tried again ({by})")),
            RunEvent::UndoStarted { by } => say(&format!("being taken back by {by}")),
            RunEvent::StepUndone { evidence } => {
                say(&format!("taken back: {}", evidence.join("; ")))
            }
            RunEvent::StepInterrupted { why } => say(&format!("interrupted: {why}")),
            RunEvent::NoteAdded { by, text } => say(&format!("note by {by}: {text}")),
            RunEvent::HostTrusted {
                host,
                fingerprint,
                by,
            } => {
                say(&format!("{by} accepted the key {fingerprint} of {host}"));
            }
            RunEvent::RunDetached { why } => say(&format!("left: {why}")),
            RunEvent::RunFinished { result } => say(&format!(
                "finished: {} done, {} by hand, {} skipped, {} failed",
                result.done, result.by_hand, result.skipped, result.failed
            )),
            RunEvent::StepStarted | RunEvent::WriteStarted { .. } | RunEvent::PaceSet { .. } => {}
        }
    }
}

fn shown(command: &ShownCommand) -> String {
    let what = if command.write {
        "will send"
    } else {
        "will look"
    };
    match &command.host {
        Some(host) => format!("{what}: {host}: {}", command.line),
        None => format!("{what}: here: {}", command.line),
    }
}

fn confirmed(confirmation: &Confirmation) -> String {
    let how = match confirmation.how {
        Consent::Person => "",
        Consent::Pace => " (pace)",
        Consent::Yes => " (--yes)",
        Consent::Answers => " (answers file)",
    };
    let second = confirmation
        .second
        .as_ref()
        .map_or_else(String::new, |second| format!(" with {second}"));
    format!("goes on, by {}{second}{how}", confirmation.by)
}

fn known(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::PointChosen {
            stamp,
            backup,
            verified,
            ..
        } => format!(
            "restore point {stamp} of {backup}{}",
            if *verified { "" } else { ", source unverified" }
        ),
        Fact::FilePlaced {
            path,
            bytes,
            sha256,
            ..
        } => {
            format!("placed {path}, {}, sha256 {sha256}", report::bytes(*bytes))
        }
        Fact::OriginalKept { path, aside, .. } => format!("kept {path} aside as {aside}"),
        Fact::Stopped { vm, host, how, .. } => format!("{vm} on {host}: {how}"),
        Fact::OwnershipEvidence { lines, whole, .. } => format!(
            "evidence that the other copy is off ({}): {}",
            if *whole { "whole" } else { "not whole" },
            lines.join("; ")
        ),
        Fact::Attested {
            by,
            words,
            statement,
            ..
        } => {
            format!("attested by {by}, not proven: {statement}: {words}")
        }
        Fact::AddressProbed {
            address,
            by,
            answered,
            ..
        } => format!(
            "{address} {} (asked by {by})",
            if *answered { "answers" } else { "is silent" }
        ),
        Fact::PoweredOn { vm, host } => format!("{vm} is on, on {host}"),
        Fact::RungReached { rung, seen, .. } => format!("{rung}: {seen}"),
        Fact::Serves { vm } => format!("{vm} serves"),
        Fact::DatastoreSeen { .. }
        | Fact::FolderMade { .. }
        | Fact::ConfigKept { .. }
        | Fact::Registered { .. }
        | Fact::PortGroupMade { .. }
        | Fact::AdapterJoined { .. }
        | Fact::AutostartRemoved { .. } => return None,
    })
}

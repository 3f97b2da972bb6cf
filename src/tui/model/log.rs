//! What happened, as lines: events of the journal, commands, and what hosts printed. A bounded
//! ring; all of it is in the run's folder.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::{BY_RULE, Entry, RunEvent, RunState, StopOutcome, Verdict};
use crate::names::{HostName, OpId, StepId};
use crate::report::fact_in_words;
use crate::tui::text;

/// Lines kept.
const KEPT: usize = 4000;
/// Characters kept of a line that a host printed.
const LINE: usize = 1000;

/// One line of the log.
#[derive(Clone, Debug)]
pub(in crate::tui) struct Line {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

/// What a line of the log is about.
#[derive(Clone, Debug)]
pub(in crate::tui) enum What {
    /// An event of the journal.
    Event(Arc<Entry>),
    /// A command that only looks (writes are events).
    Sent {
        /// Where.
        host: HostName,
        /// The line.
        command: String,
    },
    /// A line that a host printed.
    Output {
        /// Which host.
        host: HostName,
        /// The line.
        line: String,
    },
}

/// What the log shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::tui) enum Filter {
    /// Everything.
    #[default]
    All,
    /// What was sent and what was printed.
    Commands,
    /// Events of the journal.
    Events,
}

impl Filter {
    pub(in crate::tui) fn next(self) -> Self {
        match self {
            Self::All => Self::Commands,
            Self::Commands => Self::Events,
            Self::Events => Self::All,
        }
    }

    pub(in crate::tui) fn as_str(self) -> &'static str {
        match self {
            Self::All => "everything",
            Self::Commands => "commands and output",
            Self::Events => "events",
        }
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) enum Look {
    /// A command that looks.
    Read,
    /// A command that changes something.
    Write,
    /// What a host printed.
    Output,
    /// An event.
    Event,
    /// An event that is good news.
    Good,
    /// An event that is bad news.
    Bad,
}

/// The end of a step's id, `sql01/register`: what tells it from its neighbours.
fn subject_and_verb(step: &StepId) -> &str {
    let id = step.as_str();
    match id.rmatch_indices('/').nth(1) {
        Some((at, _)) => id[at + 1..].trim_start_matches("-/"),
        None => id,
    }
}

/// The ring.
#[derive(Debug, Default)]
pub(in crate::tui) struct Log {
    lines: VecDeque<Line>,
    /// Lines that were dropped from the front.
    pub dropped: u64,
}

impl Log {
    pub(in crate::tui) fn lines(&self) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter()
    }

    pub(in crate::tui) fn event(&mut self, entry: &Arc<Entry>) {
        self.push(entry.at, What::Event(Arc::clone(entry)));
    }

    pub(in crate::tui) fn sent(&mut self, at: Timestamp, host: HostName, command: &str) {
        let command = clipped(command);
        self.push(at, What::Sent { host, command });
    }

    /// A printed line; a progress line replaces the one before it from the same host.
    pub(in crate::tui) fn output(
        &mut self,
        at: Timestamp,
        host: HostName,
        line: &str,
        replaces: bool,
    ) {
        let line = clipped(line);
        let last = self
            .lines
            .iter_mut()
            .rev()
            .take(8)
            .find_map(|line| match &mut line.what {
                What::Output { host: of, line } if *of == host => Some(line),
                _ => None,
            });
        match last {
            Some(last) if replaces => *last = line,
            _ => self.push(at, What::Output { host, line }),
        }
    }

    fn push(&mut self, at: Timestamp, what: What) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back(Line { at, what });
    }
}

fn clipped(line: &str) -> String {
    text::clean(line).chars().take(LINE).collect()
}

impl Line {
    /// The host it is about.
    pub(in crate::tui) fn host<'a>(&'a self, state: &'a RunState) -> Option<&'a HostName> {
        let of = |op: &OpId| state.ops.get(op).map(|op| &op.host);
        match &self.what {
            What::Sent { host, .. } | What::Output { host, .. } => Some(host),
            What::Event(entry) => match &entry.event {
                RunEvent::WriteIntended { host, .. } | RunEvent::HostTrusted { host, .. } => {
                    Some(host)
                }
                RunEvent::WriteStarted { op, .. }
                | RunEvent::WriteFinished { op, .. }
                | RunEvent::WriteLost { op, .. }
                | RunEvent::WriteNotSent { op, .. }
                | RunEvent::LostStopped { op, .. }
                | RunEvent::StopFailed { op, .. } => of(op),
                RunEvent::QuestionAsked(question) => Some(&question.host),
                _ => None,
            },
        }
    }

    /// Whether a filter lets it through. Sends are commands as well as events.
    pub(in crate::tui) fn passes(&self, filter: Filter) -> bool {
        match (&self.what, filter) {
            (_, Filter::All) => true,
            (What::Event(entry), Filter::Commands) => matches!(
                entry.event,
                RunEvent::WriteIntended { .. }
                    | RunEvent::WriteFinished { .. }
                    | RunEvent::WriteLost { .. }
                    | RunEvent::WriteNotSent { .. }
            ),
            (What::Event(_), Filter::Events) | (_, Filter::Commands) => true,
            (_, Filter::Events) => false,
        }
    }

    /// How it looks and what it says, without its time.
    pub(in crate::tui) fn say(&self, state: &RunState) -> (Look, String) {
        match &self.what {
            What::Sent { host, command } => (Look::Read, format!("{host}$ {command}")),
            What::Output { host, line } => (Look::Output, format!("{host}| {line}")),
            What::Event(entry) => {
                let (look, words) = say(&entry.event, state);
                match &entry.step {
                    Some(step) if look != Look::Write => {
                        (look, format!("{}: {words}", subject_and_verb(step)))
                    }
                    _ => (look, words),
                }
            }
        }
    }
}

fn say(event: &RunEvent, state: &RunState) -> (Look, String) {
    let at_host = |op: &OpId| state.ops.get(op).map_or("host", |op| op.host.as_str());
    match event {
        RunEvent::WriteIntended {
            op, host, command, ..
        } => (Look::Write, format!("{host}# {command}  (write {op})")),
        RunEvent::WriteFinished {
            op, exit, took_ms, ..
        } => (
            if *exit == 0 { Look::Output } else { Look::Bad },
            format!(
                "{}: write {op} ended with status {exit} after {took_ms} ms",
                at_host(op)
            ),
        ),
        RunEvent::WriteLost { op, why } => (
            Look::Bad,
            format!("{}: write {op} lost: {why}", at_host(op)),
        ),
        RunEvent::WriteNotSent { op, why } => (
            Look::Event,
            format!("{}: write {op} did not leave: {why}", at_host(op)),
        ),
        RunEvent::WriteStarted { op, pid } => (
            Look::Event,
            format!("write {op} is process {pid} on {}", at_host(op)),
        ),
        RunEvent::LostStopped { op, outcome } => {
            let how = match outcome {
                StopOutcome::Gone => "its process is gone",
                StopOutcome::Killed => "its process was ended",
                StopOutcome::NeverSent => "it was never sent",
            };
            (
                Look::Event,
                format!("write {op} can no longer take effect: {how}"),
            )
        }
        RunEvent::StopFailed { op, fault } => (
            Look::Bad,
            format!(
                "whether write {op} can still take effect is unknown: {}",
                fault.what
            ),
        ),
        event => say_decision(event),
    }
}

fn say_decision(event: &RunEvent) -> (Look, String) {
    let who = |by: &str| {
        if by == BY_RULE {
            "by rule".to_owned()
        } else {
            format!("by {by}")
        }
    };
    match event {
        RunEvent::RunStarted(info) => (
            Look::Event,
            format!(
                "run {} started by {}{}",
                info.run,
                info.operator,
                info.follows()
            ),
        ),
        RunEvent::RunResumed {
            operator, console, ..
        } => (
            Look::Event,
            format!("taken up again by {operator} on {console}"),
        ),
        RunEvent::PaceSet { pace, by } => {
            (Look::Event, format!("pace {} set by {by}", pace.as_str()))
        }
        RunEvent::RunPaused { by } => (Look::Event, format!("paused by {by}")),
        RunEvent::RunContinued { by } => (Look::Event, format!("continued by {by}")),
        RunEvent::StepConfirmed(confirmation) => {
            let second = confirmation
                .second
                .as_ref()
                .map(|second| format!(" and {second}"));
            let attest = confirmation
                .attest
                .as_ref()
                .map(|words| format!(", attested: {words}"));
            let by = format!("{}{}", confirmation.by, second.unwrap_or_default());
            (
                Look::Event,
                format!("confirmed by {by}{}", attest.unwrap_or_default()),
            )
        }
        RunEvent::StepDeclined(confirmation) => {
            (Look::Bad, format!("answered by {}", confirmation.by))
        }
        RunEvent::ResponseRefused { second, said, .. } => (
            Look::Bad,
            format!("{second} answered the challenge with \u{201c}{said}\u{201d}: refused"),
        ),
        RunEvent::QuestionAsked(question) => (
            Look::Bad,
            format!("{} asks: {}", question.asker(), question.text),
        ),
        RunEvent::QuestionAnswered { by, label, .. } => (
            Look::Event,
            format!("answered \u{201c}{label}\u{201d} {}", who(by)),
        ),
        RunEvent::StepSkipped { by, reason } => (Look::Bad, format!("skipped by {by}: {reason}")),
        RunEvent::StepByHand { by, evidence } => {
            (Look::Event, format!("done by hand by {by}: {evidence}"))
        }
        RunEvent::StepRetried { by } => (Look::Event, format!("to be tried again {}", who(by))),
        RunEvent::UndoStarted { by } => (Look::Event, format!("being taken back {}", who(by))),
        RunEvent::NoteAdded { by, text } => (Look::Event, format!("note by {by}: {text}")),
        RunEvent::HostTrusted {
            host,
            fingerprint,
            by,
        } => (
            Look::Event,
            format!("host key {fingerprint} of {host} accepted by {by}"),
        ),
        RunEvent::RunDetached { why } => (Look::Event, format!("the console left: {why}")),
        RunEvent::RunFinished { result } => (
            if result.is_clean() {
                Look::Good
            } else {
                Look::Bad
            },
            format!(
                "finished: {} done, {} by hand, {} skipped, {} failed",
                result.done, result.by_hand, result.skipped, result.failed
            ),
        ),
        event => match event.by_people() {
            Some((who, what)) => (Look::Event, format!("{who} {what}")),
            None => say_step(event),
        },
    }
}

fn say_step(event: &RunEvent) -> (Look, String) {
    match event {
        RunEvent::StepStarted => (Look::Event, "looking".to_owned()),
        RunEvent::ProbeAnswered(answer) => match &answer.verdict {
            Verdict::Blocked { fault, .. } => {
                let again = match fault.passing {
                    true => "; it may pass, and is looked at again",
                    false => "",
                };
                (
                    Look::Bad,
                    format!("found {}; blocked: {}{again}", answer.found, fault.what),
                )
            }
            Verdict::AlreadyDone { .. } | Verdict::Needed(_) => {
                (Look::Event, format!("found {}", answer.found))
            }
        },
        RunEvent::ProbeFailed { fault, again_in_ms } => {
            let again = again_in_ms.map(|ms| format!(" (again in {} s)", ms.div_ceil(1000)));
            (
                Look::Bad,
                format!(
                    "could not look: {}{}",
                    fault.what,
                    again.unwrap_or_default()
                ),
            )
        }
        RunEvent::StepDone { evidence } => (Look::Good, done("done", evidence)),
        RunEvent::StepAlreadyDone { evidence } => (Look::Good, done("already done", evidence)),
        RunEvent::StepUndone { evidence } => (Look::Event, done("taken back", evidence)),
        RunEvent::StepFailed { fault } => (Look::Bad, format!("failed: {}", fault.what)),
        RunEvent::StepHeld { fault, .. } => (Look::Bad, format!("held: {}", fault.what)),
        RunEvent::StepInterrupted { why, .. } => (Look::Event, format!("interrupted: {why}")),
        RunEvent::FactFound(fact) => (Look::Event, fact_in_words(fact)),
        _ => (Look::Event, String::new()),
    }
}

fn done(word: &str, evidence: &[String]) -> String {
    if evidence.is_empty() {
        word.to_owned()
    } else {
        format!("{word}: {}", evidence.join("; "))
    }
}

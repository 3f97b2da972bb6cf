//! The facts of a run. A run *is* its list of events: whatever is not here did not happen.

mod chapter;
mod info;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::names::{Attempt, HostName, OpId, StepId, VariableName};

use super::fact::Fact;
use super::finding::{Finding, stated};
use super::proposal::{Confirmation, Consent, ProbeAnswer, Question};

pub use chapter::Chapter;
pub use info::{Despite, DrillTerms, FromDrill, KeptFolder, Parent, RunInfo, seconds};

/// One line of the journal without its hashes.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// From 1 on, without gaps.
    pub seq: u64,
    /// Within one session of the console this moves with a monotonic clock, so differences are
    /// durations; across a resume it follows the wall clock and jumps are recorded.
    pub at: Timestamp,
    /// The step it is about.
    pub step: Option<StepId>,
    /// That step's attempt.
    pub attempt: Option<Attempt>,
    /// What happened.
    pub event: RunEvent,
}

/// A fact, in the past tense. Tags in the journal are kebab-case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "kebab-case")]
pub enum RunEvent {
    /// The first line of every journal.
    RunStarted(Box<RunInfo>),
    /// A console took the run up again.
    RunResumed {
        /// Who.
        operator: String,
        /// On which machine.
        console: String,
        /// Seconds by which the wall clock stood *before* the last line, if it did.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        clock_back_s: Option<i64>,
    },
    /// The operator chose a pace.
    PaceSet {
        /// Which.
        pace: Pace,
        /// Who.
        by: String,
    },
    /// Nothing new starts.
    RunPaused {
        /// Who.
        by: String,
    },
    /// Things start again.
    RunContinued {
        /// Who.
        by: String,
    },
    /// An attempt began; it is looking at the world.
    StepStarted,
    /// It has seen what there is.
    ProbeAnswered(Box<ProbeAnswer>),
    /// It could not look.
    ProbeFailed {
        /// Why.
        fault: Fault,
        /// It looks again after this many milliseconds; `None`: no more.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        again_in_ms: Option<u64>,
    },
    /// Somebody, or a rule that somebody chose, let it go on.
    StepConfirmed(Box<Confirmation>),
    /// Somebody answered it with no, or with what does not hold; it fails with the next line.
    StepDeclined(Box<Confirmation>),
    /// The second person's answer to the challenge was another one; they are asked again.
    ResponseRefused {
        /// Who read the challenge.
        by: String,
        /// Who answered.
        second: String,
        /// What.
        said: String,
        /// On whose behalf.
        how: Consent,
    },
    /// A write is about to leave. On disk before it does.
    WriteIntended {
        /// Its number.
        op: OpId,
        /// Where it goes.
        host: HostName,
        /// The line, secrets masked.
        command: String,
        /// One stream of file data at absolute offsets: harmless if it arrives late.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        bulk: bool,
    },
    /// Its process on the host is known.
    WriteStarted {
        /// Its number.
        op: OpId,
        /// Process id on that host.
        pid: u32,
    },
    /// It ended and its exit status is known, which by itself proves nothing.
    WriteFinished {
        /// Its number.
        op: OpId,
        /// Exit status.
        exit: i32,
        /// Milliseconds from sending to exit status.
        took_ms: u64,
        /// SHA-256 of what it printed (stdout then stderr), lower-case hex.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        output_sha256: Option<String>,
    },
    /// The connection died under it: it may have had an effect, and still may.
    WriteLost {
        /// Its number.
        op: OpId,
        /// What was seen.
        why: String,
    },
    /// A write that was granted never left the console.
    WriteNotSent {
        /// Its number.
        op: OpId,
        /// Why.
        why: String,
    },
    /// It can no longer take effect.
    LostStopped {
        /// Its number.
        op: OpId,
        /// How that is known.
        outcome: StopOutcome,
    },
    /// Whether it can still take effect could not be found out.
    StopFailed {
        /// Its number.
        op: OpId,
        /// Why.
        fault: Fault,
    },
    /// Something worth keeping became known.
    FactFound(Fact),
    /// The VM waits for an answer.
    QuestionAsked(Box<Question>),
    /// It got one.
    QuestionAnswered {
        /// Who.
        by: String,
        /// The choice's label.
        label: String,
        /// On whose behalf.
        how: Consent,
    },
    /// Done and seen to be done.
    StepDone {
        /// What was seen.
        evidence: Vec<String>,
    },
    /// There was nothing to do.
    StepAlreadyDone {
        /// What was seen.
        evidence: Vec<String>,
    },
    /// It did not work, and the world is known.
    StepFailed {
        /// Why.
        fault: Fault,
    },
    /// It cannot go on without a person.
    StepHeld {
        /// Why.
        fault: Fault,
        /// Ways on, in words.
        remedies: Vec<String>,
    },
    /// Left out.
    StepSkipped {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Done outside Lifeboat.
    StepByHand {
        /// Who.
        by: String,
        /// What they saw.
        evidence: String,
    },
    /// To be tried again.
    StepRetried {
        /// Who; `lifeboat` where a rule did.
        by: String,
    },
    /// It is being taken back.
    UndoStarted {
        /// Who.
        by: String,
    },
    /// It was taken back and seen to be.
    StepUndone {
        /// What was seen.
        evidence: Vec<String>,
    },
    /// It was stopped on purpose; nothing is left running.
    StepInterrupted {
        /// Why.
        why: String,
        /// What cut its action short and may pass, if that was it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        fault: Option<Fault>,
    },
    /// Somebody wanted what was not possible any more when the wish came in: nothing was done.
    DecisionRefused {
        /// Who.
        by: String,
        /// What they wanted: `to leave the commit`.
        wish: String,
        /// Why it is not possible.
        why: String,
    },
    /// A remark.
    NoteAdded {
        /// Who.
        by: String,
        /// What.
        text: String,
    },
    /// A host key was accepted for this run.
    HostTrusted {
        /// Which host.
        host: HostName,
        /// `SHA256:…`.
        fingerprint: String,
        /// Who typed its beginning.
        by: String,
    },
    /// The console left; the run can be resumed.
    RunDetached {
        /// Why.
        why: String,
    },
    /// Every step is settled.
    RunFinished {
        /// How.
        result: RunResult,
    },
    /// A run was taken up to be ended in one of its ways; its steps follow from the run so far.
    ChapterOpened {
        /// Which way.
        chapter: Chapter,
        /// Who.
        by: String,
        /// Fingerprint of the plan with the chapter's steps.
        plan: String,
        /// Why a drill's cleanup keeps its disks for a live restore to start from; none: it does not.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        keeping: Option<String>,
        /// Which run may yet need what a cleanup removes, and why that does not wait; none: there is no
        /// such run.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        despite: Option<String>,
    },
    /// An ending of which nothing was done is left: the run stands as before it was opened.
    ChapterLeft {
        /// Which one.
        chapter: Chapter,
        /// Who.
        by: String,
        /// Why; not empty.
        reason: String,
        /// How the run was settled before, if it was.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        result: Option<RunResult>,
    },
    /// The operator offers the run to somebody else, and stays accountable until it is taken.
    HandoverOffered {
        /// Who.
        by: String,
    },
    /// Whoever offered it keeps it.
    HandoverWithdrawn {
        /// Who.
        by: String,
    },
    /// Somebody else has the run from here on.
    HandoverTaken {
        /// Who had it.
        from: String,
        /// Who has it.
        by: String,
    },
    /// Those who wait were told how things stand.
    UpdatePosted {
        /// Who.
        by: String,
        /// What they were told.
        text: String,
    },
    /// Steps that had not begun were changed by a corrected runbook.
    RunbookCorrected {
        /// Who.
        by: String,
        /// Why; not empty.
        reason: String,
        /// SHA-256 of the corrected file, lower-case hex.
        sha256: String,
        /// Fingerprint of the plan made from it.
        plan: String,
        /// Its name in the run's folder.
        file: String,
        /// Values of variables that it brought.
        #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
        variables: BTreeMap<VariableName, String>,
    },
    /// A shell is about to be opened on a host, for a step. What is typed there is not recorded.
    ShellOpened {
        /// Where.
        host: HostName,
        /// Who.
        by: String,
        /// What for; not empty.
        reason: String,
    },
    /// The shell is closed.
    ShellClosed {
        /// Who had it.
        by: String,
    },
    /// A drill was ended early: it is cleaned up, and not gone on with.
    DrillAborted {
        /// Who pressed the key.
        by: String,
        /// Why; not empty.
        why: String,
    },
    /// What was learnt, with who mends it by when; empty is the statement that there is nothing.
    FindingsStated {
        /// Who.
        by: String,
        /// What.
        findings: Vec<Finding>,
        /// What the run itself showed and nobody stated.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unstated: Vec<String>,
    },
}

impl RunEvent {
    /// What people did with the run as a whole, in words without their time: `(who, what)`.
    #[must_use]
    pub fn by_people(&self) -> Option<(&str, String)> {
        Some(match self {
            Self::HandoverOffered { by } => (by, "offered to hand the run over".to_owned()),
            Self::HandoverWithdrawn { by } => (by, "keeps the run after all".to_owned()),
            Self::HandoverTaken { from, by } => (by, format!("took the run over from {from}")),
            Self::UpdatePosted { by, text } => (by, format!("told those who wait: {text}")),
            Self::RunbookCorrected {
                by, reason, file, ..
            } => (by, format!("corrected the runbook ({file}): {reason}")),
            Self::ChapterOpened {
                chapter,
                by,
                keeping,
                despite,
                ..
            } => {
                let keeping = keeping.as_ref().map(|why| {
                    format!(", which keeps the disks for a live restore to start from: {why}")
                });
                let keeping = keeping.unwrap_or_default();
                let despite = despite.as_ref().map(|why| format!(", although {why}"));
                let despite = despite.unwrap_or_default();
                (by, format!("began the {chapter}{keeping}{despite}"))
            }
            Self::ChapterLeft {
                chapter,
                by,
                reason,
                ..
            } => (
                by,
                format!("left the {chapter}, of which nothing was done: {reason}"),
            ),
            Self::ShellOpened { host, by, reason } => (
                by,
                format!("opened a shell on {host} (what is typed there is not recorded): {reason}"),
            ),
            Self::ShellClosed { by } => (by, "left the shell".to_owned()),
            Self::DecisionRefused { by, wish, why } => (
                by,
                format!("wanted {wish}, and nothing was done of that: {why}"),
            ),
            Self::DrillAborted { by, why } => (by, format!("aborted the drill: {why}")),
            Self::FindingsStated {
                by,
                findings,
                unstated,
            } => (by, stated(findings, unstated)),
            _ => return None,
        })
    }
}

/// How far the run goes on its own. Gates and prompts always wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pace {
    /// One step at a time, each waits.
    #[default]
    Step,
    /// Waits where a phase begins.
    Phase,
    /// Waits at gates only.
    Auto,
}

impl Pace {
    /// The word on screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Phase => "phase",
            Self::Auto => "auto",
        }
    }
}

/// How it is known that a lost write can no longer take effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopOutcome {
    /// Its process is gone (and on ESXi no task of it runs).
    Gone,
    /// Its process was still there and was ended.
    Killed,
    /// It never had a process: the host shows no trace and it was not sent.
    NeverSent,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunResult {
    /// Steps done, already done or undone.
    pub done: usize,
    /// Steps done by hand.
    pub by_hand: usize,
    /// Steps skipped.
    pub skipped: usize,
    /// Steps failed whose runbook says `on_failure: continue`.
    pub failed: usize,
}

impl RunResult {
    /// Whether nothing was failed or skipped.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failed == 0 && self.skipped == 0
    }
}

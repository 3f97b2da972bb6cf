//! The state of a run: a fold over its events, and nothing else.
//!
//! Screen, headless printer, report, resume and the engine itself read this one structure, so what
//! the operator sees, what the auditor reads and what a resumed console believes cannot differ.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::names::{Attempt, HostName, OpId, StepId, VmName};
use crate::runbook::model::{Mode, Section};

use super::fact::Fact;
use super::people::People;
use super::step::{Status, StepState};
use crate::engine::{Chapter, Entry, Pace, RunEvent, RunInfo, RunResult, StopOutcome};

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// Of which step.
    pub step: StepId,
    /// Of which attempt.
    pub attempt: Attempt,
    /// Where it went.
    pub host: HostName,
    /// The machine of the console that sent it.
    pub console: String,
    /// The line, secrets masked.
    pub command: String,
    /// File data at absolute offsets.
    pub bulk: bool,
    /// Its process on the host, once known.
    pub pid: Option<u32>,
    /// When its intent was on disk.
    pub intended: Timestamp,
    /// Where it stands.
    pub status: OpStatus,
}

impl Op {
    /// Whether it names a folder of a host, or something in it.
    #[must_use]
    pub fn is_about(&self, host: &HostName, folder: &str) -> bool {
        // Another folder may have a name that begins with this one's.
        let within = |word: &String| {
            let rest = word.strip_prefix(folder);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let words = shell_words::split(&self.command).unwrap_or_default();
        self.host == *host && words.iter().any(within)
    }
}

/// Where a write stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpStatus {
    /// Its intent is on disk; it may have left.
    Open,
    /// Its exit status is known.
    Finished {
        /// Exit status.
        exit: i32,
        /// Milliseconds from sending.
        took_ms: u64,
        /// SHA-256 of what it printed, lower-case hex, where that was noted.
        printed: Option<String>,
    },
    /// The connection died under it.
    Lost,
    /// It never left.
    NotSent,
    /// It can no longer take effect.
    Stopped(StopOutcome),
}

impl OpStatus {
    /// Whether it may still take effect for all that is known.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        matches!(self, Self::Open | Self::Lost)
    }
}

/// A remark in the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What.
    pub text: String,
    /// About which step.
    pub step: Option<StepId>,
}

/// A fact and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundFact {
    /// When.
    pub at: Timestamp,
    /// By which step.
    pub step: Option<StepId>,
    /// What.
    pub fact: Fact,
}

/// A chapter by which the run is ended, or was to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedChapter {
    /// Which way.
    pub chapter: Chapter,
    /// Who opened it.
    pub by: String,
    /// When it was opened.
    pub at: Timestamp,
    /// The number of the event that opened it.
    pub seq: u64,
    /// Fingerprint of the plan with its steps.
    pub plan: String,
    /// Its steps of which something is known, and none of an earlier chapter of its kind.
    pub steps: BTreeSet<StepId>,
    /// Why it keeps a drill's disks; none: it does not.
    pub keeping: Option<String>,
    /// When its last step was settled, and how.
    pub ended: Option<(Timestamp, RunResult)>,
}

/// The state of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunState {
    /// What the run is; `None` before its first event.
    pub info: Option<Box<RunInfo>>,
    /// The machine of the console that has it.
    pub console: String,
    /// When it started.
    pub started: Option<Timestamp>,
    /// Steps that have begun; a step that is not here waits.
    pub steps: BTreeMap<StepId, StepState>,
    /// Every write.
    pub ops: BTreeMap<OpId, Op>,
    /// Every fact, in order.
    pub facts: Vec<FoundFact>,
    /// Every remark, in order.
    pub notes: Vec<Note>,
    /// Who has the run, and what they did beside its steps.
    pub people: People,
    /// Host keys accepted for this run.
    pub trusted: Vec<(HostName, String)>,
    /// The pace.
    pub pace: Pace,
    /// Nothing new starts.
    pub paused: bool,
    /// The console left after the last event that is not this one.
    pub detached: bool,
    /// Consoles that took the run up again.
    pub resumes: u32,
    /// Resumes at which the wall clock stood before the last line, in seconds.
    pub clock_jumps: Vec<(Timestamp, i64)>,
    /// How it ended.
    pub finished: Option<RunResult>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When the run's own steps were settled, and how, whatever chapters came after.
    pub own_end: Option<(Timestamp, RunResult)>,
    /// The chapters that were opened to end it, in order.
    pub chapters: Vec<OpenedChapter>,
    /// Number of the last event.
    pub last_seq: u64,
    /// Time of the last event.
    pub last_at: Option<Timestamp>,
}

impl RunState {
    /// Folds a whole journal.
    pub fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut state = Self::default();
        for entry in entries {
            state.apply(entry);
        }
        state
    }

    /// The state of one step; a step that has not begun waits.
    #[must_use]
    pub fn step(&self, id: &StepId) -> StepState {
        self.steps.get(id).cloned().unwrap_or_default()
    }

    /// The attempt of one step; 0 before the first.
    #[must_use]
    pub fn attempt(&self, id: &StepId) -> Attempt {
        self.steps
            .get(id)
            .map_or(Attempt::default(), |step| step.attempt)
    }

    /// Where one step stands.
    #[must_use]
    pub fn status(&self, id: &StepId) -> Status {
        self.steps
            .get(id)
            .map_or(Status::Waiting, |step| step.status)
    }

    /// The facts about a VM that `pick` recognises, newest first.
    pub fn facts_of<'a, T>(
        &'a self,
        pick: impl Fn(&'a Fact) -> Option<T> + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        self.facts
            .iter()
            .rev()
            .filter_map(move |found| pick(&found.fact))
    }

    /// When the VM came to serve, if it does.
    #[must_use]
    pub fn served_at(&self, vm: &VmName) -> Option<Timestamp> {
        self.facts
            .iter()
            .rev()
            .find(|found| matches!(&found.fact, Fact::Serves { vm: served } if served == vm))
            .map(|found| found.at)
    }

    /// When the last of these VMs came to serve where they fail over to, once all do.
    #[must_use]
    pub fn all_served_at(&self, vms: &[VmName]) -> Option<Timestamp> {
        let served = |vm| {
            let fact = self.facts.iter().find(|found| {
                let step = found.step.as_ref();
                let failover = Section::Failover.as_str();
                step.is_none_or(|id| id.section() == failover)
                    && matches!(&found.fact, Fact::Serves { vm: served } if served == vm)
            });
            fact.map(|found| found.at)
        };
        let all: Option<Vec<_>> = vms.iter().map(served).collect();
        all?.into_iter().max()
    }

    /// The locks of this run that may lie beside VMs' folders: wanted, and not seen to be gone
    /// since. The fact of each, in the order in which they were wanted.
    #[must_use]
    pub fn locks(&self) -> Vec<&Fact> {
        let mut held: Vec<&Fact> = Vec::new();
        let place = |fact: &Fact| match fact {
            Fact::LockWanted { host, path, .. } | Fact::LockReleased { host, path, .. } => {
                Some((host.clone(), path.clone()))
            }
            _ => None,
        };
        for FoundFact { fact, .. } in &self.facts {
            if let Some(here) = place(fact) {
                held.retain(|other| place(other).as_ref() != Some(&here));
            }
            if matches!(fact, Fact::LockWanted { .. }) {
                held.push(fact);
            }
        }
        held
    }

    /// Whether a command took, broke or gave back a lock of this run.
    #[must_use]
    pub fn is_about_lock(&self, op: &Op) -> bool {
        self.facts.iter().any(|found| match &found.fact {
            Fact::LockWanted { host, path, .. } => op.is_about(host, path),
            _ => false,
        })
    }

    /// Writes of a step, other than file data, that may still take effect for all that is known.
    pub fn open_ops<'a>(&'a self, step: &'a StepId) -> impl Iterator<Item = (OpId, &'a Op)> + 'a {
        self.unsettled_ops()
            .filter(move |(_, op)| op.step == *step && !op.bulk)
            .map(|(id, op)| (*id, op))
    }

    /// Writes that may still take effect for all that is known.
    pub fn unsettled_ops(&self) -> impl Iterator<Item = (&OpId, &Op)> {
        self.ops.iter().filter(|(_, op)| op.status.is_unsettled())
    }

    /// Takes one more event in.
    pub fn apply(&mut self, entry: &Entry) {
        self.last_seq = entry.seq;
        self.last_at = Some(entry.at);
        if !matches!(entry.event, RunEvent::RunDetached { .. }) {
            self.detached = false;
        }
        self.note_chapter(entry.step.as_ref());
        if let Some(step) = self.people.apply(entry) {
            self.steps.entry(step).or_default().looked_into = true;
        }
        match &entry.event {
            RunEvent::RunStarted(info) => {
                self.info = Some(info.clone());
                self.console.clone_from(&info.console);
                self.started = Some(entry.at);
                if info.headless {
                    self.pace = Pace::Auto;
                }
            }
            RunEvent::RunResumed {
                clock_back_s,
                console,
                ..
            } => {
                self.console.clone_from(console);
                self.resumes += 1;
                self.finished = None;
                if self.info.as_ref().is_some_and(|info| info.headless) {
                    // It went on by itself for want of a person, who chooses a pace now.
                    self.pace = Pace::Step;
                }
                if let Some(seconds) = clock_back_s {
                    self.clock_jumps.push((entry.at, *seconds));
                }
            }
            RunEvent::PaceSet { pace, .. } => self.pace = *pace,
            RunEvent::RunPaused { .. } => self.paused = true,
            RunEvent::RunContinued { .. } => self.paused = false,
            RunEvent::NoteAdded { by, text } => self.notes.push(Note {
                at: entry.at,
                by: by.clone(),
                text: text.clone(),
                step: entry.step.clone(),
            }),
            RunEvent::HostTrusted {
                host, fingerprint, ..
            } => {
                self.trusted.push((host.clone(), fingerprint.clone()));
            }
            RunEvent::RunDetached { .. } => self.detached = true,
            // Taken in above.
            RunEvent::HandoverOffered { .. }
            | RunEvent::HandoverWithdrawn { .. }
            | RunEvent::HandoverTaken { .. }
            | RunEvent::UpdatePosted { .. }
            | RunEvent::RunbookCorrected { .. }
            | RunEvent::ShellOpened { .. }
            | RunEvent::ShellClosed { .. }
            | RunEvent::DrillAborted { .. }
            | RunEvent::FindingsStated { .. } => {}
            RunEvent::ChapterOpened {
                chapter,
                by,
                plan,
                keeping,
            } => {
                self.paused = false;
                // How far the run was let go on was said for what the run did.
                self.pace = Pace::Step;
                self.chapters.push(OpenedChapter {
                    chapter: *chapter,
                    by: by.clone(),
                    at: entry.at,
                    seq: entry.seq,
                    plan: plan.clone(),
                    steps: BTreeSet::new(),
                    keeping: keeping.clone(),
                    ended: None,
                });
            }
            RunEvent::ChapterLeft { .. } => self.leave_chapter(entry.at),
            RunEvent::RunFinished { result } => self.finish(entry.at, result),
            RunEvent::FactFound(fact) => self.facts.push(FoundFact {
                at: entry.at,
                step: entry.step.clone(),
                fact: fact.clone(),
            }),
            RunEvent::WriteIntended { .. }
            | RunEvent::WriteStarted { .. }
            | RunEvent::WriteFinished { .. }
            | RunEvent::WriteLost { .. }
            | RunEvent::WriteNotSent { .. }
            | RunEvent::LostStopped { .. }
            | RunEvent::StopFailed { .. } => self.apply_write(entry),
            RunEvent::StepStarted
            | RunEvent::ProbeAnswered(_)
            | RunEvent::ProbeFailed { .. }
            | RunEvent::StepConfirmed(_)
            | RunEvent::StepDeclined(_)
            | RunEvent::ResponseRefused { .. }
            | RunEvent::QuestionAsked(_)
            | RunEvent::QuestionAnswered { .. }
            | RunEvent::StepDone { .. }
            | RunEvent::StepAlreadyDone { .. }
            | RunEvent::StepFailed { .. }
            | RunEvent::StepHeld { .. }
            | RunEvent::StepSkipped { .. }
            | RunEvent::StepByHand { .. }
            | RunEvent::StepRetried { .. }
            | RunEvent::UndoStarted { .. }
            | RunEvent::StepUndone { .. }
            | RunEvent::StepInterrupted { .. } => {
                if let Some(id) = &entry.step {
                    let attempt = entry.attempt.unwrap_or_default();
                    let doubt = matches!(entry.event, RunEvent::StepRetried { .. })
                        && self.open_ops(id).next().is_some();
                    let step = self.steps.entry(id.clone()).or_default();
                    step.apply(entry.at, attempt, &entry.event);
                    if doubt {
                        step.move_to(Status::InDoubt, entry.at);
                    }
                }
            }
        }
    }

    fn finish(&mut self, at: Timestamp, result: &RunResult) {
        self.finished = Some(result.clone());
        self.finished_at = Some(at);
        let ended = Some((at, result.clone()));
        match self.chapters.last_mut() {
            Some(chapter) => chapter.ended = ended,
            None => self.own_end = ended,
        }
    }

    /// Counts a step to the chapter that was opened last, if it is one of its own.
    fn note_chapter(&mut self, step: Option<&StepId>) {
        let (Some(step), Some((last, before))) = (step, self.chapters.split_last_mut()) else {
            return;
        };
        let is_of = |opened: &OpenedChapter| opened.steps.contains(step);
        if Chapter::of(step) == Some(last.chapter) && !is_of(last) && !before.iter().any(is_of) {
            last.steps.insert(step.clone());
        }
    }

    /// Whether what ended the run is done, and the run was taken up again for what it still holds:
    /// resuming it gives that back.
    #[must_use]
    pub fn ends_anew(&self) -> bool {
        let ended = self.chapter().is_some_and(|opened| opened.ended.is_some());
        ended && self.finished.is_none()
    }

    /// When the run's own part was over, settled or aborted, whatever chapters came after.
    #[must_use]
    pub fn own_part_ended(&self) -> Option<Timestamp> {
        let settled = self.own_end.as_ref().map(|(at, _)| *at);
        settled.or_else(|| self.people.aborted.as_ref().map(|aborted| aborted.at))
    }

    /// What is under way, in capitals: `FAILOVER`, `ROLLBACK of FAILOVER`.
    #[must_use]
    pub fn heading(&self, mode: Option<Mode>) -> String {
        let mode = mode.map_or("", |mode| mode.as_str()).to_uppercase();
        match self.chapter() {
            Some(opened) => format!("{} of {mode}", opened.chapter.as_str().to_uppercase()),
            None => mode,
        }
    }

    /// The chapter that was opened last.
    #[must_use]
    pub fn chapter(&self) -> Option<&OpenedChapter> {
        self.chapters.last()
    }

    fn apply_write(&mut self, entry: &Entry) {
        let (op, status) = match &entry.event {
            RunEvent::WriteIntended {
                op,
                host,
                command,
                bulk,
            } => {
                self.ops.insert(
                    *op,
                    Op {
                        step: entry.step.clone().unwrap_or_default(),
                        attempt: entry.attempt.unwrap_or_default(),
                        host: host.clone(),
                        console: self.console.clone(),
                        command: command.clone(),
                        bulk: *bulk,
                        pid: None,
                        intended: entry.at,
                        status: OpStatus::Open,
                    },
                );
                return;
            }
            RunEvent::WriteStarted { op, pid } => {
                if let Some(op) = self.ops.get_mut(op) {
                    op.pid = Some(*pid);
                }
                return;
            }
            RunEvent::StopFailed { .. } => return,
            RunEvent::WriteFinished {
                op,
                exit,
                took_ms,
                output_sha256,
            } => (
                op,
                OpStatus::Finished {
                    exit: *exit,
                    took_ms: *took_ms,
                    printed: output_sha256.clone(),
                },
            ),
            RunEvent::WriteLost { op, .. } => (op, OpStatus::Lost),
            RunEvent::WriteNotSent { op, .. } => (op, OpStatus::NotSent),
            RunEvent::LostStopped { op, outcome } => (op, OpStatus::Stopped(outcome.clone())),
            _ => return,
        };
        let Some(known) = self.ops.get_mut(op) else {
            return;
        };
        let lost = status == OpStatus::Lost && !known.bulk;
        let stopped = matches!(status, OpStatus::Stopped(_));
        known.status = status;
        let Some(step) = self.steps.get_mut(&known.step) else {
            return;
        };
        if lost {
            step.losses += 1;
            step.move_to(Status::InDoubt, entry.at);
        } else if stopped && step.status == Status::InDoubt {
            step.move_to(Status::Stopping, entry.at);
        }
    }
}

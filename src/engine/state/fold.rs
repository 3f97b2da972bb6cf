//! The fold itself: how each event changes what is known.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::engine::step::Status;
use crate::engine::{Chapter, Entry, Fact, Pace, RunEvent, RunResult};
use crate::names::StepId;

use super::{FoundFact, Note, Op, OpStatus, OpenedChapter, RunState};

impl RunState {
    /// Folds a whole journal.
    pub fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut state = Self::default();
        for entry in entries {
            state.apply(entry);
        }
        state
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
            self.steps.entry(step).or_default().had_shell = true;
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
            } => self.take_up(entry.at, console, *clock_back_s),
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
            | RunEvent::DecisionRefused { .. }
            | RunEvent::DrillAborted { .. }
            | RunEvent::FindingsStated { .. } => {}
            RunEvent::ChapterOpened {
                chapter,
                by,
                plan,
                keeping,
                despite: _,
            } => self.open_chapter(OpenedChapter {
                chapter: *chapter,
                by: by.clone(),
                at: entry.at,
                seq: entry.seq,
                plan: plan.clone(),
                steps: BTreeSet::new(),
                keeping: keeping.clone(),
                ended: None,
            }),
            RunEvent::ChapterLeft { .. } => self.leave_chapter(entry.at),
            RunEvent::RunFinished { result } => self.finish(entry.at, result),
            RunEvent::FactFound(Fact::TakenHome(taken)) => self.take_home(taken),
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
            | RunEvent::StopFailed { .. } => self.apply_to_write(entry),
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
            | RunEvent::StepInterrupted { .. } => self.apply_to_step(entry),
        }
    }

    /// Another console, or the same one again, goes on with the run.
    fn take_up(&mut self, at: Timestamp, console: &str, clock_back_s: Option<i64>) {
        self.console = console.to_owned();
        self.resumes += 1;
        self.taken_up = Some(at);
        self.home.clear();
        self.finished = None;
        if self.info.as_ref().is_some_and(|info| info.headless) {
            // It went on by itself for want of a person, who chooses a pace now.
            self.pace = Pace::Step;
        }
        if let Some(seconds) = clock_back_s {
            self.clock_jumps.push((at, seconds));
        }
    }

    fn open_chapter(&mut self, opened: OpenedChapter) {
        self.paused = false;
        // How far the run was let go on was said for what the run did.
        self.pace = Pace::Step;
        self.chapters.push(opened);
    }

    fn apply_to_step(&mut self, entry: &Entry) {
        let Some(id) = &entry.step else {
            return;
        };
        let attempt = entry.attempt.unwrap_or_default();
        let doubt = matches!(entry.event, RunEvent::StepRetried { .. })
            && self.open_ops(id).next().is_some();
        let step = self.steps.entry(id.clone()).or_default();
        step.apply(entry.at, attempt, &entry.event);
        if doubt {
            step.move_to(Status::InDoubt, entry.at);
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

    fn apply_to_write(&mut self, entry: &Entry) {
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
                        lasted: None,
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
        if lost && self.taken_up.is_none_or(|at| known.intended > at) {
            known.lasted = Some(entry.at.duration_since(known.intended).unsigned_abs());
        }
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

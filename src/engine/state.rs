//! The state of a run: a fold over its events, and nothing else.
//!
//! Screen, headless printer, report, resume and the engine itself read this one structure, so what
//! the operator sees, what the auditor reads and what a resumed console believes cannot differ.

mod fold;
mod op;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::names::{Attempt, HostName, OpId, StepId, VmName};
use crate::runbook::model::{Mode, Section};

use super::fact::Fact;
use super::people::People;
use super::step::{Status, StepState};
use super::taken_home::TakenBy;
use crate::engine::{Chapter, Pace, RunInfo, RunResult};

pub use op::{Op, OpStatus};

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
    /// When a console took it up last, after the first.
    pub taken_up: Option<Timestamp>,
    /// The failbacks that had VMs of it when it was last taken up.
    pub home: Vec<TakenBy>,
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
}

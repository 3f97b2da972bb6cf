//! One step of a run: where it stands and everything known about it.

use jiff::Timestamp;

use crate::error::Fault;
use crate::names::Attempt;
use crate::plan::Step;
use crate::runbook::model::OnFailure;

use crate::engine::{Confirmation, ProbeAnswer, Proposal, Question, RunEvent, Verdict};

/// Where a step stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Not begun.
    #[default]
    Waiting,
    /// Looking at the world.
    Probing,
    /// Its proposal waits for somebody.
    Asking,
    /// Acting, then looking again.
    Running,
    /// A write was lost: unknown whether it took effect.
    InDoubt,
    /// Making sure that the lost write can no longer take effect.
    Stopping,
    /// Only a person can go on.
    Held,
    /// Done and seen to be done.
    Done,
    /// There was nothing to do.
    AlreadyDone,
    /// Done outside Lifeboat.
    ByHand,
    /// Left out with a reason.
    Skipped,
    /// Did not work.
    Failed,
    /// Being taken back.
    Undoing,
    /// Taken back.
    Undone,
}

impl Status {
    /// The word that people see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Probing => "probing",
            Self::Asking => "asking",
            Self::Running => "running",
            Self::InDoubt => "in doubt",
            Self::Stopping => "stopping",
            Self::Held => "held",
            Self::Done => "done",
            Self::AlreadyDone => "already done",
            Self::ByHand => "done by hand",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }

    /// What comes after it may begin.
    #[must_use]
    pub fn is_met(self) -> bool {
        matches!(
            self,
            Self::Done | Self::AlreadyDone | Self::ByHand | Self::Skipped
        )
    }

    /// Something of it is under way on the console or on a host.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(
            self,
            Self::Probing | Self::Running | Self::InDoubt | Self::Stopping | Self::Undoing
        )
    }

    /// A step that stands so waits for a person, by itself; one that was taken back does until somebody says what
    /// becomes of it, and one that failed where its runbook does not go on without it.
    pub(super) fn needs_person(self, step: &Step) -> bool {
        match self {
            Self::Asking | Self::Held | Self::Undone => true,
            Self::Failed => !self.is_passed_over(step),
            _ => false,
        }
    }

    /// It failed, and the runbook goes on without it (`on_failure: continue`).
    #[must_use]
    pub fn is_passed_over(self, step: &Step) -> bool {
        self == Self::Failed && step.on_failure == OnFailure::Continue
    }
}

/// What became of the attempt before this one.
#[derive(Clone, Debug, PartialEq)]
pub struct Earlier {
    /// Which.
    pub attempt: Attempt,
    /// What was confirmed, where things were not like that any more right before it acted, or another
    /// decision came up after it had.
    pub confirmed: Option<Box<Proposal>>,
    /// What was wrong with it.
    pub fault: Option<Fault>,
}

/// Everything known about one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepState {
    /// Where it stands.
    pub status: Status,
    /// Which attempt; 0 before the first.
    pub attempt: Attempt,
    /// When the first attempt began.
    pub started: Option<Timestamp>,
    /// When its proposal was let go on (this attempt).
    pub confirmed_at: Option<Timestamp>,
    /// Since when it stands where it stands.
    pub since: Option<Timestamp>,
    /// When it was settled.
    pub ended: Option<Timestamp>,
    /// What was seen last.
    pub found: String,
    /// What it would do, or is doing.
    pub proposal: Option<Box<Proposal>>,
    /// When that was looked at.
    pub proposed_at: Option<Timestamp>,
    /// The last attempt that somebody has to know of to decide about this one.
    pub earlier: Option<Box<Earlier>>,
    /// Who let it go on (this attempt).
    pub confirmation: Option<Box<Confirmation>>,
    /// What is wrong, while it is failed or held, and while it looks again.
    pub fault: Option<Fault>,
    /// Ways on, while it is held or blocked.
    pub remedies: Vec<String>,
    /// What showed that it is done; the reason or evidence of a person.
    pub evidence: Vec<String>,
    /// Who skipped it or did it by hand.
    pub settled_by: Option<String>,
    /// A person did it by hand once, and it was not taken back since.
    pub by_hand: bool,
    /// A question of its VM that waits for an answer.
    pub question: Option<Box<Question>>,
    /// Answers to its challenge that were refused (this attempt).
    pub refused: u32,
    /// Clean failures so far, over all attempts since a person last retried.
    pub failures: u32,
    /// It was over, and looks again because a host that had been silent answers.
    pub reopened: bool,
    /// When it was over and was let look again, by whom ever.
    pub again: Option<Timestamp>,
    /// A person wants it taken back, and it is not yet: no rule does it again.
    pub unwanted: bool,
    /// Somebody had a shell on a host for it since it was let go on last: it waits for a person.
    pub had_shell: bool,
    /// When a person last wanted it tried again.
    pub retried_at: Option<Timestamp>,
    /// Lost writes so far, over all attempts since a person last retried.
    pub losses: u32,
    /// Times that its action was cut short by what may pass, over all attempts since a person last retried.
    pub cuts: u32,
}

impl StepState {
    pub(super) fn move_to(&mut self, status: Status, at: Timestamp) {
        if self.status != status {
            self.since = Some(at);
        }
        if status != Status::Running {
            // Whoever asked is gone, or is no longer heard.
            self.question = None;
        }
        self.status = status;
        self.ended = match status {
            Status::Done
            | Status::AlreadyDone
            | Status::ByHand
            | Status::Skipped
            | Status::Failed
            | Status::Undone => Some(at),
            _ => None,
        };
    }

    pub(super) fn apply(&mut self, at: Timestamp, attempt: Attempt, event: &RunEvent) {
        match event {
            RunEvent::StepStarted => {
                if self.attempt != attempt {
                    self.remember_attempt();
                    self.confirmation = None;
                    self.confirmed_at = None;
                    self.proposal = None;
                    self.proposed_at = None;
                    self.refused = 0;
                }
                self.attempt = attempt;
                self.started.get_or_insert(at);
                self.fault = None;
                self.remedies.clear();
                self.move_to(Status::Probing, at);
            }
            RunEvent::ProbeAnswered(answer) => self.take_answer(at, answer),
            RunEvent::ProbeFailed { fault, .. } => {
                self.fault = Some(fault.clone());
            }
            RunEvent::StepConfirmed(confirmation) => {
                self.confirmation = Some(confirmation.clone());
                self.confirmed_at = Some(at);
                self.had_shell = false;
                self.move_to(Status::Running, at);
            }
            RunEvent::ResponseRefused { .. } => self.refused += 1,
            RunEvent::QuestionAsked(question) => self.question = Some(question.clone()),
            RunEvent::QuestionAnswered { .. } => self.question = None,
            RunEvent::StepDone { evidence } => self.settle(at, Status::Done, evidence, None),
            RunEvent::StepAlreadyDone { evidence } => {
                self.settle(at, Status::AlreadyDone, evidence, None);
            }
            RunEvent::StepFailed { fault } => {
                self.failures += 1;
                self.fault = Some(fault.clone());
                self.move_to(Status::Failed, at);
            }
            RunEvent::StepHeld { fault, remedies } => {
                self.fault = Some(fault.clone());
                self.remedies = remedies.clone();
                self.move_to(Status::Held, at);
            }
            RunEvent::StepSkipped { by, reason } => {
                self.settle(at, Status::Skipped, std::slice::from_ref(reason), Some(by));
            }
            RunEvent::StepByHand { by, evidence } => {
                self.by_hand = true;
                self.settle(at, Status::ByHand, std::slice::from_ref(evidence), Some(by));
            }
            RunEvent::StepRetried { by } => {
                if by != super::BY_RULE {
                    self.failures = 0;
                    self.losses = 0;
                    self.cuts = 0;
                    self.unwanted = false;
                    self.retried_at = Some(at);
                }
                if self.status.is_met() {
                    self.again = Some(at);
                }
                self.reopened |= by == super::BY_RULE && self.status.is_met();
                self.move_to(Status::Waiting, at);
            }
            RunEvent::UndoStarted { .. } => {
                self.unwanted = true;
                self.move_to(Status::Undoing, at);
            }
            RunEvent::StepUndone { evidence } => {
                self.by_hand = false;
                self.settle(at, Status::Undone, evidence, None);
            }
            RunEvent::StepInterrupted { fault, .. } => {
                self.cuts += u32::from(fault.is_some());
                self.fault.clone_from(fault);
                self.move_to(Status::Waiting, at);
            }
            _ => {}
        }
    }

    /// Keeps what the attempt that ends here is remembered for, if it is.
    fn remember_attempt(&mut self) {
        let was_confirmed = self.status == Status::Running;
        let confirmed = self.proposal.take().filter(|_| was_confirmed);
        let fault = self.fault.take();
        if confirmed.is_some() || fault.is_some() {
            self.earlier = Some(Box::new(Earlier {
                attempt: self.attempt,
                confirmed,
                fault,
            }));
        }
    }

    fn take_answer(&mut self, at: Timestamp, answer: &ProbeAnswer) {
        self.found.clone_from(&answer.found);
        self.fault = None;
        self.remedies.clear();
        match &answer.verdict {
            Verdict::AlreadyDone { .. } => {}
            Verdict::Needed(proposal) => {
                self.proposal = Some(proposal.clone());
                self.proposed_at = Some(at);
                self.move_to(Status::Asking, at);
            }
            Verdict::Blocked { fault, remedies } => {
                self.fault = Some(fault.clone());
                self.remedies.clone_from(remedies);
            }
        }
    }

    fn settle(&mut self, at: Timestamp, status: Status, evidence: &[String], by: Option<&String>) {
        self.evidence = evidence.to_vec();
        self.settled_by = by.cloned();
        self.reopened = false;
        self.unwanted = false;
        self.fault = None;
        self.remedies.clear();
        self.move_to(status, at);
    }
}

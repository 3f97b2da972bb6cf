//! What came of the run: objectives, what was not proven, and what has to be looked into.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Tone, seconds, whole};
use crate::names::{StepId, VmName};
use crate::report::objectives::{Grade, Measure};
use crate::report::prose::Text;
use crate::runbook::model::Section;

/// What came of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// In words: `finished, nothing found`.
    pub state: String,
    /// More about it, where there is more.
    pub detail: String,
    /// How good that is.
    pub tone: Tone,
    /// Every step is settled.
    pub finished: bool,
    /// Steps done, already done or taken back.
    pub done: usize,
    /// Steps done by hand.
    pub by_hand: usize,
    /// Steps skipped.
    pub skipped: usize,
    /// Steps failed.
    pub failed: usize,
    /// Steps that are not settled.
    pub open: usize,
    /// The command that goes on from here.
    pub next: Option<String>,
}

/// Of what kind a statement is, in the order in which they stand: what concerns the safety of the
/// data first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatementKind {
    /// A VM runs, or ran, at both sites.
    SplitBrain,
    /// A person vouched for what could not be proven.
    Attested,
    /// A VM was brought up although nothing showed that its other copy is off.
    NotFenced,
    /// A VM was brought up in a drill although nothing showed that it is kept apart.
    NotIsolated,
    /// What a drill kept a VM apart by.
    Isolated,
    /// A rung of readiness that nothing outside a drill reaches.
    NotProvable,
    /// No restore point of a VM was seen that was taken since it moved.
    NotProtected,
    /// Somebody had a shell on a host.
    Shell,
    /// Another run's lock was broken.
    LockBroken,
    /// A lock of this run lies still on a host.
    LockLeft,
    /// A person chose another restore point.
    PointPicked,
    /// Disks were made from those that a drill had kept.
    Seeded,
    /// A drill's disks were kept for a live restore to start from.
    DisksKept,
    /// A restore point has no recorded sums.
    SourceUnverified,
    /// What was quiesced is what the runbook says.
    StatedQuiesced,
    /// Nothing but somebody's word shows that a command worked.
    NotVerified,
    /// No place can see that network.
    NotProbed,
    /// A host that had been silent answered again.
    HostReturned,
    /// A VM that was to start here was seen running where it is not to run any more.
    RunsElsewhere,
    /// A needed VM was left out by choice.
    LeftOut,
    /// A host's key was accepted by a person.
    KeyAccepted,
    /// The console's clock stood before the journal's last line.
    ClockJump,
    /// A host's clock was off.
    ClockOff,
}

impl StatementKind {
    /// How much it should stand out.
    pub(in crate::report) fn tone(self) -> Tone {
        match self {
            Self::SplitBrain => Tone::Bad,
            Self::Attested
            | Self::NotFenced
            | Self::NotIsolated
            | Self::NotProtected
            | Self::Shell
            | Self::LockBroken
            | Self::LockLeft => Tone::Warn,
            _ => Tone::Plain,
        }
    }
}

/// Something that was not proven.
#[derive(Clone, Debug, Serialize)]
pub struct Statement {
    /// Of which kind.
    pub kind: StatementKind,
    /// What.
    pub text: Text,
}

/// Objectives and actuals of a VM, or of all of a half's VMs.
#[derive(Clone, Debug, Serialize)]
pub struct Objective {
    /// In which half of the runbook.
    pub section: Section,
    /// Which VM; nothing for the set.
    pub vm: Option<VmName>,
    /// From the loss of service until the last rung of `ready` passed.
    pub rto: Graded,
    /// From the restore point to the loss of service.
    pub rpo: Graded,
    /// Where its data comes from.
    pub data_from: String,
    /// When it came to serve.
    pub serves_at: Option<Timestamp>,
    /// Where the time went, from the loss of service to service.
    pub legs: Vec<Leg>,
}

/// A part of the way from the loss of service to service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leg {
    /// What was done.
    pub what: &'static str,
    /// For how long.
    #[serde(rename = "took_s", serialize_with = "whole")]
    pub took: SignedDuration,
}

/// An objective, what came of it, and how the two compare.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Graded {
    /// What was wanted.
    #[serde(rename = "objective_s", serialize_with = "seconds")]
    pub objective: Option<SignedDuration>,
    /// What it was.
    #[serde(rename = "actual_s", serialize_with = "seconds")]
    pub actual: Option<SignedDuration>,
    /// How they compare.
    pub grade: Option<Grade>,
}

impl From<Measure> for Graded {
    fn from(measure: Measure) -> Self {
        Self {
            objective: measure.objective,
            actual: measure.actual,
            grade: measure.grade(),
        }
    }
}

/// Where a finding comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// An objective was missed.
    Objective,
    /// A drill was ended early, or took longer than its limit.
    Drill,
    /// A restore point was proven corrupt.
    RestorePoint,
    /// It was committed or rolled back after its time to decide was over.
    Window,
    /// A step did not work, or waits for somebody.
    Step,
}

/// What has to be looked into.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Of which kind.
    pub kind: FindingKind,
    /// What.
    pub text: Text,
    /// The next move, where the run itself knows one.
    pub next: Option<String>,
}

/// What a person put in place of what the runbook or a proof would have said.
#[derive(Clone, Debug, Serialize)]
pub struct Override {
    /// When.
    pub at: Option<Timestamp>,
    /// Who.
    pub by: String,
    /// What.
    pub text: Text,
}

/// A step that took longer or shorter than it usually does.
#[derive(Clone, Debug, Serialize)]
pub struct Deviation {
    /// Which step.
    pub step: StepId,
    /// What the runbook expects.
    #[serde(rename = "usually_s", serialize_with = "whole")]
    pub usually: SignedDuration,
    /// How long it took from its confirmation on.
    #[serde(rename = "took_s", serialize_with = "whole")]
    pub took: SignedDuration,
}

//! What a report says: everything that a renderer needs, collected once. Its JSON is the report as
//! data; the shape is kept stable and carries `format`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use crate::engine::{DrillTerms, FindingsStatement};
use crate::names::{HostName, RunId, StepId, VariableName, VmName};
use crate::runbook::model::{Mode, Section};

use super::objectives::{Grade, Measure};
use super::prose::Text;

/// The format of the report as JSON.
pub const FORMAT: u32 = 1;

/// How something went, where colour may say it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Neither good nor bad.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Not as it should be.
    Bad,
}

/// A run's report, before it is written down in one of its ways.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// Format of this shape: 1.
    pub format: u32,
    /// What the run was.
    pub run: RunHead,
    /// What came of it.
    pub result: Outcome,
    /// What was vouched for instead of proven, and what else was not proven.
    pub statements: Vec<Statement>,
    /// Objectives against actuals, VM by VM and for each half's set.
    pub objectives: Vec<Objective>,
    /// What has to be looked into.
    pub findings: Vec<Finding>,
    /// What a drill's people say of it, once they do.
    pub stated: Option<FindingsStatement>,
    /// What people put in place of what the runbook or a proof would have said.
    pub overrides: Vec<Override>,
    /// Steps that took longer or shorter than they usually do.
    pub deviations: Vec<Deviation>,
    /// The run over time, a lane for each VM.
    pub timeline: Timeline,
    /// Every step, phase by phase.
    pub phases: Vec<Phase>,
    /// Who decided what, in order of time.
    pub decisions: Vec<Decision>,
    /// Every write that left for a host, in order of time.
    pub commands: Vec<Command>,
    /// Every file that stands under its final name.
    pub files: Vec<File>,
    /// What the run left on hosts.
    pub residue: Vec<Residue>,
    /// Remarks.
    pub notes: Vec<Note>,
    /// By what the report can be checked.
    pub integrity: Integrity,
    /// The files of the run's folder.
    pub evidence: Vec<Evidence>,
}

/// What a run was.
#[derive(Clone, Debug, Serialize)]
pub struct RunHead {
    /// Its id.
    pub id: RunId,
    /// How it was done.
    pub mode: Option<Mode>,
    /// What was under way last: `FAILOVER`, `ROLLBACK of FAILOVER`.
    pub heading: String,
    /// The runbook's title.
    pub title: String,
    /// The runbook's name.
    pub runbook: String,
    /// The site from which the VMs were moved.
    pub from: String,
    /// The site to which they were moved.
    pub to: String,
    /// Who started it.
    pub operator: String,
    /// Who was accountable last.
    pub accountable: String,
    /// At which machine.
    pub console: String,
    /// When it began.
    pub began: Option<Timestamp>,
    /// When its last event happened.
    pub last: Option<Timestamp>,
    /// How long that took.
    #[serde(rename = "took_s", serialize_with = "seconds")]
    pub took: Option<SignedDuration>,
    /// The time to commit or roll back, once the steps are settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// When service was lost; in a planned run, when it was stopped.
    pub outage_at: Option<Timestamp>,
    /// Why that is not the run's start.
    pub outage_reason: Option<String>,
    /// What a drill's people agreed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillTerms>,
    /// The run that it takes back.
    pub parent: Option<TakenBack>,
    /// Corrected runbooks, in order; the last one is in force.
    pub corrections: Vec<Correction>,
    /// The recorded selection; empty means all.
    pub only: Vec<VmName>,
    /// Variables that are not secret.
    pub variables: BTreeMap<VariableName, String>,
    /// How many times a console took it up again.
    pub resumes: u32,
}

/// The time in which a run is to be committed or rolled back.
#[derive(Clone, Debug, Serialize)]
pub struct Window {
    /// How long it is.
    #[serde(rename = "within_s", serialize_with = "whole")]
    pub within: SignedDuration,
    /// When it ends.
    pub until: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// The same in words.
    pub words: String,
}

/// The run that a failback takes back.
#[derive(Clone, Debug, Serialize)]
pub struct TakenBack {
    /// Its id.
    pub run: RunId,
    /// The head of its journal when this run began.
    pub head: String,
    /// What stayed behind, and what people did in it, in words.
    pub words: Vec<String>,
}

/// A runbook that replaced the one before.
#[derive(Clone, Debug, Serialize)]
pub struct Correction {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Its name in the run's folder.
    pub file: String,
    /// SHA-256 of it.
    pub sha256: String,
    /// Fingerprint of the plan made from it.
    pub plan: String,
}

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
}

impl StatementKind {
    /// How much it should stand out.
    pub(super) fn tone(self) -> Tone {
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

/// Where a finding comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// An objective was missed.
    Objective,
    /// A drill was ended early, or took longer than its limit.
    Drill,
    /// It was committed or rolled back after its time to decide was over.
    Window,
    /// A step did not work, or waits for somebody.
    Step,
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

/// The run over time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Timeline {
    /// Where it begins: the loss of service, or the run's start.
    pub from: Option<Timestamp>,
    /// Where it ends.
    pub to: Option<Timestamp>,
    /// Moments that concern all lanes.
    pub marks: Vec<Mark>,
    /// The VMs, and what belongs to none.
    pub lanes: Vec<Lane>,
}

/// A moment.
#[derive(Clone, Debug, Serialize)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// What, in a few words.
    pub what: String,
}

/// A VM's steps over time.
#[derive(Clone, Debug, Serialize)]
pub struct Lane {
    /// The VM; nothing for the steps that belong to none.
    pub vm: Option<VmName>,
    /// Its steps.
    pub bars: Vec<Bar>,
    /// When it came to serve, each time.
    pub serves: Vec<Timestamp>,
    /// When it should have served.
    pub due: Option<Timestamp>,
}

/// A step over time.
#[derive(Clone, Debug, Serialize)]
pub struct Bar {
    /// Which step.
    pub step: StepId,
    /// Its verb.
    pub verb: &'static str,
    /// When it began.
    pub from: Timestamp,
    /// When it ended, or the last event happened.
    pub to: Timestamp,
    /// Where it stands.
    pub state: &'static str,
    /// How good that is.
    pub tone: Tone,
}

/// The steps of a phase.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// The half of the runbook.
    pub section: String,
    /// Its heading.
    pub phase: String,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// A step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// Where it stands.
    pub state: &'static str,
    /// How good that is.
    pub tone: Tone,
    /// How many attempts there were.
    pub attempts: u32,
    /// When it began.
    pub began: Option<Timestamp>,
    /// From its first beginning to its last end.
    #[serde(rename = "took_s", serialize_with = "seconds")]
    pub took: Option<SignedDuration>,
    /// When it was over and was let look again: what it took counts the time between, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again_at: Option<Timestamp>,
    /// What was seen, or what is wrong.
    pub seen: String,
}

/// Something that a person decided, or a rule that a person chose.
#[derive(Clone, Debug, Serialize)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What, and why.
    pub what: Text,
    /// About which step.
    pub step: Option<StepId>,
}

/// A write that left for a host.
#[derive(Clone, Debug, Serialize)]
pub struct Command {
    /// When it was announced.
    pub at: Timestamp,
    /// Of which step.
    pub step: StepId,
    /// Where it went.
    pub host: HostName,
    /// The line, secrets masked.
    pub command: String,
    /// What came of it.
    pub outcome: String,
    /// Its exit status.
    pub exit: Option<i32>,
    /// How long it took.
    #[serde(rename = "took_s", serialize_with = "seconds")]
    pub took: Option<SignedDuration>,
    /// SHA-256 of what it printed.
    pub output_sha256: Option<String>,
}

/// A file that stands under its final name.
#[derive(Clone, Debug, Serialize)]
pub struct File {
    /// Of which VM.
    pub vm: VmName,
    /// Where.
    pub host: HostName,
    /// Its path there.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, as computed there.
    pub sha256: String,
    /// How it was proven.
    pub proof: String,
}

/// Something that the run left on a host, took away, or keeps of it.
#[derive(Clone, Debug, Serialize)]
pub struct Residue {
    /// At which site.
    pub site: String,
    /// On which host.
    pub host: HostName,
    /// What.
    pub text: Text,
}

/// A remark.
#[derive(Clone, Debug, Serialize)]
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

/// By what the report can be checked.
#[derive(Clone, Debug, Serialize)]
pub struct Integrity {
    /// Lines of the journal.
    pub lines: usize,
    /// The hash of its last line.
    pub head: String,
    /// SHA-256 of the runbook.
    pub runbook_sha256: String,
    /// Fingerprint of the plan.
    pub plan: String,
    /// Version of Lifeboat that started the run.
    pub version: String,
}

/// A file of the run's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Its path in the folder.
    pub path: String,
    /// Its size; nothing where it could not be read.
    pub bytes: Option<u64>,
    /// Its SHA-256; nothing where it could not be read.
    pub sha256: Option<String>,
}

fn whole<S: Serializer>(length: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(in_seconds(*length))
}

fn seconds<S: Serializer>(length: &Option<SignedDuration>, out: S) -> Result<S::Ok, S::Error> {
    match length {
        Some(length) => out.serialize_some(&in_seconds(*length)),
        None => out.serialize_none(),
    }
}

/// Seconds to the millisecond.
fn in_seconds(length: SignedDuration) -> f64 {
    length.as_millis() as f64 / 1_000.0
}

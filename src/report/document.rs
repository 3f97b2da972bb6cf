//! What a report says: everything that a renderer needs, collected once. Its JSON is the report as
//! data; the shape is kept stable and carries `format`.

mod head;
mod judged;
mod timeline;
mod told;

use jiff::SignedDuration;
use serde::{Serialize, Serializer};

use crate::engine::FindingsStatement;

pub use head::{Correction, Evidence, Integrity, RunHead, TakenBack, Window};
pub use judged::{
    Deviation, Finding, FindingKind, Graded, Leg, Objective, Outcome, Override, Statement,
    StatementKind,
};
pub use timeline::{Bar, Lane, Mark, Timeline};
pub use told::{Command, Decision, FailedAttempt, File, Note, Phase, Residue, Step};

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
    /// By which command they do, where they have to and did not yet.
    #[serde(skip)]
    pub stated_by: Option<String>,
    /// What people put in place of what the runbook or a proof would have said.
    pub overrides: Vec<Override>,
    /// Steps that took longer or shorter than they usually do.
    pub deviations: Vec<Deviation>,
    /// The run over time, a lane for each VM.
    pub timeline: Timeline,
    /// Every step, phase by phase.
    pub phases: Vec<Phase>,
    /// Attempts that did not bring their step about, in order of time.
    pub failed_attempts: Vec<FailedAttempt>,
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

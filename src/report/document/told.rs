//! What was done, by whom and where: steps, decisions, commands, files.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Tone, seconds};
use crate::names::{HostName, StepId, VmName};
use crate::report::prose::Text;

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

/// An attempt that did not bring its step about.
#[derive(Clone, Debug, Serialize)]
pub struct FailedAttempt {
    /// When it came to nothing.
    pub at: Timestamp,
    /// Of which step.
    pub step: StepId,
    /// Which one, from 1 on.
    pub attempt: u32,
    /// Why.
    pub what: String,
    /// Where.
    pub place: String,
    /// What state things were in then.
    pub state: String,
    /// What was done about it.
    pub became: String,
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

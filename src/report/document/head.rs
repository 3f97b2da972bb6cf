//! What the run was, and by what its report can be checked.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{seconds, whole};
use crate::engine::DrillTerms;
use crate::names::{RunId, VariableName, VmName};
use crate::runbook::model::Mode;

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
    /// Version of Lifeboat that wrote the report.
    pub written_by: &'static str,
    /// What its commands have behind the run's id, by where the run lay when it was written.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub elsewhere: String,
}

/// A file of the run's folder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Evidence {
    /// Its path in the folder.
    pub path: String,
    /// Its size; nothing where it could not be read.
    pub bytes: Option<u64>,
    /// Its SHA-256; nothing where it could not be read.
    pub sha256: Option<String>,
}

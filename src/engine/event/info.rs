//! What a run is, as its first event says it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{HostName, RunId, VariableName, VmName};
use crate::runbook::model::{Mode, Section};

/// What a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Format of the journal: 1.
    pub format: u32,
    /// Its id.
    pub run: RunId,
    /// How it is done.
    pub mode: Option<Mode>,
    /// The runbook's sections, in the order in which they are walked.
    pub sections: Vec<Section>,
    /// Who started it.
    pub operator: String,
    /// On which machine.
    pub console: String,
    /// Version of Lifeboat.
    pub version: String,
    /// The runbook's name.
    pub runbook: String,
    /// Its title.
    pub title: String,
    /// Titles of the protected and the recovery site.
    pub sites: [String; 2],
    /// The file that it was read from, absolute; empty for the bundled one.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub runbook_path: String,
    /// SHA-256 of the runbook file, lower-case hex.
    pub runbook_sha256: String,
    /// Fingerprint of the plan made from it.
    pub plan: String,
    /// For a failback: the run that it takes back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent: Option<Parent>,
    /// The drill whose kept disks the restores start from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from_drill: Option<FromDrill>,
    /// Hosts whose clocks were off when they were looked at before the start, with the seconds by which
    /// each was ahead of the console's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub clocks_off: BTreeMap<HostName, i64>,
    /// What spoke against the start, and why it was started all the same.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub despite: Option<Despite>,
    /// Variables that are not secret.
    pub variables: BTreeMap<VariableName, String>,
    /// The recorded selection; empty means all.
    pub only: Vec<VmName>,
    /// Needed VMs that the selection left out, `[vm, needed]`.
    pub left_out: Vec<(VmName, VmName)>,
    /// When service was lost; RTO and RPO count from here.
    pub outage_at: Option<Timestamp>,
    /// Why that is not the run's start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outage_reason: Option<String>,
    /// The objective for recovery, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rto_s: Option<u64>,
    /// The objective for the restore point, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rpo_s: Option<u64>,
    /// What VMs require beyond those: `vm → [rto, rpo]` in seconds.
    pub vm_objectives: BTreeMap<VmName, (Option<u64>, Option<u64>)>,
    /// How long there is to commit or roll back once the steps are settled, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub commit_within_s: Option<u64>,
    /// Without a terminal.
    pub headless: bool,
    /// What a drill's people agreed on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub drill: Option<DrillTerms>,
}

/// Blockers that were found before the start, over which it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Despite {
    /// Each in words, with its place.
    pub blockers: Vec<String>,
    /// Why, in the operator's words; empty where nobody was there to say it.
    pub reason: String,
}

/// The run that a failback takes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Its id.
    pub run: RunId,
    /// Its journal's head hash when this run began.
    pub head: String,
    /// VMs that it was to start and did not, each with the reason: they do not go home.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub stayed: Vec<(VmName, String)>,
    /// Its steps that people did or left out, in words.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub by_people: Vec<String>,
}

/// The drill from whose kept disks a failover makes its own, so that only what differs is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromDrill {
    /// Its run.
    pub run: RunId,
    /// Its journal's head hash when this run began.
    pub head: String,
    /// What it kept.
    pub kept: Vec<KeptFolder>,
}

/// A folder whose disks a drill's cleanup kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFolder {
    /// Of which VM.
    pub vm: VmName,
    /// Where.
    pub host: HostName,
    /// Its path there.
    pub folder: String,
    /// The stamp of the restore point that the drill had brought, and when it was taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub point: Option<(String, Timestamp)>,
}

/// What a drill's people agreed on before its first step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillTerms {
    /// What ends the drill early, in words; empty where nobody said it.
    pub abort: String,
    /// How long it may take, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit_s: Option<u64>,
    /// Who holds the abort key.
    pub abort_key: String,
}

impl DrillTerms {
    /// `abort if any alarm rings; bob holds the abort key`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self {
            abort, abort_key, ..
        } = self;
        if abort.is_empty() {
            format!("nobody said what aborts it; {abort_key} holds the abort key")
        } else {
            format!("abort on: {abort}; {abort_key} holds the abort key")
        }
    }
}

/// Seconds of an optional duration, for [`RunInfo`].
#[must_use]
pub fn seconds(duration: Option<Duration>) -> Option<u64> {
    duration.map(|duration| duration.as_secs())
}

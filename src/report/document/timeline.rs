//! The run over time.

use jiff::Timestamp;
use serde::Serialize;

use super::Tone;
use crate::names::{StepId, VmName};

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

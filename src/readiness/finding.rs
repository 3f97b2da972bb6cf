//! What speaks against a runbook, or should be known before it is walked.

use std::cmp::Ordering;

use serde::Serialize;

use crate::error::Fault;
use crate::names::VmName;

/// How much depends on a finding; the worst comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A run started now would not bring up a VM.
    Blocker,
    /// A run could be walked, and something about it would be worse than it should be.
    Warning,
    /// Worth knowing; nothing has to be done.
    Note,
}

impl Severity {
    /// One word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocker => "blocker",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Names it from one look to the next: `vm/sql01/point`.
    pub key: String,
    /// How much depends on it.
    pub severity: Severity,
    /// The VMs of the task that it concerns; empty where it concerns no single one.
    pub vms: Vec<VmName>,
    /// What, where, what it means, and the next move.
    pub fault: Fault,
}

impl Finding {
    /// A finding that stops VMs: a blocker for those named, a warning where there are none.
    pub(super) fn stops(key: String, vms: Vec<VmName>, fault: Fault) -> Self {
        let severity = if vms.is_empty() {
            Severity::Warning
        } else {
            Severity::Blocker
        };
        Self {
            key,
            severity,
            vms,
            fault,
        }
    }

    /// A warning.
    pub(super) fn warning(key: String, vms: Vec<VmName>, fault: Fault) -> Self {
        Self {
            key,
            severity: Severity::Warning,
            vms,
            fault,
        }
    }

    /// A note.
    pub(super) fn note(key: String, vms: Vec<VmName>, fault: Fault) -> Self {
        Self {
            key,
            severity: Severity::Note,
            vms,
            fault,
        }
    }

    /// The worst first, then by key.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        (self.severity, &self.key).cmp(&(other.severity, &other.key))
    }
}

/// Whether nothing has to be done about any of them.
#[must_use]
pub fn is_ready(findings: &[Finding]) -> bool {
    let mut all = findings.iter();
    all.all(|finding| finding.severity == Severity::Note)
}

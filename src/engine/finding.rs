//! What a drill's people state to have learnt. Pure.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Something that a drill showed, and who mends it by when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What.
    pub text: String,
    /// Who mends it.
    pub owner: String,
    /// Until when.
    pub due: Date,
}

impl Finding {
    /// `the restore was slow (ann, by 2026-02-01)`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { text, owner, due } = self;
        format!("{text} ({owner}, by {due})")
    }

    /// What it lacks; `None`: it says what, and who mends it.
    #[must_use]
    pub fn lacks(&self) -> Option<&'static str> {
        if self.text.trim().is_empty() {
            return Some("`text` is empty");
        }
        self.owner.trim().is_empty().then_some("`owner` is empty")
    }
}

/// The statement by which a drill is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingsStatement {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What was learnt; empty is the statement that there was nothing.
    pub findings: Vec<Finding>,
    /// What the run itself showed and nobody stated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unstated: Vec<String>,
}

/// `stated that there are no findings`.
pub(super) fn stated(findings: &[Finding], unstated: &[String]) -> String {
    let each: Vec<String> = findings.iter().map(Finding::in_words).collect();
    let said = if each.is_empty() {
        "stated that there are no findings".to_owned()
    } else {
        format!("stated findings: {}", each.join("; "))
    };
    if unstated.is_empty() {
        return said;
    }
    format!(
        "{said}; left unstated, although the run itself showed it: {}",
        unstated.join("; ")
    )
}

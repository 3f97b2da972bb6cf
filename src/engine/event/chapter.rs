//! The ways in which a run is ended after its steps.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::StepId;

/// A way in which a run is ended after its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chapter {
    /// What it did stays.
    Commit,
    /// What it did is taken back.
    Rollback,
    /// What it made is removed.
    Cleanup,
}

impl Chapter {
    /// The command's name, and the first part of its steps' ids.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::Cleanup => "cleanup",
        }
    }

    /// The chapter to which a step belongs; `None`: it is one of the run's own.
    #[must_use]
    pub fn of(step: &StepId) -> Option<Self> {
        let all = [Self::Commit, Self::Rollback, Self::Cleanup];
        all.into_iter()
            .find(|chapter| chapter.as_str() == step.section())
    }
}

impl fmt::Display for Chapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

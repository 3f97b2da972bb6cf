//! Who writes a run's journal: a small file beside it, for the message that a second console shows.
//!
//! The lock itself is the operating system's, on the journal; this file only gives it a name, so it
//! may be missing or stale without harm.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;

use super::store::write_private;

/// The console that writes a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process there.
    pub pid: u32,
    /// Who works at it.
    pub operator: String,
    /// On which machine.
    pub console: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

impl Holder {
    /// This process.
    pub(in crate::journal) fn this(operator: &str, console: &str) -> Self {
        Self {
            pid: std::process::id(),
            operator: operator.to_owned(),
            console: console.to_owned(),
            since: Some(Clock::system().now()),
        }
    }

    pub(in crate::journal) fn path(run: &Path) -> PathBuf {
        run.join("journal.holder")
    }

    /// Who holds the run in this folder, as far as that was noted.
    #[must_use]
    pub fn read(run: &Path) -> Option<Self> {
        let text = std::fs::read(Self::path(run)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Notes who holds the run. A failure costs only the name in a message.
    pub(in crate::journal) fn note(&self, run: &Path) {
        if let Ok(text) = serde_json::to_vec(self)
            && let Err(error) = write_private(&Self::path(run), &text)
        {
            tracing::warn!(%error, "who holds the run could not be noted");
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("who is not known");
        }
        let operator = if self.operator.is_empty() {
            "somebody"
        } else {
            &self.operator
        };
        write!(f, "{operator}")?;
        if !self.console.is_empty() {
            write!(f, " on {}", self.console)?;
        }
        write!(f, ", process {}", self.pid)?;
        if let Some(since) = self.since {
            write!(f, ", since {since:.0}")?;
        }
        Ok(())
    }
}

//! One write of a run.

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::StopOutcome;
use crate::names::{Attempt, HostName, StepId};

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// Of which step.
    pub step: StepId,
    /// Of which attempt.
    pub attempt: Attempt,
    /// Where it went.
    pub host: HostName,
    /// The machine of the console that sent it.
    pub console: String,
    /// The line, secrets masked.
    pub command: String,
    /// File data at absolute offsets.
    pub bulk: bool,
    /// Its process on the host, once known.
    pub pid: Option<u32>,
    /// When its intent was on disk.
    pub intended: Timestamp,
    /// How long it had taken when it was lost; none where the console was away meanwhile.
    pub lasted: Option<Duration>,
    /// Where it stands.
    pub status: OpStatus,
}

impl Op {
    /// Whether it may have had an effect.
    #[must_use]
    pub fn may_have_acted(&self) -> bool {
        let never = OpStatus::Stopped(StopOutcome::NeverSent);
        self.status != OpStatus::NotSent && self.status != never
    }

    /// Whether it names a folder of a host, or something in it.
    #[must_use]
    pub fn is_about(&self, host: &HostName, folder: &str) -> bool {
        // Another folder may have a name that begins with this one's.
        let within = |word: &String| {
            let rest = word.strip_prefix(folder);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let words = shell_words::split(&self.command).unwrap_or_default();
        self.host == *host && words.iter().any(within)
    }
}

/// Where a write stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpStatus {
    /// Its intent is on disk; it may have left.
    Open,
    /// Its exit status is known.
    Finished {
        /// Exit status.
        exit: i32,
        /// Milliseconds from sending.
        took_ms: u64,
        /// SHA-256 of what it printed, lower-case hex, where that was noted.
        printed: Option<String>,
    },
    /// The connection died under it.
    Lost,
    /// It never left.
    NotSent,
    /// It can no longer take effect.
    Stopped(StopOutcome),
}

impl OpStatus {
    /// Whether it may still take effect for all that is known.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        matches!(self, Self::Open | Self::Lost)
    }
}

//! The licence to send one write.

use crate::names::{HostName, OpId};

/// Proof that a `write-intended` line is on disk: the only way to get one is to append that line,
/// and [`crate::host::Host::write`] takes it by value, so no write leaves without it and none
/// leaves twice on the same one.
#[derive(Debug)]
pub struct Intent {
    op: OpId,
    host: HostName,
}

impl Intent {
    /// Only the journal's writer makes one, after the line is synced.
    pub(in crate::journal) fn new(op: OpId, host: HostName) -> Self {
        Self { op, host }
    }

    /// One that no journal stands behind.
    #[cfg(test)]
    pub(crate) fn for_test(host: &str) -> Self {
        Self::new(OpId(1), host.into())
    }

    /// Which write it licenses.
    #[must_use]
    pub fn op(&self) -> OpId {
        self.op
    }

    /// The host it may go to.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
    }
}

//! What can go wrong between the console and a host, and what a person does about it.

mod advice;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::names::HostName;

pub use advice::where_its_key_is_read;

/// Why a host did not do, or could not be asked, what was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Nothing listens on the SSH port.
    #[error("{address} refused the connection")]
    Refused {
        /// Where the connection went.
        address: String,
    },
    /// No route, no answer to the connection, or no such name.
    #[error("{address} cannot be reached: {reason}")]
    Unreachable {
        /// Where the connection went.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// Something took longer than it may.
    #[error("{what} took longer than {} s", after.as_secs_f32())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// For how long.
        after: Duration,
    },
    /// The host's key is not known, or is of a type that is not known for it.
    #[error("the host key {key_type} {fingerprint} is not known")]
    HostKeyUnknown {
        /// `SHA256:…` of the key that the host showed.
        fingerprint: String,
        /// Its type, e.g. `ssh-ed25519`.
        key_type: String,
        /// Fingerprints known for this host under other types, each `TYPE SHA256:…`.
        known: Vec<String>,
    },
    /// The host showed another key than the one that is known or pinned for it.
    #[error("the host key changed to {key_type} {fingerprint}")]
    HostKeyChanged {
        /// `SHA256:…` of the key that the host showed.
        fingerprint: String,
        /// Its type, e.g. `ssh-ed25519`.
        key_type: String,
        /// What was expected, each `TYPE SHA256:…` or a pinned `SHA256:…`.
        known: Vec<String>,
    },
    /// No way to log in was accepted.
    #[error("login as {user} was refused ({})", listed(tried))]
    LoginRefused {
        /// The login name.
        user: String,
        /// Each way that was tried, or why it was not.
        tried: Vec<String>,
    },
    /// The two sides share no algorithm.
    #[error("no common SSH algorithm: {detail}")]
    NoCommonAlgorithm {
        /// What the host offers instead.
        detail: String,
    },
    /// What answers does not speak SSH as it should.
    #[error("the SSH handshake failed: {detail}")]
    Handshake {
        /// What libssh2 said.
        detail: String,
    },
    /// A hop on the way to the host could not be used.
    #[error("through {hop}: {cause}")]
    Hop {
        /// Its name in the runbook, or as the runbook or ssh's configuration writes it.
        hop: HostName,
        /// Why it could not.
        #[source]
        cause: Box<HostError>,
    },
    /// A hop let us in, but carries no connection on to the host.
    #[error("{hop} carries no connection to {target}: it is forbidden there")]
    NotForwarded {
        /// The hop.
        hop: HostName,
        /// Where the connection was to go.
        target: String,
    },
    /// A hop tried to connect to the host, and could not.
    #[error("{hop} could not connect to {target}")]
    UnreachableFromHop {
        /// The hop.
        hop: HostName,
        /// Where the connection was to go.
        target: String,
    },
    /// ssh's configuration asks for what Lifeboat cannot do.
    #[error("{0}")]
    NoWay(String),
    /// A safety rule forbids it.
    #[error("refused: {0}")]
    PolicyRefused(String),
    /// A command line longer than the connection carries; it was not sent.
    #[error("a command line of {bytes} bytes is longer than SSH carries from here ({most} bytes)")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// What may be sent.
        most: usize,
    },
    /// The host answered that it will not run the command; it did not run.
    #[error("the host would not run the command: {0}")]
    NotRun(String),
    /// The host answered that a file operation failed.
    #[error("{path}: {detail}")]
    File {
        /// The file on the host.
        path: String,
        /// What the host said.
        detail: String,
    },
    /// A command printed more than anybody can want; its session was dropped.
    #[error("the command printed more than {0} bytes")]
    TooMuchOutput(u64),
    /// The connection died.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The caller no longer wanted it.
    #[error("cancelled")]
    Cancelled,
    /// The hosts were closed.
    #[error("the connections of this run are closed")]
    Closed,
}

impl HostError {
    /// Whether trying again later, unchanged, may help.
    #[must_use]
    pub fn passing(&self) -> bool {
        if let Self::Hop { cause, .. } = self {
            return cause.passing();
        }
        matches!(
            self,
            Self::Refused { .. }
                | Self::Unreachable { .. }
                | Self::Handshake { .. }
                | Self::TimedOut { .. }
                | Self::UnreachableFromHop { .. }
                | Self::Lost(_)
                | Self::Cancelled
        )
    }

    /// The error of a hop itself, with the hop's name; any other error belongs to `host`.
    #[must_use]
    pub fn origin<'a>(&'a self, host: &'a HostName) -> (&'a HostName, &'a Self) {
        match self {
            Self::Hop { hop, cause } => cause.origin(hop),
            error => (host, error),
        }
    }
}

/// What became of a write that did not end with an exit status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Proven: it did not leave, so it had no effect.
    #[error("not sent: {0}")]
    NotSent(#[source] HostError),
    /// The host answered that it failed; part of it may have taken effect, and nothing of it runs
    /// any more.
    #[error(transparent)]
    Failed(HostError),
    /// It left, and no answer came: it may have had effect and may still have.
    #[error("outcome unknown: {cause}")]
    Lost {
        /// Its process on the host, where that was learnt before the connection died.
        pid: Option<u32>,
        /// Why no answer came.
        #[source]
        cause: HostError,
    },
}

impl WriteError {
    /// The cause alone.
    #[must_use]
    pub fn cause(&self) -> &HostError {
        match self {
            Self::NotSent(cause) | Self::Failed(cause) | Self::Lost { cause, .. } => cause,
        }
    }
}

fn listed(items: &[String]) -> String {
    if items.is_empty() {
        "nothing to try".to_owned()
    } else {
        items.join("; ")
    }
}

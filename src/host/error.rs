//! What can go wrong between the console and a host, and what a person does about it.

use std::time::Duration;

use crate::error::Fault;
use crate::names::HostName;
use crate::runbook::model::Driver;

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

fn listed(items: &[String]) -> String {
    if items.is_empty() {
        "nothing to try".to_owned()
    } else {
        items.join("; ")
    }
}

fn known_keys(known: &[String]) -> String {
    if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    }
}

/// Where the fingerprint of a machine that is no ESXi host is read.
const READ_AT_HOP: &str = "read the fingerprint at that machine itself (ssh-keygen -lf /etc/ssh/ssh_host_ecdsa_key.pub there, or \
     the file of another key type), or have it told by whoever runs it";

/// What an error is about, as far as the way on from it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Machine {
    /// A host of the runbook.
    Host,
    /// A machine on the way to one.
    Hop,
}

/// Where the fingerprint of a host's key is read: on the console of an ESXi host, at any other
/// machine by its own means. A machine without a driver is a hop.
#[must_use]
pub fn where_its_key_is_read(driver: Option<Driver>) -> &'static str {
    match driver {
        Some(Driver::Esxi) => {
            "read the fingerprint on the host's own console (ESXi: F2, View Support Information)"
        }
        Some(Driver::Posix) | None => READ_AT_HOP,
    }
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

    /// The same in words for a person.
    #[must_use]
    pub fn fault(&self, host: &HostName) -> Fault {
        let (state, next) = self.advice(host, Machine::Host);
        let fault = Fault::new(self.to_string(), host.as_str(), state, next);
        if self.passing() {
            fault.passing()
        } else {
            fault
        }
    }

    fn advice(&self, host: &HostName, machine: Machine) -> (String, String) {
        let untouched = format!("nothing was sent to {host}");
        match self {
            Self::Refused { .. } if machine == Machine::Hop => (
                untouched,
                "see that its SSH server runs (sshd) and listens on this port, or correct its address or port where `jump` or \
                 ~/.ssh/config names it, then retry"
                    .to_owned(),
            ),
            Self::Refused { .. } => (
                untouched,
                "switch SSH on at the host's own console (ESXi: Troubleshooting Options, Enable SSH; it is off by default and may \
                 have timed out) or correct the address, then retry"
                    .to_owned(),
            ),
            Self::Unreachable { .. } => (
                untouched,
                "check the name, the address, the route and whether the host is up, then retry".to_owned(),
            ),
            Self::TimedOut { .. } => (
                "its session was dropped; a command that only looks had no effect".to_owned(),
                format!("see whether {host} answers at all (ping, its own console), then retry"),
            ),
            Self::HostKeyUnknown { known, .. } | Self::HostKeyChanged { known, .. } if machine == Machine::Hop => (
                format!("no login was tried; known for it: {}", known_keys(known)),
                format!("{READ_AT_HOP}; then type its first eight characters, or put the key into known_hosts"),
            ),
            Self::HostKeyUnknown { known, .. } => (
                format!("no login was tried; known for this host: {}", known_keys(known)),
                "read the fingerprint on the host's own console and type its first eight characters, or pin it as host_key in the \
                 runbook"
                    .to_owned(),
            ),
            Self::HostKeyChanged { known, .. } => (
                format!("no login was tried; expected: {}", known_keys(known)),
                "somebody may stand between you and the host, or it was installed anew: compare with the fingerprint on the host's \
                 own console before you accept it"
                    .to_owned(),
            ),
            Self::LoginRefused { .. } if machine == Machine::Hop => (
                untouched,
                "it is not tried again by itself. A jump host has its own user (`user@hop` in `jump`, or ~/.ssh/config) and its own \
                 authorized_keys: check both, then retry"
                    .to_owned(),
            ),
            Self::LoginRefused { tried, .. } => {
                let mut next = "it is not tried again by itself. Check user, key and password; an ESXi host locks an account after \
                                five failures for 15 minutes (the right password is refused too) and refuses all in lockdown mode: \
                                its own console still works"
                    .to_owned();
                if tried.iter().any(|way| way.contains("ed25519")) {
                    next.push_str(". ESXi in FIPS mode accepts RSA and ECDSA keys, not ed25519");
                }
                (untouched, next)
            }
            Self::NoCommonAlgorithm { .. } => (
                untouched,
                "a very old host (SHA-1 only) cannot be reached safely: update its SSH server, or do its steps by hand".to_owned(),
            ),
            Self::Handshake { .. } => (
                untouched,
                "check that an SSH server, and not something else, listens on this port (one that has too many logins under way hangs up at once); then retry".to_owned(),
            ),
            Self::Hop { hop, cause } => {
                let (state, next) = cause.advice(hop, Machine::Hop);
                (format!("{host} was not asked, it is behind {hop}; {state}"), format!("on {hop}: {next}"))
            }
            Self::NotForwarded { hop, .. } => (
                untouched,
                format!("{hop} let us in. Let its SSH server forward (AllowTcpForwarding yes, PermitOpen for this address, no \
                    `restrict` at the key), or give {host} another `jump`, then retry"),
            ),
            Self::UnreachableFromHop { hop, target } => (
                untouched,
                format!("{hop} let us in, but gets no answer from {target}: check that SSH is on at {host} (ESXi: Troubleshooting \
                    Options, Enable SSH), and that {hop} knows the name and may reach the port, then retry"),
            ),
            Self::NoWay(_) => (
                untouched,
                format!("give {host} `jump: [bastion]` in the runbook, or `jump: []` to connect straight: what the runbook says wins"),
            ),
            Self::PolicyRefused(_) => {
                (untouched, "this is a safety rule of the mode; it cannot be overridden here".to_owned())
            }
            Self::NotRun(_) => (
                "the command did not run".to_owned(),
                "check on the host why its SSH server starts no commands (full ramdisk, no processes left), then retry".to_owned(),
            ),
            Self::File { .. } => (
                "what was written before stays where it is".to_owned(),
                "check space, permissions and the path on the host, then retry".to_owned(),
            ),
            Self::TooMuchOutput(_) => (
                "its session was dropped".to_owned(),
                "run the command by hand and see what it prints".to_owned(),
            ),
            Self::Lost(_) => (
                "its session was dropped; a command that only looks had no effect".to_owned(),
                "retry; the next use opens a new session".to_owned(),
            ),
            Self::Cancelled => ("its session was dropped".to_owned(), "retry when wanted".to_owned()),
            Self::Closed => (untouched, "start again with `lifeboat resume`".to_owned()),
        }
    }
}

impl WriteError {
    /// The cause alone.
    #[must_use]
    pub fn cause(&self) -> &HostError {
        match self {
            Self::NotSent(cause) | Self::Failed(cause) | Self::Lost { cause, .. } => cause,
        }
    }

    /// The same in words for a person.
    #[must_use]
    pub fn fault(&self, host: &HostName) -> Fault {
        let mut fault = self.cause().fault(host);
        match self {
            Self::NotSent(_) => {
                fault.state = format!("the command did not leave; nothing changed on {host}")
            }
            Self::Failed(_) => {}
            Self::Lost { pid, .. } => {
                let process = pid.map_or_else(String::new, |pid| format!(" as process {pid}"));
                fault.state = format!(
                    "the outcome is unknown: it may have taken effect on {host}, and may still run there{process}"
                );
                fault.next =
                    "do not send it again; stop it, then look what it did (retry does both)"
                        .to_owned();
            }
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each() -> Vec<HostError> {
        let text = || "x".to_owned();
        let key = || (text(), text(), vec![text()]);
        let (fingerprint, key_type, known) = key();
        let unknown = HostError::HostKeyUnknown {
            fingerprint,
            key_type,
            known,
        };
        let (fingerprint, key_type, known) = key();
        let changed = HostError::HostKeyChanged {
            fingerprint,
            key_type,
            known,
        };
        vec![
            HostError::Refused { address: text() },
            HostError::Unreachable {
                address: text(),
                reason: text(),
            },
            HostError::TimedOut {
                what: text(),
                after: Duration::from_millis(1500),
            },
            unknown,
            changed,
            HostError::LoginRefused {
                user: text(),
                tried: vec![],
            },
            HostError::NoCommonAlgorithm { detail: text() },
            HostError::Handshake { detail: text() },
            HostError::Hop {
                hop: "bastion".into(),
                cause: Box::new(HostError::Lost(text())),
            },
            HostError::NotForwarded {
                hop: "bastion".into(),
                target: text(),
            },
            HostError::UnreachableFromHop {
                hop: "bastion".into(),
                target: text(),
            },
            HostError::NoWay(text()),
            HostError::PolicyRefused(text()),
            HostError::NotRun(text()),
            HostError::File {
                path: text(),
                detail: text(),
            },
            HostError::TooMuchOutput(1),
            HostError::Lost(text()),
            HostError::Cancelled,
            HostError::Closed,
        ]
    }

    #[test]
    fn every_error_names_the_host_the_state_and_a_next_move() {
        let host = HostName::from("lee1");
        for error in each() {
            let fault = error.fault(&host);
            assert_eq!(fault.place, "lee1");
            assert!(fault.state.len() > 10 && fault.next.len() > 10, "{fault:?}");
            assert_eq!(fault.passing, error.passing());
        }
    }

    #[test]
    fn what_a_hop_did_is_said_of_the_hop() {
        let refused = HostError::LoginRefused {
            user: "ops".into(),
            tried: vec![],
        };
        let inner = HostError::Hop {
            hop: "inner".into(),
            cause: Box::new(refused.clone()),
        };
        let error = HostError::Hop {
            hop: "outer".into(),
            cause: Box::new(inner),
        };
        let host = HostName::from("lee1");
        assert_eq!(error.origin(&host), (&"inner".into(), &refused));
        let fault = error.fault(&host);
        assert_eq!(
            fault.what,
            "through outer: through inner: login as ops was refused (nothing to try)"
        );
        assert!(
            fault.state.contains("nothing was sent to inner"),
            "{fault:?}"
        );
        assert!(fault.next.starts_with("on outer: on inner: "), "{fault:?}");
    }

    #[test]
    fn the_way_on_from_a_hop_is_its_own() {
        let host = HostName::from("lee1");
        for cause in each() {
            let error = HostError::Hop {
                hop: "bastion".into(),
                cause: Box::new(cause.clone()),
            };
            let of_target = matches!(cause, HostError::UnreachableFromHop { .. });
            let next = error.fault(&host).next;
            assert!(of_target || !next.contains("ESXi"), "{next}");
        }
        let unknown = HostError::HostKeyUnknown {
            fingerprint: "SHA256:a".into(),
            key_type: "ssh-ed25519".into(),
            known: Vec::new(),
        };
        let error = HostError::Hop {
            hop: "bastion".into(),
            cause: Box::new(unknown.clone()),
        };
        let next = error.fault(&host).next;
        assert!(
            next.contains("ssh-keygen -lf") && next.contains("known_hosts"),
            "{next}"
        );
        assert!(unknown.fault(&host).next.contains("console"));
    }

    #[test]
    fn only_what_is_proven_is_said_of_a_write() {
        let host = HostName::from("lee1");
        for cause in each() {
            let not_sent = WriteError::NotSent(cause.clone()).fault(&host).state;
            assert!(not_sent.contains("nothing changed"), "{not_sent}");
            let lost = WriteError::Lost {
                pid: Some(7),
                cause,
            }
            .fault(&host);
            assert!(
                lost.state.contains("unknown") && lost.state.contains("process 7"),
                "{lost:?}"
            );
            assert!(lost.next.contains("do not send it again"), "{lost:?}");
        }
    }
}

//! The way on from each error, for a person.

use crate::error::Fault;
use crate::names::HostName;
use crate::runbook::model::Driver;

use super::{HostError, WriteError};

/// Where the fingerprint of a machine that is no ESXi host is read.
const READ_AT_HOP: &str = "read the fingerprint at that machine itself (ssh-keygen -lf /etc/ssh/ssh_host_ecdsa_key.pub there, or \
     the file of another key type), or have it told by whoever runs it";

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

fn known_keys(known: &[String]) -> String {
    if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    }
}

impl HostError {
    /// The same in words for a person.
    #[must_use]
    pub fn fault(&self, host: &HostName) -> Fault {
        let (state, next) = self.advice(host);
        let fault = Fault::new(self.to_string(), host.as_str(), state, next);
        if self.passing() {
            fault.passing()
        } else {
            fault
        }
    }

    /// How things stand with a host of the runbook, and what to do next.
    fn advice(&self, host: &HostName) -> (String, String) {
        let untouched = format!("nothing was sent to {host}");
        match self {
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
            Self::LoginRefused { tried, .. } => {
                let mut next = "it is not tried again by itself. Check user, key and password; an ESXi host locks an account after \
                                five failures for 15 minutes (the right password is refused too) and refuses all in lockdown mode: \
                                its own console still works"
                    .to_owned();
                if tried.iter().any(|way| way.starts_with("password")) {
                    next.push_str(
                        ". This console does not try that password again: end it and start it anew, which asks for the password (a run: \
                         leave it with q, then `lifeboat resume`)",
                    );
                }
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
                let (state, next) = cause.advice_at_hop(hop);
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
            Self::TooLong { .. } => (
                untouched,
                "shorten what the runbook hands to this command (paths, arguments, texts), or do the step by hand".to_owned(),
            ),
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
            // What the SSH libraries call it where the host lets a session have no further channel.
            Self::Lost(why) if why.contains("Channel open failure") => (
                "the host opened no further channel in a session; nothing was sent over it".to_owned(),
                format!("look at MaxSessions in /etc/ssh/sshd_config of {host} (its default is 10, and 1 is too few) and raise it, then \
                    retry"),
            ),
            Self::Lost(_) => (
                "its session was dropped; a command that only looks had no effect".to_owned(),
                "retry; the next use opens a new session".to_owned(),
            ),
            Self::Cancelled => ("its session was dropped".to_owned(), "retry when wanted".to_owned()),
            Self::Closed => (untouched, "start again with `lifeboat resume`".to_owned()),
        }
    }

    /// The same of a machine on the way to one, which has its own user, key and SSH server.
    fn advice_at_hop(&self, hop: &HostName) -> (String, String) {
        let untouched = format!("nothing was sent to {hop}");
        match self {
            Self::Refused { .. } => (
                untouched,
                "see that its SSH server runs (sshd) and listens on this port, or correct its address or port where `jump` or \
                 ~/.ssh/config names it, then retry"
                    .to_owned(),
            ),
            Self::HostKeyUnknown { known, .. } | Self::HostKeyChanged { known, .. } => (
                format!("no login was tried; known for it: {}", known_keys(known)),
                format!("{READ_AT_HOP}; then type its first eight characters, or put the key into known_hosts"),
            ),
            Self::LoginRefused { .. } => (
                untouched,
                "it is not tried again by itself. A jump host has its own user (`user@hop` in `jump`, or ~/.ssh/config) and its own \
                 authorized_keys: check both, then retry"
                    .to_owned(),
            ),
            error => error.advice(hop),
        }
    }
}

impl WriteError {
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

//! The one choke point: what a mode never allows, whoever asks.

use std::net::IpAddr;

use crate::names::HostName;
use crate::runbook::model::{HostAddress, Mode, SiteRole};

use super::command::Effect;
use super::error::HostError;

/// What a run's mode forbids at the level of hosts. Every connection, command and file passes it
/// before anything leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    mode: Mode,
}

/// What is about to happen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed<'a> {
    /// A connection to an address, after names were resolved.
    Connect(IpAddr),
    /// A connection that a hop makes, which resolves names by its own lights.
    Forward(&'a HostAddress),
    /// A command without an intent.
    Read(Effect),
    /// A command or a file opened for writing, with an intent for `intended`.
    Write {
        host: &'a HostName,
        role: SiteRole,
        intended: &'a HostName,
    },
    /// A shell for a person, who can do anything in it.
    Shell { host: &'a HostName, role: SiteRole },
}

impl Policy {
    /// The rules of a mode.
    #[must_use]
    pub fn for_mode(mode: Mode) -> Self {
        Self { mode }
    }

    /// `PolicyRefused` where the rules forbid it.
    pub(super) fn permit(self, deed: Deed<'_>) -> Result<(), HostError> {
        let refused = match deed {
            Deed::Connect(to)
                if self.mode == Mode::Practice && !to.to_canonical().is_loopback() =>
            {
                format!("practice connects to loopback only, and {to} is not")
            }
            Deed::Forward(to) if self.mode == Mode::Practice => {
                format!("practice connects to loopback only, not to {to} through another host")
            }
            Deed::Read(Effect::Write) => {
                "a command that changes something was sent without its intent".to_owned()
            }
            Deed::Write { host, role, .. } | Deed::Shell { host, role }
                if self.mode == Mode::Drill && role == SiteRole::Protected =>
            {
                format!("a drill changes nothing on {host}, a host of the protected site")
            }
            Deed::Write { host, intended, .. } if host != intended => {
                format!("the intent was journalled for {intended}, not for {host}")
            }
            _ => return Ok(()),
        };
        Err(HostError::PolicyRefused(refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: [Mode; 5] = [
        Mode::Practice,
        Mode::Drill,
        Mode::Failover,
        Mode::Planned,
        Mode::Failback,
    ];

    fn allowed(mode: Mode, deed: Deed<'_>) -> bool {
        Policy::for_mode(mode).permit(deed).is_ok()
    }

    #[test]
    fn practice_never_leaves_loopback() {
        for (address, fine) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
            ("::", false),
            ("fe80::1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(
                allowed(Mode::Practice, Deed::Connect(address)),
                fine,
                "{address}"
            );
            for mode in MODES.into_iter().filter(|mode| *mode != Mode::Practice) {
                assert!(allowed(mode, Deed::Connect(address)));
            }
        }
    }

    #[test]
    fn practice_goes_through_no_hop() {
        let target = HostAddress {
            host: "127.0.0.1".into(),
            port: 22,
        };
        for mode in MODES {
            let fine = mode != Mode::Practice;
            assert_eq!(allowed(mode, Deed::Forward(&target)), fine, "{mode:?}");
        }
    }

    #[test]
    fn a_drill_writes_to_no_protected_host() {
        let host = HostName::from("lon1");
        for mode in MODES {
            for role in [SiteRole::Protected, SiteRole::Recovery] {
                let deed = Deed::Write {
                    host: &host,
                    role,
                    intended: &host,
                };
                let forbidden = mode == Mode::Drill && role == SiteRole::Protected;
                assert_eq!(allowed(mode, deed), !forbidden, "{mode:?} {role:?}");
                let shell = Deed::Shell { host: &host, role };
                assert_eq!(allowed(mode, shell), !forbidden, "{mode:?} {role:?}");
            }
        }
    }

    #[test]
    fn no_write_goes_without_its_own_intent() {
        let (host, other) = (HostName::from("lee1"), HostName::from("lee2"));
        for mode in MODES {
            assert!(allowed(mode, Deed::Read(Effect::Read)));
            assert!(!allowed(mode, Deed::Read(Effect::Write)));
            let deed = Deed::Write {
                host: &host,
                role: SiteRole::Recovery,
                intended: &other,
            };
            assert!(!allowed(mode, deed));
        }
    }
}

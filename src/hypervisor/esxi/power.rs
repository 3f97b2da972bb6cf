//! A VM's power: the state, and what the commands that change it say.
//!
//! What they say is weak: 6.0 and later print `Power on failed` for every failure without a
//! reason, and now and then for a VM that did start. So a reply is never the end of it: the state
//! is read again, and a reason is looked for in the VM's tasks.

use std::fmt;

use super::faults::check;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::excerpt;

/// Whether a VM runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerState {
    /// It runs, or waits on a question while it starts.
    On,
    /// It does not run.
    Off,
    /// Its memory is on disk; powering on resumes it.
    Suspended,
}

impl fmt::Display for PowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Suspended => "suspended",
        })
    }
}

impl PowerState {
    /// Reads hostd's own spelling: `poweredOn`, `poweredOff`, `suspended`.
    #[must_use]
    pub fn from_hostd(text: &str) -> Option<Self> {
        match text {
            "poweredOn" => Some(Self::On),
            "poweredOff" => Some(Self::Off),
            "suspended" => Some(Self::Suspended),
            _ => None,
        }
    }
}

/// What a command that changes the power state said. Read the state, whatever it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PowerReply {
    /// It reported no failure.
    Accepted,
    /// The VM was in the wanted state before (4.x and 5.x say so).
    AlreadyThere,
    /// It said that it failed, which may not be true, and gave no reason.
    Unclear {
        /// What it said.
        text: String,
    },
}

impl PowerReply {
    /// Reads the reply of a power command that was to lead to `wanted`.
    ///
    /// # Errors
    ///
    /// A fault that the host named: no such VM, another state in the way, no tools for a guest's
    /// shutdown, hostd down.
    pub fn parse(output: &Output, wanted: PowerState) -> Result<Self, DriverFault> {
        let text = output.text();
        match check(output) {
            Err(DriverFault::PowerState { existing, .. })
                if PowerState::from_hostd(&existing) == Some(wanted) =>
            {
                Ok(Self::AlreadyThere)
            }
            Err(DriverFault::Failed { text, .. }) => Ok(Self::Unclear { text }),
            Err(fault) => Err(fault),
            Ok(())
                if text
                    .lines()
                    .any(|line| line.trim_end().ends_with(" failed")) =>
            {
                Ok(Self::Unclear {
                    text: excerpt(&text),
                })
            }
            Ok(()) => Ok(Self::Accepted),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(status: i32, stdout: &str) -> Output {
        Output {
            status,
            ..Output::of(stdout)
        }
    }

    #[test]
    fn failed_without_a_reason_is_unclear_whatever_the_status() {
        for status in [0, 1] {
            let outcome = PowerReply::parse(
                &reply(status, "Powering on VM:\nPower on failed\n"),
                PowerState::On,
            );
            assert!(
                matches!(outcome, Ok(PowerReply::Unclear { text }) if text.contains("Power on failed"))
            );
        }
        let off = PowerReply::parse(
            &reply(0, "Powering off VM:\nPower off failed\n"),
            PowerState::Off,
        );
        assert!(matches!(off, Ok(PowerReply::Unclear { .. })));
    }

    #[test]
    fn success_is_a_preface_or_nothing() {
        assert_eq!(
            PowerReply::parse(&reply(0, "Powering on VM:\n"), PowerState::On),
            Ok(PowerReply::Accepted)
        );
        assert_eq!(
            PowerReply::parse(&reply(0, ""), PowerState::Off),
            Ok(PowerReply::Accepted)
        );
    }

    #[test]
    fn already_there_is_told_from_another_state_in_the_way() {
        let text = "Powering on VM:\n(vim.fault.InvalidPowerState) {\n  dynamicType = <unset>,\n  requestedState = \"poweredOn\",\n  existingState = \"poweredOn\",\n  msg = \"The attempted operation cannot be performed in the current state (Powered On).\",\n}\n";
        assert_eq!(
            PowerReply::parse(&reply(0, text), PowerState::On),
            Ok(PowerReply::AlreadyThere)
        );
        assert!(matches!(
            PowerReply::parse(&reply(0, text), PowerState::Off),
            Err(DriverFault::PowerState { .. })
        ));
    }

    #[test]
    fn an_unreachable_hostd_is_an_error() {
        let down = reply(1, "Failed to login: Connection reset by peer\n");
        assert!(matches!(
            PowerReply::parse(&down, PowerState::On),
            Err(DriverFault::HostdDown { .. })
        ));
    }

    proptest! {
        #[test]
        fn never_panics(status in 0..2, text in "(.{0,40}\n){0,6}") {
            let _ = PowerReply::parse(&reply(status, &text), PowerState::On);
        }
    }
}

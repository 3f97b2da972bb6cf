//! The three answers of a probe, and commands as a person sees them.

use crate::engine::{ProbeAnswer, Proposal, ShownCommand, Verdict};
use crate::error::Fault;
use crate::host::{Effect, HostCommand};
use crate::hypervisor::esxi::Vmid;
use crate::names::{HostName, VmName};

/// Something that a host knows and nobody asked yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Known<T> {
    /// It was asked.
    Is(T),
    /// It was not.
    #[default]
    Not,
}

impl<T> Known<T> {
    /// The value, if it was asked.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Not => None,
        }
    }
}

/// Stands for a vmid in a command that is only shown.
const HOLE: Vmid = Vmid(u32::MAX);

/// A command as it will be sent.
pub(super) fn shown(host: &HostName, command: &HostCommand) -> ShownCommand {
    ShownCommand {
        host: Some(host.clone()),
        line: command.line(),
        write: command.effect() == Effect::Write,
    }
}

/// A command about a VM by its number; where that is not known yet, it reads `‹vmid of sql01›`.
pub(super) fn shown_for(
    host: &HostName,
    vm: &VmName,
    vmid: Known<Vmid>,
    make: impl FnOnce(Vmid) -> HostCommand,
) -> ShownCommand {
    match vmid {
        Known::Is(vmid) => shown(host, &make(vmid)),
        Known::Not => {
            let mut command = shown(host, &make(HOLE));
            command.line = command
                .line
                .replace(&HOLE.to_string(), &format!("‹vmid of {vm}›"));
            command
        }
    }
}

/// Something that the console does itself.
pub(super) fn console(line: impl Into<String>) -> ShownCommand {
    ShownCommand {
        host: None,
        line: line.into(),
        write: false,
    }
}

/// Nothing is left to do.
pub(super) fn done(found: impl Into<String>, evidence: Vec<String>) -> ProbeAnswer {
    ProbeAnswer {
        found: found.into(),
        verdict: Verdict::AlreadyDone { evidence },
    }
}

/// This is missing.
pub(super) fn needed(found: impl Into<String>, proposal: Proposal) -> ProbeAnswer {
    ProbeAnswer {
        found: found.into(),
        verdict: Verdict::Needed(Box::new(proposal)),
    }
}

/// It must not or cannot be done; the remedies are what there is besides the fault's own next move.
pub(super) fn blocked(found: impl Into<String>, fault: Fault, remedies: &[&str]) -> ProbeAnswer {
    ProbeAnswer {
        found: found.into(),
        verdict: Verdict::Blocked {
            fault,
            remedies: remedies.iter().map(|way| (*way).to_owned()).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::esxi::commands;

    #[test]
    fn the_next_move_is_named_once() {
        let fault = Fault::new("it runs there", "lon-esx1", "nothing was sent", "fence it");
        let answer = blocked("on", fault.clone(), &["skip it"]);
        let remedies = vec!["skip it".to_owned()];
        assert_eq!(answer.verdict, Verdict::Blocked { fault, remedies });
    }

    #[test]
    fn an_unknown_number_is_shown_as_a_hole_and_a_known_one_as_it_is_sent() {
        let (host, vm) = (HostName::from("lee-esx1"), VmName::from("sql01"));
        let unknown = shown_for(&host, &vm, Known::Not, commands::power_on);
        assert_eq!(unknown.line, "vim-cmd vmsvc/power.on ‹vmid of sql01›");
        let known = shown_for(&host, &vm, Known::Is(Vmid(7)), commands::power_on);
        assert_eq!(known, shown(&host, &commands::power_on(Vmid(7))));
        assert!(known.write);
    }
}

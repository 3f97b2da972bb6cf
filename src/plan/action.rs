//! What a step does.

use indexmap::IndexMap;
use strum::IntoStaticStr;

use super::Close;
use crate::names::VmName;
use crate::runbook::model::{Ask, CommandSpec, HandOff, PointChoice, Probe, WaitSpec};

/// What a step does. A variant's name is its verb, as that of the runbook's
/// [`Verb`](crate::runbook::model::Verb) is.
#[derive(Clone, Debug, PartialEq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ActionSpec {
    /// A prompt.
    Confirm {
        /// The question.
        question: String,
        /// What else is asked, by key.
        ask: IndexMap<String, Ask>,
    },
    /// A remark.
    Note {
        /// Its text.
        text: String,
    },
    /// Make sure that the VM does not run on [`Step::side`](super::Step::side).
    Fence {
        /// Which VM.
        vm: VmName,
    },
    /// Bring a restore point's files to [`Step::side`](super::Step::side).
    Restore {
        /// Which VM.
        vm: VmName,
        /// Which point.
        point: PointChoice,
        /// Whether logs of the lost site come along.
        logs: bool,
    },
    /// Send its files to [`Step::side`](super::Step::side) before it has to run there.
    Replicate {
        /// Which VM.
        vm: VmName,
    },
    /// Make the host on [`Step::side`](super::Step::side) know the VM.
    Register {
        /// Which VM.
        vm: VmName,
    },
    /// Join its adapters to the port groups of [`Step::side`](super::Step::side).
    Network {
        /// Which VM.
        vm: VmName,
    },
    /// Start it on [`Step::side`](super::Step::side).
    PowerOn {
        /// Which VM.
        vm: VmName,
    },
    /// Wait until it serves.
    Ready {
        /// Which VM.
        vm: VmName,
    },
    /// Stop it on [`Step::side`](super::Step::side).
    ShutDown {
        /// Which VM.
        vm: VmName,
    },
    /// Power it off on [`Step::side`](super::Step::side) without asking its guest.
    PowerOff {
        /// Which VM.
        vm: VmName,
    },
    /// Bring its files to [`Step::side`](super::Step::side) from the other site.
    CopyBack {
        /// Which VM.
        vm: VmName,
    },
    /// Take it out of the inventory on [`Step::side`](super::Step::side).
    Unregister {
        /// Which VM.
        vm: VmName,
    },
    /// Shut expendable VMs down where these of the runbook run.
    FreeCapacity {
        /// Keys of expendable VMs, patterns among them.
        vms: Vec<VmName>,
    },
    /// Start VMs again that the run shut down to free capacity.
    ReturnCapacity {
        /// Keys of expendable VMs, patterns among them; empty for all that the run shut down.
        vms: Vec<VmName>,
    },
    /// Bring files of a restore point into a machine that is there.
    RestoreFiles {
        /// Whose backup holds them.
        vm: VmName,
        /// Which point.
        from: PointChoice,
        /// What was quiesced when it was taken, in the runbook's words.
        quiesced: String,
        /// What runs there; `${point}` in its words is the point's id, known when the step looks.
        command: CommandSpec,
    },
    /// A command of the site's own.
    Command(CommandSpec),
    /// A command on the console's own machine.
    Local(CommandSpec),
    /// A pause.
    Wait(WaitSpec),
    /// Probes that all have to be as expected.
    Check(Vec<Probe>),
    /// Something that another team does.
    HandOff(HandOff),
    /// Something that ends the run, in none of a runbook's words.
    Close(Close),
}

impl ActionSpec {
    /// The verb as in runbooks and step ids.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Close(close) => close.verb(),
            action => action.into(),
        }
    }

    /// The VM it acts on.
    #[must_use]
    pub fn vm(&self) -> Option<&VmName> {
        match self {
            Self::Confirm { .. }
            | Self::Note { .. }
            | Self::FreeCapacity { .. }
            | Self::ReturnCapacity { .. }
            | Self::Command(_)
            | Self::Local(_)
            | Self::Wait(_)
            | Self::Check(_)
            | Self::HandOff(_) => None,
            Self::Close(close) => close.vm(),
            Self::Fence { vm }
            | Self::Restore { vm, .. }
            | Self::Replicate { vm }
            | Self::RestoreFiles { vm, .. }
            | Self::Register { vm }
            | Self::Network { vm }
            | Self::PowerOn { vm }
            | Self::Ready { vm }
            | Self::ShutDown { vm }
            | Self::PowerOff { vm }
            | Self::CopyBack { vm }
            | Self::Unregister { vm } => Some(vm),
        }
    }

    /// The probes that it is made of, where it is.
    #[must_use]
    pub fn probes(&self) -> Option<Vec<&Probe>> {
        match self {
            Self::Check(probes) => Some(probes.iter().collect()),
            Self::Wait(WaitSpec::For { probe, .. }) => Some(vec![probe]),
            Self::HandOff(given) => Some(given.verify.iter().collect()),
            Self::Confirm { ask, .. } => Some(ask.values().filter_map(Ask::probe).collect()),
            _ => None,
        }
    }

    /// Whether it sends nothing but looks while it runs, so that a person may end it at any time.
    #[must_use]
    pub fn only_waits(&self) -> bool {
        matches!(self, Self::Wait(_) | Self::Check(_) | Self::HandOff(_))
    }
}

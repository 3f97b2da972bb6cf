//! What a step does, as written: the verbs and their arguments.

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use strum::{EnumDiscriminants, IntoStaticStr, VariantArray, VariantNames};

use crate::names::{HostName, SiteName, VmName};

use super::{Ask, Probe};

/// What a step does, as written. A variant's name is its word in the runbook.
#[derive(Clone, Debug, PartialEq, EnumDiscriminants)]
#[strum_discriminants(
    name(VerbName),
    derive(IntoStaticStr, VariantArray, VariantNames),
    strum(serialize_all = "snake_case"),
    doc = "A verb without its argument. What has to know each of them goes by this, so that the compiler names",
    doc = "every place that a new one is missing in.",
    allow(missing_docs, reason = "they are told at the variants of [`Verb`]")
)]
pub enum Verb {
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
    /// Make sure that the VM does not run at the source site.
    Fence {
        /// VM name or `${vm}`.
        vm: String,
    },
    /// Bring the files of a restore point.
    Restore {
        /// VM name or `${vm}`.
        vm: String,
        /// Which point.
        point: PointChoice,
        /// Whether logs of the lost site come along.
        logs: bool,
    },
    /// Send its files ahead.
    Replicate {
        /// VM name or `${vm}`.
        vm: String,
    },
    /// Make the host know the VM.
    Register {
        /// VM name or `${vm}`.
        vm: String,
    },
    /// Join adapters to port groups.
    Network {
        /// VM name or `${vm}`.
        vm: String,
    },
    /// Start it.
    PowerOn {
        /// VM name or `${vm}`.
        vm: String,
    },
    /// Wait until it serves.
    Ready {
        /// VM name or `${vm}`.
        vm: String,
    },
    /// Stop it, guest first.
    ShutDown {
        /// VM name or `${vm}`.
        vm: String,
    },
    /// Power it off without asking its guest.
    PowerOff {
        /// VM name or `${vm}`.
        vm: String,
        /// At which site; `None` is the one that the section leaves.
        site: Option<SiteName>,
    },
    /// Bring its files home.
    CopyBack {
        /// VM name or `${vm}`.
        vm: String,
    },
    /// Take it out of a host's inventory.
    Unregister {
        /// VM name or `${vm}`.
        vm: String,
        /// At which site.
        site: SiteName,
    },
    /// Shut expendable VMs at the recovery site down, so that there is memory for others.
    FreeCapacity {
        /// Keys of expendable VMs, patterns among them.
        vms: Vec<VmName>,
    },
    /// Start those of them again that the run shut down.
    ReturnCapacity {
        /// Keys of expendable VMs, patterns among them.
        vms: Vec<VmName>,
    },
    /// Bring files into a machine that is there, by the backup tool's own command.
    RestoreFiles(FileRestore),
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
}

impl VerbName {
    /// Every verb, in the order in which they are listed.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;
    /// Their words, in the same order.
    pub const WORDS: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// The word in the runbook and in step ids.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Verb {
    /// The word in the runbook.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        VerbName::from(self).as_str()
    }

    /// The VM as written, a name or `${vm}`, if it acts on one.
    #[must_use]
    pub fn vm(&self) -> Option<&str> {
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
            Self::Fence { vm }
            | Self::Restore { vm, .. }
            | Self::Replicate { vm }
            | Self::Register { vm }
            | Self::Network { vm }
            | Self::PowerOn { vm }
            | Self::Ready { vm }
            | Self::ShutDown { vm }
            | Self::PowerOff { vm, .. }
            | Self::CopyBack { vm }
            | Self::Unregister { vm, .. } => Some(vm),
            Self::RestoreFiles(files) => Some(&files.vm),
        }
    }

    /// The probes that it looks at.
    #[must_use]
    pub fn probes(&self) -> Vec<&Probe> {
        match self {
            Self::Check(probes) => probes.iter().collect(),
            Self::Wait(WaitSpec::For { probe, .. }) => vec![probe],
            Self::HandOff(hand_off) => hand_off.verify.iter().collect(),
            Self::Confirm { ask, .. } => ask.values().filter_map(Ask::probe).collect(),
            _ => Vec::new(),
        }
    }
}

/// A pause, and what ends it.
#[derive(Clone, Debug, PartialEq)]
pub enum WaitSpec {
    /// Its length.
    Span(Duration),
    /// A time, RFC 3339; may hold `${…}`.
    Until(String),
    /// Something that is looked at again and again.
    For {
        /// What.
        probe: Probe,
        /// How often.
        every: Duration,
    },
}

/// Something that another team does.
#[derive(Clone, Debug, PartialEq)]
pub struct HandOff {
    /// The name of one of the runbook's contacts.
    pub to: String,
    /// What they are asked to do.
    pub ask: String,
    /// What shows that it is done; without it the person at the console writes what was seen.
    pub verify: Option<Probe>,
    /// How often that is looked at.
    pub every: Duration,
}

/// Which restore point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointChoice {
    /// The newest sound one.
    #[default]
    Latest,
    /// The one with this stamp, `YYYYMMDDTHHMMSSZ`.
    Stamp(String),
    /// The newest at or before this time, RFC 3339.
    Before(String),
}

/// Files that the backup tool's own command brings into a machine that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRestore {
    /// VM name or `${vm}`, whose backup holds the files.
    pub vm: String,
    /// Which point.
    pub from: PointChoice,
    /// What was quiesced when the backup was taken, and how that is known; in words.
    pub quiesced: String,
    /// What runs, and where. `${point}` in its words is the point's id.
    pub command: CommandSpec,
}

/// A command of the site's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSpec {
    /// Where it runs.
    pub host: HostName,
    /// What runs.
    pub line: CommandLine,
    /// What it does to the host.
    pub effect: DeclaredEffect,
    /// Exits 0 where nothing is left to do.
    pub done_if: Option<Vec<String>>,
    /// Exits 0 where it worked.
    pub verify: Option<Vec<String>>,
    /// What a script finds in its environment: each variable that is not secret, `vm` and `mode`.
    /// Filled when a plan is made, for [`CommandLine::Sh`] alone.
    pub environment: Vec<(String, String)>,
}

impl CommandSpec {
    /// Stands for a host where a command runs on the console's own machine. No host is called so: a
    /// name has no spaces.
    pub const CONSOLE: &'static str = "this machine";

    /// Whether it runs on the console's own machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.host.as_str() == Self::CONSOLE
    }
}

/// The words of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// Each word is substituted, then quoted.
    Argv(Vec<String>),
    /// A script without `${…}`; variables come as environment.
    Sh(String),
}

/// What a command declares that it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeclaredEffect {
    /// Looks only.
    Read,
    /// Changes something.
    Write,
    /// Interrupts somebody.
    #[default]
    Disruptive,
}

//! The machines to recover.

use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::names::{BackupName, HostName, NetworkName, VmName};

use super::SiteRole;

/// A machine to recover.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vm {
    /// For people; the name where the file gives none.
    pub title: String,
    /// A class of service, for selections.
    pub tier: Option<u32>,
    /// 1 first … 5 last.
    pub priority: u8,
    /// VMs that must be ready before this one is powered on.
    pub needs: Vec<VmName>,
    /// Where it lives on a good day.
    pub protected: Option<Place>,
    /// Where it comes up.
    pub recovery: Option<Place>,
    /// The source is a physical server at this address.
    pub physical: Option<String>,
    /// Which backup holds its restore points.
    pub backup: Option<BackupName>,
    /// In what state the guest was when the backup was taken.
    pub consistency: Option<Consistency>,
    /// Virtual adapters by their name in the .vmx (`ethernet0`).
    pub adapters: IndexMap<String, Adapter>,
    /// The readiness ladder: all rungs, in order; the tools alone where the file gives none.
    pub ready: Vec<Rung>,
    /// Own recovery time objective.
    pub rto: Option<Duration>,
    /// Own recovery point objective.
    pub rpo: Option<Duration>,
    /// Shut down to free capacity, started again afterwards.
    pub expendable: bool,
}

impl Vm {
    /// Whether a name stands for many VMs (`lab-*`).
    #[must_use]
    pub fn is_pattern(name: &VmName) -> bool {
        name.as_str().contains('*')
    }

    /// Whether a name of the runbook stands for this VM: its own name, or a pattern that fits it.
    #[must_use]
    pub fn covers(name: &VmName, vm: &str) -> bool {
        let Some((first, rest)) = name.as_str().split_once('*') else {
            return name.as_str() == vm;
        };
        let Some(mut vm) = vm.strip_prefix(first) else {
            return false;
        };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            let Some(at) = vm.find(part) else {
                return false;
            };
            vm = &vm[at + part.len()..];
        }
        vm.ends_with(last)
    }

    /// Where the VM is, or comes to be, on a site of the given role.
    #[must_use]
    pub fn place(&self, role: SiteRole) -> Option<&Place> {
        match role {
            SiteRole::Protected => self.protected.as_ref(),
            SiteRole::Recovery => self.recovery.as_ref(),
        }
    }

    /// Adapters of which nobody knows the address, so that no network can be asked who has it: they
    /// name none, and neither does the readiness ladder, which speaks for a VM's only adapter.
    pub fn blind_adapters(&self) -> impl Iterator<Item = &str> {
        let names_host = |rung: &Rung| match rung {
            Rung::Tools => false,
            Rung::Tcp { host, .. } => host.is_some(),
            Rung::Http { .. } => true,
        };
        let told = self.adapters.len() == 1 && self.ready.iter().any(names_host);
        self.adapters
            .iter()
            .filter(move |(_, adapter)| {
                adapter.duplicate_probe && adapter.address.is_none() && !told
            })
            .map(|(name, _)| name.as_str())
    }
}

/// Where a VM's files lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The host that runs it.
    pub host: HostName,
    /// The datastore's label, or its UUID; empty for an expendable VM whose place gives none.
    pub datastore: String,
    /// The folder on the datastore.
    pub folder: String,
    /// The .vmx file's name within the folder; `None` where the restore point decides.
    pub vmx: Option<String>,
    /// How the disks that `restore` brings there are laid out; `None` where the file leaves it open:
    /// thin.
    #[serde(default)]
    pub disk: Option<DiskFormat>,
}

/// How a virtual disk takes its space. `Display` is the word that runbooks and `vmkfstools -d` use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// It grows as it is written.
    #[default]
    Thin,
    /// Full size at once, each block zeroed at its first write.
    ZeroedThick,
    /// Full size at once, zeroed at once.
    EagerZeroedThick,
}

impl DiskFormat {
    /// `thin`, `zeroedthick` or `eagerzeroedthick`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Thin => "thin",
            Self::ZeroedThick => "zeroedthick",
            Self::EagerZeroedThick => "eagerzeroedthick",
        }
    }

    /// Whether it takes all of its space from the beginning.
    #[must_use]
    pub fn is_thick(self) -> bool {
        self != Self::Thin
    }
}

impl std::fmt::Display for DiskFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// In what state the guest was when its backup was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// As after a power cut.
    Crash,
    /// File systems frozen.
    Filesystem,
    /// Applications quiesced.
    Application,
    /// The VM was off.
    PoweredOff,
}

/// A virtual network adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// What it is joined to.
    pub network: NetworkName,
    /// What becomes of its MAC address.
    pub mac: MacPolicy,
    /// The guest's own address on it.
    pub address: Option<IpAddr>,
    /// Length of the network prefix, where the file gives one.
    pub prefix: Option<u8>,
    /// Ask the network for a second holder of the address before power-on.
    pub duplicate_probe: bool,
}

/// What becomes of an adapter's MAC address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MacPolicy {
    /// It stays.
    #[default]
    Keep,
    /// The host makes a new one.
    Generate,
}

/// One rung of the readiness ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rung {
    /// The guest's tools run.
    Tools,
    /// A TCP port accepts a connection.
    Tcp {
        /// Where; `None` is the adapter's address, else the one the tools report.
        host: Option<String>,
        /// The port.
        port: u16,
    },
    /// An HTTP request is answered.
    Http {
        /// `http://…`
        url: String,
        /// The expected status.
        status: u16,
        /// Who asks; `None` is the console.
        from: Option<HostName>,
    },
}

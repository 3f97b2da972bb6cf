//! The typed runbook: what the file says, checked, with every default filled in.
//!
//! Values here are valid by construction (see [`super::load`]): every reference names something
//! that exists, every duration and address parsed. Strings may still hold `${…}`; they are
//! resolved when a plan is made.

mod asks;
mod backups;
mod hosts;
mod probes;
mod steps;
mod verbs;
mod vms;

pub use asks::{Ask, Challenge, spoken};
pub use backups::{Asked, Backup, BackupForm, BackupTool, PointLayout, Prints};
pub use hosts::{AtOnce, Auth, Driver, Hop, Host, HostAddress, Network, PortGroup, PortGroupSpec};
pub use probes::{Expect, Look, Probe, VmSign, Young};
pub use steps::{ForEach, Mode, OnFailure, Phase, Section, StepSpec};
pub use verbs::{
    CommandLine, CommandSpec, DeclaredEffect, FileRestore, HandOff, PointChoice, Verb, VerbName,
    WaitSpec,
};
pub use vms::{Adapter, Consistency, DiskFormat, MacPolicy, Place, Rung, Vm};

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::names::{BackupName, HostName, NetworkName, RunId, SiteName, VariableName, VmName};

/// A whole runbook, format 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Runbook {
    /// `[a-z0-9-]+`.
    pub name: String,
    /// One line for people; the name where the file gives none.
    pub title: String,
    /// What it is for, in prose; may be empty.
    pub description: String,
    /// Whom to call.
    pub contacts: Vec<Contact>,
    /// What the business expects of each VM unless it says otherwise.
    pub objectives: Objectives,
    /// Rules for drills.
    pub drill: DrillRules,
    /// How a run is to be ended.
    pub commit: CommitRules,
    /// When those who wait are told how things stand.
    pub updates: Updates,
    /// Asked once before the start, in the file's order.
    pub variables: IndexMap<VariableName, Variable>,
    /// Both sites, in the file's order.
    pub sites: IndexMap<SiteName, Site>,
    /// Every listed host, in the file's order.
    pub hosts: IndexMap<HostName, Host>,
    /// What adapters can be joined to.
    pub networks: IndexMap<NetworkName, Network>,
    /// Where restore points lie.
    pub backups: IndexMap<BackupName, Backup>,
    /// The machines, in the file's order. A name with `*` is a pattern (see [`Vm::is_pattern`]).
    pub vms: IndexMap<VmName, Vm>,
    /// Phases of the way out.
    pub failover: Vec<Phase>,
    /// Phases of the way home; may be empty.
    pub failback: Vec<Phase>,
    /// Where a drill keeps itself apart; `None` as a file is read (see
    /// [`isolated`](super::isolated)).
    pub isolation: Option<Isolation>,
}

impl Runbook {
    /// The site that is protected.
    #[must_use]
    pub fn protected_site(&self) -> SiteName {
        self.site_with(SiteRole::Protected)
    }

    /// The site that VMs are recovered at.
    #[must_use]
    pub fn recovery_site(&self) -> SiteName {
        self.site_with(SiteRole::Recovery)
    }

    /// The site of the given role (validation makes sure that there is exactly one).
    #[must_use]
    pub fn site_with(&self, role: SiteRole) -> SiteName {
        self.sites
            .iter()
            .find(|(_, site)| site.role == role)
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }

    /// The role of a host's site.
    #[must_use]
    pub fn role_of(&self, host: &HostName) -> Option<SiteRole> {
        let host = self.hosts.get(host)?;
        self.sites.get(&host.site).map(|site| site.role)
    }

    /// The hosts of a site, in the file's order.
    pub fn hosts_of<'a>(
        &'a self,
        site: &'a SiteName,
    ) -> impl Iterator<Item = (&'a HostName, &'a Host)> {
        self.hosts
            .iter()
            .filter(move |(_, host)| host.site == *site)
    }

    /// Recovery time objective of a VM: its own, else the runbook's.
    #[must_use]
    pub fn rto(&self, vm: &VmName) -> Option<Duration> {
        self.vms
            .get(vm)
            .and_then(|vm| vm.rto)
            .or(self.objectives.rto)
    }

    /// Recovery point objective of a VM: its own, else the runbook's.
    #[must_use]
    pub fn rpo(&self, vm: &VmName) -> Option<Duration> {
        self.vms
            .get(vm)
            .and_then(|vm| vm.rpo)
            .or(self.objectives.rpo)
    }

    /// Whether the way out restores files of this VM into a machine that is there, and not its disks.
    #[must_use]
    pub fn is_restored_by_file(&self, vm: &VmName) -> bool {
        let does = |verb: &str| {
            self.failover.iter().any(|phase| {
                let mut steps = phase.steps.iter().filter(|step| step.verb.as_str() == verb);
                steps.any(|step| match step.verb.vm() {
                    Some("${vm}") => self.selected(&phase.for_each).contains(&vm),
                    named => named == Some(vm.as_str()),
                })
            })
        };
        does("restore_files") && !does("restore")
    }

    /// The VMs that a phase is repeated for, in the file's order; none where it stands once.
    #[must_use]
    pub fn selected(&self, for_each: &ForEach) -> Vec<&VmName> {
        let recoverable = self.recoverable_vms();
        match for_each {
            ForEach::Once => Vec::new(),
            ForEach::Vms => recoverable.map(|(name, _)| name).collect(),
            ForEach::Tier(tier) => recoverable
                .filter(|(_, vm)| vm.tier == Some(*tier))
                .map(|(name, _)| name)
                .collect(),
            ForEach::List(list) => list
                .iter()
                .filter_map(|name| self.vms.get_key_value(name).map(|(name, _)| name))
                .collect(),
        }
    }

    /// The VMs that steps `for_each: vms` walk through: neither expendable nor patterns.
    pub fn recoverable_vms(&self) -> impl Iterator<Item = (&VmName, &Vm)> {
        self.vms
            .iter()
            .filter(|(name, vm)| !vm.expendable && !Vm::is_pattern(name))
    }

    /// The places of VMs on a host, those of a drill as the runbook has them too.
    pub fn places_on(&self, host: &HostName) -> impl Iterator<Item = &Place> {
        let isolation = self.isolation.iter();
        let written = isolation.flat_map(|isolation| &isolation.written);
        let vms = self.vms.values();
        let places = vms.flat_map(|vm| [&vm.protected, &vm.recovery].into_iter().flatten());
        places
            .chain(written)
            .filter(move |place| place.host == *host)
    }

    /// The hosts on which these VMs come up or stand, each once, in the file's order.
    #[must_use]
    pub fn recovery_hosts(&self, vms: &[VmName]) -> Vec<HostName> {
        let places = vms
            .iter()
            .filter_map(|vm| self.vms.get(vm)?.recovery.as_ref());
        let mut hosts: Vec<HostName> = Vec::new();
        for place in places {
            if !hosts.contains(&place.host) {
                hosts.push(place.host.clone());
            }
        }
        hosts
    }
}

/// Somebody to call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Person or rota.
    pub name: String,
    /// As dialled.
    #[serde(default)]
    pub phone: String,
    /// What they answer for.
    #[serde(default)]
    pub role: String,
}

/// Recovery objectives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Objectives {
    /// From the outage to service.
    pub rto: Option<Duration>,
    /// From the restore point to the outage.
    pub rpo: Option<Duration>,
}

/// How a drill keeps its VMs apart from everything else on a recovery host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// The drill.
    pub run: RunId,
    /// Where the runbook places its VMs out of drills: what stands there is production's.
    pub written: Vec<Place>,
    /// The virtual switch that it makes on each host: no uplink, and nothing on it but the drill.
    pub vswitch: String,
    /// Its port groups there, each with a VLAN of its own, so that networks stay apart.
    pub groups: Vec<PortGroup>,
    /// The port group for adapters that the runbook does not name.
    pub spare: PortGroup,
    /// What becomes of the VMs' identities.
    pub identity: Identity,
}

/// Rules for drills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrillRules {
    /// Keep the VM's identity in a drill (`moved`, the default) or let it be a new one (`copied`).
    pub identity: Identity,
    /// How often a drill is due.
    pub every: Option<Duration>,
    /// How long one may last.
    pub limit: Option<Duration>,
}

/// How a run that moved VMs is to be ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitRules {
    /// How long there is to commit or roll back once its steps are settled; `None`: no clock.
    pub within: Option<Duration>,
}

/// When those who wait are told how a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updates {
    /// How often; `None` is never.
    pub every: Option<Duration>,
}

impl Default for Updates {
    fn default() -> Self {
        Self {
            every: Some(Duration::from_secs(15 * 60)),
        }
    }
}

/// Who a restored VM is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// The same machine at another place: UUID and MAC stay.
    #[default]
    Moved,
    /// A copy beside the original: UUID and generated MAC are made anew.
    Copied,
}

/// A value asked for before the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variable {
    /// What the operator is asked.
    pub prompt: String,
    /// A regular expression that the whole value must match.
    pub pattern: Option<String>,
    /// What `--yes` takes in practice.
    pub example: Option<String>,
    /// Taken when the operator just presses Enter.
    pub default: Option<String>,
    /// Never printed, journalled, logged or frozen.
    pub secret: bool,
}

impl Variable {
    /// Whether a value may be taken.
    ///
    /// # Errors
    ///
    /// What is wrong with the value, as a lower-case fragment. A secret is not repeated.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let Some(pattern) = &self.pattern else {
            return Ok(());
        };
        if super::values::whole_match(pattern)?.is_match(value) {
            return Ok(());
        }
        let value = if self.secret {
            "the value".to_owned()
        } else {
            format!("`{}`", super::diagnostics::visible(value))
        };
        Err(format!("{value} does not match the pattern {pattern}"))
    }
}

/// A place with hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Protected or recovery.
    pub role: SiteRole,
    /// One word or two for people; the name where the file gives none.
    pub title: String,
    /// How many steps may move disks onto a datastore of it at a time, whatever hosts they go
    /// through, as the places of its VMs name it.
    pub transfers_onto: BTreeMap<String, usize>,
}

/// What a site is in this runbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SiteRole {
    /// Where the VMs run on a good day.
    Protected,
    /// Where they come up when it is lost.
    Recovery,
}

impl SiteRole {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Protected => Self::Recovery,
            Self::Recovery => Self::Protected,
        }
    }
}

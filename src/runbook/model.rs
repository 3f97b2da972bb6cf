//! The typed runbook: what the file says, checked, with every default filled in.
//!
//! Values here are valid by construction (see [`super::load`]): every reference names something
//! that exists, every duration and address parsed. Strings may still hold `${…}`; they are
//! resolved when a plan is made.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::names::{BackupName, HostName, NetworkName, SiteName, VariableName, VmName};

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

/// Rules for drills (parsed and checked now; used when drills come).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrillRules {
    /// Keep the VM's identity in a drill (`moved`, the default) or let it be a new one (`copied`).
    pub identity: Identity,
    /// How often a drill is due.
    pub every: Option<Duration>,
    /// How long one may last.
    pub limit: Option<Duration>,
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

/// A machine that Lifeboat logs in to.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Where it stands.
    pub site: SiteName,
    /// What it understands.
    pub driver: Driver,
    /// Where its SSH server listens.
    pub address: HostAddress,
    /// Login name; `root` where the file gives none.
    pub user: String,
    /// Ways to log in, in order; empty means the agent, then `~/.ssh/id_*`.
    pub auth: Vec<Auth>,
    /// Accepted host key fingerprints, `SHA256:…`; empty means known_hosts decides.
    pub host_key: Vec<String>,
}

/// The kind of host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// VMware ESXi 5.0 and later.
    Esxi,
    /// Any system with a POSIX shell.
    Posix,
}

/// Host name or address with a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostAddress {
    /// DNS name, IPv4 or IPv6 address (without brackets).
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl std::fmt::Display for HostAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// One way to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The keys of the running SSH agent.
    Agent,
    /// A private key file; `~/` is the operator's home.
    Key(PathBuf),
    /// A password, for `password` and `keyboard-interactive`: the secret variable that holds it.
    Password(VariableName),
}

/// A network and what it is called at each site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The port group at each site.
    pub at: BTreeMap<SiteName, PortGroup>,
    /// The port group of drills.
    pub drill: Option<String>,
    /// A posix host on that network, for duplicate-address and tcp probes.
    pub probe_from: Option<HostName>,
}

/// A port group of a standard switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortGroup {
    /// Its name, case-sensitive.
    pub name: String,
    /// Made there if missing; `None` means that it must exist.
    pub create: Option<PortGroupSpec>,
}

/// Where and how a missing port group is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortGroupSpec {
    /// The standard switch.
    pub vswitch: String,
    /// 0 none, 1 to 4094, 4095 trunk.
    pub vlan: u16,
}

/// A folder of restore points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The host that holds it; `None` is the console's own machine.
    pub host: Option<HostName>,
    /// Absolute on a host; on the console's machine relative to the runbook's folder, or absolute.
    pub path: String,
}

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

    /// Where the VM is, or comes to be, on a site of the given role.
    #[must_use]
    pub fn place(&self, role: SiteRole) -> Option<&Place> {
        match role {
            SiteRole::Protected => self.protected.as_ref(),
            SiteRole::Recovery => self.recovery.as_ref(),
        }
    }
}

/// Where a VM's files lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The host that runs it.
    pub host: HostName,
    /// The datastore's label; empty for an expendable VM whose place gives none.
    pub datastore: String,
    /// The folder on the datastore.
    pub folder: String,
    /// The .vmx file's name within the folder; `None` where the restore point decides.
    pub vmx: Option<String>,
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

/// A group of steps under one heading.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// As the heading reads.
    pub name: String,
    /// Whether and over what its steps are repeated.
    pub for_each: ForEach,
    /// In the file's order.
    pub steps: Vec<StepSpec>,
}

/// What a phase is repeated over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ForEach {
    /// Its steps stand once.
    #[default]
    Once,
    /// Every VM that is neither expendable nor a pattern.
    Vms,
    /// Those of one tier.
    Tier(u32),
    /// Those named.
    List(Vec<VmName>),
}

/// A step as written; `${vm}` and variables are still in its strings.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSpec {
    /// What it does.
    pub verb: Verb,
    /// A title of its own.
    pub name: Option<String>,
    /// Why it is there.
    pub why: Option<String>,
    /// More for the person at the console.
    pub text: Option<String>,
    /// How long it may take; `None` is the verb's default.
    pub timeout: Option<Duration>,
    /// How often a clean failure is tried again without asking.
    pub retries: u32,
    /// What a failure means for the rest.
    pub on_failure: OnFailure,
    /// How long it usually takes.
    pub usually: Option<Duration>,
    /// Modes it belongs to; empty means all.
    pub modes: Vec<Mode>,
    /// Waits for a person whatever the pace.
    pub gate: bool,
    /// A word to type before it runs.
    pub typed: Option<String>,
    /// How many people confirm it (1 or 2).
    pub people: u8,
    /// Line of the runbook where it begins, from 1.
    pub line: usize,
}

/// What a failed step means for the rest of its chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// A person decides; what does not depend on it goes on.
    #[default]
    Ask,
    /// Nothing new starts until a person decides.
    Stop,
    /// It is recorded as failed and its chain goes on.
    Continue,
}

/// How a run is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everything is simulated.
    Practice,
    /// Isolated, without touching production.
    Drill,
    /// The real thing.
    Failover,
    /// The source is alive and shut down in order.
    Planned,
    /// The way home.
    Failback,
}

impl Mode {
    /// The word on screens, in the journal and in runbooks.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Practice => "practice",
            Self::Drill => "drill",
            Self::Failover => "failover",
            Self::Planned => "planned",
            Self::Failback => "failback",
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The two halves of a runbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// The way out: steps act on the recovery site.
    Failover,
    /// The way home: steps act on the protected site.
    Failback,
}

impl Section {
    /// The runbook's key.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Failback => "failback",
        }
    }

    /// The role of the site where VMs come up in this section.
    #[must_use]
    pub fn target(self) -> SiteRole {
        match self {
            Self::Failover => SiteRole::Recovery,
            Self::Failback => SiteRole::Protected,
        }
    }

    /// The role of the site where they ran before.
    #[must_use]
    pub fn source(self) -> SiteRole {
        self.target().other()
    }
}

impl std::fmt::Display for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a step does, as written.
#[derive(Clone, Debug, PartialEq)]
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
    /// A command of the site's own.
    Command(CommandSpec),
}

impl Verb {
    /// The word in the runbook.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Confirm { .. } => "confirm",
            Self::Note { .. } => "note",
            Self::Fence { .. } => "fence",
            Self::Restore { .. } => "restore",
            Self::Register { .. } => "register",
            Self::Network { .. } => "network",
            Self::PowerOn { .. } => "power_on",
            Self::Ready { .. } => "ready",
            Self::ShutDown { .. } => "shut_down",
            Self::CopyBack { .. } => "copy_back",
            Self::Unregister { .. } => "unregister",
            Self::Command(_) => "command",
        }
    }

    /// The VM as written, a name or `${vm}`, if it acts on one.
    #[must_use]
    pub fn vm(&self) -> Option<&str> {
        match self {
            Self::Confirm { .. } | Self::Note { .. } | Self::Command(_) => None,
            Self::Fence { vm }
            | Self::Restore { vm, .. }
            | Self::Register { vm }
            | Self::Network { vm }
            | Self::PowerOn { vm }
            | Self::Ready { vm }
            | Self::ShutDown { vm }
            | Self::CopyBack { vm }
            | Self::Unregister { vm, .. } => Some(vm),
        }
    }
}

/// One thing that a prompt asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Tick some of these.
    Choose {
        /// What there is to tick.
        options: Vec<String>,
        /// How many at least.
        at_least: usize,
    },
    /// Type a value.
    Value {
        /// What to type.
        prompt: String,
        /// A regular expression for the whole value.
        pattern: Option<String>,
    },
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

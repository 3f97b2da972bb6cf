//! Hosts, the networks that they offer, and where restore points lie.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::names::{HostName, SiteName, VariableName, VmName};

/// A machine that Lifeboat logs in to.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// The hops on the way, the first one first; `None` where the file does not say, an empty list
    /// where it says that there are none.
    pub jump: Option<Vec<Hop>>,
    /// The VM or physical server whose operating system it is, so that it answers only while that
    /// runs.
    pub guest: Option<VmName>,
    /// How much may go on there at a time.
    pub at_once: AtOnce,
    /// Bulk data may have a session of its own; else it goes over that of its commands.
    pub bulk_session: bool,
    /// The file gives the user.
    pub user_given: bool,
    /// The file gives the port.
    pub port_given: bool,
    /// What of this comes from ssh's configuration, a line each; the file itself leaves it empty.
    pub notes: Vec<String>,
}

/// How much may go on at a host at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    /// Steps that move disks.
    pub transfers: usize,
    /// Other steps.
    pub steps: usize,
}

impl Default for AtOnce {
    fn default() -> Self {
        Self {
            transfers: 2,
            steps: 4,
        }
    }
}

/// A host that carries connections on to another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hop {
    /// One of the runbook's hosts, with its login and keys.
    Host(HostName),
    /// Any other machine.
    Machine {
        /// As the file writes it.
        written: String,
        /// Login name, where the file gives one.
        user: Option<String>,
        /// Its name or address; an alias of ssh's configuration too.
        host: String,
        /// TCP port, where the file gives one.
        port: Option<u16>,
    },
}

/// The kind of host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// VMware ESXi 5.0 and later.
    Esxi,
    /// Any system with a POSIX shell.
    #[default]
    Posix,
}

/// Host name or address with a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

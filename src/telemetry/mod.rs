//! Figures of the host panes: read-only polls over their own sessions, with back-off.

mod esxi;
mod posix;
mod watch;

pub use watch::{Panes, watch};

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::Presence;
use crate::hypervisor::esxi::Vmid;
use crate::names::{HostName, VmName};

/// What a host pane shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostFigures {
    /// Which host.
    pub host: HostName,
    /// When the last poll began, answered or not.
    pub began: Timestamp,
    /// When the last poll that was answered ended; the pane shows its age.
    pub answered: Option<Timestamp>,
    /// How it goes.
    pub link: LinkState,
    /// What is at its own address, whether or not a hop on the way lets us in.
    pub presence: Presence,
    /// What it runs: `VMware ESXi 8.0.2`.
    pub product: String,
    /// Since its boot.
    pub uptime: Option<Duration>,
    /// Round trip of the smallest command.
    pub round_trip: Option<Duration>,
    /// What a call to its management agent takes, whoever makes it, where that is so long that steps
    /// take much longer.
    pub slow_call: Option<Duration>,
    /// CPU in use, per cent.
    pub cpu_percent: Option<u8>,
    /// Memory in use and in all, bytes.
    pub memory: Option<(u64, u64)>,
    /// Datastores (or the backup's file system): label, free and total bytes.
    pub volumes: Vec<(String, u64, u64)>,
    /// The runbook's VMs on this host.
    pub vms: Vec<VmFigures>,
    /// How long the last poll took; the longer, the rarer they are.
    pub poll_took: Option<Duration>,
    /// When the last poll began that told what runs; `None` where the last one did not tell.
    pub asked: Option<Timestamp>,
    /// Everything that runs there.
    pub running: Vec<Running>,
    /// What is wrong, in a line.
    pub trouble: Option<String>,
    /// A host key that was refused; the way on is to read it on the host's own console.
    pub refused_key: Option<RefusedKey>,
}

/// A VM that runs on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// Its uuid.bios in 32 hex digits, where the host tells it.
    pub uuid: Option<String>,
    /// Its number there, where it is registered.
    pub vmid: Option<Vmid>,
    /// What it is called there.
    pub name: String,
}

/// A host key that is unknown, or not the known one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedKey {
    /// Who showed it: the host, or a hop on the way to it.
    pub host: HostName,
    /// Its type, e.g. `ssh-ed25519`.
    pub key_type: String,
    /// `SHA256:…` that the host showed.
    pub shown: String,
    /// What was known, each `SHA256:…` with its type where that is known.
    pub known: Vec<String>,
}

/// How the link to a host is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// Not asked yet.
    #[default]
    Unknown,
    /// It answers.
    Up,
    /// It takes long.
    Slow,
    /// It does not answer.
    Down,
    /// It answers and lets us not in, or shows another key.
    Refused,
}

/// A VM in a host pane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VmFigures {
    /// Which.
    pub vm: VmName,
    /// Its number there, and what it is called there; nothing where it is not registered.
    pub vmid: Option<Vmid>,
    /// See there.
    pub name: String,
    /// `on`, `off`, `suspended`, `invalid`, `-` where it is not registered.
    pub power: String,
    /// It waits for an answer.
    pub question: bool,
    /// `tools`, the address, or nothing.
    pub guest: String,
}

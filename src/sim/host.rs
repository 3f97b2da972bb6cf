//! One simulated host: its tree, processes, volumes, and what it knows of the site.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::commands;
use super::esxi::Esxi;
use super::network::Network;
use super::process::ProcessTable;
use super::vfs::{Vfs, used};
use crate::names::{HostName, SiteName};

/// How fast site time runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace(f64);

impl Pace {
    /// `speed` site seconds in a real one.
    pub(crate) fn new(speed: f64) -> Self {
        Self(if speed.is_finite() && speed > 0.0 {
            speed
        } else {
            1.0
        })
    }

    /// The real time that so many site seconds take.
    pub(crate) fn real(self, seconds: f64) -> Duration {
        Duration::try_from_secs_f64(seconds.max(0.0) / self.0).unwrap_or(Duration::MAX / 4)
    }

    /// The site seconds that a real time is.
    pub(crate) fn site(self, time: Duration) -> f64 {
        time.as_secs_f64() * self.0
    }
}

/// A file system that the host shows.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    /// ESXi: the volume's UUID; elsewhere the device.
    pub(crate) uuid: String,
    /// ESXi: its label, if it has one.
    pub(crate) label: Option<String>,
    /// `VMFS-6`, `vfat`, `VMFSOS`, or `ext4`.
    pub(crate) kind: &'static str,
    /// Its real folder.
    pub(crate) folder: PathBuf,
    /// Bytes that it is said to hold.
    pub(crate) capacity: u64,
    /// Bytes said to be taken by what is not simulated.
    pub(crate) taken: u64,
    /// Not in `df`.
    pub(crate) hidden: bool,
    /// Elsewhere than on ESXi: where it is mounted.
    pub(crate) mounted: String,
}

impl Volume {
    /// Whether a path finds it below `/vmfs/volumes` under this name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.uuid == name || self.label.as_deref() == Some(name)
    }

    /// The path that `df` shows.
    pub(crate) fn mount(&self) -> String {
        match &self.label {
            Some(label) => format!("/vmfs/volumes/{label}"),
            None => self.mounted.clone(),
        }
    }
}

/// One line of a host's command log.
#[derive(Serialize)]
struct LogLine<'a> {
    at: String,
    session: u64,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<i32>,
}

/// A simulated host.
pub(crate) struct SimHost {
    /// As the runbook calls it.
    pub(crate) name: HostName,
    /// Where it stands.
    pub(crate) site: SiteName,
    /// Its files.
    pub(crate) vfs: Arc<Vfs>,
    /// Its processes.
    pub(crate) processes: Arc<ProcessTable>,
    /// How fast site time runs.
    pub(crate) pace: Pace,
    /// Its file systems.
    pub(crate) volumes: Vec<Volume>,
    /// What makes it an ESXi host.
    pub(crate) esxi: Option<Esxi>,
    /// What it can reach.
    pub(crate) network: Arc<Network>,
    /// Accepts connections and answers nothing.
    pub(crate) hung: AtomicBool,
    /// Has no SFTP subsystem (as 5.x and 6.0 hosts).
    pub(crate) without_sftp: AtomicBool,
    /// Has no `sha256sum`.
    pub(crate) without_sums: AtomicBool,
    log: Mutex<File>,
    started: Instant,
}

/// What [`SimHost::new`] is made of.
pub(crate) struct HostParts {
    /// As the runbook calls it.
    pub(crate) name: HostName,
    /// Where it stands.
    pub(crate) site: SiteName,
    /// Its folder; the tree lies in `root` below.
    pub(crate) folder: PathBuf,
    /// How fast site time runs.
    pub(crate) pace: Pace,
    /// Its file systems.
    pub(crate) volumes: Vec<Volume>,
    /// What makes it an ESXi host.
    pub(crate) esxi: Option<Esxi>,
    /// What it can reach.
    pub(crate) network: Arc<Network>,
}

/// The file of a host's command log below its folder.
pub(crate) const COMMAND_LOG: &str = "commands.jsonl";

impl SimHost {
    /// A host over an existing tree.
    ///
    /// # Errors
    /// The command log cannot be opened.
    pub(crate) fn new(parts: HostParts) -> std::io::Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(parts.folder.join(COMMAND_LOG))?;
        let first = if parts.esxi.is_some() {
            2_101_337
        } else {
            1204
        };
        Ok(Self {
            vfs: Arc::new(Vfs::new(parts.folder.join("root"))),
            processes: Arc::new(ProcessTable::new(first)),
            name: parts.name,
            site: parts.site,
            pace: parts.pace,
            volumes: parts.volumes,
            esxi: parts.esxi,
            network: parts.network,
            hung: AtomicBool::new(false),
            without_sftp: AtomicBool::new(false),
            without_sums: AtomicBool::new(false),
            log: Mutex::new(log),
            started: Instant::now(),
        })
    }

    /// What `hostname` prints.
    pub(crate) fn hostname(&self) -> String {
        self.name.as_str().to_owned()
    }

    /// Where root's login shell begins.
    pub(crate) fn root_home(&self) -> String {
        if self.esxi.is_some() { "/" } else { "/root" }.to_owned()
    }

    /// Seconds since it booted, in site time; it has been up for weeks when a site starts.
    pub(crate) fn uptime_seconds(&self) -> u64 {
        41 * 86_400 + 11_520 + self.pace.site(self.started.elapsed()) as u64
    }

    /// Where a program of that name lies, if the host has it.
    pub(crate) fn program_path(&self, name: &str) -> Option<String> {
        let short = name.rsplit('/').next().unwrap_or(name);
        commands::find(self, short)?;
        let folder = match short {
            "vmkfstools" | "esxcli" if self.esxi.is_some() => "/sbin",
            _ if self.esxi.is_some() => "/bin",
            _ => "/usr/bin",
        };
        Some(format!("{folder}/{short}"))
    }

    /// Whether this absolute path is that of a program.
    pub(crate) fn program_at(&self, path: &str) -> bool {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        matches!(folder, "/bin" | "/sbin" | "/usr/bin" | "/usr/sbin")
            && commands::find(self, name).is_some()
    }

    /// The volume that a real path lies on: the one with the longest fitting folder.
    pub(crate) fn volume_of(&self, real: &Path) -> Option<&Volume> {
        let holding = self
            .volumes
            .iter()
            .filter(|volume| real.starts_with(&volume.folder));
        holding.max_by_key(|volume| volume.folder.as_os_str().len())
    }

    /// What kind of file system a volume is.
    pub(crate) fn kind_of(&self, volume: &Volume) -> &'static str {
        let label = volume.label.as_deref().unwrap_or_default();
        let share = self
            .esxi
            .as_ref()
            .and_then(|esxi| esxi.lock().nfs.get(label).copied());
        share.map_or(volume.kind, |mount| mount.version.kind())
    }

    /// Size and free bytes of a volume. With a quota the figures are those of the quota.
    pub(crate) fn space(&self, volume: &Volume) -> (u64, u64) {
        let size = self.vfs.quota(&volume.folder).unwrap_or(volume.capacity);
        let taken = if self.vfs.quota(&volume.folder).is_some() {
            0
        } else {
            volume.taken
        };
        (size, size.saturating_sub(taken + used(&volume.folder)))
    }

    /// Whether it hangs.
    pub(crate) fn is_hung(&self) -> bool {
        self.hung.load(Ordering::Acquire)
    }

    /// Notes that a command line came, or how it ended.
    pub(crate) fn log(&self, session: u64, pid: u32, line: Option<&str>, exit: Option<i32>) {
        let at = jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
            .to_string();
        if let Ok(mut text) = serde_json::to_string(&LogLine {
            at,
            session,
            pid,
            line,
            exit,
        }) {
            text.push('\n');
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = log.write_all(text.as_bytes()) {
                tracing::warn!(host = %self.name, %error, "the command log cannot be written");
            }
        }
    }
}

//! The simulated site: ESXi and posix hosts on loopback, over real SSH, with real files.
//!
//! It imitates hosts from the outside and shares no code with the drivers that talk to them. Formats
//! and quirks follow captured output of real hosts. What a site is lies in one folder, so that
//! [`Site::start`] on the same folder goes on after a crash, rebooted. Everything is served on
//! 127.0.0.1; nothing outside it is ever contacted.

mod build;
mod commands;
mod disks;
mod emit;
mod error;
mod esxi;
mod gzip;
mod host;
mod hosted;
mod machine;
mod network;
mod pipe;
mod plan;
mod process;
mod seed;
mod shell;
mod ssh;
mod starting;
mod stdio;
mod units;
mod vfs;
mod vmx;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::error::SimError;
use self::esxi::{GuestPlan, power_cut};
pub use self::esxi::{NfsMount, NfsVersion};
use self::host::{COMMAND_LOG, SimHost, Volume};
use self::network::Network;
use self::plan::{SitePlan, prepare, write_plan};
use self::ssh::Door;
use self::starting::Starting;
use crate::names::{BackupName, HostName};
use crate::runbook::model::{BackupTool, Runbook, SiteRole};

/// How a site is made.
#[derive(Clone, Debug)]
pub struct SiteOptions {
    /// Its folder; made if missing. A folder that holds something else is refused.
    pub dir: PathBuf,
    /// Bytes per disk. Counts when the site is made, not when it is started again.
    pub scale: u64,
    /// Decides everything that looks random. Counts when the site is made.
    pub seed: u64,
    /// Site seconds in a real one; 1 is real time.
    pub speed: f64,
    /// The SSH servers ask for new keys after so many bytes; `None` is 1 GiB, as on ESXi.
    pub rekey_bytes: Option<u64>,
    /// After so many wrong passwords in a row a host locks the account (right ones are then refused
    /// too); 0 is never.
    pub lock_after: u32,
    /// For how long, in real time.
    pub unlock_after: Duration,
}

impl SiteOptions {
    /// A site in `dir` with 16 MiB a disk, seed 1, real time, and the lockout of ESXi 6.7 and later.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            scale: 16 << 20,
            seed: 1,
            speed: 1.0,
            rekey_bytes: None,
            lock_after: 5,
            unlock_after: Duration::from_secs(900),
        }
    }
}

/// Something that goes wrong on purpose, switched on or off while the site runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injection {
    /// hostd does not answer: `vim-cmd` and `esxcli` fail, ssh and files still work.
    HostdDown(bool),
    /// `power.on` says `Power on failed` although the VM is on.
    PowerOnLies(bool),
    /// `power.on` fails; the reason is in the task and in `vmware.log`.
    PowerOnFails(bool),
    /// `power.on` comes back while its task is still at work, and the VM is off until it is ordered again.
    PowerOnLingers(bool),
    /// A VM that is off stands in `esxcli vm process list` for so many site seconds more.
    ListLags(u8),
    /// `vmkfstools -i` breaks at this percent; 0 ends that.
    CloneBreaksAt(u8),
    /// New connections are accepted and never answered.
    Hang(bool),
    /// The SFTP subsystem is missing, as on 5.x and 6.0 hosts.
    WithoutSftp(bool),
    /// Nothing that takes sums of files is installed.
    WithoutSums(bool),
}

/// How to reach a simulated host.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where its SSH server listens, on loopback.
    pub address: SocketAddr,
    /// Its host keys' fingerprints, `SHA256:…`.
    pub host_keys: Vec<String>,
    /// The login name.
    pub user: String,
    /// The private key that it takes.
    pub key_file: PathBuf,
    /// The password that it takes.
    pub password: String,
}

/// VMs of a new site have been running for three weeks.
const SETTLED: f64 = 21.0 * 86_400.0;

struct Station {
    host: Arc<SimHost>,
    role: Option<SiteRole>,
    endpoint: Endpoint,
    door: Door,
}

/// A running simulated site. Dropping it, or [`Site::shutdown`], stops everything.
pub struct Site {
    dir: PathBuf,
    stations: BTreeMap<HostName, Station>,
    network: Arc<Network>,
    guests: Arc<BTreeMap<String, GuestPlan>>,
    backups: BTreeMap<BackupName, PathBuf>,
    plan: std::sync::Mutex<SitePlan>,
}

impl Site {
    /// Makes the site's files, or takes those that are there, and starts its servers.
    ///
    /// # Errors
    /// [`SimError`]; nothing runs then.
    pub async fn start(runbook: &Runbook, options: SiteOptions) -> Result<Self, SimError> {
        let files = |what, source| SimError::Files {
            what,
            dir: options.dir.clone(),
            source,
        };
        let (wanted, made_as) = (runbook.clone(), options.clone());
        let prepared = tokio::task::spawn_blocking(move || prepare(&wanted, &made_as)).await;
        let prepared = prepared.map_err(io::Error::other);
        let (plan, fresh) = prepared.map_err(|error| files("the files", error))??;
        let mut starting = Starting::new(runbook, &options, plan)?;
        starting.serve_guests().await?;
        let mut stations = BTreeMap::new();
        for (name, entry) in &runbook.hosts {
            let station = starting.station(name, entry).await?;
            stations.insert(name.clone(), station);
        }
        let site = starting.site(stations);
        site.power_up(fresh);
        site.save_plan().map_err(|error| files("the plan", error))?;
        Ok(site)
    }

    /// How to reach a host.
    #[must_use]
    pub fn endpoint(&self, host: &HostName) -> Option<&Endpoint> {
        self.stations.get(host).map(|station| &station.endpoint)
    }

    /// Where a guest's port of the runbook is served on loopback. `host` is the address as the
    /// runbook writes it, without brackets.
    #[must_use]
    pub fn guest_address(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.network.guest_address(host, port)
    }

    /// The commands that read the stand-in of a backup which a tool reads: its files lie packed
    /// on the same host, so that they still come out of a command.
    #[must_use]
    pub fn packed(backup: &BackupName) -> BackupTool {
        build::pack::tool(backup)
    }

    /// The real folder of a backup.
    #[must_use]
    pub fn backup_path(&self, backup: &BackupName) -> Option<PathBuf> {
        self.backups.get(backup).cloned()
    }

    /// The real folder that is a host's `/`.
    #[must_use]
    pub fn host_root(&self, host: &HostName) -> Option<PathBuf> {
        self.stations
            .get(host)
            .map(|station| station.host.vfs.root().to_owned())
    }

    /// A site loses its power: established connections die, new ones are refused, guests fall
    /// silent; nothing is written in order.
    pub fn go_dark(&self, role: SiteRole) {
        for station in self.of(role) {
            self.cut(station);
        }
        self.set_dark(role, true);
    }

    /// A site's power returns: hosts answer, every VM there is off.
    pub fn come_back(&self, role: SiteRole) {
        for station in self.of(role) {
            self.supply(station, 0.0);
        }
        self.set_dark(role, false);
    }

    /// A host that runs no VM loses its power and starts again: connections and commands die.
    /// Nothing happens to one that runs VMs. Whether it was reset.
    ///
    /// # Errors
    /// There is no such host.
    pub fn reset_idle(&self, host: &HostName) -> Result<bool, SimError> {
        let unknown = || SimError::UnknownHost(host.to_string());
        let station = self.stations.get(host).ok_or_else(unknown)?;
        if !esxi::restart_idle(&station.host) {
            return Ok(false);
        }
        station.door.set_up(false);
        station.host.processes.kill_all();
        station.door.set_up(true);
        Ok(true)
    }

    /// Makes something go wrong on a host, or ends that.
    ///
    /// # Errors
    /// There is no such host.
    pub fn inject(&self, host: &HostName, injection: Injection) -> Result<(), SimError> {
        let unknown = || SimError::UnknownHost(host.to_string());
        let station = self.stations.get(host).ok_or_else(unknown)?;
        match injection {
            Injection::Hang(on) => station.host.hung.store(on, Ordering::Release),
            Injection::WithoutSftp(on) => station.host.without_sftp.store(on, Ordering::Release),
            Injection::WithoutSums(on) => station.host.without_sums.store(on, Ordering::Release),
            _ => {
                let faults = &station.host.esxi.as_ref().ok_or_else(unknown)?.faults;
                match injection {
                    Injection::HostdDown(on) => faults.hostd_down.store(on, Ordering::Release),
                    Injection::PowerOnLies(on) => faults.power_on_lies.store(on, Ordering::Release),
                    Injection::PowerOnFails(on) => {
                        faults.power_on_fails.store(on, Ordering::Release)
                    }
                    Injection::PowerOnLingers(on) => {
                        faults.power_on_lingers.store(on, Ordering::Release)
                    }
                    Injection::ListLags(seconds) => {
                        faults.list_lags.store(seconds, Ordering::Release)
                    }
                    Injection::CloneBreaksAt(at) => {
                        faults.clone_breaks_at.store(at, Ordering::Release)
                    }
                    Injection::Hang(_) | Injection::WithoutSftp(_) | Injection::WithoutSums(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Limits what a datastore takes to so many bytes on disk; `None` lifts the limit.
    ///
    /// # Errors
    /// There is no such host or datastore.
    pub fn set_quota(
        &self,
        host: &HostName,
        datastore: &str,
        bytes: Option<u64>,
    ) -> Result<(), SimError> {
        let (host, volume) = self.datastore(host, datastore)?;
        host.vfs.set_quota(volume.folder.clone(), bytes);
        Ok(())
    }

    /// Makes a datastore of an ESXi host an NFS share; one that is read-only takes no writes.
    ///
    /// # Errors
    /// There is no such host or datastore.
    pub fn mount_nfs(
        &self,
        host: &HostName,
        datastore: &str,
        mount: NfsMount,
    ) -> Result<(), SimError> {
        let (host, volume) = self.datastore(host, datastore)?;
        if let (Some(esxi), Some(label)) = (&host.esxi, &volume.label) {
            esxi.lock().nfs.insert(label.clone(), mount);
        }
        host.vfs
            .set_read_only(volume.folder.clone(), mount.read_only);
        Ok(())
    }

    /// A datastore by its label or its UUID.
    fn datastore(&self, name: &HostName, called: &str) -> Result<(&SimHost, &Volume), SimError> {
        let station = self.stations.get(name);
        let host = &station
            .ok_or_else(|| SimError::UnknownHost(name.to_string()))?
            .host;
        let mut volumes = host.volumes.iter();
        let volume = volumes.find(|volume| volume.is_called(called));
        let unknown = || SimError::UnknownHost(format!("{name}:{called}"));
        Ok((host, volume.ok_or_else(unknown)?))
    }

    /// The log of every command line that reached a host: JSON lines. One line when a command
    /// begins (`at`, `session`, `pid`, `line`), one when it ends (`at`, `session`, `pid`, `exit`).
    #[must_use]
    pub fn command_log(&self, host: &HostName) -> PathBuf {
        build::host_folder(&self.dir, host).join(COMMAND_LOG)
    }

    /// The runbook with the site's addresses in it, which real clients can drive.
    ///
    /// # Errors
    /// The text is no YAML mapping.
    pub fn emit(&self, source_text: &str) -> Result<String, SimError> {
        emit::emit(self, source_text)
    }

    /// Stops every server, guest and command, and waits until they are gone. The files stay.
    pub async fn shutdown(mut self) {
        self.halt();
        let stations = std::mem::take(&mut self.stations);
        let mut tasks = self.network.stop();
        let mut hosts = Vec::new();
        for station in stations.into_values() {
            tasks.push(station.door.stop());
            hosts.push(station.host);
        }
        for task in tasks {
            let _ = task.await;
        }
        let waited = tokio::task::spawn_blocking(move || {
            for host in hosts {
                host.processes.wait_empty(Duration::from_secs(5));
            }
        });
        let _ = waited.await;
    }

    fn halt(&self) {
        for station in self.stations.values() {
            station.host.processes.kill_all();
            esxi::freeze(&station.host);
            station.door.set_up(false);
        }
    }

    fn of(&self, role: SiteRole) -> impl Iterator<Item = &Station> {
        self.stations
            .values()
            .filter(move |station| station.role == Some(role))
    }

    /// Every host but those of a dark site has power; those of a new site have had it for long.
    fn power_up(&self, fresh: bool) {
        let dark = self.plan().dark.clone();
        for station in self.stations.values() {
            if station.role.is_some_and(|role| dark.contains(&role)) {
                self.cut(station);
            } else {
                self.supply(station, if fresh { SETTLED } else { 0.0 });
            }
        }
    }

    /// A host has power, and has had it for so many site seconds. A VM's guest starts with its VM.
    fn supply(&self, station: &Station, ahead: f64) {
        match self.network.machine_of(&station.host.name) {
            Some(machine) => machine.start_physical(&self.network, ahead == 0.0),
            None => {
                esxi::resume(&station.host, ahead);
                station.door.set_up(true);
                self.network.set_host(&station.host.name, true);
            }
        }
    }

    /// A host has no power any more.
    fn cut(&self, station: &Station) {
        if let Some(machine) = self.network.machine_of(&station.host.name) {
            machine.stop(&self.network);
            return;
        }
        station.door.set_up(false);
        station.host.processes.kill_all();
        power_cut(&station.host);
        self.network.set_host(&station.host.name, false);
    }

    fn set_dark(&self, role: SiteRole, dark: bool) {
        {
            let mut plan = self.plan();
            plan.dark.retain(|known| *known != role);
            if dark {
                plan.dark.push(role);
            }
        }
        if let Err(error) = self.save_plan() {
            tracing::warn!(%error, "the simulated site's plan cannot be written");
        }
    }

    fn save_plan(&self) -> io::Result<()> {
        write_plan(&self.dir, &self.plan())
    }

    fn plan(&self) -> MutexGuard<'_, SitePlan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.halt();
        for station in self.stations.values() {
            station.door.abort();
        }
        self.network.stop();
    }
}

#[cfg(test)]
mod tests;

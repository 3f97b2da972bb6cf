//! The folder on a host that files arrive in.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::deliver::Landed;
use super::progress::{Meter, Phase};
use super::ranges::FINE;
use super::source::join;
use super::sums::Sum;
use super::writes::{TransferError, Writes, send};
use crate::error::Fault;
use crate::host::{FileAccess, Host, HostCommand, HostError, Lane, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::commands::volumes;
use crate::hypervisor::esxi::storage::Volumes;
use crate::hypervisor::shell::{self, Entry, SumTool};
use crate::names::RunId;
use crate::names::own::{Asides, ORIGINAL};
use crate::runbook::model::Driver;

/// Where files arrive, for which run, over which session.
#[derive(Clone)]
pub struct Target {
    /// The host.
    pub host: Arc<Host>,
    /// The session that carries the data.
    pub lane: Lane,
    /// The VM's folder, an absolute path there.
    pub folder: String,
    /// Whose temporary names are used.
    pub run: RunId,
}

/// How long a transfer keeps trying when nothing moves.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before the first new try.
    pub first: Duration,
    /// Longest time between two tries; each is twice the one before.
    pub longest: Duration,
    /// Without a byte gained for so long, it gives up.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            first: seconds(1),
            longest: seconds(20),
            total: seconds(300),
        }
    }
}

/// What took a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SummedBy {
    /// The host that holds the file, with this.
    Host(SumTool),
    /// Lifeboat, by reading the file back: the host has nothing to sum with.
    ReadingBack,
}

impl SummedBy {
    /// For people: `sha256sum on the host`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host(SumTool::Sha256sum) => "sha256sum on the host",
            Self::Host(SumTool::Python3) => "python3 on the host",
            Self::Host(SumTool::Openssl) => "openssl on the host",
            Self::ReadingBack => "reading it back",
        }
    }
}

impl Target {
    /// A file's path.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        join(&self.folder, name)
    }

    /// What a file is called until it is proven.
    #[must_use]
    pub fn part_name(&self, name: &str) -> String {
        format!("{name}{}part", self.run.mark())
    }

    /// What originals are called that have to make room for a file.
    pub(super) fn asides(&self, name: &str) -> Asides {
        Asides::of(name, &self.run, ORIGINAL)
    }

    /// Whether a name is one of this run's own temporary ones.
    #[must_use]
    pub fn is_own(&self, name: &str) -> bool {
        name.contains(&self.run.mark())
    }

    /// Makes or keeps a temporary file, with its final length and mode.
    pub(super) fn prepare(&self, name: &str, bytes: u64, mode: u32) -> HostCommand {
        shell::make_file(&self.path(name), bytes, mode)
    }

    /// Renames a file of the folder, never over another.
    pub(super) fn rename(&self, from: &str, to: &str) -> HostCommand {
        shell::rename(&self.path(from), &self.path(to))
    }

    /// How a session of bulk data is announced.
    pub(super) fn announce(&self, name: &str, bytes: u64) -> String {
        format!("write up to {bytes} bytes to {}", self.path(name))
    }

    /// `host:folder`, for people.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.host.name(), self.folder)
    }
}

/// A target with everything that working on it takes.
pub(super) struct Work<W> {
    pub(super) to: Target,
    pub(super) writes: Arc<W>,
    pub(super) patience: Patience,
    pub(super) meter: Arc<Meter>,
    /// Sums of so many zeros, by length in bytes.
    pub(super) holes: Mutex<BTreeMap<u64, Sum>>,
}

impl<W: Writes> Work<W> {
    /// Tells of files that have their final names.
    pub(super) async fn told(&self, landed: Vec<Landed>) -> Result<Vec<Landed>, TransferError> {
        for file in &landed {
            self.writes.landed(file).await?;
        }
        Ok(landed)
    }

    /// Announces a command, sends it, records its end.
    pub(super) async fn send(&self, command: &HostCommand) -> Result<Output, TransferError> {
        send(&self.writes, &self.to.host, self.to.lane, command).await
    }
}

impl<W> Work<W> {
    /// The same work in another folder of the host.
    pub(super) fn at(&self, to: Target) -> Self {
        Self {
            to,
            writes: self.writes.clone(),
            patience: self.patience,
            meter: self.meter.clone(),
            holes: Mutex::default(),
        }
    }

    /// Runs a command that only looks, on this or another host, however often the link drops. One that
    /// was given time and used it up is not begun again.
    pub(super) async fn look(
        &self,
        host: &Host,
        lane: Lane,
        command: &HostCommand,
    ) -> Result<Output, Fault> {
        let mut wait = self.patience.first;
        let mut waited = Duration::ZERO;
        loop {
            match host.read(lane, command).await {
                Ok(output) => return Ok(output),
                Err(error)
                    if error.passing()
                        && waited < self.patience.total
                        && !used_up(&error, command) =>
                {
                    let doing = self.meter.current();
                    self.meter.phase(Phase::Reconnecting, Instant::now());
                    tokio::time::sleep(wait).await;
                    self.meter.phase(doing, Instant::now());
                    waited += wait;
                    wait = (wait * 2).min(self.patience.longest);
                }
                Err(error) => return Err(error.fault(host.name())),
            }
        }
    }

    /// The sum of a file of the target.
    pub(super) async fn sum(&self, name: &str, bytes: u64) -> Result<(Sum, SummedBy), Fault> {
        self.sum_on(&self.to.host, self.to.lane, &self.to.path(name), bytes)
            .await
    }

    /// The sum of a file of any host.
    pub(super) async fn sum_on(
        &self,
        host: &Arc<Host>,
        lane: Lane,
        path: &str,
        bytes: u64,
    ) -> Result<(Sum, SummedBy), Fault> {
        let command = shell::sha256(path).deadline(time_for(bytes));
        let output = self.look(host, lane, &command).await?;
        self.summed(host, lane, path, &output, 0..bytes).await
    }

    /// The sum of a stretch that begins at a multiple of [`FINE`] and ends at one or at the file's
    /// end.
    pub(super) async fn sum_part(
        &self,
        host: &Arc<Host>,
        lane: Lane,
        path: &str,
        range: &Range<u64>,
    ) -> Result<Sum, Fault> {
        let bytes = range.end - range.start;
        let command = shell::sha256_part(path, range.start / FINE, bytes.div_ceil(FINE));
        let output = self
            .look(host, lane, &command.deadline(time_for(bytes)))
            .await?;
        self.summed(host, lane, path, &output, range.clone())
            .await
            .map(|(sum, _)| sum)
    }

    /// What a reply tells of the sum of a file of the target.
    pub(super) async fn summed_whole(
        &self,
        name: &str,
        output: &Output,
        bytes: u64,
    ) -> Result<(Sum, SummedBy), Fault> {
        let (host, path) = (&self.to.host, self.to.path(name));
        self.summed(host, self.to.lane, &path, output, 0..bytes)
            .await
    }

    async fn summed(
        &self,
        host: &Arc<Host>,
        lane: Lane,
        path: &str,
        output: &Output,
        range: Range<u64>,
    ) -> Result<(Sum, SummedBy), Fault> {
        match shell::Sha256::parse(output) {
            Ok(found) => match found.hex.parse() {
                Ok(sum) => Ok((sum, SummedBy::Host(found.tool))),
                Err(_) => Err(looking_failed(
                    host,
                    path,
                    &format!("`{}` is no sum", found.hex),
                )),
            },
            Err(DriverFault::ToolMissing { .. }) => {
                let sum = read_back(host, lane, path, range).await;
                sum.map(|sum| (sum, SummedBy::ReadingBack))
                    .map_err(|e| e.fault(host.name()))
            }
            Err(fault) => Err(fault.fault(
                &format!("taking the sum of {path}"),
                host.name().as_str(),
                UNCHANGED,
            )),
        }
    }

    /// The sum of so many zeros.
    pub(super) async fn sum_of_hole(&self, bytes: u64) -> Sum {
        let known = |holes: &Mutex<BTreeMap<u64, Sum>>| {
            holes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&bytes)
                .copied()
        };
        if let Some(sum) = known(&self.holes) {
            return sum;
        }
        let summing = tokio::task::spawn_blocking(move || Sum::of_zeros(bytes));
        let sum = summing.await.unwrap_or_else(|_| Sum::of_zeros(bytes));
        self.holes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(bytes, sum);
        sum
    }

    /// What is in the target's folder; `None` if it is not there.
    pub(super) async fn list(&self) -> Result<Option<Vec<Entry>>, Fault> {
        let (host, lane) = (&self.to.host, self.to.lane);
        let found = self.look(host, lane, &shell::find(&self.to.folder)).await?;
        let failed = |fault: DriverFault| {
            fault.fault(
                &format!("looking at {}", self.to.folder),
                host.name().as_str(),
                UNCHANGED,
            )
        };
        let found = shell::Found::parse(&found).map_err(failed)?;
        match found.stat().map(|stat| stat.kind) {
            None => Ok(None),
            Some(shell::FileKind::Folder | shell::FileKind::Link) => {
                let output = self.look(host, lane, &shell::list(&self.to.folder)).await?;
                shell::entries(&output).map(Some).map_err(failed)
            }
            Some(_) => Err(Fault::new(
                format!("{} is not a folder", self.to.folder),
                host.name().as_str(),
                UNCHANGED,
                "choose another folder for this VM in the runbook",
            )),
        }
    }

    /// Bytes that still fit on the target's volume, where the host tells.
    pub(super) async fn free(&self) -> Option<u64> {
        let (host, lane) = (&self.to.host, self.to.lane);
        if host.driver() == Driver::Posix {
            let output = host
                .read(lane, &shell::free_space(&self.to.folder))
                .await
                .ok()?;
            return shell::parse_free_space(&output).ok();
        }
        let output = host.read(lane, &volumes()).await.ok()?;
        let volumes = Volumes::parse(&output).ok()?;
        let folder = volumes.by_uuid(&self.to.folder);
        let holds = |mount: &str| {
            folder
                .strip_prefix(mount)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        volumes
            .0
            .iter()
            .find(|volume| holds(&volume.mount_point))
            .map(|volume| volume.free)
    }
}

/// The state of things after something that only looked.
pub(super) const UNCHANGED: &str = "nothing was changed by this";

pub(super) fn looking_failed(host: &Host, path: &str, why: &str) -> Fault {
    Fault::new(
        format!("{path} could not be looked at: {why}"),
        host.name().as_str(),
        UNCHANGED,
        "look at the file on the host, then retry",
    )
}

/// Reading or copying a file takes ten minutes at most, and a second for every million bytes: whoever
/// does not get it done so is stuck, however busy the storage is.
pub(super) fn time_for(bytes: u64) -> Duration {
    Duration::from_secs(600 + bytes / 1_000_000)
}

/// Whether a command ended at a limit of its own. By then a link that is dead would have been found
/// so: what is slow is the host, and it may still be at it.
fn used_up(error: &HostError, command: &HostCommand) -> bool {
    let limit = command.time_limit();
    limit > HostCommand::DEADLINE
        && matches!(error, HostError::TimedOut { after, .. } if *after == limit)
}

async fn read_back(
    host: &Arc<Host>,
    lane: Lane,
    path: &str,
    range: Range<u64>,
) -> Result<Sum, HostError> {
    use sha2::Digest;
    let mut file = host.open_file(lane, path, FileAccess::Read).await?;
    file.will_read(std::slice::from_ref(&range));
    let mut hash = sha2::Sha256::new();
    let mut at = range.start;
    while at < range.end {
        let length = usize::try_from(range.end - at).unwrap_or(super::ranges::CHUNK);
        let bytes = file.read_at(at, length.min(super::ranges::CHUNK)).await?;
        if bytes.is_empty() {
            break;
        }
        hash.update(&bytes);
        at += bytes.len() as u64;
    }
    Ok(Sum::finish(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_its_own_that_is_used_up_is_told_from_a_link_that_died() {
        let late = |seconds| HostError::TimedOut {
            what: "the command".to_owned(),
            after: Duration::from_secs(seconds),
        };
        let sum = shell::sha256("/disk").deadline(time_for(1 << 30));
        assert!(used_up(&late(600 + 1073), &sum));
        assert!(!used_up(&late(20), &sum), "logging in");
        assert!(!used_up(&HostError::Lost(String::new()), &sum));
        // Within a minute nobody knows yet that a link is dead.
        assert!(!used_up(&late(60), &shell::list("/folder")));
    }
}

//! Files on a host, read and written at offsets.
//!
//! Over SFTP where the host has it, on the session for bulk data if it is a transfer's; else (older
//! ESXi) through `dd`, a command for each run of bytes. Every write names its offset and nothing is
//! ever truncated, so that a write which arrives late can do no harm.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::journal::Intent;

use super::bulk::{BulkFile, Session};
use super::dd::DdFile;
use super::error::{HostError, WriteError};
use super::lane::{Kept, LaneThread, Worker};
use super::link::{Cancel, Limit, Link, Stopped};
use super::plan::Plan;
use super::sftp::SftpFile;
use super::shared::Shared;

/// How long closing a file may take that nobody waits for; what it has not sent is dropped.
const CLOSING: Duration = Duration::from_secs(5);

/// What a file is opened for.
#[derive(Debug)]
pub enum FileAccess {
    /// Reading; the file must exist.
    Read,
    /// Writing at offsets: made (readable for its owner only) if missing, never truncated.
    Write(Intent),
}

/// An open file on a host. It lives as long as the session that opened it: after an error of the
/// connection every further call fails, and the file must be opened anew.
pub struct RemoteFile {
    host: Arc<Shared>,
    path: Arc<str>,
    way: Way,
}

/// A file that was opened for writing, to be opened once more beside that.
#[derive(Clone)]
pub struct Opened {
    pub(super) path: Arc<str>,
    /// The session for bulk data, if it is open over that.
    pub(super) session: Option<Arc<Session>>,
}

/// Over which connection a file is open.
enum Way {
    /// The session of a lane, which knows the file by this number.
    Lane {
        lane: Arc<LaneThread>,
        id: u64,
        carrier: Carrier,
        /// Where what was written and is not confirmed begins.
        unconfirmed: Option<u64>,
        /// What will be read.
        plan: Plan,
    },
    /// The session for bulk data.
    Bulk(Box<BulkFile>),
}

/// What carries a file over a lane's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Sftp,
    /// One command for each run of bytes.
    Dd,
}

impl RemoteFile {
    pub(super) fn new(
        lane: Arc<LaneThread>,
        host: Arc<Shared>,
        path: Arc<str>,
        (id, carrier): (u64, Carrier),
    ) -> Self {
        let way = Way::Lane {
            lane,
            id,
            carrier,
            unconfirmed: None,
            plan: Plan::default(),
        };
        Self { host, path, way }
    }

    pub(super) fn over_bulk(host: Arc<Shared>, path: Arc<str>, file: BulkFile) -> Self {
        Self {
            host,
            path,
            way: Way::Bulk(Box::new(file)),
        }
    }

    /// What it takes to open it once more; see [`Host::open_beside`](super::Host::open_beside).
    #[must_use]
    pub fn opened(&self) -> Opened {
        Opened {
            path: self.path.clone(),
            session: match &self.way {
                Way::Lane { .. } => None,
                Way::Bulk(file) => Some(file.session()),
            },
        }
    }

    /// Over how many ways a large file is best written at once: two where ssh2 carries it, whose
    /// encryption fills one processor; else as many as a long line takes.
    #[must_use]
    pub fn ways(&self) -> usize {
        match &self.way {
            Way::Lane { .. } if !self.seeks() => 1,
            Way::Lane { .. } => 2,
            Way::Bulk(file) => file.ways(),
        }
    }

    /// Whether writing elsewhere in the file costs no more than writing on does. If not, small gaps
    /// are better written too.
    #[must_use]
    pub fn seeks(&self) -> bool {
        !matches!(
            &self.way,
            Way::Lane {
                carrier: Carrier::Dd,
                ..
            }
        )
    }

    /// Bytes that are best written in a row, before a jump to elsewhere in the file: libssh2 waits
    /// for every confirmation first.
    #[must_use]
    pub fn best_in_a_row(&self) -> usize {
        match &self.way {
            Way::Lane { .. } => 2 << 20,
            Way::Bulk(_) => 1 << 20,
        }
    }

    /// Writes `data` at `offset` (bytes). Several requests are in flight: the call returns while up
    /// to 4 MiB are still on their way, and [`finish`](Self::finish) alone proves that all of it
    /// arrived. Give it pieces of up to 4 MiB, in ascending order where possible.
    ///
    /// # Errors
    /// [`WriteError::Failed`] if the host said no, to this or an earlier piece;
    /// [`WriteError::Lost`] if the connection died or two minutes passed.
    pub async fn write_at(&mut self, offset: u64, data: Vec<u8>) -> Result<(), WriteError> {
        let (lane, id, unconfirmed) = match &mut self.way {
            Way::Lane {
                lane,
                id,
                unconfirmed,
                ..
            } => (lane, *id, unconfirmed),
            Way::Bulk(file) => {
                let written = file.write_at(offset, data).await;
                return written.map_err(FileError::into_write);
            }
        };
        let writing = lane.call(move |worker, cancel| {
            worker.with_file(id, cancel, |file, link, limit| {
                match file {
                    OpenFile::Sftp(file) => file.write_at(link, limit, offset, &data)?,
                    OpenFile::Dd(file) => file.write_at(link, limit, offset, &data)?,
                }
                Ok(file.unconfirmed())
            })
        });
        let written = writing.await.map_err(WriteError::NotSent)?;
        *unconfirmed = written.map_err(FileError::into_write)?;
        Ok(())
    }

    /// Where the first byte lies that was written and is not confirmed, or `offset` if that comes
    /// first: what was written before it, the host has. `None` where that cannot be told before
    /// [`finish`](Self::finish).
    #[must_use]
    pub fn confirmed(&self, offset: u64) -> Option<u64> {
        match &self.way {
            Way::Lane { unconfirmed, .. } => {
                Some(unconfirmed.map_or(offset, |place| place.min(offset)))
            }
            Way::Bulk(file) => file.confirmed_below(offset),
        }
    }

    /// Says which stretches (ascending) will be read, so that they are asked for ahead, and nothing
    /// beyond them. What is read elsewhere all the same is asked for when it is read.
    pub fn will_read(&mut self, ranges: &[Range<u64>]) {
        match &mut self.way {
            Way::Lane { plan, .. } => *plan = Plan::new(ranges.iter().cloned()),
            Way::Bulk(file) => file.will_read(ranges),
        }
    }

    /// How many bytes that nobody wants are better read than left out: where ssh2 carries them, and
    /// with `dd`, a jump waits for an answer of the host.
    #[must_use]
    pub fn worth_reading_over(&self) -> u64 {
        match &self.way {
            Way::Lane { .. } => 256 << 10,
            Way::Bulk(_) => 0,
        }
    }

    /// Reads up to `len` bytes from `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    /// [`HostError::File`] if the host said no, others if the connection died or two minutes
    /// passed.
    pub async fn read_at(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, HostError> {
        let (lane, id, plan) = match &mut self.way {
            Way::Lane { lane, id, plan, .. } => (lane, *id, plan),
            Way::Bulk(file) => {
                let read = file.read_at(offset, len).await;
                return read.map_err(FileError::into_cause);
            }
        };
        let run_end = plan.end_around(&(offset..offset + len as u64));
        lane.call(move |worker, cancel| {
            worker.with_file(id, cancel, |file, link, limit| match file {
                OpenFile::Sftp(file) => file.read_at(link, limit, offset..run_end, len),
                OpenFile::Dd(file) => file.read_at(link, limit, offset, len),
            })
        })
        .await?
        .map_err(FileError::into_cause)
    }

    /// Waits until all that was written has arrived, asks the host to bring it to disk where it
    /// offers that (OpenSSH's `fsync@openssh.com`), and closes the file.
    ///
    /// # Errors
    /// As for [`write_at`](Self::write_at), with ten minutes for the disk; the file is closed in any
    /// case.
    pub async fn finish(mut self) -> Result<(), WriteError> {
        let (lane, id) = match &mut self.way {
            Way::Lane { lane, id, .. } => (lane, *id),
            Way::Bulk(file) => return file.finish().await.map_err(FileError::into_write),
        };
        lane.call(move |worker, cancel| {
            let sync = Limit::new(worker.host.run.limits.sync, cancel);
            let result = worker.with_file(id, cancel, |file, link, limit| match file {
                OpenFile::Sftp(file) => file.finish(link, limit, &sync),
                OpenFile::Dd(file) => file.finish(link, limit),
            });
            worker.files.remove(&id);
            result
        })
        .await
        .map_err(WriteError::NotSent)?
        .map_err(FileError::into_write)
    }
}

impl std::fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host.config.name, self.path)
    }
}

impl Drop for RemoteFile {
    fn drop(&mut self) {
        let Way::Lane { lane, id, .. } = &self.way else {
            return;
        };
        let id = *id;
        lane.post(move |worker, cancel| {
            let limit = Limit::new(CLOSING, cancel);
            if let (Some(file), Some(link)) = (worker.files.remove(&id), &mut worker.link)
                && file.abandon(link, &limit).is_err()
            {
                worker.drop_link();
            }
        });
    }
}

/// Why a call on a file failed.
pub(super) enum FileError {
    /// The session is not the one that opened the file.
    Gone,
    /// The host said no; the session is as good as before.
    Refused(HostError),
    /// The connection is of no more use.
    Broken { pid: Option<u32>, cause: HostError },
}

impl FileError {
    pub(super) fn into_write(self) -> WriteError {
        match self {
            Self::Gone => WriteError::NotSent(gone()),
            Self::Refused(cause) => WriteError::Failed(cause),
            Self::Broken { pid, cause } => WriteError::Lost { pid, cause },
        }
    }

    pub(super) fn into_cause(self) -> HostError {
        match self {
            Self::Gone => gone(),
            Self::Refused(cause) | Self::Broken { cause, .. } => cause,
        }
    }

    /// Sorts what libssh2 said about `path`.
    pub(super) fn of(path: &str, what: &str, stopped: Stopped) -> Self {
        match stopped {
            Stopped::Sftp(_, detail) => {
                let detail = match detail.as_str() {
                    "failure" => {
                        "the host said only \"failure\" (often a full datastore)".to_owned()
                    }
                    _ => detail,
                };
                Self::Refused(HostError::File {
                    path: path.to_owned(),
                    detail: format!("{what}: {detail}"),
                })
            }
            stopped => Self::Broken {
                pid: None,
                cause: stopped.during(&format!("{what} {path}")),
            },
        }
    }
}

pub(super) fn gone() -> HostError {
    HostError::Lost("the session that it was open on has ended".to_owned())
}

/// A file as its session's thread holds it.
pub(super) enum OpenFile {
    Sftp(SftpFile),
    Dd(DdFile),
}

impl OpenFile {
    /// Moves written data on without waiting; whether anything moved. An error is one of the
    /// connection; what the host says no to is kept for the file's next call.
    pub(super) fn push(&mut self, link: &mut Link, limit: &Limit) -> Result<bool, Stopped> {
        match self {
            Self::Sftp(file) => file.push(link, limit),
            Self::Dd(_) => Ok(false),
        }
    }

    /// Where what was written and is not confirmed begins.
    fn unconfirmed(&self) -> Option<u64> {
        match self {
            Self::Sftp(file) => file.first_unconfirmed(),
            Self::Dd(file) => file.first_unconfirmed(),
        }
    }

    fn carrier(&self) -> Carrier {
        match self {
            Self::Sftp(_) => Carrier::Sftp,
            Self::Dd(_) => Carrier::Dd,
        }
    }

    /// Whether written data is on its way.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self, Self::Sftp(file) if file.is_pending())
    }

    /// Waits until no written data is on its way; an error is kept for the file's next call.
    pub(super) fn drain(&mut self, link: &mut Link, limit: &Limit) {
        if let Self::Sftp(file) = self {
            file.drain_later(link, limit);
        }
    }

    fn abandon(self, link: &mut Link, limit: &Limit) -> Result<(), Stopped> {
        match self {
            Self::Sftp(file) => file.close(link, limit),
            Self::Dd(_) => Ok(()),
        }
    }
}

impl Kept for OpenFile {
    fn all(worker: &mut Worker) -> &mut HashMap<u64, Self> {
        &mut worker.files
    }
}

impl Worker {
    /// Runs `op` on an open file, with a deadline of its own.
    fn with_file<T>(
        &mut self,
        id: u64,
        cancel: &Cancel,
        op: impl FnOnce(&mut OpenFile, &mut Link, &Limit) -> Result<T, FileError>,
    ) -> Result<T, FileError> {
        let limit = Limit::new(self.host.run.limits.file, cancel);
        self.with(id, &limit, |file, link| op(file, link, &limit))
    }

    /// Opens a file; through `dd` where the host has no SFTP. Opening neither truncates nor writes,
    /// so it is tried again on a new session if the old one proves dead.
    pub(super) fn open(
        &mut self,
        path: &str,
        writes: bool,
        cancel: &Cancel,
    ) -> Result<(u64, Carrier), HostError> {
        loop {
            let (_, reused) = self.link(cancel)?;
            let limit = Limit::new(self.host.run.limits.file, cancel);
            self.drain_files(&limit);
            match self.try_open(path, writes, &limit) {
                Ok(file) => {
                    let carrier = file.carrier();
                    return Ok((self.keep(file), carrier));
                }
                Err(FileError::Refused(cause)) => return Err(cause),
                Err(error) => {
                    self.drop_link();
                    let cause = error.into_cause();
                    if !(reused && matches!(cause, HostError::Lost(_))) {
                        return Err(cause);
                    }
                }
            }
        }
    }

    fn try_open(&mut self, path: &str, writes: bool, limit: &Limit) -> Result<OpenFile, FileError> {
        let Some(link) = &mut self.link else {
            return Err(FileError::Gone);
        };
        if self.sftp.is_none() && !self.host.lacks_sftp() {
            match link.drive(limit, |session| session.sftp()) {
                Ok(sftp) => self.sftp = Some(sftp),
                Err(stopped @ (Stopped::TimedOut(_) | Stopped::Cancelled)) => {
                    return Err(FileError::of(path, "opening", stopped));
                }
                // The connection works, so it is the subsystem that the host lacks.
                Err(stopped) => match link.open_channel(limit) {
                    Ok(_) => self.host.note_lack_of_sftp(),
                    Err(_) => return Err(FileError::of(path, "opening", stopped)),
                },
            }
        }
        match &self.sftp {
            Some(sftp) => SftpFile::open(sftp, link, limit, path, writes).map(OpenFile::Sftp),
            None => DdFile::open(link, limit, path, writes).map(OpenFile::Dd),
        }
    }
}

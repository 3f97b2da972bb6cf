//! A file over SFTP on a bulk session, many requests in flight.

mod reading;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use russh::ChannelWriteHalf;
use russh::client::Msg;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

use super::super::error::HostError;
use super::super::file::FileError;
use super::super::link::Stopped;
use super::super::plan::Plan;
use super::super::sanitise::sanitise;
use super::super::shared::Limits;
use super::Session;
use super::budget::{BESIDE, Reader};
use super::channel::{Waiter, Wire, start_sftp, take_replies};
use super::packet::{self, Reply, Request};
use reading::Ahead;

/// Bytes of one request: OpenSSH takes up to 255 KiB.
const PIECE: usize = 128 << 10;
/// Writes in flight, so that up to 4 MiB are on their way.
const IN_FLIGHT: usize = 32;
/// Of a disk or configuration: its owner's alone.
const FILE_MODE: u32 = 0o600;

/// An open file. Whoever drops a call on it midway makes the file unusable, nothing else.
pub(in super::super) struct BulkFile {
    wire: Arc<Wire>,
    out: Arc<ChannelWriteHalf<Msg>>,
    path: Arc<str>,
    handle: Bytes,
    limits: Limits,
    /// A request left in part only: nothing may follow it.
    torn: bool,
    /// What will be read: what of it is on its way, and the rest.
    ahead: VecDeque<Ahead>,
    plan: Plan,
    /// Its share of what is asked for ahead.
    reader: Option<Reader>,
    /// Bytes that a request for data asks for.
    piece: u64,
    /// Keeps the connection.
    session: Arc<Session>,
    /// How long the host took to answer its opening.
    round_trip: Duration,
    /// Held while it is open beside another one.
    _beside: Option<[OwnedSemaphorePermit; 2]>,
}

/// Why a file could not be opened.
pub(in super::super) enum NotOpen {
    /// The connection works, but offers no SFTP.
    NoSftp,
    /// The connection works, but the host opens no further channel on it.
    NoChannel,
    Failed(FileError),
}

impl BulkFile {
    /// Opens a file: for writing it is made if missing, never truncated.
    pub(in super::super) async fn open(
        session: &Arc<Session>,
        path: &Arc<str>,
        writes: bool,
    ) -> Result<Self, NotOpen> {
        let limits = session.limits;
        let opening = async {
            let channel = start_sftp(session, path).await?;
            let (arriving, out) = channel.split();
            let wire = Arc::new(Wire::new(IN_FLIGHT));
            tokio::spawn(take_replies(arriving, wire.clone()));
            let mut file = Self {
                wire,
                out: Arc::new(out),
                path: path.clone(),
                handle: Bytes::new(),
                limits,
                torn: false,
                ahead: VecDeque::new(),
                plan: Plan::default(),
                reader: None,
                piece: PIECE as u64,
                session: session.clone(),
                round_trip: Duration::ZERO,
                _beside: None,
            };
            let asked = Instant::now();
            file.handle = file.ask_handle(writes).await.map_err(NotOpen::Failed)?;
            file.round_trip = asked.elapsed();
            Ok(file)
        };
        timeout(limits.file, opening)
            .await
            .unwrap_or_else(|_| Err(NotOpen::Failed(late(path, "opening", &limits))))
    }

    /// Channels that it takes to keep a long line full; see [`ways_for`].
    pub(in super::super) fn ways(&self) -> usize {
        ways_for(self.round_trip)
    }

    /// Opens a file once more for writing, which is open on a channel of this session. `None` where
    /// no further channel is to be had.
    pub(in super::super) async fn open_beside(
        session: &Arc<Session>,
        path: &Arc<str>,
    ) -> Option<Self> {
        let of_session = session.beside.clone().try_acquire_owned().ok()?;
        let of_run = session.budget.beside()?;
        let mut file = Self::open(session, path, true).await.ok()?;
        file._beside = Some([of_session, of_run]);
        Some(file)
    }

    /// The session that it is open over.
    pub(in super::super) fn session(&self) -> Arc<Session> {
        self.session.clone()
    }

    async fn ask_handle(&mut self, writes: bool) -> Result<Bytes, FileError> {
        let path = self.path.clone();
        let request = |number| {
            let open = Request::new(packet::OPEN, number).string(path.as_bytes());
            if writes {
                let flags = packet::FOR_READING | packet::FOR_WRITING | packet::MAKE;
                open.u32(flags).u32(packet::HAS_PERMISSIONS).u32(FILE_MODE)
            } else {
                open.u32(packet::FOR_READING).u32(0)
            }
        };
        match self.ask("opening", request).await? {
            Reply::Handle(handle) => Ok(handle),
            other => Err(self.unexpected("opening", &other)),
        }
    }

    /// See [`RemoteFile::write_at`](super::super::RemoteFile::write_at).
    pub(in super::super) async fn write_at(
        &mut self,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<(), FileError> {
        self.may_go_on()?;
        self.torn = true;
        let (path, limits) = (self.path.clone(), self.limits);
        let result = timeout(limits.file, self.send_all(offset, data.into())).await;
        let result = result.unwrap_or_else(|_| Err(late(&path, "writing", &limits)));
        self.settle(result)
    }

    async fn send_all(&mut self, mut offset: u64, mut data: Bytes) -> Result<(), FileError> {
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(PIECE));
            let room = self.wire.writes.clone().acquire_owned().await;
            let permit = room.map_err(|_| self.lost("writing"))?;
            self.check_refused()?;
            let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let number = self.wire.expect(Waiter::Write {
                at: offset,
                _permit: permit,
            });
            let head = Request::new(packet::WRITE, number)
                .string(&self.handle)
                .u64(offset)
                .u32(length)
                .finish(length);
            self.send("writing", head.into()).await?;
            offset += u64::from(length);
            self.send("writing", piece).await?;
        }
        Ok(())
    }

    /// See [`RemoteFile::confirmed`](super::super::RemoteFile::confirmed).
    pub(in super::super) fn confirmed_below(&self, offset: u64) -> Option<u64> {
        let state = self.wire.state();
        if self.torn || state.ended || state.refused.is_some() {
            return None;
        }
        let in_flight = state.waiting.values().filter_map(|waiter| match waiter {
            Waiter::Write { at, .. } => Some(*at),
            Waiter::Answer(_) => None,
        });
        Some(in_flight.fold(offset, u64::min))
    }

    /// See [`RemoteFile::read_at`](super::super::RemoteFile::read_at).
    pub(in super::super) async fn read_at(
        &mut self,
        offset: u64,
        len: usize,
    ) -> Result<Vec<u8>, FileError> {
        self.may_go_on()?;
        self.torn = true;
        let (path, limits) = (self.path.clone(), self.limits);
        let result = timeout(limits.file, self.fetch(offset, len)).await;
        let result = result.unwrap_or_else(|_| Err(late(&path, "reading", &limits)));
        self.settle(result)
    }

    /// See [`RemoteFile::finish`](super::super::RemoteFile::finish).
    pub(in super::super) async fn finish(&mut self) -> Result<(), FileError> {
        self.may_go_on()?;
        let confirmed = self.confirmed("writing").await;
        self.settle(confirmed)?;
        let (handle, path, limits) = (self.handle.clone(), self.path.clone(), self.limits);
        let result = timeout(limits.sync, self.sync_and_close(&handle)).await;
        let result = result.unwrap_or_else(|_| Err(late(&path, "syncing", &limits)));
        self.settle(result)
    }

    async fn sync_and_close(&mut self, handle: &[u8]) -> Result<(), FileError> {
        let sync = self.ask("syncing", |number| {
            Request::new(packet::EXTENDED, number)
                .string(b"fsync@openssh.com")
                .string(handle)
        });
        match sync.await? {
            Reply::Status { code, .. } if [packet::OK, packet::UNSUPPORTED].contains(&code) => {}
            other => return Err(self.unexpected("syncing", &other)),
        }
        let close = self.ask("closing", |number| {
            Request::new(packet::CLOSE, number).string(handle)
        });
        match close.await? {
            Reply::Status { code, .. } if code == packet::OK => Ok(()),
            other => Err(self.unexpected("closing", &other)),
        }
    }

    /// Waits until every write is confirmed.
    async fn confirmed(&self, what: &str) -> Result<(), FileError> {
        let all = u32::try_from(IN_FLIGHT).unwrap_or(u32::MAX);
        let all = timeout(self.limits.file, self.wire.writes.acquire_many(all)).await;
        match all {
            Err(_) => Err(late(&self.path, what, &self.limits)),
            Ok(Err(_)) => Err(self.lost(what)),
            Ok(Ok(_)) => self.check_refused(),
        }
    }

    async fn ask(
        &mut self,
        what: &str,
        request: impl FnOnce(u32) -> Request,
    ) -> Result<Reply, FileError> {
        self.torn = true;
        let (sender, answer) = oneshot::channel();
        let number = self.wire.expect(Waiter::Answer(sender));
        self.send(what, request(number).finish(0).into()).await?;
        let reply = answer.await.map_err(|_| self.lost(what))?;
        self.torn = false;
        Ok(reply)
    }

    /// Sends bytes as the host's window lets them; an end of the channel ends the wait.
    async fn send(&self, what: &str, bytes: Bytes) -> Result<(), FileError> {
        let mut ended = self.wire.ended.subscribe();
        tokio::select! {
            sent = self.out.data_bytes(bytes) => sent.map_err(|_| self.lost(what)),
            _ = ended.wait_for(|ended| *ended) => Err(self.lost(what)),
        }
    }

    /// After an error of the connection neither file nor session is of further use.
    fn settle<T>(&mut self, result: Result<T, FileError>) -> Result<T, FileError> {
        self.torn = matches!(result, Err(FileError::Broken { .. }));
        if self.torn {
            self.session.give_up();
        }
        result
    }

    fn may_go_on(&self) -> Result<(), FileError> {
        if self.torn {
            return Err(FileError::Gone);
        }
        self.check_refused()
    }

    fn check_refused(&self) -> Result<(), FileError> {
        match &self.wire.state().refused {
            Some((code, text)) => Err(self.refused("writing", *code, text)),
            None => Ok(()),
        }
    }

    fn unexpected(&self, what: &str, reply: &Reply) -> FileError {
        match reply {
            Reply::Status { code, text } => self.refused(what, *code, text),
            _ => FileError::Refused(HostError::File {
                path: self.path.to_string(),
                detail: format!("{what}: the host's SFTP server answers something else"),
            }),
        }
    }

    fn refused(&self, what: &str, code: u32, text: &str) -> FileError {
        // The words that libssh2 has for them.
        let text = match code {
            2 => "no such file".to_owned(),
            3 => "permission denied".to_owned(),
            4 => "failure".to_owned(),
            _ => sanitise(text.as_bytes()),
        };
        let code = i32::try_from(code).unwrap_or(i32::MAX);
        FileError::of(&self.path, what, Stopped::Sftp(code, text))
    }

    fn lost(&self, what: &str) -> FileError {
        let why = "the host hung up, or answers no more".to_owned();
        FileError::of(&self.path, what, Stopped::Ssh(0, why))
    }
}

impl Drop for BulkFile {
    fn drop(&mut self) {
        // Nobody reads on; the server ends with its channel.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let out = self.out.clone();
            runtime.spawn(async move { out.close().await });
        }
    }
}

/// OpenSSH lets 2 MiB be under way on a channel: at 20 ms there and back that is 100 MB/s. What is
/// under way when a link breaks is sent again, so there are no more channels than are of use.
fn ways_for(round_trip: Duration) -> usize {
    const OF_ONE: Duration = Duration::from_millis(20);
    let times = round_trip.as_millis() / OF_ONE.as_millis();
    usize::try_from(times)
        .unwrap_or(usize::MAX)
        .clamp(1, BESIDE)
}

fn late(path: &str, what: &str, limits: &Limits) -> FileError {
    FileError::of(path, what, Stopped::TimedOut(limits.file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_get_more_channels_and_short_ones_one() {
        let ways = |millis| ways_for(Duration::from_millis(millis));
        assert_eq!([0, 19, 20, 45, 80, 100_000].map(ways), [1, 1, 1, 2, 4, 4]);
    }
}

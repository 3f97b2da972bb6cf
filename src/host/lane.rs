//! A session and its thread.
//!
//! ssh2 is not async: each session lives on a thread of its own and takes one job at a time from
//! a queue. Whoever drops the future of a job that runs cancels it, which costs the session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::command::Effect;
use super::connect::{connect, prove};
use super::dialogue::Talk;
use super::error::{HostError, WriteError};
use super::file::{FileError, OpenFile};
use super::link::{Cancel, Limit, Link, Stopped, Wake, code};
use super::live::Tap;
use super::output::Output;
use super::process::{self, Request};
use super::shared::Shared;
use super::stream::Streaming;

/// One of the sessions to a host; each carries one command at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// The steps of the run.
    Control,
    /// Answering a VM's question while its `power.on` blocks the control lane.
    Answer,
    /// The panes.
    Telemetry,
    /// Transfers: their commands, and bulk data where it cannot go over its own session. There are
    /// two: `Transfer(2)` is `Transfer(0)` again, so that no host gets more than six sessions.
    Transfer(u8),
    /// A further way for files that go over a lane for transfers: where data cannot go over its own
    /// session, this is the sixth. No command goes over it.
    Data,
}

impl Lane {
    /// One of those for transfers, so that what moves at the same time is spread over them.
    #[must_use]
    pub fn transfer(index: usize) -> Self {
        let number = index % usize::from(TRANSFERS);
        Self::Transfer(u8::try_from(number).unwrap_or_default())
    }

    /// How many before it, of those that are spread by [`Lane::transfer`], are on the same one.
    #[must_use]
    pub fn queue(index: usize) -> usize {
        index / usize::from(TRANSFERS)
    }

    /// The lane whose session is used.
    pub(super) fn session(self) -> Self {
        match self {
            Self::Transfer(number) => Self::Transfer(number % TRANSFERS),
            lane => lane,
        }
    }

    /// The lane that what goes over this one may take as well.
    pub(super) fn other(self) -> Option<Self> {
        match self.session() {
            Self::Transfer(number) => Some(Self::Transfer((number + 1) % TRANSFERS)),
            _ => None,
        }
    }

    /// Whether a command that was sent for this lane may run on that one.
    pub(super) fn takes(self, lane: Self) -> bool {
        self.session() == lane || self.other() == Some(lane)
    }
}

/// Sessions that transfers share; with the one for bulk data they are half of a host's six.
const TRANSFERS: u8 = 2;

type Job = Box<dyn FnOnce(&mut Worker, &Cancel) + Send>;

/// The handle of a session's thread.
pub(super) struct LaneThread {
    jobs: Sender<(Job, Arc<AtomicBool>)>,
    wake: Arc<Wake>,
    closed: Arc<AtomicBool>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    /// Commands wait here for the one before them, so that none of them holds the gate to hostd
    /// while it waits for its session.
    pub(super) order: Arc<tokio::sync::Mutex<()>>,
    /// Nothing is open there that a long command would hold up.
    idle: Arc<AtomicBool>,
}

impl LaneThread {
    pub(super) fn spawn(host: Arc<Shared>, lane: Lane) -> std::io::Result<Self> {
        let wake = Arc::new(Wake::new()?);
        let closed = Arc::new(AtomicBool::new(false));
        let idle = Arc::new(AtomicBool::new(true));
        let (jobs, queue) = channel();
        let (end, ended) = oneshot::channel();
        let name = format!("{} {lane:?}", host.config.name);
        let runtime = tokio::runtime::Handle::try_current();
        let mut worker = Worker {
            files: HashMap::new(),
            streams: HashMap::new(),
            talks: HashMap::new(),
            sftp: None,
            link: None,
            host,
            lane,
            wake: wake.clone(),
            closed: closed.clone(),
            idle: idle.clone(),
            next_open: 0,
        };
        std::thread::Builder::new().name(name).spawn(move || {
            // Dropped with the thread, however it ends.
            let _end: oneshot::Sender<()> = end;
            // A hop carries its connections in the runtime's tasks.
            let _within = runtime.as_ref().ok().map(|runtime| runtime.enter());
            worker.serve(&queue);
        })?;
        Ok(Self {
            jobs,
            wake,
            closed,
            ended: Mutex::new(Some(ended)),
            order: Arc::default(),
            idle,
        })
    }

    /// Whether it still takes jobs.
    pub(super) fn is_alive(&self) -> bool {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.as_mut().is_some_and(|ended| {
            matches!(ended.try_recv(), Err(oneshot::error::TryRecvError::Empty))
        })
    }

    /// Whether nothing is open there that a long command would hold up.
    pub(super) fn is_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed)
    }

    /// Runs `job` on the thread. `Err` if the thread is gone.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Worker, &Cancel) -> T + Send + 'static,
    ) -> Result<T, HostError> {
        let given_up = Arc::new(AtomicBool::new(false));
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |worker, cancel| {
            let _ = reply.send(job(worker, cancel));
        });
        self.jobs
            .send((job, given_up.clone()))
            .map_err(|_| self.gone())?;
        self.wake.notify();
        let _guard = GiveUp {
            given_up,
            wake: self.wake.clone(),
        };
        answer.await.map_err(|_| self.gone())
    }

    fn gone(&self) -> HostError {
        if self.closed.load(Ordering::Relaxed) {
            HostError::Closed
        } else {
            HostError::Lost("the session's thread broke down".to_owned())
        }
    }

    /// Leaves a job for the thread without waiting for it.
    pub(super) fn post(&self, job: impl FnOnce(&mut Worker, &Cancel) + Send + 'static) {
        // A thread that is gone has nothing left to be done to.
        let _ = self.jobs.send((Box::new(job), Arc::default()));
        self.wake.notify();
    }

    /// Ends the thread: at once if it waits on its socket, else with the wait that it is in.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.wake.notify();
    }

    /// Waits until the thread has ended.
    pub(super) async fn ended(&self) {
        let ended = self
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(ended) = ended {
            let _ = ended.await;
        }
    }
}

impl Drop for LaneThread {
    fn drop(&mut self) {
        self.close();
    }
}

/// Cancels a job whose caller is gone.
struct GiveUp {
    given_up: Arc<AtomicBool>,
    wake: Arc<Wake>,
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.wake.notify();
    }
}

/// What lives on the thread. Fields are dropped in this order: what uses it, SFTP, connection.
pub(super) struct Worker {
    pub(super) files: HashMap<u64, OpenFile>,
    pub(super) streams: HashMap<u64, Streaming>,
    pub(super) talks: HashMap<u64, Talk>,
    pub(super) sftp: Option<ssh2::Sftp>,
    pub(super) link: Option<Link>,
    pub(super) host: Arc<Shared>,
    lane: Lane,
    wake: Arc<Wake>,
    closed: Arc<AtomicBool>,
    idle: Arc<AtomicBool>,
    next_open: u64,
}

/// What stays open on a session between two jobs, each under a number.
pub(super) trait Kept: Sized {
    /// All of its kind that are open.
    fn all(worker: &mut Worker) -> &mut HashMap<u64, Self>;
}

impl Worker {
    fn serve(&mut self, queue: &Receiver<(Job, Arc<AtomicBool>)>) {
        while !self.closed.load(Ordering::Relaxed) {
            match queue.try_recv() {
                Ok((job, given_up)) => {
                    let cancel = Cancel {
                        given_up,
                        closed: self.closed.clone(),
                    };
                    if !cancel.is_set() {
                        job(self, &cancel);
                    }
                }
                Err(TryRecvError::Empty) => self.idle(),
                Err(TryRecvError::Disconnected) => break,
            }
            let idle = self.files.is_empty() && self.streams.is_empty() && self.talks.is_empty();
            self.idle.store(idle, Ordering::Relaxed);
        }
        self.drop_link();
    }

    /// Keeps the session alive, and written data moving, until there is something to do.
    fn idle(&mut self) {
        let Some(link) = &mut self.link else {
            self.wake.wait();
            return;
        };
        let cancel = Cancel {
            given_up: Arc::default(),
            closed: self.closed.clone(),
        };
        let limit = Limit::new(self.host.run.limits.file, &cancel);
        let mut moved = Ok(false);
        for file in self.files.values_mut() {
            moved = moved.and_then(|moved| Ok(moved | file.push(link, &limit)?));
        }
        for talk in self.talks.values_mut() {
            moved = moved.and_then(|moved| Ok(moved | talk.listen(link, &limit)?));
        }
        let reads = self.files.values().any(OpenFile::is_pending)
            || self.talks.values().any(Talk::is_awaited);
        let result = match moved {
            Ok(true) => Ok(()),
            Ok(false) => link.idle(reads),
            Err(stopped) => Err(stopped),
        };
        if result.is_err() {
            self.drop_link();
        }
    }

    /// The connection, opened if there is none; and whether it was there before.
    pub(super) fn link(&mut self, cancel: &Cancel) -> Result<(&mut Link, bool), HostError> {
        let reused = self.link.is_some();
        if !reused {
            self.link = Some(connect(&self.host, &self.wake, cancel)?);
        }
        match &mut self.link {
            Some(link) => Ok((link, reused)),
            None => Err(HostError::Closed),
        }
    }

    /// Makes sure that it is known how to log in, also after a person had it forgotten.
    pub(super) fn prove(&mut self, cancel: &Cancel) -> Result<(), HostError> {
        self.link(cancel)?;
        prove(&self.host, &self.wake, cancel)
    }

    /// Proves that the host answers now, by a channel that nothing goes over.
    pub(super) fn gets_through(&mut self, cancel: &Cancel) -> Result<(), HostError> {
        let limit = Limit::new(self.host.run.limits.handshake, cancel);
        self.drain_files(&limit);
        let (link, _) = self.link(cancel)?;
        let opened = link.open_channel(&limit);
        match opened.and_then(|mut channel| link.drive(&limit, |_| channel.close())) {
            // That it refuses one is an answer too.
            Ok(()) | Err(Stopped::Ssh(code::CHANNEL_FAILURE, _)) => Ok(()),
            Err(stopped) => {
                self.drop_link();
                Err(stopped.during("opening a channel"))
            }
        }
    }

    pub(super) fn drop_link(&mut self) {
        if let Some(link) = &self.link {
            link.cut();
        }
        self.files.clear();
        self.streams.clear();
        self.talks.clear();
        self.sftp = None;
        self.link = None;
    }

    /// Keeps something open, under the number that is returned.
    pub(super) fn keep<K: Kept>(&mut self, open: K) -> u64 {
        self.next_open += 1;
        let number = self.next_open;
        K::all(self).insert(number, open);
        number
    }

    /// Runs `op` on something that is open.
    pub(super) fn with<K: Kept, T>(
        &mut self,
        id: u64,
        limit: &Limit,
        op: impl FnOnce(&mut K, &mut Link) -> Result<T, FileError>,
    ) -> Result<T, FileError> {
        let mut open = K::all(self).remove(&id).ok_or(FileError::Gone)?;
        // They share the session: what was written to files goes first.
        self.drain_files(limit);
        let link = self.link.as_mut().ok_or(FileError::Gone)?;
        let result = op(&mut open, link);
        K::all(self).insert(id, open);
        if matches!(result, Err(FileError::Broken { .. })) {
            self.drop_link();
        }
        result
    }

    /// Written data that is still on its way must be through before anything else is sent.
    pub(super) fn drain_files(&mut self, limit: &Limit) {
        if let Some(link) = &mut self.link {
            for file in self.files.values_mut() {
                file.drain(link, limit);
            }
        }
    }

    /// Runs a command that only looks; once more on a new session if the old one proves dead
    /// before the host answered anything.
    pub(super) fn read(
        &mut self,
        command: &Sendable,
        cancel: &Cancel,
    ) -> Result<Output, HostError> {
        loop {
            let (failure, reused) = match self.run(command, None, cancel)? {
                Ok(output) => return Ok(output),
                Err(failed) => failed,
            };
            let died = matches!(failure.cause, HostError::Lost(_));
            if !(reused && died && !failure.answered) {
                return Err(failure.cause);
            }
        }
    }

    /// Runs a command that changes something. It is sent again only where it is proven that it
    /// did not leave before.
    pub(super) fn write(
        &mut self,
        command: &Sendable,
        started: Box<dyn FnOnce(u32) + Send>,
        cancel: &Cancel,
    ) -> Result<Output, WriteError> {
        // The callback survives a first try that never started anything.
        let started = Arc::new(Mutex::new(Some(started)));
        loop {
            let once = started.clone();
            let on_start = Box::new(move |pid| {
                let started = once.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(started) = started {
                    started(pid);
                }
            });
            let (failure, reused) = match self
                .run(command, Some(on_start), cancel)
                .map_err(WriteError::NotSent)?
            {
                Ok(output) => return Ok(output),
                Err(failed) => failed,
            };
            if failure.sent {
                return Err(WriteError::Lost {
                    pid: failure.pid,
                    cause: failure.cause,
                });
            }
            if !(reused && matches!(failure.cause, HostError::Lost(_))) {
                return Err(WriteError::NotSent(failure.cause));
            }
        }
    }

    /// One try. The outer error is that of connecting.
    fn run(
        &mut self,
        command: &Sendable,
        started: Option<Box<dyn FnOnce(u32) + Send>>,
        cancel: &Cancel,
    ) -> Result<Result<Output, (process::Failure, bool)>, HostError> {
        let (_, reused) = self.link(cancel)?;
        let limit = Limit::new(command.allowed, cancel);
        self.drain_files(&limit);
        let host = self.host.clone();
        // Only a write tells its process id.
        let effect = if started.is_some() {
            Effect::Write
        } else {
            Effect::Read
        };
        let mut tap = Tap::new(
            host.sink(),
            host.config.name.clone(),
            self.lane,
            &command.shown,
            effect,
            host.run.redactor.clone(),
        )
        .untold(command.untold);
        let request = Request {
            line: &command.line,
            stdin: &command.stdin,
            keep: command.keep,
            started,
        };
        let (link, _) = self.link(cancel)?;
        let result = process::run(link, request, &limit, &mut tap);
        Ok(result.map_err(|failure| {
            if !failure.intact {
                self.drop_link();
            }
            (failure, reused)
        }))
    }
}

/// A command as it is sent.
pub(super) struct Sendable {
    pub(super) line: String,
    /// As people see it.
    pub(super) shown: String,
    pub(super) stdin: Vec<u8>,
    pub(super) keep: usize,
    pub(super) allowed: Duration,
    pub(super) untold: bool,
}

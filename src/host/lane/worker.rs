//! What lives on a session's thread: the connection, what is open on it, and how commands run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Lane;
use super::thread::Job;
use crate::host::command::Effect;
use crate::host::connect::{connect, prove};
use crate::host::dialogue::Talk;
use crate::host::error::{HostError, WriteError};
use crate::host::file::{FileError, OpenFile};
use crate::host::link::{Cancel, Limit, Link, Stopped, Wake, code};
use crate::host::live::Tap;
use crate::host::output::Output;
use crate::host::process::{self, Request};
use crate::host::shared::Shared;
use crate::host::stream::Streaming;

/// What lives on the thread. Fields are dropped in this order: what uses it, SFTP, connection.
pub(in crate::host) struct Worker {
    pub(in crate::host) files: HashMap<u64, OpenFile>,
    pub(in crate::host) streams: HashMap<u64, Streaming>,
    pub(in crate::host) talks: HashMap<u64, Talk>,
    pub(in crate::host) sftp: Option<ssh2::Sftp>,
    pub(in crate::host) link: Option<Link>,
    pub(in crate::host) host: Arc<Shared>,
    lane: Lane,
    wake: Arc<Wake>,
    closed: Arc<AtomicBool>,
    idle: Arc<AtomicBool>,
    next_open: u64,
}

/// What stays open on a session between two jobs, each under a number.
pub(in crate::host) trait Kept: Sized {
    /// All of its kind that are open.
    fn all(worker: &mut Worker) -> &mut HashMap<u64, Self>;
}

impl Worker {
    pub(super) fn new(
        host: Arc<Shared>,
        lane: Lane,
        wake: Arc<Wake>,
        closed: Arc<AtomicBool>,
        idle: Arc<AtomicBool>,
    ) -> Self {
        Self {
            files: HashMap::new(),
            streams: HashMap::new(),
            talks: HashMap::new(),
            sftp: None,
            link: None,
            host,
            lane,
            wake,
            closed,
            idle,
            next_open: 0,
        }
    }

    pub(super) fn serve(&mut self, queue: &Receiver<(Job, Arc<AtomicBool>)>) {
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
        if let Some(link) = &self.link {
            link.leave();
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
    pub(in crate::host) fn link(
        &mut self,
        cancel: &Cancel,
    ) -> Result<(&mut Link, bool), HostError> {
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
    pub(in crate::host) fn prove(&mut self, cancel: &Cancel) -> Result<(), HostError> {
        self.link(cancel)?;
        prove(&self.host, &self.wake, cancel)
    }

    /// Proves that the host answers now, by a channel that nothing goes over.
    pub(in crate::host) fn gets_through(&mut self, cancel: &Cancel) -> Result<(), HostError> {
        self.try_channels(cancel, |link, limit| {
            let opened = link.open_channel(limit);
            match opened.and_then(|mut channel| link.drive(limit, |_| channel.close())) {
                // That it refuses one is an answer too.
                Ok(()) | Err(Stopped::Ssh(code::CHANNEL_FAILURE, _)) => Ok(()),
                Err(stopped) => Err(stopped),
            }
        })
    }

    /// Opens channels over which nothing is sent. A link on which that goes wrong is dropped.
    pub(in crate::host) fn try_channels<T>(
        &mut self,
        cancel: &Cancel,
        open: impl FnOnce(&mut Link, &Limit) -> Result<T, Stopped>,
    ) -> Result<T, HostError> {
        let limit = Limit::new(self.host.run.limits.handshake, cancel);
        self.drain_files(&limit);
        let (link, _) = self.link(cancel)?;
        open(link, &limit).map_err(|stopped| {
            self.drop_link();
            stopped.during("opening a channel")
        })
    }

    pub(in crate::host) fn drop_link(&mut self) {
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
    pub(in crate::host) fn keep<K: Kept>(&mut self, open: K) -> u64 {
        self.next_open += 1;
        let number = self.next_open;
        K::all(self).insert(number, open);
        number
    }

    /// Runs `op` on something that is open.
    pub(in crate::host) fn with<K: Kept, T>(
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
    pub(in crate::host) fn drain_files(&mut self, limit: &Limit) {
        if let Some(link) = &mut self.link {
            for file in self.files.values_mut() {
                file.drain(link, limit);
            }
        }
    }

    /// Runs a command that only looks; once more on a new session if the old one proves dead
    /// before the host answered anything.
    pub(in crate::host) fn read(
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
    pub(in crate::host) fn write(
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
pub(in crate::host) struct Sendable {
    pub(in crate::host) line: String,
    /// As people see it.
    pub(in crate::host) shown: String,
    pub(in crate::host) stdin: Vec<u8>,
    pub(in crate::host) keep: usize,
    pub(in crate::host) allowed: Duration,
    pub(in crate::host) untold: bool,
}

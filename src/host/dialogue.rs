//! A command that only looks, beside a file that is open: it is told more while it runs.
//!
//! It goes over the session for bulk data where there is one that opens a channel for it, else over its
//! lane's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::bulk;
use super::command::{Effect, HostCommand};
use super::error::HostError;
use super::file::{FileError, gone};
use super::lane::{Kept, Lane, LaneThread, Worker};
use super::link::{Cancel, Limit, Link, Stopped};
use super::live::{Stream, Tap};
use super::output::Output;
use super::process::Process;
use super::shared::Shared;

/// A running command that only looks. Dropping it closes its standard input and its channel.
pub struct Dialogue(Way);

enum Way {
    Bulk(bulk::Dialogue),
    Lane(OnLane),
}

impl Dialogue {
    pub(super) fn over_bulk(dialogue: bulk::Dialogue) -> Self {
        Self(Way::Bulk(dialogue))
    }

    /// Starts a command on a lane's session; `None` where it has none.
    pub(super) async fn on_lane(
        host: &Shared,
        thread: Arc<LaneThread>,
        lane: Lane,
        command: &HostCommand,
    ) -> Result<Option<Self>, HostError> {
        let (heard, said) = Heard::new(host, lane, command);
        let line = command.line();
        let starting = thread.call(move |worker, cancel| worker.start_talk(&line, heard, cancel));
        let Some(id) = starting.await?? else {
            return Ok(None);
        };
        Ok(Some(Self(Way::Lane(OnLane {
            thread,
            id,
            said,
            patience: command.time_limit(),
        }))))
    }

    /// Puts a line on its standard input.
    ///
    /// # Errors
    /// It has ended, or the connection did.
    pub async fn tell(&mut self, line: &str) -> Result<(), HostError> {
        match &mut self.0 {
            Way::Bulk(dialogue) => dialogue.tell(line).await,
            Way::Lane(talk) => {
                let (id, line) = (talk.id, format!("{line}\n"));
                let telling = talk.thread.call(move |worker, cancel| {
                    let limit = Limit::new(worker.host.run.limits.file, cancel);
                    worker.with(id, &limit, |talk: &mut Talk, link| {
                        talk.tell(link, &limit, &line)
                    })
                });
                telling.await?.map_err(FileError::into_cause)
            }
        }
    }

    /// The last whole line that it said on standard error; its channel closes at its end, or once
    /// that was waited for.
    #[must_use]
    pub fn said(&self) -> watch::Receiver<String> {
        match &self.0 {
            Way::Bulk(dialogue) => dialogue.said(),
            Way::Lane(talk) => talk.said.clone(),
        }
    }

    /// Tells it that nothing more comes, and waits for its end.
    ///
    /// # Errors
    /// The connection ended before it did, or its time limit, counted from here, is over.
    pub async fn finish(&mut self) -> Result<Output, HostError> {
        match &mut self.0 {
            Way::Bulk(dialogue) => dialogue.finish().await,
            Way::Lane(talk) => {
                let id = talk.id;
                let ending = talk.thread.call(move |worker, _| worker.end_talk(id));
                let ended = ending.await?.ok_or_else(gone)?;
                let ended = timeout(talk.patience, ended).await;
                // Whoever listens is told that nothing more is said.
                talk.give_up();
                let late = |_| HostError::TimedOut {
                    what: "a command beside a file".to_owned(),
                    after: talk.patience,
                };
                ended.map_err(late)?.map_err(|_| gone())
            }
        }
    }
}

/// One that a lane's session carries, which knows it by this number.
struct OnLane {
    thread: Arc<LaneThread>,
    id: u64,
    said: watch::Receiver<String>,
    patience: Duration,
}

impl OnLane {
    /// Nobody waits for it any more. What else is open on its session goes on.
    fn give_up(&self) {
        let id = self.id;
        self.thread.post(move |worker, _| {
            worker.talks.remove(&id);
        });
    }
}

impl Drop for OnLane {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// What such a command says.
pub(super) struct Heard {
    output: Output,
    keep: usize,
    /// The beginning of a line on standard error.
    line: Vec<u8>,
    say: watch::Sender<String>,
    tap: Tap,
    begun: Instant,
}

impl Heard {
    /// For a command that is about to be sent, and where its last line is to be read.
    pub(super) fn new(
        host: &Shared,
        lane: Lane,
        command: &HostCommand,
    ) -> (Self, watch::Receiver<String>) {
        let (say, said) = watch::channel(String::new());
        let tap = Tap::new(
            host.sink(),
            host.config.name.clone(),
            lane,
            &command.line(),
            Effect::Read,
            host.run.redactor.clone(),
        )
        .untold(command.is_untold());
        let heard = Self {
            output: Output::default(),
            keep: command.output_limit(),
            line: Vec::new(),
            say,
            tap,
            begun: Instant::now(),
        };
        (heard, said)
    }

    /// It was sent.
    pub(super) fn sent(&self) {
        self.tap.sent();
    }

    pub(super) fn take(&mut self, stream: Stream, data: &[u8]) {
        self.tap.feed(stream, data);
        if stream == Stream::Out {
            let room = self.keep.saturating_sub(self.output.stdout.len());
            self.output.truncated |= room < data.len();
            self.output.stdout.extend(data.iter().take(room));
            return;
        }
        for byte in data {
            match byte {
                b'\n' => {
                    let text = String::from_utf8_lossy(&self.line).into_owned();
                    self.say.send_replace(text);
                    self.line.clear();
                }
                byte if self.line.len() < self.keep => self.line.push(*byte),
                _ => {}
            }
        }
    }

    /// It ended; `None` where no exit status came.
    pub(super) fn end(&mut self, status: Option<i32>) -> Option<Output> {
        self.tap.ended(status);
        let output = std::mem::take(&mut self.output);
        Some(Output {
            status: status?,
            took: self.begun.elapsed(),
            ..output
        })
    }
}

/// One as its session's thread holds it.
pub(super) struct Talk {
    process: Process,
    heard: Heard,
    /// Nothing more comes for it, and its end goes here.
    end: Option<oneshot::Sender<Output>>,
}

impl Talk {
    /// Takes in what it says, without waiting; whether it said anything.
    pub(super) fn listen(&mut self, link: &mut Link, limit: &Limit) -> Result<bool, Stopped> {
        // Reading one output may have taken in bytes of the other, which the socket does not tell again.
        for _ in 0..2 {
            if self.is_on() && self.exchange(link, limit, &[], self.end.is_some())?.1 {
                return Ok(true);
            }
        }
        if self.is_on() || self.end.is_none() {
            return Ok(false);
        }
        let Some(status) = self.process.poll_status(link, limit)? else {
            return Ok(false);
        };
        if let (Some(output), Some(end)) = (self.heard.end(Some(status)), self.end.take()) {
            // Whoever asked may have given up.
            let _ = end.send(output);
        }
        Ok(true)
    }

    /// Something of it is still to come.
    pub(super) fn is_awaited(&self) -> bool {
        self.is_on() || self.end.is_some()
    }

    /// It may say more.
    fn is_on(&self) -> bool {
        !self.process.ended()
    }

    fn tell(&mut self, link: &mut Link, limit: &Limit, line: &str) -> Result<(), FileError> {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            // One that ends once it has read the whole line was told.
            if !self.is_on() {
                let ended = "a command beside a file ended early".to_owned();
                return Err(FileError::Refused(HostError::Lost(ended)));
            }
            let (written, moved) = self.exchange(link, limit, rest, false).map_err(broken)?;
            rest = rest.get(written..).unwrap_or_default();
            if !moved && self.is_on() {
                link.wait(limit).map_err(broken)?;
            }
        }
        Ok(())
    }

    fn exchange(
        &mut self,
        link: &mut Link,
        limit: &Limit,
        input: &[u8],
        last: bool,
    ) -> Result<(usize, bool), Stopped> {
        let Self { process, heard, .. } = self;
        let mut take = |stream, bytes: &[u8]| heard.take(stream, bytes);
        process.exchange(link, limit, input, last, &mut take)
    }
}

fn broken(stopped: Stopped) -> FileError {
    FileError::Broken {
        pid: None,
        cause: stopped.during("talking to a command beside a file"),
    }
}

impl Kept for Talk {
    fn all(worker: &mut Worker) -> &mut HashMap<u64, Self> {
        &mut worker.talks
    }
}

impl Worker {
    fn start_talk(
        &mut self,
        line: &str,
        heard: Heard,
        cancel: &Cancel,
    ) -> Result<Option<u64>, HostError> {
        let limit = Limit::new(self.host.run.limits.file, cancel);
        self.drain_files(&limit);
        let Some(link) = &mut self.link else {
            return Ok(None);
        };
        match Process::start(link, line, &limit) {
            Ok(process) => {
                heard.sent();
                Ok(Some(self.keep(Talk {
                    process,
                    heard,
                    end: None,
                })))
            }
            Err(not) => {
                if !not.intact {
                    self.drop_link();
                }
                Err(not.cause)
            }
        }
    }

    /// Has a talk ended while the session is idle, and tells where its end is to be read; `None` where
    /// there is no such talk any more.
    fn end_talk(&mut self, id: u64) -> Option<oneshot::Receiver<Output>> {
        let (end, ended) = oneshot::channel();
        self.talks.get_mut(&id)?.end = Some(end);
        Some(ended)
    }
}

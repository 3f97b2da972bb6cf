//! One command on an exec channel.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use ssh2::Channel;

use super::command::HostCommand;
use super::error::HostError;
use super::greeting::{self, Greeting};
use super::link::{Limit, Link, Stopped, code};
use super::live::{Stream, Tap};
use super::output::Output;

/// Literally how a write is sent: the first line of its output tells its process.
pub(super) const WRITE_PREFIX: &str = r#"sh -c 'echo $$; exec "$@"' _ "#;

const CHUNK: usize = 64 << 10;

/// Beyond the kept output a command may print so much more, which is read and dropped; one that
/// goes on is cut off.
const MAX_DROPPED: u64 = 64 << 20;

/// A started command.
pub(super) struct Process {
    channel: Channel,
    eof_sent: bool,
    buffer: Vec<u8>,
    /// Exchanges in a row that moved nothing.
    idle_turns: u32,
    /// What the login shell prints before the command itself.
    greeting: Option<Greeting>,
}

/// Why a command was not started.
pub(super) struct NotStarted {
    pub(super) cause: HostError,
    /// The request may have reached the host.
    pub(super) sent: bool,
    /// The session is as good as before.
    pub(super) intact: bool,
}

impl Process {
    /// Starts `line`. Opening the channel first also proves that the connection is alive, so that
    /// a command does not get lost in one that died unnoticed.
    pub(super) fn start(link: &mut Link, line: &str, limit: &Limit) -> Result<Self, NotStarted> {
        let (bytes, most) = (line.len(), HostCommand::MAX_LINE);
        if bytes > most {
            return Err(NotStarted {
                cause: HostError::TooLong { bytes, most },
                sent: false,
                intact: true,
            });
        }
        let mut channel = link.open_channel(limit).map_err(|stopped| match stopped {
            Stopped::Ssh(code::CHANNEL_FAILURE, detail) => NotStarted {
                cause: HostError::NotRun(detail),
                sent: false,
                intact: true,
            },
            stopped => NotStarted {
                cause: stopped.during("opening a channel"),
                sent: false,
                intact: false,
            },
        })?;
        let greeting = link.greeted().then(Greeting::default);
        let line = match greeting {
            Some(_) => Cow::Owned(greeting::marked(line)),
            None => Cow::Borrowed(line),
        };
        match link.drive(limit, |_| channel.exec(&line)) {
            Ok(()) => Ok(Self {
                channel,
                eof_sent: false,
                buffer: vec![0; CHUNK],
                idle_turns: 0,
                greeting,
            }),
            Err(Stopped::Ssh(code::CHANNEL_REQUEST_DENIED, detail)) => Err(NotStarted {
                cause: HostError::NotRun(detail),
                sent: false,
                intact: true,
            }),
            Err(stopped) => Err(NotStarted {
                cause: stopped.during("starting the command"),
                sent: true,
                intact: false,
            }),
        }
    }

    /// Moves what can be moved without waiting: `input` out (its end too, if `last`), output in.
    /// Both outputs are read in turn, or a host that fills the one that nobody reads would hang.
    /// Returns how much input left, and whether anything moved.
    pub(super) fn exchange(
        &mut self,
        link: &mut Link,
        limit: &Limit,
        input: &[u8],
        last: bool,
        out: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<(usize, bool), Stopped> {
        let mut moved = false;
        let mut written = 0;
        if self.channel.eof() {
            // Nobody reads any more.
            written = input.len();
        } else if !input.is_empty() {
            written = link
                .attempt(limit, || self.channel.write(input))?
                .unwrap_or(0);
            moved |= written > 0;
        } else if last
            && !self.eof_sent
            && link
                .attempt(limit, || Ok(self.channel.send_eof()?))?
                .is_some()
        {
            self.eof_sent = true;
            moved = true;
        }
        for stream in [Stream::Out, Stream::Err] {
            let mut buffer = std::mem::take(&mut self.buffer);
            let read = self.read(link, limit, stream, &mut buffer, out);
            self.buffer = buffer;
            moved |= read? > 0;
        }
        self.idle_turns = if moved {
            0
        } else {
            self.idle_turns.saturating_add(1)
        };
        Ok((written, moved))
    }

    /// Reads once from one output without waiting; 0 where nothing is there.
    ///
    /// Every read of a channel must ask for as much as the one before: libssh2 tells the host how
    /// much it may send by the length asked for, counts it by the length of the call that finishes
    /// the telling, which new keys may delay, and silently drops what it thinks is too much.
    fn read(
        &mut self,
        link: &mut Link,
        limit: &Limit,
        stream: Stream,
        buffer: &mut [u8],
        out: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<usize, Stopped> {
        debug_assert_eq!(buffer.len(), CHUNK);
        let mut from = self.channel.stream(stream as i32);
        let count = link.attempt(limit, || from.read(buffer))?.unwrap_or(0);
        match &mut self.greeting {
            Some(greeting) if stream == Stream::Out => {
                let own = greeting.strip(&buffer[..count]);
                if !own.is_empty() {
                    out(stream, &own);
                }
            }
            _ if count > 0 => out(stream, &buffer[..count]),
            _ => {}
        }
        Ok(count)
    }

    /// After an exchange: waits until something can move again, unless something already can or
    /// nothing more will.
    pub(super) fn settle(&self, link: &mut Link, limit: &Limit) -> Result<(), Stopped> {
        // Reading one output may have taken in bytes of the other. The second turn without
        // progress proves that what is there belongs to a stream that nobody reads.
        let may_move = self.idle_turns == 1 && self.channel.read_window().available > 0;
        if self.idle_turns == 0 || may_move || self.ended() {
            return Ok(());
        }
        link.wait(limit)
    }

    /// Both outputs have ended and are read.
    pub(super) fn ended(&self) -> bool {
        self.channel.eof()
    }

    /// Its exit status, if it has come.
    pub(super) fn poll_status(
        &mut self,
        link: &mut Link,
        limit: &Limit,
    ) -> Result<Option<i32>, Stopped> {
        let closed = link.attempt(limit, || Ok(self.channel.wait_close()?))?;
        closed.map(|()| self.status(link, limit)).transpose()
    }

    /// Waits for the exit status. A signal counts as 128 and its number.
    pub(super) fn status(&mut self, link: &mut Link, limit: &Limit) -> Result<i32, Stopped> {
        link.drive(limit, |_| self.channel.wait_close())?;
        let signal = self.channel.exit_signal()?.exit_signal;
        let status = self.channel.exit_status()?;
        link.drive(limit, |_| self.channel.close())?;
        Ok(signal.map_or(status, |name| 128 + signal_number(&name)))
    }
}

fn signal_number(name: &str) -> i32 {
    match name {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ILL" => 4,
        "ABRT" => 6,
        "FPE" => 8,
        "KILL" => 9,
        "SEGV" => 11,
        "PIPE" => 13,
        "ALRM" => 14,
        _ => 15,
    }
}

/// A command to be run to its end.
pub(super) struct Request<'a> {
    pub(super) line: &'a str,
    pub(super) stdin: &'a [u8],
    /// Bytes kept of each output.
    pub(super) keep: usize,
    /// Called with the process id, which then is the first line of the output, and not kept.
    pub(super) started: Option<Box<dyn FnOnce(u32) + Send>>,
}

/// Why a command came to no end.
pub(super) struct Failure {
    pub(super) cause: HostError,
    pub(super) sent: bool,
    /// The host answered something before.
    pub(super) answered: bool,
    pub(super) pid: Option<u32>,
    pub(super) intact: bool,
}

/// Runs a command to its end.
pub(super) fn run(
    link: &mut Link,
    request: Request<'_>,
    limit: &Limit,
    tap: &mut Tap,
) -> Result<Output, Failure> {
    let sent_at = Instant::now();
    let mut process = Process::start(link, request.line, limit).map_err(|not| Failure {
        cause: not.cause,
        sent: not.sent,
        answered: false,
        pid: None,
        intact: not.intact,
    })?;
    tap.sent();
    let mut kept = Kept::new(request.keep, request.started, tap);
    let result = converse(link, &mut process, request.stdin, limit, &mut kept).and_then(|()| {
        process
            .status(link, limit)
            .map_err(|stopped| lost(stopped, limit))
    });
    let output = kept.end(result.as_ref().ok().copied());
    match result {
        Ok(status) => Ok(output.with(status, sent_at.elapsed())),
        Err(cause) => Err(Failure {
            cause,
            sent: true,
            answered: output.total > 0,
            pid: output.pid,
            intact: false,
        }),
    }
}

fn lost(stopped: Stopped, limit: &Limit) -> HostError {
    match stopped {
        Stopped::TimedOut(_) => HostError::TimedOut {
            what: "the command".to_owned(),
            after: limit.allowed,
        },
        Stopped::Cancelled => HostError::Cancelled,
        Stopped::Ssh(_, detail) | Stopped::Sftp(_, detail) => HostError::Lost(detail),
    }
}

fn converse(
    link: &mut Link,
    process: &mut Process,
    mut input: &[u8],
    limit: &Limit,
    kept: &mut Kept<'_>,
) -> Result<(), HostError> {
    while !process.ended() {
        limit.left().map_err(|stopped| lost(stopped, limit))?;
        let (written, _) = process
            .exchange(link, limit, input, true, &mut |stream, bytes| {
                kept.take(stream, bytes)
            })
            .map_err(|stopped| lost(stopped, limit))?;
        input = &input[written..];
        if kept.total > kept.keep as u64 * 2 + MAX_DROPPED {
            return Err(HostError::TooMuchOutput(kept.total));
        }
        process
            .settle(link, limit)
            .map_err(|stopped| lost(stopped, limit))?;
    }
    Ok(())
}

/// Output as far as it is kept, and the process id in front of it.
struct Kept<'a> {
    keep: usize,
    streams: [Vec<u8>; 2],
    total: u64,
    truncated: bool,
    pid: Option<u32>,
    started: Option<Box<dyn FnOnce(u32) + Send>>,
    tap: &'a mut Tap,
}

struct Ended {
    streams: [Vec<u8>; 2],
    total: u64,
    truncated: bool,
    pid: Option<u32>,
}

/// Digits of the largest process id, and more than any line that is none needs to be told apart.
const MAX_PID_LINE: usize = 12;

impl<'a> Kept<'a> {
    fn new(keep: usize, started: Option<Box<dyn FnOnce(u32) + Send>>, tap: &'a mut Tap) -> Self {
        Self {
            keep,
            streams: [Vec::new(), Vec::new()],
            total: 0,
            truncated: false,
            pid: None,
            started,
            tap,
        }
    }

    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if stream == Stream::Out && self.started.is_some() {
            self.take_first_line(bytes);
            return;
        }
        self.tap.feed(stream, bytes);
        self.keep(stream, bytes);
    }

    fn keep(&mut self, stream: Stream, bytes: &[u8]) {
        let kept = &mut self.streams[stream as usize];
        let room = self.keep.saturating_sub(kept.len());
        self.truncated |= bytes.len() > room;
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Collects standard output until its first line tells the process id, or is no such line.
    fn take_first_line(&mut self, bytes: &[u8]) {
        let head = &mut self.streams[Stream::Out as usize];
        head.extend_from_slice(bytes);
        let end = head.iter().position(|byte| *byte == b'\n');
        if end.is_none() && head.len() <= MAX_PID_LINE {
            return;
        }
        let mut output = std::mem::take(head);
        let pid = end.and_then(|end| {
            std::str::from_utf8(&output[..end])
                .ok()?
                .trim()
                .parse()
                .ok()
        });
        let started = self.started.take();
        if let (Some(end), Some(pid)) = (end, pid) {
            self.pid = Some(pid);
            output.drain(..=end);
            if let Some(started) = started {
                started(pid);
            }
        }
        self.tap.feed(Stream::Out, &output);
        self.keep(Stream::Out, &output);
    }

    fn end(self, status: Option<i32>) -> Ended {
        if self.started.is_some() {
            // What came was too short to be told from a process id.
            self.tap
                .feed(Stream::Out, &self.streams[Stream::Out as usize]);
        }
        self.tap.ended(status);
        Ended {
            streams: self.streams,
            total: self.total,
            truncated: self.truncated,
            pid: self.pid,
        }
    }
}

impl Ended {
    fn with(self, status: i32, took: Duration) -> Output {
        let [stdout, stderr] = self.streams;
        Output {
            status,
            stdout,
            stderr,
            took,
            truncated: self.truncated,
        }
    }
}

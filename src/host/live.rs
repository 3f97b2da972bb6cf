//! What a running command prints, told while it runs.

use std::sync::Arc;

use crate::names::HostName;

use super::command::Effect;
use super::lane::Lane;
use super::redact::Redactor;
use super::sanitise::{Lines, Piece};

/// Takes what commands print as it comes. Called on session threads: it must not block.
pub type OutputSink = Arc<dyn Fn(OutputEvent) + Send + Sync>;

/// One thing that happened to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputEvent {
    /// Where it runs.
    pub host: HostName,
    /// On which session.
    pub lane: Lane,
    /// The command line, secrets masked.
    pub command: Arc<str>,
    /// What it does to the host.
    pub effect: Effect,
    /// What happened.
    pub what: LiveOutput,
}

/// What happened to a command. Text is sanitised and secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveOutput {
    /// It was sent.
    Sent,
    /// It printed a line.
    Line {
        /// Where to.
        stream: Stream,
        /// The line without its end.
        text: String,
    },
    /// It redrew its current line, which the next line or progress replaces.
    Progress {
        /// Where to.
        stream: Stream,
        /// The line as it stands.
        text: String,
    },
    /// It ended; `None` where no exit status came.
    Ended {
        /// Its exit status.
        status: Option<i32>,
    },
}

/// An output stream of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// One command's way to the sink.
pub(super) struct Tap {
    sink: Option<OutputSink>,
    host: HostName,
    lane: Lane,
    command: Arc<str>,
    effect: Effect,
    redactor: Redactor,
    lines: [Lines; 2],
    untold: bool,
}

impl Tap {
    pub(super) fn new(
        sink: Option<OutputSink>,
        host: HostName,
        lane: Lane,
        command: &str,
        effect: Effect,
        redactor: Redactor,
    ) -> Self {
        let command = redactor.mask(command).into();
        Self {
            sink,
            host,
            lane,
            command,
            effect,
            redactor,
            lines: Default::default(),
            untold: false,
        }
    }

    /// Tells what it prints or, where that is for somebody to read elsewhere, only that it runs.
    pub(super) fn untold(mut self, untold: bool) -> Self {
        self.untold = untold;
        self
    }

    pub(super) fn sent(&self) {
        self.tell(LiveOutput::Sent);
    }

    pub(super) fn feed(&mut self, stream: Stream, chunk: &[u8]) {
        if self.sink.is_some() && !self.untold {
            self.with_lines(stream, |lines, out| lines.feed(chunk, out));
        }
    }

    pub(super) fn ended(&mut self, status: Option<i32>) {
        for stream in [Stream::Out, Stream::Err] {
            self.with_lines(stream, |lines, out| lines.finish(out));
        }
        self.tell(LiveOutput::Ended { status });
    }

    fn with_lines(&mut self, stream: Stream, read: impl FnOnce(&mut Lines, &mut dyn FnMut(Piece))) {
        let mut lines = std::mem::take(&mut self.lines[stream as usize]);
        read(&mut lines, &mut |piece| {
            let masked = |text: String| self.redactor.mask(&text);
            self.tell(match piece {
                Piece::Line(text) => LiveOutput::Line {
                    stream,
                    text: masked(text),
                },
                Piece::Progress(text) => LiveOutput::Progress {
                    stream,
                    text: masked(text),
                },
            });
        });
        self.lines[stream as usize] = lines;
    }

    fn tell(&self, what: LiveOutput) {
        if let Some(sink) = &self.sink {
            sink(OutputEvent {
                host: self.host.clone(),
                lane: self.lane,
                command: self.command.clone(),
                effect: self.effect,
                what,
            });
        }
    }
}

//! What every screen is, and the one loop that runs them: keys, updates in batches, a clock. It
//! draws only what changed, at most thirty times a second.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyEvent, KeyEventKind};
use futures_util::StreamExt;
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::engine::OperatorInput;
use crate::names::HostName;
use crate::runner::{RunHandle, Update};

use super::shell::Left;
use super::terminal::Guard;
use super::theme::Theme;

/// Between two frames.
const FRAME: Duration = Duration::from_millis(33);
/// Updates that are taken in before keys are looked at again.
pub(super) const BATCH: usize = 512;

/// The time, as data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Now {
    /// The wall clock when the screen opened, moved on by a monotonic one.
    pub wall: Timestamp,
    /// Since the screen opened.
    pub mono: Duration,
}

/// What happened to a screen.
#[derive(Clone, Debug)]
pub(super) enum Msg {
    /// A key.
    Key(KeyEvent),
    /// Something was pasted.
    Paste(String),
    /// A frame was drawn; `seen` says what of it a person could see.
    Painted(Seen),
    /// This happened in the run, in order.
    Updates(Vec<Update>),
    /// No more updates will come.
    FeedClosed,
    /// Only time passed.
    Tick,
    /// The process was asked to end, or the terminal is gone.
    Ending(&'static str),
    /// A task panicked there.
    Panicked(String),
    /// A shell on a host is over, or there was none, in words.
    ShellLeft(Result<String, String>),
}

/// What of a frame a person could see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The whole screen.
    pub area: Rect,
    /// Lines of the step card and rows it has; `None` while something else is in its place.
    pub card: Option<Extent>,
    /// The card has the whole width, because it is long.
    pub card_alone: bool,
    /// Of the pane or page that scrolls beside it.
    pub list: Extent,
    /// Of the dialog.
    pub dialog: Extent,
    /// Where the cursor of a text field is.
    pub cursor: Option<Position>,
}

/// How much there is and how much fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Lines there are.
    pub lines: usize,
    /// Lines that fit.
    pub rows: usize,
}

impl Extent {
    /// The largest offset at which the last line is still at the bottom.
    pub(super) fn last_offset(self) -> usize {
        self.lines.saturating_sub(self.rows)
    }
}

/// What a screen asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cmd<E> {
    /// Tell the engine.
    Send(OperatorInput),
    /// Ring.
    Ring,
    /// Draw from nothing.
    Redraw,
    /// Give the terminal to a shell on this host.
    Shell(HostName),
    /// The screen is over.
    Leave(E),
}

/// A screen: pure, so that it is tested without a terminal.
pub(super) trait Page {
    /// What it ends with.
    type Exit;
    /// Takes in what happened.
    fn update(&mut self, now: Now, msg: Msg) -> Vec<Cmd<Self::Exit>>;
    /// Draws.
    fn view(&self, buffer: &mut Buffer) -> Seen;
    /// The window's title.
    fn title(&self) -> String;
    /// When it wants to be drawn although nothing happens, beside every full second.
    fn wake(&self) -> Option<Duration>;
}

/// The terminal with its event stream, over every screen of one console.
pub struct Screen {
    pub(super) guard: Guard,
    /// What is typed; nobody reads it while the screen has stepped aside.
    pub(super) keys: Option<EventStream>,
    pub(super) signals: Signals,
    opened: Instant,
    opened_at: Timestamp,
    /// The stream of keys ended; it would do so again and again.
    deaf: bool,
}

pub(super) struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "the console was told to end (SIGTERM)",
            _ = self.hang_up.recv() => "the terminal hung up (SIGHUP)",
            _ = self.interrupt.recv() => "the console was interrupted (SIGINT)",
        }
    }
}

impl Screen {
    /// Takes the terminal over; dropping the screen gives it back as it was, and so do a panic of
    /// this thread and the signals that end a process. Must be called within a tokio runtime, on
    /// the thread that will run its screens.
    ///
    /// # Errors
    /// Standard input or output is no terminal, or it refuses a mode.
    pub fn open(theme: Theme) -> io::Result<Self> {
        let signals = Signals::new()?;
        let guard = Guard::open(theme)?;
        Ok(Self {
            guard,
            keys: Some(EventStream::new()),
            signals,
            opened: Instant::now(),
            opened_at: Timestamp::now(),
            deaf: false,
        })
    }

    pub(super) fn now(&self) -> Now {
        let mono = self.opened.elapsed();
        let wall = self.opened_at.checked_add(mono).unwrap_or(self.opened_at);
        Now { wall, mono }
    }

    fn draw(&mut self, page: &impl Page) -> io::Result<Seen> {
        self.guard.draw(&page.title(), |buffer| {
            let seen = page.view(buffer);
            let cursor = seen.cursor;
            (seen, cursor)
        })
    }

    /// Runs one screen until it leaves. With a `feed`, decisions go into it and updates come out.
    pub(super) async fn show<P: Page>(
        &mut self,
        page: &mut P,
        mut feed: Option<&mut RunHandle>,
    ) -> io::Result<P::Exit> {
        let mut batch = Vec::new();
        let mut next_frame = Instant::now();
        let mut dirty = true;
        let mut open = feed.is_some();
        loop {
            let mut msgs = Vec::new();
            if dirty && Instant::now() >= next_frame {
                msgs.push(Msg::Painted(self.draw(page)?));
                next_frame = Instant::now() + FRAME;
                dirty = false;
            } else {
                let wake = if dirty {
                    next_frame
                } else {
                    self.next_wake(page, next_frame)
                };
                let updates = feed
                    .as_deref_mut()
                    .filter(|_| open)
                    .map(|feed| &mut feed.updates);
                self.wait(wake, updates, &mut batch, &mut msgs).await?;
                dirty = true;
            }
            let mut msgs = VecDeque::from(msgs);
            while let Some(msg) = msgs.pop_front() {
                open &= !matches!(msg, Msg::FeedClosed);
                for cmd in page.update(self.now(), msg) {
                    match cmd {
                        Cmd::Send(input) => {
                            if let Some(feed) = &feed {
                                // A runner that is gone has said so through the updates.
                                let _ = feed.inputs.send(input);
                            }
                        }
                        Cmd::Ring => self.guard.bell()?,
                        Cmd::Redraw => self.guard.clear()?,
                        Cmd::Shell(host) => {
                            let left = match feed.as_deref_mut() {
                                Some(feed) => self.shell(page, feed, &host).await?,
                                None => Left::default(),
                            };
                            open &= !left.closed;
                            msgs.push_back(Msg::ShellLeft(left.words));
                            msgs.extend(left.signal.map(Msg::Ending));
                            dirty = true;
                        }
                        Cmd::Leave(exit) => return Ok(exit),
                    }
                }
            }
        }
    }

    /// The next full second, or earlier if the page wants it.
    fn next_wake(&self, page: &impl Page, next_frame: Instant) -> Instant {
        let mono = self.opened.elapsed();
        let second = Duration::from_secs(mono.as_secs() + 1);
        let wake = page
            .wake()
            .filter(|wake| *wake > mono)
            .map_or(second, |wake| wake.min(second));
        (self.opened + wake).max(next_frame)
    }

    async fn wait(
        &mut self,
        wake: Instant,
        updates: Option<&mut mpsc::UnboundedReceiver<Update>>,
        batch: &mut Vec<Update>,
        msgs: &mut Vec<Msg>,
    ) -> io::Result<()> {
        let taken = async {
            match updates {
                Some(updates) => updates.recv_many(batch, BATCH).await,
                None => pending().await,
            }
        };
        let keys = &mut self.keys;
        let typed = async {
            match keys.as_mut().filter(|_| !self.deaf) {
                Some(keys) => keys.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            why = self.signals.next() => msgs.push(Msg::Ending(why)),
            event = typed => match event {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    msgs.push(Msg::Key(key));
                }
                Some(Ok(Event::Paste(text))) => msgs.push(Msg::Paste(text)),
                Some(Ok(_)) => msgs.push(Msg::Tick),
                Some(Err(error)) => return Err(error),
                None => {
                    self.deaf = true;
                    msgs.push(Msg::Ending("the terminal is gone"));
                }
            },
            Some(place) = self.guard.panics.recv() => msgs.push(Msg::Panicked(place)),
            count = taken => {
                msgs.push(Msg::Updates(std::mem::take(batch)));
                if count == 0 {
                    msgs.push(Msg::FeedClosed);
                }
            }
            () = sleep_until(wake) => msgs.push(Msg::Tick),
        }
        Ok(())
    }
}

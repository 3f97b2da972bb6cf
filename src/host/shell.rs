//! A person's own shell on a host: a terminal there, over a session of its own that logs in and
//! checks keys as every other does. What is typed and printed passes through as it is.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use ssh2::{Channel, ExtendedData};
use tokio::sync::{mpsc, oneshot};

use super::connect::connect;
use super::error::HostError;
use super::hosts::Host;
use super::link::{Cancel, Limit, Link, Stopped, Wake};
use super::policy::Deed;
use super::shared::Shared;

/// Chunks of output that wait for the terminal before the host is held up.
const WAITING: usize = 64;
/// Of one read.
const CHUNK: usize = 16 << 10;

/// The size of a terminal, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

enum Typed {
    Bytes(Vec<u8>),
    Resized(Window),
}

/// A shell that is open. Dropping it cuts its connection.
pub struct Shell {
    typed: Sender<Typed>,
    printed: mpsc::Receiver<Vec<u8>>,
    ended: oneshot::Receiver<Result<i32, HostError>>,
    given_up: Arc<AtomicBool>,
    wake: Arc<Wake>,
}

impl Shell {
    /// Sends what was typed.
    pub fn send(&self, bytes: Vec<u8>) {
        self.tell(Typed::Bytes(bytes));
    }

    /// Tells the host that the terminal has another size.
    pub fn resize(&self, window: Window) {
        self.tell(Typed::Resized(window));
    }

    /// What the host printed next; `None` once the shell is over.
    pub async fn printed(&mut self) -> Option<Vec<u8>> {
        self.printed.recv().await
    }

    /// How it ended: the shell's exit status.
    ///
    /// # Errors
    /// Why its connection was lost.
    pub async fn ended(mut self) -> Result<i32, HostError> {
        let ended = (&mut self.ended).await;
        ended.unwrap_or(Err(HostError::Closed))
    }

    fn tell(&self, typed: Typed) {
        // A shell that is over says so by its end.
        let _ = self.typed.send(typed);
        self.wake.notify();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.wake.notify();
    }
}

impl Host {
    /// Opens a shell for a person, on a terminal of this kind (`TERM`) and size. It is none of the
    /// run's own sessions, and nothing of it reaches the output sink.
    ///
    /// # Errors
    /// [`HostError::PolicyRefused`] in a drill on a host of the protected site; else why there is
    /// no shell.
    pub async fn shell(&self, terminal: &str, window: Window) -> Result<Shell, HostError> {
        let shared = self.shared().clone();
        shared.run.policy.permit(Deed::Shell {
            host: self.name(),
            role: self.role(),
        })?;
        let lost = |error: std::io::Error| HostError::Lost(format!("no thread: {error}"));
        let wake = Arc::new(Wake::new().map_err(lost)?);
        let given_up = Arc::new(AtomicBool::new(false));
        let (typed, keys) = channel();
        let (out, printed) = mpsc::channel(WAITING);
        let (opened, is_open) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let shell = Shell {
            typed,
            printed,
            ended,
            given_up: given_up.clone(),
            wake: wake.clone(),
        };
        let session = Session {
            shared,
            wake,
            cancel: Cancel {
                given_up,
                closed: Arc::default(),
            },
            terminal: terminal.to_owned(),
            window,
        };
        let runtime = tokio::runtime::Handle::try_current();
        std::thread::Builder::new()
            .name(format!("{} shell", self.name()))
            .spawn(move || {
                // A hop carries its connections in the runtime's tasks.
                let _within = runtime.as_ref().ok().map(|runtime| runtime.enter());
                session.serve(opened, &keys, &out, end);
            })
            .map_err(lost)?;
        is_open.await.unwrap_or(Err(HostError::Closed))?;
        Ok(shell)
    }
}

/// What lives on the shell's thread.
struct Session {
    shared: Arc<Shared>,
    wake: Arc<Wake>,
    cancel: Cancel,
    terminal: String,
    window: Window,
}

impl Session {
    fn serve(
        self,
        opened: oneshot::Sender<Result<(), HostError>>,
        keys: &Receiver<Typed>,
        out: &mpsc::Sender<Vec<u8>>,
        end: oneshot::Sender<Result<i32, HostError>>,
    ) {
        let (mut link, mut channel) = match self.open() {
            Ok(open) => open,
            Err(error) => {
                let _ = opened.send(Err(error));
                return;
            }
        };
        if opened.send(Ok(())).is_err() {
            return;
        }
        let ended = self
            .carry(&mut link, &mut channel, keys, out)
            .map_err(|stopped| stopped.during("the shell"));
        link.leave();
        let _ = end.send(ended);
    }

    fn limit(&self) -> Limit {
        Limit::new(self.shared.run.limits.file, &self.cancel)
    }

    fn open(&self) -> Result<(Link, Channel), HostError> {
        let mut link = connect(&self.shared, &self.wake, &self.cancel)?;
        let channel = self
            .open_terminal(&mut link)
            .map_err(|stopped| stopped.during("opening a shell"))?;
        Ok((link, channel))
    }

    fn open_terminal(&self, link: &mut Link) -> Result<Channel, Stopped> {
        let limit = self.limit();
        let mut channel = link.open_channel(&limit)?;
        let Window { columns, rows } = self.window;
        let size = Some((u32::from(columns), u32::from(rows), 0, 0));
        link.drive(&limit, |_| channel.request_pty(&self.terminal, None, size))?;
        link.drive(&limit, |_| {
            channel.handle_extended_data(ExtendedData::Merge)
        })?;
        link.drive(&limit, |_| channel.shell())?;
        Ok(channel)
    }

    /// Carries keys there and output here until the shell is over.
    fn carry(
        &self,
        link: &mut Link,
        channel: &mut Channel,
        keys: &Receiver<Typed>,
        out: &mpsc::Sender<Vec<u8>>,
    ) -> Result<i32, Stopped> {
        let mut pending = Vec::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            let limit = self.limit();
            limit.left()?;
            match keys.try_recv() {
                Ok(Typed::Bytes(bytes)) => {
                    pending.extend(bytes);
                    continue;
                }
                Ok(Typed::Resized(Window { columns, rows })) => {
                    let size = (u32::from(columns), u32::from(rows));
                    link.drive(&limit, |_| {
                        channel.request_pty_size(size.0, size.1, None, None)
                    })?;
                    continue;
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(Stopped::Cancelled),
            }
            let mut moved = false;
            if !pending.is_empty()
                && let Some(count) = link.attempt(&limit, || channel.write(&pending))?
            {
                pending.drain(..count);
                moved |= count > 0;
            }
            match link.attempt(&limit, || channel.read(&mut chunk))? {
                Some(0) if channel.eof() => break,
                Some(0) | None => {}
                Some(count) => {
                    moved = true;
                    if out.blocking_send(chunk[..count].to_vec()).is_err() {
                        return Err(Stopped::Cancelled);
                    }
                }
            }
            if !moved {
                link.idle(true)?;
            }
        }
        let limit = self.limit();
        link.drive(&limit, |_| channel.close())?;
        Ok(channel.exit_status().unwrap_or_default())
    }
}

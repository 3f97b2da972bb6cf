//! A person's own shell on a host: the screen steps aside, keys and output pass through as they are,
//! and the run goes on being heard.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use crossterm::event::EventStream;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::host::{Host, Shell, Window};
use crate::names::HostName;
use crate::runner::RunHandle;

use super::page::{BATCH, Cmd, Msg, Page, Screen};
use super::text;

/// What Ctrl-C sends.
const INTERRUPT: u8 = 0x03;

/// How a shell was left.
#[derive(Debug)]
pub(super) struct Left {
    /// What came of it; the error is that there was none, or that it broke.
    pub words: Result<String, String>,
    /// A signal that the console got meanwhile.
    pub signal: Option<&'static str>,
    /// No more updates will come.
    pub closed: bool,
}

impl Default for Left {
    fn default() -> Self {
        Self {
            words: Err("there is no shell here".to_owned()),
            signal: None,
            closed: false,
        }
    }
}

impl Screen {
    /// Gives the terminal to a shell on a host until the shell ends, is cut off or a signal comes.
    pub(super) async fn shell<P: Page>(
        &mut self,
        page: &mut P,
        feed: &mut RunHandle,
        host: &HostName,
    ) -> io::Result<Left> {
        let found = feed.hosts.as_ref().and_then(|hosts| hosts.host(host));
        let Some(host) = found else {
            return Ok(Left::default());
        };
        // Dropped before another is made: its thread must not read on beside this one.
        self.keys = None;
        self.guard.step_aside()?;
        let left = self.pass_through(page, feed, &host).await;
        self.guard.step_back()?;
        self.keys = Some(EventStream::new());
        left
    }

    async fn pass_through<P: Page>(
        &mut self,
        page: &mut P,
        feed: &mut RunHandle,
        host: &Host,
    ) -> io::Result<Left> {
        print(&intro(host))?;
        let mut keys = Keys::read()?;
        let terminal = std::env::var("TERM").unwrap_or_else(|_| "vt100".to_owned());
        let mut left = Left::default();
        let opening = host.shell(&terminal, window());
        let opened = tokio::select! {
            biased;
            why = self.signals.next() => {
                left.signal = Some(why);
                return Ok(left);
            }
            () = keys.interrupted() => {
                left.words = Err(format!("no shell on {}: given up", host.name()));
                return Ok(left);
            }
            opened = opening => opened,
        };
        let shell = match opened {
            Ok(shell) => shell,
            Err(error) => {
                left.words = Err(format!(
                    "no shell on {}: {}",
                    host.name(),
                    error.fault(host.name()).what
                ));
                return Ok(left);
            }
        };
        self.carry(page, feed, shell, &mut keys, &mut left).await?;
        let on = host.name();
        left.words = match left.words {
            Ok(how) => Ok(format!("shell on {on} {how}; its step looks again")),
            Err(why) => Err(format!("shell on {on}: {why}")),
        };
        Ok(left)
    }

    async fn carry<P: Page>(
        &mut self,
        page: &mut P,
        feed: &mut RunHandle,
        mut shell: Shell,
        keys: &mut Keys,
        left: &mut Left,
    ) -> io::Result<()> {
        let mut resized = signal(SignalKind::window_change())?;
        let mut escape = Escape::default();
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                why = self.signals.next() => {
                    left.signal = Some(why);
                    left.words = Err("cut off by a signal".to_owned());
                    return Ok(());
                }
                typed = keys.typed.recv() => {
                    let Some(typed) = typed else {
                        left.words = Err("the terminal is gone".to_owned());
                        return Ok(());
                    };
                    let (bytes, cut) = escape.filter(&typed);
                    if cut {
                        left.words = Ok("was cut off (~.)".to_owned());
                        return Ok(());
                    }
                    shell.send(bytes);
                }
                _ = resized.recv() => shell.resize(window()),
                printed = shell.printed() => match printed {
                    Some(bytes) => print(&bytes)?,
                    None => {
                        left.words = match shell.ended().await {
                            Ok(status) => Ok(format!("ended with status {status}")),
                            Err(error) => Err(error.to_string()),
                        };
                        return Ok(());
                    }
                },
                count = feed.updates.recv_many(&mut batch, BATCH), if !left.closed => {
                    let mut msgs = vec![Msg::Updates(std::mem::take(&mut batch))];
                    if count == 0 {
                        left.closed = true;
                        msgs.push(Msg::FeedClosed);
                    }
                    for cmd in msgs.into_iter().flat_map(|msg| page.update(self.now(), msg)) {
                        match cmd {
                            Cmd::Ring => print(b"\x07")?,
                            Cmd::Send(input) => {
                                let _ = feed.inputs.send(input);
                            }
                            // The run is over or was left: the page says so again at the next look.
                            Cmd::Leave(_) => {
                                left.words = Err("the run was left meanwhile".to_owned());
                                return Ok(());
                            }
                            Cmd::Redraw | Cmd::Shell(_) => {}
                        }
                    }
                }
            }
        }
    }
}

/// What stands above the shell's first line.
fn intro(host: &Host) -> Vec<u8> {
    let lines = [
        format!("-- a shell on {} ({}) --", host.name(), host.address()),
        "exit or Ctrl-D ends it; Enter ~ . cuts it off.".to_owned(),
        "Lifeboat does not record what is typed here.".to_owned(),
        "Nothing new starts until you are back.".to_owned(),
    ];
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend_from_slice(text::clean(&line).as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

fn window() -> Window {
    let (columns, rows) = crossterm::terminal::size().unwrap_or((80, 24));
    Window { columns, rows }
}

/// What is typed, read on a thread of its own until this is dropped.
struct Keys {
    typed: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Its end is the signal.
    _stop: UnixStream,
}

impl Keys {
    fn read() -> io::Result<Self> {
        let (stop, stopped) = UnixStream::pair()?;
        let (out, typed) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("shell keys".to_owned())
            .spawn(move || read_keys(&stopped, &out))?;
        Ok(Self { typed, _stop: stop })
    }

    /// Waits for Ctrl-C; everything else that is typed meanwhile is forgotten.
    async fn interrupted(&mut self) {
        while let Some(typed) = self.typed.recv().await {
            if typed.contains(&INTERRUPT) {
                return;
            }
        }
    }
}

fn read_keys(stopped: &UnixStream, out: &mpsc::UnboundedSender<Vec<u8>>) {
    let stdin = io::stdin();
    let mut chunk = [0; 4096];
    loop {
        let (keys, stop) = {
            let mut fds = [
                PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN),
                PollFd::new(stopped, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) => (fds[0].revents(), fds[1].revents()),
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
            }
        };
        if !stop.is_empty() {
            return;
        }
        if keys.is_empty() {
            continue;
        }
        match rustix::io::read(stdin.as_fd(), &mut chunk) {
            Ok(0) => return,
            Ok(count) if out.send(chunk[..count].to_vec()).is_ok() => {}
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// Finds `~.` at the beginning of a line, as ssh does.
#[derive(Debug)]
struct Escape {
    at_start: bool,
    tilde: bool,
}

impl Default for Escape {
    fn default() -> Self {
        Self {
            at_start: true,
            tilde: false,
        }
    }
}

impl Escape {
    /// What goes to the host, and whether the shell is to be cut off.
    fn filter(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut bytes = Vec::with_capacity(typed.len() + 1);
        for byte in typed {
            if std::mem::take(&mut self.tilde) {
                match byte {
                    b'.' => return (bytes, true),
                    b'~' => {}
                    _ => bytes.push(b'~'),
                }
            } else if self.at_start && *byte == b'~' {
                self.tilde = true;
                continue;
            }
            bytes.push(*byte);
            self.at_start = matches!(byte, b'\r' | b'\n');
        }
        (bytes, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(chunks: &[&str]) -> (String, bool) {
        let mut escape = Escape::default();
        let mut all = Vec::new();
        for chunk in chunks {
            let (bytes, cut) = escape.filter(chunk.as_bytes());
            all.extend(bytes);
            if cut {
                return (String::from_utf8(all).unwrap(), true);
            }
        }
        (String::from_utf8(all).unwrap(), false)
    }

    #[test]
    fn only_a_tilde_and_a_dot_at_the_beginning_of_a_line_cut_a_shell_off() {
        assert_eq!(filtered(&["ls ~.\r"]), ("ls ~.\r".to_owned(), false));
        assert_eq!(filtered(&["~."]), (String::new(), true));
        assert_eq!(filtered(&["ls\r", "~", "."]), ("ls\r".to_owned(), true));
        assert_eq!(filtered(&["~~.\r"]), ("~.\r".to_owned(), false));
        assert_eq!(filtered(&["~/x\r"]), ("~/x\r".to_owned(), false));
    }
}

//! One SSH connection on its thread: libssh2 without blocking, and every wait in one place.
//!
//! libssh2 says "again" instead of waiting; [`Link::drive`] then waits on the socket with a
//! deadline, a way to cancel, and keepalives. If a packet left only in part, nothing else may be
//! sent before its rest, so the same call is repeated until it is through.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::{BlockDirections, Channel, ErrorCode, Session};

use super::error::HostError;
use super::wire::Wire;

/// A host that answers none of so many is gone.
const MAX_UNANSWERED: u32 = 3;

/// How often a channel is asked for again after the host refused one, and how soon.
const REFUSED_CHANNELS: u32 = 5;
const BETWEEN_CHANNELS: Duration = Duration::from_millis(50);

/// libssh2's codes that need a distinction; see `libssh2.h`.
pub(super) mod code {
    pub(crate) const EAGAIN: i32 = -37;
    pub(crate) const KEX_FAILURE: i32 = -5;
    pub(crate) const KEY_EXCHANGE_FAILURE: i32 = -8;
    pub(crate) const PASSWORD_EXPIRED: i32 = -15;
    pub(crate) const FILE: i32 = -16;
    pub(crate) const METHOD_NONE: i32 = -17;
    pub(crate) const AUTHENTICATION_FAILED: i32 = -18;
    pub(crate) const PUBLICKEY_UNVERIFIED: i32 = -19;
    pub(crate) const CHANNEL_FAILURE: i32 = -21;
    pub(crate) const CHANNEL_REQUEST_DENIED: i32 = -22;
    pub(crate) const SFTP_PROTOCOL: i32 = -31;
    pub(crate) const KEYFILE_AUTH_FAILED: i32 = -48;
    pub(crate) const ALGO_UNSUPPORTED: i32 = -51;
}

/// SFTP's code for "failed, no further reason".
const FX_FAILURE: i32 = 4;

/// Rouses a session's thread from its wait.
pub(super) struct Wake {
    reader: UnixStream,
    writer: UnixStream,
}

impl Wake {
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self { reader, writer })
    }

    pub(super) fn notify(&self) {
        // A full pipe already wakes the reader.
        let _ = io::Write::write(&mut &self.writer, &[1]);
    }

    fn drain(&self) {
        let mut bytes = [0; 64];
        while matches!(io::Read::read(&mut &self.reader, &mut bytes), Ok(n) if n > 0) {}
    }

    /// Sleeps until the next [`notify`](Self::notify).
    pub(super) fn wait(&self) {
        let mut fds = [PollFd::new(&self.reader, PollFlags::IN)];
        let _ = poll(&mut fds, None);
        self.drain();
    }
}

/// Until when something may take, and whether it is still wanted.
#[derive(Clone)]
pub(super) struct Limit {
    pub(super) started: Instant,
    pub(super) allowed: Duration,
    pub(super) cancel: Cancel,
}

impl Limit {
    pub(super) fn new(allowed: Duration, cancel: &Cancel) -> Self {
        Self {
            started: Instant::now(),
            allowed,
            cancel: cancel.clone(),
        }
    }

    /// Time left; an error once it is up or nobody waits any more.
    pub(super) fn left(&self) -> Result<Duration, Stopped> {
        if self.cancel.is_set() {
            return Err(Stopped::Cancelled);
        }
        self.allowed
            .checked_sub(self.started.elapsed())
            .filter(|left| !left.is_zero())
            .ok_or(Stopped::TimedOut(self.allowed))
    }
}

/// Set once a caller gave up or its lane closes.
#[derive(Clone)]
pub(super) struct Cancel {
    pub(super) given_up: Arc<AtomicBool>,
    pub(super) closed: Arc<AtomicBool>,
}

impl Cancel {
    pub(super) fn is_set(&self) -> bool {
        self.given_up.load(Ordering::Relaxed) || self.closed.load(Ordering::Relaxed)
    }
}

/// Why something on a link came to no end.
#[derive(Debug)]
pub(super) enum Stopped {
    TimedOut(Duration),
    Cancelled,
    /// libssh2's error, its code with it.
    Ssh(i32, String),
    /// The SFTP server's answer, its code with it.
    Sftp(i32, String),
}

impl Stopped {
    /// The error of `what` (a noun: "opening a session").
    pub(super) fn during(self, what: &str) -> HostError {
        match self {
            Self::TimedOut(after) => HostError::TimedOut {
                what: what.to_owned(),
                after,
            },
            Self::Cancelled => HostError::Cancelled,
            Self::Ssh(_, message) => HostError::Lost(format!("{what}: {message}")),
            Self::Sftp(_, message) => HostError::Lost(format!("{what}: {message}")),
        }
    }
}

impl From<ssh2::Error> for Stopped {
    fn from(error: ssh2::Error) -> Self {
        match error.code() {
            ErrorCode::Session(code) => Self::Ssh(code, error.message().to_owned()),
            ErrorCode::SFTP(code) => Self::Sftp(code, error.message().to_owned()),
        }
    }
}

/// A connection with its session.
pub(super) struct Link {
    /// A channel that never runs anything: reading from it is the only way that ssh2 offers to
    /// let libssh2 take in what the host sends between commands (keepalives, new keys, goodbye).
    pump: Option<Channel>,
    session: Session,
    socket: Wire,
    wake: Arc<Wake>,
    /// When the host was heard, or asked for a sign of life, last.
    pinged: Instant,
    unanswered: u32,
    /// After so long without a byte from the host it is asked for a sign of life.
    keepalive: Duration,
    established: bool,
    /// The host's login shell prints words before each command.
    greeted: bool,
}

impl Link {
    /// Takes a connected socket; nothing is exchanged yet.
    pub(super) fn new(socket: Wire, wake: Arc<Wake>, keepalive: Duration) -> Result<Self, Stopped> {
        let lost = |error: io::Error| Stopped::Ssh(0, error.to_string());
        let mut session = Session::new()?;
        socket.set_nonblocking(true).map_err(lost)?;
        session.set_tcp_stream(socket.try_clone().map_err(lost)?);
        session.set_blocking(false);
        // Dropping an open SFTP file makes ssh2 block; this bounds it.
        session.set_timeout(1000);
        session.set_keepalive(true, 1);
        Ok(Self {
            pump: None,
            session,
            socket,
            wake,
            pinged: Instant::now(),
            unanswered: 0,
            keepalive,
            established: false,
            greeted: false,
        })
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Whether what a command prints comes behind words of the login shell.
    pub(super) fn greeted(&self) -> bool {
        self.greeted
    }

    pub(super) fn set_greeted(&mut self, greeted: bool) {
        self.greeted = greeted;
    }

    pub(super) fn handshake(&mut self, limit: &Limit) -> Result<(), Stopped> {
        // `handshake` wants the session mutably, though all of it is behind a lock.
        let mut session = self.session.clone();
        self.drive(limit, |_| session.handshake())
    }

    /// To be called once logged in: keepalives start, and idle traffic is taken in.
    pub(super) fn establish(&mut self, limit: &Limit) -> Result<(), Stopped> {
        self.established = true;
        match self.drive(limit, |session| session.channel_session()) {
            Ok(channel) => self.pump = Some(channel),
            // A host that allows a single channel gets none of ours.
            Err(Stopped::Ssh(code::CHANNEL_FAILURE, _)) => {}
            Err(stopped) => return Err(stopped),
        }
        Ok(())
    }

    /// A channel for a command. A host that allows a single one may not have put away the last
    /// yet, and that single one must not be the one that runs nothing.
    pub(super) fn open_channel(&mut self, limit: &Limit) -> Result<Channel, Stopped> {
        let mut tries = 0;
        loop {
            match self.drive(limit, |session| session.channel_session()) {
                Err(Stopped::Ssh(code::CHANNEL_FAILURE, detail)) => {
                    if let Some(mut pump) = self.pump.take() {
                        self.drive(limit, |_| pump.close())?;
                    } else if tries < REFUSED_CHANNELS {
                        tries += 1;
                        std::thread::sleep(BETWEEN_CHANNELS);
                    } else {
                        return Err(Stopped::Ssh(code::CHANNEL_FAILURE, detail));
                    }
                }
                result => return result,
            }
        }
    }

    /// Repeats `op` until it no longer says "again".
    pub(super) fn drive<T>(
        &mut self,
        limit: &Limit,
        mut op: impl FnMut(&Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, Stopped> {
        loop {
            match op(&self.session) {
                Err(error) if error.code() == ErrorCode::Session(code::EAGAIN) => {
                    self.wait(limit)?
                }
                result => return result.map_err(Stopped::from),
            }
        }
    }

    /// Tries `op` once; `None` means that nothing can be done before the host sends more. A packet
    /// that left in part is completed first.
    pub(super) fn attempt<T>(
        &mut self,
        limit: &Limit,
        mut op: impl FnMut() -> io::Result<T>,
    ) -> Result<Option<T>, Stopped> {
        loop {
            match op() {
                Ok(value) => return Ok(Some(value)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.sends() {
                        return Ok(None);
                    }
                    self.wait(limit)?;
                }
                Err(error) => return Err(self.stopped_by(&error)),
            }
        }
    }

    /// `io::Error` loses libssh2's code, which the session still has.
    fn stopped_by(&self, error: &io::Error) -> Stopped {
        match ssh2::Error::last_session_error(&self.session).map(|error| error.code()) {
            Some(ErrorCode::Session(code::SFTP_PROTOCOL)) => {
                Stopped::Sftp(FX_FAILURE, error.to_string())
            }
            Some(ErrorCode::Session(code)) => Stopped::Ssh(code, error.to_string()),
            _ => Stopped::Ssh(0, error.to_string()),
        }
    }

    /// Whether the rest of a packet waits for the socket.
    fn sends(&self) -> bool {
        matches!(
            self.session.block_directions(),
            BlockDirections::Outbound | BlockDirections::Both
        )
    }

    /// Waits until the socket is ready, the limit is reached, or the host proves dead.
    pub(super) fn wait(&mut self, limit: &Limit) -> Result<(), Stopped> {
        loop {
            let left = limit.left()?;
            if self.poll(left.min(self.until_ping()))? {
                return Ok(());
            }
            self.keep_alive()?;
        }
    }

    /// The same between two jobs: until the socket is ready, a keepalive is due, or somebody calls
    /// [`Wake::notify`]. What arrives is taken in, unless somebody `reads` next.
    pub(super) fn idle(&mut self, reads: bool) -> Result<(), Stopped> {
        if !self.poll(self.until_ping())? {
            self.keep_alive()
        } else if reads {
            Ok(())
        } else {
            self.take_in()
        }
    }

    /// Cuts the connection, so that nothing that is still to be freed waits for a host that hangs, and
    /// nothing that is still on its way gets there.
    pub(super) fn cut(&self) {
        self.socket.cut();
    }

    /// Ends a connection that is at rest. Says goodbye if that can leave at once.
    pub(super) fn leave(&self) {
        if self.established
            && !self.sends()
            && self.unanswered == 0
            && self.socket.deliver().is_ok()
        {
            let _ = self.session.disconnect(None, "bye", None);
        }
        self.cut();
    }

    /// Lets libssh2 process what arrived between two commands.
    fn take_in(&mut self) -> Result<(), Stopped> {
        let Some(pump) = &mut self.pump else {
            // Without a channel nothing can be read: only an end can have come.
            return Err(Stopped::Ssh(
                0,
                "the host spoke while nothing was asked".to_owned(),
            ));
        };
        match io::Read::read(pump, &mut [0; 64]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Ok(0) if pump.eof() => {
                self.pump = None;
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(self.stopped_by(&error)),
        }
    }

    fn until_ping(&self) -> Duration {
        self.keepalive.saturating_sub(self.pinged.elapsed())
    }

    /// Sends a keepalive if one is due. To be called only after the socket had nothing to say:
    /// a console that was suspended must not take its own sleep for the host's silence.
    fn keep_alive(&mut self) -> Result<(), Stopped> {
        if !self.established || self.pinged.elapsed() < self.keepalive {
            return Ok(());
        }
        if self.unanswered == MAX_UNANSWERED {
            let silence = self.keepalive * (MAX_UNANSWERED + 1);
            return Err(Stopped::Ssh(
                0,
                format!("no sign of life for {} s", silence.as_secs_f32()),
            ));
        }
        self.pinged = Instant::now();
        self.unanswered += 1;
        // Behind the rest of a packet nothing may be sent; that the host takes no rest is silence too.
        if !self.sends() {
            self.session.keepalive_send()?;
        }
        Ok(())
    }

    /// Whether the socket became ready within `timeout`.
    fn poll(&mut self, timeout: Duration) -> Result<bool, Stopped> {
        let wanted = if self.sends() {
            PollFlags::OUT
        } else {
            PollFlags::IN
        };
        let timeout = Timespec::try_from(timeout).ok();
        let (ready, woken) = {
            let mut fds = [
                PollFd::new(&self.socket, wanted),
                PollFd::new(&self.wake.reader, PollFlags::IN),
            ];
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) => (fds[0].revents(), !fds[1].revents().is_empty()),
                Err(rustix::io::Errno::INTR) => return Ok(false),
                Err(error) => return Err(Stopped::Ssh(0, error.to_string())),
            }
        };
        if woken {
            self.wake.drain();
        }
        if ready.contains(PollFlags::IN) {
            self.pinged = Instant::now();
            self.unanswered = 0;
        }
        Ok(!ready.is_empty())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut();
    }
}

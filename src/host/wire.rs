//! What bytes travel over: a connection of this machine's own, or the near end of one that a hop
//! carries on.
//!
//! The near end is one of a pair of sockets that no other process can open, not a port of loopback
//! that any process could connect to.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connected stream.
#[derive(Debug)]
pub(super) enum Wire {
    Direct(TcpStream),
    ThroughHop(UnixStream),
}

/// A stream as russh takes it.
pub(super) trait AsyncStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> AsyncStream for S {}

/// Calls the same method of either stream.
macro_rules! either {
    ($wire:expr, $stream:ident => $call:expr) => {
        match $wire {
            Wire::Direct($stream) => $call,
            Wire::ThroughHop($stream) => $call,
        }
    };
}

impl Wire {
    /// A connection of which nothing is delivered once it is closed, even by a crash: what the other
    /// side has not acknowledged by then would be sent again and again, and a command that was given up
    /// for lost could start long after.
    pub(super) fn direct(stream: TcpStream) -> io::Result<Self> {
        set_socket_linger(&stream, Some(Duration::ZERO))?;
        Ok(Self::Direct(stream))
    }

    /// Has what is on its way delivered after all when it is closed.
    pub(super) fn deliver(&self) -> io::Result<()> {
        either!(self, stream => Ok(set_socket_linger(stream, None)?))
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Direct(stream) => Self::Direct(stream.try_clone()?),
            Self::ThroughHop(stream) => Self::ThroughHop(stream.try_clone()?),
        })
    }

    pub(super) fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        either!(self, stream => stream.set_nonblocking(on))
    }

    /// How long each read and each write may take.
    pub(super) fn set_patience(&self, most: Duration) -> io::Result<()> {
        either!(self, stream => {
            stream.set_read_timeout(Some(most))?;
            stream.set_write_timeout(Some(most))
        })
    }

    /// Ends it for both sides and all its clones.
    pub(super) fn cut(&self) {
        let _ = either!(self, stream => stream.shutdown(Shutdown::Both));
    }

    /// To be called within a runtime.
    pub(super) fn into_async(self) -> io::Result<Box<dyn AsyncStream>> {
        self.set_nonblocking(true)?;
        Ok(match self {
            Self::Direct(stream) => Box::new(tokio::net::TcpStream::from_std(stream)?),
            Self::ThroughHop(stream) => Box::new(tokio::net::UnixStream::from_std(stream)?),
        })
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.read(buffer))
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, stream => stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        either!(self, stream => stream.flush())
    }
}

impl AsRawFd for Wire {
    fn as_raw_fd(&self) -> RawFd {
        either!(self, stream => stream.as_raw_fd())
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, stream => stream.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Bytes that the other side gets of what no longer fits on its way.
    fn arrived(close: impl Fn(Wire)) -> (usize, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let mut wire = Wire::direct(near).unwrap();
        wire.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(count) = wire.write(&[0; 64 << 10]) {
            sent += count;
        }
        close(wire);
        let (mut got, mut buffer) = (0, vec![0; 64 << 10]);
        while let Ok(count @ 1..) = far.read(&mut buffer) {
            got += count;
        }
        (sent, got)
    }

    #[test]
    fn what_is_on_its_way_when_a_connection_is_given_up_never_arrives() {
        let (sent, got) = arrived(|wire| wire.cut());
        assert!(got < sent, "{got} of {sent}");
        let (sent, got) = arrived(|wire| {
            wire.deliver().unwrap();
            wire.cut();
        });
        assert_eq!(got, sent);
    }
}

//! Where a simulated command reads from and writes to.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::pipe::{PipeReader, PipeWriter};
use super::vfs::Vfs;

/// A standard input.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// `/dev/null`
    Null,
    /// Another command, or the SSH client.
    Pipe(Arc<PipeReader>),
    /// A file, with its own position.
    File(Arc<Mutex<File>>),
    /// A here-document.
    Bytes(Arc<Mutex<io::Cursor<Vec<u8>>>>),
    /// `/dev/zero`
    Zero,
}

impl Source {
    /// Reads some bytes; 0 is the end.
    ///
    /// # Errors
    /// `Interrupted` when killed, else the file's.
    pub(crate) fn read(&self, buffer: &mut [u8], killed: &dyn Fn() -> bool) -> io::Result<usize> {
        match self {
            Self::Null => Ok(0),
            Self::Pipe(pipe) => pipe.read(buffer, killed),
            Self::File(file) => {
                if killed() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                file.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .read(buffer)
            }
            Self::Bytes(bytes) => bytes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .read(buffer),
            Self::Zero => {
                if killed() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                buffer.fill(0);
                Ok(buffer.len())
            }
        }
    }
}

/// A file that is written under the rules of its host: a full datastore takes no more.
#[derive(Debug)]
pub(crate) struct OutFile {
    /// The file.
    pub(crate) file: Mutex<File>,
    /// Its real path.
    pub(crate) real: PathBuf,
    /// The tree that it lies in.
    pub(crate) vfs: Arc<Vfs>,
}

/// A standard output or error output.
#[derive(Clone, Debug)]
pub(crate) enum Sink {
    /// `/dev/null`
    Null,
    /// Another command, or the SSH client.
    Pipe(PipeWriter),
    /// A file.
    File(Arc<OutFile>),
    /// A command substitution.
    Capture(Arc<Mutex<Vec<u8>>>),
}

impl Sink {
    /// Writes all of it.
    ///
    /// # Errors
    /// `BrokenPipe`, `Interrupted` when killed, a full datastore, else the file's.
    pub(crate) fn write_all(&self, bytes: &[u8], killed: &dyn Fn() -> bool) -> io::Result<()> {
        match self {
            Self::Null => Ok(()),
            Self::Pipe(pipe) => pipe.write_all(bytes, killed),
            Self::File(out) => {
                if killed() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                out.vfs.make_room(&out.real, bytes.len() as u64)?;
                out.file
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .write_all(bytes)
            }
            Self::Capture(buffer) => {
                buffer
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// The three standard streams.
#[derive(Clone, Debug)]
pub(crate) struct Stdio {
    /// 0
    pub(crate) stdin: Source,
    /// 1
    pub(crate) stdout: Sink,
    /// 2
    pub(crate) stderr: Sink,
}

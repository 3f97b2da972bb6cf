//! A file over SFTP, with a window of requests in flight.

use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use ssh2::{OpenFlags, OpenType, Sftp};

use super::error::HostError;
use super::file::FileError;
use super::link::{Limit, Link, Stopped};

/// A call returns while so many bytes are still unconfirmed.
const IN_FLIGHT: usize = 1 << 20;
/// libssh2 asks for so many times as much as it is asked for; a jump wastes what was on its way.
const ASKED_AHEAD: u64 = 4;
const READ_SIZE: usize = 256 << 10;
/// Of a disk or configuration: its owner's alone.
const FILE_MODE: i32 = 0o600;
/// SFTP's code for a request that the server does not know.
const FX_OP_UNSUPPORTED: i32 = 8;

pub(super) struct SftpFile {
    file: ssh2::File,
    path: String,
    /// Where the first unconfirmed byte belongs.
    offset: u64,
    /// Written and not yet confirmed. libssh2 remembers how much of it is under way, provided that
    /// it always gets the same bytes again, with more behind them.
    pending: Vec<u8>,
    /// Of `pending`, confirmed and not yet removed.
    confirmed: usize,
    /// Where the next sequential read starts; reading elsewhere costs the read-ahead.
    read_offset: u64,
    failed: Option<HostError>,
}

impl SftpFile {
    pub(super) fn open(
        sftp: &Sftp,
        link: &mut Link,
        limit: &Limit,
        path: &str,
        writes: bool,
    ) -> Result<Self, FileError> {
        let flags = if writes {
            OpenFlags::READ | OpenFlags::WRITE | OpenFlags::CREATE
        } else {
            OpenFlags::READ
        };
        let file = link
            .drive(limit, |_| {
                sftp.open_mode(Path::new(path), flags, FILE_MODE, OpenType::File)
            })
            .map_err(|stopped| FileError::of(path, "opening", stopped))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            offset: 0,
            pending: Vec::new(),
            confirmed: 0,
            read_offset: 0,
            failed: None,
        })
    }

    pub(super) fn is_pending(&self) -> bool {
        self.unconfirmed() > 0 && self.failed.is_none()
    }

    /// Where the first byte belongs that was written and is not confirmed.
    pub(super) fn first_unconfirmed(&self) -> Option<u64> {
        (self.unconfirmed() > 0).then_some(self.offset)
    }

    fn unconfirmed(&self) -> usize {
        self.pending.len() - self.confirmed
    }

    pub(super) fn write_at(
        &mut self,
        link: &mut Link,
        limit: &Limit,
        offset: u64,
        data: &[u8],
    ) -> Result<(), FileError> {
        if self.offset + self.unconfirmed() as u64 != offset {
            self.drain(link, limit, 0)?;
            self.seek(offset)?;
        }
        self.pending.extend_from_slice(data);
        self.drain(link, limit, IN_FLIGHT)
    }

    /// Reads up to `len` bytes from the start of a stretch, which is going to be read to its end.
    pub(super) fn read_at(
        &mut self,
        link: &mut Link,
        limit: &Limit,
        run: Range<u64>,
        len: usize,
    ) -> Result<Vec<u8>, FileError> {
        let offset = run.start;
        self.drain(link, limit, 0)?;
        if offset != self.read_offset {
            self.seek(offset)?;
        }
        let mut data = vec![0; len];
        let mut filled = 0;
        while filled < len {
            let file = &mut self.file;
            let left = (run.end - offset).saturating_sub(filled as u64);
            let most = usize::try_from(left / ASKED_AHEAD).unwrap_or(READ_SIZE);
            let end = len.min(filled + most.clamp(1, READ_SIZE));
            match link.attempt(limit, || file.read(&mut data[filled..end])) {
                Ok(Some(0)) => break,
                Ok(Some(count)) => filled += count,
                Ok(None) => link
                    .wait(limit)
                    .map_err(|stopped| self.error("reading", stopped))?,
                Err(stopped) => return Err(self.error("reading", stopped)),
            }
        }
        data.truncate(filled);
        self.read_offset = offset + filled as u64;
        self.offset = self.read_offset;
        Ok(data)
    }

    pub(super) fn finish(
        &mut self,
        link: &mut Link,
        limit: &Limit,
        sync: &Limit,
    ) -> Result<(), FileError> {
        self.drain(link, limit, 0)?;
        let file = &mut self.file;
        match link.drive(sync, |_| file.fsync()) {
            Ok(()) | Err(Stopped::Sftp(FX_OP_UNSUPPORTED, _)) => {}
            Err(stopped) => return Err(self.error("syncing", stopped)),
        }
        let file = &mut self.file;
        link.drive(sync, |_| file.close())
            .map_err(|stopped| self.error("closing", stopped))
    }

    /// Closes it, whatever is still on its way.
    pub(super) fn close(mut self, link: &mut Link, limit: &Limit) -> Result<(), Stopped> {
        match link.drive(limit, |_| self.file.close()) {
            Err(Stopped::Sftp(..)) | Ok(()) => Ok(()),
            Err(stopped) => Err(stopped),
        }
    }

    /// Sends and takes confirmations without waiting; whether anything was confirmed.
    pub(super) fn push(&mut self, link: &mut Link, limit: &Limit) -> Result<bool, Stopped> {
        if !self.is_pending() {
            return Ok(false);
        }
        match self.advance(link, limit) {
            Ok(moved) => Ok(moved),
            Err(Stopped::Sftp(code, detail)) => {
                self.refuse(Stopped::Sftp(code, detail));
                Ok(true)
            }
            Err(stopped) => Err(stopped),
        }
    }

    /// Waits until nothing is on its way; an error is kept for the next call.
    pub(super) fn drain_later(&mut self, link: &mut Link, limit: &Limit) {
        let _ = self.drain(link, limit, 0);
    }

    /// Waits until no more than `rest` bytes are unconfirmed.
    fn drain(&mut self, link: &mut Link, limit: &Limit, rest: usize) -> Result<(), FileError> {
        if let Some(cause) = &self.failed {
            return Err(FileError::Refused(cause.clone()));
        }
        // All of it is handed to libssh2 at least once, also if little enough is unconfirmed.
        let mut handed_over = self.unconfirmed() == 0;
        while self.unconfirmed() > rest || !handed_over {
            handed_over = true;
            let moved = limit
                .left()
                .and_then(|_| self.advance(link, limit))
                .map_err(|stopped| self.refuse(stopped))?;
            if !moved && self.unconfirmed() > rest {
                link.wait(limit).map_err(|stopped| self.refuse(stopped))?;
            }
        }
        Ok(())
    }

    fn advance(&mut self, link: &mut Link, limit: &Limit) -> Result<bool, Stopped> {
        let (file, unconfirmed) = (&mut self.file, &self.pending[self.confirmed..]);
        let count = link
            .attempt(limit, || file.write(unconfirmed))?
            .unwrap_or(0);
        self.confirmed += count;
        self.offset += count as u64;
        if self.confirmed == self.pending.len() || self.confirmed >= IN_FLIGHT {
            self.pending.drain(..self.confirmed);
            self.confirmed = 0;
        }
        Ok(count > 0)
    }

    /// The error of a write; what the host says no to stands for all later calls as well.
    fn refuse(&mut self, stopped: Stopped) -> FileError {
        let error = self.error("writing", stopped);
        if let FileError::Refused(cause) = &error {
            self.failed = Some(cause.clone());
        }
        error
    }

    fn seek(&mut self, offset: u64) -> Result<(), FileError> {
        let sought = self.file.seek(SeekFrom::Start(offset));
        self.offset = offset;
        self.read_offset = offset;
        sought.map(|_| ()).map_err(|error| {
            let cause = HostError::File {
                path: self.path.clone(),
                detail: error.to_string(),
            };
            FileError::Refused(cause)
        })
    }

    fn error(&self, what: &str, stopped: Stopped) -> FileError {
        FileError::of(&self.path, what, stopped)
    }
}

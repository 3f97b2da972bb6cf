//! The one writer of a run's journal.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::engine::{Entry, RunEvent};
use crate::names::{HostName, OpId};

use super::FILE_NAME;
use super::error::JournalError;
use super::holder::Holder;
use super::intent::Intent;
use super::line::{ZERO_HASH, encode};
use super::reader::{ReadJournal, read_from};
use super::store::{sync_folder, write_private};

/// The writer of one run's journal. It holds the file's lock as long as it lives.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    clock: Clock,
    clock_back: Option<SignedDuration>,
    seq: u64,
    last_at: Option<Timestamp>,
    head: String,
    licence: Option<(u64, OpId, HostName)>,
    poisoned: bool,
}

impl Journal {
    /// Makes the journal of a new run in `folder`, as yet without a line. The file's entry in the
    /// folder is on disk when this returns.
    ///
    /// # Errors
    /// [`JournalError::Exists`] where one stands, else [`JournalError::Io`].
    pub fn create(folder: &Path, clock: Clock) -> Result<Self, JournalError> {
        let path = folder.join(FILE_NAME);
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| match source.kind() {
                ErrorKind::AlreadyExists => JournalError::Exists(path.clone()),
                _ => JournalError::Io {
                    doing: "creating",
                    path: path.clone(),
                    source,
                },
            })?;
        lock(&file, folder, &path)?;
        sync_folder(folder).map_err(JournalError::io("syncing", folder))?;
        Ok(Self {
            folder: folder.to_owned(),
            path,
            file,
            clock,
            clock_back: None,
            seq: 0,
            last_at: None,
            head: ZERO_HASH.to_owned(),
            licence: None,
            poisoned: false,
        })
    }

    /// Takes a run up again: checks every line, sets a torn last line aside in
    /// `journal.torn-<time>`, and makes sure that what was read is on disk.
    ///
    /// # Errors
    /// [`JournalError::Held`] by another console, [`JournalError::Broken`] where a line does not fit,
    /// [`JournalError::Newer`], [`JournalError::Empty`], [`JournalError::Missing`],
    /// [`JournalError::Io`]. In each case nothing was changed.
    pub fn reopen(folder: &Path, clock: &Clock) -> Result<(Self, Vec<Arc<Entry>>), JournalError> {
        let path = folder.join(FILE_NAME);
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&path)
            .map_err(|source| match source.kind() {
                ErrorKind::NotFound => JournalError::Missing(path.clone()),
                _ => JournalError::Io {
                    doing: "opening",
                    path: path.clone(),
                    source,
                },
            })?;
        lock(&file, folder, &path)?;
        let found = read_from(&file, &path)?;
        if let Some(problem) = found.problem {
            return Err(JournalError::Broken { path, problem });
        }
        let Some(last_at) = found.entries.iter().map(|entry| entry.at).max() else {
            return Err(JournalError::Empty(path));
        };
        set_torn_aside(&file, folder, &found, clock.now())?;
        file.sync_all()
            .map_err(JournalError::io("syncing", &path))?;
        let (clock, clock_back) = clock.not_before(last_at);
        let journal = Self {
            folder: folder.to_owned(),
            path,
            file,
            clock,
            clock_back,
            seq: found.entries.len() as u64,
            last_at: Some(last_at),
            head: found.head,
            licence: None,
            poisoned: false,
        };
        journal.note_holder("", "");
        Ok((journal, found.entries))
    }

    /// Writes one line and returns once it is on disk.
    ///
    /// # Errors
    /// [`JournalError::OutOfOrder`] if it does not follow the last line. After any other failure the journal is poisoned: what follows must not be acted upon, and every
    /// later call fails with [`JournalError::Poisoned`] until the run is reopened.
    pub fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned(self.path.clone()));
        }
        self.licence = None;
        if entry.seq != self.seq + 1 || self.last_at.is_some_and(|last| entry.at < last) {
            return Err(JournalError::OutOfOrder {
                path: self.path.clone(),
                seq: entry.seq,
            });
        }
        let (line, hash) =
            encode(entry, &self.head).map_err(|error| JournalError::Encode(error.to_string()))?;
        self.poisoned = true;
        self.file
            .write_all(line.as_bytes())
            .map_err(JournalError::io("writing", &self.path))?;
        self.file
            .sync_data()
            .map_err(JournalError::io("syncing", &self.path))?;
        self.poisoned = false;
        self.seq = entry.seq;
        self.last_at = Some(entry.at);
        self.head = hash;
        match &entry.event {
            RunEvent::WriteIntended { op, host, .. } => {
                self.licence = Some((entry.seq, *op, host.clone()));
            }
            RunEvent::RunStarted(info) => self.note_holder(&info.operator, &info.console),
            RunEvent::RunResumed {
                operator, console, ..
            } => self.note_holder(operator, console),
            _ => {}
        }
        Ok(())
    }

    /// The licence that goes with the entry just appended, if that is a `write-intended`; once.
    pub fn intent(&mut self, entry: &Entry) -> Option<Intent> {
        let (_, op, host) = self.licence.take_if(|(seq, ..)| *seq == entry.seq)?;
        Some(Intent::new(op, host))
    }

    /// The hash of the last line: 64 hex digits.
    #[must_use]
    pub fn head(&self) -> &str {
        &self.head
    }

    /// The clock that this journal's times come from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// By how many seconds the wall clock stood before the last line when the run was reopened
    /// (rounded up); goes into `run-resumed`.
    #[must_use]
    pub fn clock_back_s(&self) -> Option<i64> {
        let back = self.clock_back?;
        Some(back.as_secs() + i64::from(back.subsec_nanos() > 0))
    }

    /// An entry that follows the last line, now.
    #[cfg(test)]
    pub(in crate::journal) fn following(
        &self,
        step: Option<crate::names::StepId>,
        attempt: Option<crate::names::Attempt>,
        event: RunEvent,
    ) -> Entry {
        let now = self.clock.now();
        Entry {
            seq: self.seq + 1,
            at: self.last_at.map_or(now, |last| last.max(now)),
            step,
            attempt,
            event,
        }
    }

    /// Makes the next write fail.
    #[cfg(test)]
    pub(in crate::journal) fn break_file(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }

    fn note_holder(&self, operator: &str, console: &str) {
        Holder {
            pid: std::process::id(),
            operator: operator.to_owned(),
            console: console.to_owned(),
            since: Some(self.clock.now()),
        }
        .note(&self.folder);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Only a name in a message: whether the run is held is a matter of the lock.
        let _ = std::fs::remove_file(Holder::path(&self.folder));
    }
}

fn lock(file: &File, folder: &Path, path: &Path) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(JournalError::Held {
            path: path.to_owned(),
            holder: Holder::read(folder).unwrap_or_default(),
        }),
        Err(TryLockError::Error(source)) => Err(JournalError::Io {
            doing: "locking",
            path: path.to_owned(),
            source,
        }),
    }
}

/// Keeps a torn line's bytes beside the journal and takes them off its end, in this order.
fn set_torn_aside(
    file: &File,
    folder: &Path,
    found: &ReadJournal,
    now: Timestamp,
) -> Result<(), JournalError> {
    if found.torn.is_empty() {
        return Ok(());
    }
    let aside = folder.join(format!(
        "journal.torn-{}",
        now.strftime("%Y%m%dT%H%M%S.%3fZ")
    ));
    write_private(&aside, &found.torn).map_err(JournalError::io("writing", &aside))?;
    file.set_len(found.whole_bytes)
        .map_err(JournalError::io("setting a torn line aside in", folder))
}

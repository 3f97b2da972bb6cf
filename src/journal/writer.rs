//! The one writer of a run's journal.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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

/// How often, and how far apart, a lock that somebody has is tried before it is called held.
const GLANCES: u32 = 4;
const GLANCE: Duration = Duration::from_millis(25);

/// The writer of one run's journal. It holds the file's lock as long as it lives.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    seq: u64,
    head: String,
    licence: Option<(u64, OpId, HostName)>,
    poisoned: bool,
}

impl Journal {
    /// Begins the journal of a new run in `folder`: an empty file, locked, and in the folder for
    /// good. `operator` and `console` are told to a second console that wants it.
    ///
    /// # Errors
    /// [`JournalError::Exists`] where one stands, else [`JournalError::Io`].
    pub fn create(folder: &Path, operator: &str, console: &str) -> Result<Self, JournalError> {
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
        Holder::this(operator, console).note(folder);
        Ok(Self::at_end(folder, path, file, &[], ZERO_HASH.to_owned()))
    }

    /// Takes a run up again: checks every line, sets a torn last line aside in
    /// `journal.torn-<time>`, and makes sure that what was read is on disk.
    ///
    /// # Errors
    /// [`JournalError::Held`] by another console, [`JournalError::Broken`] where a line does not fit,
    /// [`JournalError::Newer`], [`JournalError::Empty`], [`JournalError::Missing`],
    /// [`JournalError::Io`]. In each case nothing was changed.
    pub fn reopen(
        folder: &Path,
        operator: &str,
        console: &str,
    ) -> Result<(Self, Vec<Arc<Entry>>), JournalError> {
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
        if found.entries.is_empty() {
            return Err(JournalError::without_lines(path));
        }
        set_torn_aside(&file, folder, &found)?;
        file.sync_all()
            .map_err(JournalError::io("syncing", &path))?;
        Holder::this(operator, console).note(folder);
        let journal = Self::at_end(folder, path, file, &found.entries, found.head);
        Ok((journal, found.entries))
    }

    fn at_end(
        folder: &Path,
        path: PathBuf,
        file: File,
        entries: &[Arc<Entry>],
        head: String,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            path,
            file,
            seq: entries.len() as u64,
            head,
            licence: None,
            poisoned: false,
        }
    }

    /// Writes one line and returns once it is on disk.
    ///
    /// # Errors
    /// [`JournalError::OutOfOrder`] for an entry that is not the next one. After a write or sync
    /// that failed the journal is poisoned: what follows must not be acted upon, and every later
    /// call fails with [`JournalError::Poisoned`] until the run is reopened.
    pub fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned(self.path.clone()));
        }
        if entry.seq != self.seq + 1 {
            return Err(JournalError::OutOfOrder {
                path: self.path.clone(),
                expected: self.seq + 1,
                got: entry.seq,
            });
        }
        self.licence = None;
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
        self.head = hash;
        if let RunEvent::WriteIntended { op, host, .. } = &entry.event {
            self.licence = Some((entry.seq, *op, host.clone()));
        }
        Ok(())
    }

    /// The licence that goes with the entry just appended, if that is a `write-intended`; once.
    pub fn intent(&mut self, entry: &Entry) -> Option<Intent> {
        let (_, op, host) = self.licence.take_if(|(seq, ..)| *seq == entry.seq)?;
        Some(Intent::new(op, host))
    }

    /// The number of the last line; 0 before the first.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.seq
    }

    /// The hash of the last line: 64 hex digits.
    #[must_use]
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Makes the next write fail.
    #[cfg(test)]
    pub(in crate::journal) fn break_file(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Only a name in a message: whether the run is held is a matter of the lock.
        let _ = std::fs::remove_file(Holder::path(&self.folder));
    }
}

/// The console that writes the run in this folder, if one does.
///
/// # Errors
/// [`JournalError::Missing`] and [`JournalError::Io`].
pub fn held_by(folder: &Path) -> Result<Option<Holder>, JournalError> {
    let path = folder.join(FILE_NAME);
    let file = File::open(&path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => JournalError::Missing(path.clone()),
        _ => JournalError::Io {
            doing: "opening",
            path: path.clone(),
            source,
        },
    })?;
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(Holder::read(folder).unwrap_or_default())),
        Err(TryLockError::Error(source)) => Err(JournalError::Io {
            doing: "locking",
            path,
            source,
        }),
    }
}

fn lock(file: &File, folder: &Path, path: &Path) -> Result<(), JournalError> {
    for _ in 0..GLANCES {
        // Whoever asks who holds a run holds it for a moment.
        if !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(GLANCE);
    }
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
fn set_torn_aside(file: &File, folder: &Path, found: &ReadJournal) -> Result<(), JournalError> {
    if found.torn.is_empty() {
        return Ok(());
    }
    let aside = folder.join(format!(
        "journal.torn-{}",
        Clock::system().now().strftime("%Y%m%dT%H%M%S.%3fZ")
    ));
    write_private(&aside, &found.torn).map_err(JournalError::io("writing", &aside))?;
    file.set_len(found.whole_bytes)
        .map_err(JournalError::io("setting a torn line aside in", folder))
}

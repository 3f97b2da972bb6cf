//! Reading a journal without holding it: for verify, report, the list of runs and a resumed writer.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::Entry;

use super::error::JournalError;
use super::line::{Expected, Misfit, ZERO_HASH, decode};

/// No line is longer; a file without newlines must not fill the memory.
const MAX_LINE: u64 = 16 << 20;

/// A journal as it was found.
#[derive(Debug, Default)]
pub struct ReadJournal {
    /// Every line that fits, up to the first that does not.
    pub entries: Vec<Arc<Entry>>,
    /// The hash of the last of them; 64 zeros where there is none.
    pub head: String,
    /// The hash of each of them.
    pub hashes: Vec<String>,
    /// Bytes after the last newline: a line that was being written when the console died.
    pub torn: Vec<u8>,
    /// The first line that does not fit, if any; nothing after it was read.
    pub problem: Option<LineProblem>,
    /// Length in bytes of the lines that fit.
    pub whole_bytes: u64,
}

/// A journal that is read while its console writes it: for whoever watches. It takes no lock.
#[derive(Debug)]
pub struct Follower {
    file: File,
    path: PathBuf,
    journal: ReadJournal,
}

impl Follower {
    /// Opens the journal and reads what is there.
    ///
    /// # Errors
    /// As [`read`].
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let mut follower = Self {
            file: open(path)?,
            path: path.to_owned(),
            journal: ReadJournal::new(),
        };
        follower.poll()?;
        Ok(follower)
    }

    /// Everything that was read so far.
    #[must_use]
    pub fn journal(&self) -> &ReadJournal {
        &self.journal
    }

    /// Reads what was added since, and gives the new lines. A last line without its end is read
    /// again next time; after a line that does not fit nothing more comes.
    ///
    /// # Errors
    /// As [`read`].
    pub fn poll(&mut self) -> Result<&[Arc<Entry>], JournalError> {
        let before = self.journal.entries.len();
        if self.journal.problem.is_none() {
            let from = SeekFrom::Start(self.journal.whole_bytes);
            self.file
                .seek(from)
                .map_err(JournalError::io("reading", &self.path))?;
            read_on(&mut self.journal, &self.file, &self.path)?;
        }
        Ok(self.journal.entries.get(before..).unwrap_or_default())
    }
}

impl ReadJournal {
    fn new() -> Self {
        Self {
            head: ZERO_HASH.to_owned(),
            ..Self::default()
        }
    }

    /// The number of the line with this hash: tells whether a recorded head is still in the journal.
    #[must_use]
    pub fn line_with_hash(&self, hash: &str) -> Option<usize> {
        self.hashes
            .iter()
            .position(|known| known == hash)
            .map(|index| index + 1)
    }
}

/// A line that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineProblem {
    /// Which, from 1 on.
    pub line: u64,
    /// Why, in words.
    pub why: String,
}

/// Reads a journal and checks every line of it. Any number of readers may do so while it is written.
///
/// # Errors
/// [`JournalError::Missing`], [`JournalError::Emptied`], [`JournalError::Io`], and [`JournalError::Newer`] for a journal of a
/// later format. A line that does not fit is no error here: see [`ReadJournal::problem`].
pub fn read(path: &Path) -> Result<ReadJournal, JournalError> {
    read_from(&open(path)?, path)
}

fn open(path: &Path) -> Result<File, JournalError> {
    File::open(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => JournalError::not_there(path.to_owned()),
        _ => JournalError::Io {
            doing: "opening",
            path: path.to_owned(),
            source,
        },
    })
}

/// Reads on from where `file` stands, which is its beginning.
pub(in crate::journal) fn read_from(file: &File, path: &Path) -> Result<ReadJournal, JournalError> {
    let mut journal = ReadJournal::new();
    read_on(&mut journal, file, path)?;
    Ok(journal)
}

/// Adds the lines from where `file` stands to those that were read before.
fn read_on(journal: &mut ReadJournal, file: &File, path: &Path) -> Result<(), JournalError> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    journal.torn.clear();
    loop {
        line.clear();
        let length = (&mut reader)
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .map_err(JournalError::io("reading", path))?;
        if length == 0 {
            return Ok(());
        }
        let seq = journal.entries.len() as u64 + 1;
        if line.pop_if(|last| *last == b'\n').is_none() {
            if length as u64 == MAX_LINE {
                journal.problem = Some(LineProblem {
                    line: seq,
                    why: "it is too long for a journal line".to_owned(),
                });
            } else {
                journal.torn = line;
            }
            return Ok(());
        }
        match decode(
            &line,
            &Expected {
                seq,
                prev: &journal.head,
            },
        ) {
            Ok((entry, hash)) => {
                journal.entries.push(Arc::new(entry));
                journal.hashes.push(hash.clone());
                journal.head = hash;
                journal.whole_bytes += length as u64;
            }
            Err(Misfit::Newer { format, version }) => {
                return Err(JournalError::Newer {
                    path: path.to_owned(),
                    format,
                    version,
                });
            }
            Err(Misfit::Why(why)) => {
                journal.problem = Some(LineProblem { line: seq, why });
                return Ok(());
            }
        }
    }
}

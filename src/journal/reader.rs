//! Reading a journal without holding it: for verify, report, the list of runs and a resumed writer.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
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

impl ReadJournal {
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
/// [`JournalError::Missing`], [`JournalError::Io`], and [`JournalError::Newer`] for a journal of a
/// later format. A line that does not fit is no error here: see [`ReadJournal::problem`].
pub fn read(path: &Path) -> Result<ReadJournal, JournalError> {
    let file = File::open(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => JournalError::Missing(path.to_owned()),
        _ => JournalError::Io {
            doing: "opening",
            path: path.to_owned(),
            source,
        },
    })?;
    read_from(&file, path)
}

/// Reads on from where `file` stands.
pub(in crate::journal) fn read_from(file: &File, path: &Path) -> Result<ReadJournal, JournalError> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut journal = ReadJournal {
        head: ZERO_HASH.to_owned(),
        ..ReadJournal::default()
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = (&mut reader)
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .map_err(JournalError::io("reading", path))?;
        if length == 0 {
            return Ok(journal);
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
            return Ok(journal);
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
            Err(Misfit::Newer(format)) => {
                return Err(JournalError::Newer {
                    path: path.to_owned(),
                    format,
                });
            }
            Err(Misfit::Why(why)) => {
                journal.problem = Some(LineProblem { line: seq, why });
                return Ok(journal);
            }
        }
    }
}

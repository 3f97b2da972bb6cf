//! The sum of a source that nobody recorded one of, taken from what is read of it anyway.
//!
//! Such a source is read once: the reader that feeds the transfer hands on what it read through a
//! thread that hashes it, holes and zeros included. What is read again after a dropped link is in
//! the sum already and is passed over. After a crash the beginning is in the sum where it is read
//! here to compare both ends; where a host compares its stretches itself, the sum stays open, and
//! the source is read for it once more.
//!
//! What is hashed is what was sent. A source that changes meanwhile is found by its file's size and
//! time, which must be the same afterwards, or else its sum. What a tool prints has neither: that it
//! would print something else another time shows only where it is read another time. Holes are
//! believed to be zeros, by the word of the source's file system.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::bulk::Bulk;
use super::deliver::Item;
use super::progress::Phase;
use super::ranges::{BLOCK, CHUNK, join};
use super::source::{Folder, Piece, Pieces, local_fault};
use super::sums::Sum;
use super::target::{UNCHANGED, Work};
use super::writes::Writes;
use crate::error::Fault;
use crate::hypervisor::shell;

/// What a file must come to.
pub(super) enum Wanted {
    /// This: it was recorded, or taken from the source before.
    Known(Sum),
    /// What its source turns out to be.
    Read(Reading),
}

impl Wanted {
    /// For a file that is about to be read.
    pub(super) async fn of<W>(work: &Work<W>, source: &Folder, item: &Item) -> Result<Self, Fault> {
        if let Some(sum) = item.sum {
            return Ok(Self::Known(sum));
        }
        let before = work.stamp(source, item.bytes).await?;
        match before.filter(|stamp| stamp.bytes != item.bytes) {
            None => Ok(Self::Read(Reading::new(item.bytes, before))),
            Some(Stamp { bytes, .. }) => Err(Fault::new(
                format!(
                    "{} has {bytes} bytes and had {} when the step looked: it changed",
                    item.name, item.bytes
                ),
                source.place(),
                "nothing of it was sent",
                "make sure that the VM is off and nothing writes to its files, then retry",
            )),
        }
    }

    /// Where what is read belongs, if it has to be summed.
    pub(super) fn reading(&self) -> Option<&Reading> {
        match self {
            Self::Known(_) => None,
            Self::Read(reading) => Some(reading),
        }
    }

    /// The same pieces, summed on the way where that is needed.
    pub(super) fn through(&self, pieces: Pieces, ranges: &[Range<u64>]) -> Pieces {
        match self {
            Self::Known(_) => pieces,
            Self::Read(reading) => reading.through(pieces, ranges),
        }
    }
}

/// What has been read of a source, in order from its start.
#[derive(Clone)]
pub(super) struct Reading {
    bytes: u64,
    hash: Arc<Mutex<Hash>>,
    /// What its file was like before.
    before: Option<Stamp>,
}

#[derive(Default)]
struct Hash {
    /// Everything before is in it.
    at: u64,
    sum: Sha256,
}

/// By what a file is known not to have changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// Volume and number of the file, where they can be told.
    file: Option<(u64, u64)>,
    bytes: u64,
    /// In seconds, and nanoseconds where they can be told.
    modified: (i64, i64),
}

impl Reading {
    fn new(bytes: u64, before: Option<Stamp>) -> Self {
        let hash = Arc::default();
        Self {
            bytes,
            hash,
            before,
        }
    }

    /// Its size in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn hash(&self) -> MutexGuard<'_, Hash> {
        self.hash.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything before is in the sum.
    fn at(&self) -> u64 {
        self.hash().at
    }

    /// What lies at `start`.
    pub(super) fn take(&self, start: u64, bytes: &[u8]) {
        self.hash().take(start, bytes);
    }

    /// There is nothing but zeros in this stretch.
    pub(super) fn skip(&self, zeros: &Range<u64>) {
        let mut hash = self.hash();
        if zeros.start <= hash.at {
            while hash.zeros(zeros.end) {}
        }
    }

    /// The sum, if all of it was read.
    fn sum(&self) -> Option<Sum> {
        let hash = self.hash();
        (hash.at == self.bytes).then(|| Sum::finish(hash.sum.clone()))
    }

    /// The same pieces, of these stretches (ascending): what follows on what is in the sum is summed
    /// before it is handed on, on a thread of its own.
    fn through(&self, mut pieces: Pieces, ranges: &[Range<u64>]) -> Pieces {
        let at = self.at();
        let joined = join(ranges.to_vec());
        let Some(end) = joined
            .iter()
            .find(|range| range.contains(&at))
            .map(|range| range.end)
        else {
            return pieces;
        };
        let (summed, receiver) = mpsc::channel(1);
        let reading = self.clone();
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            // A source that stalls is not waited for by a transfer that was given up.
            let mut next = || {
                runtime.block_on(async {
                    tokio::select! {
                        piece = pieces.recv() => piece,
                        () = summed.closed() => None,
                    }
                })
            };
            while let Some(piece) = next() {
                // A transfer that was given up wants no sum.
                let zeros = |to| while !summed.is_closed() && reading.hash().zeros(to) {};
                let mut behind = at;
                if let Ok(Piece { end: place, data }) = &piece {
                    for (start, bytes) in data.iter().filter(|(start, _)| *start < end) {
                        zeros(*start);
                        reading.take(*start, bytes);
                    }
                    behind = end.min(*place);
                }
                if summed.blocking_send(piece).is_err() {
                    return;
                }
                // Nobody waits for these.
                zeros(behind);
            }
        });
        receiver
    }
}

impl Hash {
    fn take(&mut self, start: u64, bytes: &[u8]) {
        let known = self.at.checked_sub(start);
        let known = known.and_then(|known| usize::try_from(known).ok());
        if let Some(new) = known.and_then(|known| bytes.get(known..)) {
            self.sum.update(new);
            self.at += new.len() as u64;
        }
    }

    /// Puts some of the zeros before `end` into the sum, if there are any.
    fn zeros(&mut self, end: u64) -> bool {
        const ZEROS: &[u8] = &[0; BLOCK];
        let left = usize::try_from(end.saturating_sub(self.at)).unwrap_or(BLOCK);
        let zeros = ZEROS.get(..left).unwrap_or(ZEROS);
        self.sum.update(zeros);
        self.at += zeros.len() as u64;
        !zeros.is_empty()
    }
}

impl<W> Work<W> {
    /// The sum of a file of a source, which reads all of it.
    pub(super) async fn source_sum(&self, source: &Folder, bytes: u64) -> Result<Sum, Fault> {
        match source {
            Folder::Here(path) => {
                let (shown, path) = (path.clone(), path.clone());
                let read = tokio::task::spawn_blocking(move || sum_here(&path, bytes)).await;
                let read = read.unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
                read.map_err(|error| local_fault(&shown, bytes, &error))
            }
            Folder::On { host, path, lane } => Ok(self.sum_on(host, *lane, path, bytes).await?.0),
            Folder::Stream(stream) => stream.sum(bytes, self.patience).await,
        }
    }

    /// What a source's file is like now; `None` of what a tool prints.
    async fn stamp(&self, source: &Folder, bytes: u64) -> Result<Option<Stamp>, Fault> {
        match source {
            Folder::Here(path) => {
                let file = std::fs::metadata(path).map_err(|e| local_fault(path, bytes, &e))?;
                Ok(Some(Stamp {
                    file: Some((file.dev(), file.ino())),
                    bytes: file.size(),
                    modified: (file.mtime(), file.mtime_nsec()),
                }))
            }
            Folder::On { host, path, lane } => {
                let output = self.look(host, *lane, &shell::find(path)).await?;
                let found = shell::Found::parse(&output).map_err(|fault| {
                    fault.fault(
                        &format!("looking at {path}"),
                        host.name().as_str(),
                        UNCHANGED,
                    )
                })?;
                let file = found
                    .stat()
                    .filter(|stat| stat.kind == shell::FileKind::File);
                Ok(file.map(|stat| Stamp {
                    file: None,
                    bytes: stat.size,
                    modified: (stat.modified, 0),
                }))
            }
            Folder::Stream(_) => Ok(None),
        }
    }
}

/// The sum of the first bytes of a local file, of which it must have so many.
fn sum_here(path: &Path, bytes: u64) -> io::Result<Sum> {
    let mut file = File::open(path)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; CHUNK]);
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let Some(part) = buffer.get_mut(..length) else {
            break;
        };
        file.read_exact(part)?;
        hash.update(&*part);
        left -= length as u64;
    }
    Ok(Sum::finish(hash))
}

impl<W: Writes> Bulk<'_, W> {
    /// What the file must come to, once all of it was sent.
    pub(super) async fn wanted_sum(&self) -> Result<Sum, Fault> {
        let (work, bytes) = (self.work, self.item.bytes);
        let reading = match &self.wanted {
            Wanted::Known(sum) => return Ok(*sum),
            Wanted::Read(reading) => reading,
        };
        let read = reading.sum();
        if let Some(sum) = read
            && work.stamp(&self.source, bytes).await? == reading.before
        {
            return Ok(sum);
        }
        work.meter.phase(Phase::Reading, Instant::now());
        let now = work.source_sum(&self.source, bytes).await?;
        match read {
            Some(sum) if sum != now => Err(self.changed(sum, now)),
            _ => Ok(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::ranges::whole;

    fn reading(bytes: u64) -> Reading {
        Reading::new(bytes, None)
    }

    /// Hands pieces through; each gives where it ends and where its data lies.
    async fn through(reading: &Reading, file: &[u8], ranges: &[Range<u64>], most: usize) {
        let (sender, receiver) = mpsc::channel(64);
        let mut pieces = 0;
        for range in ranges {
            for start in (range.start..range.end).step_by(10) {
                let end = (start + 10).min(range.end);
                let bytes = &file[start as usize..end as usize];
                let zeros = bytes.iter().all(|byte| *byte == 0);
                let data = if zeros {
                    Vec::new()
                } else {
                    vec![(start, bytes.to_vec())]
                };
                sender.send(Ok(Piece { end, data })).await.unwrap();
            }
        }
        drop(sender);
        let mut receiver = reading.through(receiver, ranges);
        while pieces < most
            && let Some(piece) = receiver.recv().await
        {
            piece.unwrap();
            pieces += 1;
        }
    }

    fn file() -> Vec<u8> {
        let mut file: Vec<u8> = (1..=255).collect();
        file[20..60].fill(0);
        file[250..].fill(0);
        file
    }

    #[tokio::test]
    async fn what_is_read_in_order_is_summed_with_its_zeros() {
        let (file, reading) = (file(), reading(255));
        assert_eq!(reading.sum(), None);
        through(&reading, &file, &whole(255), usize::MAX).await;
        assert_eq!(reading.sum(), Some(Sum::of(&file)));
        // What is sent a second time is in it already.
        through(&reading, &file, &[30..50, 200..255], usize::MAX).await;
        assert_eq!(reading.sum(), Some(Sum::of(&file)));
    }

    #[tokio::test]
    async fn it_goes_on_after_a_break_and_never_over_a_gap() {
        let file = file();
        let broken = reading(255);
        through(&broken, &file, &whole(255), 7).await;
        assert_eq!(broken.sum(), None);
        through(&broken, &file, &[15..40, 50..255], usize::MAX).await;
        assert_eq!(broken.sum(), Some(Sum::of(&file)), "50 is before the break");

        let gap = reading(255);
        through(&gap, &file, &[0..100, 110..255], usize::MAX).await;
        assert_eq!(gap.at(), 100);
        assert_eq!(gap.sum(), None);
        gap.take(90, &file[90..120]);
        gap.skip(&(200..255));
        assert_eq!(gap.at(), 120);
        gap.take(120, &file[120..250]);
        gap.skip(&(240..255));
        assert_eq!(gap.sum(), Some(Sum::of(&file)));
    }

    #[test]
    fn an_empty_file_has_been_read() {
        assert_eq!(reading(0).sum(), Some(Sum::of(&[])));
    }

    #[test]
    fn a_file_here_is_summed_as_far_as_it_was_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::write(&path, [7; (1 << 20) + 5]).unwrap();
        let listed = &[7; (1 << 20) + 3];
        assert_eq!(sum_here(&path, 1 << 20 | 3).unwrap(), Sum::of(listed));
        assert!(sum_here(&path, 2 << 20).is_err(), "too short");
        assert_eq!(sum_here(&path, 0).unwrap(), Sum::of(&[]));
    }
}

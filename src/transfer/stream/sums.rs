//! Sums of what a tool prints, whole or of stretches, taken while reading it as few times as can be.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::super::ranges::{CHUNK, FINE};
use super::super::reading::Reading;
use super::super::source::ReadError;
use super::super::sums::Sum;
use super::super::target::Patience;
use super::run::Run;
use super::{READ_OVER, Stream};
use crate::error::Fault;
use crate::host::HostError;

/// A command that was read up to a place, and sums of the small stretches of what was read last.
pub(super) struct Cursor {
    run: Run,
    at: u64,
    fine: BTreeMap<u64, (u64, Sum)>,
}

impl Stream {
    /// The sum of a stretch of this file that begins at a multiple of [`FINE`]. Asked for in
    /// ascending order, or again within the last one, they cost a single run. What is read for it is
    /// summed along, except what comes last: how a tool ends is looked at by whoever reads on to
    /// there.
    pub(in crate::transfer) async fn sum_of(
        &self,
        range: &Range<u64>,
        patience: Patience,
        along: Option<&Reading>,
    ) -> Result<Sum, Fault> {
        let mut kept = self.cursor.lock().await;
        if let Some((end, sum)) = kept.as_ref().and_then(|c| c.fine.get(&range.start))
            && *end == range.end
        {
            return Ok(*sum);
        }
        let mut waited = Waiting::new(patience);
        loop {
            match self.try_sum(range, kept.take(), along).await {
                Ok((sum, cursor)) => {
                    *kept = Some(cursor);
                    return Ok(sum);
                }
                Err(error) => waited.after(self, error).await?,
            }
        }
    }

    async fn try_sum(
        &self,
        range: &Range<u64>,
        kept: Option<Cursor>,
        along: Option<&Reading>,
    ) -> Result<(Sum, Cursor), ReadError> {
        let near = |cursor: &Cursor| {
            range
                .start
                .checked_sub(cursor.at)
                .is_some_and(|gap| gap <= READ_OVER)
        };
        let mut cursor = match kept.filter(near) {
            Some(cursor) => cursor,
            None => Cursor {
                run: self.open(range.start).await?.1,
                at: range.start,
                fine: BTreeMap::new(),
            },
        };
        cursor.fine.clear();
        let mut whole = Sha256::new();
        while cursor.at < range.end {
            let skips = cursor.at < range.start;
            let next = if skips {
                range.start
            } else {
                (cursor.at / FINE + 1).saturating_mul(FINE).min(range.end)
            };
            let length = usize::try_from(next - cursor.at)
                .unwrap_or(CHUNK)
                .min(CHUNK);
            let buffer = cursor.run.read(length).await?;
            if buffer.len() < length {
                let end = cursor.at + buffer.len() as u64;
                return Err(self.other_length(format!("printed {end} bytes, fewer than listed")));
            }
            if let Some(reading) = along.filter(|reading| next < reading.bytes()) {
                reading.take(cursor.at, &buffer);
            }
            if !skips {
                whole.update(&buffer);
                cursor.fine.insert(cursor.at, (next, Sum::of(&buffer)));
            }
            cursor.at += length as u64;
        }
        Ok((Sum::finish(whole), cursor))
    }

    /// The sum of all of this file, taken while reading it once.
    pub(in crate::transfer) async fn sum(
        &self,
        bytes: u64,
        patience: Patience,
    ) -> Result<Sum, Fault> {
        let mut waited = Waiting::new(patience);
        let mut hash = Sha256::default();
        let mut at = 0;
        while at < bytes {
            let before = at;
            match self.sum_on(&mut hash, &mut at, bytes).await {
                Ok(()) => break,
                Err(error) => {
                    if at > before {
                        waited = Waiting::new(patience);
                    }
                    waited.after(self, error).await?;
                }
            }
        }
        Ok(Sum::finish(hash))
    }

    /// Goes on from `at`, which with `hash` stays right when the link drops.
    async fn sum_on(&self, hash: &mut Sha256, at: &mut u64, bytes: u64) -> Result<(), ReadError> {
        let (program, mut run) = self.open(*at).await?;
        while *at < bytes {
            let length = usize::try_from(bytes - *at).unwrap_or(CHUNK).min(CHUNK);
            let buffer = run.read(length).await?;
            if buffer.len() < length {
                let end = *at + buffer.len() as u64;
                return Err(self.ended_early(&program, run, end, bytes).await);
            }
            hash.update(&buffer);
            *at += length as u64;
        }
        self.check_end(&program, run, bytes).await
    }
}

/// How long a link that is down has been waited for.
struct Waiting {
    patience: Patience,
    next: Duration,
    waited: Duration,
}

impl Waiting {
    fn new(patience: Patience) -> Self {
        Self {
            patience,
            next: patience.first,
            waited: Duration::ZERO,
        }
    }

    /// Waits before another try, where one may help.
    async fn after(&mut self, stream: &Stream, error: ReadError) -> Result<(), Fault> {
        let passing = matches!(&error, ReadError::Link(why) if *why != HostError::Closed);
        if !passing || self.waited >= self.patience.total {
            return Err(stream.stopped(error));
        }
        tokio::time::sleep(self.next).await;
        self.waited += self.next;
        self.next = (self.next * 2).min(self.patience.longest);
        Ok(())
    }
}

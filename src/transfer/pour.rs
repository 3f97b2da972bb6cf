//! Pouring a source into one file of the target, over several ways at once.
//!
//! What one way carries is limited by its window over a long link, and by one processor's encryption
//! where ssh2 carries it. So each way takes the next stretch of the source as soon as it has handed
//! over its last one. All of it is one write: if any way breaks, everything that was handed out since
//! the beginning counts as not proven.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::bulk::Bulk;
use super::follow::Follow;
use super::ranges::{CHUNK, Passed, Zeros, length};
use super::source::{Piece, Pieces, ReadError, read};
use super::writes::Writes;
use crate::error::Fault;
use crate::host::{HostError, Opened, RemoteFile, WriteError};

/// Where less than so many bytes are left to send, one way does.
const WORTH: u64 = 16 << 20;

/// No further way is opened before so many bytes were handed over.
const FLOWING: u64 = 4 << 20;

/// What was poured.
pub(super) struct Poured {
    /// Up to here something may have been written.
    pub(super) offered: u64,
    /// Bytes handed to the links.
    pub(super) bytes: u64,
    /// Only ways beside the first one broke.
    pub(super) beside_broke: bool,
    /// Why it ended.
    pub(super) end: PourEnd,
}

/// How pouring ended; the later ones tell more than those before them.
pub(super) enum PourEnd {
    All,
    SourceLost(HostError),
    SourceFailed(Fault),
    TargetLost(HostError),
    TargetFailed(HostError),
}

impl PourEnd {
    fn of(error: WriteError) -> Self {
        match error {
            WriteError::Failed(cause) => Self::TargetFailed(cause),
            WriteError::NotSent(cause) if !cause.passing() => Self::TargetFailed(cause),
            // Pieces before this one may be on their way.
            WriteError::NotSent(cause) | WriteError::Lost { cause, .. } => Self::TargetLost(cause),
        }
    }

    /// The target's word counts more than that of the link to it, and that more than the source's.
    fn with(self, error: WriteError) -> Self {
        match (self, Self::of(error)) {
            (failed @ Self::TargetFailed(_), _) => failed,
            (lost @ Self::TargetLost(_), Self::TargetLost(_)) => lost,
            (_, end) => end,
        }
    }
}

/// The source, of which each way takes what comes next.
struct Feed {
    pieces: Pieces,
    /// Everything before it was taken.
    taken: u64,
    /// How the source ended.
    end: PourEnd,
}

/// How far all ways are.
struct Reach<'a> {
    passed: Passed<'a>,
    /// The end of the furthest piece that was handed over.
    furthest: u64,
    bytes: u64,
    /// For each way, the first byte that it was given and that is not confirmed.
    unconfirmed: Vec<u64>,
}

/// What the ways share.
struct Ways<'a> {
    feed: tokio::sync::Mutex<Feed>,
    reach: Mutex<Reach<'a>>,
    follow: tokio::sync::Mutex<&'a mut Follow>,
    /// Bytes that were to be sent.
    open: u64,
    /// The destination sums along no further than this.
    until: u64,
    /// So much was handed over that there is more to come.
    flowing: watch::Sender<bool>,
    /// Nothing more is taken: the source is at its end, or a way broke.
    closed: watch::Sender<bool>,
}

impl<W: Writes> Bulk<'_, W> {
    /// Reads ahead and writes, until the end of either.
    pub(super) async fn pour(
        &self,
        file: RemoteFile,
        todo: &[Range<u64>],
        zeros: Zeros,
        until: u64,
        follow: &mut Follow,
        alone: bool,
    ) -> Poured {
        let open = length(todo);
        let count = if alone || open < WORTH {
            1
        } else {
            file.ways()
        };
        let zeros = match zeros {
            Zeros::None if !file.seeks() => Zeros::Few,
            zeros => zeros,
        };
        let pieces = read(self.source.clone(), self.item.bytes, todo.to_vec(), zeros);
        let ways = Ways {
            feed: tokio::sync::Mutex::new(Feed {
                pieces: self.wanted.through(pieces, todo),
                taken: todo.first().map_or(0, |range| range.start),
                end: PourEnd::All,
            }),
            reach: Mutex::new(Reach {
                passed: Passed::new(todo),
                furthest: 0,
                bytes: 0,
                unconfirmed: vec![u64::MAX; count],
            }),
            follow: tokio::sync::Mutex::new(follow),
            open,
            until,
            flowing: watch::Sender::new(false),
            closed: watch::Sender::new(false),
        };
        let opened = file.opened();
        let others = (1..count).map(|number| self.pour_beside(&ways, &opened, number));
        let first = self.pour_over(&ways, file, 0);
        let (first, others) = futures_util::join!(first, join_all(others));
        let beside_broke = first.is_ok() && others.iter().any(Result::is_err);
        let feed = ways.feed.into_inner();
        let errors = std::iter::once(first).chain(others);
        let reach = ways.reach.into_inner();
        Poured {
            offered: feed.taken,
            bytes: reach.unwrap_or_else(PoisonError::into_inner).bytes,
            beside_broke,
            end: errors.filter_map(Result::err).fold(feed.end, PourEnd::with),
        }
    }

    /// A further way, where the host has one before everything is on its way.
    async fn pour_beside(
        &self,
        ways: &Ways<'_>,
        first: &Opened,
        number: usize,
    ) -> Result<(), WriteError> {
        let (mut flowing, mut closed) = (ways.flowing.subscribe(), ways.closed.subscribe());
        let closed = async { closed.wait_for(|closed| *closed).await.map(drop) };
        let opening = async {
            // A disk may be all holes but for a few MiB.
            flowing.wait_for(|flowing| *flowing).await.ok()?;
            self.work.to.host.open_beside(first).await
        };
        let file = tokio::select! {
            biased;
            file = opening => file,
            _ = closed => None,
        };
        match file {
            Some(file) => self.pour_over(ways, file, number).await,
            None => Ok(()),
        }
    }

    /// Writes what the others have not taken, until the end of the source.
    async fn pour_over(
        &self,
        ways: &Ways<'_>,
        mut file: RemoteFile,
        number: usize,
    ) -> Result<(), WriteError> {
        let written = self.write_all(ways, &mut file, number).await;
        let ended = match written {
            Ok(()) => file.finish().await,
            Err(error) => Err(error),
        };
        if ended.is_err() {
            ways.close();
        }
        ended
    }

    async fn write_all(
        &self,
        ways: &Ways<'_>,
        file: &mut RemoteFile,
        number: usize,
    ) -> Result<(), WriteError> {
        loop {
            let pieces = ways.take(file, number).await;
            if pieces.is_empty() {
                return Ok(());
            }
            for Piece { end, data } in pieces {
                let mut bytes = 0;
                for (at, data) in data {
                    bytes += data.len() as u64;
                    file.write_at(at, data).await?;
                }
                let (left, place) = ways.handed_over(file, number, end, bytes);
                // Whoever is about to tell the host tells it for all.
                if let Ok(mut follow) = ways.follow.try_lock() {
                    follow.reach(self.work, place).await;
                }
                let settled = self.item.bytes - left;
                self.work.meter.settle(settled, bytes, Instant::now());
            }
        }
    }
}

impl<'a> Ways<'a> {
    /// The next pieces for a way, as many as are best written in a row; none once all are taken.
    async fn take(&self, file: &RemoteFile, number: usize) -> Vec<Piece> {
        let mut closed = self.closed.subscribe();
        let mut feed = self.feed.lock().await;
        let start = feed.taken;
        let mut pieces = Vec::new();
        while pieces.len() < file.best_in_a_row() / CHUNK {
            let piece = tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => break,
                piece = feed.pieces.recv() => piece,
            };
            match piece {
                Some(Ok(piece)) => {
                    feed.taken = feed.taken.max(piece.end);
                    pieces.push(piece);
                    continue;
                }
                Some(Err(ReadError::Link(why))) => feed.end = PourEnd::SourceLost(why),
                Some(Err(ReadError::Failed(fault))) => feed.end = PourEnd::SourceFailed(fault),
                None => {}
            }
            self.close();
        }
        // Before the lock is given back: the next way starts behind these.
        self.reach().note(file, number, start);
        pieces
    }

    fn close(&self) {
        self.closed.send_replace(true);
    }

    /// A piece was handed to a link: how much is left, and up to where everything is confirmed.
    fn handed_over(&self, file: &RemoteFile, number: usize, end: u64, bytes: u64) -> (u64, u64) {
        let mut reach = self.reach();
        reach.bytes += bytes;
        if reach.bytes >= FLOWING {
            self.flowing
                .send_if_modified(|flowing| !std::mem::replace(flowing, true));
        }
        reach.furthest = reach.furthest.max(end);
        let furthest = reach.furthest;
        let left = self.open - reach.passed.before(furthest);
        reach.note(file, number, end);
        let first = reach.unconfirmed.iter().min().copied();
        (left, first.unwrap_or_default().min(self.until))
    }

    fn reach(&self) -> MutexGuard<'_, Reach<'a>> {
        self.reach.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reach<'_> {
    /// A way has been given everything of its own before `end`.
    fn note(&mut self, file: &RemoteFile, number: usize, end: u64) {
        if let Some(place) = self.unconfirmed.get_mut(number) {
            *place = file.confirmed(end).unwrap_or_default();
        }
    }
}

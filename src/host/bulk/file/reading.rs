//! Reading a file: what is going to be read is asked for ahead, and nothing else is.

use std::ops::Range;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::super::super::file::FileError;
use super::super::super::plan::Plan;
use super::super::budget::Reader;
use super::super::channel::Waiter;
use super::super::packet::{self, Reply, Request};
use super::BulkFile;

/// Bytes of a request that every server takes.
const SMALL_PIECE: u64 = 32 << 10;
/// Reads in flight, at most.
const READS: usize = 64;

/// What is on its way.
pub(super) struct Ahead {
    range: Range<u64>,
    reply: oneshot::Receiver<Reply>,
}

impl Ahead {
    /// What came in and was not read yet.
    fn arrived(start: u64, bytes: Bytes) -> Self {
        let range = start..start + bytes.len() as u64;
        let (sender, reply) = oneshot::channel();
        // Its receiver is here.
        let _ = sender.send(Reply::Data(bytes));
        Self { range, reply }
    }
}

impl BulkFile {
    /// See [`RemoteFile::will_read`](super::super::super::RemoteFile::will_read).
    pub(in super::super::super) fn will_read(&mut self, ranges: &[Range<u64>]) {
        self.ahead.clear();
        self.plan = Plan::new(ranges.iter().cloned());
        let budget = &self.session.budget;
        self.reader.get_or_insert_with(|| budget.reader());
    }

    pub(super) async fn fetch(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, FileError> {
        let end = offset + len as u64;
        let mut data = Vec::with_capacity(len);
        let mut at = offset;
        while at < end {
            if self.next_read() != Some(at) {
                // Nobody said that this would be read.
                self.will_read(std::slice::from_ref(&(at..end)));
            }
            self.ask_ahead().await?;
            let Some(Ahead { range, reply }) = self.ahead.pop_front() else {
                break;
            };
            let mut got = match reply.await.map_err(|_| self.lost("reading"))? {
                Reply::Data(bytes) => bytes,
                Reply::Status { code, .. } if code == packet::END_OF_FILE => Bytes::new(),
                other => return Err(self.unexpected("reading", &other)),
            };
            got.truncate(length(&range));
            if got.is_empty() {
                self.ahead.clear();
                break;
            }
            if got.len() < length(&range) {
                self.piece = (got.len() as u64).max(SMALL_PIECE);
                let lacking = self.ask_for(at + got.len() as u64..range.end).await?;
                self.ahead.push_front(lacking);
            }
            let used = got.split_to(got.len().min(length(&(at..end))));
            data.extend_from_slice(&used);
            at += used.len() as u64;
            if !got.is_empty() {
                self.ahead.push_front(Ahead::arrived(at, got));
            }
        }
        Ok(data)
    }

    /// Where the next byte lies that is on its way or planned.
    fn next_read(&self) -> Option<u64> {
        let first = self.ahead.front().map(|ahead| ahead.range.start);
        first.or(self.plan.start())
    }

    /// Asks for what is planned, as far ahead as this file may; for the next piece in any case.
    async fn ask_ahead(&mut self) -> Result<(), FileError> {
        let most = self.reader.as_ref().map_or(0, Reader::ahead);
        let ahead = self.ahead.iter();
        let mut asked: u64 = ahead.map(|one| one.range.end - one.range.start).sum();
        while (asked < most || self.ahead.is_empty())
            && self.ahead.len() < READS
            && let Some(range) = self.plan.take(self.piece)
        {
            asked += range.end - range.start;
            let one = self.ask_for(range).await?;
            self.ahead.push_back(one);
        }
        Ok(())
    }

    async fn ask_for(&mut self, range: Range<u64>) -> Result<Ahead, FileError> {
        let (sender, reply) = oneshot::channel();
        let number = self.wire.expect(Waiter::Answer(sender));
        let request = Request::new(packet::READ, number)
            .string(&self.handle)
            .u64(range.start)
            .u32(u32::try_from(range.end - range.start).unwrap_or(u32::MAX));
        self.send("reading", request.finish(0).into()).await?;
        Ok(Ahead { range, reply })
    }
}

fn length(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

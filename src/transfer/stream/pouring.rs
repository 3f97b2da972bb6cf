//! The bytes of a file that a tool prints, stretch by stretch.

use std::ops::Range;

use tokio::sync::mpsc;

use super::super::ranges::{CHUNK, Zeros};
use super::super::source::{Piece, ReadError, piece};
use super::{READ_OVER, Stream};

impl Stream {
    /// Reads stretches (ascending) of this file of `bytes` bytes, as [`read`](super::super::source::read) does.
    pub(in crate::transfer) async fn pour(
        self,
        bytes: u64,
        ranges: Vec<Range<u64>>,
        zeros: Zeros,
        pieces: mpsc::Sender<Result<Piece, ReadError>>,
    ) {
        // What compared stretches is not needed any more.
        self.cursor.lock().await.take();
        let poured = tokio::select! {
            poured = self.try_pour(bytes, &ranges, zeros, &pieces) => poured,
            // The transfer was given up: a tool that stalls is not waited for.
            () = pieces.closed() => return,
        };
        if let Err(error) = poured {
            let _ = pieces.send(Err(error)).await;
        }
    }

    async fn try_pour(
        &self,
        bytes: u64,
        ranges: &[Range<u64>],
        zeros: Zeros,
        pieces: &mpsc::Sender<Result<Piece, ReadError>>,
    ) -> Result<(), ReadError> {
        let Some(first) = ranges.first() else {
            return Ok(());
        };
        let (mut program, mut run) = self.open(first.start).await?;
        let mut at = first.start;
        for range in ranges {
            if range.start - at > READ_OVER {
                (program, run) = self.open(range.start).await?;
                at = range.start;
            }
            while at < range.end {
                let next = if at < range.start {
                    range.start
                } else {
                    range.end
                };
                let length = usize::try_from(next - at).unwrap_or(CHUNK).min(CHUNK);
                let buffer = run.read(length).await?;
                if buffer.len() < length {
                    let end = at + buffer.len() as u64;
                    return Err(self.ended_early(&program, run, end, bytes).await);
                }
                let start = at;
                at += length as u64;
                let wanted = start >= range.start;
                if at == bytes {
                    // The last piece is not there before the tool says that all of it went well.
                    self.check_end(&program, run, bytes).await?;
                    if wanted {
                        let _ = pieces.send(Ok(piece(start, buffer, zeros))).await;
                    }
                    return Ok(());
                }
                if wanted && pieces.send(Ok(piece(start, buffer, zeros))).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

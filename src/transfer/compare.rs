//! Which stretches of a file the target lacks: both ends are asked for sums.

use std::ops::Range;
use std::time::Instant;

use super::bulk::Bulk;
use super::progress::Phase;
use super::ranges::{COARSE, FINE, cut, join};
use super::source::{Folder, sums_here};
use super::writes::Writes;
use crate::error::Fault;

impl<W: Writes> Bulk<'_, W> {
    /// Which of these stretches the target does not have: both sides are asked for their sums,
    /// first of large stretches, then of the small ones within those that arrived in part.
    pub(super) async fn lacking(&self, ranges: &[Range<u64>]) -> Result<Vec<Range<u64>>, Fault> {
        self.work.meter.phase(Phase::Comparing, Instant::now());
        let aligned = ranges.iter().map(|range| {
            range.start / FINE * FINE
                ..range
                    .end
                    .div_ceil(FINE)
                    .saturating_mul(FINE)
                    .min(self.item.bytes)
        });
        let aligned = join(aligned.filter(|range| !range.is_empty()).collect());
        let mut lacking = Vec::new();
        for coarse in cut(&aligned, COARSE) {
            match self.compare(&coarse).await? {
                Found::Equal => {}
                Found::Hole => lacking.push(coarse),
                Found::Other => {
                    for fine in cut(std::slice::from_ref(&coarse), FINE) {
                        if coarse == fine || self.compare(&fine).await? != Found::Equal {
                            lacking.push(fine);
                        }
                    }
                }
            }
        }
        Ok(join(lacking))
    }

    async fn compare(&self, range: &Range<u64>) -> Result<Found, Fault> {
        let to = &self.work.to;
        let path = to.path(&self.part());
        let there = self.work.sum_part(&to.host, to.lane, &path, range);
        let here = async {
            match &self.source {
                Folder::Here(path) => sums_here(path.clone(), vec![range.clone()]).await,
                Folder::On { host, path, lane } => self
                    .work
                    .sum_part(host, *lane, path, range)
                    .await
                    .map(|sum| vec![sum]),
                Folder::Stream(stream) => stream
                    .sum_of(range, self.work.patience)
                    .await
                    .map(|sum| vec![sum]),
            }
        };
        let (there, here) = tokio::try_join!(there, here)?;
        if here == [there] {
            return Ok(Found::Equal);
        }
        // Nothing of it has arrived: no need to look closer.
        let hole = self.work.sum_of_hole(range.end - range.start).await;
        Ok(if there == hole {
            Found::Hole
        } else {
            Found::Other
        })
    }
}

/// What the target has in a stretch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The source's bytes.
    Equal,
    /// Zeros, where the source has something else.
    Hole,
    /// Something else, perhaps in part the source's bytes.
    Other,
}

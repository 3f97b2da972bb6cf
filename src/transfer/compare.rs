//! Which stretches of a file the target lacks: both ends are asked for sums, of MiB first and then
//! of the small blocks within those that differ, each time many in one exec.

use std::ops::Range;
use std::time::Instant;

use super::blocks::{Block, slices};
use super::bulk::Bulk;
use super::progress::Phase;
use super::ranges::{BLOCK, FINE, cut, join, length, push};
use super::source::Folder;
use super::writes::Writes;
use crate::error::Fault;

/// What the target lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lacking {
    /// Where it has zeros and the source something else: zeros among that need not be sent.
    pub(super) holes: Vec<Range<u64>>,
    /// Where it has something that the source has not: zeros are sent there too.
    pub(super) others: Vec<Range<u64>>,
}

impl Lacking {
    /// Both.
    pub(super) fn all(&self) -> Vec<Range<u64>> {
        let mut all = [self.holes.as_slice(), self.others.as_slice()].concat();
        all.sort_by_key(|range| range.start);
        join(all)
    }
}

impl<W: Writes> Bulk<'_, W> {
    /// Which of these stretches the target does not have. What it has is counted as settled on
    /// the way.
    pub(super) async fn lacking(&self, ranges: &[Range<u64>]) -> Result<Lacking, Fault> {
        let meter = &self.work.meter;
        meter.phase(Phase::Comparing, Instant::now());
        let outside = self.item.bytes - length(ranges).min(self.item.bytes);
        let mut settled = outside;
        let mut lacking = Lacking::default();
        let aligned = self.aligned(ranges);
        for slice in slices(cut(&aligned, FINE)) {
            let mut inside = Vec::new();
            settled += length(&slice);
            for (stretch, found) in self.compare(FINE, slice).await? {
                match found {
                    Found::Equal => {}
                    Found::Hole => {
                        settled -= stretch.end - stretch.start;
                        push(&mut lacking.holes, stretch);
                    }
                    Found::Other => inside.push(stretch),
                }
            }
            for slice in slices(cut(&inside, BLOCK as u64)) {
                for (block, found) in self.compare(BLOCK as u64, slice).await? {
                    if found != Found::Equal {
                        settled -= block.end - block.start;
                        push(&mut lacking.others, block);
                    }
                }
            }
            meter.settle(settled, 0, Instant::now());
        }
        Ok(lacking)
    }

    /// The same stretches, grown to whole blocks of sums.
    fn aligned(&self, ranges: &[Range<u64>]) -> Vec<Range<u64>> {
        let grown = ranges.iter().map(|range| {
            let end = range.end.div_ceil(FINE).saturating_mul(FINE);
            range.start / FINE * FINE..end.min(self.item.bytes)
        });
        join(grown.filter(|range| !range.is_empty()).collect())
    }

    async fn compare(
        &self,
        size: u64,
        blocks: Vec<Range<u64>>,
    ) -> Result<Vec<(Range<u64>, Found)>, Fault> {
        let to = &self.work.to;
        let target = Folder::On {
            host: to.host.clone(),
            path: to.path(&self.part()),
            lane: to.lane,
        };
        let (there, here) = tokio::try_join!(
            self.work.blocks(&target, size, &blocks, None),
            self.work
                .blocks(&self.source, size, &blocks, self.wanted.reading())
        )?;
        let found = there.into_iter().zip(here).map(|ends| match ends {
            (there, here) if there == here => Found::Equal,
            (Block::Zeros, _) => Found::Hole,
            _ => Found::Other,
        });
        Ok(blocks.into_iter().zip(found).collect())
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

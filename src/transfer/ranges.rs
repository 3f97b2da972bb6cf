//! Stretches of a file: which are data, which are still to be sent.

use std::ops::Range;

/// Two files are compared in stretches of this many bytes first.
pub const FINE: u64 = 1 << 20;
/// Bytes read and written at a time.
pub const CHUNK: usize = 1 << 20;
/// Zeros are looked for, and left out, in blocks of this many bytes; so are differences within a
/// stretch that differs. Smaller ones would cost more in sums than they save in data: with 1 % of
/// such blocks changed at random, 15 % of all MiB differ, and 4 % of all 256 KiB.
pub const BLOCK: usize = 64 << 10;

/// Which zeros are sent like any other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeros {
    /// All of them: something else may lie there.
    All,
    /// Those that share a [`CHUNK`] with something else: where a jump costs more than they do.
    Few,
    /// None in whole [`BLOCK`]s.
    None,
}

impl Zeros {
    /// The stretches to read where these hold data, between `start` and `end`.
    #[must_use]
    pub fn around(self, data: Range<u64>, within: &Range<u64>) -> Range<u64> {
        let chunk = CHUNK as u64;
        match self {
            Self::All => within.clone(),
            Self::Few if !data.is_empty() => {
                let start = data.start / chunk * chunk;
                let end = data.end.div_ceil(chunk).saturating_mul(chunk);
                start.max(within.start)..end.min(within.end)
            }
            Self::Few | Self::None => data,
        }
    }
}

/// All of a file of so many bytes; nothing, of an empty one.
#[must_use]
pub fn whole(bytes: u64) -> Vec<Range<u64>> {
    std::iter::once(0..bytes)
        .filter(|range| !range.is_empty())
        .collect()
}

/// Bytes in all of them.
#[must_use]
pub fn length(ranges: &[Range<u64>]) -> u64 {
    ranges
        .iter()
        .map(|range| range.end.saturating_sub(range.start))
        .sum()
}

/// The same stretches cut at multiples of `size`, so that none is longer and each lies within one.
pub fn cut(ranges: &[Range<u64>], size: u64) -> impl Iterator<Item = Range<u64>> {
    let size = size.max(1);
    ranges.iter().cloned().flat_map(move |range| {
        let mut at = range.start;
        std::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let end = (at / size)
                .saturating_add(1)
                .saturating_mul(size)
                .min(range.end);
            let piece = at..end;
            at = end;
            Some(piece)
        })
    })
}

/// What lies before a place and what lies behind it, of stretches in ascending order.
#[must_use]
pub fn split(ranges: &[Range<u64>], place: u64) -> (Vec<Range<u64>>, Vec<Range<u64>>) {
    let part = |clip: &dyn Fn(&Range<u64>) -> Range<u64>| {
        ranges
            .iter()
            .map(clip)
            .filter(|range| !range.is_empty())
            .collect()
    };
    let before = part(&|range| range.start..range.end.min(place));
    let behind = part(&|range| range.start.max(place)..range.end);
    (before, behind)
}

/// How much of some stretches, in ascending order, lies before a place that only moves forward.
pub struct Passed<'a> {
    rest: &'a [Range<u64>],
    whole: u64,
}

impl<'a> Passed<'a> {
    /// Before the first place.
    #[must_use]
    pub fn new(ranges: &'a [Range<u64>]) -> Self {
        let (rest, whole) = (ranges, 0);
        Self { rest, whole }
    }

    /// Bytes of the stretches before a place that is not before the last one.
    pub fn before(&mut self, place: u64) -> u64 {
        while let [first, rest @ ..] = self.rest
            && first.end <= place
        {
            self.whole += first.end.saturating_sub(first.start);
            self.rest = rest;
        }
        let part = |first: &Range<u64>| place.saturating_sub(first.start);
        self.whole + self.rest.first().map_or(0, part)
    }
}

/// What two lists of stretches, each in ascending order, have in common.
#[must_use]
pub fn within(ranges: &[Range<u64>], others: &[Range<u64>]) -> Vec<Range<u64>> {
    let (mut common, mut first) = (Vec::new(), 0);
    for range in ranges {
        while others
            .get(first)
            .is_some_and(|other| other.end <= range.start)
        {
            first += 1;
        }
        for other in others.iter().skip(first) {
            if other.start >= range.end {
                break;
            }
            common.push(range.start.max(other.start)..range.end.min(other.end));
        }
    }
    common
}

/// Neighbours joined, of stretches in ascending order.
#[must_use]
pub fn join(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    bridge(ranges, 0)
}

/// The same, joined over gaps of up to so many bytes.
#[must_use]
pub fn bridge(ranges: Vec<Range<u64>>, gap: u64) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    ranges
        .into_iter()
        .for_each(|range| push_over(&mut joined, range, gap));
    joined
}

/// Puts a stretch behind others, joined with a neighbour.
pub fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    push_over(ranges, range, 0);
}

fn push_over(ranges: &mut Vec<Range<u64>>, range: Range<u64>, gap: u64) {
    match ranges.last_mut() {
        Some(last) if last.end.saturating_add(gap) >= range.start => {
            last.end = last.end.max(range.end);
        }
        _ => ranges.push(range),
    }
}

/// The stretches of a buffer that are worth sending: everything but whole blocks of zeros.
#[must_use]
pub fn data_runs(buffer: &[u8]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, block) in buffer.chunks(BLOCK).enumerate() {
        if is_zero(block) {
            continue;
        }
        let start = at * BLOCK;
        let end = start + block.len();
        match runs.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => runs.push(start..end),
        }
    }
    runs
}

/// Whether these stretches are one, of all the buffer's bytes.
#[must_use]
pub fn is_all(runs: &[Range<usize>], length: usize) -> bool {
    matches!(runs, [run] if run.start == 0 && run.end == length)
}

/// Whether there is nothing but zeros.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zeros_are_left_out_by_blocks() {
        let mut buffer = vec![0; 4 * BLOCK + 10];
        assert!(data_runs(&buffer).is_empty());
        buffer[BLOCK] = 1;
        buffer[3 * BLOCK - 1] = 1;
        buffer[4 * BLOCK + 9] = 1;
        assert_eq!(
            data_runs(&buffer),
            [BLOCK..3 * BLOCK, 4 * BLOCK..4 * BLOCK + 10]
        );
        assert!(data_runs(&[]).is_empty());
    }

    fn ranges() -> impl Strategy<Value = Vec<Range<u64>>> {
        proptest::collection::vec((1..50_u64, 1..50_u64), 0..8).prop_map(|gaps| {
            let mut at = 0;
            gaps.into_iter()
                .map(|(gap, length)| {
                    let start = at + gap;
                    at = start + length;
                    start..at
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn nothing_is_lost_by_cutting_splitting_and_joining(
            ranges in ranges(), size in 1..40_u64, place in 0..400_u64,
        ) {
            let pieces: Vec<Range<u64>> = cut(&ranges, size).collect();
            for piece in &pieces {
                prop_assert!(!piece.is_empty() && piece.start / size == (piece.end - 1) / size);
            }
            prop_assert_eq!(join(pieces), ranges.clone());
            let (before, behind) = split(&ranges, place);
            prop_assert!(before.iter().all(|range| range.end <= place));
            prop_assert!(behind.iter().all(|range| range.start >= place));
            prop_assert_eq!(length(&before) + length(&behind), length(&ranges));
            prop_assert_eq!(join([before, behind].concat()), ranges);
        }

        #[test]
        fn only_gaps_that_are_small_enough_are_bridged(ranges in ranges(), gap in 0..40_u64) {
            let bridged = bridge(ranges.clone(), gap);
            prop_assert!(bridged.windows(2).all(|pair| pair[1].start - pair[0].end > gap));
            prop_assert_eq!(within(&ranges, &bridged), ranges.clone());
            let gaps = ranges.windows(2).map(|pair| pair[1].start - pair[0].end);
            let small: u64 = gaps.filter(|between| *between <= gap).sum();
            prop_assert_eq!(length(&bridged), length(&ranges) + small);
        }

        #[test]
        fn what_is_passed_is_what_lies_before(
            ranges in ranges(), mut places in proptest::collection::vec(0..900_u64, 0..9),
        ) {
            places.sort_unstable();
            let mut passed = Passed::new(&ranges);
            for place in places {
                prop_assert_eq!(passed.before(place), length(&split(&ranges, place).0));
            }
        }

        #[test]
        fn the_common_part_is_what_both_have(one in ranges(), other in ranges()) {
            let common = within(&one, &other);
            let has = |list: &[Range<u64>], place: u64| list.iter().any(|range| range.contains(&place));
            for place in 0..900 {
                prop_assert_eq!(has(&common, place), has(&one, place) && has(&other, place));
            }
            prop_assert!(common.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }

        #[test]
        fn what_is_left_out_is_zero(
            data in proptest::collection::vec((0..200_000_usize, 1..=255_u8), 0..6),
            size in 0..200_000_usize,
        ) {
            let mut buffer = vec![0; size];
            for (at, byte) in data {
                if let Some(place) = buffer.get_mut(at) {
                    *place = byte;
                }
            }
            let mut copy = vec![0; size];
            for run in data_runs(&buffer) {
                copy[run.clone()].copy_from_slice(&buffer[run]);
            }
            prop_assert_eq!(copy, buffer);
        }
    }
}

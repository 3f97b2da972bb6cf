//! What is going to be read of a file, so that no byte is asked for that nobody wants.

use std::collections::VecDeque;
use std::ops::Range;

/// Stretches in ascending order, of which some are asked for already.
#[derive(Debug, Default)]
pub(super) struct Plan(VecDeque<Range<u64>>);

impl Plan {
    pub(super) fn new(ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        Self(
            ranges
                .into_iter()
                .filter(|range| !range.is_empty())
                .collect(),
        )
    }

    /// Where the next stretch begins.
    pub(super) fn start(&self) -> Option<u64> {
        self.0.front().map(|range| range.start)
    }

    /// Takes the next bytes, as far as the next multiple of `size` at most.
    pub(super) fn take(&mut self, size: u64) -> Option<Range<u64>> {
        let first = self.0.front_mut()?;
        let most = size.max(1) - first.start % size.max(1);
        let end = first.end.min(first.start.saturating_add(most));
        let taken = first.start..end;
        first.start = end;
        if first.is_empty() {
            self.0.pop_front();
        }
        Some(taken)
    }

    /// The end of the stretch that has these bytes, where they begin one or go on in it; else theirs.
    /// What lies before them is not read any more.
    pub(super) fn end_around(&mut self, bytes: &Range<u64>) -> u64 {
        while self.0.front().is_some_and(|range| range.end <= bytes.start) {
            self.0.pop_front();
        }
        let around = self.0.front().filter(|range| range.start <= bytes.start);
        around.map_or(bytes.end, |range| range.end.max(bytes.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_in_order_and_no_further_than_a_multiple() {
        let mut plan = Plan::new([3..3, 5..25, 40..50]);
        assert_eq!(plan.start(), Some(5));
        let taken: Vec<_> = std::iter::from_fn(|| plan.take(10)).collect();
        assert_eq!(taken, [5..10, 10..20, 20..25, 40..50]);
        assert_eq!(plan.start(), None);
    }

    #[test]
    fn the_end_is_that_of_the_stretch_around() {
        let mut plan = Plan::new([5..25, 40..50]);
        assert_eq!(plan.end_around(&(0..3)), 3, "not planned");
        assert_eq!(plan.end_around(&(5..7)), 25);
        assert_eq!(plan.end_around(&(20..30)), 30);
        assert_eq!(plan.end_around(&(45..47)), 50);
        assert_eq!(plan.end_around(&(10..12)), 12, "passed");
    }
}

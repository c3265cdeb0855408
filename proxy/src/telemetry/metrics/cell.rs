//! Numbers that one thread writes and any thread may read.
//!
//! A worker is the only writer of its cells, so counting is a plain load and store: no locked instruction, no
//! cache line shared with another writer. A reader may see a histogram in the middle of an observation, off by
//! one; it never sees a torn number. What must not be done: writing one cell from two threads (counts get lost).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A single-writer number.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// Adds `n`; wraps like any Prometheus counter may.
    pub(super) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Takes `n` away; for gauges.
    pub(super) fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// The number now.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of a histogram's buckets, rising, in the unit that is observed.
#[derive(Debug)]
pub(super) struct Bounds<const N: usize> {
    /// As integers, for observing.
    pub(super) raw: [u64; N],
    /// What one exposed unit is in raw units: 1e9 when nanoseconds are exposed as seconds.
    pub(super) per_unit: f64,
}

/// Buckets of all durations, nanoseconds: those of the semantic conventions and 1 and 2.5 ms below them.
pub(super) const DURATION: Bounds<16> = Bounds {
    raw: [
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        75_000_000,
        100_000_000,
        250_000_000,
        500_000_000,
        750_000_000,
        1_000_000_000,
        2_500_000_000,
        5_000_000_000,
        7_500_000_000,
        10_000_000_000,
    ],
    per_unit: 1e9,
};

/// Buckets of body sizes, bytes.
pub(super) const SIZE: Bounds<6> =
    Bounds { raw: [0, 1 << 10, 16 << 10, 256 << 10, 4 << 20, 64 << 20], per_unit: 1.0 };

/// A single-writer histogram over `N` bounds; the bucket beyond the last bound is kept apart.
#[derive(Debug)]
pub(super) struct Histogram<const N: usize> {
    buckets: [Count; N],
    beyond: Count,
    sum: Count,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| Count::default()),
            beyond: Count::default(),
            sum: Count::default(),
        }
    }
}

impl<const N: usize> Histogram<N> {
    /// Counts one value.
    pub(super) fn observe(&self, bounds: &Bounds<N>, value: u64) {
        // Counting the bounds below the value has no branch to mispredict.
        let index = bounds.raw.iter().filter(|bound| value > **bound).count();
        self.buckets.get(index).unwrap_or(&self.beyond).add(1);
        self.sum.add(value);
    }
}

/// Histograms of several workers or series added up.
#[derive(Debug, Clone)]
pub(super) struct Total<const N: usize> {
    /// Not cumulative.
    pub(super) buckets: [u64; N],
    pub(super) beyond: u64,
    pub(super) sum: u64,
}

impl<const N: usize> Default for Total<N> {
    fn default() -> Self {
        Self { buckets: [0; N], beyond: 0, sum: 0 }
    }
}

impl<const N: usize> Total<N> {
    /// Adds what `histogram` holds now.
    pub(super) fn absorb(&mut self, histogram: &Histogram<N>) {
        for (total, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *total = total.wrapping_add(bucket.get());
        }
        self.beyond = self.beyond.wrapping_add(histogram.beyond.get());
        self.sum = self.sum.wrapping_add(histogram.sum.get());
    }

    /// How many values were counted; the buckets alone decide, so the text is consistent in itself.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().fold(self.beyond, |sum, bucket| sum.wrapping_add(*bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_that_bucket() {
        let histogram = Histogram::default();

        histogram.observe(&DURATION, 1_000_000);
        histogram.observe(&DURATION, 1_000_001);
        histogram.observe(&DURATION, 60_000_000_000);

        let mut total = Total::default();
        total.absorb(&histogram);
        assert_eq!(total.buckets[..3], [1, 1, 0]);
        assert_eq!(total.beyond, 1);
        assert_eq!(total.count(), 3);
        assert_eq!(total.sum, 60_002_000_001);
    }

    #[test]
    fn totals_add_up_over_histograms() {
        let (one, two) = (Histogram::default(), Histogram::default());
        one.observe(&SIZE, 0);
        two.observe(&SIZE, 1024);

        let mut total = Total::default();
        total.absorb(&one);
        total.absorb(&two);

        assert_eq!(total.buckets, [1, 1, 0, 0, 0, 0]);
        assert_eq!(total.sum, 1024);
    }

    #[test]
    fn a_gauge_comes_back_to_zero() {
        let gauge = Count::default();

        gauge.add(2);
        gauge.sub(1);
        gauge.sub(1);

        assert_eq!(gauge.get(), 0);
    }
}

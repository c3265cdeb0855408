//! How many requests of the last while failed: ten cells of a ring, each one atomic. Pure: time comes in, as nanoseconds
//! since some fixed moment.
//!
//! A cell is the number of its tenth of the window, requests and failures. Its number says whether it still counts, so
//! nothing has to be cleared as time goes on, and counting takes one addition. The number also holds the length of the
//! window: with another one it begins with nothing. What counts is 9 to 10 tenths of the window.

use std::sync::atomic::{AtomicU64, Ordering};

/// Cells of the ring.
const CELLS: u64 = 10;
/// Bits of each count.
const BITS: u32 = 22;
/// All of a count.
const COUNT: u64 = (1 << BITS) - 1;
/// The number of a cell, unshifted.
const NUMBER: u64 = (1 << (64 - 2 * BITS)) - 1;
/// One request, and one failure.
const REQUEST: u64 = 1 << BITS;
/// With so many requests both counts of a cell are halved: their ratio stays, and neither can run over.
const FULL: u64 = 1 << (BITS - 1);

/// See above.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Length of a cell in nanoseconds, as last used.
    cell: AtomicU64,
    ring: Ring,
}

/// All workers write here: kept off the cache lines that they only read.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Ring([AtomicU64; CELLS as usize]);

impl Window {
    /// Counts a request that ended at `at` in a window of `length`, both in nanoseconds.
    pub(super) fn count(&self, length: u64, success: bool, at: u64) {
        let width = (length / CELLS).max(1);
        if self.cell.load(Ordering::Relaxed) != width {
            self.cell.store(width, Ordering::Relaxed);
        }
        let tick = at / width;
        let (number, one) = (number(tick, width), REQUEST + u64::from(!success));
        let Some(cell) = self.cell_of(tick) else { return };
        let mut seen = cell.load(Ordering::Relaxed);
        loop {
            if seen >> (2 * BITS) == number && requests(seen) < FULL {
                // If a new tenth begins in between, this one counts there: no matter.
                cell.fetch_add(one, Ordering::Relaxed);
                return;
            }
            let begun = if seen >> (2 * BITS) == number { halved(seen) } else { number << (2 * BITS) };
            match cell.compare_exchange_weak(seen, begun + one, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    /// Requests, and failures among them, in the window that ends at `at`.
    pub(super) fn sum(&self, at: u64) -> (u64, u64) {
        let width = self.cell.load(Ordering::Relaxed).max(1);
        let last = at / width;
        let ticks = last.saturating_sub(CELLS - 1)..=last;
        let cells = ticks.filter_map(|tick| {
            let cell = self.cell_of(tick)?.load(Ordering::Relaxed);
            (cell >> (2 * BITS) == number(tick, width)).then_some(cell)
        });
        cells.fold((0, 0), |(all, failed), cell| (all + requests(cell), failed + (cell & COUNT)))
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.ring.0.iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
    }

    fn cell_of(&self, tick: u64) -> Option<&AtomicU64> {
        self.ring.0.get((tick % CELLS) as usize)
    }
}

/// What marks a cell: the tick, moved by something that differs from width to width.
const fn number(tick: u64, width: u64) -> u64 {
    tick.wrapping_add(width.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) & NUMBER
}

const fn requests(cell: u64) -> u64 {
    (cell >> BITS) & COUNT
}

const fn halved(cell: u64) -> u64 {
    (cell & (NUMBER << (2 * BITS))) | ((requests(cell) / 2) << BITS) | ((cell & COUNT) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: u64 = 10_000;

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let window = Window::default();
        window.count(LENGTH, false, 500);
        window.count(LENGTH, true, 1500);

        let sums = [9_999, 10_000, 10_999, 11_000, 1_000_000].map(|at| window.sum(at));

        assert_eq!(sums, [(2, 1), (1, 0), (1, 0), (0, 0), (0, 0)]);
    }

    #[test]
    fn a_cell_is_used_again_after_a_round() {
        let window = Window::default();
        (0..25).for_each(|second| window.count(LENGTH, second % 2 == 0, second * 1000));

        assert_eq!(window.sum(24_999), (10, 5));
    }

    #[test]
    fn another_length_begins_with_nothing() {
        let window = Window::default();
        (0..10).for_each(|second| window.count(LENGTH, false, second * 1000));

        window.count(5 * LENGTH, true, 9_999);

        assert_eq!(window.sum(9_999), (1, 0));
    }

    #[test]
    fn more_requests_than_a_cell_holds_keep_their_ratio() {
        let window = Window::default();

        (0..5 * FULL).for_each(|n| window.count(LENGTH, n % 4 != 0, 0));

        let (requests, failures) = window.sum(0);
        assert!((FULL / 2..=FULL + 1).contains(&requests), "{requests}");
        assert!((requests / 4).abs_diff(failures) <= 8, "{failures} of {requests}");
    }

    #[test]
    fn it_forgets_when_told_to() {
        let window = Window::default();
        window.count(LENGTH, false, 0);

        window.clear();

        assert_eq!(window.sum(0), (0, 0));
    }
}

//! So many in a window of time: fixed, or sliding over two. Pure.
//!
//! Windows begin at multiples of their length since 1970, or where the calendar says ([`super::calendar`]). A sliding
//! window ends now: it estimates what it overlaps of the window before by its part in time, as if requests had come
//! evenly (Cloudflare: 0.003 % of 400 million requests decided wrongly). Everything is exact in integers.
//!
//! | the count is of | it |
//! |--|--|
//! | the window of `now` | goes on |
//! | the one before | is what the sliding window overlaps; the fixed one begins anew |
//! | the one after: another thread was ahead, or the clock went back | goes on as if it were already then |
//! | any other | begins anew |

use super::ask::Decision;
use crate::config::limit::Window;
use std::time::Duration;

/// Longest window, in nanoseconds.
const LONGEST: u64 = 1 << 62;
/// Nanoseconds of a day.
const DAY: u64 = 86_400 * 1_000_000_000;

/// A window, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Its first moment.
    pub start: u64,
    /// The first moment after it.
    pub end: u64,
}

/// How much is asked of how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spending {
    /// What a window lets through, at least `cost`.
    pub quota: u32,
    /// What is to be spent.
    pub cost: u32,
}

/// The count of a fixed window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fixed {
    /// When its window ends.
    end: u64,
    /// What was spent in it.
    count: u32,
}

/// The counts of a sliding window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sliding {
    /// When the window after it ends: nothing of it is overlapped any longer.
    until: u64,
    /// What was spent in it.
    count: u32,
    /// What was spent in the one before.
    before: u32,
}

/// How long a window is, in nanoseconds, at most 146 years; of the calendar, 1 day or 30.
pub fn length(window: &Window) -> u64 {
    match window {
        Window::Every(length) => u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).clamp(1, LONGEST),
        Window::Day(_) => DAY,
        Window::Month(_) => 30 * DAY,
    }
}

impl Bounds {
    /// The window of this length that holds `now`.
    pub fn every(length: u64, now: u64) -> Self {
        let start = now - now % length.max(1);
        Self { start, end: start.saturating_add(length.max(1)) }
    }

    fn length(self) -> u64 {
        self.end.saturating_sub(self.start).max(1)
    }

    /// Whether a window that ends at `end` is the one after it.
    fn is_before(self, end: u64) -> bool {
        end > self.end && end - self.end <= self.length()
    }
}

impl Fixed {
    /// Spends it, or nothing.
    pub fn take(&mut self, spending: Spending, bounds: Bounds, now: u64) -> Decision {
        let current = self.current(bounds);
        let reset_after = Duration::from_nanos(current.end.saturating_sub(now));
        let left = spending.quota.saturating_sub(current.count);
        if spending.cost > left {
            return Decision { admitted: false, remaining: left, reset_after, retry_after: reset_after };
        }
        *self = Self { count: current.count.saturating_add(spending.cost), ..current };
        let remaining = left - spending.cost;
        Decision { admitted: true, remaining, reset_after, retry_after: Duration::ZERO }
    }

    /// Undoes a spending; `bounds` are those of when it was made.
    pub fn give_back(&mut self, cost: u32, bounds: Bounds) {
        if self.end == bounds.end {
            self.count = self.count.saturating_sub(cost);
        }
    }

    /// From when on it is as if nothing had ever been spent, in nanoseconds since 1970.
    pub fn over_at(&self) -> u64 {
        self.end
    }

    fn current(self, bounds: Bounds) -> Self {
        let goes_on = self.end == bounds.end || bounds.is_before(self.end);
        if goes_on { self } else { Self { end: bounds.end, count: 0 } }
    }
}

impl Sliding {
    /// Spends it, or nothing. All windows are as long as `bounds`.
    pub fn take(&mut self, spending: Spending, bounds: Bounds, now: u64) -> Decision {
        let length = bounds.length();
        let current = self.current(bounds);
        let end = current.until.saturating_sub(length);
        let now = Clock { now, left: end.saturating_sub(now).min(length), end };
        let left = spending.quota.saturating_sub(current.used(now.left, length));
        if spending.cost > left {
            let retry_after = current.retry_after(spending, now, length);
            let reset_after = current.reset_after(now);
            return Decision { admitted: false, remaining: left, reset_after, retry_after };
        }
        *self = Self { count: current.count.saturating_add(spending.cost), ..current };
        let remaining = left - spending.cost;
        Decision {
            admitted: true,
            remaining,
            reset_after: self.reset_after(now),
            retry_after: Duration::ZERO,
        }
    }

    /// Undoes a spending; `bounds` are those of when it was made.
    pub fn give_back(&mut self, cost: u32, bounds: Bounds) {
        let end = self.until.saturating_sub(bounds.length());
        if end == bounds.end {
            self.count = self.count.saturating_sub(cost);
        } else if bounds.is_before(end) {
            self.before = self.before.saturating_sub(cost);
        }
    }

    /// From when on it is as if nothing had ever been spent, in nanoseconds since 1970.
    pub fn over_at(&self) -> u64 {
        self.until
    }

    fn current(self, bounds: Bounds) -> Self {
        let length = bounds.length();
        let end = self.until.saturating_sub(length);
        let until = bounds.end.saturating_add(length);
        if end == bounds.end || bounds.is_before(end) {
            self
        } else if end == bounds.start {
            Self { until, count: 0, before: self.count }
        } else {
            Self { until, count: 0, before: 0 }
        }
    }

    /// What the sliding window holds, rounded up, when `left` of the window of the count is to come.
    fn used(self, left: u64, length: u64) -> u32 {
        let overlapped = (u128::from(self.before) * u128::from(left)).div_ceil(u128::from(length));
        self.count.saturating_add(u32::try_from(overlapped).unwrap_or(u32::MAX))
    }

    /// The end of the last window that matters.
    fn reset_after(self, now: Clock) -> Duration {
        let end = if self.count > 0 { self.until } else { now.end };
        Duration::from_nanos(end.saturating_sub(now.now))
    }

    /// The smallest wait after which it is admitted: either enough of the window before is past while this one lasts, or
    /// enough of this one when the next lasts.
    fn retry_after(self, spending: Spending, now: Clock, length: u64) -> Duration {
        let Spending { quota, cost } = spending;
        let (overlapped, spare, end) = match quota.checked_sub(cost.saturating_add(self.count)) {
            Some(spare) => (self.before, spare, now.end),
            None => (self.count, quota.saturating_sub(cost), self.until),
        };
        let allowed = u128::from(spare) * u128::from(length) / u128::from(overlapped.max(1));
        let allowed = u64::try_from(allowed).unwrap_or(u64::MAX).min(length);
        Duration::from_nanos(end.saturating_sub(allowed).saturating_sub(now.now))
    }
}

/// Where `now` is.
#[derive(Debug, Clone, Copy)]
struct Clock {
    now: u64,
    /// How much of the window of the count is to come.
    left: u64,
    /// When that ends.
    end: u64,
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;

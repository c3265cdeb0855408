//! What a store is asked in numbers, and what its numbers mean. Pure.
//!
//! | algorithm | kept | admitted when |
//! |--|--|--|
//! | token bucket | how far the bucket is ahead of now: what was spent × window ÷ amount | ahead + cost × window ÷ amount ≤ burst × window ÷ amount |
//! | fixed window | what was spent in the window | spent + cost ≤ amount |
//! | sliding window | what was spent in this window and the one before | this + ⌈before × part still in view⌉ + cost ≤ amount |
//!
//! Times are whole microseconds of the store's clock. Of the bucket, parts of a microsecond are kept too, in 1/amount:
//! a rate that does not divide its window is exact. Larger products are computed here, in 128 bits: Lua has 53.

use super::StoreError;
use super::bounds::Bounds;
use crate::admission::limit::ask::Ask;
use crate::config::limit::{Algorithm, Rate, Window};
use smallvec::SmallVec;
use std::time::Duration;

/// Most that is reserved at once beyond the cost of the request: products in scripts stay exact.
const MOST: u32 = 1 << 20;
/// The longest a bucket is ahead, microseconds (71 years): with the time of day it stays below 2^53.
const FURTHEST: u128 = 1 << 51;

/// Arguments of a script.
pub(super) type Numbers = SmallVec<[i64; 9]>;

/// What was granted. Nothing is spent beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// How much: 0, or from the cost of the request up to what was wanted.
    pub n: u32,
    /// How much is left for everybody.
    pub remaining: u32,
    /// Until everything is there again: the end of the window, or a full bucket.
    pub reset_after: Duration,
    /// Until the cost of the request would be granted, were nobody else to ask; zero when it was.
    pub retry_after: Duration,
}

/// A question about one rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    algorithm: Algorithm,
    rate: &'a Rate,
    /// At least.
    least: u32,
    /// At most.
    want: u32,
}

impl<'a> Question<'a> {
    /// From the cost of the request up to `n`.
    pub(super) fn new(ask: &Ask<'a>, n: u32) -> Self {
        let least = ask.cost.max(1);
        let limit = ask.limit;
        let rate = ask.tier.checked_sub(1).and_then(|index| Some(&limit.rates.tiers.get(index)?.1));
        let rate = rate.unwrap_or(&limit.rates.default);
        Self { algorithm: limit.algorithm, rate, least, want: n.min(MOST).max(least) }
    }

    /// What the script gets.
    pub(super) fn arguments(&self, bounds: Option<Bounds>) -> Numbers {
        let (amount, want, least) = (i64::from(self.amount()), i64::from(self.want), i64::from(self.least));
        match self.algorithm {
            Algorithm::TokenBucket => {
                let [(most, most_part), (whole, part), (one, one_part)] =
                    [self.rate.burst, self.want, 1].map(|count| self.span(count));
                [amount, most, most_part, whole, part, one, one_part, want, least].into()
            }
            Algorithm::FixedWindow => {
                let mut numbers = Numbers::from_slice(&[amount, want, least]);
                match bounds {
                    Some(bounds) => numbers.extend(bounds),
                    None => numbers.push(self.length() as i64),
                }
                numbers
            }
            Algorithm::SlidingWindow => Numbers::from_slice(&[amount, want, least, self.length() as i64]),
        }
    }

    /// What the script gets that gives `n` back.
    pub(super) fn back(&self, n: u32) -> Numbers {
        match self.algorithm {
            Algorithm::TokenBucket => {
                let (whole, part) = self.span(n);
                Numbers::from_slice(&[i64::from(self.amount()), whole, part])
            }
            Algorithm::FixedWindow | Algorithm::SlidingWindow => Numbers::from_slice(&[i64::from(n)]),
        }
    }

    /// What its answer means.
    pub(super) fn answer(&self, numbers: &[i64]) -> Result<Granted, StoreError> {
        let granted = self.read(numbers).ok_or(StoreError::Protocol)?;
        let fits = granted.n == 0 || (self.least..=self.want).contains(&granted.n);
        if fits { Ok(granted) } else { Err(StoreError::Protocol) }
    }

    fn read(&self, numbers: &[i64]) -> Option<Granted> {
        let number = |index: usize| u64::try_from(*numbers.get(index)?).ok();
        let n = u32::try_from(number(0)?).ok()?;
        match self.algorithm {
            Algorithm::TokenBucket => Some(self.of_bucket(n, number(1)?, number(2)?)),
            Algorithm::FixedWindow => {
                let left = Duration::from_micros(number(2)?);
                let retry_after = if n == 0 { left } else { Duration::ZERO };
                let remaining = u32::try_from(number(1)?).ok()?;
                Some(Granted { n, remaining, reset_after: left, retry_after })
            }
            Algorithm::SlidingWindow => Some(self.of_sliding(n, [number(1)?, number(2)?, number(3)?])),
        }
    }

    fn of_bucket(&self, n: u32, ahead: u64, part: u64) -> Granted {
        // In 1/amount of a microsecond.
        let (amount, length) = (u128::from(self.amount()), u128::from(self.length()));
        let ahead = u128::from(ahead) * amount + u128::from(part);
        let most = (u128::from(self.rate.burst) * length).min(FURTHEST * amount);
        let needed = (ahead + u128::from(self.least) * length).saturating_sub(most);
        Granted {
            n,
            remaining: saturated(most.saturating_sub(ahead) / length),
            reset_after: micros(ahead.div_ceil(amount)),
            retry_after: if n == 0 { micros(needed.div_ceil(amount)) } else { Duration::ZERO },
        }
    }

    fn of_sliding(&self, n: u32, [current, before, left]: [u64; 3]) -> Granted {
        let (amount, length) = (u128::from(self.amount()), u128::from(self.length()));
        let (current, before) = (u128::from(current), u128::from(before));
        let left = u128::from(left).min(length);
        let seen = current + (before * left).div_ceil(length);
        let reset = match (current, before) {
            (0, 0) => 0,
            (0, _) => left,
            _ => left + length,
        };
        let least = u128::from(self.least);
        // What may still be in view of `count`, microseconds of its window, when `room` is free beside it.
        let view = |count: u128, room: u128| (room * length).checked_div(count).unwrap_or(length).min(length);
        let retry = match amount.checked_sub(current + least) {
            _ if n > 0 => 0,
            Some(room) => left.saturating_sub(view(before, room)),
            None => left + length - view(current, amount.saturating_sub(least)),
        };
        Granted {
            n,
            remaining: saturated(amount.saturating_sub(seen)),
            reset_after: micros(reset),
            retry_after: micros(retry),
        }
    }

    /// How far `count` moves a bucket ahead: whole microseconds, and parts of 1/amount.
    fn span(&self, count: u32) -> (i64, i64) {
        let (amount, length) = (u128::from(self.amount()), u128::from(self.length()));
        let all = (u128::from(count) * length).min(FURTHEST * amount);
        ((all / amount) as i64, (all % amount) as i64)
    }

    fn amount(&self) -> u32 {
        self.rate.amount.max(1)
    }

    /// The length of the window in microseconds. Days and months of the calendar have one only where a fixed window
    /// counts them; elsewhere they are 24 hours, and 30 times that.
    fn length(&self) -> u64 {
        const DAY: u64 = 86_400_000_000;
        match &self.rate.window {
            Window::Every(length) => u64::try_from(length.as_micros()).unwrap_or(u64::MAX).clamp(1, 31 * DAY),
            Window::Day(_) => DAY,
            Window::Month(_) => 30 * DAY,
        }
    }
}

fn saturated(count: u128) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn micros(count: u128) -> Duration {
    Duration::from_micros(u64::try_from(count).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "question_tests.rs"]
mod tests;

//! A bucket that refills evenly: the generic cell rate algorithm (ITU-T I.371), exact. Pure.
//!
//! A bucket is the moment at which it will be full again. Taking moves that moment on; more is refused when it would
//! lie further ahead than an empty bucket takes to fill. Time is counted in parts of a nanosecond, `amount` of them, so
//! one request moves the moment by a whole number of parts and nothing is ever rounded: 7 a minute are 7 a minute after
//! years.
//!
//! | state | moment | next |
//! |--|--|--|
//! | full | past | |
//! | some left | ahead | refused when it costs more |
//! | empty | as far ahead as filling takes | refused |
//! | owing | further: queued requests hold their turns | refused |
//!
//! A moment further ahead than any of these, by more than a second, was written by a clock that has gone back since, or
//! under a slower rate: the bucket is empty, and refills from now on. Less is how far threads may disagree.

use super::ask::{Ask, Decision};
use super::window::length;
use std::time::Duration;

/// Longest time a bucket may take to fill, in nanoseconds: 146 years. What holds more holds that much.
const LONGEST: u64 = 1 << 62;
/// How far threads may disagree about the time, in nanoseconds.
const DISAGREEMENT: u128 = 1_000_000_000;

/// When a bucket is full again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Nanoseconds since 1970.
    at: u64,
    /// And parts of a nanosecond, below `amount` of its rate.
    parts: u32,
}

/// A rate and a cost, in parts of a nanosecond.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How many parts a nanosecond has.
    amount: u128,
    /// What takes one unit to refill.
    unit: u128,
    /// What takes the cost to refill.
    cost: u128,
    /// What takes an empty bucket to fill.
    full: u128,
    /// How far requests may queue beyond that.
    queue: u128,
}

/// Moments in parts of a nanosecond.
#[derive(Debug, Clone, Copy)]
struct Moments {
    now: u128,
    /// When the bucket is full, as it stands.
    before: u128,
    /// When it would be after taking.
    after: u128,
    /// When it would be if it were empty.
    empty: u128,
}

impl Pace {
    /// The share of this process of the rate that is asked: 1/`share`, and never less than one request at a time.
    pub fn of(ask: &Ask<'_>, share: u32) -> Self {
        let rate = ask.rate();
        let amount = u128::from(rate.amount.max(1));
        let unit = u128::from(length(&rate.window)) * u128::from(share.max(1));
        let longest = u128::from(LONGEST) * amount;
        let most = unit * u128::from(capacity(ask, share));
        let full = if most <= longest { most } else { (longest / unit * unit).max(unit) };
        let wait = ask.limit.queue.map_or(0, |queue| nanos(queue.wait));
        Self { amount, unit, cost: unit * u128::from(ask.cost), full, queue: u128::from(wait) * amount }
    }

    fn duration(&self, parts: u128) -> Duration {
        Duration::from_nanos(saturated(parts.div_ceil(self.amount)))
    }

    fn units(&self, parts: u128) -> u32 {
        u32::try_from(parts / self.unit).unwrap_or(u32::MAX)
    }
}

/// What a bucket holds at most, and a window lets through: the share of this process, at least what is asked.
pub(super) fn capacity(ask: &Ask<'_>, share: u32) -> u32 {
    (ask.rate().burst / share.max(1)).max(ask.cost).max(1)
}

impl Bucket {
    /// Takes what is asked, or nothing.
    pub fn take(&mut self, pace: &Pace, now: u64) -> Decision {
        let moments = self.moments(pace, now);
        let Moments { before, after, empty, .. } = moments;
        if after <= empty {
            self.set(pace, after);
            return moments.decision(pace, after, Duration::ZERO);
        }
        moments.decision(pace, before, pace.duration(after - empty))
    }

    /// Takes what will be there within the time that the limit lets requests wait, and how long that is; zero when it is
    /// there. `Err`: it takes longer, and nothing was taken.
    ///
    /// # Errors
    /// The refusal.
    pub fn reserve(&mut self, pace: &Pace, now: u64) -> Result<(Duration, Decision), Decision> {
        let moments = self.moments(pace, now);
        let Moments { before, after, empty, .. } = moments;
        let late = after.saturating_sub(empty);
        let wait = pace.duration(late);
        if late > pace.queue {
            return Err(moments.decision(pace, before, wait));
        }
        self.set(pace, after);
        Ok((wait, moments.decision(pace, after, Duration::ZERO)))
    }

    /// Puts back what was taken. It does not look at the clock: what was taken long ago would make the bucket look as if the
    /// clock had gone back.
    pub fn give_back(&mut self, pace: &Pace) {
        self.set(pace, self.stored(pace).saturating_sub(pace.cost));
    }

    fn stored(&self, pace: &Pace) -> u128 {
        u128::from(self.at) * pace.amount + u128::from(self.parts).min(pace.amount - 1)
    }

    /// From when on it is as if nothing had ever been taken, in nanoseconds since 1970.
    pub fn full_at(&self) -> u64 {
        self.at.saturating_add(u64::from(self.parts > 0))
    }

    fn moments(&mut self, pace: &Pace, now: u64) -> Moments {
        let now = u128::from(now) * pace.amount;
        let empty = now + pace.full;
        let mut before = self.stored(pace).max(now);
        if before > empty + pace.queue + DISAGREEMENT * pace.amount {
            self.set(pace, empty);
            before = empty;
        }
        Moments { now, before, after: before + pace.cost, empty }
    }

    fn set(&mut self, pace: &Pace, moment: u128) {
        let at = moment / pace.amount;
        let parts = u32::try_from(moment - at * pace.amount).unwrap_or(0);
        *self = Self { at: saturated(at), parts };
    }
}

impl Moments {
    /// The answer when the bucket is full again at `moment`; it was admitted when there is nothing to wait for.
    fn decision(&self, pace: &Pace, moment: u128, retry_after: Duration) -> Decision {
        Decision {
            admitted: retry_after.is_zero(),
            remaining: pace.units(self.empty.saturating_sub(moment)),
            reset_after: pace.duration(moment - self.now),
            retry_after,
        }
    }
}

fn saturated(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn nanos(duration: Duration) -> u64 {
    saturated(duration.as_nanos())
}

#[cfg(test)]
#[path = "gcra_tests.rs"]
mod tests;

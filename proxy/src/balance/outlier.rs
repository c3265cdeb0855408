//! Leaving out an endpoint that fails while others do not.
//!
//! | state | what counts | leaves when |
//! |--|--|--|
//! | calm | nothing; a good answer costs one look | a failure: watched |
//! | watched | failures in a row, and good and bad of a window of 10 s | `consecutive` in a row, or fewer than 80 % good of 20 or more: out. A window without a failure: calm |
//! | out | nothing, whatever comes from attempts that were on their way | its time is over: on trial |
//! | on trial | as watched, but one failure short of too many | the next deed: good: watched; a failure: out |
//!
//! The nth time takes `base` · 2ⁿ⁻¹, ± 10 % so that endpoints that failed together do not come back together, and at most
//! `max`. Each `max` of time that passes after an ejection counts one ejection less. The good ones are counted only while
//! it is watched: a window begins with a failure, and the first one of each window is not held against the endpoint.
//!
//! Failures to connect and answers that say sorry are counted together: apart, one that does now this, now that would be
//! endured for up to the square of `consecutive`.
//!
//! All workers share a record. Two that take note at the same moment may lose a count; only one of them ejects. Must not
//! know: other endpoints. The caller says whether one more may be left out.

use super::epoch::{Epoch, nanos};
use super::numbers::mix;
use crate::config::service::Outlier;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What is remembered of one endpoint, shared by all workers.
#[derive(Debug, Default)]
pub struct Record {
    epoch: Epoch,
    /// When the window began; 0 = calm.
    began: AtomicU64,
    /// Good and bad deeds of the window.
    good: AtomicU32,
    bad: AtomicU32,
    /// Failures in a row.
    run: AtomicU32,
    /// When the last ejection ends or ended; 0 = there was none.
    until: AtomicU64,
    /// How many the last ejection was counted as.
    level: AtomicU32,
    /// When there was last no room to eject it; 0 = never.
    crowded: AtomicU64,
    ejections: AtomicU32,
}

/// What happened, as far as an endpoint is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It answered.
    Good,
    /// It answered 502, 503 or 504.
    Sorry,
    /// It took no connection, broke off, or let time run out.
    Broke,
}

impl Record {
    /// Takes note. `true`: it has just been left out; the caller says with `room` whether one more may be. That is asked
    /// only when there is reason, and after a no not again for a second.
    pub fn note(&self, rule: &Outlier, deed: Deed, now: Instant, room: impl FnOnce() -> bool) -> bool {
        if deed != Deed::Good {
            return self.failed(rule, self.epoch.stamp(now), room);
        }
        if self.began.load(Relaxed) != 0 {
            self.answered(self.epoch.stamp(now));
        }
        false
    }

    /// Left out until then.
    pub fn ejected_until(&self, now: Instant) -> Option<Instant> {
        self.epoch.instant(self.until.load(Relaxed)).filter(|until| now < *until)
    }

    /// How often it was left out.
    pub fn ejections(&self) -> u32 {
        self.ejections.load(Relaxed)
    }

    fn answered(&self, stamp: u64) {
        if stamp < self.until.load(Relaxed) {
            return;
        }
        self.run.store(0, Relaxed);
        self.good.fetch_add(1, Relaxed);
        if self.is_over(stamp) {
            let is_calm = self.bad.load(Relaxed) == 0;
            self.begin(if is_calm { 0 } else { stamp });
        }
    }

    fn failed(&self, rule: &Outlier, stamp: u64, room: impl FnOnce() -> bool) -> bool {
        let until = self.until.load(Relaxed);
        if stamp < until {
            return false;
        }
        if self.began.load(Relaxed) == 0 {
            // Good ones were not counted since: what is left of an older row is none.
            self.run.store(0, Relaxed);
            self.begin(stamp);
        } else if self.is_over(stamp) {
            self.begin(stamp);
        }
        let run = self.run.fetch_add(1, Relaxed).saturating_add(1);
        let bad = self.bad.fetch_add(1, Relaxed);
        if run < rule.consecutive && !is_poor(self.good.load(Relaxed), bad) {
            return false;
        }
        let crowded = self.crowded.load(Relaxed);
        if crowded != 0 && stamp.saturating_sub(crowded) < PAUSE {
            return false;
        }
        if !room() {
            self.crowded.store(stamp, Relaxed);
            return false;
        }
        self.eject(rule, until, stamp)
    }

    /// Leaves it out, unless another worker did so since its last ejection was seen to end at `ended`.
    fn eject(&self, rule: &Outlier, ended: u64, stamp: u64) -> bool {
        let forgiven = if ended == 0 { u64::MAX } else { (stamp - ended) / nanos(rule.max).max(1) };
        let before = u64::from(self.level.load(Relaxed)).saturating_sub(forgiven);
        let level = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
        let until = stamp.saturating_add(nanos(length(rule, level, mix(stamp))).max(1));
        if self.until.compare_exchange(ended, until, Relaxed, Relaxed).is_err() {
            return false;
        }
        self.level.store(level, Relaxed);
        self.ejections.fetch_add(1, Relaxed);
        self.run.store(rule.consecutive.saturating_sub(1), Relaxed);
        self.begin(until);
        true
    }

    fn is_over(&self, stamp: u64) -> bool {
        stamp.saturating_sub(self.began.load(Relaxed)) >= WINDOW
    }

    fn begin(&self, stamp: u64) {
        self.good.store(0, Relaxed);
        self.bad.store(0, Relaxed);
        self.began.store(stamp, Relaxed);
    }
}

/// Whether one more of `all` endpoints may be left out, when `out` are already: at most the share of the rule, and never
/// the last one.
pub fn has_room(rule: &Outlier, all: usize, out: usize) -> bool {
    let most = (all as u64 * u64::from(rule.max_ejected) / 100).min(all.saturating_sub(1) as u64);
    (out as u64) < most
}

/// Whether too few were good; `bad` without the first one.
fn is_poor(good: u32, bad: u32) -> bool {
    let all = u64::from(good) + u64::from(bad);
    all >= ENOUGH && u64::from(good) * 100 < all * GOOD_PERCENT
}

/// How long the nth ejection takes.
fn length(rule: &Outlier, nth: u32, random: u64) -> Duration {
    let doubled = rule.base.saturating_mul(1 << nth.saturating_sub(1).min(MOST_DOUBLED));
    let percent = 90 + u32::try_from(random % 21).unwrap_or(10);
    (doubled.min(rule.max).saturating_mul(percent) / 100).min(rule.max)
}

/// A window: 10 s, in nanoseconds.
const WINDOW: u64 = 10_000_000_000;
/// So many deeds make a window tell something.
const ENOUGH: u64 = 20;
/// With fewer good than that it is left out.
const GOOD_PERCENT: u64 = 80;
/// When there was no room, it is asked again after 1 s: while all fail, counting who is out must not cost more with each failure.
const PAUSE: u64 = 1_000_000_000;
/// Doubled at most so often: no `max` is longer than 2^24 times the least `base`.
const MOST_DOUBLED: u32 = 24;

#[cfg(test)]
#[path = "outlier_tests.rs"]
mod tests;

//! When a certificate is renewed, how long to wait after a failure, and what to think of a clock.
//!
//! Decides by two clocks. A certificate lives by the wall clock, which may be set and jump; the monotonic one only
//! goes on, but stands still while the machine sleeps. So a renewal is due when either of them says so, and whoever
//! waits looks again after 30 s at the latest.
//!
//! | state | until |
//! |--|--|
//! | resting | it is due |
//! | trying | it is renewed; after each failure it waits: 1 s, 2 s … 60 s, full jitter, 15 s in the last tenth |
//! | expired | there is another certificate, or the clock is put right |
//!
//! Pure: the clocks and the random bits come in. It must not know files or the network.

use crate::time::{self, Timestamp};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Nobody sleeps longer: a clock that jumped is seen at the next wake.
const NAP: Duration = Duration::from_secs(30);
/// The first back-off, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// The longest wait in the last tenth of a life.
const URGENT: Duration = Duration::from_secs(15);
/// The longest wait an authority can ask for.
const PUSHBACK: Duration = Duration::from_secs(300);
/// Clocks drift; more than this within one nap is a jump.
const DRIFT: i64 = 2;
/// Skew that is worth a warning, and skew that is an error; in milliseconds.
const SKEW_WARN: u64 = 30_000;
const SKEW_WRONG: u64 = 120_000;

/// What both clocks said at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// The wall clock.
    pub wall: Timestamp,
    /// The monotonic clock, since any fixed moment.
    pub up: Duration,
}

impl Clocks {
    /// By how many seconds the wall clock went on more (or less) than the monotonic one since `earlier`: it was set,
    /// or the machine slept. `None`: they agree.
    pub fn jumped_since(self, earlier: Self) -> Option<i64> {
        let wall = self.wall.0.saturating_sub(earlier.wall.0);
        let up = i64::try_from(self.up.saturating_sub(earlier.up).as_secs()).unwrap_or(i64::MAX);
        let jump = wall.saturating_sub(up);
        (jump.unsigned_abs() > DRIFT.unsigned_abs()).then_some(jump)
    }
}

/// The moments of a certificate that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Its first second.
    pub not_before: Timestamp,
    /// Its last second.
    pub not_after: Timestamp,
    /// When the authority wants it renewed.
    pub renew_after: Timestamp,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Look again after this time; more than zero, at most 30 s.
    Wait(Duration),
    /// Ask for the next certificate.
    Renew,
    /// It is too late to ask: the certificate has expired.
    Expired,
}

/// The life of one certificate.
#[derive(Debug, Clone)]
pub struct Schedule {
    term: Term,
    /// When it was taken up.
    from: Clocks,
    due: Timestamp,
    failures: Backoff,
    /// By the monotonic clock.
    retry: Duration,
}

impl Schedule {
    /// A certificate that is taken up `at` a moment. A `fresh` one, just issued, is never renewed before a quarter of
    /// what is left of it has gone: a wrong clock must not make us ask without end.
    pub fn new(term: Term, at: Clocks, fresh: bool) -> Self {
        let latest = last_tenth(&term);
        let quarter = at.wall.after(term.not_after.since(at.wall) / 4);
        let earliest = if fresh { quarter.min(latest) } else { Timestamp(i64::MIN) };
        let due = term.renew_after.min(latest).max(earliest);
        Self { term, from: at, due, failures: Backoff::default(), retry: Duration::ZERO }
    }

    /// What to do now.
    pub fn next(&self, at: Clocks) -> Next {
        if at.wall > self.term.not_after {
            return Next::Expired;
        }
        let elapsed = at.up.saturating_sub(self.from.up);
        let by_wall = self.due.since(at.wall);
        let by_monotonic = self.due.since(self.from.wall).saturating_sub(elapsed);
        let until_due = by_wall.min(by_monotonic);
        let until_retry = self.retry.saturating_sub(at.up).min(self.patience(at));
        match until_due.max(until_retry) {
            Duration::ZERO => Next::Renew,
            rest => Next::Wait(rest.min(NAP)),
        }
    }

    /// A renewal failed. `pushback`: how long the authority asked to wait. Returns how long to wait.
    pub fn failed(&mut self, at: Clocks, random: u64, pushback: Option<Duration>) -> Duration {
        let wait = self.failures.delay(random, pushback).min(self.patience(at));
        self.retry = at.up.saturating_add(wait);
        wait
    }

    /// How much of the life is left.
    pub fn left(&self, at: Clocks) -> Duration {
        self.term.not_after.since(at.wall)
    }

    /// The longest wait between two tries.
    fn patience(&self, at: Clocks) -> Duration {
        if at.wall >= last_tenth(&self.term) { URGENT } else { PUSHBACK }
    }
}

fn last_tenth(term: &Term) -> Timestamp {
    term.not_after.before(term.not_after.since(term.not_before) / 10)
}

/// Waits between tries that fail: full jitter under a bound that doubles from 1 s to 60 s.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after one more failure; `random` spreads it evenly from nothing to the bound. At least
    /// `pushback`, which counts for 5 minutes at most.
    pub fn delay(&mut self, random: u64, pushback: Option<Duration>) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let millis = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        let part = (u128::from(random) * u128::from(millis)) >> 64;
        let jittered = Duration::from_millis(u64::try_from(part).unwrap_or(millis));
        jittered.max(pushback.unwrap_or_default().min(PUSHBACK))
    }
}

/// What to think of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// Right, as far as it matters.
    Fine,
    /// Off by so many milliseconds, more than 30 s; ours is ahead when positive.
    Warn(i64),
    /// Off by so many milliseconds, more than 2 min; ours is ahead when positive.
    Wrong(i64),
}

/// Judges our clock by the authority's. It answered between `asked` and `heard`, both by our wall clock: an answer
/// that took long is no skew. All in milliseconds since 1970.
pub fn skew(asked: u64, heard: u64, theirs: i64) -> Skew {
    let [asked, heard] = [asked, heard].map(|ours| i64::try_from(ours).unwrap_or(i64::MAX));
    let off = if theirs < asked {
        asked.saturating_sub(theirs)
    } else if theirs > heard {
        heard.saturating_sub(theirs)
    } else {
        0
    };
    match off.unsigned_abs() {
        distance if distance > SKEW_WRONG => Skew::Wrong(off),
        distance if distance > SKEW_WARN => Skew::Warn(off),
        _ => Skew::Fine,
    }
}

/// When a certificate in a file should be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// When so many hundredths of its life have gone.
    Gone(u8),
    /// When no more than this is left.
    Left(Duration),
}

impl Default for Threshold {
    /// Past half of its life.
    fn default() -> Self {
        Self::Gone(50)
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    /// Reads `66%` (gone) or a span like `10m` (left).
    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        match text.strip_suffix('%') {
            Some(number) => match number.parse() {
                Ok(part @ 0..=100) => Ok(Self::Gone(part)),
                _ => Err(ThresholdError),
            },
            None => time::span(text).map(Self::Left).map_err(|_| ThresholdError),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(part) => write!(out, "{part}%"),
            Self::Left(span) => write!(out, "{}", time::human(*span)),
        }
    }
}

/// A text is no threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a threshold is the part of the life that has gone, as in 66%, or what is left of it, as in 10m or 24h"
)]
pub struct ThresholdError;

/// Whether a certificate with these first and last seconds should be renewed by now. An expired one always.
pub fn needs_renewal(life: (Timestamp, Timestamp), threshold: Threshold, now: Timestamp) -> bool {
    let (not_before, not_after) = life;
    if now > not_after {
        return true;
    }
    match threshold {
        Threshold::Left(span) => not_after.since(now) <= span,
        Threshold::Gone(part) => {
            let all = u128::from(not_after.since(not_before).as_secs());
            u128::from(now.since(not_before).as_secs()) * 100 >= all * u128::from(part)
        }
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;

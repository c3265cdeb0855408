//! When to look again, and what of the last look is told.
//!
//! Pure: it must not know names, servers or clocks; times are spans counted from the end of the last look. What the
//! keeper of the snapshot makes of an observation is the keeper's affair: `Failed` leaves its last snapshot standing.
//!
//! | state | found | absent | failed |
//! |--|--|--|--|
//! | well (at first) | well: `Found`, its TTL | doubt: `Failed`, 1 s | failing 1: `Failed`, 1 s |
//! | doubt | well: `Found`, its TTL | gone: `Nothing`, its TTL | failing 1: `Failed`, 1 s |
//! | gone | well: `Found`, its TTL | gone: `Nothing`, its TTL | failing 1: `Failed`, 1 s |
//! | failing *n* | well: `Found`, its TTL | doubt: `Failed`, 1 s | failing *n* + 1: `Failed`, 2ⁿ s up to 60 s |
//!
//! What is found in part (a kind of address, or a target of a service, could not be asked for) is told like what is found,
//! and looked at again after 5 s at the latest; but after a whole answer it is `failing` *n* for the first three times: a lost
//! datagram takes no endpoint away.
//!
//! A name server that has just started, or lost its zone, denies everything for a moment; so absence is believed when
//! it is seen twice, and nothing else was seen between. Every wait is shortened or lengthened by up to a tenth, so
//! that many proxies that started together do not ask together.

use super::answer::Seen;
use crate::{Observation, SourceError};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long after the first denial it is asked whether that is so.
const CONFIRM: Duration = Duration::from_secs(1);
/// How long absence lasts when the answer does not say (RFC 2308 §5 has no time for it).
const ABSENT: Duration = Duration::from_secs(5);
/// The wait after the first failure; doubled by each further one.
const BACK_OFF: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);
/// So often in a row a part is missing of what was whole before it is believed to be gone.
const PARTS: u32 = 3;
/// How much of a wait is left to chance, either way.
const JITTER: f64 = 0.1;

/// The memory of what was seen last.
#[derive(Debug)]
pub(super) struct Schedule {
    shortest: Duration,
    longest: Duration,
    state: State,
    /// What was told last was a whole answer.
    whole: bool,
}

/// See the table above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    Doubt,
    Gone,
    /// So often in a row.
    Failing(u32),
}

impl Schedule {
    /// Nothing was seen yet. `ttl`: the shortest and the longest time an answer is believed; whoever calls has made
    /// sure that it is no empty range.
    pub(super) const fn new(ttl: &RangeInclusive<Duration>) -> Self {
        Self { shortest: *ttl.start(), longest: *ttl.end(), state: State::Well, whole: false }
    }

    /// What to tell of what was `seen`, and how long to wait then. `random`: from 0 to 1.
    pub(super) fn after(&mut self, seen: Seen, random: f64) -> (Observation, Duration) {
        let (state, observation, wait) = match (self.state, seen) {
            (before, Seen::Found { missing: Some(trouble), .. })
                if self.whole && before.failures() < PARTS =>
            {
                let times = before.failures() + 1;
                (State::Failing(times), Observation::Failed(SourceError(trouble)), back_off(times))
            }
            (_, Seen::Found { endpoints, ttl, missing }) => {
                self.whole = missing.is_none();
                let ttl = if self.whole { ttl } else { ttl.min(ABSENT) };
                (State::Well, Observation::Found(endpoints), self.believed(ttl))
            }
            (State::Doubt | State::Gone, Seen::Absent { ttl, .. }) => {
                (State::Gone, Observation::Nothing, self.believed(ttl.unwrap_or(ABSENT)))
            }
            (State::Well | State::Failing(_), Seen::Absent { said, .. }) => {
                let trouble = format!("{said}; believed when it is said again");
                (State::Doubt, Observation::Failed(SourceError(trouble)), CONFIRM)
            }
            (before, Seen::Failed(trouble)) => {
                let times = before.failures().saturating_add(1);
                (State::Failing(times), Observation::Failed(SourceError(trouble)), back_off(times))
            }
        };
        self.state = state;
        (observation, jittered(wait, random))
    }

    fn believed(&self, ttl: Duration) -> Duration {
        ttl.max(self.shortest).min(self.longest)
    }
}

impl State {
    const fn failures(self) -> u32 {
        match self {
            Self::Failing(times) => times,
            Self::Well | Self::Doubt | Self::Gone => 0,
        }
    }
}

/// The wait after `times` failures in a row, of which there is at least one.
fn back_off(times: u32) -> Duration {
    let doubled = 1_u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    BACK_OFF.saturating_mul(doubled).min(BACK_OFF_MAX)
}

/// `wait`, a tenth shorter (`random` 0) up to a tenth longer (`random` 1).
fn jittered(wait: Duration, random: f64) -> Duration {
    wait.mul_f64(1.0 - JITTER + 2.0 * JITTER * random.clamp(0.0, 1.0))
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;

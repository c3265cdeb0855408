//! When the keys of an issuer are fetched, whether somebody may ask for it sooner, and how long the last ones serve.
//! Pure: moments and randomness are passed in.
//!
//! | state | means | an unknown key | leaves when |
//! |--|--|--|--|
//! | Waiting | nothing is under way | orders a fetch 10 s after the end of the last; is refused before | it is due, or ordered |
//! | Ordered | somebody waits for a fetch | waits too | it begins |
//! | Fetching | one is under way | waits too | it ends (Waiting) |
//!
//! | after | the next is due in |
//! |--|--|
//! | the start | nothing |
//! | success | 72 … 80 % of the shorter of `refresh` and what the answer says, taken as at least 30 s and at most 24 h |
//! | the nth failure in a row | 1 s … 2ⁿ s, at most 60 s |

use std::time::{Duration, Instant};

/// Time between the end of a fetch and the next one that an unknown key may cause.
pub const APART: Duration = Duration::from_secs(10);
/// Answers that say less are taken to say this.
const SOONEST: Duration = Duration::from_secs(30);
/// Answers that say more are taken to say this.
const LATEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Shortest time after a failure.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Longest time after a failure.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// What is known of the fetches of one issuer.
#[derive(Debug, Clone)]
pub struct Schedule {
    refresh: Duration,
    stale: Duration,
    state: State,
    /// `None` = at once.
    due: Option<Instant>,
    /// When the last fetch ended.
    ended: Option<Instant>,
    /// When the last good one ended.
    fetched: Option<Instant>,
    /// Failures since.
    failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Ordered,
    Fetching,
}

impl Schedule {
    /// Of an issuer that was never asked. `refresh` and `stale` as in [`crate::config::auth::KeySource::Url`].
    pub const fn new(refresh: Duration, stale: Duration) -> Self {
        Self { refresh, stale, state: State::Waiting, due: None, ended: None, fetched: None, failures: 0 }
    }

    /// How long until the next fetch; zero = now.
    pub fn wait(&self, now: Instant) -> Duration {
        match (self.state, self.due) {
            (State::Ordered, _) | (_, None) => Duration::ZERO,
            (_, Some(due)) => due.saturating_duration_since(now),
        }
    }

    /// A fetch begins.
    pub const fn begin(&mut self) {
        self.state = State::Fetching;
    }

    /// It was good. `max_age` is what the answer says, `share` 0 … 1 is random.
    pub fn succeeded(&mut self, now: Instant, max_age: Option<Duration>, share: f64) {
        let said = max_age.map_or(LATEST, |age| age.clamp(SOONEST, LATEST));
        let life = self.refresh.min(said);
        self.end(now, life.mul_f64(0.08f64.mul_add(share.clamp(0.0, 1.0), 0.72)));
        self.fetched = Some(now);
        self.failures = 0;
    }

    /// It was not. `share` 0 … 1 is random.
    pub fn failed(&mut self, now: Instant, share: f64) {
        self.failures = self.failures.saturating_add(1);
        let most = FIRST_RETRY.saturating_mul(1 << self.failures.min(6)).min(LAST_RETRY);
        self.end(now, FIRST_RETRY + (most - FIRST_RETRY).mul_f64(share.clamp(0.0, 1.0)));
    }

    fn end(&mut self, now: Instant, wait: Duration) {
        self.state = State::Waiting;
        self.ended = Some(now);
        self.due = Some(now + wait);
    }

    /// Somebody shows a key that the set does not have. Whether there is something to wait for.
    pub fn want(&mut self, now: Instant) -> bool {
        let lately = self.ended.is_some_and(|ended| now.saturating_duration_since(ended) < APART);
        if self.state == State::Waiting && !lately {
            self.state = State::Ordered;
        }
        self.state != State::Waiting
    }

    /// Whether somebody waits for a fetch, or one is under way.
    pub fn is_busy(&self) -> bool {
        self.state != State::Waiting
    }

    /// Whether the last good set may still be used.
    pub fn serves(&self, now: Instant) -> bool {
        self.fetched.is_some_and(|at| now.saturating_duration_since(at) <= self.stale)
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;

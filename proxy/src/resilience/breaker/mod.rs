//! Whether a service is left in peace: the circuit breaker of one service, shared by all workers. Pure: time comes in.
//!
//! | state | lets through | becomes | when |
//! |--|--|--|--|
//! | closed | all | open | a request fails, and with it too many of the window, or too many in a row, have |
//! | open | none | half-open | `open` is over and somebody asks |
//! | half-open | `probes` | closed, nothing remembered | all of them succeeded |
//! | | | open | one of them failed |
//! | held open | none | closed, nothing remembered | a person lets it go |
//! | held closed | all | closed, nothing remembered | a person lets it go |
//!
//! `open` is the same each time: what a trial costs the service is `probes` requests, so there is nothing to be gained
//! by coming back later than was written. Only a failure opens it; a success that makes up the least number of requests
//! does not. A probe whose end says nothing gives its place to another; one of which nothing is heard for as long as
//! `open`, and 30 s at least, has lost it, and what it says later counts for nothing. So does what is said of requests
//! that were let through before the last change of state.
//!
//! While it is closed a request costs two loads and one addition (two when it fails). All changes of state are made
//! under a lock; a request that is refused takes it only when there may be a place for a probe.
//! The rule comes with each call, so a changed one holds from then on; only the end of a pause that has begun stays.

mod window;

use crate::config::service::{self, Trip};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use window::Window;

/// A refused client is never told to come back sooner.
const SOONEST: Duration = Duration::from_secs(1);
/// A probe may be silent for so long at least.
const PATIENCE: Duration = Duration::from_secs(30);
/// How far failures are shown when the rule names no window.
const SHOWN: Duration = Duration::from_secs(10);

/// What a breaker does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All pass.
    Closed,
    /// None passes.
    Open,
    /// Some pass, on trial.
    HalfOpen,
}

impl State {
    /// The word used everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// What a person has ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forced {
    /// Refuse all.
    Open,
    /// Let all pass.
    Closed,
}

/// The breaker of one service, shared by all workers.
#[derive(Debug, Default)]
pub struct Breaker {
    /// [`Mode`], and above it a number that each change counts up: all that a request reads while it is closed.
    word: AtomicU64,
    /// Failures with no success between.
    in_a_row: AtomicU32,
    /// When it was first asked; other times are counted from then.
    base: OnceLock<Instant>,
    trial: Arc<Trial>,
    window: Window,
}

/// Leave to make one attempt; to be given back with what came of it. Dropped, it says nothing, as [`Breaker::release`].
#[derive(Debug)]
#[must_use]
pub struct Pass {
    /// [`Breaker::word`] when it was given.
    word: u64,
    probe: Option<Probe>,
}

/// The service is left in peace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// When it makes sense to ask again; 1 s at least.
    pub retry_after: Duration,
}

/// The lowest bits of [`Breaker::word`]; the odd ones are those in which not everybody passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Closed = 0,
    Open = 1,
    HeldClosed = 2,
    HeldOpen = 3,
    HalfOpen = 5,
}

/// Bits of a mode.
const MODE: u32 = 3;

/// What matters only when it is not closed.
#[derive(Debug, Default)]
struct Trial {
    /// Nobody need look for a place before, in nanoseconds since [`Breaker::base`]: the end of the pause, or when the
    /// first probe has been silent for too long. A hint: a stale one refuses a request too many, or costs a lock.
    quiet: AtomicU64,
    /// Whoever changes the state holds this.
    probes: Mutex<Probes>,
}

/// Those let through half-open; nobody otherwise.
#[derive(Debug, Default)]
struct Probes {
    /// Which, and when they have lost their place.
    under_way: Vec<(u64, u64)>,
    succeeded: u32,
    /// Probes there have ever been, so that each has its own number.
    ever: u64,
}

/// The place of a probe, given back when it is dropped.
#[derive(Debug)]
struct Probe {
    number: u64,
    trial: Arc<Trial>,
}

impl Breaker {
    /// Asks for leave.
    pub fn admit(&self, rule: &service::Breaker, now: Instant) -> Result<Pass, Open> {
        // Relaxed: whoever still sees it closed is one that came a moment earlier.
        let word = self.word.load(Ordering::Relaxed);
        if word & 1 == 0 { Ok(Pass { word, probe: None }) } else { self.admit_few(rule, word, now) }
    }

    /// What came of an attempt. `Some`: the state it has just changed to.
    #[expect(clippy::needless_pass_by_value, reason = "a pass counts once")]
    pub fn record(&self, rule: &service::Breaker, pass: Pass, success: bool, now: Instant) -> Option<State> {
        let at = self.at(now);
        if let Some(probe) = &pass.probe {
            return self.record_probe(rule, probe.number, success, at);
        }
        if self.word.load(Ordering::Relaxed) != pass.word {
            return None;
        }
        let length = match rule.trip {
            Trip::Ratio { window, .. } => window,
            Trip::Consecutive(_) => SHOWN,
        };
        self.window.count(nanos(length), success, at);
        if success {
            // Only read as a rule, so that workers do not take the line from each other.
            if self.in_a_row.load(Ordering::Relaxed) != 0 {
                self.in_a_row.store(0, Ordering::Relaxed);
            }
            return None;
        }
        self.in_a_row.fetch_add(1, Ordering::Relaxed);
        self.is_too_much(rule.trip, at).then(|| self.trip(rule, pass.word, at)).flatten()
    }

    /// Nothing can be said about the service: the client left, or the request was at fault.
    pub fn release(&self, pass: Pass) {
        drop(pass);
    }

    /// What it does now.
    pub fn state(&self, now: Instant) -> State {
        match mode(self.word.load(Ordering::Acquire)) {
            Mode::Closed | Mode::HeldClosed => State::Closed,
            Mode::Open if self.at(now) < self.trial.quiet.load(Ordering::Relaxed) => State::Open,
            Mode::HeldOpen => State::Open,
            Mode::Open | Mode::HalfOpen => State::HalfOpen,
        }
    }

    /// How long nobody is let through yet; `None`: somebody is, or only a person ends it.
    pub fn rests(&self, now: Instant) -> Option<Duration> {
        let quiet = self.trial.quiet.load(Ordering::Relaxed).saturating_sub(self.at(now));
        (mode(self.word.load(Ordering::Acquire)) == Mode::Open && quiet > 0)
            .then(|| Duration::from_nanos(quiet))
    }

    /// Requests of the window, and failures among them (of the last 10 s if the rule has no window).
    pub fn failures(&self, now: Instant) -> (u64, u64) {
        self.window.sum(self.at(now))
    }

    /// What a person has ordered.
    pub fn forced(&self) -> Option<Forced> {
        match mode(self.word.load(Ordering::Relaxed)) {
            Mode::HeldOpen => Some(Forced::Open),
            Mode::HeldClosed => Some(Forced::Closed),
            Mode::Closed | Mode::Open | Mode::HalfOpen => None,
        }
    }

    /// Orders it, or lets it decide again by itself (`None`: closed and without memory).
    pub fn force(&self, forced: Option<Forced>) {
        let mode = match forced {
            Some(Forced::Open) => Mode::HeldOpen,
            Some(Forced::Closed) => Mode::HeldClosed,
            None => Mode::Closed,
        };
        self.change(&mut self.trial.lock(), mode);
    }

    /// Asks for leave when not everybody has it.
    #[cold]
    fn admit_few(&self, rule: &service::Breaker, word: u64, now: Instant) -> Result<Pass, Open> {
        let at = self.at(now);
        self.is_refused(rule, mode(word), at)?;
        let mut probes = self.trial.lock();
        let word = self.word.load(Ordering::Relaxed);
        self.is_refused(rule, mode(word), at)?;
        match mode(word) {
            Mode::Closed | Mode::HeldClosed => return Ok(Pass { word, probe: None }),
            Mode::Open | Mode::HeldOpen => self.change(&mut probes, Mode::HalfOpen),
            Mode::HalfOpen => {}
        }
        match probes.admit(rule, at) {
            Ok(number) => Ok(Pass { word, probe: Some(Probe { number, trial: Arc::clone(&self.trial) }) }),
            Err(until) => {
                self.trial.quiet.store(until, Ordering::Relaxed);
                Err(Open { retry_after: SOONEST })
            }
        }
    }

    /// `Err`: there is no place, and nobody need look for one.
    fn is_refused(&self, rule: &service::Breaker, mode: Mode, at: u64) -> Result<(), Open> {
        let quiet = self.trial.quiet.load(Ordering::Relaxed).saturating_sub(at);
        let retry_after = match mode {
            Mode::HeldOpen => rule.open,
            Mode::Open if quiet > 0 => Duration::from_nanos(quiet),
            // Probes are quicker than their patience, as a rule.
            Mode::HalfOpen if quiet > 0 => SOONEST,
            Mode::Closed | Mode::Open | Mode::HeldClosed | Mode::HalfOpen => return Ok(()),
        };
        Err(Open { retry_after: retry_after.max(SOONEST) })
    }

    fn is_too_much(&self, trip: Trip, at: u64) -> bool {
        match trip {
            Trip::Consecutive(limit) => self.in_a_row.load(Ordering::Relaxed) >= limit,
            Trip::Ratio { percent, min_requests, .. } => {
                let (requests, failures) = self.window.sum(at);
                requests >= u64::from(min_requests) && failures * 100 >= requests * u64::from(percent)
            }
        }
    }

    /// Opens it, unless it has changed since a pass was given under `word`, or a person holds it closed.
    #[cold]
    fn trip(&self, rule: &service::Breaker, word: u64, at: u64) -> Option<State> {
        let mut probes = self.trial.lock();
        let is_fresh = self.word.load(Ordering::Relaxed) == word && mode(word) == Mode::Closed;
        is_fresh.then(|| self.open(rule, &mut probes, at))
    }

    #[cold]
    fn record_probe(&self, rule: &service::Breaker, number: u64, success: bool, at: u64) -> Option<State> {
        let mut probes = self.trial.lock();
        if !probes.end(number, at) {
            return None;
        }
        self.trial.quiet.store(0, Ordering::Relaxed);
        if !success {
            return Some(self.open(rule, &mut probes, at));
        }
        probes.succeeded += 1;
        (probes.succeeded >= rule.probes).then(|| {
            self.change(&mut probes, Mode::Closed);
            State::Closed
        })
    }

    fn open(&self, rule: &service::Breaker, probes: &mut Probes, at: u64) -> State {
        self.trial.quiet.store(at.saturating_add(nanos(rule.open)), Ordering::Relaxed);
        self.change(probes, Mode::Open);
        State::Open
    }

    /// Whatever it becomes, it begins without a memory; who holds `probes` holds the lock.
    fn change(&self, probes: &mut Probes, mode: Mode) {
        probes.under_way.clear();
        probes.succeeded = 0;
        if mode != Mode::Open {
            self.trial.quiet.store(0, Ordering::Relaxed);
        }
        // What opened it stays to be seen until it closes.
        if matches!(mode, Mode::Closed | Mode::HeldClosed) {
            self.window.clear();
            self.in_a_row.store(0, Ordering::Relaxed);
        }
        let next = (self.word.load(Ordering::Relaxed) >> MODE) + 1;
        self.word.store((next << MODE) | mode as u64, Ordering::Release);
    }

    /// `now` in nanoseconds since it was first asked.
    fn at(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(*self.base.get_or_init(|| now)))
    }
}

impl Trial {
    fn lock(&self) -> MutexGuard<'_, Probes> {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probes {
    /// A place; `Err`: when the next is free at the latest.
    fn admit(&mut self, rule: &service::Breaker, at: u64) -> Result<u64, u64> {
        self.under_way.retain(|(_, due)| *due > at);
        // One at least: with fewer `probes` than have succeeded by now, the next success closes it.
        let wanted = rule.probes.saturating_sub(self.succeeded).max(1);
        if self.under_way.len() >= wanted as usize {
            return Err(self.under_way.iter().map(|(_, due)| *due).min().unwrap_or_default());
        }
        self.ever += 1;
        self.under_way.push((self.ever, at.saturating_add(nanos(rule.open.max(PATIENCE)))));
        Ok(self.ever)
    }

    /// One has ended; `false`: it had lost its place before.
    fn end(&mut self, number: u64, at: u64) -> bool {
        let Some(place) = self.under_way.iter().position(|(other, _)| *other == number) else { return false };
        let (_, due) = self.under_way.swap_remove(place);
        due > at
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.trial.lock().end(self.number, 0) {
            self.trial.quiet.store(0, Ordering::Relaxed);
        }
    }
}

const fn mode(word: u64) -> Mode {
    match word & ((1 << MODE) - 1) {
        0 => Mode::Closed,
        2 => Mode::HeldClosed,
        3 => Mode::HeldOpen,
        5 => Mode::HalfOpen,
        _ => Mode::Open,
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

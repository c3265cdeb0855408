//! Whether a store is asked at all. Pure: time and randomness are passed in.
//!
//! | state | event | next |
//! |--|--|--|
//! | closed | 3 failures in a row, or half of at least 10 answers within a second failed | open for a pause |
//! | closed | anything else | closed |
//! | open | the pause is over, and a probe begins | half-open |
//! | open | an answer to what was asked before | open |
//! | half-open | the probe was answered | closed |
//! | half-open | the probe failed | open for a pause twice as long at most |
//!
//! A pause is drawn evenly from 0 … 250 ms, then 0 … 500 ms, … , 0 … 5 s (full jitter), so that processes that lost
//! the same store do not come back together. Only one probe is under way; requests are never held up by it.
//! A second is counted from the first answer after the second before ended.

use std::time::{Duration, Instant};

/// Failures in a row that open it.
const IN_A_ROW: u32 = 3;
/// Answers within [`SPAN`] from which on half of them open it.
const ENOUGH: u32 = 10;
/// How long answers are counted together.
const SPAN: Duration = Duration::from_secs(1);
/// The longest first pause.
const FIRST: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(5);

/// See the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breaker(State);

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Closed(Seen),
    /// Until when, and how many probes have failed.
    Open(Instant, u32),
    HalfOpen(u32),
}

/// What was answered of late.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    since: Option<Instant>,
    answers: u32,
    failures: u32,
    in_a_row: u32,
}

impl Breaker {
    /// Closed.
    pub(super) fn new() -> Self {
        Self(State::Closed(Seen::default()))
    }

    /// Whether the store is asked.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.0, State::Closed(_))
    }

    /// Something was answered, or not. `random`: evenly from all of `u32`.
    pub(super) fn answered(&mut self, now: Instant, well: bool, random: u32) {
        let State::Closed(seen) = &mut self.0 else { return };
        if seen.since.is_none_or(|since| now.saturating_duration_since(since) >= SPAN) {
            *seen = Seen { since: Some(now), in_a_row: seen.in_a_row, ..Seen::default() };
        }
        seen.answers += 1;
        seen.failures += u32::from(!well);
        seen.in_a_row = if well { 0 } else { seen.in_a_row + 1 };
        if seen.in_a_row >= IN_A_ROW || (seen.answers >= ENOUGH && seen.failures * 2 >= seen.answers) {
            self.0 = State::Open(now + pause(FIRST, 0, random), 0);
        }
    }

    /// When the next probe is due; `None` unless open.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        match self.0 {
            State::Open(until, _) => Some(until),
            State::Closed(_) | State::HalfOpen(_) => None,
        }
    }

    /// Begins a probe, if one is due: the caller must report with [`Self::probed`] how it ended.
    pub(super) fn probe(&mut self, now: Instant) -> bool {
        match self.0 {
            State::Open(until, failed) if now >= until => {
                self.0 = State::HalfOpen(failed);
                true
            }
            _ => false,
        }
    }

    /// The probe has ended.
    pub(super) fn probed(&mut self, now: Instant, well: bool, random: u32) {
        let State::HalfOpen(failed) = self.0 else { return };
        self.0 = if well {
            State::Closed(Seen::default())
        } else {
            let failed = failed.saturating_add(1);
            State::Open(now + pause(FIRST, failed, random), failed)
        };
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

/// A pause after `failed` attempts: evenly from 0 … `first` · 2^`failed`, 5 s at most.
pub(super) fn pause(first: Duration, failed: u32, random: u32) -> Duration {
    let longest = first.saturating_mul(1 << failed.min(16)).min(LONGEST);
    longest.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;

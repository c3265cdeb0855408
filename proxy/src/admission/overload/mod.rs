//! Whether the process is able to carry more. Pure: what is used and what there is, is passed in.
//!
//! | level | means | becomes | when of the memory is used |
//! |--|--|--|--|
//! | calm | everything is taken | leave | `leave_at` or more |
//! | leave | clients are asked to go: GOAWAY, `Connection: close` | calm, refuse | 2 points less than `leave_at`; `refuse_at` or more |
//! | refuse | that, and new requests get 503 | leave, calm | 2 points less than `refuse_at`, or than `leave_at` |
//!
//! The 2 points keep it from going back and forth at the edge. The [`Gauge`] is one for the whole process: requests
//! under way are bounded in all workers together, and everybody reads the level that [`watch`] writes.
//!
//! It must not know what a request is, or what a refusal looks like. A worker that cannot keep up sheds by itself: [`lag`].

pub mod lag;
pub mod memory;
pub mod watch;

use crate::config::overload::Memory;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// How far below a threshold, in points of per cent, a level ends.
const HYSTERESIS: u8 = 2;

/// How much more the process can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Everything is taken.
    Calm,
    /// Clients are asked to leave.
    Leave,
    /// New requests are refused.
    Refuse,
}

impl Level {
    /// The level after this one, at `used` of `limit` bytes. A limit of 0 is not known: calm.
    pub fn next(self, used: u64, limit: u64, ladder: &Memory) -> Self {
        let reached = |at: u8, held: bool| {
            let at = if held { at.saturating_sub(HYSTERESIS) } else { at };
            u128::from(used) * 100 >= u128::from(limit) * u128::from(at)
        };
        if limit == 0 {
            Self::Calm
        } else if reached(ladder.refuse_at, self == Self::Refuse) {
            Self::Refuse
        } else if reached(ladder.leave_at, self >= Self::Leave) {
            Self::Leave
        } else {
            Self::Calm
        }
    }

    /// The word in logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Leave => "leave",
            Self::Refuse => "refuse",
        }
    }
}

/// How busy the process is. Shared by all threads; none waits for another.
#[derive(Debug, Default)]
pub struct Gauge {
    in_flight: AtomicU32,
    level: AtomicU8,
}

/// One request under way; dropping it takes it off.
#[derive(Debug)]
pub struct InFlight(Option<Arc<Gauge>>);

impl Gauge {
    /// Nothing under way, calm.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Takes a request in; `None` = there are as many as may be. Without a bound nothing is counted, so that workers
    /// do not share a cache line for nothing.
    pub fn enter(self: &Arc<Self>, most: Option<u32>) -> Option<InFlight> {
        let Some(most) = most else { return Some(InFlight(None)) };
        // No order with anything else is needed: the count stands for itself.
        self.in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then(|| n.saturating_add(1)))
            .ok()?;
        Some(InFlight(Some(Arc::clone(self))))
    }

    /// Requests under way that entered while there was a bound.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The level of memory.
    pub fn level(&self) -> Level {
        match self.level.load(Ordering::Relaxed) {
            0 => Level::Calm,
            1 => Level::Leave,
            _ => Level::Refuse,
        }
    }

    /// Makes the level known to everybody.
    fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(gauge) = &self.0 {
            gauge.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
#[path = "overload_tests.rs"]
mod tests;

//! Remembers what the store has refused, so that the same is not asked again before it can be admitted. Pure.
//!
//! A refusal is only an earliest time: others may spend in between, but who was told to wait is not admitted earlier,
//! except when something is given back, which [`Denied::forget`] is for as far as this process does it. A memory is
//! kept for [`LONGEST`] at most, so that a store that was emptied by hand is noticed. The table has a fixed number of
//! places; two keys of one place displace each other, which costs a question to the store and nothing else.

use crate::admission::limit::ask::{Decision, Key};
use std::time::{Duration, Instant};

/// Places of the table; a power of two.
const PLACES: usize = 2048;
/// How long a refusal is remembered at most.
const LONGEST: Duration = Duration::from_secs(10);

/// The table. Takes memory from the first refusal on: 2048 places of 80 bytes or so.
#[derive(Debug, Default)]
pub(super) struct Denied {
    places: Box<[Option<Entry>]>,
}

#[derive(Debug, Clone)]
struct Entry {
    key: Key,
    /// The smallest cost that was refused.
    cost: u32,
    at: Instant,
    decision: Decision,
}

impl Denied {
    /// The refusal, when the same or more was refused and it is not yet time; waits are counted from `now`.
    pub(super) fn find(&self, key: Key, cost: u32, now: Instant) -> Option<Decision> {
        let entry = self.places.get(place(key))?.as_ref().filter(|entry| entry.key == key)?;
        let passed = now.saturating_duration_since(entry.at);
        let waits = entry.cost <= cost && passed < entry.decision.retry_after.min(LONGEST);
        waits.then(|| Decision {
            reset_after: entry.decision.reset_after.saturating_sub(passed),
            retry_after: entry.decision.retry_after.saturating_sub(passed),
            ..entry.decision
        })
    }

    /// Remembers what was refused at `now`.
    pub(super) fn remember(&mut self, key: Key, cost: u32, decision: Decision, now: Instant) {
        if self.places.is_empty() {
            self.places = vec![None; PLACES].into_boxed_slice();
        }
        if let Some(entry) = self.places.get_mut(place(key)) {
            *entry = Some(Entry { key, cost, at: now, decision });
        }
    }

    /// Something was given back.
    pub(super) fn forget(&mut self, key: Key) {
        if let Some(place) = self.places.get_mut(place(key))
            && place.as_ref().is_some_and(|entry| entry.key == key)
        {
            *place = None;
        }
    }
}

/// Keys are digests: any bits of them are as good as others.
fn place(key: Key) -> usize {
    (key.0 as usize) & (PLACES - 1)
}

#[cfg(test)]
#[path = "denied_tests.rs"]
mod tests;

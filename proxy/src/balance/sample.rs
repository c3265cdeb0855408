//! Standings and lineups for tests.

use super::{Health, Lineup, Rules, Standing};
use std::time::Instant;

/// Some moment.
pub(super) fn start() -> Instant {
    crate::clock::now()
}

/// An endpoint that nothing is said against, there since `now`.
pub(super) fn standing(weight: u32, now: Instant) -> Standing {
    Standing {
        weight,
        priority: 0,
        near: false,
        health: Health::Unknown,
        ejected_until: None,
        refuses: false,
        since: now,
    }
}

/// A lineup of nothing but weights.
pub(super) fn weights(weights: &[u32]) -> Lineup {
    let now = start();
    let standings: Vec<_> = weights.iter().map(|weight| standing(*weight, now)).collect();
    Lineup::new(&standings, &Rules::default(), now)
}

//! Limits and questions for tests.

use super::ask::{Ask, Key};
use crate::config::limit::{Algorithm, KeyPart, Limit, Queue, Rate, Rates, Scope, Window};
use std::time::Duration;

/// Some day in 2026, in nanoseconds since 1970; a multiple of a minute.
pub(super) const NOW: u64 = 1_790_000_040 * SECOND;
pub(super) const SECOND: u64 = 1_000_000_000;

pub(super) fn every(seconds: u64) -> Window {
    Window::Every(Duration::from_secs(seconds))
}

/// So many in a window, all at once.
pub(super) fn limit(algorithm: Algorithm, amount: u32, window: Window) -> Limit {
    let default = Rate { amount, window, burst: amount };
    Limit {
        name: "sample".into(),
        key: vec![KeyPart::Ip],
        algorithm,
        rates: Rates { default, tiers: vec![] },
        scope: Scope::Instance,
        queue: None,
    }
}

pub(super) fn bucket(amount: u32, seconds: u64, burst: u32) -> Limit {
    let mut limit = limit(Algorithm::TokenBucket, amount, every(seconds));
    limit.rates.default.burst = burst;
    limit
}

pub(super) fn queued(mut limit: Limit, length: u32, wait: Duration) -> Limit {
    limit.queue = Some(Queue { length, wait });
    limit
}

pub(super) fn asked(limit: &Limit, key: u128, cost: u32) -> Ask<'_> {
    Ask { limit, tier: 0, key: Key(key), cost }
}

//! Waiting: always for a condition, always with an end.
//!
//! The only place of the harness that reads the clock or stands still.

use std::time::{Duration, Instant};

/// How long a condition may take to come true before a test fails. Long, because a busy machine is no fault.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two looks at a condition that cannot wake us.
const LOOK: Duration = Duration::from_millis(2);

/// The clock.
#[expect(clippy::disallowed_methods, reason = "the clock of the harness")]
pub fn now() -> Instant {
    Instant::now()
}

/// Lets `span` pass: for clients and upstreams that are slow on purpose, never to wait for something.
pub fn pause(span: Duration) {
    let end = now() + span;
    while let Some(left) = end.checked_duration_since(now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// The value of `condition` as soon as there is one.
///
/// # Panics
/// When there is none within [`PATIENCE`].
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, condition).unwrap_or_else(|| panic!("gave up waiting: {what}"))
}

/// The value of `condition` if there is one within `patience`.
pub fn within<T>(patience: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + patience;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if now() >= end {
            return None;
        }
        std::thread::park_timeout(LOOK);
    }
}

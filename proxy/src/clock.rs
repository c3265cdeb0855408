//! The only place that reads a clock.
//!
//! Decisions take `now` as a value; shells ask here. The monotonic clock runs timers and durations, the wall
//! clock only stamps log lines and dates, so a jump of the wall clock disturbs nothing.

use std::time::{Instant, SystemTime};

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

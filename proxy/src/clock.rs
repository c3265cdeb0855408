//! The only place that reads a clock.
//!
//! Decisions take `now` as a value; shells ask here. The monotonic clock runs timers and durations, the wall
//! clock only stamps log lines and dates, so a jump of the wall clock disturbs nothing.

use portcullis_ca::time::Timestamp;
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

/// The wall clock in nanoseconds since 1970.
pub fn wall_nanos() -> u64 {
    let since = wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The wall clock in whole seconds since 1970.
pub fn wall_seconds() -> Timestamp {
    let since = wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

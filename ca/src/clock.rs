//! The only place that reads a clock.
//!
//! Decisions take `now` as a value; shells ask here. Certificates live by the wall clock; waiting goes by the
//! monotonic one.

use crate::time::Timestamp;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The wall clock, in whole seconds.
pub fn wall() -> Timestamp {
    Timestamp(i64::try_from(wall_millis() / 1000).unwrap_or(i64::MAX))
}

/// The wall clock, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn wall_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn monotonic() -> Instant {
    Instant::now()
}

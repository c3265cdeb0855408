//! The only place that reads a clock.
//!
//! Decisions take `now` as a value; shells ask here. It is the clock that timers go by, so a test that pauses time
//! pauses this too.

use std::time::Instant;

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

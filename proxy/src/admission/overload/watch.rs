//! The shell that watches the memory: reads, lets [`Level::next`] decide, tells everybody. Run by the control thread.

use super::memory::{Meter, Reading};
use super::{Gauge, Level};
use crate::config::overload::Memory;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks: a process at full speed fills the last 5 % of 512 MiB in about this time.
const EVERY: Duration = Duration::from_millis(250);

/// Looks until dropped, and writes down every change. `settings` is asked each time, so that a reload counts at once;
/// `None` = memory is not watched.
pub async fn watch(gauge: Arc<Gauge>, meter: Meter, settings: impl Fn() -> Option<Memory>) {
    loop {
        look(&gauge, settings(), |limit| meter.read(limit));
        tokio::time::sleep(EVERY).await;
    }
}

/// One look. What cannot be read changes nothing: it was not less before.
fn look(gauge: &Gauge, ladder: Option<Memory>, read: impl FnOnce(Option<u64>) -> Option<Reading>) {
    let before = gauge.level();
    let Some(ladder) = ladder else {
        gauge.set_level(Level::Calm);
        return;
    };
    let Some(Reading { used, limit }) = read(ladder.limit) else { return };
    let level = before.next(used, limit, &ladder);
    if level == before {
        return;
    }
    gauge.set_level(level);
    let (event, word) = ("overload", level.word());
    match level {
        Level::Calm => tracing::info!(event, level = word, used, limit, "there is enough memory again"),
        Level::Leave => {
            tracing::warn!(event, level = word, used, limit, "memory is short: clients are asked to leave")
        }
        Level::Refuse => {
            tracing::warn!(event, level = word, used, limit, "memory is short: requests are refused")
        }
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;

//! Instants as numbers that fit into an atomic. Pure: the first instant anybody names is where counting begins.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Where counting begins.
#[derive(Debug, Default)]
pub(super) struct Epoch(OnceLock<Instant>);

impl Epoch {
    /// Nanoseconds from the beginning to `now`, plus 1: never 0, so that 0 may say "not yet".
    pub(super) fn stamp(&self, now: Instant) -> u64 {
        let base = self.0.get_or_init(|| now);
        nanos(now.saturating_duration_since(*base)).saturating_add(1)
    }

    /// The instant of a stamp; `None` for 0.
    pub(super) fn instant(&self, stamp: u64) -> Option<Instant> {
        self.0.get()?.checked_add(Duration::from_nanos(stamp.checked_sub(1)?))
    }
}

/// Nanoseconds, as many as fit (584 years).
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::sample::start;
    use super::*;

    #[test]
    fn a_stamp_is_the_instant_it_was_made_from_and_never_nought() {
        let (epoch, now) = (Epoch::default(), start());
        let later = now + Duration::from_millis(7);

        assert_eq!((epoch.stamp(now), epoch.stamp(later)), (1, 7_000_001));
        assert_eq!((epoch.instant(7_000_001), epoch.instant(0)), (Some(later), None));
        assert_eq!(epoch.stamp(now.checked_sub(Duration::from_secs(1)).unwrap()), 1);
    }
}

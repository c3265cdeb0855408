//! How many processes share a store.
//!
//! Each says every [`EVERY`] that it is there; who has not for [`GONE`] is believed gone. All threads of a process
//! speak for the same process. While the store is away the last number stays.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::Duration;

/// How often a process says that it is there.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// After how long it is believed gone.
pub(super) const GONE: Duration = Duration::from_secs(15);

/// This process, to others that share a store: 128 random bits.
pub(super) fn own() -> u128 {
    static OWN: OnceLock<u128> = OnceLock::new();
    *OWN.get_or_init(|| fastrand::u128(..))
}

/// How many there are. Pure.
#[derive(Debug)]
pub(super) struct Instances {
    /// What the configuration says, which is believed.
    told: Option<u32>,
    learned: Cell<u32>,
}

impl Instances {
    pub(super) fn new(told: Option<u32>) -> Self {
        Self { told, learned: Cell::new(1) }
    }

    /// The store has counted.
    pub(super) fn learn(&self, count: i64) {
        self.learned.set(u32::try_from(count).unwrap_or(1).max(1));
    }

    /// At least 1.
    pub(super) fn count(&self) -> u32 {
        self.told.unwrap_or_else(|| self.learned.get()).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_stays_and_the_configuration_wins() {
        let (learning, told) = (Instances::new(None), Instances::new(Some(4)));

        learning.learn(3);
        told.learn(3);

        assert_eq!((learning.count(), told.count()), (3, 4));
    }

    #[test]
    fn there_is_always_one() {
        let instances = Instances::new(None);

        let before = instances.count();
        instances.learn(0);
        instances.learn(-1);

        assert_eq!((before, instances.count(), Instances::new(Some(0)).count()), (1, 1, 1));
    }
}

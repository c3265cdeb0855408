//! What checks in a row say about an endpoint. Pure.
//!
//! | it counts as | and | becomes |
//! |--|--|--|
//! | unknown | the first check is good | well |
//! | unknown, well | `unhealthy` bad ones in a row | ill |
//! | ill | `healthy` good ones in a row | well |

use crate::balance::Health;
use crate::config::service;

/// What is remembered of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Record {
    health: Health,
    /// Checks in a row with the result of the last.
    row: u32,
    last_good: bool,
}

impl Record {
    /// Takes note of a check; what the endpoint counts as from now on.
    pub(super) const fn note(&mut self, rule: &service::Health, good: bool) -> Health {
        self.row = if self.last_good == good { self.row.saturating_add(1) } else { 1 };
        self.last_good = good;
        self.health = match (self.health, good) {
            (Health::Unknown, true) => Health::Well,
            (Health::Ill, true) if self.row >= rule.healthy => Health::Well,
            (_, false) if self.row >= rule.unhealthy => Health::Ill,
            (health, _) => health,
        };
        self.health
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::service::Probe;
    use std::time::Duration;

    fn said(healthy: u32, unhealthy: u32, checks: &[bool]) -> Vec<Health> {
        let second = Duration::from_secs(1);
        let rule = service::Health {
            probe: Probe::Tcp,
            interval: second,
            timeout: second,
            healthy,
            unhealthy,
            port: None,
        };
        let mut record = Record::default();
        checks.iter().map(|good| record.note(&rule, *good)).collect()
    }

    #[test]
    fn one_good_check_is_enough_for_one_nobody_knows() {
        use Health::{Ill, Unknown, Well};

        assert_eq!(said(2, 3, &[true]), [Well]);
        assert_eq!(said(2, 3, &[false, false, false]), [Unknown, Unknown, Ill]);
        assert_eq!(said(2, 2, &[false, true]), [Unknown, Well]);
    }

    #[test]
    fn only_so_many_in_a_row_change_it() {
        use Health::{Ill, Well};

        let checks = [true, false, true, false, false, true, false, true, true];

        assert_eq!(said(2, 2, &checks), [Well, Well, Well, Well, Ill, Ill, Ill, Ill, Well]);
    }
}

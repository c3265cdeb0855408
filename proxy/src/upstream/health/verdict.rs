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
    /// Of an endpoint that was found so before: a reload does not ask from the beginning.
    pub(super) const fn of(health: Health) -> Self {
        Self { health, row: 0, last_good: false }
    }

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

    fn rule(healthy: u32, unhealthy: u32) -> service::Health {
        let second = Duration::from_secs(1);
        service::Health {
            probe: Probe::Tcp,
            interval: second,
            timeout: second,
            healthy,
            unhealthy,
            port: None,
        }
    }

    fn said(healthy: u32, unhealthy: u32, checks: &[bool]) -> Vec<Health> {
        let rule = rule(healthy, unhealthy);
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

    #[test]
    fn what_was_found_before_a_reload_needs_as_many_in_a_row_to_change() {
        use Health::{Ill, Well};
        let rule = rule(2, 2);

        let mut well = Record::of(Well);
        assert_eq!([well.note(&rule, false), well.note(&rule, false)], [Well, Ill]);
        let mut ill = Record::of(Ill);
        assert_eq!([ill.note(&rule, true), ill.note(&rule, true)], [Ill, Well]);
    }

    #[test]
    fn whatever_checks_say_it_follows_the_last_ones_in_a_row() {
        for seed in 0..500 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let rule = rule(rng.u32(1..5), rng.u32(1..5));
            let first = [Health::Unknown, Health::Well, Health::Ill][rng.usize(0..3)];
            let (mut record, mut before, mut history) = (Record::of(first), first, Vec::new());
            for _ in 0..60 {
                // Phases, or long rows would be rare.
                history.push(rng.f64() < if history.len() / 10 % 2 == 0 { 0.8 } else { 0.2 });
                let now = record.note(&rule, history[history.len() - 1]);
                check_invariants(&rule, &history, (before, now), seed);
                before = now;
            }
        }
    }

    fn check_invariants(
        rule: &service::Health,
        history: &[bool],
        (before, now): (Health, Health),
        seed: u64,
    ) {
        let row = |good: bool, count: u32| {
            let last = history.len().checked_sub(count as usize).and_then(|from| history.get(from..));
            last.is_some_and(|last| last.iter().all(|one| *one == good))
        };
        let (bad, good) = (row(false, rule.unhealthy), row(true, rule.healthy));
        assert!(!bad || now == Health::Ill, "seed {seed}: {now:?} after {history:?}");
        assert!(!good || now == Health::Well, "seed {seed}: {now:?} after {history:?}");
        match (before, now) {
            (Health::Ill, Health::Well) => assert!(good, "seed {seed}: too soon, {history:?}"),
            (Health::Unknown, Health::Well) => assert!(row(true, 1), "seed {seed}: {history:?}"),
            (_, Health::Unknown) => assert_eq!(before, now, "seed {seed}: forgotten, {history:?}"),
            (Health::Unknown | Health::Well, Health::Ill) => assert!(bad, "seed {seed}: {history:?}"),
            (before, now) => assert_eq!(before, now, "seed {seed}: {history:?}"),
        }
    }
}

//! Tries stay a part of requests, over any ten seconds and however many workers ask.

use super::*;
use crate::clock;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn rule(budget: u32, floor: u32) -> Retry {
    Retry {
        attempts: 2,
        backoff: (Duration::from_millis(25), Duration::from_millis(250)),
        budget,
        floor,
        statuses: Vec::new(),
        idempotency_key: None,
        body: 0,
        hedge: None,
    }
}

fn requests(budget: &Budget, rule: &Retry, count: u32, now: Instant) {
    (0..count).for_each(|_| budget.deposit(rule, now));
}

/// How many tries are granted at one moment.
fn drain(budget: &Budget, rule: &Retry, now: Instant) -> usize {
    (0..10_000).take_while(|_| budget.withdraw(rule, now)).count()
}

#[test]
fn a_fifth_of_the_requests_may_be_tried_again_and_ten_seconds_of_the_floor() {
    let (budget, rule, now) = (Budget::default(), rule(20, 3), clock::now());
    requests(&budget, &rule, 104, now);

    assert_eq!(budget.left(&rule, now), 20 + 30);
    assert_eq!(drain(&budget, &rule, now), 20 + 30);
    assert_eq!(budget.left(&rule, now), 0);
}

#[test]
fn a_quiet_service_can_be_tried_again_at_all_and_again_after_eleven_seconds() {
    let (budget, rule, now) = (Budget::default(), rule(20, 1), clock::now());

    let granted = [0, 1, 10, 11].map(|second| drain(&budget, &rule, now + second * SECOND));

    assert_eq!(granted, [10, 0, 0, 10]);
}

#[test]
fn what_requests_earned_lasts_ten_seconds() {
    let (rule, now) = (rule(50, 0), clock::now());
    let after = |seconds| {
        let budget = Budget::default();
        requests(&budget, &rule, 10, now);
        budget.left(&rule, now + seconds * SECOND)
    };

    assert_eq!([0, 9, 10, 15, 16, 26, 1_000_000].map(after), [5, 5, 0, 0, 0, 0, 0]);
}

#[test]
fn parts_of_a_try_add_up() {
    let (budget, rule, now) = (Budget::default(), rule(20, 0), clock::now());

    let granted: Vec<bool> = (0..10)
        .map(|_| {
            budget.deposit(&rule, now);
            budget.withdraw(&rule, now)
        })
        .collect();

    assert_eq!(
        granted,
        [4, 9].into_iter().fold(vec![false; 10], |mut granted, at: usize| {
            granted[at] = true;
            granted
        })
    );
}

#[test]
fn nothing_is_granted_where_nothing_is_allowed() {
    let (budget, rule, now) = (Budget::default(), rule(0, 0), clock::now());
    requests(&budget, &rule, 1_000, now);

    assert!(!budget.withdraw(&rule, now));
}

#[test]
fn a_new_rule_counts_for_the_requests_that_come_under_it() {
    let (budget, now) = (Budget::default(), clock::now());
    requests(&budget, &rule(20, 0), 100, now);
    requests(&budget, &rule(10, 0), 100, now);

    assert_eq!(budget.left(&rule(10, 2), now), 20 + 10 + 20);
}

#[test]
fn a_worker_that_is_behind_or_ahead_of_the_first_is_granted_no_more() {
    let (budget, rule, now) = (Budget::default(), rule(20, 1), clock::now() + 60 * SECOND);
    assert_eq!(drain(&budget, &rule, now), 10);

    for late in [1, 10, 60] {
        assert!(!budget.withdraw(&rule, now - late * SECOND), "{late} s before the first");
    }
    requests(&budget, &rule, 50, now + 3 * SECOND);
    assert!(!budget.withdraw(&rule, now + 2 * SECOND));
    assert!(budget.withdraw(&rule, now + 3 * SECOND));
}

#[test]
fn a_second_sixteen_later_takes_the_place_and_a_late_worker_does_not_spoil_it() {
    let (budget, rule, now) = (Budget::default(), rule(100, 0), clock::now());
    requests(&budget, &rule, 5, now);
    requests(&budget, &rule, 7, now + 16 * SECOND);
    requests(&budget, &rule, 9, now);

    assert_eq!(budget.left(&rule, now + 16 * SECOND), 7);
    assert!(!budget.withdraw(&rule, now));
}

#[test]
fn a_try_that_another_worker_took_a_moment_ago_is_not_granted_and_not_counted() {
    let (budget, rule, now) = (Budget::default(), rule(20, 1), clock::now());
    let room = budget.left(&rule, now);
    assert_eq!(drain(&budget, &rule, now), 10);

    assert!(room > 0 && !budget.take(&rule, 0));

    assert_eq!(budget.spent_in(0), 10);
}

#[test]
fn workers_that_ask_at_once_are_together_granted_what_there_is() {
    let (budget, rule, now) = (Budget::default(), rule(20, 3), clock::now());
    let worker = |worker: u32| {
        let (budget, rule) = (&budget, &rule);
        move || {
            // Some are in the next second already.
            let now = now + (worker % 2) * SECOND;
            requests(budget, rule, 5_000, now);
            (0..5_000).filter(|_| budget.withdraw(rule, now)).count()
        }
    };

    let granted: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|index| scope.spawn(worker(index))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });

    let most = 4 * 5_000 / 5 + 30;
    assert!((1..=most).contains(&granted), "{granted} of {most}");
    assert_eq!(granted + drain(&budget, &rule, now + SECOND), most, "none is lost");
}

/// Everything that happened, to be counted by hand.
struct Simulation {
    rule: Retry,
    budget: Budget,
    requests: Vec<Instant>,
    tries: Vec<Instant>,
}

impl Simulation {
    fn within(moments: &[Instant], span: Duration, now: Instant) -> u64 {
        moments.iter().rev().take_while(|moment| now - **moment < span).count() as u64
    }

    fn allowed(&self, span: Duration, now: Instant) -> u64 {
        Self::within(&self.requests, span, now) * u64::from(self.rule.budget) / 100
            + u64::from(self.rule.floor) * 10
    }

    fn try_again(&mut self, now: Instant) {
        let surely_free = Self::within(&self.tries, 12 * SECOND, now) < self.allowed(9 * SECOND, now);
        let granted = self.budget.withdraw(&self.rule, now);
        if granted {
            self.tries.push(now);
        }
        assert!(granted || !surely_free, "refused what was there");
    }

    fn check_invariants(&self, now: Instant) {
        if self.tries.last() == Some(&now) {
            let tries = Self::within(&self.tries, 10 * SECOND, now);
            assert!(tries <= self.allowed(10 * SECOND, now), "{tries} tries");
        }
    }
}

#[test]
fn over_any_ten_seconds_tries_are_a_part_of_requests_and_the_floor() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut simulation = Simulation {
            rule: rule(random.u32(0..=100), random.u32(0..4)),
            budget: Budget::default(),
            requests: Vec::new(),
            tries: Vec::new(),
        };
        let mut now = clock::now();
        // Busy, quiet and broken times take turns.
        let (mut pause, mut failing) = (10, 0.1);
        for _ in 0..1_500 {
            if random.u32(0..200) == 0 {
                (pause, failing) = (random.u64(1..4_000), random.f64());
            }
            now += Duration::from_millis(random.u64(0..pause));
            simulation.budget.deposit(&simulation.rule, now);
            simulation.requests.push(now);
            if random.f64() < failing {
                simulation.try_again(now);
            }
            simulation.check_invariants(now);
        }
        assert!(simulation.rule.floor == 0 || !simulation.tries.is_empty(), "seed {seed} tries nothing");
    }
}

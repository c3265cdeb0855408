//! Estimates, and what they are good for: a slow one among ten, beside round-robin.

use super::super::sample::{start, weights};
use super::super::{Lineup, RoundRobin};
use super::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Milliseconds that one request is believed to take.
fn believed(estimate: &Estimate, now: Instant) -> f64 {
    (estimate.cost(0, now) / 1e4).round() / 100.0
}

#[test]
fn a_longer_answer_is_believed_at_once_and_a_shorter_one_slowly() {
    let (estimate, now) = (Estimate::default(), start());
    let at = |seconds: u32| now + seconds * SECOND;

    assert_eq!(believed(&estimate, now), 30.0, "nobody has answered yet");
    estimate.observe(100 * MILLISECOND, at(0));
    assert_eq!(believed(&estimate, at(0)), 100.0);
    estimate.observe(20 * MILLISECOND, at(0));
    assert_eq!(believed(&estimate, at(0)), 100.0, "no time has passed");
    estimate.observe(20 * MILLISECOND, at(10));
    assert_eq!(believed(&estimate, at(10)), 49.43, "20 + 80 / e");
    estimate.observe(500 * MILLISECOND, at(10));
    assert_eq!(believed(&estimate, at(10)), 500.0);
}

#[test]
fn what_was_not_waited_for_counts_only_when_it_took_longer_than_believed() {
    let (estimate, now) = (Estimate::default(), start());

    estimate.outlasted(10 * MILLISECOND, now);
    assert_eq!(believed(&estimate, now), 30.0, "it may take longer than that");
    estimate.outlasted(80 * MILLISECOND, now);
    assert_eq!(believed(&estimate, now), 80.0);
    estimate.outlasted(50 * MILLISECOND, now + 10 * SECOND);
    assert_eq!(believed(&estimate, now + 10 * SECOND), 61.04, "80 / e is believed, 50 + 30 / e is known");
}

#[test]
fn many_short_answers_pull_as_fast_as_few() {
    let now = start();
    let after = |answers: u32| {
        let estimate = Estimate::default();
        estimate.observe(SECOND, now);
        (1..=answers).for_each(|n| estimate.observe(10 * MILLISECOND, now + 10 * SECOND * n / answers));
        believed(&estimate, now + 10 * SECOND)
    };

    assert!((after(10) - after(1000)).abs() < 0.1, "{} {}", after(10), after(1000));
}

#[test]
fn what_nobody_asks_is_forgiven_down_to_a_millisecond() {
    let (estimate, now) = (Estimate::default(), start());
    estimate.observe(2 * SECOND, now);

    assert_eq!(believed(&estimate, now + 10 * SECOND), 735.76, "2000 / e");
    assert_eq!(believed(&estimate, now + 600 * SECOND), 1.0);
    estimate.observe(Duration::ZERO, now + 600 * SECOND);
    assert_eq!(believed(&estimate, now + 600 * SECOND), 1.0);
}

#[test]
fn one_that_never_answered_is_tried_although_others_are_faster() {
    let (estimate, now) = (Estimate::default(), start());

    assert_eq!(believed(&estimate, now), 30.0);
    assert!(believed(&estimate, now + 35 * SECOND) < 1.5);
}

#[test]
fn a_failure_counts_five_seconds_or_as_long_as_it_wants_to_be_left_alone() {
    let now = start();
    let after = |retry_after: Option<u64>| {
        let estimate = Estimate::default();
        estimate.penalize(retry_after.map(Duration::from_secs), now);
        believed(&estimate, now) / 1000.0
    };

    assert_eq!([None, Some(1), Some(60), Some(9000)].map(after), [5.0, 5.0, 60.0, 300.0]);
}

#[test]
fn what_is_in_flight_costs_as_often() {
    let (estimate, now) = (Estimate::default(), start());

    assert_eq!(estimate.cost(9, now), 10.0 * estimate.cost(0, now));
    assert!(estimate.cost(u32::MAX, now) > estimate.cost(1, now));
}

#[test]
fn of_two_the_one_that_costs_less_is_taken() {
    let lineup = weights(&[1, 1]);

    assert!((0..100).all(|n| pick(&lineup, n << 40 | n, |_| false, |index| [2.0, 1.0][index]) == Some(1)));
    assert_eq!(pick(&lineup, 7, |index| index == 1, |index| [2.0, 1.0][index]), Some(0));
}

#[test]
fn a_clock_that_another_worker_read_earlier_does_no_harm() {
    let (estimate, now) = (Estimate::default(), start() + SECOND);
    estimate.observe(50 * MILLISECOND, now);

    estimate.observe(10 * MILLISECOND, now.checked_sub(SECOND).unwrap());

    assert_eq!(believed(&estimate, now), 50.0);
}

/// Ten endpoints of which the first takes long, asked so many times a second.
struct Race {
    rng: fastrand::Rng,
    start: Instant,
    lineup: Lineup,
    estimates: Vec<Estimate>,
    active: Vec<u32>,
    /// When which one answers, and when it was asked; nanoseconds.
    pending: BinaryHeap<Reverse<(u64, usize, u64)>>,
    /// When which one was asked.
    asked: Vec<(u64, usize)>,
}

impl Race {
    fn new(seed: u64) -> Self {
        let estimates = (0..10).map(|_| Estimate::default()).collect();
        let rng = fastrand::Rng::with_seed(seed);
        Self {
            rng,
            start: start(),
            lineup: weights(&[1; 10]),
            estimates,
            active: vec![0; 10],
            pending: BinaryHeap::new(),
            asked: vec![],
        }
    }

    fn at(&self, nanos: u64) -> Instant {
        self.start + Duration::from_nanos(nanos)
    }

    fn settle(&mut self, now: u64) {
        while let Some(Reverse((done, index, asked))) = self.pending.peek().copied()
            && done <= now
        {
            self.pending.pop();
            self.active[index] -= 1;
            self.estimates[index].observe(Duration::from_nanos(done - asked), self.at(done));
        }
    }

    /// Asks for so long, from `from` on; seconds. The first takes 2 s from `slow_from` on.
    fn run(
        &mut self,
        (from, until): (u64, u64),
        slow: bool,
        mut choose: impl FnMut(&mut Self, Instant) -> usize,
    ) {
        let step = 1_000_000_000 / PER_SECOND;
        for n in from * PER_SECOND..until * PER_SECOND {
            let now = n * step + self.rng.u64(0..step);
            self.settle(now);
            let index = choose(self, self.at(now));
            let takes = if slow && index == 0 { 2_000_000_000 } else { self.rng.u64(9_000_000..11_000_000) };
            self.active[index] += 1;
            self.pending.push(Reverse((now + takes, index, now)));
            self.asked.push((now, index));
            if n % 16 == 0 {
                self.check_invariants();
            }
        }
    }

    fn check_invariants(&self) {
        let active: u32 = self.active.iter().sum();
        assert_eq!(active as usize, self.pending.len());
        let costs = self.estimates.iter().map(|estimate| estimate.cost(0, self.start));
        assert!(costs.into_iter().all(|cost| cost.is_finite() && cost >= LEAST));
    }

    /// Share of the first, of what was asked between those seconds.
    fn share(&self, from: u64, until: u64) -> f64 {
        let within = |nanos: u64| (from * 1_000_000_000..until * 1_000_000_000).contains(&nanos);
        let asked: Vec<usize> =
            self.asked.iter().filter(|(when, _)| within(*when)).map(|(_, index)| *index).collect();
        asked.iter().filter(|index| **index == 0).count() as f64 / asked.len() as f64
    }
}

const PER_SECOND: u64 = 500;

fn by_cost(race: &mut Race, now: Instant) -> usize {
    let random = race.rng.u64(..);
    let cost = |index: usize| race.estimates[index].cost(race.active[index], now);
    pick(&race.lineup, random, |_| false, cost).unwrap()
}

#[test]
fn one_that_becomes_slow_loses_its_share_within_seconds_and_round_robin_does_not_notice() {
    for seed in 0..10 {
        let mut race = Race::new(seed);
        race.run((0, 20), false, by_cost);
        race.run((20, 50), true, by_cost);
        let mut turn = RoundRobin::default();
        let mut beside = Race::new(seed);
        beside.run((0, 30), true, |race, _| turn.pick(&race.lineup, |_| false).unwrap());

        let (before, soon, later) = (race.share(10, 20), race.share(20, 25), race.share(25, 50));
        assert!(before > 0.05, "seed {seed}: fair while all are fast: {before}");
        assert!(soon * 5.0 <= before, "seed {seed}: {before} before, {soon} soon after");
        assert!(
            race.share(20, 50) <= 0.005,
            "seed {seed}: answered within 1 s: all but {}",
            race.share(20, 50)
        );
        assert!(later <= 0.005, "seed {seed}: {later}");
        assert!((beside.share(0, 30) - 0.1).abs() < 0.001, "round-robin: a tenth takes too long");
    }
}

#[test]
fn one_that_is_fast_again_gets_its_share_back() {
    for seed in 0..10 {
        let mut race = Race::new(seed);
        race.run((0, 20), true, by_cost);
        race.run((20, 140), false, by_cost);

        assert!(race.share(0, 20) < 0.005, "seed {seed}");
        assert!(race.share(120, 140) > 0.05, "seed {seed}: {}", race.share(120, 140));
    }
}

#[test]
fn one_that_fails_fast_attracts_nobody() {
    let mut rng = fastrand::Rng::with_seed(9);
    let (start, lineup) = (start(), weights(&[1; 10]));
    let estimates: Vec<Estimate> = (0..10).map(|_| Estimate::default()).collect();
    let mut to_the_failing = 0;

    for n in 0..10_000 {
        let now = start + 2 * MILLISECOND * n;
        let taken = pick(&lineup, rng.u64(..), |_| false, |index| estimates[index].cost(0, now)).unwrap();
        if taken == 0 {
            to_the_failing += 1;
            estimates[0].penalize(None, now);
        } else {
            estimates[taken].observe(20 * MILLISECOND, now);
        }
    }

    assert!(to_the_failing < 20, "{to_the_failing} of 10000");
}

//! Tests: a limit that learns, against services that can take so many at once and queue the rest.

use super::*;
use crate::clock;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

impl Adaptive {
    /// It has heard nothing.
    pub(in crate::resilience) fn is_untouched(&self) -> bool {
        self.turn.is_none() && self.base.is_none()
    }

    fn check_invariants(&self, highest: u32) {
        let limit = self.limit(highest);
        assert!(limit <= highest && limit >= LEAST.min(highest), "{self:?}");
        assert!(self.limit.is_finite() && self.base.is_none_or(|base| base > 0.0), "{self:?}");
    }
}

/// A service with `capacity` places and a queue in front of them; as many clients as ever it lets in.
struct World {
    adaptive: Adaptive,
    random: fastrand::Rng,
    now: Duration,
    start: Instant,
    capacity: usize,
    /// How long an answer takes on average, without the queue.
    pace: Duration,
    /// Whether times are spread exponentially.
    uneven: bool,
    /// Clients; there are never more exchanges.
    clients: usize,
    highest: u32,
    /// Answers to come, and when they were asked for.
    busy: BinaryHeap<Reverse<(Duration, Duration)>>,
    queue: VecDeque<Duration>,
}

/// What was seen for a while.
#[derive(Debug, Default)]
struct Seen {
    limits: Vec<u32>,
    took: Duration,
    answers: u32,
}

impl World {
    fn new(seed: u64, capacity: usize, pace: Duration) -> Self {
        Self {
            adaptive: Adaptive::default(),
            random: fastrand::Rng::with_seed(seed),
            now: Duration::ZERO,
            start: clock::now(),
            capacity,
            pace,
            uneven: false,
            clients: 100_000,
            highest: 1024,
            busy: BinaryHeap::new(),
            queue: VecDeque::new(),
        }
    }

    fn inside(&self) -> usize {
        self.busy.len() + self.queue.len()
    }

    fn fill(&mut self, limit: u32) {
        while self.inside() < self.clients.min(limit as usize) {
            self.queue.push_back(self.now);
        }
        while self.busy.len() < self.capacity
            && let Some(asked) = self.queue.pop_front()
        {
            // Evenly half to one and a half of the average; or a few are much slower than most.
            let even = 0.5 + self.random.f64();
            let takes = self.pace.mul_f64(if self.uneven { -(even - 0.5).max(1e-9).ln() } else { even });
            self.busy.push(Reverse((self.now + takes, asked)));
        }
    }

    /// Goes on for a while; every `fails`-th answer is a failure (0: none is).
    fn run(&mut self, time: Duration, fails: u32) -> Seen {
        let (end, mut seen) = (self.now + time, Seen::default());
        let mut limit = self.adaptive.limit(self.highest);
        while self.now < end {
            self.fill(limit);
            let Reverse((now, asked)) = self.busy.pop().expect("somebody is inside");
            self.now = now;
            let failed = fails > 0 && self.random.u32(..fails) == 0;
            let took = (!failed).then_some(now - asked);
            let inside = self.inside() as u32 + 1;
            limit = self.adaptive.sample(took, inside, self.highest, self.start + now);
            self.adaptive.check_invariants(self.highest);
            seen.limits.push(limit);
            seen.took += now - asked;
            seen.answers += 1;
        }
        seen
    }
}

impl Seen {
    fn mean_limit(&self) -> f64 {
        self.limits.iter().map(|limit| f64::from(*limit)).sum::<f64>() / self.limits.len() as f64
    }

    fn mean_took(&self) -> Duration {
        self.took / self.answers
    }
}

const PACE: Duration = Duration::from_millis(20);

#[test]
fn the_limit_settles_near_what_the_service_takes_and_answers_stay_quick() {
    for (seed, capacity) in (0..8).zip([8, 10, 20, 30, 50, 80, 120, 200]) {
        let mut world = World::new(seed, capacity, PACE);
        world.run(Duration::from_secs(10), 0);

        let seen = world.run(Duration::from_secs(20), 0);

        let ratio = seen.mean_limit() / capacity as f64;
        assert!((0.9..1.6).contains(&ratio), "{capacity}: settled at {ratio:.2} times that");
        assert!(seen.mean_took() < 2 * PACE, "{capacity}: {:?}", seen.mean_took());
        let busy = f64::from(seen.answers) * PACE.as_secs_f64() / 20.0 / capacity as f64;
        assert!(busy > 0.95, "{capacity}: only {busy:.2} of what it could do");
    }
}

#[test]
fn answers_of_very_uneven_length_do_not_mislead_it() {
    for (seed, capacity) in (0..8).zip([10, 20, 30, 40, 60, 80, 120, 200]) {
        let mut world = World::new(seed, capacity, PACE);
        world.uneven = true;
        world.run(Duration::from_secs(20), 0);

        let seen = world.run(Duration::from_secs(60), 0);

        let busy = f64::from(seen.answers) * PACE.as_secs_f64() / 60.0 / capacity as f64;
        assert!(busy > 0.8, "{capacity}: only {busy:.2} of what it could do");
        assert!(seen.mean_took() < 2 * PACE, "{capacity}: {:?}", seen.mean_took());
    }
}

#[test]
fn it_follows_a_service_that_becomes_twice_or_half_as_large() {
    for seed in 0..8 {
        let mut world = World::new(seed, 40, PACE);
        world.run(Duration::from_secs(10), 0);

        world.capacity = 80;
        world.run(Duration::from_secs(5), 0);
        let double = world.run(Duration::from_secs(10), 0).mean_limit();
        world.capacity = 40;
        world.run(Duration::from_secs(5), 0);
        let again = world.run(Duration::from_secs(10), 0);

        assert!((72.0..125.0).contains(&double), "seed {seed}: {double}");
        assert!((36.0..62.0).contains(&again.mean_limit()), "seed {seed}: {}", again.mean_limit());
        assert!(again.mean_took() < 2 * PACE);
    }
}

#[test]
fn a_service_that_becomes_slower_by_itself_is_not_throttled_for_ever() {
    let mut world = World::new(1, 40, PACE);
    world.run(Duration::from_secs(10), 0);

    world.pace = 3 * PACE;
    world.run(Duration::from_secs(60), 0);
    let seen = world.run(Duration::from_secs(20), 0);

    assert!(seen.mean_limit() > 36.0, "{}", seen.mean_limit());
    assert!(seen.mean_took() < 6 * PACE);
}

#[test]
fn it_begins_with_four_and_is_there_within_seconds() {
    let mut world = World::new(1, 100, PACE);

    let first = world.adaptive.limit(1024);
    world.run(Duration::from_secs(3), 0);

    assert_eq!(first, 4);
    assert!(world.adaptive.limit(1024) >= 90, "{}", world.adaptive.limit(1024));
}

#[test]
fn a_few_clients_teach_it_nothing_about_many() {
    let mut world = World::new(1, 1000, PACE);
    world.clients = 20;

    let seen = world.run(Duration::from_secs(60), 0);

    let highest = seen.limits.iter().max().unwrap();
    assert!((20..=60).contains(highest), "{highest}");
}

#[test]
fn it_never_passes_the_number_of_the_rule() {
    for highest in [1, 3, 16] {
        let mut world = World::new(1, 1000, PACE);
        world.highest = highest;

        let seen = world.run(Duration::from_secs(10), 0);

        assert_eq!(seen.limits.last(), Some(&highest));
        assert!(seen.limits.iter().all(|limit| *limit <= highest));
    }
}

#[test]
fn failures_alone_bring_it_down_and_a_few_do_not() {
    let mut world = World::new(1, 50, PACE);
    world.run(Duration::from_secs(10), 0);

    let some = world.run(Duration::from_secs(10), 10).mean_limit();
    world.run(Duration::from_secs(10), 1);
    let none = world.adaptive.limit(1024);
    world.run(Duration::from_secs(10), 0);
    let well = world.run(Duration::from_secs(5), 0).mean_limit();

    assert!(some > 45.0, "{some}");
    assert_eq!(none, LEAST);
    assert!(well > 45.0, "{well}");
}

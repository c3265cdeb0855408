//! A worker under a simulated load: what is shed, how it settles, how it ends.

use super::*;

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The lag after these looks, each so many milliseconds late.
fn after(late: impl IntoIterator<Item = u64>) -> Lag {
    let mut lag = Lag::default();
    late.into_iter().for_each(|late| lag.tick(millis(late)));
    lag
}

/// A worker whose queue is served in order: what has not been done when its look was due makes the look late.
struct Worker {
    lag: Lag,
    /// Work that waits, in seconds. More than `DEEPEST` does not fit: connections are bounded.
    queue: f64,
    /// Seconds that have passed.
    time: f64,
    /// For a load that is not even.
    seed: u64,
}

const DEEPEST: f64 = 2.0;
/// What refusing a request costs, compared with doing it.
const REFUSING: f64 = 0.05;

impl Worker {
    fn new() -> Self {
        Self { lag: Lag::default(), queue: 0.0, time: 0.0, seed: 7 }
    }

    /// Runs for `seconds` under a load of so many seconds of work a second, uneven by up to `uneven` of it.
    /// All pairs of lateness (in seconds) and share on the way.
    fn run(&mut self, seconds: f64, load: f64, uneven: f64) -> Vec<(f64, f64)> {
        let end = self.time + seconds;
        let mut seen = Vec::new();
        while self.time < end {
            self.seed =
                self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let chance = f64::from(u32::try_from(self.seed >> 32).unwrap()) / f64::from(u32::MAX);
            let load = load * (1.0 + uneven * (chance * 2.0 - 1.0));
            let late = self.queue;
            let passed = TICK.as_secs_f64() + late;
            let share = self.lag.share();
            let work = load * (1.0 - share) + load * share * REFUSING;
            self.queue = (self.queue + passed * (work - 1.0)).clamp(0.0, DEEPEST);
            self.time += passed;
            self.lag.tick(Duration::from_secs_f64(late));
            seen.push((late, self.lag.share()));
        }
        seen
    }
}

fn shares(seen: &[(f64, f64)]) -> (f64, f64) {
    let low = seen.iter().map(|(_, share)| *share).fold(f64::INFINITY, f64::min);
    let high = seen.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    (low, high)
}

fn mean_lateness(seen: &[(f64, f64)]) -> f64 {
    let count = u32::try_from(seen.len()).unwrap();
    seen.iter().map(|(late, _)| late).sum::<f64>() / f64::from(count)
}

#[test]
fn a_worker_in_time_sheds_nothing() {
    let lag = after(std::iter::repeat_n(40, 1_000));

    assert_eq!(lag.state, State::Calm);
    assert!(!lag.sheds(0));
}

#[test]
fn lateness_counts_only_when_it_lasts_a_second() {
    let late = |looks| after(std::iter::repeat_n(200, looks)).share();

    assert_eq!(late(4), 0.0);
    assert!(late(8) > 0.0);
}

#[test]
fn one_long_pause_of_the_process_sheds_nothing() {
    for pause in [300, 2_000, 60_000] {
        let mut lag = after(std::iter::repeat_n(2, 50));
        let mut most: f64 = 0.0;

        for late in [pause].into_iter().chain(std::iter::repeat_n(2, 50)) {
            lag.tick(millis(late));
            most = most.max(lag.share());
        }

        assert_eq!((most, lag.state), (0.0, State::Calm), "{pause}");
    }
}

#[test]
fn lateness_that_comes_and_goes_within_a_second_sheds_nothing() {
    let bursts = (0..1_000).map(|look| if look % 12 < 2 { 120 } else { 0 });

    assert_eq!(after(bursts).share(), 0.0);
}

#[test]
fn the_share_finds_what_is_too_much_and_stays_there() {
    for (load, needed) in [(1.1, 0.096), (1.5, 0.351), (2.0, 0.526), (4.0, 0.789)] {
        let mut worker = Worker::new();
        worker.run(30.0, load, 0.0);

        let settled = worker.run(30.0, load, 0.0);

        let (low, high) = shares(&settled);
        assert!(low > needed - 0.1 && high < needed + 0.1, "{load}: {low} … {high}");
        assert!(mean_lateness(&settled) < 0.1, "{load}");
    }
}

#[test]
fn an_uneven_load_never_sends_the_share_from_nothing_to_all() {
    for load in [1.5, 2.0, 4.0] {
        let mut worker = Worker::new();
        worker.run(30.0, load, 0.3);

        let settled = worker.run(120.0, load, 0.3);

        let (low, high) = shares(&settled);
        assert!(low > 0.0 && high - low < 0.6, "{load}: {low} … {high}");
        assert!(mean_lateness(&settled) < 0.1, "{load}");
    }
}

#[test]
fn the_share_is_gone_within_seconds_of_the_load() {
    for load in [1.1, 2.0, 4.0, 8.0] {
        let mut worker = Worker::new();
        worker.run(30.0, load, 0.0);
        assert!(worker.lag.share() > 0.0, "{load}");

        worker.run(6.0, 0.5, 0.0);

        assert_eq!(worker.lag.state, State::Calm, "{load}");
    }
}

#[test]
fn a_load_far_beyond_all_still_leaves_some_in() {
    let lag = after(std::iter::repeat_n(5_000, 1_000));

    assert_eq!(lag.share(), MOST);
    assert!(!lag.sheds(u32::MAX));
}

#[test]
fn as_many_are_refused_as_the_share_says() {
    let lag = Lag { state: State::Shedding { lasting: 0.25, share: 0.25 }, ..Lag::default() };

    let refused = (0..1_000u32).filter(|n| lag.sheds(n * (u32::MAX / 1_000))).count();

    assert_eq!(refused, 251);
    assert!(lag.sheds(0) && !lag.sheds(u32::MAX));
}

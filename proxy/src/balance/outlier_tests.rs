//! Ejections: when, how long, how many; and a service whose endpoints come and go at random.

use super::super::sample::start;
use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const RULE: Outlier = Outlier {
    consecutive: 5,
    base: Duration::from_secs(5),
    max: Duration::from_secs(300),
    max_ejected: 50,
    panic: 50,
};
const SECOND: Duration = Duration::from_secs(1);

/// The same deed so often; which of them ejected.
fn again(record: &Record, deed: Deed, times: usize, now: Instant) -> Vec<usize> {
    (1..=times).filter(|_| record.note(&RULE, deed, now, || true)).collect()
}

/// Ejects it at `now`, and says when that ends.
fn eject(record: &Record, now: Instant) -> Instant {
    while !record.note(&RULE, Deed::Broke, now, || true) {}
    record.ejected_until(now).unwrap()
}

fn is_about(duration: Duration, seconds: f64) -> bool {
    (seconds * 0.899..=seconds * 1.101).contains(&duration.as_secs_f64())
}

#[test]
fn five_failures_in_a_row_eject_of_whatever_kind() {
    let (record, now) = (Record::default(), start());

    let kinds = [Deed::Broke, Deed::Sorry, Deed::Broke, Deed::Sorry, Deed::Sorry];
    let ejected = kinds.map(|deed| record.note(&RULE, deed, now, || true));

    assert_eq!(ejected, [false, false, false, false, true]);
    assert!(is_about(record.ejected_until(now).unwrap() - now, 5.0));
    assert_eq!((record.ejections(), record.ejected_until(now + 6 * SECOND)), (1, None));
}

#[test]
fn a_good_answer_ends_the_row() {
    let (record, now) = (Record::default(), start());

    for n in 0..3 {
        let then = now + n * 60 * SECOND;
        assert_eq!(again(&record, Deed::Broke, 4, then), Vec::<usize>::new());
        assert!(!record.note(&RULE, Deed::Good, then, || true));
    }

    assert_eq!(record.ejections(), 0);
}

#[test]
fn fewer_than_four_of_five_good_eject_when_there_were_twenty() {
    let now = start();
    // Every nth one is bad; which one of so many ejects.
    let ejects_at = |every: u32, between: Duration| {
        let record = Record::default();
        (0..200u32).find(|n| {
            let deed = if n.is_multiple_of(every) { Deed::Sorry } else { Deed::Good };
            record.note(&RULE, deed, now + between * *n, || true)
        })
    };

    assert_eq!(ejects_at(4, SECOND / 10), Some(20), "the first failure with twenty before it");
    assert_eq!(ejects_at(5, SECOND / 10), None, "eighty per cent");
    assert_eq!(ejects_at(2, SECOND), None, "never twenty within ten seconds");
}

#[test]
fn what_was_good_before_the_window_does_not_count() {
    let (record, now) = (Record::default(), start());
    again(&record, Deed::Good, 1000, now);

    let ejected = (0..40u32).find(|n| {
        let deed = if n.is_multiple_of(2) { Deed::Sorry } else { Deed::Good };
        record.note(&RULE, deed, now + SECOND, || true)
    });

    assert_eq!(ejected, Some(20));
}

#[test]
fn it_is_calm_again_after_a_window_without_a_failure() {
    let (record, now) = (Record::default(), start());
    let began = |record: &Record| record.began.load(Relaxed);
    again(&record, Deed::Good, 3, now);
    assert_eq!(began(&record), 0);

    again(&record, Deed::Sorry, 1, now);
    again(&record, Deed::Good, 1, now + 10 * SECOND);
    assert!(began(&record) > 0, "a window with a failure is followed by another");
    again(&record, Deed::Good, 1, now + 20 * SECOND);

    assert_eq!(began(&record), 0);
}

#[test]
fn what_was_on_its_way_when_it_was_ejected_does_not_count() {
    let (record, now) = (Record::default(), start());
    let until = eject(&record, now);

    assert!(again(&record, Deed::Broke, 50, now + SECOND).is_empty());
    assert!(again(&record, Deed::Good, 50, now + SECOND).is_empty());

    assert_eq!((record.ejected_until(now + SECOND), record.ejections()), (Some(until), 1));
    assert_eq!(again(&record, Deed::Broke, 1, until), [1], "it is still on trial");
}

#[test]
fn on_trial_one_failure_ejects_for_twice_as_long_and_one_answer_acquits() {
    let (record, now) = (Record::default(), start());
    let first = eject(&record, now);

    assert_eq!(again(&record, Deed::Sorry, 1, first), [1]);
    let second = record.ejected_until(first).unwrap();
    assert!(is_about(second - first, 10.0));
    again(&record, Deed::Good, 1, second);

    assert_eq!(again(&record, Deed::Sorry, 5, second), [5]);
    assert!(is_about(record.ejected_until(second).unwrap() - second, 20.0));
}

#[test]
fn ejections_double_up_to_the_longest() {
    let (record, mut now) = (Record::default(), start());

    let lengths: Vec<Duration> = (0..40)
        .map(|_| {
            let until = eject(&record, now);
            let length = until - now;
            now = until;
            length
        })
        .collect();

    let wanted = [5.0, 10.0, 20.0, 40.0, 80.0, 160.0];
    assert!(lengths.iter().zip(wanted).all(|(length, want)| is_about(*length, want)), "{lengths:?}");
    assert!(lengths[6..].iter().all(|length| (270 * SECOND..=300 * SECOND).contains(length)), "{lengths:?}");
}

#[test]
fn each_longest_time_that_goes_well_makes_up_for_one_ejection() {
    let after = |good: u32| {
        let (record, mut now) = (Record::default(), start());
        (0..4).for_each(|_| now = eject(&record, now));
        now += RULE.max * good;
        eject(&record, now) - now
    };

    let wanted = [(0, 80.0), (1, 40.0), (2, 20.0), (3, 10.0), (4, 5.0), (100, 5.0)];
    assert!(wanted.iter().all(|(good, seconds)| is_about(after(*good), *seconds)));
}

#[test]
fn endpoints_that_failed_together_do_not_come_back_together() {
    let now = start();
    let lengths: std::collections::HashSet<u128> = (0..50u32)
        .map(|n| {
            let record = Record::default();
            // Each has its own past, if only by microseconds.
            again(&record, Deed::Sorry, 1, now);
            let then = now + SECOND + Duration::from_micros(1) * n;
            (eject(&record, then) - then).as_millis()
        })
        .collect();

    assert!(lengths.len() > 10, "{lengths:?}");
}

#[test]
fn when_there_is_no_room_it_stays_and_room_is_not_asked_for_with_every_failure() {
    let (record, now) = (Record::default(), start());
    let mut asked = 0;

    for n in 0..3000u32 {
        let no_room = || {
            asked += 1;
            false
        };
        assert!(!record.note(&RULE, Deed::Broke, now + Duration::from_millis(1) * n, no_room));
    }

    assert_eq!((asked, record.ejections(), record.ejected_until(now)), (3, 0, None));
    assert!(record.note(&RULE, Deed::Broke, now + 10 * SECOND, || true));
}

#[test]
fn at_most_the_share_of_the_rule_and_never_the_last_one() {
    let most = |percent: u32, all: usize| {
        let rule = Outlier { max_ejected: percent, ..RULE };
        (0..=all).take_while(|out| has_room(&rule, all, *out)).count()
    };

    assert_eq!([0, 1, 2, 3, 4, 10].map(|all| most(50, all)), [0, 0, 1, 1, 2, 5]);
    assert_eq!([0, 1, 2, 3, 4, 10].map(|all| most(100, all)), [0, 0, 1, 2, 3, 9]);
    assert_eq!(most(10, 9), 0);
}

#[test]
fn of_threads_that_see_the_same_failures_one_ejects() {
    for _ in 0..20 {
        let (record, now) = (Record::default(), start());
        let one = || (0..100).filter(|_| record.note(&RULE, Deed::Broke, now, || true)).count();

        let ejected: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });

        assert_eq!((ejected, record.ejections()), (1, 1));
    }
}

/// A service of endpoints that are well or failing for a while each.
struct Service {
    rng: fastrand::Rng,
    rule: Outlier,
    now: Instant,
    records: Vec<Record>,
    /// Per cent of bad answers of each, until it changes.
    moods: Vec<u32>,
    /// How often each was ejected.
    told: HashMap<usize, u32>,
}

impl Service {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let count = rng.usize(1..=12);
        let rule =
            Outlier { max_ejected: [10, 34, 50, 100][rng.usize(..4)], consecutive: rng.u32(1..6), ..RULE };
        let records = (0..count).map(|_| Record::default()).collect();
        Self { rng, rule, now: start(), records, moods: vec![0; count], told: HashMap::new() }
    }

    fn out(&self) -> usize {
        self.records.iter().filter(|record| record.ejected_until(self.now).is_some()).count()
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(self.rng.u64(0..200));
        let index = self.rng.usize(..self.records.len());
        if self.rng.u32(..100) == 0 {
            self.moods[index] = [0, 0, 5, 50, 100][self.rng.usize(..5)];
        }
        let is_bad = self.rng.u32(..100) < self.moods[index];
        let deed = if !is_bad {
            Deed::Good
        } else if self.rng.bool() {
            Deed::Sorry
        } else {
            Deed::Broke
        };
        let (before, record) = (self.records[index].ejected_until(self.now), &self.records[index]);
        let ejected =
            record.note(&self.rule, deed, self.now, || has_room(&self.rule, self.records.len(), self.out()));
        assert!(!ejected || (deed != Deed::Good && before.is_none()), "only a failure of one that is in");
        assert_eq!(ejected, before != record.ejected_until(self.now));
        *self.told.entry(index).or_default() += u32::from(ejected);
    }

    fn check_invariants(&self) {
        let all = self.records.len();
        assert!(self.out() < all, "all are out");
        assert!(self.out() * 100 <= all * self.rule.max_ejected as usize, "too many are out");
        for (index, record) in self.records.iter().enumerate() {
            let longest = self.now + self.rule.max;
            assert!(record.ejected_until(self.now).is_none_or(|until| until <= longest));
            assert_eq!(record.ejections(), self.told.get(&index).copied().unwrap_or(0));
        }
    }
}

#[test]
fn whatever_happens_never_too_many_are_out_and_never_all() {
    let mut ejections = 0;
    for seed in 0..60 {
        let mut service = Service::new(seed);
        for _ in 0..3000 {
            service.step();
            service.check_invariants();
        }
        ejections += service.told.values().sum::<u32>();
    }

    assert!(ejections > 500, "the simulation ejects: {ejections}");
}

proptest! {
    #[test]
    fn one_of_which_four_of_five_are_good_all_along_is_never_ejected(
        rounds in proptest::collection::vec((4usize..12, 0u64..3000), 1..100),
    ) {
        let (record, mut now) = (Record::default(), start());

        for (good, gap) in rounds {
            now += Duration::from_millis(gap);
            again(&record, Deed::Good, good, now);
            prop_assert!(again(&record, Deed::Sorry, 1, now).is_empty());
        }
    }
}

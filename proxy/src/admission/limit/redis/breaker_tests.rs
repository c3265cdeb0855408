//! Tests: when a store is asked.

use super::*;
use crate::clock;

const ALL: u32 = u32::MAX;

/// Opens it at `now` with the longest pause.
fn open(now: Instant) -> Breaker {
    let mut breaker = Breaker::new();
    (0..3).for_each(|_| breaker.answered(now, false, ALL));
    assert!(!breaker.is_closed());
    breaker
}

#[test]
fn three_failures_in_a_row_open_it() {
    let (mut breaker, now) = (Breaker::new(), clock::now());

    breaker.answered(now, false, ALL);
    breaker.answered(now, false, ALL);
    let after_two = breaker.is_closed();
    breaker.answered(now, false, ALL);

    assert_eq!((after_two, breaker.is_closed()), (true, false));
    assert_eq!(breaker.probe_at(), Some(now + Duration::from_millis(250)));
}

#[test]
fn failures_in_a_row_count_across_seconds() {
    let (mut breaker, now) = (Breaker::new(), clock::now());

    (0..3).for_each(|second| breaker.answered(now + Duration::from_secs(2 * second), false, ALL));

    assert!(!breaker.is_closed());
}

#[test]
fn half_of_ten_within_a_second_open_it() {
    let (mut breaker, now) = (Breaker::new(), clock::now());

    (0..9).for_each(|n| breaker.answered(now, n % 2 == 0, ALL));
    let after_nine = breaker.is_closed();
    breaker.answered(now, false, ALL);

    assert_eq!((after_nine, breaker.is_closed()), (true, false));
}

#[test]
fn a_few_failures_among_many_leave_it_closed() {
    let (mut breaker, now) = (Breaker::new(), clock::now());

    (0..1000_u32).for_each(|n| breaker.answered(now + Duration::from_millis(u64::from(n)), n % 3 != 0, ALL));

    assert!(breaker.is_closed());
}

#[test]
fn one_probe_at_a_time_and_not_before_the_pause_is_over() {
    let now = clock::now();
    let mut breaker = open(now);
    let due = now + Duration::from_millis(250);

    let began = [breaker.probe(due - Duration::from_nanos(1)), breaker.probe(due), breaker.probe(due)];

    assert_eq!(began, [false, true, false]);
    assert!(!breaker.is_closed());
}

#[test]
fn a_probe_that_is_answered_closes_it_with_nothing_remembered() {
    let now = clock::now();
    let mut breaker = open(now);
    assert!(breaker.probe(now + Duration::from_secs(1)));

    breaker.probed(now + Duration::from_secs(1), true, ALL);
    breaker.answered(now + Duration::from_secs(1), false, ALL);
    breaker.answered(now + Duration::from_secs(1), false, ALL);

    assert!(breaker.is_closed());
}

#[test]
fn pauses_double_up_to_five_seconds() {
    let mut now = clock::now();
    let mut breaker = open(now);

    let pauses: Vec<u128> = (0..7)
        .map(|_| {
            let due = breaker.probe_at().unwrap();
            let pause = (due - now).as_millis();
            now = due;
            assert!(breaker.probe(now));
            breaker.probed(now, false, ALL);
            pause
        })
        .collect();

    assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
}

#[test]
fn late_answers_change_nothing_while_it_is_open() {
    let now = clock::now();
    let mut breaker = open(now);
    let before = breaker.clone();

    breaker.answered(now, true, ALL);
    breaker.answered(now, false, 0);
    breaker.probed(now, true, ALL);

    assert_eq!(breaker, before);
}

proptest::proptest! {
    #[test]
    fn a_pause_is_never_longer_than_its_bound(failed in 0_u32.., random in 0_u32..) {
        let pause = pause(FIRST, failed, random);

        proptest::prop_assert!(pause <= LONGEST);
        proptest::prop_assert!(pause <= FIRST * (1 << failed.min(5)));
    }

    #[test]
    fn it_always_comes_back(answers in proptest::collection::vec(proptest::bool::ANY, 0..100), random in 0_u32..) {
        let mut now = clock::now();
        let mut breaker = Breaker::new();

        for well in answers {
            match breaker.probe_at() {
                None => breaker.answered(now, well, random),
                Some(due) => {
                    now = due;
                    proptest::prop_assert!(breaker.probe(now));
                    breaker.probed(now, well, random);
                }
            }
        }
        if let Some(due) = breaker.probe_at() {
            breaker.probe(due);
            breaker.probed(due, true, random);
        }

        proptest::prop_assert!(breaker.is_closed());
    }
}

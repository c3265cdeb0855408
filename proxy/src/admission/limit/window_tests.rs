//! Windows: what they let through, at their edges and with clocks that disagree.

use super::super::sample::{NOW, SECOND};
use super::*;
use proptest::prelude::*;

const MINUTE: u64 = 60 * SECOND;

fn one(quota: u32) -> Spending {
    Spending { quota, cost: 1 }
}

fn at(now: u64) -> Bounds {
    Bounds::every(MINUTE, now)
}

fn admitted(decisions: impl Iterator<Item = Decision>) -> usize {
    decisions.filter(|decision| decision.admitted).count()
}

#[test]
fn a_fixed_window_lets_through_its_quota_and_the_next_one_again() {
    let mut fixed = Fixed::default();

    let first = admitted((0..10).map(|_| fixed.take(one(3), at(NOW), NOW)));
    let refused = fixed.take(one(3), at(NOW + SECOND), NOW + SECOND);
    let next = fixed.take(one(3), at(NOW + MINUTE), NOW + MINUTE);

    assert_eq!(first, 3);
    let rest = Duration::from_secs(59);
    assert_eq!(refused, Decision { admitted: false, remaining: 0, reset_after: rest, retry_after: rest });
    assert_eq!((next.admitted, next.remaining, next.reset_after), (true, 2, Duration::from_secs(60)));
}

#[test]
fn what_a_window_refuses_spends_nothing() {
    let (mut fixed, mut sliding) = (Fixed::default(), Sliding::default());
    fixed.take(one(3), at(NOW), NOW);
    sliding.take(one(3), at(NOW), NOW);
    let before = (fixed, sliding);
    let much = Spending { quota: 3, cost: 3 };

    let refused = [fixed.take(much, at(NOW), NOW), sliding.take(much, at(NOW), NOW)];

    assert_eq!(refused.map(|decision| (decision.admitted, decision.remaining)), [(false, 2); 2]);
    assert_eq!((fixed, sliding), before);
}

#[test]
fn threads_that_disagree_about_the_time_share_the_newer_window() {
    let (mut fixed, mut sliding) = (Fixed::default(), Sliding::default());
    let times = [NOW + 1, NOW - 1];

    let by_fixed = admitted((0..40).map(|n| fixed.take(one(3), at(times[n % 2]), times[n % 2])));
    let by_sliding = admitted((0..40).map(|n| sliding.take(one(3), at(times[n % 2]), times[n % 2])));

    assert_eq!((by_fixed, by_sliding), (3, 3));
}

#[test]
fn a_clock_that_went_far_back_locks_nobody_out() {
    let (mut fixed, mut sliding) = (Fixed::default(), Sliding::default());
    fixed.take(one(1), at(NOW), NOW);
    sliding.take(one(1), at(NOW), NOW);
    let back = NOW - 100 * MINUTE;

    let decisions = [fixed.take(one(1), at(back), back), sliding.take(one(1), at(back), back)];

    assert!(decisions.iter().all(|decision| decision.admitted));
}

#[test]
fn what_was_spent_in_a_window_that_is_over_is_not_given_back_to_the_next() {
    let mut fixed = Fixed::default();
    fixed.take(one(2), at(NOW), NOW);
    fixed.take(one(2), at(NOW + MINUTE), NOW + MINUTE);

    fixed.give_back(1, at(NOW));
    let left = fixed.take(one(2), at(NOW + MINUTE), NOW + MINUTE);
    fixed.give_back(1, at(NOW + MINUTE));
    let more = fixed.take(one(2), at(NOW + MINUTE), NOW + MINUTE);

    assert_eq!((left.remaining, more.admitted), (0, true));
    assert!(!fixed.take(one(2), at(NOW + MINUTE), NOW + MINUTE).admitted);
}

#[test]
fn a_sliding_window_counts_of_the_one_before_what_it_overlaps() {
    let mut sliding = Sliding::default();
    let hundred = Spending { quota: 100, cost: 80 };
    sliding.take(hundred, at(NOW), NOW);
    let quarter = NOW + MINUTE + MINUTE / 4;

    let decision = sliding.take(one(100), at(quarter), quarter);

    assert_eq!((decision.admitted, decision.remaining), (true, 100 - 60 - 1));
    assert_eq!(decision.reset_after, Duration::from_secs(45 + 60));
}

#[test]
fn a_sliding_window_does_not_let_through_twice_the_quota_at_the_edge() {
    let mut sliding = Sliding::default();
    let (before, after) = (NOW - SECOND, NOW + SECOND);

    let first = admitted((0..100).map(|_| sliding.take(one(60), at(before), before)));
    let second = admitted((0..100).map(|_| sliding.take(one(60), at(after), after)));

    assert_eq!((first, second), (60, 1));
}

#[test]
fn a_sliding_window_forgets_what_is_two_windows_old() {
    let mut sliding = Sliding::default();
    sliding.take(Spending { quota: 9, cost: 9 }, at(NOW), NOW);
    let later = NOW + 2 * MINUTE;

    let decision = sliding.take(one(9), at(later), later);

    assert_eq!((sliding.over_at(), decision.remaining), (NOW + 4 * MINUTE, 8));
}

#[test]
fn a_sliding_window_takes_back_from_the_window_it_was_spent_in() {
    let mut sliding = Sliding::default();
    let all = Spending { quota: 10, cost: 10 };
    sliding.take(all, at(NOW), NOW);
    let next = NOW + MINUTE + MINUTE / 2;
    sliding.take(one(10), at(next), next);

    sliding.give_back(10, at(NOW));
    let decision = sliding.take(one(10), at(next), next);

    assert_eq!(decision.remaining, 8);
}

#[test]
fn windows_begin_at_multiples_of_their_length() {
    let bounds = Bounds::every(MINUTE, NOW + 59 * SECOND);

    assert_eq!(bounds, Bounds { start: NOW, end: NOW + MINUTE });
    assert_eq!(Bounds::every(0, 7), Bounds { start: 7, end: 8 });
}

proptest! {
    #[test]
    fn retry_after_is_the_smallest_wait_that_helps(
        quota in 1u32..20, length in 1u64..5000, asks in prop::collection::vec((0u64..4000, 1u32..6), 1..80)
    ) {
        let (mut fixed, mut sliding, mut now) = (Fixed::default(), Sliding::default(), NOW);

        for (gap, cost) in asks {
            now += gap;
            let spending = Spending { quota, cost: cost.min(quota) };
            let bounds = |now| Bounds::every(length, now);
            let by_fixed = fixed.take(spending, bounds(now), now);
            let by_sliding = sliding.take(spending, bounds(now), now);
            let fixed_later = |now| { let mut copy = fixed; copy.take(spending, bounds(now), now).admitted };
            let sliding_later = |now| { let mut copy = sliding; copy.take(spending, bounds(now), now).admitted };

            let wait = |decision: Decision| u64::try_from(decision.retry_after.as_nanos()).unwrap();
            if !by_fixed.admitted {
                prop_assert!(fixed_later(now + wait(by_fixed)) && !fixed_later(now + wait(by_fixed) - 1));
            }
            if !by_sliding.admitted {
                let wait = wait(by_sliding);
                prop_assert!(sliding_later(now + wait), "admitted after {wait}");
                prop_assert!(!sliding_later(now + wait - 1), "not before {wait}");
            }
        }
    }

    #[test]
    fn after_the_reset_everything_is_there(
        quota in 1u32..20, length in 1u64..5000, gaps in prop::collection::vec(0u64..4000, 1..60)
    ) {
        let (mut sliding, mut now) = (Sliding::default(), NOW);

        for gap in gaps {
            now += gap;
            let decision = sliding.take(one(quota), Bounds::every(length, now), now);
            let later = now + u64::try_from(decision.reset_after.as_nanos()).unwrap();
            let mut copy = sliding;

            let all = copy.take(Spending { quota, cost: quota }, Bounds::every(length, later), later);

            prop_assert!(all.admitted);
        }
    }

    #[test]
    fn no_number_is_too_large(quota: u32, costs: [u32; 4], length: u64, times: [u64; 4]) {
        let (mut fixed, mut sliding) = (Fixed::default(), Sliding::default());

        for (cost, now) in costs.into_iter().zip(times) {
            let (spending, bounds) = (Spending { quota, cost }, Bounds::every(length, now));
            let taken = [fixed.take(spending, bounds, now), sliding.take(spending, bounds, now)];
            fixed.give_back(cost, bounds);
            sliding.give_back(cost, bounds);

            prop_assert!(taken.iter().all(|decision| !decision.admitted || decision.remaining <= quota));
        }
    }
}

//! Buckets: exact over long times, and safe with any clock and any rate.

use super::super::sample::{NOW, SECOND, asked, bucket};
use super::*;
use crate::config::limit::{Limit, Window};
use proptest::prelude::*;

fn pace(limit: &Limit, cost: u32) -> Pace {
    Pace::of(&asked(limit, 1, cost), 1)
}

#[test]
fn a_full_bucket_gives_its_burst_and_then_refills_evenly() {
    let limit = bucket(60, 60, 3);
    let pace = pace(&limit, 1);
    let mut bucket = Bucket::default();

    let first: Vec<Decision> = (0..4).map(|_| bucket.take(&pace, NOW)).collect();
    let later = bucket.take(&pace, NOW + SECOND);

    let told = |admitted, remaining, reset, retry| Decision {
        admitted,
        remaining,
        reset_after: Duration::from_secs(reset),
        retry_after: Duration::from_secs(retry),
    };
    assert_eq!(first, [told(true, 2, 1, 0), told(true, 1, 2, 0), told(true, 0, 3, 0), told(false, 0, 3, 1)]);
    assert_eq!(later, told(true, 0, 3, 0));
}

#[test]
fn what_is_refused_spends_nothing() {
    let limit = bucket(60, 60, 5);
    let mut bucket = Bucket::default();
    bucket.take(&pace(&limit, 3), NOW);
    let before = bucket;

    let refused = bucket.take(&pace(&limit, 3), NOW);

    assert_eq!(
        (refused.admitted, refused.remaining, refused.retry_after),
        (false, 2, Duration::from_secs(1))
    );
    assert_eq!(bucket, before);
    assert!(bucket.take(&pace(&limit, 2), NOW).admitted);
}

#[test]
fn seven_a_minute_are_exactly_seven_a_minute_after_a_month() {
    let limit = bucket(7, 60, 2);
    let pace = pace(&limit, 1);
    let mut bucket = Bucket::default();
    let month = 7 * 60 * 24 * 30;
    let mut now = NOW;

    let mut admitted = 0;
    while admitted < month + 2 {
        let decision = bucket.take(&pace, now);
        admitted += u32::from(decision.admitted);
        now += u64::try_from(decision.retry_after.as_nanos()).unwrap();
    }

    assert_eq!(now - NOW, 30 * 86_400 * SECOND);
}

#[test]
fn processes_that_share_a_rate_admit_it_together() {
    let limit = bucket(7, 60, 7);
    let pace = Pace::of(&asked(&limit, 1, 1), 3);
    let mut bucket = Bucket::default();
    let burst = (0..10).filter(|_| bucket.take(&pace, NOW).admitted).count();

    let admitted = (1..=18_000).filter(|tick| bucket.take(&pace, NOW + tick * 10 * SECOND).admitted).count();

    assert_eq!(burst, 2);
    assert_eq!(admitted, 7 * 1000, "a third of 7 a minute in 3000 minutes");
}

#[test]
fn a_share_is_never_less_than_one_request_at_a_time() {
    let limit = bucket(5, 60, 5);
    let pace = Pace::of(&asked(&limit, 1, 3), 100);
    let mut bucket = Bucket::default();

    let decisions = [bucket.take(&pace, NOW), bucket.take(&pace, NOW)];

    assert_eq!(decisions.map(|decision| decision.admitted), [true, false]);
    assert_eq!(decisions[1].retry_after, Duration::from_secs(3 * 12 * 100));
}

#[test]
fn what_is_given_back_can_be_taken_again_but_never_more_than_all() {
    let limit = bucket(60, 60, 5);
    let pace = pace(&limit, 5);
    let mut bucket = Bucket::default();
    bucket.take(&pace, NOW);

    bucket.give_back(&pace);
    bucket.give_back(&pace);

    assert!(bucket.take(&pace, NOW).admitted);
    assert!(!bucket.take(&pace, NOW).admitted);
}

#[test]
fn a_clock_that_goes_backwards_neither_admits_more_nor_locks_anybody_out() {
    let limit = bucket(60, 60, 5);
    let (pace, hour) = (pace(&limit, 1), 3600 * SECOND);
    let mut bucket = Bucket::default();
    (0..5).for_each(|_| assert!(bucket.take(&pace, NOW).admitted));

    let back = bucket.take(&pace, NOW - hour);
    let after_a_second = [SECOND, SECOND].map(|later| bucket.take(&pace, NOW - hour + later).admitted);

    assert_eq!((back.admitted, back.retry_after), (false, Duration::from_secs(1)));
    assert_eq!(after_a_second, [true, false]);
}

#[test]
fn threads_that_disagree_about_the_time_do_not_admit_more() {
    let limit = bucket(1000, 1, 1);
    let pace = pace(&limit, 1);
    let mut bucket = Bucket::default();
    let times = (0..20_000).map(|tick| NOW + tick * SECOND / 20_000 - (tick % 2) * SECOND / 1000);

    let admitted = times.filter(|now| bucket.take(&pace, *now).admitted).count();

    assert!((990..=1001).contains(&admitted), "{admitted}");
}

#[test]
fn a_faster_rate_counts_at_once() {
    let slow = bucket(1, 86_400, 100);
    let fast = bucket(10, 1, 100);
    let mut bucket = Bucket::default();
    (0..100).for_each(|_| assert!(bucket.take(&pace(&slow, 1), NOW).admitted));

    let decision = bucket.take(&pace(&fast, 1), NOW);

    assert_eq!((decision.admitted, decision.retry_after), (false, Duration::from_millis(100)));
}

#[test]
fn a_bucket_that_takes_longer_than_centuries_to_fill_is_bounded() {
    let mut limit = bucket(1, 31 * 86_400, u32::MAX);
    limit.rates.default.burst = u32::MAX;
    let pace = pace(&limit, 1);
    let mut bucket = Bucket::default();

    let admitted = (0..3000).filter(|_| bucket.take(&pace, NOW).admitted).count();

    assert_eq!(admitted, 1721, "146 years of 31 days");
}

prop_compose! {
    fn rates()(amount in 1u32..2000, millis in 1u64..100_000, burst in 1u32..50) -> Limit {
        let mut limit = bucket(amount, 1, burst);
        limit.rates.default.window = Window::Every(Duration::from_millis(millis));
        limit
    }
}

proptest! {
    #[test]
    fn no_stretch_of_time_admits_more_than_burst_and_rate(
        limit in rates(), gaps in prop::collection::vec(0u64..3_000_000_000, 1..100)
    ) {
        let rate = &limit.rates.default;
        let pace = pace(&limit, 1);
        let (mut bucket, mut now, mut admitted) = (Bucket::default(), NOW, 0u128);

        for gap in gaps {
            now += gap;
            admitted += u128::from(bucket.take(&pace, now).admitted);

            let refilled = u128::from(now - NOW) * u128::from(rate.amount) / u128::from(length(&rate.window));
            prop_assert!(admitted <= u128::from(rate.burst) + refilled);
        }
    }

    #[test]
    fn retry_after_is_the_smallest_wait_that_helps(
        limit in rates(), asks in prop::collection::vec((0u64..200_000_000, 1u32..4), 1..60)
    ) {
        let (mut bucket, mut now) = (Bucket::default(), NOW);

        for (gap, cost) in asks {
            let pace = pace(&limit, cost.min(limit.rates.default.burst));
            now += gap;
            let decision = bucket.take(&pace, now);
            let wait = u64::try_from(decision.retry_after.as_nanos()).unwrap();
            let later = |wait| { let mut copy = bucket; copy.take(&pace, now + wait).admitted };

            prop_assert_eq!(decision.admitted, wait == 0);
            if wait > 0 {
                prop_assert!(later(wait));
                prop_assert!(!later(wait - 1));
            }
            let reset = now + u64::try_from(decision.reset_after.as_nanos()).unwrap();
            prop_assert!(decision.remaining <= limit.rates.default.burst);
            prop_assert!(bucket.full_at() <= reset);
        }
    }

    #[test]
    fn no_number_is_too_large(
        amount: u32, window: u64, burst: u32, cost: u32, share: u32, times: [u64; 3], wait: u64
    ) {
        let mut limit = bucket(amount, 1, burst);
        limit.rates.default.window = Window::Every(Duration::from_nanos(window));
        limit.queue = Some(crate::config::limit::Queue { length: 1, wait: Duration::from_nanos(wait) });
        let pace = Pace::of(&asked(&limit, 1, cost), share);
        let mut bucket = Bucket::default();

        for now in times {
            bucket.take(&pace, now);
            let reserved = bucket.reserve(&pace, now);
            bucket.give_back(&pace);

            prop_assert!(reserved.is_ok() || reserved.is_err_and(|refused| !refused.retry_after.is_zero()));
        }
    }
}

#[test]
fn what_is_given_back_late_does_not_forget_what_others_have_taken() {
    let pace = pace(&bucket(10, 1, 10), 1);
    let mut bucket = Bucket::default();
    let later = NOW + 5 * SECOND;
    assert!((0..10).all(|_| bucket.take(&pace, later).admitted));

    // Taken five seconds before by somebody who has waited since.
    bucket.give_back(&pace);

    assert!(bucket.take(&pace, later).admitted, "what was given back is there");
    assert!(!bucket.take(&pace, later).admitted, "everything is there");
}

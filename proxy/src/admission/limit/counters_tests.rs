//! All counts: exact with threads, bounded with floods, and queues.

use super::super::sample::{NOW, SECOND, asked, bucket, every, limit, queued};
use super::*;
use crate::config::limit::{Rate, Window};

const MILLI: u64 = 1_000_000;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn threads_together_admit_exactly_the_burst() {
    let algorithms = [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow];
    for algorithm in algorithms {
        let (counters, limit) = (Counters::new(100), limit(algorithm, 1000, every(86_400)));
        let ask = asked(&limit, 1, 1);

        let admitted: usize = std::thread::scope(|scope| {
            let work = || (0..500).filter(|_| counters.take(&ask, 1, NOW).admitted).count();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });

        assert_eq!(admitted, 1000, "{algorithm:?}");
    }
}

#[test]
fn keys_are_counted_apart() {
    let (counters, limit) = (Counters::new(100), bucket(1, 60, 1));

    let first = [1, 2, 1].map(|key| counters.take(&asked(&limit, key, 1), 1, NOW).admitted);

    assert_eq!((first, counters.len()), ([true, true, false], 2));
}

#[test]
fn a_million_keys_stay_within_the_bound() {
    let (counters, limit) = (Counters::new(10_000), bucket(10, 60, 10));

    for key in 0..1_000_000 {
        counters.take(&asked(&limit, key, 1), 1, NOW);
    }

    assert!((9_000..=10_000).contains(&counters.len()), "{}", counters.len());
}

#[test]
fn no_bound_is_too_small() {
    for most in [0, 1, 2, 3, 100] {
        let (counters, limit) = (Counters::new(most), bucket(10, 60, 10));

        (0..1000).for_each(|key| assert!(counters.take(&asked(&limit, key, 1), 1, NOW).admitted));

        assert_eq!(counters.len(), most.max(1));
    }
}

#[test]
fn who_is_being_limited_is_not_forgotten_in_a_flood_of_other_keys() {
    for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow] {
        let (counters, limit) = (Counters::new(2048), limit(algorithm, 10, every(3600)));
        let victim = asked(&limit, u128::MAX, 1);
        let mut admitted = 0;

        for key in 0..100_000 {
            counters.take(&asked(&limit, key, 1), 1, NOW);
            admitted += u32::from(key % 100 == 0 && counters.take(&victim, 1, NOW).admitted);
        }

        assert_eq!(admitted, 10, "{algorithm:?}");
    }
}

#[test]
fn what_is_over_is_freed_by_and_by() {
    let (counters, limit) = (Counters::new(100_000), bucket(10, 10, 10));
    for key in 0..50_000 {
        counters.take(&asked(&limit, key, 1 + u32::from(key % 2 == 1)), 1, NOW);
    }

    let first = counters.len();
    (0..20).for_each(|_| counters.purge(NOW + SECOND));
    let half = counters.len();
    (0..20).for_each(|_| counters.purge(NOW + 2 * SECOND));

    assert_eq!((first, half, counters.is_empty()), (50_000, 25_000, true));
}

#[test]
fn a_share_is_a_part_of_the_window_but_at_least_one_request() {
    let (counters, limit) = (Counters::new(100), limit(Algorithm::FixedWindow, 10, every(60)));
    let admitted = |key, cost, share| {
        (0..20).filter(|_| counters.take(&asked(&limit, key, cost), share, NOW).admitted).count()
    };

    assert_eq!([admitted(1, 1, 1), admitted(2, 1, 3), admitted(3, 1, 11), admitted(4, 5, 3)], [10, 3, 1, 1]);
}

#[test]
fn what_is_given_back_can_be_spent_again() {
    for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow] {
        let (counters, limit) = (Counters::new(100), limit(algorithm, 3, every(60)));
        let ask = asked(&limit, 1, 3);
        counters.give_back(&ask, 1, NOW);
        let first = [counters.take(&ask, 1, NOW), counters.take(&ask, 1, NOW)];

        counters.give_back(&ask, 1, NOW);
        let again = [counters.take(&ask, 1, NOW), counters.take(&ask, 1, NOW)];

        assert_eq!(first.map(|decision| decision.admitted), [true, false], "{algorithm:?}");
        assert_eq!(again.map(|decision| decision.admitted), [true, false], "{algorithm:?}");
    }
}

#[test]
fn a_quota_of_the_month_begins_anew_with_the_month_of_its_zone() {
    let month = Window::Month("Asia/Tokyo".into());
    let (counters, limit) = (Counters::new(100), limit(Algorithm::FixedWindow, 1, month));
    let ask = asked(&limit, 1, 1);
    let may = "2026-05-01T00:00:00+09:00[Asia/Tokyo]".parse::<jiff::Zoned>().unwrap();
    let may = u64::try_from(may.timestamp().as_nanosecond()).unwrap();

    let decisions = [may - 1, may - 1, may, may + 1].map(|now| counters.take(&ask, 1, now));

    assert_eq!(decisions.map(|decision| decision.admitted), [true, false, true, false]);
    assert_eq!(decisions[1].retry_after, Duration::from_nanos(1));
}

#[test]
fn the_tier_decides_which_rate_counts() {
    let (counters, mut limit) = (Counters::new(100), bucket(1, 60, 1));
    limit.rates.tiers.push(("premium".into(), Rate { amount: 5, window: every(60), burst: 5 }));
    let ask = Ask { tier: 1, ..asked(&limit, 1, 1) };

    let admitted = (0..10).filter(|_| counters.take(&ask, 1, NOW).admitted).count();

    assert_eq!(admitted, 5);
}

#[test]
fn who_may_wait_gets_a_turn_in_order() {
    let (counters, limit) = (Counters::new(100), queued(bucket(10, 1, 1), 3, millis(500)));
    let ask = asked(&limit, 1, 1);

    let queued: Vec<Queued> = (0..5).map(|_| counters.queue(&ask, NOW)).collect();

    assert!(matches!(queued[0], Queued::Now(Decision { admitted: true, remaining: 0, .. })));
    for (place, queued) in queued[1..4].iter().enumerate() {
        let wait = millis(100 * (place as u64 + 1));
        let decision = Decision {
            admitted: true,
            remaining: 0,
            reset_after: wait + millis(100),
            retry_after: Duration::ZERO,
        };
        assert_eq!(*queued, Queued::After(wait, decision));
    }
    assert!(
        matches!(queued[4], Queued::Refused(refused) if !refused.admitted && refused.retry_after == millis(400))
    );
}

#[test]
fn a_turn_that_comes_too_late_is_refused_and_spends_nothing() {
    let (counters, limit) = (Counters::new(100), queued(bucket(10, 1, 1), 100, millis(250)));
    let ask = asked(&limit, 1, 1);

    let queued: Vec<Queued> = (0..10).map(|_| counters.queue(&ask, NOW)).collect();
    let later = counters.queue(&ask, NOW + 100 * MILLI);

    let waits = queued.iter().filter(|queued| matches!(queued, Queued::After(..))).count();
    assert_eq!(waits, 2);
    assert!(matches!(queued[9], Queued::Refused(refused) if refused.retry_after == millis(300)));
    assert!(matches!(later, Queued::After(wait, _) if wait == millis(200)));
}

#[test]
fn places_to_wait_are_free_again_when_somebody_leaves() {
    let (counters, limit) = (Counters::new(100), queued(bucket(10, 1, 1), 1, millis(5000)));
    let ask = asked(&limit, 1, 1);
    counters.queue(&ask, NOW);
    counters.queue(&ask, NOW);
    let full = counters.queue(&ask, NOW);

    counters.leave_queue(&ask, NOW);
    let waited = counters.queue(&ask, NOW);
    counters.leave_queue(&ask, NOW);
    counters.give_back(&ask, 1, NOW);
    let instead = counters.queue(&ask, NOW);

    assert!(matches!(full, Queued::Refused(_)));
    assert!(matches!(waited, Queued::After(wait, _) if wait == millis(200)));
    assert!(matches!(instead, Queued::After(wait, _) if wait == millis(200)), "its turn was given back");
}

#[test]
fn nobody_overtakes_those_who_wait() {
    let (counters, limit) = (Counters::new(100), queued(bucket(10, 1, 1), 5, millis(500)));
    let ask = asked(&limit, 1, 1);
    for _ in 0..3 {
        counters.queue(&ask, NOW);
    }

    let newcomer = counters.queue(&ask, NOW + 150 * MILLI);
    let impatient = counters.take(&ask, 1, NOW + 150 * MILLI);

    assert!(matches!(newcomer, Queued::After(wait, _) if wait == millis(150)));
    assert!(!impatient.admitted);
}

#[test]
fn who_waits_is_neither_freed_nor_pushed_out() {
    let (counters, limit) = (Counters::new(10), queued(bucket(1000, 1, 1), 1, millis(500)));
    let ask = asked(&limit, u128::MAX, 1);
    for _ in 0..2 {
        counters.queue(&ask, NOW);
    }
    let other = bucket(1, 60, 1);

    for key in 0..1000 {
        counters.take(&asked(&other, key, 1), 1, NOW + SECOND);
    }
    (0..20).for_each(|_| counters.purge(NOW + 3600 * SECOND));

    assert_eq!(counters.len(), 1);
    counters.leave_queue(&ask, NOW);
    counters.purge(NOW + 3600 * SECOND);
    assert!(counters.is_empty());
}

#[test]
fn without_a_queue_nobody_waits() {
    let (counters, limit) = (Counters::new(100), bucket(1, 60, 1));
    let ask = asked(&limit, 1, 1);

    let queued = [counters.queue(&ask, NOW), counters.queue(&ask, NOW)];

    assert!(matches!(queued, [Queued::Now(_), Queued::Refused(_)]));
}

//! The buckets against their rules: never more than the rate, honest waits, bounded memory.

use super::*;
use crate::clock;
use proptest::collection::vec;
use proptest::prelude::*;

/// Moments in milliseconds after the start, in order.
fn moments() -> impl Strategy<Value = Vec<u64>> {
    vec(0_u64..400, 1..200).prop_map(|gaps| {
        gaps.into_iter()
            .scan(0, |now, gap| {
                *now += gap;
                Some(*now)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn no_stretch_of_time_lets_more_through_than_burst_and_rate(
        moments in moments(),
        every in 1_u64..500,
        burst in 1_u32..20,
    ) {
        let start = clock::monotonic();
        let rate = Rate::new(Duration::from_millis(every), burst);
        let mut bucket = Bucket::default();
        let taken: Vec<u64> = moments
            .into_iter()
            .filter(|at| bucket.take(&rate, start + Duration::from_millis(*at)).is_ok())
            .collect();
        for (index, from) in taken.iter().enumerate() {
            for (count, to) in taken[index..].iter().enumerate() {
                prop_assert!((count as u64) < u64::from(burst) + (to - from) / every);
            }
        }
    }

    #[test]
    fn who_comes_back_after_the_wait_gets_through_and_not_a_moment_earlier(
        moments in moments(),
        every in 1_u64..500,
        burst in 1_u32..20,
    ) {
        let start = clock::monotonic();
        let rate = Rate::new(Duration::from_millis(every), burst);
        let mut bucket = Bucket::default();
        for at in moments {
            let now = start + Duration::from_millis(at);
            if let Err(wait) = bucket.take(&rate, now) {
                prop_assert!(wait > Duration::ZERO && wait <= Duration::from_millis(every));
                prop_assert!(bucket.after_one(&rate, now + wait).is_ok());
                prop_assert!(bucket.after_one(&rate, now + wait - Duration::from_nanos(1)).is_err());
            }
        }
    }

    #[test]
    fn many_buckets_are_as_many_single_ones(
        asked in vec((0_u64..300, 0_u8..8), 1..200),
        every in 1_u64..500,
        burst in 1_u32..5,
    ) {
        let rate = Rate::new(Duration::from_millis(every), burst);
        let mut keyed = Keyed::new(rate, 8);
        let mut single: HashMap<u8, Bucket> = HashMap::new();
        let mut now = clock::monotonic();
        for (gap, key) in asked {
            now += Duration::from_millis(gap);
            let taken = keyed.after_one(&key, now).map(|bucket| keyed.put(&key, bucket));
            prop_assert_eq!(taken, single.entry(key).or_default().take(&rate, now));
        }
    }

    #[test]
    fn memory_is_bounded_and_strangers_wait_while_it_is_full(keys in vec(any::<u16>(), 1..200)) {
        let rate = Rate::new(Duration::from_secs(5), 3);
        let mut keyed = Keyed::new(rate, 4);
        let now = clock::monotonic();
        for key in keys {
            let known = keyed.buckets.contains_key(&key);
            let full = keyed.buckets.len() == 4;
            match keyed.after_one(&key, now) {
                Ok(bucket) => {
                    prop_assert!(known || !full);
                    keyed.put(&key, bucket);
                }
                Err(wait) => prop_assert!(wait > Duration::ZERO),
            }
            prop_assert!(keyed.buckets.len() <= 4);
        }
        // Once they are full again they make room.
        let later = now + Duration::from_secs(15);
        prop_assert!(keyed.after_one(&u16::MAX, later).is_ok());
    }
}

#[test]
fn a_second_holds_what_it_should() {
    let rate = Rate::per_second(50);
    let start = clock::monotonic();
    let mut bucket = Bucket::default();

    let at_once = (0..1000).filter(|_| bucket.take(&rate, start).is_ok()).count();
    let later = start + Duration::from_secs(1);
    let a_second_later = (0..1000).filter(|_| bucket.take(&rate, later).is_ok()).count();

    assert_eq!((at_once, a_second_later), (50, 50));
}

#[test]
fn a_clock_that_stands_still_or_goes_back_gives_nothing_away() {
    let rate = Rate::new(Duration::from_secs(5), 3);
    let start = clock::monotonic() + Duration::from_secs(100);
    let mut bucket = Bucket::default();
    for _ in 0..3 {
        bucket.take(&rate, start).unwrap();
    }

    let back = bucket.take(&rate, start - Duration::from_secs(60));

    assert_eq!(back, Err(Duration::from_secs(65)));
}

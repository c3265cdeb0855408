//! Shares, stability, and the published values of the hash.

use super::*;
use proptest::prelude::*;

fn split(weights: &[u32]) -> Vec<(ServiceId, u32)> {
    weights.iter().enumerate().map(|(index, weight)| (ServiceId(index), *weight)).collect()
}

/// Points spread evenly over all 64-bit numbers.
fn even(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |at| at * (u64::MAX / count))
}

#[test]
fn a_single_entry_takes_everything() {
    for point in [0, 1, u64::MAX / 2, u64::MAX] {
        assert_eq!(pick(&split(&[1]), point), Some(ServiceId(0)));
    }
}

#[test]
fn nothing_to_choose_from_is_none() {
    assert_eq!(pick(&[], 0), None);
    assert_eq!(pick(&split(&[0, 0]), u64::MAX), None);
}

#[test]
fn each_side_gets_its_share() {
    let split = split(&[95, 5]);

    let small = even(100_000).filter(|point| pick(&split, *point) == Some(ServiceId(1))).count();

    assert!((4_990..=5_010).contains(&small), "{small}");
}

#[test]
fn sticky_points_spread_evenly() {
    let split = split(&[90, 10]);
    let points = (0..20_000).map(|user| point_for(format!("user-{user}").as_bytes(), "orders"));

    let small = points.filter(|point| pick(&split, *point) == Some(ServiceId(1))).count();

    assert!((1_800..=2_200).contains(&small), "{small}");
}

#[test]
fn a_shift_of_weights_moves_only_those_who_must_move() {
    let (before, after) = (split(&[95, 5]), split(&[90, 10]));

    let moved: Vec<_> = even(10_000).filter(|point| pick(&before, *point) != pick(&after, *point)).collect();

    assert!((490..=510).contains(&moved.len()), "{}", moved.len());
    assert!(moved.iter().all(|point| pick(&after, *point) == Some(ServiceId(1))));
}

#[test]
fn the_hash_is_the_same_in_every_release() {
    assert_eq!(point_for(b"", ""), GOLDEN_EMPTY);
    assert_eq!(point_for(b"alice", "orders"), GOLDEN_ALICE);
    assert_ne!(point_for(b"alice", "orders"), point_for(b"alice", "products"));
    assert_ne!(point_for(b"ab", "c"), point_for(b"b", "ca"));
}

const GOLDEN_EMPTY: u64 = 0x4f2d_b50f_1240_40cd;
const GOLDEN_ALICE: u64 = 0xf927_5b6e_9683_7134;

proptest! {
    #[test]
    fn shares_follow_the_weights(weights in prop::collection::vec(0u32..=1_000_000, 1..6)) {
        let split = split(&weights);
        let total: u64 = weights.iter().copied().map(u64::from).sum();
        let mut counts = vec![0u64; weights.len()];

        for point in even(10_000) {
            match pick(&split, point) {
                Some(ServiceId(index)) => counts[index] += 1,
                None => prop_assert_eq!(total, 0),
            }
        }

        for (weight, count) in weights.iter().zip(&counts) {
            if *weight == 0 {
                prop_assert_eq!(*count, 0);
            } else {
                let share = u64::from(*weight) * 10_000 / total;
                prop_assert!(count.abs_diff(share) <= 2, "{} of {}: {} not {}", weight, total, count, share);
            }
        }
    }

    #[test]
    fn a_weight_of_zero_is_never_picked(point: u64, at in 0usize..3) {
        let mut weights = [1, 1, 1];
        weights[at] = 0;

        prop_assert_ne!(pick(&split(&weights), point), Some(ServiceId(at)));
    }
}

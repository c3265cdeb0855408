//! Places of callers: even, kept when others come and go, given up when an endpoint is full.

use super::super::sample::weights;
use super::*;
use proptest::prelude::*;

/// A lineup of some of the endpoints, each by its own number.
fn ring(identities: &[u64]) -> (Lineup, Ring) {
    let lineup = weights(&vec![1; identities.len()]);
    let ring = Ring::new(&lineup, |index| identities[index]);
    (lineup, ring)
}

/// Whom each of so many callers meets.
fn homes((lineup, ring): &(Lineup, Ring), callers: u64) -> Vec<usize> {
    (0..callers).map(|caller| ring.pick(lineup, mix(caller), |_| false, |_| 0).unwrap()).collect()
}

fn shares(homes: &[usize], len: usize) -> Vec<f64> {
    let mut shares = vec![0.0; len];
    homes.iter().for_each(|index| shares[*index] += len as f64 / homes.len() as f64);
    shares
}

#[test]
fn a_caller_meets_the_same_endpoint_wherever_it_stands_in_the_list() {
    let one = ring(&[11, 22, 33]);
    let turned = ring(&[33, 11, 22]);

    let one: Vec<u64> = homes(&one, 1000).into_iter().map(|index| [11, 22, 33][index]).collect();
    let turned: Vec<u64> = homes(&turned, 1000).into_iter().map(|index| [33, 11, 22][index]).collect();

    assert_eq!(one, turned);
}

#[test]
fn nobody_has_much_more_than_its_share() {
    for (len, most, least) in [(2u64, 1.3, 0.7), (10, 1.3, 0.7), (100, 1.35, 0.5), (500, 1.4, 0.5)] {
        for seed in 0..3 {
            let identities: Vec<u64> = (0..len).map(|n| mix(mix(seed) ^ n)).collect();

            let shares = shares(&homes(&ring(&identities), 200 * len), len as usize);

            let top = shares.iter().copied().fold(0.0, f64::max);
            let low = shares.iter().copied().fold(f64::MAX, f64::min);

            assert!(top < most && low > least, "{len} endpoints, seed {seed}: {low} … {top}");
        }
    }
}

#[test]
fn heavier_endpoints_have_more_callers() {
    for seed in 0..10u64 {
        let lineup = weights(&[1, 2, 4, 8, 1, 1, 1, 30]);
        let ring = Ring::new(&lineup, |index| mix(seed) ^ index as u64);

        let mut counts = [0.0; 8];
        let homes = homes(&(lineup, ring), 20_000);
        homes.iter().for_each(|index| counts[*index] += 48.0 / 20_000.0);

        let wanted = [1.0, 2.0, 4.0, 8.0, 1.0, 1.0, 1.0, 30.0];
        let is_near = |(got, want): (&f64, f64)| (0.75..1.45).contains(&(got / want));

        assert!(counts.iter().zip(wanted).all(is_near), "seed {seed}: {counts:?}");
    }
}

#[test]
fn a_tried_endpoint_is_passed_over_while_there_are_others() {
    let (lineup, ring) = ring(&[1, 2, 3]);

    for caller in 0..200 {
        let first = ring.pick(&lineup, caller, |_| false, |_| 0).unwrap();
        let second = ring.pick(&lineup, caller, |index| index == first, |_| 0).unwrap();
        let third = ring.pick(&lineup, caller, |index| index == first || index == second, |_| 0).unwrap();
        let again = ring.pick(&lineup, caller, |_| true, |_| 0);

        assert!(first != second && second != third && first != third);
        assert_eq!(again, Some(first));
    }
}

#[test]
fn nobody_is_met_where_there_is_nobody() {
    assert_eq!(Ring::default().pick(&Lineup::default(), 7, |_| false, |_| 0), None);
    let (lineup, empty) = ring(&[]);
    assert_eq!(empty.pick(&lineup, 7, |_| false, |_| 0), None);
}

#[test]
fn a_caller_with_two_requests_at_once_stays() {
    let (lineup, ring) = ring(&[1, 2, 3, 4]);
    let home = ring.pick(&lineup, 7, |_| false, |_| 0).unwrap();

    let beside = ring.pick(&lineup, 7, |_| false, |index| u32::from(index == home));

    assert_eq!(beside, Some(home));
}

#[test]
fn when_all_are_as_busy_as_each_other_everybody_stays_at_home() {
    let (lineup, ring) = ring(&[1, 2, 3, 4]);

    for caller in 0..200 {
        let home = ring.pick(&lineup, caller, |_| false, |_| 0);
        assert_eq!(ring.pick(&lineup, caller, |_| false, |_| 100), home);
    }
}

#[test]
fn one_that_begins_with_a_tenth_moves_few() {
    for seed in 0..10u64 {
        let mut given = vec![10; 10];
        let old = weights(&given);
        given.push(1);
        let new = weights(&given);
        let identity = |index: usize| mix(seed) ^ index as u64;

        let before = homes(&(old.clone(), Ring::new(&old, identity)), 5000);
        let after = homes(&(new.clone(), Ring::new(&new, identity)), 5000);

        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!((10..200).contains(&moved), "seed {seed}: {moved} of 5000, a hundredth is its share");
    }
}

/// Many requests to so many endpoints, 6 for each of them in flight, of which one caller has so many per cent. The most
/// that one endpoint had when it was given another, once all have been counted.
fn fullest(len: usize, percent: u32) -> u32 {
    let identities: Vec<u64> = (0..len as u64).map(mix).collect();
    let (lineup, ring) = ring(&identities);
    let mut rng = fastrand::Rng::with_seed(len as u64);
    let (mut active, mut pending, mut fullest) = (vec![0u32; len], Vec::new(), 0);
    for n in 0..20_000 {
        let caller = if rng.u32(..100) < percent { 7 } else { rng.u64(..) };
        let taken = ring.pick(&lineup, caller, |_| false, |index| active[index]).unwrap();
        active[taken] += 1;
        pending.push(taken);
        if n > 6 * len {
            fullest = fullest.max(active[taken]);
        }
        if pending.len() >= 6 * len {
            active[pending.swap_remove(rng.usize(..pending.len()))] -= 1;
        }
    }
    fullest
}

#[test]
fn one_caller_that_asks_for_much_fills_nobody_beyond_the_bound() {
    assert_eq!([(4, 50), (20, 50), (20, 10)].map(|(len, percent)| fullest(len, percent)), [8, 8, 8]);
    assert!(fullest(200, 10) <= 9, "an old number is a little wrong: {}", fullest(200, 10));
}

#[test]
fn one_caller_that_asks_for_more_than_a_walk_can_place_is_spread_over_the_walk() {
    // 5400 requests over some 125 endpoints.
    assert!((40..=50).contains(&fullest(1000, 90)), "{}", fullest(1000, 90));
}

#[test]
fn ten_thousand_are_laid_out_and_found() {
    let identities: Vec<u64> = (0..10_000).map(mix).collect();
    let big = ring(&identities);

    let shares = shares(&homes(&big, 200_000), 10_000);

    assert_eq!((big.1.points.len(), big.1.parts.len()), (80_000, 131_072));
    assert!(shares.iter().copied().fold(0.0, f64::max) < 2.5, "twenty callers each, give or take");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn when_one_of_n_goes_only_its_callers_move(len in 2usize..60, gone in any::<prop::sample::Index>(), seed: u64) {
        let identities: Vec<u64> = (0..len as u64).map(|n| mix(seed ^ n)).collect();
        let gone = gone.index(len);
        let mut fewer = identities.clone();
        fewer.remove(gone);

        let (before, after) = (homes(&ring(&identities), 2000), homes(&ring(&fewer), 2000));

        let moved = before.iter().zip(&after).filter(|(before, after)| identities[**before] != fewer[**after]);
        let moved: Vec<usize> = moved.map(|(before, _)| *before).collect();
        prop_assert!(moved.iter().all(|before| *before == gone));
        // Its share: 1/n, give or take what eight points leave to chance.
        prop_assert!(moved.len() as f64 <= 2000.0 / len as f64 * 1.4 + 30.0, "{} of 2000 moved", moved.len());
    }

    #[test]
    fn of_weighted_ones_about_as_many_move_as_the_one_that_goes_had(
        given in proptest::collection::vec(1u32..10, 3..30), seed: u64,
    ) {
        let (lineup, fewer) = (weights(&given), weights(&given[1..]));
        let before = homes(&(lineup.clone(), Ring::new(&lineup, |index| mix(seed ^ index as u64))), 2000);
        let after = homes(&(fewer.clone(), Ring::new(&fewer, |index| mix(seed ^ (index as u64 + 1)))), 2000);

        let moved = before.iter().zip(&after).filter(|(before, after)| **before != **after + 1).count();
        let had = before.iter().filter(|index| **index == 0).count();
        prop_assert!(moved as f64 <= had as f64 + 2000.0 * 0.08, "{moved} moved, {had} had to");
    }

    #[test]
    fn the_point_behind_a_position_is_the_one_a_search_finds(len in 1u64..40, at: u64) {
        let identities: Vec<u64> = (0..len).map(mix).collect();
        let (_, ring) = ring(&identities);

        let found = ring.points.partition_point(|point| point.at < at) % ring.points.len();

        prop_assert_eq!(ring.behind(at), found);
        prop_assert!(ring.points.iter().enumerate().all(|(n, point)| ring.behind(point.at) == n));
    }
}

//! Turns: exact shares, no bursts, and no walk when there are many.

use super::super::sample::weights;
use super::*;
use proptest::prelude::*;

fn order(turn: &mut RoundRobin, lineup: &Lineup, picks: usize) -> Vec<usize> {
    (0..picks).map(|_| turn.pick(lineup, |_| false).unwrap()).collect()
}

fn counts(order: &[usize], len: usize) -> Vec<u32> {
    let mut counts = vec![0; len];
    order.iter().for_each(|index| counts[*index] += 1);
    counts
}

#[test]
fn heavier_endpoints_come_more_often_but_not_in_a_row() {
    let order = order(&mut RoundRobin::default(), &weights(&[5, 1, 1]), 7);

    assert_eq!(order, [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn a_tried_endpoint_is_taken_only_when_all_are_tried() {
    let lineup = weights(&[1, 1]);
    let mut turn = RoundRobin::default();

    assert!((0..5).all(|_| turn.pick(&lineup, |index| index == 0) == Some(1)));
    assert!(turn.pick(&lineup, |_| true).is_some());
    assert_eq!(turn.pick(&Lineup::default(), |_| false), None);
}

#[test]
fn workers_that_begin_elsewhere_do_not_all_send_to_the_first() {
    for len in [10, 1000] {
        let lineup = weights(&vec![1; len]);
        let first = |start: usize| RoundRobin::starting_at(start as u64).pick(&lineup, |_| false).unwrap();

        let firsts: Vec<usize> = (0..len).map(first).collect();

        assert_eq!(counts(&firsts, len), vec![1; len]);
    }
}

#[test]
fn credit_in_the_unit_of_another_lineup_starves_nobody() {
    let mut turn = RoundRobin::default();
    order(&mut turn, &weights(&[999, 1000]), 1);

    let order = order(&mut turn, &weights(&[1, 1]), 4);

    assert_eq!(counts(&order, 2), [2, 2]);
}

#[test]
fn of_many_each_gets_exactly_its_weight_in_a_round_and_never_in_a_row() {
    let mut rng = fastrand::Rng::with_seed(5);
    let given: Vec<u32> = (0..1000).map(|_| rng.u32(1..=9)).collect();
    let lineup = weights(&given);
    let total = given.iter().sum::<u32>() as usize;

    let order = order(&mut RoundRobin::starting_at(77), &lineup, 2 * total);

    assert_eq!(counts(&order[..total], 1000), given);
    assert_eq!(counts(&order[total..], 1000), given);
    assert!(order.array_windows().all(|[one, next]| one != next));
}

#[test]
fn many_of_equal_weight_all_come_once_in_a_round_of_ten_thousand() {
    let lineup = weights(&vec![7; 10_000]);

    let order = order(&mut RoundRobin::default(), &lineup, 10_000);

    assert_eq!(counts(&order, 10_000), vec![1; 10_000]);
}

#[test]
fn of_many_the_heavy_one_is_spread_evenly() {
    let mut given = vec![1; 100];
    given[50] = 100;

    let order = order(&mut RoundRobin::default(), &weights(&given), 199);

    let places: Vec<usize> = (0..199).filter(|n| order[*n] == 50).collect();
    let gaps: Vec<usize> = places.array_windows().map(|[one, next]| next - one).collect();
    assert!(gaps.iter().all(|gap| *gap <= 3), "{gaps:?}");
}

#[test]
fn of_many_the_tried_are_passed_over_even_when_they_are_nearly_everything() {
    let mut given = vec![1; 100];
    given[3] = 1000;
    given[4] = 1000;
    let lineup = weights(&given);
    let mut turn = RoundRobin::default();

    let order: Vec<usize> =
        (0..500).map(|_| turn.pick(&lineup, |index| index == 3 || index == 4).unwrap()).collect();

    assert!(order.iter().all(|index| *index != 3 && *index != 4));
    assert!(turn.pick(&lineup, |_| true).is_some());
}

proptest! {
    #[test]
    fn shares_are_exactly_the_weights_after_a_full_round(
        given in proptest::collection::vec(1u32..20, 1..100), start: u64,
    ) {
        let lineup = weights(&given);
        let mut turn = RoundRobin::starting_at(start);

        let order = order(&mut turn, &lineup, given.iter().sum::<u32>() as usize);

        prop_assert_eq!(counts(&order, given.len()), given);
    }
}

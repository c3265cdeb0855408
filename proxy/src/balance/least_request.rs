//! Least request by the power of two choices: draw two by weight, take the one with less in flight for its weight.

use super::Lineup;

/// Index of the endpoint to take; `None` when there is none. `load` = attempts in flight on an endpoint and its weight;
/// `tried` ones are passed over while there are others.
pub fn pick(
    lineup: &Lineup,
    random: u64,
    tried: impl Fn(usize) -> bool,
    load: impl Fn(usize) -> (u32, u32),
) -> Option<usize> {
    super::two::pick(lineup, random, tried, |index| {
        let (active, weight) = load(index);
        // Division rounds equal ratios to equal numbers: those that are as busy as each other tie.
        f64::from(active) / f64::from(weight.max(1))
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::weights;
    use super::*;
    use proptest::prelude::*;

    const EDGES: [u64; 4] = [0, 0xffff_ffff, 0xffff_ffff << 32, u64::MAX];

    #[test]
    fn the_less_busy_of_the_two_is_taken() {
        let busy = [(9, 1), (2, 1)];

        assert!(
            EDGES
                .iter()
                .all(|random| pick(&weights(&[1, 1]), *random, |_| false, |index| busy[index]) == Some(1))
        );
    }

    #[test]
    fn an_endpoint_of_twice_the_weight_may_be_twice_as_busy() {
        let busy = [(3, 2), (2, 1)];

        assert!(
            EDGES
                .iter()
                .all(|random| pick(&weights(&[2, 1]), *random, |_| false, |index| busy[index]) == Some(0))
        );
    }

    #[test]
    fn a_tried_endpoint_is_passed_over() {
        let busy = [(0, 100), (50, 1)];

        assert_eq!(pick(&weights(&[100, 1]), 7, |index| index == 0, |index| busy[index]), Some(1));
        assert_eq!(pick(&Lineup::default(), 7, |_| false, |index| busy[index]), None);
    }

    #[test]
    fn one_that_hangs_gets_only_what_makes_it_as_busy_as_the_others() {
        let lineup = weights(&[1; 10]);
        let mut rng = fastrand::Rng::with_seed(1);
        let (mut active, mut hung) = (vec![1u32; 10], 0);

        for _ in 0..10_000 {
            let taken = pick(&lineup, rng.u64(..), |_| false, |index| (active[index], 1)).unwrap();
            // Only the first one keeps what it gets.
            if taken == 0 {
                active[0] += 1;
                hung += 1;
            }
        }

        assert!(hung <= 1, "{hung} requests hang");
    }

    proptest! {
        #[test]
        fn something_is_always_taken_and_it_exists(
            given in proptest::collection::vec((1u32..1000, 0u32..50), 1..20), random: u64,
        ) {
            let heavy: Vec<u32> = given.iter().map(|(weight, _)| *weight).collect();

            let taken = pick(&weights(&heavy), random, |_| false, |index| (given[index].1, given[index].0));

            prop_assert!(taken.is_some_and(|index| index < given.len()));
        }
    }
}

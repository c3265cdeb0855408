//! The power of two choices (Mitzenmacher 2001): draw two by weight, take the cheaper one.
//!
//! Looking at two is nearly as good as looking at all, and unlike "the cheapest of all" it does not send a herd of
//! workers to the same endpoint. The two are never the same one while there are others: else one that hangs would keep
//! being drawn twice. When both cost the same the first one drawn is taken: idle endpoints get exactly their weights.

use super::Lineup;
use super::numbers::mix;

/// Index of the endpoint to take; `None` when there is none. `random` decides the two draws; those that were `tried` are
/// passed over while there are others.
pub(super) fn pick(
    lineup: &Lineup,
    random: u64,
    tried: impl Fn(usize) -> bool,
    cost: impl Fn(usize) -> f64,
) -> Option<usize> {
    let (high, low) = ((random >> 32) as u32, random as u32);
    let is_fresh = |place: usize| lineup.index(place).is_some_and(|index| !tried(index));
    let (first, second) = match fresh(lineup, high, None, is_fresh) {
        Some(first) => (first, fresh(lineup, low, Some(first), is_fresh)),
        None => {
            let first = lineup.draw_place(high, None)?;
            (first, lineup.draw_place(low, Some(first)))
        }
    };
    let first = lineup.index(first)?;
    let Some(second) = second.and_then(|place| lineup.index(place)) else { return Some(first) };
    Some(if cost(second) < cost(first) { second } else { first })
}

/// Draws a place that is fresh, any but `beside`. After a few draws in vain it walks: an exchange has tried a handful, so
/// these are few endpoints, or weigh more than all others together.
fn fresh(
    lineup: &Lineup,
    mut bits: u32,
    beside: Option<usize>,
    is_fresh: impl Fn(usize) -> bool,
) -> Option<usize> {
    for _ in 0..DRAWS {
        let place = lineup.draw_place(bits, beside)?;
        if is_fresh(place) {
            return Some(place);
        }
        bits = mix(u64::from(bits)) as u32;
    }
    let others = || {
        let weighed = lineup.iter().enumerate().map(|(place, (_, weight))| (place, weight));
        weighed.filter(|(place, _)| Some(*place) != beside && is_fresh(*place))
    };
    let total: u64 = others().map(|(_, weight)| weight).sum();
    let mut point = ((u128::from(bits) * u128::from(total)) >> 32) as u64;
    let mut owner = others().skip_while(|(_, weight)| {
        let is_before = *weight <= point;
        point = point.saturating_sub(if is_before { *weight } else { 0 });
        is_before
    });
    owner.next().map(|(place, _)| place)
}

/// Draws before it walks.
const DRAWS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::super::sample::weights;
    use super::*;
    use proptest::prelude::*;

    fn shares(lineup: &Lineup, tried: impl Fn(usize) -> bool, cost: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut counts = vec![0.0; lineup.len()];
        for _ in 0..20_000 {
            counts[pick(lineup, rng.u64(..), &tried, &cost).unwrap()] += 1.0 / 20_000.0;
        }
        counts
    }

    #[test]
    fn when_all_cost_the_same_shares_are_the_weights() {
        let shares = shares(&weights(&[5, 3, 2]), |_| false, |_| 1.0);

        let wanted = [0.5, 0.3, 0.2];
        assert!(shares.iter().zip(wanted).all(|(got, want)| (got - want).abs() < 0.02), "{shares:?}");
    }

    #[test]
    fn the_dearest_of_all_is_never_taken_however_heavy_it_is() {
        let shares = shares(&weights(&[1000, 1, 1]), |_| false, |index| if index == 0 { 9.0 } else { 1.0 });

        assert!(shares[0] == 0.0, "drawn twice: {shares:?}");
    }

    #[test]
    fn tried_ones_are_passed_over_and_the_others_keep_their_shares() {
        let shares = shares(&weights(&[1000, 1, 1, 2]), |index| index == 0, |_| 1.0);

        let wanted = [0.0, 0.25, 0.25, 0.5];
        assert!(shares.iter().zip(wanted).all(|(got, want)| (got - want).abs() < 0.02), "{shares:?}");
    }

    #[test]
    fn when_all_were_tried_the_cheaper_of_two_is_taken_again() {
        let lineup = weights(&[1, 1]);
        let cost = |index: usize| if index == 0 { 2.0 } else { 1.0 };

        assert!((0..100u64).all(|n| pick(&lineup, mix(n), |_| true, cost) == Some(1)));
        assert_eq!(pick(&Lineup::default(), 7, |_| false, cost), None);
    }

    proptest! {
        #[test]
        fn the_two_differ_and_neither_was_tried_while_there_are_others(
            given in proptest::collection::vec((1u32..1000, any::<bool>()), 1..40), random: u64,
        ) {
            let (heavy, tried): (Vec<u32>, Vec<bool>) = given.into_iter().unzip();
            let asked = std::cell::RefCell::new(Vec::new());
            let cost = |index: usize| {
                asked.borrow_mut().push(index);
                0.0
            };

            let taken = pick(&weights(&heavy), random, |index| tried[index], cost).unwrap();

            let fresh = tried.iter().filter(|tried| !**tried).count();
            let asked = asked.into_inner();
            prop_assert!(fresh == 0 || !tried[taken]);
            prop_assert!(fresh == 0 || asked.iter().all(|index| !tried[*index]));
            let others = if fresh == 0 { tried.len() } else { fresh };
            prop_assert_eq!(asked.len(), if others > 1 { 2 } else { 0 });
            prop_assert!(asked.len() < 2 || asked[0] != asked[1]);
        }
    }
}

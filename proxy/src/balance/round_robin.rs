//! Smooth weighted round-robin: in turn, heavier endpoints more often, never in bursts.
//!
//! Each pick adds every weight to its endpoint's credit and takes the richest, which then pays the sum of all
//! weights; so of weights 5, 1, 1 the order is a a b a c a a (the algorithm nginx made known).

use super::Candidate;

/// The turn of one worker at one service.
#[derive(Debug, Default)]
pub struct RoundRobin {
    credit: Vec<i64>,
}

impl RoundRobin {
    /// Index of the endpoint whose turn it is; `None` when there is none. Tried ones are passed over while
    /// there are others.
    pub fn pick(&mut self, candidates: &[Candidate]) -> Option<usize> {
        self.credit.resize(candidates.len(), 0);
        let all_tried = candidates.iter().all(|candidate| candidate.tried);
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for (index, (credit, candidate)) in self.credit.iter_mut().zip(candidates).enumerate() {
            if candidate.tried && !all_tried {
                continue;
            }
            *credit += i64::from(candidate.weight);
            total += i64::from(candidate.weight);
            if best.is_none_or(|(_, richest)| *credit > richest) {
                best = Some((index, *credit));
            }
        }
        let (index, _) = best?;
        *self.credit.get_mut(index)? -= total;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weights(weights: &[u32]) -> Vec<Candidate> {
        weights.iter().map(|&weight| Candidate { weight, active: 0, tried: false }).collect()
    }

    #[test]
    fn heavier_endpoints_come_more_often_but_not_in_a_row() {
        let candidates = weights(&[5, 1, 1]);
        let mut turn = RoundRobin::default();

        let order: Vec<_> = (0..7).filter_map(|_| turn.pick(&candidates)).collect();

        assert_eq!(order, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn a_tried_endpoint_is_taken_only_when_all_are_tried() {
        let mut candidates = weights(&[1, 1]);
        candidates[0].tried = true;
        let mut turn = RoundRobin::default();

        assert!((0..5).all(|_| turn.pick(&candidates) == Some(1)));
        candidates[1].tried = true;
        assert!(turn.pick(&candidates).is_some());
        assert_eq!(turn.pick(&[]), None);
    }

    proptest! {
        #[test]
        fn shares_are_exactly_the_weights_after_a_full_round(given in proptest::collection::vec(1u32..20, 1..8)) {
            let candidates = weights(&given);
            let mut turn = RoundRobin::default();
            let mut counts = vec![0u32; given.len()];

            for _ in 0..given.iter().sum::<u32>() {
                counts[turn.pick(&candidates).unwrap()] += 1;
            }

            prop_assert_eq!(counts, given);
        }
    }
}

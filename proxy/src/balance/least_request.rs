//! Least request by the power of two choices (Mitzenmacher 2001): draw two by weight, take the less busy one.
//!
//! Looking at two is nearly as good as looking at all, and unlike "the least busy of all" it does not send a
//! herd of workers to the same endpoint.

use super::Candidate;

/// Index of the endpoint to take; `None` when there is none. `random` decides the two draws.
pub fn pick(candidates: &[Candidate], random: u64) -> Option<usize> {
    let all_tried = candidates.iter().all(|candidate| candidate.tried);
    let usable = |candidate: &Candidate| all_tried || !candidate.tried;
    let total: u64 = candidates.iter().filter(|c| usable(c)).map(|c| u64::from(c.weight)).sum();
    let draw = |bits: u64| {
        let mut point = ((u128::from(bits) * u128::from(total)) >> 32) as u64;
        candidates.iter().enumerate().filter(|(_, c)| usable(c)).find_map(|(index, candidate)| {
            let weight = u64::from(candidate.weight);
            if point < weight {
                return Some((index, candidate));
            }
            point -= weight;
            None
        })
    };
    let (first, second) = (draw(random >> 32)?, draw(random & 0xffff_ffff)?);
    // Busy relative to the share: cross-multiplied, so that nothing is divided.
    let load = |own: &Candidate, other: &Candidate| u64::from(own.active) * u64::from(other.weight);
    let second_is_freer = load(second.1, first.1) < load(first.1, second.1);
    Some(if second_is_freer { second.0 } else { first.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(weight: u32, active: u32) -> Candidate {
        Candidate { weight, active, tried: false }
    }

    #[test]
    fn the_less_busy_of_the_two_is_taken() {
        let candidates = [candidate(1, 9), candidate(1, 2)];

        assert_eq!(pick(&candidates, 0xffff_ffff), Some(1));
        assert_eq!(pick(&candidates, 0xffff_ffff << 32), Some(1));
        assert_eq!(pick(&candidates, 0), Some(0), "both draws hit the first");
    }

    #[test]
    fn an_endpoint_of_twice_the_weight_may_be_twice_as_busy() {
        let candidates = [candidate(2, 3), candidate(1, 2)];

        assert_eq!(pick(&candidates, 0xffff_ffff), Some(0));
    }

    #[test]
    fn a_tried_endpoint_is_passed_over() {
        let candidates = [Candidate { tried: true, ..candidate(100, 0) }, candidate(1, 50)];

        assert_eq!(pick(&candidates, 7), Some(1));
        assert_eq!(pick(&[], 7), None);
    }

    proptest! {
        #[test]
        fn something_is_always_taken_and_it_exists(weights in proptest::collection::vec((1u32..1000, 0u32..50), 1..20), random: u64) {
            let candidates: Vec<_> = weights.into_iter().map(|(weight, active)| candidate(weight, active)).collect();

            prop_assert!(pick(&candidates, random).is_some_and(|index| index < candidates.len()));
        }
    }
}

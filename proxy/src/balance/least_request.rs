//! Least request by the power of two choices (Mitzenmacher 2001): draw two by weight, take the less busy one.
//!
//! Looking at two is nearly as good as looking at all, and unlike "the least busy of all" it does not send a
//! herd of workers to the same endpoint.

use super::Candidate;

/// Index of the endpoint to take; `None` when there is none. `random` decides the two draws, which never hit
/// the same endpoint while there are two: else one that hangs would keep being drawn twice.
pub fn pick(candidates: &[Candidate], random: u64) -> Option<usize> {
    let all_tried = candidates.iter().all(|candidate| candidate.tried);
    let usable = |candidate: &Candidate| all_tried || !candidate.tried;
    let (first, own) = draw(candidates, random >> 32, |_, candidate| usable(candidate))?;
    let Some((second, other)) =
        draw(candidates, random & 0xffff_ffff, |index, candidate| index != first && usable(candidate))
    else {
        return Some(first);
    };
    // Busy relative to the share: cross-multiplied, so that nothing is divided.
    let load = |one: &Candidate, than: &Candidate| u64::from(one.active) * u64::from(than.weight);
    Some(if load(other, own) < load(own, other) { second } else { first })
}

/// One of those that may be drawn, by weight; `bits` is a random number of 32 bits.
fn draw(
    candidates: &[Candidate],
    bits: u64,
    may: impl Fn(usize, &Candidate) -> bool,
) -> Option<(usize, &Candidate)> {
    let drawable = || candidates.iter().enumerate().filter(|(index, candidate)| may(*index, candidate));
    let total: u64 = drawable().map(|(_, candidate)| u64::from(candidate.weight)).sum();
    let mut point = ((u128::from(bits) * u128::from(total)) >> 32) as u64;
    drawable().find(|(_, candidate)| {
        let weight = u64::from(candidate.weight);
        let hit = point < weight;
        point = point.saturating_sub(weight);
        hit
    })
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

        assert!(
            [0, 0xffff_ffff, 0xffff_ffff << 32, u64::MAX]
                .iter()
                .all(|random| pick(&candidates, *random) == Some(1))
        );
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

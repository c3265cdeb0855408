//! How long to wait before another try: full jitter under a bound that doubles. Pure.
//!
//! Full jitter, because tries that wait alike come together again (Brooker, "Exponential Backoff And Jitter", 2015).

use std::time::Duration;

/// The pause before attempt `attempt` (the second is 2), evenly out of nothing to `base` · 2^(attempt − 2), at most
/// `max`; `random` out of all 64-bit numbers alike.
pub fn pause((base, max): (Duration, Duration), attempt: u32, random: u64) -> Duration {
    let doubled = base.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(2)).unwrap_or(u32::MAX));
    let bound = u64::try_from(doubled.min(max).as_nanos()).unwrap_or(u64::MAX);
    // Below `bound`, so it fits.
    Duration::from_nanos(((u128::from(random) * u128::from(bound)) >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USUAL: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

    #[test]
    fn the_bound_doubles_from_the_second_attempt_on_up_to_the_longest() {
        let longest = [2, 3, 4, 5, 6, 7, 33, 34, 35, u32::MAX].map(|attempt| pause(USUAL, attempt, u64::MAX));

        let millis = longest.map(|pause| pause.as_nanos().div_ceil(1_000_000));
        assert_eq!(millis, [25, 50, 100, 200, 250, 250, 250, 250, 250, 250]);
    }

    #[test]
    fn pauses_are_spread_evenly_from_nothing_to_the_bound() {
        let quarters = [0, 1 << 62, 1 << 63, 3 << 62].map(|random| pause(USUAL, 4, random));

        assert_eq!(quarters, [0, 25, 50, 75].map(Duration::from_millis));
    }

    #[test]
    fn an_attempt_before_the_second_waits_like_the_second() {
        assert_eq!(
            [0, 1, 2].map(|attempt| pause(USUAL, attempt, 1 << 63)),
            [Duration::from_micros(12_500); 3]
        );
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_the_longest_nor_the_bound(
            base in 0_u64..u64::MAX, max in 0_u64..u64::MAX, attempt in any::<u32>(), random in any::<u64>(),
        ) {
            let (base, max) = (Duration::from_nanos(base), Duration::from_secs(max));

            let pause = pause((base, max), attempt, random);

            prop_assert!(pause <= max);
            let doublings = attempt.saturating_sub(2);
            prop_assert!(doublings > 63 || pause.as_nanos() <= base.as_nanos() << doublings);
        }
    }
}

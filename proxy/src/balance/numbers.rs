//! Arithmetic that several balancers need. Pure.

/// A number that looks random for each input: one step of SplitMix64 (Steele, Lea, Flood 2014). Not a defence.
pub(super) const fn mix(seed: u64) -> u64 {
    let mut hash = seed.wrapping_add(GOLDEN);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The `n`th number of the stream that begins with `seed`.
pub(super) const fn nth(seed: u64, n: u64) -> u64 {
    mix(seed.wrapping_add(n.wrapping_mul(GOLDEN)))
}

/// Greatest common divisor; that of 0 and a number is the number.
pub(super) const fn gcd(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// `number` × the golden section (0.618…).
pub(super) const fn golden(number: u64) -> u64 {
    ((number as u128 * GOLDEN as u128) >> 64) as u64
}

/// 2^64 × the golden section, made odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_common_divisor_divides_both() {
        assert_eq!([gcd(12, 18), gcd(0, 7), gcd(7, 0), gcd(7, 5), gcd(0, 0)], [6, 7, 7, 1, 0]);
    }

    #[test]
    fn neighbours_are_mixed_far_apart() {
        let far = (0..1000u64).map(|seed| (mix(seed) ^ mix(seed + 1)).count_ones()).sum::<u32>() / 1000;

        assert!((28..=36).contains(&far), "{far} of 64 bits differ");
        assert_eq!(golden(1000), 618);
    }
}

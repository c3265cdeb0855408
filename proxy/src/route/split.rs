//! `split:`: which service of a weighted list takes a request.
//!
//! Must not know where the 64-bit point comes from: a random number, or [`point_for`] of what keeps a caller on
//! one side. Nothing is remembered, so every instance and every release choose alike.

use crate::config::ServiceId;

/// Chooses by weight. `point` is spread evenly over all 64-bit numbers.
///
/// Each entry owns a stretch of the numbers in the order of the list, so a change of weights moves only the
/// callers whose stretch changed hands. A weight of 0 is never chosen; `None` when all weights are 0.
pub fn pick(split: &[(ServiceId, u32)], point: u64) -> Option<ServiceId> {
    let total: u64 = split.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut left = scale(point, total);
    for (service, weight) in split {
        let weight = u64::from(*weight);
        if left < weight {
            return Some(*service);
        }
        left -= weight;
    }
    None
}

/// The point of a sticky key on a route: the same on each instance and in each release.
///
/// FNV-1a over the route's name, its end, and the key, then the finaliser of SplitMix64, because FNV alone
/// leaves the upper bits of short keys alike. The route's name is in it so that a caller who meets the small
/// side of one split does not meet the small side of all. Not a defence: a caller may choose the key.
pub fn point_for(key: &[u8], route_name: &str) -> u64 {
    let name = route_name.bytes();
    // 0xff is no byte of UTF-8, so `a` + `bc` and `ab` + `c` differ.
    let bytes = name.chain([0xff]).chain(key.iter().copied());
    finalise(bytes.fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)))
}

/// `point` of 2^64 as a number below `total`.
fn scale(point: u64, total: u64) -> u64 {
    let wide = (u128::from(point) * u128::from(total)) >> 64;
    u64::try_from(wide).unwrap_or(u64::MAX)
}

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.
fn finalise(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;

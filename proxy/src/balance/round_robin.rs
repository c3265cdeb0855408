//! Weighted round-robin: in turn, heavier endpoints more often, never in bursts.
//!
//! | endpoints | how | one pick costs |
//! |--|--|--|
//! | up to 64 | smooth: each pick adds every weight to its endpoint's credit and takes the richest, which then pays the sum of all weights; so of weights 5, 1, 1 the order is a a b a c a a (the algorithm nginx made known) | a walk over all |
//! | more | leaps: the weights lie side by side on a circle, and each pick goes on by 0.618 of it (the golden section, so that leaps fall evenly) | a search |
//!
//! The leap has no divisor in common with the circle, so both give every endpoint exactly its weight in a full round.

use super::Lineup;
use super::numbers::{gcd, golden};

/// The turn of one worker at one service.
#[derive(Debug, Default)]
pub struct RoundRobin {
    start: u64,
    /// Size and weights together of the lineup that the rest belongs to.
    round: (usize, u64),
    credit: Vec<i64>,
    point: u64,
    leap: u64,
}

impl RoundRobin {
    /// Begins somewhere else than with the first endpoint: else all workers would send it their first requests.
    pub fn starting_at(random: u64) -> Self {
        Self { start: random, ..Self::default() }
    }

    /// Index of the endpoint whose turn it is; `None` when there is none. Those that were `tried` are passed over while
    /// there are others.
    pub fn pick(&mut self, lineup: &Lineup, tried: impl Fn(usize) -> bool) -> Option<usize> {
        let round = (lineup.len(), lineup.total());
        if self.round != round {
            self.round = round;
            self.begin(lineup);
        }
        if lineup.len() <= FEW { self.richest(lineup, tried) } else { self.next_leap(lineup, tried) }
    }

    /// Another lineup: credit of the old one may be counted in another unit, and is worth nothing.
    fn begin(&mut self, lineup: &Lineup) {
        let (len, total) = self.round;
        self.credit.clear();
        if len > FEW {
            let next = self.point.wrapping_add(if self.leap == 0 { self.start } else { 0 });
            (self.point, self.leap) = (next % total, leap(total));
            return;
        }
        self.credit.resize(len, 0);
        for _ in 0..self.start.checked_rem(len as u64).unwrap_or(0) {
            self.richest(lineup, |_| false);
        }
    }

    fn richest(&mut self, lineup: &Lineup, tried: impl Fn(usize) -> bool) -> Option<usize> {
        let all_tried = lineup.iter().all(|(index, _)| tried(index));
        let mut total = 0;
        let mut best: Option<(usize, usize, i64)> = None;
        for (place, (credit, (index, weight))) in self.credit.iter_mut().zip(lineup.iter()).enumerate() {
            if tried(index) && !all_tried {
                continue;
            }
            *credit += weight as i64;
            total += weight as i64;
            if best.is_none_or(|(_, _, richest)| *credit > richest) {
                best = Some((place, index, *credit));
            }
        }
        let (place, index, _) = best?;
        *self.credit.get_mut(place)? -= total;
        Some(index)
    }

    /// Leaps until somebody has not been tried; an exchange has tried a handful, so after a few in vain all have been.
    fn next_leap(&mut self, lineup: &Lineup, tried: impl Fn(usize) -> bool) -> Option<usize> {
        let mut place = 0;
        for _ in 0..LEAPS {
            place = lineup.place_at(self.point);
            self.point = (self.point + self.leap) % self.round.1.max(1);
            let index = lineup.index(place)?;
            if !tried(index) {
                return Some(index);
            }
        }
        let mut others = (place..lineup.len()).chain(0..place).filter_map(|place| lineup.index(place));
        others.find(|index| !tried(*index)).or_else(|| lineup.index(place))
    }
}

/// How far each pick goes on a circle of `total`: near the golden section, and with no divisor in common.
fn leap(total: u64) -> u64 {
    (golden(total)..total).find(|leap| gcd(*leap, total) == 1).unwrap_or(1)
}

/// With at most so many, all are walked over for each pick.
const FEW: usize = 64;
/// Leaps before it searches.
const LEAPS: u32 = 8;

#[cfg(test)]
#[path = "round_robin_tests.rs"]
mod tests;

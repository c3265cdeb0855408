//! The same endpoint for the same caller, as long as it is not too busy.
//!
//! Consistent hashing with several probes (Appleton, O'Reilly 2015) and bounded load (Mirrokni, Thorup, Zadimoghaddam
//! 2016). Each endpoint has a few points on a circle; a caller looks at sixteen places of it, and takes the endpoint whose
//! point follows soonest, for its weight. So nobody gets much more than its share with a few points only, where a ring of
//! one probe needs hundreds for each endpoint and a table of Maglev's is filled anew with every change: ten thousand
//! endpoints are laid out in some milliseconds. When one of n goes, its callers go to others and nobody else moves; with
//! unequal weights a few more do.
//!
//! An endpoint with 1.25 × its share of what is in flight is full: its callers go on along the circle until they are back.
//! What is in flight in all is counted when somebody seems busy, 32 endpoints at a time: with more of them the number is a
//! little old.
//!
//! Must not know: what makes a caller the same.

use super::Lineup;
use super::numbers::{mix, nth};
use std::cell::Cell;

/// A lineup laid out so that each caller finds its place; made anew with the lineup.
#[derive(Debug, Default)]
pub struct Ring {
    /// In the order they have on the circle.
    points: Vec<Point>,
    /// For each of 2^n equal parts of the circle the first point in it or behind it: finding a point is a look and a step.
    parts: Vec<u32>,
    /// Bits of a position that do not say which part it is in.
    shift: u32,
    count: Count,
}

/// How much is in flight, counted a few endpoints at a time.
#[derive(Debug, Default)]
struct Count {
    /// The place that is next.
    next: Cell<usize>,
    /// In flight before it.
    load: Cell<u64>,
    /// What the last count of all gave, for each unit of weight.
    mean: Cell<Option<f64>>,
}

/// Where a caller may find an endpoint.
#[derive(Debug, Clone, Copy)]
struct Point {
    at: u64,
    place: u32,
    /// 1 / weight: what a distance to it is multiplied by.
    lightness: f32,
}

impl Ring {
    /// Lays it out. `identity` = a number that an endpoint keeps for life, wherever it stands in the list.
    pub fn new(lineup: &Lineup, identity: impl Fn(usize) -> u64) -> Self {
        let all = lineup.len() as u64;
        // One of more than three mean weights gets more points, the last of them for what is left: what one point
        // attracts ends where the next one begins. In units of 1/n of the weights.
        let most = 3 * lineup.total();
        let mut points = Vec::with_capacity(lineup.len() * POINTS as usize);
        for (place, (index, weight)) in (0u32..).zip(lineup.iter()) {
            let (seed, mut rest, mut n) = (mix(identity(index)), weight * all, 0);
            while rest > 0 {
                let lightness = 1.0 / rest.min(most) as f32;
                points.extend((n..n + POINTS).map(|n| Point { at: nth(seed, n), place, lightness }));
                rest = rest.saturating_sub(most);
                n += POINTS;
            }
        }
        points.sort_unstable_by_key(|point| (point.at, point.place));
        let (parts, shift) = parts(&points);
        Self { points, parts, shift, count: Count::default() }
    }

    /// Index of the endpoint of a caller: the first from its place on that was not `tried` and has not much more than its
    /// share in flight (`active`; at most 1.25 of the mean, or 2). When very many in a row have: the idlest of those; when
    /// all were tried: the first.
    pub fn pick(
        &self,
        lineup: &Lineup,
        point: u64,
        tried: impl Fn(usize) -> bool,
        active: impl Fn(usize) -> u32,
    ) -> Option<usize> {
        let home = self.home(mix(point ^ CALLERS))?;
        let (before, from) = self.points.split_at_checked(home)?;
        let along = from.iter().chain(before).map(|point| point.place as usize);
        let (mut mean, mut idlest) = (None, None);
        for (steps, place) in along.enumerate() {
            if idlest.is_some() && steps >= STEPS {
                break;
            }
            let Some(index) = lineup.index(place).filter(|index| !tried(*index)) else {
                continue;
            };
            let (own, weight) = (active(index), lineup.stretch(place).1 as f64);
            let mut is_full = || {
                let mean = *mean.get_or_insert_with(|| self.count.mean(lineup, &active));
                f64::from(own) >= (BOUND * mean * weight).ceil()
            };
            if own < FEW || !is_full() {
                return Some(index);
            }
            let load = f64::from(own) / weight;
            idlest = idlest.filter(|(least, _)| *least <= load).or(Some((load, index)));
        }
        let home = self.points.get(home)?.place as usize;
        idlest.map(|(_, index)| index).or_else(|| lineup.index(home))
    }

    /// The point that follows soonest on one of the places a caller looks at.
    fn home(&self, seed: u64) -> Option<usize> {
        let probes = (0..PROBES).filter_map(|n| {
            let at = nth(seed, n);
            let found = self.behind(at);
            let point = self.points.get(found)?;
            Some((point.at.wrapping_sub(at) as f64 * f64::from(point.lightness), found))
        });
        probes.reduce(|best, next| if next.0 < best.0 { next } else { best }).map(|(_, found)| found)
    }

    /// The first point at a position or behind it, round the circle.
    fn behind(&self, at: u64) -> usize {
        let part = at.checked_shr(self.shift).unwrap_or(0) as usize;
        let first = self.parts.get(part).map_or(0, |first| *first as usize);
        let skipped = self.points.iter().skip(first).take_while(|point| point.at < at).count();
        if first + skipped < self.points.len() { first + skipped } else { 0 }
    }
}

impl Count {
    /// What is in flight for each unit of weight, with the request to come.
    fn mean(&self, lineup: &Lineup, active: impl Fn(usize) -> u32) -> f64 {
        let (len, total) = (lineup.len(), lineup.total().max(1) as f64);
        let (mut next, mut load) = (self.next.get(), self.load.get());
        for _ in 0..len.min(LOOKS) {
            load += u64::from(lineup.index(next).map_or(0, &active));
            next += 1;
            if next >= len {
                self.mean.set(Some(load as f64 / total));
                (next, load) = (0, 0);
            }
        }
        self.next.set(next);
        self.load.set(load);
        // Before the first count is done: as if the rest were as busy as what was counted.
        let so_far = || load as f64 / lineup.stretch(next).0.max(1) as f64;
        self.mean.get().unwrap_or_else(so_far) + 1.0 / total
    }
}

/// The first point of each part, as many parts as points or a few more; and the bits that do not say which part it is.
fn parts(points: &[Point]) -> (Vec<u32>, u32) {
    let count = points.len().next_power_of_two();
    let shift = u64::BITS - count.trailing_zeros();
    let mut first = 0;
    let parts = (0..count as u64).map(|part| {
        let before = |point: &&Point| point.at.checked_shr(shift).unwrap_or(0) < part;
        first += points.iter().skip(first).take_while(before).count();
        first as u32
    });
    (parts.collect(), shift)
}

/// Points of an endpoint; what few endpoints have to be told apart by.
const POINTS: u64 = 8;
/// Places a caller looks at; nobody's share is more than 1 + 1/16 of what it should be, as far as chance goes.
const PROBES: u64 = 16;
/// So much of its share makes an endpoint full.
const BOUND: f64 = 1.25;
/// Less than this in flight is not busy, however idle the others are: a caller with two requests at once stays.
const FEW: u32 = 2;
/// Endpoints that are asked how busy they are, at most, for one request.
const LOOKS: usize = 32;
/// Points looked at for one that is not busy.
const STEPS: usize = 128;
/// Callers and endpoints with the same number must not meet on the circle.
const CALLERS: u64 = 0x5bf0_3635_ed1c_a11e;

#[cfg(test)]
#[path = "hash_tests.rs"]
mod tests;

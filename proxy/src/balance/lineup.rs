//! Who may be drawn now, and how likely.
//!
//! Decides from what is known of each endpoint, in this order:
//!
//! | question | answer |
//! |--|--|
//! | may it be drawn | not when a check says ill, not while it is ejected, and not before its first check while enough others have passed theirs |
//! | which tiers | each carries 1.4 × its share that is well, at most all; the first carries what it can, the next the rest (Envoy's over-provisioning) |
//! | is there need | when in no tier so many are well as `panic` says: all that take connections, or all |
//! | which zone | ours alone, while it has two endpoints and the tier six, and 70 % of ours are well |
//! | how likely | by weight; a new one begins with a tenth of it |
//!
//! One endpoint alone is always drawn, and ejections alone never leave nobody: failures of all are no reason to blame one.
//!
//! Making a lineup looks at every endpoint a few times. Drawing is a search in the sums of weights, or nothing but a
//! multiplication when all weights are equal. Must not know: what an endpoint is, and who asks.

use super::numbers::gcd;
use std::time::{Duration, Instant};

/// What active checks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// Nobody has asked, or not yet.
    #[default]
    Unknown,
    /// Well.
    Well,
    /// Not well.
    Ill,
}

/// One endpoint as the balancers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Share relative to the others, 1 … 1000.
    pub weight: u32,
    /// Tier: 0 is used first.
    pub priority: u16,
    /// It stands in our zone.
    pub near: bool,
    /// What active checks say.
    pub health: Health,
    /// Left out until then, for its failures.
    pub ejected_until: Option<Instant>,
    /// Takes no connections: not even panic sends it anything.
    pub refuses: bool,
    /// Since when it is there, or well again.
    pub since: Instant,
}

impl Standing {
    /// Whether something speaks against it.
    pub fn is_bad(&self, now: Instant) -> bool {
        self.health == Health::Ill || self.refuses || self.is_out(now)
    }

    fn is_out(&self, now: Instant) -> bool {
        self.ejected_until.is_some_and(|until| now < until)
    }

    /// Weight in hundredths: of a new one between a tenth of it and all of it.
    fn weight(&self, rules: &Rules, now: Instant) -> u64 {
        let age = now.saturating_duration_since(self.since);
        let grown = match rules.slow_start {
            Some(whole) if age < whole => FLOOR + (100 - FLOOR) * age.as_nanos() / whole.as_nanos(),
            _ => 100,
        };
        u64::from(self.weight.max(1)) * grown as u64
    }
}

/// What a service says about choosing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Whether endpoints are checked: then those nobody has asked yet wait for their first check, while enough others are
    /// well: so many as keep from panic, or any.
    pub checked: bool,
    /// How long a new endpoint takes to get its whole share.
    pub slow_start: Option<Duration>,
    /// With less than so many per cent well, all that take connections are used; 0 = never.
    pub panic: u32,
}

impl Rules {
    /// Whether `well` of `all` are too few.
    const fn is_few(&self, well: usize, all: usize) -> bool {
        well == 0 || (well as u64) * 100 < (all as u64) * self.panic as u64
    }
}

/// Why these endpoints and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Those that are well.
    #[default]
    Well,
    /// Too few are well: all that take connections.
    Panic,
    /// None may be used.
    Nobody,
}

/// Who may be drawn now, and how likely.
#[derive(Debug, Clone, Default)]
pub struct Lineup {
    members: Vec<u32>,
    /// Sums of the weights up to and with each member; the weights have no common divisor.
    sums: Vec<u64>,
    /// Why these.
    pub mode: Mode,
    /// When it must be made anew at the latest, although nothing was heard: an ejection ends, a slow start goes on.
    pub until: Option<Instant>,
}

impl Lineup {
    /// Makes it; indices are those of `standings`.
    pub fn new(standings: &[Standing], rules: &Rules, now: Instant) -> Self {
        let mut ranked: Vec<Ranked<'_>> = (0u32..).zip(standings).collect();
        ranked.sort_by_key(|(_, standing)| standing.priority);
        let tiers = ranked.chunk_by(|(_, one), (_, next)| one.priority == next.priority);
        let tiers: Vec<Tier<'_>> = tiers.map(|all| Tier::new(all, rules, now)).collect();
        let weight = |standing: &Standing| standing.weight(rules, now);
        let (mode, members) = if tiers.iter().all(|tier| rules.is_few(tier.well.len(), tier.all.len())) {
            let (mode, drawn) = in_need(&ranked, rules);
            (mode, drawn.into_iter().map(|(index, standing)| (index, weight(standing))).collect())
        } else {
            (Mode::Well, share_out(tiers, weight))
        };
        Self { until: next_change(standings, rules, now), ..Self::of(&members, mode) }
    }

    fn of(members: &[(u32, u64)], mode: Mode) -> Self {
        let unit = members.iter().fold(0, |unit, (_, weight)| gcd(unit, *weight)).max(1);
        let sums = members.iter().scan(0, |sum, (_, weight)| {
            *sum += weight / unit;
            Some(*sum)
        });
        Self {
            sums: sums.collect(),
            members: members.iter().map(|(index, _)| *index).collect(),
            mode,
            until: None,
        }
    }

    /// How many may be drawn.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether none may be drawn.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Draws one by weight; `bits` out of all 32-bit numbers alike.
    pub fn draw(&self, bits: u32) -> Option<usize> {
        self.index(self.draw_place(bits, None)?)
    }

    /// Those that may be drawn, with the weights they have now, relative to each other.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        let before = std::iter::once(0).chain(self.sums.iter().copied());
        let weights = self.sums.iter().zip(before).map(|(sum, before)| sum - before);
        self.members.iter().map(|index| *index as usize).zip(weights)
    }

    /// All weights together.
    pub(super) fn total(&self) -> u64 {
        self.sums.last().copied().unwrap_or(0)
    }

    /// The index of the member at a place.
    pub(super) fn index(&self, place: usize) -> Option<usize> {
        self.members.get(place).map(|index| *index as usize)
    }

    /// The weights before a place, and its own.
    pub(super) fn stretch(&self, place: usize) -> (u64, u64) {
        let sum = |place: usize| self.sums.get(place).copied().unwrap_or(0);
        let before = place.checked_sub(1).map_or(0, sum);
        (before, sum(place).saturating_sub(before))
    }

    /// The place that owns a point below [`total`](Self::total).
    pub(super) fn place_at(&self, point: u64) -> usize {
        // Equal weights are all 1: the usual case, and no search.
        if self.total() == self.sums.len() as u64 {
            return point as usize;
        }
        self.sums.partition_point(|sum| *sum <= point)
    }

    /// Draws a place by weight, any but `beside`: as if that one were not there.
    pub(super) fn draw_place(&self, bits: u32, beside: Option<usize>) -> Option<usize> {
        let (before, own) = beside.map_or((u64::MAX, 0), |place| self.stretch(place));
        let rest = self.total().checked_sub(own).filter(|rest| *rest > 0)?;
        let point = ((u128::from(bits) * u128::from(rest)) >> 32) as u64;
        Some(self.place_at(if point < before { point } else { point + own }))
    }
}

/// An index and who stands there.
type Ranked<'a> = (u32, &'a Standing);

/// The endpoints of one priority.
struct Tier<'a> {
    all: &'a [Ranked<'a>],
    /// Those that may be drawn.
    well: Vec<Ranked<'a>>,
}

impl<'a> Tier<'a> {
    fn new(all: &'a [Ranked<'a>], rules: &Rules, now: Instant) -> Self {
        let pick = |may: &dyn Fn(&Standing) -> bool| -> Vec<Ranked<'a>> {
            all.iter().filter(|(_, standing)| !standing.is_out(now) && may(standing)).copied().collect()
        };
        let known = pick(&|standing| match standing.health {
            Health::Unknown => !rules.checked,
            health => health == Health::Well,
        });
        if !rules.is_few(known.len(), all.len()) {
            return Self { all, well: known };
        }
        Self { all, well: pick(&|standing| standing.health != Health::Ill) }
    }

    /// What it can carry of all requests, in thousandths.
    fn capacity(&self) -> u64 {
        let share = self.well.len() as u64 * OVER_PROVISIONING / (self.all.len() as u64).max(1);
        share.min(WHOLE)
    }

    /// Those that may be drawn and stand in our zone, while they are enough; otherwise all that may be.
    fn nearest(mut self) -> Vec<Ranked<'a>> {
        let near = |list: &[Ranked<'_>]| list.iter().filter(|(_, standing)| standing.near).count();
        let (all, well) = (near(self.all), near(&self.well));
        if all >= NEAR && self.all.len() >= IN_ALL && well * 100 >= all * NEAR_PERCENT {
            self.well.retain(|(_, standing)| standing.near);
        }
        self.well
    }
}

/// Who is drawn from each tier, and with which weight.
fn share_out(tiers: Vec<Tier<'_>>, weight: impl Fn(&Standing) -> u64) -> Vec<(u32, u64)> {
    let mut rest = WHOLE;
    let mut members = Vec::new();
    for tier in tiers {
        let load = tier.capacity().min(rest);
        if load == 0 {
            continue;
        }
        let drawn: Vec<(u32, u64)> =
            tier.nearest().into_iter().map(|(index, standing)| (index, weight(standing))).collect();
        if load == WHOLE {
            return drawn;
        }
        rest -= load;
        let total = drawn.iter().map(|(_, weight)| weight).sum::<u64>().max(1);
        let scaled = |weight: u64| (weight * load * FINE / total).max(1);
        members.extend(drawn.into_iter().map(|(index, weight)| (index, scaled(weight))));
    }
    members
}

/// Who is drawn when too few are well. Without panic: those that were only ejected, because ejections empty nothing.
fn in_need<'a>(all: &[Ranked<'a>], rules: &Rules) -> (Mode, Vec<Ranked<'a>>) {
    let those = |may: &dyn Fn(&Standing) -> bool| -> Vec<Ranked<'a>> {
        all.iter().filter(|(_, standing)| may(standing)).copied().collect()
    };
    let drawn = match all {
        [_] => all.to_vec(),
        _ if rules.panic == 0 => those(&|standing| standing.health != Health::Ill),
        _ => Some(those(&|standing| !standing.refuses))
            .filter(|some| !some.is_empty())
            .unwrap_or_else(|| all.to_vec()),
    };
    (if drawn.is_empty() { Mode::Nobody } else { Mode::Panic }, drawn)
}

/// When it must be made anew: the next ejection ends, or somebody who is new has grown by a step.
///
/// Steps are counted from `now`, not from when each one came: ten thousand that came one after the other must not have it
/// made anew for each of them.
fn next_change(standings: &[Standing], rules: &Rules, now: Instant) -> Option<Instant> {
    let ends =
        standings.iter().filter_map(|standing| standing.ejected_until).filter(|until| now < *until).min();
    let is_new = |whole: &Duration| {
        standings.iter().any(|standing| now.saturating_duration_since(standing.since) < *whole)
    };
    let step = |whole: Duration| now.checked_add((whole / STEPS).max(STEP));
    [ends, rules.slow_start.filter(is_new).and_then(step)].into_iter().flatten().min()
}

/// Per cent of its weight that a new endpoint begins with.
const FLOOR: u128 = 10;
/// A slow start goes on in so many steps, …
const STEPS: u32 = 10;
/// … none shorter than this.
const STEP: Duration = Duration::from_millis(100);
/// All requests, in the unit of what a tier can carry.
const WHOLE: u64 = 1000;
/// What a tier of which all are well could carry: the others of a tier with two ill of seven make up for them.
const OVER_PROVISIONING: u64 = 1400;
/// Weights of tiers that share are multiplied by this, so that little is lost in dividing.
const FINE: u64 = 1 << 20;
/// So many must stand in our zone, …
const NEAR: usize = 2;
/// … so many must there be in the tier, …
const IN_ALL: usize = 6;
/// … and so many per cent of those in our zone must be well, for the others to be left alone.
const NEAR_PERCENT: usize = 70;

#[cfg(test)]
#[path = "lineup_tests.rs"]
mod tests;

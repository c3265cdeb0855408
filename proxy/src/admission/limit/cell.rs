//! One count, and what would be lost with it. Pure.
//!
//! Which kind it is follows from the key, that holds the algorithm. The rate is the limit's, asked each time: a count
//! outlives a change of it.

use super::ask::{Ask, Decision};
use super::gcra::{Bucket, Pace, capacity};
use super::window::{Bounds, Fixed, Sliding, Spending};
use crate::config::limit::{Algorithm, Queue};
use std::time::Duration;

/// A count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    count: Count,
    /// How many requests wait for their turn.
    waiting: u32,
    /// How much of it was spent when it was last asked: 65,535 = all.
    spent: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Bucket(Bucket),
    Fixed(Fixed),
    Sliding(Sliding),
}

/// A question at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) ask: &'a Ask<'a>,
    /// This process counts 1/`share`.
    pub(super) share: u32,
    /// The window; of no matter for buckets.
    pub(super) bounds: Bounds,
    /// Nanoseconds since 1970.
    pub(super) now: u64,
}

/// What goes first when there is no room: what is over first, and of equals what has spent least. So that keys which a
/// client makes up, of a limit that forgets within seconds, cannot push a quota of the day out.
pub(super) type Worth = (bool, u64, u16);

impl Turn<'_> {
    fn pace(&self) -> Pace {
        Pace::of(self.ask, self.share)
    }

    fn spending(&self) -> Spending {
        let share = self.ask.rate().amount / self.share.max(1);
        Spending { quota: share.max(self.ask.cost).max(1), cost: self.ask.cost }
    }
}

impl Cell {
    /// Nothing spent.
    pub(super) fn fresh(algorithm: Algorithm) -> Self {
        let count = match algorithm {
            Algorithm::TokenBucket => Count::Bucket(Bucket::default()),
            Algorithm::FixedWindow => Count::Fixed(Fixed::default()),
            Algorithm::SlidingWindow => Count::Sliding(Sliding::default()),
        };
        Self { count, waiting: 0, spent: 0 }
    }

    pub(super) fn take(&mut self, turn: &Turn<'_>) -> Decision {
        let decision = match &mut self.count {
            Count::Bucket(bucket) => bucket.take(&turn.pace(), turn.now),
            Count::Fixed(fixed) => fixed.take(turn.spending(), turn.bounds, turn.now),
            Count::Sliding(sliding) => sliding.take(turn.spending(), turn.bounds, turn.now),
        };
        self.note(turn, &decision);
        decision
    }

    pub(super) fn give_back(&mut self, turn: &Turn<'_>) {
        match &mut self.count {
            Count::Bucket(bucket) => bucket.give_back(&turn.pace()),
            Count::Fixed(fixed) => fixed.give_back(turn.ask.cost, turn.bounds),
            Count::Sliding(sliding) => sliding.give_back(turn.ask.cost, turn.bounds),
        }
    }

    /// As [`Self::take`], or its turn within the time that requests may wait, when there is a place to wait.
    pub(super) fn queue(
        &mut self,
        turn: &Turn<'_>,
        queue: Option<Queue>,
    ) -> Result<(Duration, Decision), Decision> {
        let has_place = queue.is_some_and(|queue| self.waiting < queue.length);
        let taken = match &mut self.count {
            Count::Bucket(bucket) if has_place => bucket.reserve(&turn.pace(), turn.now),
            _ => return immediate(self.take(turn)),
        };
        let (Ok((_, decision)) | Err(decision)) = &taken;
        self.note(turn, decision);
        if taken.is_ok_and(|(wait, _)| !wait.is_zero()) {
            self.waiting += 1;
        }
        taken
    }

    pub(super) fn leave_queue(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Whether it says nothing that a fresh one would not.
    pub(super) fn is_forgettable(&self, now: u64) -> bool {
        self.waiting == 0 && self.over_at() <= now
    }

    /// How much would be lost with it.
    pub(super) fn worth(&self) -> Worth {
        (self.waiting > 0, self.over_at(), self.spent)
    }

    fn over_at(&self) -> u64 {
        match self.count {
            Count::Bucket(bucket) => bucket.full_at(),
            Count::Fixed(fixed) => fixed.over_at(),
            Count::Sliding(sliding) => sliding.over_at(),
        }
    }

    fn note(&mut self, turn: &Turn<'_>, decision: &Decision) {
        let quota = capacity(turn.ask, turn.share);
        let spent =
            u64::from(quota.saturating_sub(decision.remaining)) * u64::from(u16::MAX) / u64::from(quota);
        self.spent = u16::try_from(spent).unwrap_or(u16::MAX);
    }
}

fn immediate(decision: Decision) -> Result<(Duration, Decision), Decision> {
    if decision.admitted { Ok((Duration::ZERO, decision)) } else { Err(decision) }
}

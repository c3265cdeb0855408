//! All counts of the process, for all its threads, bounded in memory.
//!
//! A table in up to 64 parts, each behind its own lock that is held for a look-up and a comparison. Time is passed in, as
//! nanoseconds since 1970; threads may be a little ahead of each other. It knows limits only by what is asked. The seed
//! of the table is random, and changes no decision.
//!
//! | room | what |
//! |--|--|
//! | a new key, room left | is added |
//! | a new key, its part full | takes the place of one that is over, or of the one of eight that has spent least |
//! | what is over | is freed by and by ([`Counters::purge`]) |

use super::ask::{Ask, Decision, Key};
use super::calendar::Calendar;
use super::cell::{Cell, Turn};
use super::shard::Shard;
use super::window::{Bounds, length};
use crate::config::limit::Algorithm;
use foldhash::fast::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most parts.
const SHARDS: usize = 64;
/// Fewest counts of a part, so that all parts are full at about the same time.
const FEWEST: usize = 1024;
/// How many parts one purge looks at.
const PURGED_SHARDS: usize = 16;
/// How many places of each.
const PURGED_PLACES: usize = 1024;

/// All counts.
#[derive(Debug)]
pub struct Counters {
    /// The first part; there is one at least.
    first: Padded,
    /// The other parts.
    others: Box<[Padded]>,
    /// Most counts of each part.
    most: usize,
    hash: RandomState,
    calendar: Calendar,
    /// The part that is purged next.
    next: AtomicUsize,
}

/// Parts share no line of the processor's cache.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(Mutex<Shard>);

/// What a request is told that may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// Go on.
    Now(Decision),
    /// Go on after this long; its turn is reserved, and it is counted among those who wait until
    /// [`Counters::leave_queue`].
    After(Duration, Decision),
    /// Its turn would come too late, or too many wait. Nothing was spent.
    Refused(Decision),
}

impl Counters {
    /// For at most so many keys, at least 1. A key takes some 110 bytes when all are in use.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        let shards = (most / FEWEST).clamp(1, SHARDS);
        Self {
            first: Padded::default(),
            others: (1..shards).map(|_| Padded::default()).collect(),
            most: most / shards,
            hash: RandomState::default(),
            calendar: Calendar::new(),
            next: AtomicUsize::new(0),
        }
    }

    /// Spends what is asked, or nothing. This process counts 1/`share` of the rate (1 = all of it): a bucket refills
    /// exactly that much slower; what it holds, and what a window lets through, is rounded down, but is at least what is
    /// asked.
    pub fn take(&self, ask: &Ask<'_>, share: u32, now: u64) -> Decision {
        let turn = self.turn(ask, share, now);
        self.change(&turn, |cell| cell.take(&turn))
    }

    /// Undoes a [`Self::take`] or a reserved turn. `now` should be that of the taking: what was taken from a window that
    /// is over is gone, and must not be given back to another.
    pub fn give_back(&self, ask: &Ask<'_>, share: u32, now: u64) {
        let turn = self.turn(ask, share, now);
        self.change_known(ask.key, |cell| cell.give_back(&turn));
    }

    /// Spends what is asked now or, if the limit has a queue, at its turn.
    pub fn queue(&self, ask: &Ask<'_>, now: u64) -> Queued {
        let turn = self.turn(ask, 1, now);
        match self.change(&turn, |cell| cell.queue(&turn, ask.limit.queue)) {
            Ok((wait, decision)) if wait.is_zero() => Queued::Now(decision),
            Ok((wait, decision)) => Queued::After(wait, decision),
            Err(decision) => Queued::Refused(decision),
        }
    }

    /// Somebody who waited does so no longer: its turn came, or it left. Who left before its turn also
    /// [gives back](Self::give_back).
    pub fn leave_queue(&self, ask: &Ask<'_>, _now: u64) {
        self.change_known(ask.key, Cell::leave_queue);
    }

    /// Frees some of what is over: looks at 16 parts and 1024 places of each, some 0.1 ms. To be called now and then,
    /// about once a second.
    pub fn purge(&self, now: u64) {
        for _ in 0..PURGED_SHARDS.min(self.shards()) {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            self.lock(next).sweep(PURGED_PLACES, now, &self.hash);
        }
    }

    /// How many keys are counted.
    pub fn len(&self) -> usize {
        (0..self.shards()).map(|shard| self.lock(shard).len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes the count of a key, or a new one that is kept if anything was spent.
    fn change<T>(&self, turn: &Turn<'_>, act: impl FnOnce(&mut Cell) -> T) -> T {
        let (key, algorithm) = (turn.ask.key, turn.ask.limit.algorithm);
        let hash = self.hash.hash_one(key.0);
        let mut shard = self.shard_of(hash);
        if let Some(cell) = shard.find(hash, key) {
            return act(cell);
        }
        let mut cell = Cell::fresh(algorithm);
        let answer = act(&mut cell);
        if cell != Cell::fresh(algorithm) {
            if shard.len() >= self.most {
                shard.make_room(turn.now);
            }
            shard.insert(&self.hash, key, cell);
        }
        answer
    }

    fn change_known(&self, key: Key, act: impl FnOnce(&mut Cell)) {
        let hash = self.hash.hash_one(key.0);
        if let Some(cell) = self.shard_of(hash).find(hash, key) {
            act(cell);
        }
    }

    fn turn<'a>(&self, ask: &'a Ask<'a>, share: u32, now: u64) -> Turn<'a> {
        let bounds = match ask.limit.algorithm {
            Algorithm::TokenBucket => Bounds::default(),
            Algorithm::FixedWindow => self.calendar.bounds(&ask.rate().window, now),
            Algorithm::SlidingWindow => Bounds::every(length(&ask.rate().window), now),
        };
        Turn { ask, share, bounds, now }
    }

    fn shards(&self) -> usize {
        self.others.len() + 1
    }

    /// The part of a hash. The table in it uses the lowest and the highest bits.
    fn shard_of(&self, hash: u64) -> MutexGuard<'_, Shard> {
        self.lock((hash >> 32) as usize)
    }

    fn lock(&self, number: usize) -> MutexGuard<'_, Shard> {
        let shard = (number % self.shards()).checked_sub(1).and_then(|index| self.others.get(index));
        shard.unwrap_or(&self.first).0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "counters_tests.rs"]
mod tests;

//! Places inside, and the line of those who wait for one. Pure: it wakes nobody, it says who is to be woken.
//!
//! How many are inside and how many wait are one atomic, so that with nobody waiting one enters and leaves without a lock,
//! and newcomers cannot overtake. As long as somebody waits everything happens under the lock of the line.
//!
//! | | nobody waits | somebody waits |
//! |--|--|--|
//! | a newcomer | enters if there is a place; waits if not | waits, unless the line is full |
//! | one inside leaves | its place is free | it goes to the first of the line, if the limit still allows |
//! | one who waits gives up | – | leaves the line; whoever was called already passes the place on |
//! | the limit changes | holds from the next on | as many are called as have room now |
//!
//! A lower limit turns nobody out: places that become free are not given away until there are few enough inside.

use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Those who are called in; to be woken after the call.
pub(super) type Called<T> = SmallVec<[T; 1]>;

/// One inside; those who wait are counted by ones below.
const INSIDE: u64 = 1 << 32;

/// The places; `T` is what wakes one who waits.
#[derive(Debug)]
pub(super) struct Seats<T> {
    /// Inside (upper half) and waiting (lower half).
    load: AtomicU64,
    limit: AtomicU32,
    line: Mutex<Line<T>>,
}

#[derive(Debug)]
struct Line<T> {
    /// In the order in which they came, so their numbers rise.
    waiting: VecDeque<(u64, T)>,
    ever: u64,
}

/// What becomes of one who would wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    /// There is a place after all.
    Seated,
    /// Its number in the line.
    Waits(u64),
    /// Nobody more may wait.
    Full,
}

impl<T> Seats<T> {
    /// A place, if there is one and nobody waits.
    pub(super) fn try_enter(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let enter = |load| (waiting(load) == 0 && inside(load) < limit).then_some(load + INSIDE);
        self.load.fetch_update(Ordering::AcqRel, Ordering::Relaxed, enter).is_ok()
    }

    /// A place, or one in the line of `most`; `token` wakes whoever gets it.
    pub(super) fn join(&self, most: u32, token: T) -> Joined {
        let mut line = self.line();
        let limit = self.limit.load(Ordering::Relaxed);
        let joined = self.load.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |load| {
            if waiting(load) == 0 && inside(load) < limit {
                return Some(load + INSIDE);
            }
            (waiting(load) < most).then_some(load + 1)
        });
        match joined {
            Err(_) => Joined::Full,
            Ok(load) if waiting(load) == 0 && inside(load) < limit => Joined::Seated,
            Ok(_) => {
                line.ever += 1;
                let number = line.ever;
                line.waiting.push_back((number, token));
                Joined::Waits(number)
            }
        }
    }

    /// Whether `number` still waits; if so, `renew` may change what wakes it. If not, it has a place.
    pub(super) fn waits(&self, number: u64, renew: impl FnOnce(&mut T)) -> bool {
        let mut line = self.line();
        let found = line.find(number).and_then(|place| line.waiting.get_mut(place));
        found.map(|(_, token)| renew(token)).is_some()
    }

    /// `number` waits no more; if it was called already, its place goes to the next.
    pub(super) fn give_up(&self, number: u64) -> Called<T> {
        let mut line = self.line();
        let Some(place) = line.find(number) else {
            drop(line);
            return self.leave();
        };
        // The token is dropped after the lock is free: what it drops with it may be one who waits, too.
        let gone = line.waiting.remove(place);
        self.load.fetch_sub(1, Ordering::AcqRel);
        drop(line);
        drop(gone);
        Called::new()
    }

    /// One inside leaves.
    pub(super) fn leave(&self) -> Called<T> {
        let alone = |load| (waiting(load) == 0).then_some(load.saturating_sub(INSIDE));
        if self.load.fetch_update(Ordering::AcqRel, Ordering::Relaxed, alone).is_ok() {
            return Called::new();
        }
        let mut line = self.line();
        self.load.fetch_sub(INSIDE, Ordering::AcqRel);
        self.call(&mut line)
    }

    /// How many may be inside from now on.
    pub(super) fn set_limit(&self, limit: u32) -> Called<T> {
        if self.limit.load(Ordering::Relaxed) == limit {
            return Called::new();
        }
        let mut line = self.line();
        self.limit.store(limit, Ordering::Relaxed);
        self.call(&mut line)
    }

    /// How many are inside, and how many wait.
    pub(super) fn load(&self) -> (u32, u32) {
        let load = self.load.load(Ordering::Relaxed);
        (inside(load), waiting(load))
    }

    /// Gives free places to the first of the line.
    fn call(&self, line: &mut Line<T>) -> Called<T> {
        let limit = self.limit.load(Ordering::Relaxed);
        let enter = |load| (waiting(load) > 0 && inside(load) < limit).then(|| load + INSIDE - 1);
        let mut called = Called::new();
        while self.load.fetch_update(Ordering::AcqRel, Ordering::Relaxed, enter).is_ok() {
            called.extend(line.waiting.pop_front().map(|(_, token)| token));
        }
        called
    }

    fn line(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Seats<T> {
    fn default() -> Self {
        let line = Mutex::new(Line { waiting: VecDeque::new(), ever: 0 });
        Self { load: AtomicU64::new(0), limit: AtomicU32::new(0), line }
    }
}

impl<T> Line<T> {
    fn find(&self, number: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&number, |(number, _)| *number).ok()
    }
}

const fn inside(load: u64) -> u32 {
    (load >> 32) as u32
}

const fn waiting(load: u64) -> u32 {
    load as u32
}

#[cfg(test)]
#[path = "seats_tests.rs"]
mod tests;

//! Passports whose requests the application is answering: only those it may hand on. Shared by all workers.
//!
//! | passport                 | becomes      | when                                       |
//! |--------------------------|--------------|--------------------------------------------|
//! | unknown                  | in flight, 1 | a request with it goes to the application  |
//! | in flight, n             | n + 1, n − 1 | another one does; one has ended            |
//! | in flight, 0             | unknown      | after the grace of 2 s, or when it expires |
//!
//! Locks are held for a look-up, by shards, so workers rarely meet.

use super::evidence::Carried;
use super::passport::SKEW;
use crate::clock;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use http::HeaderValue;
use portcullis_ca::time::Timestamp;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long after its request has ended a passport may still be handed on.
pub const GRACE: Duration = Duration::from_secs(2);
/// Shards; a power of two.
const SHARDS: usize = 16;
/// Passports of one shard. Beyond it a new one is not taken note of, and cannot be handed on.
const MOST: usize = 8192;

/// Passports in flight.
#[derive(Debug)]
pub struct InFlight {
    shards: [Mutex<HashMap<HeaderValue, Entry, RandomState>>; SHARDS],
    hash: RandomState,
}

#[derive(Debug)]
struct Entry {
    carried: Arc<Carried>,
    active: u32,
    /// When the last request ended; of no meaning while some are active.
    ended: Instant,
}

/// One request in flight; dropping it takes it off.
#[derive(Debug)]
pub struct Ticket {
    in_flight: Arc<InFlight>,
    passport: HeaderValue,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hash: RandomState::default() }
    }
}

impl InFlight {
    /// Takes note of a request that goes to the application. `None`: there are too many.
    pub fn enter(self: &Arc<Self>, carried: &Arc<Carried>, now: Instant) -> Option<Ticket> {
        let mut shard = self.shard(&carried.passport);
        if let Some(entry) = shard.get_mut(&carried.passport) {
            entry.active += 1;
            // The newest hands count: with the way it came by goes whom it can be handed on by.
            if entry.carried.stamps != carried.stamps {
                entry.carried = Arc::clone(carried);
            }
        } else {
            if shard.len() >= MOST {
                shard.retain(|_, entry| entry.lives(now));
            }
            if shard.len() >= MOST {
                return None;
            }
            let entry = Entry { carried: Arc::clone(carried), active: 1, ended: now };
            shard.insert(carried.passport.clone(), entry);
        }
        drop(shard);
        Some(Ticket { in_flight: Arc::clone(self), passport: carried.passport.clone() })
    }

    /// The passport an application wants to hand on; `None`: it may not.
    pub fn find(&self, passport: &HeaderValue, now: Instant, wall: Timestamp) -> Option<Arc<Carried>> {
        let shard = self.shard(passport);
        let entry = shard.get(passport)?;
        (entry.lives(now) && wall.0 <= entry.carried.expires.0.saturating_add(SKEW))
            .then(|| Arc::clone(&entry.carried))
    }

    /// Forgets what is over.
    pub fn purge(&self, now: Instant) {
        for shard in &self.shards {
            lock(shard).retain(|_, entry| entry.lives(now));
        }
    }

    fn leave(&self, passport: &HeaderValue, now: Instant) {
        if let Some(entry) = self.shard(passport).get_mut(passport) {
            entry.active = entry.active.saturating_sub(1);
            entry.ended = now;
        }
    }

    fn shard(&self, passport: &HeaderValue) -> MutexGuard<'_, HashMap<HeaderValue, Entry, RandomState>> {
        let hash = self.hash.hash_one(passport.as_bytes());
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        match self.shards.get(index) {
            Some(shard) => lock(shard),
            // There is always one: the array is as long as the divisor.
            None => lock(&self.shards[0]),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entry {
    fn lives(&self, now: Instant) -> bool {
        self.active > 0 || now.saturating_duration_since(self.ended) < GRACE
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.in_flight.leave(&self.passport, clock::now());
    }
}

#[cfg(test)]
#[path = "in_flight_tests.rs"]
mod tests;

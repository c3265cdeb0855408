//! How often something may be done: token buckets, one for all or one for each of many.
//!
//! | a bucket is | a question is |
//! |--|--|
//! | full, nothing is kept of it | let through |
//! | not full | let through while fewer than `burst` are owed, else told when to come back |
//!
//! A bucket is kept as the one moment at which it is full again (GCRA, ITU-T I.371): so a forgotten bucket and a full
//! one are the same. Pure: it must not know a clock, who asks, or what for.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// One each `every`, and up to `burst` at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    every: Duration,
    burst: u32,
}

impl Rate {
    /// One each `every`, up to `burst` at once; a burst of 0 counts as 1.
    pub(super) fn new(every: Duration, burst: u32) -> Self {
        Self { every, burst: burst.max(1) }
    }

    /// So many in a second, all of them at once if need be; 0 counts as 1.
    pub(super) fn per_second(count: u32) -> Self {
        Self::new(Duration::from_secs(1) / count.max(1), count)
    }

    fn capacity(&self) -> Duration {
        self.every.saturating_mul(self.burst)
    }
}

/// One bucket. A new one is full.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// The bucket after one was taken out now; `Err`: nothing is left, come back after so long.
    pub(super) fn after_one(self, rate: &Rate, now: Instant) -> Result<Self, Duration> {
        let owed = self.owed(now).saturating_add(rate.every);
        match owed.checked_sub(rate.capacity()) {
            None | Some(Duration::ZERO) => Ok(Self { full_at: now.checked_add(owed) }),
            Some(wait) => Err(wait),
        }
    }

    /// Takes one out; `Err`: nothing is left, come back after so long.
    pub(super) fn take(&mut self, rate: &Rate, now: Instant) -> Result<(), Duration> {
        *self = self.after_one(rate, now)?;
        Ok(())
    }

    fn owed(&self, now: Instant) -> Duration {
        self.full_at.map_or(Duration::ZERO, |full_at| full_at.saturating_duration_since(now))
    }
}

/// A bucket for each of many, at most `most` of them that are not full.
#[derive(Debug)]
pub(super) struct Keyed<K> {
    rate: Rate,
    most: usize,
    buckets: HashMap<K, Bucket>,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    /// All full.
    pub(super) fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most, buckets: HashMap::new() }
    }

    /// The bucket of `key` after one was taken out now, to be put in its place by [`Self::put`]; `Err`: come back after
    /// so long.
    pub(super) fn after_one(&mut self, key: &K, now: Instant) -> Result<Bucket, Duration> {
        let bucket = self.buckets.get(key).copied();
        if bucket.is_none() && self.buckets.len() >= self.most {
            self.buckets.retain(|_, bucket| !bucket.owed(now).is_zero());
            // Everybody else is busy too: whoever comes now waits like them.
            if self.buckets.len() >= self.most {
                return Err(self.rate.every);
            }
        }
        bucket.unwrap_or_default().after_one(&self.rate, now)
    }

    /// Replaces the bucket of `key`.
    pub(super) fn put(&mut self, key: &K, bucket: Bucket) {
        self.buckets.insert(key.clone(), bucket);
    }
}

#[cfg(test)]
#[path = "limit_tests.rs"]
mod tests;

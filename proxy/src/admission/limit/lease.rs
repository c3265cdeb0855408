//! Leases: a process takes some of a shared count ahead and decides by itself while they last. Pure: `now` is passed
//! in, in nanoseconds since 1970 as counters take it; what has to be asked is an answer, not an act.
//!
//! | lease | a request of cost c | answer |
//! |--|--|--|
//! | holds c or more, in time | spends c | [`Spent::Here`]; `refill` when what is left is under 40 % of the last grant, two or more would be asked for, and nobody is asking |
//! | holds less, or is out of time, or there is none | spends nothing | [`Spent::Empty`] |
//!
//! **Size.** n = clamp(rate seen × 50 ms, 1, max(1, ⌊amount × 5 % ÷ instances⌋)). The rate is seen between one grant and
//! the next and halved into the one before. A key that is asked rarely has n = 1, is never filled ahead, and costs a
//! question each time: exact. So does every limit of fewer than 20 × instances.
//!
//! **End.** A lease ends after min(window, 1 s), counted from before it was asked for; of a fixed window also with that
//! window: what was counted in one is never spent in the next. What is left then is handed out to be given back
//! ([`Leases::lapsed`]), except of a fixed window, where it would lower the count of the next.
//!
//! **How wrong.** Only one worker fills a key at a time; others take just what they need meanwhile. A process so holds
//! at most what was left when it began to ask, under 40 % of a cap, and one cap more. With i processes:
//!
//! - held = i × (⌈0.4 × cap⌉ - 1 + cap), cap = max(1, ⌊amount × 5 % ÷ i⌋); 0 if the cap is 1. At most 7 % of the amount.
//! - *under use*: somebody may be refused although so much is unspent elsewhere; it is given back within a second.
//! - *overshoot*: every unit is counted before it is spent, so over time never more than the limit is admitted. Of a
//!   fixed window it is 0. Of the others, what is held was counted up to a second before it is spent, so that any
//!   one stretch of time may see so much more.
//!
//! A question that is lost with a store that fails costs its n until the count has recovered: under use, never overshoot.

use super::ask::{Ask, Decision, Key};
use super::redis::Granted;
use crate::config::limit::{Algorithm, Limit, Rate, Window};
use hashbrown::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How much of the future one lease is for.
const AHEAD: u64 = 50_000_000;
/// The share of an amount that all processes together may be granted at once, percent.
const SHARE: u64 = 5;
/// What is left, in percent of the last grant, from which on more is asked for.
const LOW: u64 = 40;
/// The longest life of a lease.
const LONGEST: u64 = SECOND;
/// A refill that has not ended by then is believed lost.
const LOST: u64 = SECOND;
const SECOND: u64 = 1_000_000_000;
/// From how long on a rate can be seen.
const NOTICE: u64 = 10_000_000;
/// Parts the table is locked in.
const SHARDS: usize = 16;

/// Units and their end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Batch {
    left: u32,
    expires: u64,
}

/// What is left of what was granted: the last grant, and what was there before it, which is spent first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lease {
    older: Batch,
    newer: Batch,
    /// The last grant.
    size: u32,
    /// Asked for since [`Self::since`], spent or not.
    seen: u64,
    since: u64,
    /// Thousandths per second.
    rate: u64,
    /// Until when somebody is believed to ask for more.
    filling: u64,
}

/// The answer of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// It is spent.
    Here {
        /// More should be asked for; the lease now believes that it is.
        refill: bool,
    },
    /// Nothing is spent: ask.
    Empty,
}

impl Lease {
    /// Spends. `most` is [`cap`].
    pub fn spend(&mut self, now: u64, cost: u32, most: u32) -> Spent {
        if self.since == 0 {
            self.since = now;
        }
        self.seen = self.seen.saturating_add(u64::from(cost));
        let Some(left) = self.left(now).checked_sub(cost) else { return Spent::Empty };
        let old = if now < self.older.expires { self.older.left.min(cost) } else { 0 };
        self.older.left -= old;
        self.newer.left -= cost - old;
        let low = u64::from(left) * 100 < u64::from(self.size) * LOW;
        let wanted = self.wanted(now, most);
        Spent::Here { refill: low && wanted > 1 && wanted >= cost && self.fill(now) }
    }

    /// What can be spent.
    pub fn left(&self, now: u64) -> u32 {
        let of = |batch: &Batch| if now < batch.expires { batch.left } else { 0 };
        of(&self.older).saturating_add(of(&self.newer))
    }

    /// How much to ask for: n of the page.
    pub fn wanted(&self, now: u64, most: u32) -> u32 {
        let n = u128::from(self.rate(now)) * u128::from(AHEAD) / u128::from(SECOND) / 1000;
        u32::try_from(n).unwrap_or(u32::MAX).clamp(1, most.max(1))
    }

    /// Takes in what was granted until `expires`. What was out of time is the answer.
    pub fn granted(&mut self, now: u64, n: u32, expires: u64) -> u32 {
        let lapsed = self.lapse(now);
        if now.saturating_sub(self.since) >= NOTICE {
            (self.rate, self.seen, self.since) = (self.rate(now), 0, now);
        }
        if n > 0 {
            let before = self.older.left.saturating_add(self.newer.left);
            let ends = if self.older.left > 0 { self.older.expires } else { self.newer.expires };
            self.older = Batch { left: before, expires: ends };
            self.newer = Batch { left: n, expires };
            self.size = n;
        }
        lapsed
    }

    /// Takes out what is out of time.
    pub fn lapse(&mut self, now: u64) -> u32 {
        let of = |batch: &mut Batch| if now < batch.expires { 0 } else { std::mem::take(&mut batch.left) };
        of(&mut self.older).saturating_add(of(&mut self.newer))
    }

    /// Begins to ask for more, unless somebody does.
    fn fill(&mut self, now: u64) -> bool {
        let free = now >= self.filling;
        if free {
            self.filling = now.saturating_add(LOST);
        }
        free
    }

    /// Thousandths per second.
    fn rate(&self, now: u64) -> u64 {
        let passed = now.saturating_sub(self.since);
        if passed < NOTICE {
            return self.rate;
        }
        let fresh = u128::from(self.seen) * 1000 * u128::from(SECOND) / u128::from(passed);
        let fresh = u64::try_from(fresh).unwrap_or(u64::MAX);
        // After a second of its own, what was before says nothing.
        if passed >= SECOND { fresh } else { fresh.midpoint(self.rate) }
    }
}

/// The most a process is granted at once: 5 % of the amount, divided by the processes; at least 1.
pub fn cap(rate: &Rate, instances: u32) -> u32 {
    let share = u64::from(rate.amount) * SHARE / 100 / u64::from(instances.max(1));
    u32::try_from(share).unwrap_or(u32::MAX).max(1)
}

/// How wrong a leased limit may be at worst, in units of its amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worst {
    /// So much may be unspent elsewhere when somebody is refused.
    pub under_use: u64,
    /// So much more may be admitted within one stretch of time.
    pub overshoot: u64,
}

/// The derivation is on the page of this file. `tier` as in [`Ask`].
pub fn worst_case(limit: &Limit, tier: usize, instances: u32) -> Worst {
    let rate = Ask { limit, tier, key: Key(0), cost: 1 };
    let cap = u64::from(cap(rate.rate(), instances));
    let each = if cap == 1 { 0 } else { (cap * LOW).div_ceil(100) - 1 + cap };
    let held = each * u64::from(instances.max(1));
    let overshoot = if limit.algorithm == Algorithm::FixedWindow { 0 } else { held };
    Worst { under_use: held, overshoot }
}

/// The leases of a process; all workers share them.
#[derive(Debug)]
pub struct Leases {
    shards: [Mutex<HashMap<Key, Entry>>; SHARDS],
    /// Most of one shard.
    most: usize,
}

#[derive(Debug)]
struct Entry {
    lease: Lease,
    limit: Arc<str>,
    tier: usize,
    /// Whether what is left may be given back when its time is over.
    returns: bool,
    /// When it was last asked.
    asked: u64,
    /// What is to be given back.
    back: u32,
    /// What the store said last.
    remaining: u32,
    full_at: u64,
}

/// Something to ask the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How much to reserve; the cost of the request or more.
    pub n: u32,
    /// Before it was asked.
    asked: u64,
    /// Whether others take only what they need meanwhile.
    fills: bool,
}

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leased {
    /// It is admitted.
    Here {
        /// For the headers of the answer.
        decision: Decision,
        /// To be asked in the background, for [`Leases::refilled`] or [`Leases::failed`].
        refill: Option<Request>,
    },
    /// To be asked now, for [`Leases::granted`] or [`Leases::failed`].
    Ask(Request),
}

/// What has to be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsed {
    /// The name of the limit.
    pub limit: Arc<str>,
    /// As in [`Ask`].
    pub tier: usize,
    /// Whose count.
    pub key: Key,
    /// How much.
    pub n: u32,
}

impl Leases {
    /// Holds at most about `most` leases; keys beyond them are decided by the store each time.
    pub fn new(most: usize) -> Self {
        Self { shards: Default::default(), most: most.div_ceil(SHARDS).max(1) }
    }

    /// Spends from the lease of a key, or says what to ask.
    pub fn spend(&self, ask: &Ask<'_>, instances: u32, now: u64) -> Leased {
        let most = cap(ask.rate(), instances);
        let exactly = Request { n: ask.cost, asked: now, fills: false };
        let mut shard = self.shard(ask.key);
        if shard.len() >= self.most && !shard.contains_key(&ask.key) {
            return Leased::Ask(exactly);
        }
        let entry = shard.entry(ask.key).or_insert_with(|| Entry::new(ask));
        entry.asked = now;
        let spent = entry.lease.spend(now, ask.cost, most);
        let ahead = Request { n: entry.lease.wanted(now, most), asked: now, fills: true };
        match spent {
            Spent::Here { refill } => {
                Leased::Here { decision: entry.admitted(now), refill: refill.then_some(ahead) }
            }
            // A cost above the low water is asked for alone: what is left and too little for it stays.
            Spent::Empty
                if ahead.n > ask.cost
                    && u64::from(ask.cost) * 100 <= u64::from(most) * LOW
                    && entry.lease.fill(now) =>
            {
                Leased::Ask(ahead)
            }
            Spent::Empty => Leased::Ask(exactly),
        }
    }

    /// What [`Leased::Ask`] has brought; spends the cost.
    pub fn granted(&self, ask: &Ask<'_>, request: Request, granted: &Granted, now: u64) -> Decision {
        let Granted { n, remaining, reset_after, retry_after } = *granted;
        let rest = if n > 0 { n.checked_sub(ask.cost) } else { None };
        let held = self.keep(ask, request, &Granted { n: rest.unwrap_or(0), ..*granted }, now);
        let remaining = if rest.is_some() { remaining.saturating_add(held) } else { remaining };
        Decision { admitted: rest.is_some(), remaining, reset_after, retry_after }
    }

    /// What a refill in the background has brought.
    pub fn refilled(&self, ask: &Ask<'_>, request: Request, granted: &Granted, now: u64) {
        self.keep(ask, request, granted, now);
    }

    /// The store has not answered.
    pub fn failed(&self, key: Key, request: Request) {
        if let Some(entry) = self.shard(key).get_mut(&key) {
            entry.end(request);
        }
    }

    /// Takes out what has to be given back, and forgets keys that have nothing and were not asked for a second. To be
    /// called about once a second.
    pub fn lapsed(&self, now: u64) -> Vec<Lapsed> {
        let mut out = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|key, entry| {
                let n = entry.lease.lapse(now);
                entry.lapsed(n);
                let n = std::mem::take(&mut entry.back);
                if n > 0 {
                    out.push(Lapsed { limit: entry.limit.clone(), tier: entry.tier, key: *key, n });
                }
                let idle = now.saturating_sub(entry.asked) >= SECOND;
                !idle || now < entry.lease.filling || entry.lease.left(now) > 0
            });
        }
        out
    }

    /// How many keys are known.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts `granted` into the lease; how much it holds then. Without a place in the table it is lost: under use.
    fn keep(&self, ask: &Ask<'_>, request: Request, granted: &Granted, now: u64) -> u32 {
        let mut shard = self.shard(ask.key);
        let Some(entry) = shard.get_mut(&ask.key) else { return 0 };
        let lapsed = entry.lease.granted(now, granted.n, expiry(ask, granted, request.asked));
        entry.lapsed(lapsed);
        entry.end(request);
        entry.remaining = granted.remaining;
        entry.full_at = request.asked.saturating_add(nanos(granted.reset_after));
        entry.lease.left(now)
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, HashMap<Key, Entry>> {
        let [first, ..] = &self.shards;
        // Always one of them: the last four bits of a digest.
        let shard = self.shards.get((key.0 & (SHARDS as u128 - 1)) as usize).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(ask: &Ask<'_>) -> Self {
        Self {
            lease: Lease::default(),
            limit: ask.limit.name.clone(),
            tier: ask.tier,
            returns: ask.limit.algorithm != Algorithm::FixedWindow,
            asked: 0,
            back: 0,
            remaining: 0,
            full_at: 0,
        }
    }

    fn admitted(&self, now: u64) -> Decision {
        Decision {
            admitted: true,
            remaining: self.remaining.saturating_add(self.lease.left(now)),
            reset_after: Duration::from_nanos(self.full_at.saturating_sub(now)),
            retry_after: Duration::ZERO,
        }
    }

    /// `n` units are out of time.
    fn lapsed(&mut self, n: u32) {
        if self.returns {
            self.back = self.back.saturating_add(n);
        }
    }

    /// What was asked for has ended.
    fn end(&mut self, request: Request) {
        if request.fills {
            self.lease.filling = 0;
        }
    }
}

/// When what was granted ends; see the page.
fn expiry(ask: &Ask<'_>, granted: &Granted, asked: u64) -> u64 {
    let window = match &ask.rate().window {
        Window::Every(length) => nanos(*length),
        Window::Day(_) | Window::Month(_) => LONGEST,
    };
    let life = match ask.limit.algorithm {
        Algorithm::FixedWindow => window.min(nanos(granted.reset_after)),
        Algorithm::TokenBucket | Algorithm::SlidingWindow => window,
    };
    asked.saturating_add(life.min(LONGEST))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;

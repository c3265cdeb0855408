//! `limits:`: how often somebody may ask.

use http::HeaderName;
use std::sync::Arc;
use std::time::Duration;

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What routes, headers and metrics call it.
    pub name: Arc<str>,
    /// What is counted together: requests that agree in all of these; at least one, each once.
    pub key: Vec<KeyPart>,
    /// How is counted.
    pub algorithm: Algorithm,
    /// How much for whom.
    pub rates: Rates,
    /// Where is counted.
    pub scope: Scope,
    /// Requests wait for their turn instead of being refused; only with the token bucket of one instance.
    pub queue: Option<Queue>,
}

/// A part of what requests have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyPart {
    /// The client's address as far as it is believed; of IPv6 the first 64 bits.
    Ip,
    /// The authenticated user.
    User,
    /// The member of the mesh that asks.
    Peer,
    /// The id of the API key.
    ApiKey,
    /// The value of a header.
    Header(HeaderName),
    /// The route.
    Route,
}

/// How is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Refills evenly, holds at most `burst` (GCRA).
    TokenBucket,
    /// So many in each window; windows begin at multiples of their length since 1970, or with the calendar.
    FixedWindow,
    /// So many in any window, estimated from the two windows it overlaps.
    SlidingWindow,
}

/// How much for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    /// For callers of no tier, or of one that is not listed.
    pub default: Rate,
    /// For callers of a tier.
    pub tiers: Vec<(Box<str>, Rate)>,
}

impl Rates {
    /// The rate of a tier, and its place: 0 is the default.
    pub fn of(&self, tier: Option<&str>) -> (usize, &Rate) {
        let found = tier.and_then(|tier| self.tiers.iter().position(|(name, _)| **name == *tier));
        found.and_then(|index| Some((index + 1, &self.tiers.get(index)?.1))).unwrap_or((0, &self.default))
    }
}

/// So many in so much time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many, 1 … 2^32-1.
    pub amount: u32,
    /// In how much time.
    pub window: Window,
    /// How many at once, at least 1; of windows the same as `amount`.
    pub burst: u32,
}

/// A stretch of time that is counted in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Window {
    /// A length, 1 ms … 31 days.
    Every(Duration),
    /// A day of the calendar in this time zone (a name of the IANA database).
    Day(Arc<str>),
    /// A month of the calendar in this time zone.
    Month(Arc<str>),
}

/// Where is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Each process for itself.
    Instance,
    /// All processes together, in the store.
    Global(Sharing),
}

/// How processes share a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// Each decision is the store's.
    Exact,
    /// Each process takes some from the store ahead, and decides by itself while they last.
    Leased,
}

/// Requests that wait for their turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Queue {
    /// How many may wait for one key, at least 1.
    pub length: u32,
    /// How long each may wait.
    pub wait: Duration,
}

/// A limit that a route asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spend {
    /// Its index in the configuration.
    pub limit: usize,
    /// What one request costs, at least 1 and at most the smallest burst of the limit. Default 1.
    pub cost: u32,
}

impl Limit {
    /// Whether it can be asked before anybody is authenticated, and protects what authentication costs.
    pub fn is_flood(&self) -> bool {
        let known_early = |part: &KeyPart| {
            matches!(part, KeyPart::Ip | KeyPart::Peer | KeyPart::Route | KeyPart::Header(_))
        };
        self.scope == Scope::Instance && self.queue.is_none() && self.key.iter().all(known_early)
    }
}

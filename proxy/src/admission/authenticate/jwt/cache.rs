//! Remembers which tokens were verified, so that the same one again costs a hash. One per worker. Pure: time and the
//! secret are passed in.
//!
//! A token is kept as the first half of its HMAC-SHA-256 under a secret of the worker: memory does not show
//! tokens, and nobody outside can aim at a place. Only what was verified is kept, so strangers cannot fill it.
//!
//! | entry | ends |
//! |--|--|
//! | verified | when the token does, but at the latest after a minute |
//! | | with the generation (of keys and configuration) it was verified under |
//! | | when a newer one needs its place: of the four places a token can have, the one used least recently |
//!
//! Places are made when the first token comes.

use crate::admission::authenticate::Caller;
use aws_lc_rs::hmac;
use portcullis_ca::time::Timestamp;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Most entries: some 300 KiB, and the callers.
pub const MOST: usize = 4096;
/// Places a token can have.
const WAYS: usize = 4;
/// How long a verdict holds at most.
const HOLDS: Duration = Duration::from_secs(60);

/// A token as it was shown.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// By which provider it is judged.
    pub provider: usize,
    /// Of the keys and the configuration of that provider; verdicts under another one do not count.
    pub generation: u64,
    /// The token.
    pub token: &'a str,
}

/// Remembers verified tokens.
pub struct TokenCache {
    secret: hmac::Key,
    places: RefCell<Places>,
}

#[derive(Default)]
struct Places {
    /// Empty, or [`MOST`].
    slots: Vec<Option<Entry>>,
    /// Counts look-ups: orders uses.
    uses: u64,
}

struct Entry {
    tag: Tag,
    generation: u64,
    from: Timestamp,
    until: Timestamp,
    used: u64,
    caller: Arc<Caller>,
}

/// Which token, judged by which provider.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tag {
    token: [u8; 16],
    provider: usize,
}

impl Entry {
    /// A clock that was set back ends it as well.
    fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

impl TokenCache {
    /// Remembers nothing. `secret`: 32 random bytes of this worker.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { secret: hmac::Key::new(hmac::HMAC_SHA256, secret), places: RefCell::default() }
    }

    /// Whom this token was found to name, if that still holds at `now`. Allocates nothing.
    pub fn get(&self, shown: Shown<'_>, now: Timestamp) -> Option<Arc<Caller>> {
        let tag = self.tag(shown);
        let mut places = self.places.borrow_mut();
        places.uses = places.uses.wrapping_add(1);
        let used = places.uses;
        let known =
            |entry: &&mut Entry| entry.tag == tag && entry.generation == shown.generation && entry.holds(now);
        let entry = places.ways(tag)?.iter_mut().flatten().find(known)?;
        entry.used = used;
        Some(Arc::clone(&entry.caller))
    }

    /// Remembers whom a token that was verified at `now` names.
    pub fn put(&self, shown: Shown<'_>, caller: Arc<Caller>, now: Timestamp) {
        let until = caller.expires.map_or(now.after(HOLDS), |expires| expires.min(now.after(HOLDS)));
        if until <= now {
            return;
        }
        let tag = self.tag(shown);
        let mut places = self.places.borrow_mut();
        if places.slots.is_empty() {
            places.slots.resize_with(MOST, || None);
        }
        let used = places.uses;
        let Some(ways) = places.ways(tag) else { return };
        // Its own place first, then an empty or a dead one, then the one that was used least recently.
        let worth = |slot: &&mut Option<Entry>| match slot {
            Some(entry) if entry.tag == tag => (0, 0),
            Some(entry) if entry.holds(now) => (2, entry.used),
            _ => (1, 0),
        };
        if let Some(slot) = ways.iter_mut().min_by_key(worth) {
            *slot = Some(Entry { tag, generation: shown.generation, from: now, until, used, caller });
        }
    }

    /// Forgets what has ended, and everything of other generations than `current` says of a provider.
    pub fn purge(&self, now: Timestamp, current: impl Fn(usize) -> Option<u64>) {
        for slot in &mut self.places.borrow_mut().slots {
            slot.take_if(|entry| !entry.holds(now) || current(entry.tag.provider) != Some(entry.generation));
        }
    }

    /// How many it remembers, ended ones included.
    pub fn len(&self) -> usize {
        self.places.borrow().slots.iter().flatten().count()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn tag(&self, shown: Shown<'_>) -> Tag {
        let whole = hmac::sign(&self.secret, shown.token.as_bytes());
        let token = whole.as_ref().first_chunk().copied().unwrap_or_default();
        Tag { token, provider: shown.provider }
    }
}

impl Places {
    /// The places of a token; `None` before there are any.
    fn ways(&mut self, tag: Tag) -> Option<&mut [Option<Entry>]> {
        let [low, high, ..] = tag.token;
        let set = usize::from(u16::from_le_bytes([low, high])) % (MOST / WAYS);
        self.slots.get_mut(set * WAYS..(set + 1) * WAYS)
    }
}

/// Neither tokens nor whom they name.
impl fmt::Debug for TokenCache {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TokenCache").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;

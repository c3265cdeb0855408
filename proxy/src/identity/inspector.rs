//! Remembers which evidence was verified, so that the steady state costs a look-up. One per worker.
//!
//! The key is everything the verdict depends on: the very bytes, the peer's certificate, whom we believe. Only verified
//! evidence is remembered, so strangers cannot fill it. It hashes the ends, where the signatures are, and compares the
//! whole. Pure: time is passed in.
//!
//! | entry     | ends when                                                        |
//! |-----------|------------------------------------------------------------------|
//! | verified  | its passport or a signer's certificate expires                   |
//! |           | the trust changes, or who we are, or whose word about users counts |
//! |           | no room is left                                                  |

use super::evidence::{Carried, Hands, Presented, Rejected, verify};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use http::HeaderValue;
use portcullis_ca::names::Fingerprint;
use portcullis_ca::spiffe::SpiffeId;
use portcullis_ca::time::Timestamp;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Most entries: some 6 MiB at the usual size of evidence.
const MOST: usize = 2048;
/// Bytes at the end of a field that are hashed.
const TAIL: usize = 32;

/// Remembers verified evidence.
#[derive(Debug, Default)]
pub struct Inspector {
    entries: HashTable<Entry>,
    hash: RandomState,
    /// The trust the entries were verified under.
    version: u64,
    /// Who we were then.
    me: Option<SpiffeId>,
}

#[derive(Debug)]
struct Entry {
    presented: Presented,
    peer: Fingerprint,
    carried: Arc<Carried>,
}

impl Inspector {
    /// Remembers nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`verify`].
    ///
    /// # Errors
    /// When there is no user.
    pub fn verify(
        &mut self,
        presented: Presented,
        hands: &Hands<'_>,
        now: Timestamp,
    ) -> Result<Arc<Carried>, Rejected> {
        if self.version != hands.trust.version || self.me.as_ref() != Some(hands.me) {
            self.entries.clear();
            (self.version, self.me) = (hands.trust.version, Some(hands.me.clone()));
        }
        let hash = self.hash_of(&presented, &hands.peer_leaf);
        let same = |entry: &Entry| entry.peer == hands.peer_leaf && is_same(&entry.presented, &presented);
        if let Ok(known) = self.entries.find_entry(hash, same) {
            let carried = &known.get().carried;
            if now <= carried.until && (hands.asserts)(&carried.asserter) {
                return Ok(Arc::clone(carried));
            }
            // Judged anew: that says why it does not hold, if it does not.
            known.remove();
        }
        let carried = Arc::new(verify(&presented, hands, now)?);
        if self.entries.len() >= MOST {
            self.purge(now);
        }
        if self.entries.len() >= MOST {
            self.entries.clear();
        }
        let entry = Entry { presented, peer: hands.peer_leaf, carried: Arc::clone(&carried) };
        let state = &self.hash;
        self.entries.insert_unique(hash, entry, |entry| hash_with(state, &entry.presented, &entry.peer));
        Ok(carried)
    }

    /// Forgets what has expired.
    pub fn purge(&mut self, now: Timestamp) {
        self.entries.retain(|entry| now <= entry.carried.until);
    }

    fn hash_of(&self, presented: &Presented, peer: &Fingerprint) -> u64 {
        hash_with(&self.hash, presented, peer)
    }
}

fn hash_with(state: &RandomState, presented: &Presented, peer: &Fingerprint) -> u64 {
    state.hash_one((tail(&presented.passport), tail(&presented.stamps), peer.as_bytes()))
}

fn tail(value: &HeaderValue) -> &[u8] {
    let bytes = value.as_bytes();
    bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default()
}

fn is_same(one: &Presented, other: &Presented) -> bool {
    one.passport == other.passport && one.stamps == other.stamps && one.chains == other.chains
}

#[cfg(test)]
#[path = "inspector_tests.rs"]
mod tests;

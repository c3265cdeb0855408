//! Makes passports and stamps, each once: signing costs more than the rest of a request. One per worker.
//!
//! | made                           | used again until                                         |
//! |--------------------------------|----------------------------------------------------------|
//! | a passport for a user          | half of its life is over, or our certificate is replaced |
//! | what is handed to one workload | the passport expires, or our certificate is replaced     |
//!
//! Pure: time and randomness are passed in.

use super::evidence::{CHAINS, Carried, LONGEST_CHAINS, LONGEST_STAMPS, STAMPS};
use super::jws::{self, SignError};
use super::passport::{self, LIFE, LONGEST, TXN_TOKEN};
use super::principal::Principal;
use super::stamp;
use crate::mesh::Own;
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};
use http::{HeaderMap, HeaderValue};
use portcullis_ca::names::Fingerprint;
use portcullis_ca::spiffe::SpiffeId;
use portcullis_ca::time::Timestamp;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Most of each kind that are kept.
const MOST: usize = 4096;

/// Makes passports and stamps.
#[derive(Debug, Default)]
pub struct Signer {
    passports: HashMap<(Principal, Fingerprint), Arc<Carried>, RandomState>,
    ready: HashTable<Ready>,
    hash: RandomState,
}

/// Looks a passport up without owning the user. By maker, too: at a rotation connections of both certificates are in use.
#[derive(Hash)]
struct Maker<'a>(&'a Principal, Fingerprint);

impl hashbrown::Equivalent<(Principal, Fingerprint)> for Maker<'_> {
    fn equivalent(&self, (principal, by): &(Principal, Fingerprint)) -> bool {
        self.0 == principal && self.1 == *by
    }
}

/// What is handed to one workload.
#[derive(Debug)]
struct Ready {
    carried: Arc<Carried>,
    by: Fingerprint,
    to: SpiffeId,
    stamps: HeaderValue,
    chains: Option<HeaderValue>,
}

/// Why evidence cannot be handed on.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Eight hands have had it already.
    #[error("the passport has eight stamps already")]
    TooManyStamps,
    /// More roles, scopes or certificates than receivers take.
    #[error("the {0} would be larger than anybody takes it")]
    TooLarge(&'static str),
    /// A user whose name fits no header.
    #[error("the user cannot be written into a header")]
    User,
}

impl Signer {
    /// Has made nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The passport of a user who was authenticated here. `txn`: random.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn passport_for(
        &mut self,
        principal: &Principal,
        own: &Own,
        now: Timestamp,
        txn: u128,
    ) -> Result<Arc<Carried>, AttachError> {
        if let Some(carried) = self.passports.get(&Maker(principal, own.leaf))
            && now.0.saturating_add(LIFE / 2) <= carried.expires.0
        {
            return Ok(Arc::clone(carried));
        }
        if !principal.is_sound() {
            return Err(AttachError::User);
        }
        let (text, expires) = passport::make(principal, own, now, txn)?;
        let carried = Arc::new(Carried {
            principal: principal.clone(),
            passport: value(text, LONGEST, "passport")?,
            stamps: Vec::new(),
            signers: vec![(own.leaf, Arc::new(own.chain.clone()))],
            expires,
            asserter: own.svid.id.clone(),
            until: expires,
        });
        if self.passports.len() >= MOST {
            self.passports.clear();
        }
        self.passports.insert((principal.clone(), own.leaf), Arc::clone(&carried));
        Ok(carried)
    }

    /// Writes passport, stamps and certificates into the head of a request: from `own` to `to`.
    ///
    /// # Errors
    /// When they cannot be handed on; then nothing is written.
    pub fn attach(
        &mut self,
        headers: &mut HeaderMap,
        carried: &Arc<Carried>,
        (own, to): (&Own, &SpiffeId),
        now: Timestamp,
    ) -> Result<(), AttachError> {
        let hash = hash_with(&self.hash, carried, &own.leaf, to);
        let same =
            |ready: &Ready| Arc::ptr_eq(&ready.carried, carried) && ready.by == own.leaf && ready.to == *to;
        if self.ready.find(hash, same).is_none() {
            let made = make(carried, own, to, now)?;
            if self.ready.len() >= MOST {
                self.ready.clear();
            }
            let state = &self.hash;
            self.ready
                .insert_unique(hash, made, |ready| hash_with(state, &ready.carried, &ready.by, &ready.to));
        }
        if let Some(ready) = self.ready.find(hash, same) {
            headers.insert(TXN_TOKEN, carried.passport.clone());
            headers.insert(STAMPS, ready.stamps.clone());
            match &ready.chains {
                Some(chains) => drop(headers.insert(CHAINS, chains.clone())),
                None => drop(headers.remove(CHAINS)),
            }
        }
        Ok(())
    }

    /// Forgets what has expired.
    pub fn purge(&mut self, now: Timestamp) {
        self.passports.retain(|_, carried| now <= carried.expires);
        self.ready.retain(|ready| now <= ready.carried.expires);
    }
}

/// By address: as long as it is kept nothing else gets that address.
fn hash_with(state: &RandomState, carried: &Arc<Carried>, by: &Fingerprint, to: &SpiffeId) -> u64 {
    state.hash_one((Arc::as_ptr(carried), by.as_bytes(), to.as_str()))
}

fn make(carried: &Arc<Carried>, own: &Own, to: &SpiffeId, now: Timestamp) -> Result<Ready, AttachError> {
    if carried.stamps.len() >= stamp::MOST {
        return Err(AttachError::TooManyStamps);
    }
    let passport = carried.passport.to_str().map_err(|_never| AttachError::User)?;
    let before = carried.stamps.last().map_or(passport, |stamp| stamp);
    // It ends with the passport, and must not seem to live longer than one may where our clock is behind its maker's.
    let expires = carried.expires.0;
    let issued = now.0.clamp(expires.saturating_sub(LIFE), expires.saturating_sub(1));
    let stamp = stamp::make(own, to, before, (issued, expires))?;
    let mut stamps: String = carried.stamps.iter().flat_map(|stamp| [&**stamp, ", "]).collect();
    stamps.push_str(&stamp);
    let foreign = carried.signers.iter().filter(|(leaf, _)| *leaf != own.leaf);
    let chains: Vec<String> = foreign.map(|(_, chain)| written(chain)).collect();
    let chains =
        (!chains.is_empty()).then(|| value(chains.join(", "), LONGEST_CHAINS, "list of certificates"));
    Ok(Ready {
        carried: Arc::clone(carried),
        by: own.leaf,
        to: to.clone(),
        stamps: value(stamps, LONGEST_STAMPS, "list of stamps")?,
        chains: chains.transpose()?,
    })
}

/// As a header; nothing is sent that is refused anyway.
fn value(text: String, longest: usize, what: &'static str) -> Result<HeaderValue, AttachError> {
    if text.len() > longest {
        return Err(AttachError::TooLarge(what));
    }
    HeaderValue::try_from(text).map_err(|_never| AttachError::User)
}

fn written(chain: &[Vec<u8>]) -> String {
    chain.iter().map(|der| jws::encode(der)).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
#[path = "signer_tests.rs"]
mod tests;

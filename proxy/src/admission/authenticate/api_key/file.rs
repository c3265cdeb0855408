//! The keys of a file, ready to be looked up.
//!
//! Decides whose a shown secret is. It must not know how the file is written: `config::key_file` does. A look-up allocates
//! nothing: what a key says about its owner is made when the file is read. Pure.

use super::secret::{self, Digest};
use super::{Caller, Refused};
use crate::config::key_file;
use hashbrown::HashTable;
use portcullis_ca::time::Timestamp;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The keys of a file.
#[derive(Clone, Default)]
pub struct KeyFile {
    /// In the order of the file.
    keys: Vec<Key>,
    /// Places in `keys`, by [`hash`].
    index: HashTable<u32>,
}

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// What it is called: 1 … 64 of `A-Z a-z 0-9 - _ .`
    pub id: Box<str>,
    /// SHA-256 of its secret.
    pub digest: Digest,
    /// When it was made, as it is written.
    pub created: Option<Box<str>>,
    /// When it ends, as it is written. A date is good until the end of that day, UTC.
    pub expires: Option<Box<str>>,
    /// Whom its holder is taken for. Its `expires` is the first moment at which it is not good any more.
    pub caller: Arc<Caller>,
}

impl Key {
    /// Whether it has ended.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.caller.expires.is_some_and(|end| now >= end)
    }
}

impl KeyFile {
    /// Reads a key file: YAML, at most 4 MiB (some 30,000 keys) and 100,000 keys.
    ///
    /// # Errors
    /// Everything that is wrong with it in the order of the file, at most the first hundred.
    pub fn parse(text: &str) -> Result<Self, Vec<KeyFileError>> {
        Ok(Self::new(key_file::read(text)?.into_iter().map(|placed| placed.key).collect()))
    }

    fn new(keys: Vec<Key>) -> Self {
        let mut index = HashTable::with_capacity(keys.len());
        let of = |at: &u32| keys.get(*at as usize).map_or(0, |key| hash(&key.digest));
        for (at, key) in (0u32..).zip(&keys) {
            index.insert_unique(hash(&key.digest), at, of);
        }
        Self { keys, index }
    }

    /// Who shows this secret at `now`.
    ///
    /// # Errors
    /// [`Refused`], but for [`Refused::Several`], which is about headers.
    pub fn find(&self, shown: &str, now: Timestamp) -> Result<Arc<Caller>, Refused> {
        secret::whole(shown)?;
        let digest = Digest::of(shown);
        // The place in the table depends on bits of a digest that nobody can choose without trying 2^n secrets, and
        // says nothing about the others.
        let same = |at: &u32| {
            let key = self.keys.get(*at as usize);
            key.is_some_and(|key| key.digest.as_bytes().as_slice().ct_eq(digest.as_bytes()).into())
        };
        let at = self.index.find(hash(&digest), same).ok_or(Refused::Unknown)?;
        let key = self.keys.get(*at as usize).ok_or(Refused::Unknown)?;
        if key.is_expired(now) { Err(Refused::Expired) } else { Ok(Arc::clone(&key.caller)) }
    }

    /// The keys in the order of the file.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Every tier that some key has, once.
    pub fn tiers(&self) -> impl Iterator<Item = &str> {
        let all: BTreeSet<&str> = self.keys.iter().filter_map(|key| key.caller.tier.as_deref()).collect();
        all.into_iter()
    }
}

/// A digest is as random as a hash gets.
fn hash(digest: &Digest) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl PartialEq for KeyFile {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}

impl Eq for KeyFile {}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// Something that is wrong with a key file. It never repeats a secret or a digest; whoever shows it must not add the
/// line it is about, which holds one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}{}", .help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default())]
pub struct KeyFileError {
    /// Line in the key file, 1-based; 0 = the file as a whole.
    pub line: usize,
    /// Column in characters, 1-based; 0 = the file as a whole.
    pub column: usize,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;

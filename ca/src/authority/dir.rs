//! The folder an authority lives in.
//!
//! | file | what |
//! |--|--|
//! | `ca.db` | entries, tokens, ledger, deny-list, rotation |
//! | `audit.jsonl` | what was done, by whom |
//! | `keys/root-N.key` | may be moved to a safe place: only `intermediate rotate` and `crl` need it |
//! | `keys/intermediate-N.key` | signs |
//!
//! Decides names only; who reads the files says what must hold of them.

use super::AuthorityError;
use crate::files;
use crate::key::KeyError;
use crate::names::AuthorityId;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folder.
#[derive(Debug, Clone)]
pub struct Dir(PathBuf);

impl Dir {
    /// The folder at `path`, which need not be there.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Refuses to work on the folder of another user: what root wrote there, its owner could not read any more. And on
    /// one in which others could put files in the place of ours.
    ///
    /// # Errors
    /// When the folder is there and such a one.
    pub(super) fn check_owner(&self) -> Result<(), AuthorityError> {
        let Ok(folder) = std::fs::metadata(&self.0) else { return Ok(()) };
        if folder.uid() != rustix::process::geteuid().as_raw() {
            return Err(AuthorityError::WrongUser { path: self.0.clone(), owner: folder.uid() });
        }
        Ok(files::own_folder(&self.0).map_err(KeyError::from)?)
    }

    /// The store.
    pub fn database(&self) -> PathBuf {
        self.0.join("ca.db")
    }

    /// The audit file.
    pub fn audit(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }

    /// The folder of the keys.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The key of a root or intermediate.
    pub fn key(&self, id: &AuthorityId) -> PathBuf {
        self.keys().join(format!("{id}.key"))
    }
}

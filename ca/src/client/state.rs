//! The state directory: where a workload keeps who it is over restarts.
//!
//! | file | |
//! |--|--|
//! | `svid.pem` | the certificate, then its intermediates |
//! | `svid.key` | its private key, PKCS#8 |
//! | `bundle.pem`, `bundle.json` | the roots to believe, as PEM and as a SPIFFE bundle |
//! | `state.json` | instance, when to renew, where the authority is, deny-list, asserters |
//!
//! All of them change at once ([`super::swap`]), are of mode 0600 in a folder of mode 0700, and survive a power cut
//! when a call returns. Besides there is, while a first certificate is asked for, `svid.key.pending.*`: the key is
//! written before it is used, so that an answer that was lost can be asked for again. It is bound to one token.
//!
//! Decides what a sound state is: the key belongs to the certificate, the chain leads to a root of the bundle. It must
//! not decide whether the certificate is still good: no clock here.

use super::identity::Identity;
use super::swap::{self, Content, SwapError};
use crate::bundle::{Bundle, BundleError};
use crate::certificate::{self, CertificateError, SvidError};
use crate::deny::{Denial, DenyList};
use crate::files::{self, Unsafe};
use crate::key::{Key, KeyError};
use crate::names::{Fingerprint, InstanceId, to_hex};
use crate::spiffe::{SpiffeId, TrustDomain};
use crate::time::Timestamp;
use crate::trust::Trust;
use crate::verify::{self, Side, VerifyError};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

const CHAIN: &str = "svid.pem";
const KEY: &str = "svid.key";
const BUNDLE_PEM: &str = "bundle.pem";
const BUNDLE: &str = "bundle.json";
const RECORD: &str = "state.json";
const FILES: [&str; 5] = [CHAIN, KEY, BUNDLE_PEM, BUNDLE, RECORD];
const PENDING: &str = "svid.key.pending.";
const LOCK: &str = ".lock";
/// A deny-list may be long, but not so long.
const MAX_FILE: u64 = 256 << 20;
/// A version can go away while it is read. When that happens again and again, writers are kept out.
const READ_TRIES: usize = 3;

/// The folder. Several processes may use it: writing is under a lock.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
}

/// `state.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    trust_domain: TrustDomain,
    instance: InstanceId,
    renew_after: Timestamp,
    /// The sequence of the trust that is stored here.
    sequence: u64,
    urls: Vec<String>,
    /// In seconds.
    ttl: Option<u64>,
    denied: Vec<Denial>,
    asserters: Vec<SpiffeId>,
}

impl StateDir {
    /// The folder at `path`; it is made, with mode 0700, when it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or somebody else (but root) owns it or can write to it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let made = DirBuilder::new().mode(0o700).recursive(true).create(path);
        made.map_err(|source| SwapError { path: path.to_owned(), source })?;
        files::own_folder(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who the workload is; `None`: it has not joined. The certificate may have expired.
    ///
    /// # Errors
    /// When the files cannot be read or do not belong together.
    pub fn load(&self) -> Result<Option<Identity>, StateError> {
        for _ in 0..READ_TRIES {
            let Some(version) = swap::current(&self.path)? else { return Ok(None) };
            let identity = read(&version);
            // A version goes away only after another one has taken its place.
            if identity.is_ok() || self.version().as_ref() == Some(&version) {
                return identity.map(Some);
            }
        }
        let _lock = self.lock()?;
        self.load_locked()
    }

    /// As [`Self::load`], when nobody else can write.
    fn load_locked(&self) -> Result<Option<Identity>, StateError> {
        swap::current(&self.path)?.map(|version| read(&version)).transpose()
    }

    /// Keeps an identity in place of the one before. When this returns it survives a power cut; keys that were
    /// pending are gone.
    ///
    /// # Errors
    /// When it cannot be written; then the identity before is still there, whole.
    pub fn store(&self, identity: &Identity) -> Result<(), StateError> {
        let _lock = self.lock()?;
        self.replace(identity)?;
        self.drop_pending(None)
    }

    /// Keeps a new trust beside the identity that is there. One with a lower sequence than the stored one is an old
    /// answer that was overtaken: it is not kept. Returns what is stored then.
    ///
    /// # Errors
    /// When the workload has not joined, or the files cannot be read or written.
    pub fn store_trust(&self, trust: &Trust) -> Result<Trust, StateError> {
        let _lock = self.lock()?;
        let identity = self.load_locked()?.ok_or_else(|| StateError::Empty(self.path.clone()))?;
        if trust.bundle.sequence < identity.trust.bundle.sequence || *trust == identity.trust {
            return Ok(identity.trust);
        }
        let identity = Identity { trust: trust.clone(), ..identity };
        self.replace(&identity)?;
        Ok(identity.trust)
    }

    /// Keeps a renewed identity. A trust that came meanwhile and is newer than the answer's stays. Returns what is
    /// stored then.
    pub(super) fn store_renewed(&self, mut identity: Identity) -> Result<Identity, StateError> {
        let _lock = self.lock()?;
        // What cannot be read any more is replaced.
        if let Ok(Some(stored)) = self.load_locked()
            && stored.trust.bundle.sequence > identity.trust.bundle.sequence
        {
            identity.trust = stored.trust;
        }
        self.replace(&identity)?;
        Ok(identity)
    }

    /// The version that is there: it changes with each [`Self::store`], of whichever process.
    pub(super) fn version(&self) -> Option<PathBuf> {
        swap::current(&self.path).ok().flatten()
    }

    /// The key to join with by the token with this hash: the one that was used before, or a new one, which is on the
    /// disk when this returns.
    ///
    /// # Errors
    /// When it cannot be made, read or written.
    pub(super) fn pending_key(&self, token: &Fingerprint) -> Result<Key, StateError> {
        let _lock = self.lock()?;
        let name = pending_name(token);
        self.drop_pending(Some(&name))?;
        let path = self.path.join(name);
        match Key::read(&path, None) {
            Ok(key) => return Ok(key),
            Err(_) if !path.exists() => {}
            Err(error @ KeyError::Io { .. }) => return Err(error.into()),
            // One that is damaged, or that others could read, is of no use any more.
            Err(_) => remove(&path)?,
        }
        let key = Key::generate()?;
        key.write(&path, None)?;
        Ok(key)
    }

    fn replace(&self, identity: &Identity) -> Result<(), StateError> {
        let found = swap::look(&self.path, &FILES)?;
        let steps = swap::plan(&self.path, &found, contents(identity)?);
        Ok(steps.iter().try_for_each(swap::take)?)
    }

    fn drop_pending(&self, except: Option<&str>) -> Result<(), StateError> {
        let failed = |source| SwapError { path: self.path.clone(), source };
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(PENDING) && Some(name) != except {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// One writer at a time. The system gives the lock back when the file is closed, whatever happens.
    fn lock(&self) -> Result<File, StateError> {
        let path = self.path.join(LOCK);
        let open = || {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
            file.lock().map(|()| file)
        };
        open().map_err(|source| SwapError { path: path.clone(), source }.into())
    }
}

fn pending_name(token: &Fingerprint) -> String {
    let [a, b, c, d, e, f, g, h, ..] = *token.as_bytes();
    format!("{PENDING}{}", to_hex(&[a, b, c, d, e, f, g, h]))
}

fn remove(path: &Path) -> Result<(), StateError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(SwapError { path: path.to_owned(), source }.into())
        }
        _ => Ok(()),
    }
}

/// What the files hold for an identity.
fn contents(identity: &Identity) -> Result<Vec<Content>, StateError> {
    let bundle = &identity.trust.bundle;
    let record = Record {
        trust_domain: bundle.trust_domain.clone(),
        instance: identity.instance.clone(),
        renew_after: identity.renew_after,
        sequence: bundle.sequence,
        urls: identity.urls.clone(),
        ttl: identity.ttl.map(|ttl| ttl.as_secs()),
        denied: identity.trust.denied.clone(),
        asserters: identity.trust.asserters.clone(),
    };
    let chain: String = identity.chain.iter().map(|der| certificate::pem("CERTIFICATE", der)).collect();
    let record = serde_json::to_vec_pretty(&record).map_err(|_| StateError::Unwritable)?;
    let key = identity.key.to_pem(None)?;
    Ok(vec![
        (CHAIN, chain.into_bytes().into()),
        (KEY, Zeroizing::new(key.as_bytes().to_vec())),
        (BUNDLE_PEM, bundle.to_pem().into_bytes().into()),
        (BUNDLE, bundle.to_jwks().into_bytes().into()),
        (RECORD, record.into()),
    ])
}

/// Reads a version and checks that it is sound.
fn read(version: &Path) -> Result<Identity, StateError> {
    let text = |name: &str| -> Result<String, StateError> {
        let path = version.join(name);
        // No secrets, but what they say is believed: others must not have written them.
        let bytes = files::read_private(&path, 0o022, MAX_FILE)?;
        let text = std::str::from_utf8(&bytes).map(str::to_owned);
        text.map_err(|error| SwapError { path, source: io::Error::other(error) }.into())
    };
    let damaged = |fault| StateError::Damaged { path: version.to_owned(), fault };
    let record: Record =
        serde_json::from_str(&text(RECORD)?).map_err(|error| damaged(Fault::Record(error)))?;
    let bundle =
        Bundle::from_jwks(&text(BUNDLE)?, &record.trust_domain).map_err(|error| damaged(error.into()))?;
    let chain = certificate::certificates_from_pem(&text(CHAIN)?).map_err(|error| damaged(error.into()))?;
    let key = Key::read(&version.join(KEY), None)?;
    let leaf = chain.first().map(Vec::as_slice).unwrap_or_default();
    let svid = certificate::svid(leaf).map_err(|error| damaged(error.into()))?;
    if svid.key != key.fingerprint() {
        return Err(damaged(Fault::OtherKey));
    }
    if bundle.sequence != record.sequence {
        return Err(damaged(Fault::OtherBundle));
    }
    let links: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    // At its own last second: an expired state is still a sound one.
    verify::verify(&links, &bundle, &DenyList::default(), Side::Client, svid.not_after)
        .map_err(|error| damaged(error.into()))?;
    Ok(Identity {
        chain,
        key: Arc::new(key),
        svid,
        trust: Trust { bundle, denied: record.denied, asserters: record.asserters },
        instance: record.instance,
        renew_after: record.renew_after,
        urls: record.urls,
        ttl: record.ttl.map(Duration::from_secs),
    })
}

/// What is wrong with the state directory.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Nothing is there.
    #[error("{0} holds no identity: join with `portcullis ca bootstrap`")]
    Empty(PathBuf),
    /// What is there makes no sense.
    #[error("the identity in {path} cannot be used, {fault}: join again with a new token")]
    Damaged {
        /// The folder of the version.
        path: PathBuf,
        /// What is wrong.
        fault: Fault,
    },
    /// The private key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file.
    #[error(transparent)]
    Io(#[from] SwapError),
    /// Others own the folder or a file, or can change it.
    #[error(transparent)]
    Unsafe(Unsafe),
    /// The record has no JSON form. It always has.
    #[error("the state cannot be written as JSON")]
    Unwritable,
}

impl From<Unsafe> for StateError {
    fn from(error: Unsafe) -> Self {
        match error {
            Unsafe::Io { path, source } => Self::Io(SwapError { path, source }),
            other => Self::Unsafe(other),
        }
    }
}

/// Why an identity on the disk makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// `state.json`.
    #[error("its state.json is damaged ({0})")]
    Record(serde_json::Error),
    /// `bundle.json`.
    #[error("its bundle.json is damaged ({0})")]
    Bundle(#[from] BundleError),
    /// `svid.pem`.
    #[error("its svid.pem is damaged ({0})")]
    Chain(#[from] CertificateError),
    /// The first certificate of `svid.pem`.
    #[error("its certificate is none for a workload ({0})")]
    Svid(#[from] SvidError),
    /// The roots do not vouch for the certificate.
    #[error("its certificate is not believed under its own bundle ({0})")]
    Untrusted(#[from] VerifyError),
    /// The key is not the certificate's.
    #[error("its key does not belong to its certificate")]
    OtherKey,
    /// The files are of different versions.
    #[error("its bundle.json and state.json do not belong together")]
    OtherBundle,
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;

//! The authority: what the server and the command line ask of it.
//!
//! Each verb is one transaction: read, decide by the pure parts (`policy`, `rotation`, `deny`), sign, write, note
//! the audit event, commit. So a crash leaves all of it or nothing: no token is spent without its certificate, and
//! no certificate exists that the ledger does not know. Everything is synchronous; the server runs it on threads that
//! may block. It must not know the network or the command line.
//!
//! Several processes may work on one folder at once: the server, and the commands an operator types meanwhile. What
//! changed elsewhere is seen by [`Authority::version`] and the sequence.

mod admin;
mod backup;
mod dir;
mod error;
mod health;
mod init;
mod issue;
mod maintain;
mod revoke;
mod roots;

use crate::audit::{AuditFile, Caller, Event};
use crate::bundle::Bundle;
use crate::clock;
use crate::deny::DenyList;
use crate::issuer::Issuer;
use crate::key::{Key, Password};
use crate::names::{AuthorityId, InstanceId};
use crate::store::{AuditHead, AuthorityRecord, Reading, Settings, Sqlite, Store, Writing};
use crate::time::Timestamp;
use crate::trust::Trust;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use admin::{NewEntry, NewToken};
pub use dir::Dir;
pub use error::{AuthorityError, Refusal, RefusalKind};
pub use health::{First, Health, Problem, RootHealth, RootKey};
pub use init::{Init, Summary};
pub use issue::{BootstrapAsk, HandAsk, RenewAsk};
pub use maintain::Maintained;
pub use revoke::{Revoke, Revoked};
pub use roots::Taken;

/// How often members that have no stream should ask again.
pub const REFRESH_HINT: Duration = Duration::from_secs(300);

/// An opened authority.
pub struct Authority {
    dir: Dir,
    store: Box<dyn Store>,
    password: Option<Password>,
    cached: Mutex<Cached>,
}

/// What is expensive to make anew for each request.
#[derive(Default)]
struct Cached {
    signer: Option<(AuthorityId, Arc<Signer>)>,
    trust: Option<Arc<TrustView>>,
}

/// The intermediate that signs.
pub(crate) struct Signer {
    pub(crate) id: AuthorityId,
    pub(crate) root: AuthorityId,
    pub(crate) issuer: Issuer,
}

/// The trust of one sequence, ready to be asked.
pub(crate) struct TrustView {
    pub(crate) trust: Trust,
    pub(crate) denied: DenyList,
}

/// What a workload gets.
#[derive(Debug, Clone)]
pub struct Granted {
    /// DER, the certificate first, without the root.
    pub chain: Vec<Vec<u8>>,
    /// When to renew.
    pub renew_after: Timestamp,
    /// Whom to believe.
    pub trust: Trust,
    /// Who it is over all renewals.
    pub instance: InstanceId,
}

impl Authority {
    /// Opens the authority in `dir`; `password` unlocks its keys.
    ///
    /// The intermediate's key is read now, so that a wrong password or an exposed file is an error here and not at
    /// the first request.
    ///
    /// # Errors
    /// When there is none, or its store or key cannot be used.
    pub fn open(dir: &Path, password: Option<Password>) -> Result<Self, AuthorityError> {
        let authority = Self::open_without_keys(dir, password)?;
        let settings = authority.store.read()?.settings()?;
        authority.signer(&*authority.store.read()?, &settings)?;
        Ok(authority)
    }

    /// The same without reading a key: for what needs no signature.
    ///
    /// # Errors
    /// When there is none, or its store cannot be used.
    pub fn open_without_keys(dir: &Path, password: Option<Password>) -> Result<Self, AuthorityError> {
        let dir = Dir::new(dir);
        if !dir.database().exists() {
            return Err(AuthorityError::NotInitialised(dir.path().to_owned()));
        }
        dir.check_owner()?;
        let store = Box::new(Sqlite::open(&dir.database())?);
        Ok(Self { dir, store, password, cached: Mutex::default() })
    }

    /// The folder it lives in.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// What holds for the whole authority.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn settings(&self) -> Result<Settings, AuthorityError> {
        Ok(self.store.read()?.settings()?)
    }

    /// Whom to believe now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn trust(&self) -> Result<Trust, AuthorityError> {
        let read = self.store.read()?;
        let settings = read.settings()?;
        Ok(self.trust_view(&*read, &settings)?.trust.clone())
    }

    /// A number that moves when something may have changed, here or in another process. Cheap.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn version(&self) -> Result<u64, AuthorityError> {
        Ok(self.store.version()?)
    }

    /// Writes the audit events that are pending to the audit file. What fails here is tried again by the next call:
    /// the events stay in the store.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush_audit(&self) -> Result<(), AuthorityError> {
        Ok(AuditFile::open(&self.dir.audit())?.flush(&*self.store)?)
    }

    /// The end of the audit file, as far as the store knows; `None`: nothing was written yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit_head(&self) -> Result<Option<AuditHead>, AuthorityError> {
        Ok(self.store.read()?.audit_head()?)
    }

    /// Notes one event by itself.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn note(&self, event: &Event) -> Result<(), AuthorityError> {
        let write = self.store.write()?;
        audit(&*write, event)?;
        Ok(write.commit()?)
    }

    /// The intermediate that signs, from memory when it is still the same.
    fn signer(
        &self,
        read: &(impl Reading + ?Sized),
        settings: &Settings,
    ) -> Result<Arc<Signer>, AuthorityError> {
        if let Some((id, signer)) = &self.cached().signer
            && *id == settings.signing
        {
            return Ok(Arc::clone(signer));
        }
        let record = find(&read.authorities()?, &settings.signing)?;
        let root =
            record.root.clone().ok_or(AuthorityError::Inconsistent("the signing authority is a root"))?;
        let key = Key::read(&self.dir.key(&record.id), self.password.as_ref())?;
        let id = record.id.clone();
        let signer = Arc::new(Signer { id, root, issuer: Issuer::new(record.der, key)? });
        self.cached().signer = Some((record.id, Arc::clone(&signer)));
        Ok(signer)
    }

    /// The trust of the settings' sequence, from memory when it is still the same.
    fn trust_view(
        &self,
        read: &(impl Reading + ?Sized),
        settings: &Settings,
    ) -> Result<Arc<TrustView>, AuthorityError> {
        if let Some(view) = &self.cached().trust
            && view.trust.bundle.sequence == settings.sequence
        {
            return Ok(Arc::clone(view));
        }
        let view = Arc::new(build_trust(read, settings)?);
        self.cached().trust = Some(Arc::clone(&view));
        Ok(view)
    }

    fn cached(&self) -> MutexGuard<'_, Cached> {
        // What is cached is replaced whole: a panic while it was held left nothing half done.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of a root, from `elsewhere` when it is kept away from the folder.
    fn root_key(&self, root: &AuthorityId, elsewhere: Option<&Path>) -> Result<Key, AuthorityError> {
        let path = elsewhere.map_or_else(|| self.dir.key(root), PathBuf::from);
        if !path.exists() {
            return Err(AuthorityError::RootKeyAway { root: root.clone(), path });
        }
        Ok(Key::read(&path, self.password.as_ref())?)
    }
}

/// The sequence moves with every change of what [`Trust`] holds.
fn bump(write: &(impl Writing + ?Sized)) -> Result<Settings, AuthorityError> {
    let mut settings = write.settings()?;
    settings.sequence += 1;
    write.put_settings(&settings)?;
    Ok(settings)
}

fn build_trust(read: &(impl Reading + ?Sized), settings: &Settings) -> Result<TrustView, AuthorityError> {
    let authorities = read.authorities()?;
    let believed = settings.phase.believed();
    let roots = believed.into_iter().map(|id| Ok(find(&authorities, id)?.der));
    let roots = roots.collect::<Result<Vec<_>, AuthorityError>>()?;
    let denied: Vec<_> = read.denials()?.into_iter().map(|denied| denied.rule).collect();
    let asserters = read.entries()?.into_iter().filter(|entry| entry.grants.assert).map(|entry| entry.id);
    let bundle = Bundle {
        trust_domain: settings.trust_domain.clone(),
        roots,
        sequence: settings.sequence,
        refresh_hint: REFRESH_HINT,
    };
    let trust = Trust { bundle, denied: denied.clone(), asserters: asserters.collect() };
    Ok(TrustView { trust, denied: DenyList::new(denied) })
}

/// The record of a root or intermediate that must be there.
fn find(authorities: &[AuthorityRecord], id: &AuthorityId) -> Result<AuthorityRecord, AuthorityError> {
    let found = authorities.iter().find(|record| record.id == *id).cloned();
    found.ok_or(AuthorityError::Inconsistent("a root or intermediate has no record"))
}

fn audit(write: &(impl Writing + ?Sized), event: &Event) -> Result<(), AuthorityError> {
    write.add_audit(&event.to_json())?;
    Ok(())
}

/// Random bytes of the operating system's quality.
fn random<const N: usize>() -> Result<[u8; N], AuthorityError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| AuthorityError::NoRandomness)?;
    Ok(bytes)
}

/// Who types commands on this machine.
pub fn operator() -> Caller {
    Caller { uid: Some(rustix::process::getuid().as_raw()), ..Caller::default() }
}

/// The wall clock, for callers that keep none.
pub fn now() -> Timestamp {
    clock::wall()
}

#[cfg(test)]
mod tests;

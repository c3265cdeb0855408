//! What is tried: one sidecar, by its configuration, with the identity that lies beside it.
//!
//! Only reads. Must not know: attacks.

use super::addresses;
use crate::config::listener::Role;
use crate::config::mesh::Source;
use crate::config::{Config, Sidecar};
use crate::mesh::{Believed, Membership, Origin, Own};
use portcullis_ca::bundle::{Bundle, BundleError};
use portcullis_ca::certificate::{self, CertificateError, SvidError};
use portcullis_ca::client::{StateDir, StateError};
use portcullis_ca::deny::DenyList;
use portcullis_ca::key::{Key, KeyError};
use portcullis_ca::names::Fingerprint;
use portcullis_ca::spiffe::{SpiffeId, TrustDomain};
use portcullis_ca::trust::Trust;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A sidecar to be tried.
#[derive(Debug)]
pub struct Subject {
    /// Its inbound port.
    pub target: SocketAddr,
    /// Addresses of its host other than loopback, with port 0; empty: there are none, or they are not known.
    pub addresses: Vec<SocketAddr>,
    /// Its configuration.
    pub config: Config,
    /// What makes that a sidecar's.
    pub sidecar: Sidecar,
    /// Its certificate and key: a member of the mesh for those attacks that need one.
    pub own: Arc<Own>,
    /// Whom it believes.
    pub trust: Arc<Believed>,
    /// Whether its own word introduces users.
    pub is_asserter: bool,
    /// Whose word does, if anybody's.
    pub asserter: Option<SpiffeId>,
}

/// Why nothing can be tried.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// No sidecar.
    #[error("this is no configuration of a sidecar with a `mesh:`: only those are tried")]
    NotASidecar,
    /// Nobody knows where it listens.
    #[error("the system chooses the inbound port (`bind` has port 0): say --target ADDRESS")]
    NoPort,
    /// It has not joined yet.
    #[error("{0} holds no identity yet: start the sidecar first")]
    NotJoined(PathBuf),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The certificate.
    #[error("the certificate cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// It is none of a workload.
    #[error("the certificate is none of a workload: {0}")]
    Svid(#[from] SvidError),
    /// The bundle.
    #[error("the bundle cannot be used: {0}")]
    Bundle(#[from] BundleError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// rustls does not take it.
    #[error("the identity cannot be used: {0}")]
    Tls(#[from] crate::tls::pem::TlsError),
}

impl SubjectError {
    /// Whether the command line or the kind of the configuration is the reason.
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::NotASidecar | Self::NoPort)
    }
}

impl Subject {
    /// The sidecar of `config`; `target`: where it is reached, when not at its `inbound: bind`.
    ///
    /// # Errors
    /// See [`SubjectError`].
    pub fn new(config: Config, target: Option<SocketAddr>) -> Result<Self, SubjectError> {
        let (Some(sidecar), Some(mesh)) = (config.sidecar.clone(), config.mesh.clone()) else {
            return Err(SubjectError::NotASidecar);
        };
        let inbound = config.listeners.iter().find(|one| matches!(one.role, Role::Inbound { .. }));
        let bind = inbound.ok_or(SubjectError::NotASidecar)?.bind;
        let target = match target {
            Some(target) => target,
            None if bind.port() == 0 => return Err(SubjectError::NoPort),
            None => reachable(bind),
        };
        let (own, trust, origin) = identity(&mesh.source, &mesh.trust_domain)?;
        let membership = Membership::new(Arc::clone(&own), Arc::clone(&trust), origin)?;
        let word_counts = |id: &SpiffeId| membership.asserts(id, &mesh.assert);
        let named = trust.asserters.iter().chain(&mesh.assert);
        let asserter = named.filter(|id| **id != own.svid.id).find(|id| word_counts(id)).cloned();
        Ok(Self {
            target,
            addresses: addresses::of_host(target),
            is_asserter: word_counts(&own.svid.id),
            asserter,
            sidecar,
            config,
            own,
            trust,
        })
    }

    /// Whether it takes plaintext too.
    pub(super) fn is_permissive(&self) -> bool {
        self.config.listeners.iter().any(|one| one.role == Role::Inbound { permissive: true })
    }
}

/// An address to connect to: one that is bound to all is reached on loopback.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

type Read = (Arc<Own>, Arc<Believed>, Origin);

fn identity(source: &Source, domain: &TrustDomain) -> Result<Read, SubjectError> {
    match source {
        Source::Authority { state, .. } => of_state(state),
        Source::Files { cert, key, bundle } => of_files((cert, key, bundle), domain),
    }
}

fn of_state(state: &Path) -> Result<Read, SubjectError> {
    // Opening makes the folder, and nothing is to be changed here.
    if !state.is_dir() {
        return Err(SubjectError::NotJoined(state.to_owned()));
    }
    let found = StateDir::open(state)?.load()?;
    let identity = found.ok_or_else(|| SubjectError::NotJoined(state.to_owned()))?;
    let own = own(identity.chain, identity.key)?;
    Ok((own, believed(identity.trust), Origin::Authority))
}

fn of_files((cert, key, bundle): (&Path, &Path, &Path), domain: &TrustDomain) -> Result<Read, SubjectError> {
    let text = |path: &Path| {
        let read = std::fs::read_to_string(path);
        read.map_err(|source| SubjectError::File { path: path.to_owned(), source })
    };
    let own = own(certificate::certificates_from_pem(&text(cert)?)?, Arc::new(Key::read(key, None)?))?;
    let bundle = Bundle::from_pem(&text(bundle)?, domain)?;
    let trust = Trust { bundle, denied: Vec::new(), asserters: Vec::new() };
    Ok((own, believed(trust), Origin::Files))
}

fn own(chain: Vec<Vec<u8>>, key: Arc<Key>) -> Result<Arc<Own>, SubjectError> {
    let leaf = chain.first().map(Vec::as_slice).unwrap_or_default();
    let svid = certificate::svid(leaf)?;
    Ok(Arc::new(Own { svid, leaf: Fingerprint::of(leaf), chain, key, generation: 1 }))
}

fn believed(trust: Trust) -> Arc<Believed> {
    let Trust { bundle, denied, asserters } = trust;
    Arc::new(Believed { bundle, denied: DenyList::new(denied), asserters, version: 1 })
}

#[cfg(test)]
#[path = "subject_tests.rs"]
mod tests;

//! Membership of the mesh: our certificate, whom we believe, and the TLS made of both.
//!
//! One [`Membership`] is immutable. A renewed certificate or a changed trust makes a new one, which the control
//! thread hands to every worker through a watch channel. Must not know: requests, routes, users.

use crate::tls::mesh::MeshTls;
use portcullis_ca::bundle::Bundle;
use portcullis_ca::certificate::Svid;
use portcullis_ca::deny::DenyList;
use portcullis_ca::key::Key;
use portcullis_ca::names::Fingerprint;
use portcullis_ca::spiffe::SpiffeId;
use std::sync::Arc;

/// Who we are in the mesh, as of one certificate and one trust.
#[derive(Debug)]
pub struct Membership {
    /// Our certificate.
    pub own: Arc<Own>,
    /// Whom we believe.
    pub trust: Arc<Believed>,
    /// TLS towards and from peers.
    pub tls: MeshTls,
}

/// Our certificate and its key.
#[derive(Debug)]
pub struct Own {
    /// What the certificate says.
    pub svid: Svid,
    /// SHA-256 of the leaf's DER.
    pub leaf: Fingerprint,
    /// DER: leaf, then intermediates, without the root.
    pub chain: Vec<Vec<u8>>,
    /// Its key.
    pub key: Arc<Key>,
    /// Counts our certificates: another one, another number.
    pub generation: u64,
}

/// Whom we believe.
#[derive(Debug)]
pub struct Believed {
    /// Roots of our trust domain.
    pub bundle: Bundle,
    /// Who is not believed any more.
    pub denied: DenyList,
    /// Who may introduce users.
    pub asserters: Vec<SpiffeId>,
    /// Counts changes of the trust.
    pub version: u64,
}

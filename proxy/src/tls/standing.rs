//! Whether a certificate that a client has shown still counts. A connection sees reloads: the authorities that vouch for
//! it are those that its listener has now, not those of its handshake.
//!
//! | the certificate | counts |
//! |--|--|
//! | has ended | no |
//! | was held against these authorities before | as was found then |
//! | was not | as is found now |
//!
//! Must not know: who clients are, and what they may.

use super::facts::ClientCertificate;
use super::server::ServerTls;
use portcullis_ca::time::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::server::danger::ClientCertVerifier;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

/// The authorities of one listener as one worker knows them.
#[derive(Debug, Default)]
pub struct Authorities {
    verifier: RefCell<Option<Arc<dyn ClientCertVerifier>>>,
    /// How often they have changed.
    turn: Cell<u64>,
}

/// What was found of the certificate of one connection, and at which turn; `None`: not held against any yet.
pub type Found = Cell<Option<(u64, bool)>>;

impl Authorities {
    /// Takes over what a reload brought; `None`: TLS is not spoken any more.
    pub fn take(&self, tls: Option<&ServerTls>) {
        let next = tls.and_then(|tls| tls.clients.clone());
        let mut known = self.verifier.borrow_mut();
        let is_same = match (&*known, &next) {
            (Some(known), Some(next)) => Arc::ptr_eq(known, next),
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            *known = next;
            self.turn.set(self.turn.get() + 1);
        }
    }

    /// Whether they vouch for the certificate now.
    pub fn vouch(&self, certificate: &ClientCertificate, found: &Found, now: Timestamp) -> bool {
        if certificate.not_after < now {
            return false;
        }
        let turn = self.turn.get();
        if let Some((_, good)) = found.get().filter(|(when, _)| *when == turn) {
            return good;
        }
        let good = self.verify(certificate, now);
        found.set(Some((turn, good)));
        good
    }

    fn verify(&self, certificate: &ClientCertificate, now: Timestamp) -> bool {
        let verifier = self.verifier.borrow();
        let (Some(verifier), Some((leaf, intermediates))) = (&*verifier, certificate.chain.split_first())
        else {
            return false;
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.0).unwrap_or(0)));
        verifier.verify_client_cert(leaf, intermediates, now).is_ok()
    }
}

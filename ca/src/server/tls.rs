//! TLS of the server: 1.3 only, no resumption, no early data, HTTP/2.
//!
//! Decides what is shown and who is let in. The server's own certificate is replaced while it runs ([`Shown`]). A
//! client may come without a certificate; one that is shown must be good under the trust of this moment, or the
//! handshake ends with the alert that says why:
//!
//! | the client certificate | alert (RFC 8446, section 6.2) |
//! |--|--|
//! | is over, or not in force yet | certificate_expired |
//! | is under a root we do not believe | unknown_ca |
//! | is denied, or its intermediate | certificate_revoked |
//! | may not be used by a client | unsupported_certificate |
//! | is no SVID, or of another trust domain | access_denied |
//! | is wrong in another way | bad_certificate |

use super::limit::{Bucket, Rate};
use super::view::Trusted;
use crate::clock;
use crate::key::Key;
use crate::tls::{self, ALPN, tls13_signatures};
use crate::verify::VerifyError;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{CertificateError, CommonState, DistinguishedName, ServerConfig};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// What the server shows; replaced while it runs.
#[derive(Debug, Default)]
pub(super) struct Shown(RwLock<Option<Arc<CertifiedKey>>>);

impl Shown {
    /// Shows `chain` (DER, the certificate first, the root among it) from the next handshake on.
    pub(super) fn replace(&self, chain: Vec<Vec<u8>>, key: &Key) -> Result<(), rustls::Error> {
        let key = PrivatePkcs8KeyDer::from(key.pkcs8().to_vec());
        let key = tls::provider().key_provider.load_private_key(key.into())?;
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        let shown = Arc::new(CertifiedKey::new(chain, key));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        Ok(())
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Accepts connections that are shown `shown`, from members by `trusted` and from strangers.
pub(super) fn acceptor(shown: Arc<Shown>, trusted: Trusted) -> Result<TlsAcceptor, rustls::Error> {
    let provider = tls::provider();
    let verifier = Verifier { trusted, provider: Arc::clone(&provider), said: Mutex::default() };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(shown);
    // A resumed handshake does not look at certificates again: who was revoked meanwhile would walk in.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Whether HTTP/2 was agreed on. A client that offers no protocol at all gets through the handshake without one.
pub(super) fn speaks_http2(connection: &CommonState) -> bool {
    connection.alpn_protocol() == Some(ALPN)
}

/// The chain the client showed, DER.
pub(super) fn chain_of(connection: &CommonState) -> Option<Vec<Vec<u8>>> {
    let chain = connection.peer_certificates()?;
    Some(chain.iter().map(|certificate| certificate.to_vec()).collect())
}

struct Verifier {
    trusted: Trusted,
    provider: Arc<CryptoProvider>,
    /// When the log last had a line of a refusal.
    said: Mutex<Bucket>,
}

impl Verifier {
    /// At most a line a second: the log says why, the alert only the kind.
    fn say(&self, error: &VerifyError) {
        let rate = Rate::new(Duration::from_secs(1), 1);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.take(&rate, clock::monotonic()).is_ok() {
            tracing::warn!(event = "client_refused", "{error}");
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Verifier")
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // None: a client has one certificate and should show it.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let chain: Vec<&[u8]> = std::iter::once(end_entity).chain(intermediates).map(AsRef::as_ref).collect();
        let view = Arc::clone(&self.trusted.borrow());
        match view.believe(&chain, clock::wall()) {
            Ok(_svid) => Ok(ClientCertVerified::assertion()),
            Err(error) => {
                self.say(&error);
                Err(in_tls(&error).into())
            }
        }
    }

    tls13_signatures!();
}

/// The error whose alert says why.
fn in_tls(error: &VerifyError) -> CertificateError {
    match error {
        VerifyError::Expired { .. } => CertificateError::Expired,
        VerifyError::NotYetValid { .. } => CertificateError::NotValidYet,
        VerifyError::UnknownRoot { .. } => CertificateError::UnknownIssuer,
        VerifyError::Denied { .. } | VerifyError::AuthorityDenied(_) => CertificateError::Revoked,
        VerifyError::Usage(_) => CertificateError::InvalidPurpose,
        VerifyError::Svid(_) | VerifyError::ForeignTrustDomain { .. } => {
            CertificateError::ApplicationVerificationFailure
        }
        _ => CertificateError::BadEncoding,
    }
}

//! TLS to the authority: 1.3 only, no resumption, HTTP/2.
//!
//! Decides whether who answers is the authority: at the first contact by the fingerprints of the join token, later by
//! the bundle; in both cases its certificate must be for `spiffe://<trust domain>/ca` exactly. The host name of the
//! address decides nothing. What is wrong comes out by its name ([`refusal`]), not as "invalid peer certificate".

use super::error::Distrust;
use super::identity::Identity;
use crate::bundle::Bundle;
use crate::clock;
use crate::deny::DenyList;
use crate::names::Fingerprint;
use crate::spiffe::{AUTHORITY_PATH, SpiffeId, TrustDomain};
use crate::time::Timestamp;
use crate::tls::{self, tls13_signatures};
use crate::token::JoinToken;
use crate::verify::{self, Side};
use rustls::client::WantsClientCert;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, CertificateError, ClientConfig, ConfigBuilder, OtherError};
use std::io;
use std::sync::Arc;

/// For the first contact: believe the roots the token names, show nothing.
pub(super) fn first_contact(token: &JoinToken) -> Result<Arc<ClientConfig>, rustls::Error> {
    let believed = Believed::Roots(token.roots.clone(), token.trust_domain.clone());
    let config = builder(believed)?.with_no_client_auth();
    Ok(tls::finished(config))
}

/// For every later contact: believe the bundle, show the certificate.
pub(super) fn member(identity: &Identity) -> Result<Arc<ClientConfig>, rustls::Error> {
    let Identity { trust, chain, key, .. } = identity;
    let believed = Believed::Bundle(trust.bundle.clone(), DenyList::new(trust.denied.clone()));
    let chain = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    // Borrowed: no copy of the key is left behind.
    let key = aws_lc_rs::sign::any_ecdsa_type(&PrivatePkcs8KeyDer::from(key.pkcs8()).into())?;
    let own = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let config = builder(believed)?.with_client_cert_resolver(Arc::new(own));
    Ok(tls::finished(config))
}

/// Why the authority was not believed, if that is why the handshake failed.
pub(super) fn refusal(error: &io::Error) -> Option<&Distrust> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why))) = error else {
        return None;
    };
    why.downcast_ref()
}

/// Whether an alert says that our certificate is not accepted (RFC 8446, section 6.2).
pub(super) fn about_our_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired
    )
}

#[derive(Debug)]
enum Believed {
    /// Roots with these fingerprints, of this trust domain.
    Roots(Vec<Fingerprint>, TrustDomain),
    Bundle(Bundle, DenyList),
}

impl Believed {
    /// Checks that `chain` is the authority's.
    fn check(&self, chain: &[&[u8]], now: Timestamp) -> Result<(), Distrust> {
        let (peer, trust_domain) = match self {
            Self::Roots(pins, trust_domain) => {
                (verify::verify_pinned(chain, pins, Some(trust_domain), now)?.0, trust_domain)
            }
            Self::Bundle(bundle, denied) => {
                (verify::verify(chain, bundle, denied, Side::Server, now)?, &bundle.trust_domain)
            }
        };
        let expected = SpiffeId::new(trust_domain.clone(), AUTHORITY_PATH)?;
        if peer.id == expected { Ok(()) } else { Err(Distrust::Identity { found: peer.id, expected }) }
    }
}

#[derive(Debug)]
struct Verifier {
    believed: Believed,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<&[u8]> = std::iter::once(end_entity).chain(intermediates).map(AsRef::as_ref).collect();
        match self.believed.check(&chain, clock::wall()) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(why) => Err(CertificateError::Other(OtherError(Arc::new(why))).into()),
        }
    }

    tls13_signatures!();
}

fn builder(believed: Believed) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    tls::connecting(Arc::new(Verifier { believed, provider: tls::provider() }))
}

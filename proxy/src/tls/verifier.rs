//! Who is let through a handshake of the mesh.
//!
//! Decides it by [`portcullis_ca::verify`], under the trust of one membership; of a server also that it is the one that
//! was meant, byte for byte. The other side learns the kind of refusal from the alert, we know all of it ([`Slot`]):
//!
//! | the certificate | alert (RFC 8446, section 6.2) |
//! |--|--|
//! | is over, or not in force yet | certificate_expired |
//! | is under a root we do not believe | unknown_ca |
//! | is denied, or its intermediate | certificate_revoked |
//! | may not be used by a client, or by a server | unsupported_certificate |
//! | is no SVID, of another trust domain, or of somebody else than was meant | access_denied |
//! | is wrong in another way | bad_certificate |
//!
//! Must not know: connections, what is done with a peer.

use crate::mesh::{self, Believed};
use portcullis_ca::spiffe::SpiffeId;
use portcullis_ca::verify::{self, Side, VerifyError};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, PeerIncompatible, SignatureScheme};
use std::sync::{Arc, OnceLock};
use webpki::aws_lc_rs as algorithm;

/// How handshakes may be signed: what certificates may be signed with, in the pairs TLS 1.3 knows (RFC 8446, section
/// 4.2.3).
static SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[algorithm::ECDSA_P256_SHA256, algorithm::ECDSA_P384_SHA384, algorithm::ED25519],
    mapping: &[
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[algorithm::ECDSA_P256_SHA256]),
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[algorithm::ECDSA_P384_SHA384]),
        (SignatureScheme::ED25519, &[algorithm::ED25519]),
    ],
};

/// Why somebody was not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its certificate is not believed.
    #[error(transparent)]
    Chain(#[from] VerifyError),
    /// Its certificate is good, for somebody else.
    #[error(
        "it has the certificate of {found}, not of {expected}: check the `mesh:` and the endpoints of the service"
    )]
    Other {
        /// Whose certificate it has.
        found: SpiffeId,
        /// Who was meant.
        expected: SpiffeId,
    },
}

/// Where the refusal of one handshake is written down: rustls hands on only the kind.
pub(super) type Slot = Arc<OnceLock<Refusal>>;

/// Judges those who connect.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) trust: Arc<Believed>,
    pub(super) refused: Slot,
}

/// Judges whom we connect to.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) trust: Arc<Believed>,
    pub(super) expected: SpiffeId,
    pub(super) refused: Slot,
}

/// Who shows this chain.
fn judge(
    leaf: &CertificateDer<'_>,
    above: &[CertificateDer<'_>],
    trust: &Believed,
    side: Side,
) -> Result<SpiffeId, Refusal> {
    let chain: Vec<&[u8]> = std::iter::once(leaf).chain(above).map(AsRef::as_ref).collect();
    Ok(verify::verify(&chain, &trust.bundle, &trust.denied, side, mesh::now())?.id)
}

/// Writes a refusal down and says its kind.
fn refuse(refusal: Refusal, slot: &Slot) -> rustls::Error {
    let kind = kind(&refusal);
    // A handshake has one certificate message, so there is no second refusal.
    let _first = slot.set(refusal);
    kind.into()
}

/// The error whose alert says why.
fn kind(refusal: &Refusal) -> CertificateError {
    match refusal {
        Refusal::Chain(VerifyError::Expired { .. }) => CertificateError::Expired,
        Refusal::Chain(VerifyError::NotYetValid { .. }) => CertificateError::NotValidYet,
        Refusal::Chain(VerifyError::UnknownRoot { .. }) => CertificateError::UnknownIssuer,
        Refusal::Chain(VerifyError::Denied { .. } | VerifyError::AuthorityDenied(_)) => {
            CertificateError::Revoked
        }
        Refusal::Chain(VerifyError::Usage(_)) => CertificateError::InvalidPurpose,
        Refusal::Other { .. }
        | Refusal::Chain(VerifyError::Svid(_) | VerifyError::ForeignTrustDomain { .. }) => {
            CertificateError::ApplicationVerificationFailure
        }
        Refusal::Chain(_) => CertificateError::BadEncoding,
    }
}

/// The methods in which both do the same.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Err(PeerIncompatible::Tls12NotOffered.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            verify_tls13_signature(message, cert, signature, &SIGNATURES)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            SIGNATURES.supported_schemes()
        }
    };
}

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // None: a member has one certificate and should show it.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match judge(end_entity, intermediates, &self.trust, Side::Client) {
            Ok(_member) => Ok(ClientCertVerified::assertion()),
            Err(refusal) => Err(refuse(refusal, &self.refused)),
        }
    }

    signatures!();
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refusal = match judge(end_entity, intermediates, &self.trust, Side::Server) {
            Ok(found) if found == self.expected => return Ok(ServerCertVerified::assertion()),
            Ok(found) => Refusal::Other { found, expected: self.expected.clone() },
            Err(refusal) => refusal,
        };
        Err(refuse(refusal, &self.refused))
    }

    signatures!();
}

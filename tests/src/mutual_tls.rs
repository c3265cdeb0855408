//! Mutual TLS between two members of a mesh, each with the identity its agent holds at that moment.
//!
//! Nothing of the product but its verification: the sockets and configurations are the test's own.

use portcullis_ca::certificate::Svid;
use portcullis_ca::client::Identity;
use portcullis_ca::clock;
use portcullis_ca::deny::DenyList;
use portcullis_ca::verify::{Side, verify};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme, version,
};
use std::sync::Arc;

/// What a member of a mesh does with the certificate of another one.
#[derive(Debug)]
struct Peer {
    own: Arc<Identity>,
    provider: Arc<CryptoProvider>,
}

impl Peer {
    fn verified(
        &self,
        side: Side,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
    ) -> Result<Svid, rustls::Error> {
        let chain: Vec<&[u8]> = std::iter::once(leaf).chain(rest).map(AsRef::as_ref).collect();
        let denied = DenyList::new(self.own.trust.denied.clone());
        let verified = verify(&chain, &self.own.trust.bundle, &denied, side, clock::wall());
        verified.map_err(|error| rustls::Error::General(error.to_string()))
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }
}

macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Err(rustls::Error::General("TLS 1.2".into()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            self.signature(message, certificate, signed)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ECDSA_NISTP256_SHA256]
        }
    };
}

impl ServerCertVerifier for Peer {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verified(Side::Server, leaf, rest).map(|_| ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Peer {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.verified(Side::Client, leaf, rest).map(|_| ClientCertVerified::assertion())
    }

    signatures!();
}

fn parts(own: &Arc<Identity>) -> (Arc<Peer>, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = own.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivatePkcs8KeyDer::from(own.key.pkcs8().to_vec()).into();
    (Arc::new(Peer { own: Arc::clone(own), provider }), chain, key)
}

/// The side that accepts.
pub fn accepting(own: &Arc<Identity>) -> Arc<ServerConfig> {
    let (peer, chain, key) = parts(own);
    let versions = ServerConfig::builder_with_provider(Arc::clone(&peer.provider))
        .with_protocol_versions(&[&version::TLS13]);
    let config = versions.expect("TLS 1.3").with_client_cert_verifier(peer).with_single_cert(chain, key);
    Arc::new(config.expect("a certificate and its key"))
}

/// The side that connects.
pub fn connecting(own: &Arc<Identity>) -> Arc<ClientConfig> {
    let (peer, chain, key) = parts(own);
    let versions = ClientConfig::builder_with_provider(Arc::clone(&peer.provider))
        .with_protocol_versions(&[&version::TLS13]);
    let dangerous = versions.expect("TLS 1.3").dangerous().with_custom_certificate_verifier(peer);
    let mut config = dangerous.with_client_auth_cert(chain, key).expect("a certificate and its key");
    // Each connection is a full handshake, so that each one verifies.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

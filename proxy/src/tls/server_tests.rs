//! What a handshake of the edge tells of a client that shows a certificate.

use super::*;
use crate::mesh::support::local;
use portcullis_ca::names::Fingerprint;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use std::fs;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// An edge that asks clients for certificates of an authority, and that authority.
fn edge(folder: &Path) -> (ServerTls, CertifiedIssuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["shop.example".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    fs::write(folder.join("own.pem"), own.pem()).unwrap();
    fs::write(folder.join("own.key"), key.serialize_pem()).unwrap();
    let text = "version: 1\nlisteners: [{ bind: 127.0.0.1:8443, tls: { certificates: [{ cert: own.pem, key: file:own.key }], client_ca: ca.pem } }]\n";
    let file = folder.join("edge.yaml");
    fs::write(&file, text).unwrap();
    let config = crate::config::load(&file).unwrap().config;
    (ServerTls::load(&config.listeners[0], None).unwrap().unwrap(), ca)
}

/// What the edge knows of a client that shows this.
async fn told(
    edge: &ServerTls,
    ca: &CertifiedIssuer<'static, KeyPair>,
    shown: Option<(CertificateDer<'static>, KeyPair)>,
) -> TlsFacts {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from("shop.example").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let acceptor = TlsAcceptor::from(Arc::clone(&edge.config));
    let (connected, accepted) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    connected.unwrap();
    edge.facts(accepted.unwrap().get_ref().1).0
}

#[test]
fn a_client_with_a_verified_certificate_has_a_name_and_one_without_has_none() {
    local(async {
        let folder = tempfile::tempdir().unwrap();
        let (edge, ca) = edge(folder.path());
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "till-7.devices.shop.example");
        let certificate = params.signed_by(&key, &ca).unwrap().der().clone();

        let named = told(&edge, &ca, Some((certificate.clone(), key))).await;
        let unnamed = told(&edge, &ca, None).await;

        let shown = named.certificate.unwrap();
        assert_eq!(shown.common_name.as_deref(), Some("till-7.devices.shop.example"));
        assert_eq!(shown.fingerprint, Fingerprint::of(&certificate));
        assert!(named.peer.is_none() && unnamed.certificate.is_none());
    });
}

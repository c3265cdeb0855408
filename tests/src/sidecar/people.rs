//! Clients outside the mesh: an authority of their own, and certificates that carry a common name.

use super::svid::Believing;
use crate::transport::Transport;
use crate::{Client, Raw, Response, wait};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// The authority of the clients.
pub struct People {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl People {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "making keys is no default")]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "clients of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a root");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("clients.pem"), issuer.pem()).expect("written");
        Self { issuer, folder }
    }

    /// File of the root.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("clients.pem")
    }

    /// A client called `name`.
    pub fn client(&self, name: &str) -> Arc<ClientConfig> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.issuer).expect("a leaf");
        let key: PrivateKeyDer<'static> = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Self::config(Some((leaf.der().clone(), key)))
    }

    /// Somebody without a certificate.
    pub fn stranger() -> Arc<ClientConfig> {
        Self::config(None)
    }

    fn config(own: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>) -> Arc<ClientConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let believes = Arc::new(Believing(Arc::clone(&provider)));
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("versions").dangerous().with_custom_certificate_verifier(believes);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some((leaf, key)) => builder.with_client_auth_cert(vec![leaf], key).expect("a pair"),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// A connection of `client`.
    ///
    /// # Panics
    /// When the handshake fails.
    pub fn connect(client: &Arc<ClientConfig>, address: SocketAddr) -> Raw {
        let socket = TcpStream::connect(address).expect("a connection");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        socket.set_read_timeout(Some(wait::PATIENCE)).expect("a timeout");
        let name = ServerName::try_from("a").expect("a name");
        let session = ClientConnection::new(Arc::clone(client), name).expect("a session");
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).expect("a handshake");
        }
        Raw::over(Transport::Client(Box::new(stream)))
    }

    /// One request of `client` on a connection of its own.
    pub fn send(client: &Arc<ClientConfig>, address: SocketAddr, request: &Client) -> Response {
        request.send_on(&mut Self::connect(client, address))
    }
}

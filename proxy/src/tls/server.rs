//! TLS towards clients.

use super::facts::{ClientCertificate, TlsFacts};
use super::pem::{TlsError, authorities, certificates, private_key};
use super::sni::{Certificates, Named};
use crate::config::listener::{Listener, Tls};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::sign::CertifiedKey;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::StartHandshake;

/// A downstream connection.
pub type Transport = super::transport::Transport<tokio_rustls::server::TlsStream<TcpStream>>;

/// What a TLS listener shows and asks.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// Settings for rustls.
    pub config: Arc<ServerConfig>,
    /// Its certificates, to find out later which one was shown.
    pub certificates: Arc<Certificates>,
    /// Who vouches for certificates of clients; `None`: nobody is asked for one.
    pub clients: Option<Arc<dyn ClientCertVerifier>>,
    material: Arc<Material>,
}

/// What the files held. While it is the same, a reload keeps everything, and with it the clients' session tickets.
#[derive(Debug, PartialEq, Eq)]
struct Material {
    pairs: Vec<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    client_ca: Option<Vec<CertificateDer<'static>>>,
    alpn: Vec<Vec<u8>>,
}

impl Material {
    fn read(tls: &Tls, alpn: Vec<Vec<u8>>) -> Result<Self, TlsError> {
        let pairs =
            tls.certificates.iter().map(|pair| Ok((certificates(&pair.cert)?, private_key(&pair.key)?)));
        let client_ca = tls.client_ca.as_deref().map(certificates).transpose()?;
        Ok(Self { pairs: pairs.collect::<Result<_, TlsError>>()?, client_ca, alpn })
    }
}

impl ServerTls {
    /// Reads all files of `listener.tls`; `None` for a plain listener. `before` is taken over when nothing changed.
    pub fn load(listener: &Listener, before: Option<&Self>) -> Result<Option<Self>, TlsError> {
        let Some(tls) = &listener.tls else { return Ok(None) };
        let material = Material::read(tls, alpn(listener))?;
        if let Some(same) = before.filter(|before| *before.material == material) {
            return Ok(Some(same.clone()));
        }
        let named = tls.certificates.iter().map(|pair| load_pair(&pair.cert, &pair.key));
        let certificates = Arc::new(Certificates(named.collect::<Result<_, _>>()?));
        let clients = client_verifier(tls)?;
        let mut config = ServerConfig::builder_with_provider(super::provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_client_cert_verifier(clients.clone().unwrap_or_else(|| Arc::new(NoClientAuth)))
            .with_cert_resolver(Arc::clone(&certificates) as Arc<_>);
        config.alpn_protocols.clone_from(&material.alpn);
        // A ticket keeps the old peer authentication: where client certificates count, every handshake is full.
        if tls.client_ca.is_some() {
            config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
            config.send_tls13_tickets = 1;
        }
        Ok(Some(Self { config: Arc::new(config), certificates, clients, material: Arc::new(material) }))
    }
}

/// Reads a client's first message; what it is answered is decided afterwards.
pub async fn hello(stream: TcpStream) -> std::io::Result<StartHandshake<TcpStream>> {
    LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await
}

impl ServerTls {
    /// What a finished handshake told us, and whether HTTP/2 was agreed on.
    pub fn facts(&self, connection: &rustls::ServerConnection) -> (TlsFacts, bool) {
        let version = match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        };
        let sni = connection.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let names = self.certificates.choose(sni.as_deref()).map(|named| Arc::clone(&named.names));
        let is_h2 = connection.alpn_protocol() == Some(b"h2");
        // Who is asked for one and shows one has been verified by now.
        let certificate = connection.peer_certificates().and_then(ClientCertificate::of).map(Arc::new);
        (
            TlsFacts {
                version,
                sni: sni.map(Arc::from),
                names: names.unwrap_or_default(),
                peer: None,
                certificate,
            },
            is_h2,
        )
    }
}

fn alpn(listener: &Listener) -> Vec<Vec<u8>> {
    let offered = [(listener.h2, &b"h2"[..]), (listener.h1, &b"http/1.1"[..])];
    offered.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_vec()).collect()
}

fn client_verifier(tls: &Tls) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let Some(path) = &tls.client_ca else { return Ok(None) };
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), super::provider());
    let built = builder.allow_unauthenticated().build();
    Ok(Some(built.map_err(|source| TlsError::ClientCa { path: path.clone(), source })?))
}

fn load_pair(cert: &Path, key: &Path) -> Result<Named, TlsError> {
    let unusable = |source| TlsError::Unusable { path: cert.to_owned(), source };
    let chain = certificates(cert)?;
    let names = chain.first().map(dns_names).unwrap_or_default();
    let key = CertifiedKey::from_der(chain, private_key(key)?, &super::provider()).map_err(unusable)?;
    Ok(Named { key: Arc::new(key), names })
}

/// DNS names of a leaf, lower case; none when it cannot be read (rustls will refuse it itself).
pub(super) fn dns_names(leaf: &CertificateDer<'_>) -> Arc<[Box<str>]> {
    webpki::EndEntityCert::try_from(leaf)
        .map(|leaf| leaf.valid_dns_names().map(|name| name.to_ascii_lowercase().into_boxed_str()).collect())
        .unwrap_or_default()
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;

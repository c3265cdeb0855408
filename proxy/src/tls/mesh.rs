//! TLS between members of the mesh: 1.3 only, both sides show a SPIFFE certificate, nothing is resumed.
//!
//! Decides how a handshake goes and what it told us; who is let through decides `verifier`. No tickets, no stored
//! sessions, no early data: a resumed handshake looks at no certificate, and who was revoked meanwhile would walk in.
//! No name is sent: the endpoint has an address, its certificate says who it is.
//!
//! Must not know: requests, routes, where certificates come from.

use super::facts::{Peer, TlsFacts};
use super::pem::TlsError;
use super::server::dns_names;
pub use super::verifier::Refusal;
use super::verifier::{Clients, Servers, Slot};
use crate::mesh::{Believed, Own};
use portcullis_ca::certificate;
use portcullis_ca::names::Fingerprint;
use portcullis_ca::spiffe::SpiffeId;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::StartHandshake;
use tokio_rustls::{TlsConnector, client, server};

const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// TLS of one membership. A copy is cheap.
#[derive(Clone)]
pub struct MeshTls(Arc<Material>);

/// What handshakes are made of.
struct Material {
    provider: Arc<CryptoProvider>,
    trust: Arc<Believed>,
    shown: Arc<SingleCertAndKey>,
    /// DNS names of our certificate.
    names: Arc<[Box<str>]>,
    /// Copied for each connection, with a verifier of its own.
    client: ClientConfig,
}

impl std::fmt::Debug for MeshTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeshTls").finish_non_exhaustive()
    }
}

impl MeshTls {
    /// TLS that shows `own` and believes `trust`.
    ///
    /// # Errors
    /// When rustls cannot use the key.
    pub fn new(own: &Own, trust: Arc<Believed>) -> Result<Self, TlsError> {
        let provider = super::provider();
        let chain: Vec<_> = own.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let names = chain.first().map(dns_names).unwrap_or_default();
        // Borrowed: no copy of the key is left behind.
        let key = aws_lc_rs::sign::any_ecdsa_type(&PrivatePkcs8KeyDer::from(own.key.pkcs8()).into())?;
        let shown = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
        let nobody_else =
            Servers { trust: Arc::clone(&trust), expected: own.svid.id.clone(), refused: Slot::default() };
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(nobody_else))
            .with_client_cert_resolver(Arc::clone(&shown) as Arc<_>);
        client.resumption = Resumption::disabled();
        client.enable_sni = false;
        client.alpn_protocols = vec![H2.to_vec()];
        let made = Self(Arc::new(Material { provider, trust, shown, names, client }));
        // What would fail at every connection fails now.
        made.server(&Slot::default())?;
        Ok(made)
    }

    /// Shakes hands with who connected. Also says whether HTTP/2 was agreed on. `hello` is their first message
    /// ([`super::server::hello`]).
    ///
    /// # Errors
    /// When they are no member, or go away.
    pub async fn accept<IO>(
        &self,
        hello: StartHandshake<IO>,
    ) -> Result<(server::TlsStream<IO>, TlsFacts, bool), MeshFault>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let refused = Slot::default();
        let config = self.server(&refused).map_err(io::Error::other)?;
        let stream = hello.into_stream(config).await.map_err(|error| fault(error, &refused))?;
        let connection = stream.get_ref().1;
        let sni = connection.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let facts = TlsFacts {
            version: "TLSv1.3",
            sni: sni.map(Arc::from),
            names: Arc::clone(&self.0.names),
            peer: Some(Arc::new(peer(connection.peer_certificates())?)),
            certificate: None,
        };
        let is_h2 = connection.alpn_protocol() == Some(H2);
        Ok((stream, facts, is_h2))
    }

    /// Shakes hands, as who connected to `address`, with `expected` and nobody else; HTTP/2 is spoken then.
    ///
    /// In TLS 1.3 this may succeed before the other side has looked at our certificate: that they do not take it shows
    /// as an alert at the first read.
    ///
    /// # Errors
    /// When it is somebody else, or the connection fails.
    pub async fn connect<IO>(
        &self,
        expected: &SpiffeId,
        address: IpAddr,
        io: IO,
    ) -> Result<(client::TlsStream<IO>, Arc<Peer>), MeshFault>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let refused = Slot::default();
        let connector = TlsConnector::from(self.client(expected, &refused));
        let stream = connector.connect(ServerName::from(address), io).await;
        let stream = stream.map_err(|error| fault(error, &refused))?;
        let connection = stream.get_ref().1;
        if connection.alpn_protocol() != Some(H2) {
            return Err(MeshFault::NoHttp2);
        }
        let peer = Arc::new(peer(connection.peer_certificates())?);
        Ok((stream, peer))
    }

    /// For one connection that came. Who is refused stands in `refused` afterwards.
    fn server(&self, refused: &Slot) -> Result<Arc<ServerConfig>, rustls::Error> {
        let verifier = Clients { trust: Arc::clone(&self.0.trust), refused: Arc::clone(refused) };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.0.provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::clone(&self.0.shown) as Arc<_>);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        config.alpn_protocols = vec![H2.to_vec(), HTTP1.to_vec()];
        Ok(Arc::new(config))
    }

    /// For one connection to `expected`.
    fn client(&self, expected: &SpiffeId, refused: &Slot) -> Arc<ClientConfig> {
        let verifier = Servers {
            trust: Arc::clone(&self.0.trust),
            expected: expected.clone(),
            refused: Arc::clone(refused),
        };
        let mut config = self.0.client.clone();
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        Arc::new(config)
    }
}

/// Who is at the other end of a finished handshake: the verifier has believed this chain.
fn peer(chain: Option<&[CertificateDer<'_>]>) -> Result<Peer, MeshFault> {
    let leaf = chain.and_then(<[_]>::first).ok_or(MeshFault::NoCertificate)?;
    let svid = certificate::svid(leaf).map_err(|_| MeshFault::NoCertificate)?;
    let chain = chain.unwrap_or_default().iter().map(|der| der.to_vec()).collect();
    Ok(Peer { svid, leaf: Fingerprint::of(leaf), chain })
}

/// What went wrong, in words.
fn fault(error: io::Error, refused: &Slot) -> MeshFault {
    if let Some(refusal) = refused.get() {
        return MeshFault::Refused(refusal.clone());
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::NoCertificatesPresented) => MeshFault::NoCertificate,
        Some(rustls::Error::AlertReceived(alert)) => MeshFault::Told(format!("{alert:?}")),
        Some(rustls::Error::PeerIncompatible(why)) => MeshFault::Incompatible(format!("{why:?}")),
        Some(rustls::Error::NoApplicationProtocol) => MeshFault::NoHttp2,
        _ => MeshFault::Io(error),
    }
}

/// Why a handshake with another member failed.
#[derive(Debug, thiserror::Error)]
pub enum MeshFault {
    /// We do not believe them.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// They do not believe us, or do not want to talk.
    #[error("the other side ended the handshake with the alert {0}: its own log says why")]
    Told(String),
    /// They show nothing.
    #[error("it showed no certificate: only members of the mesh may connect here")]
    NoCertificate,
    /// They speak another TLS.
    #[error("it does not speak the TLS of the mesh, 1.3 with ECDSA or Ed25519 certificates ({0})")]
    Incompatible(String),
    /// They speak another protocol inside.
    #[error("it does not speak HTTP/2 inside TLS: is it a portcullis of the mesh?")]
    NoHttp2,
    /// The connection.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl MeshFault {
    /// One word for counters.
    pub fn word(&self) -> &'static str {
        use portcullis_ca::verify::VerifyError as Why;
        match self {
            Self::Refused(Refusal::Other { .. }) => "other_identity",
            Self::Refused(Refusal::Chain(why)) => match why {
                Why::Expired { .. } | Why::NotYetValid { .. } => "expired",
                Why::UnknownRoot { .. } => "unknown_root",
                Why::Denied { .. } | Why::AuthorityDenied(_) => "denied",
                Why::ForeignTrustDomain { .. } => "foreign_trust_domain",
                _ => "bad_certificate",
            },
            Self::Told(_) => "alert",
            Self::NoCertificate => "no_certificate",
            Self::Incompatible(_) => "incompatible",
            Self::NoHttp2 => "no_http2",
            Self::Io(_) => "io",
        }
    }
}

#[cfg(test)]
#[path = "mesh_tests.rs"]
mod tests;

//! TLS towards upstreams: the name is always checked.

use super::pem::{TlsError, authorities, certificates};
use crate::config::service::{Protocol, UpstreamTls};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// A connection to an endpoint.
pub type Transport = super::transport::Transport<tokio_rustls::client::TlsStream<tokio::net::TcpStream>>;

/// How to speak TLS to one service.
#[derive(Clone)]
pub struct ClientTls {
    /// Makes connections.
    pub connector: TlsConnector,
    /// Name sent as SNI and demanded of the certificate.
    pub name: ServerName<'static>,
    /// The authorities believed: a reload that changes them makes new connections.
    authorities: Vec<CertificateDer<'static>>,
}

impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.authorities == other.authorities
    }
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Reads the authorities of `tls`.
    pub fn load(tls: &UpstreamTls, protocol: Protocol) -> Result<Self, TlsError> {
        let spoken: &[u8] = match protocol {
            Protocol::H1 | Protocol::Tcp => b"http/1.1",
            Protocol::H2 => b"h2",
        };
        Self::new(&tls.name, authorities(&tls.ca)?, certificates(&tls.ca)?, spoken)
    }

    /// Towards a service outside that is asked over HTTP/1: believes the bundle at `ca`, or the authorities of this
    /// machine. `name` is a host name or an address without brackets. Reads files.
    pub fn for_host(name: &str, ca: Option<&Path>) -> Result<Self, TlsError> {
        let (roots, known) = match ca {
            Some(path) => (authorities(path)?, certificates(path)?),
            None => machine()?,
        };
        Self::new(name, roots, known, b"http/1.1")
    }

    fn new(
        name: &str,
        roots: RootCertStore,
        authorities: Vec<CertificateDer<'static>>,
        spoken: &[u8],
    ) -> Result<Self, TlsError> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_invalid| TlsError::Name { name: name.to_owned() })?;
        let mut config = ClientConfig::builder_with_provider(super::provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![spoken.to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name, authorities })
    }
}

/// The authorities of this machine. Those that cannot be read are passed over, as long as there are others.
fn machine() -> Result<(RootCertStore, Vec<CertificateDer<'static>>), TlsError> {
    let found = rustls_native_certs::load_native_certs().certs;
    let mut roots = RootCertStore::empty();
    let (taken, _passed_over) = roots.add_parsable_certificates(found.iter().cloned());
    if taken == 0 { Err(TlsError::NoAuthority) } else { Ok((roots, found)) }
}

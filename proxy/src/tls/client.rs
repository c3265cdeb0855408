//! TLS towards upstreams: the name is always checked.

use super::pem::{TlsError, authorities, certificates};
use crate::config::service::{Protocol, UpstreamTls};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
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
        let name = ServerName::try_from(tls.name.clone())
            .map_err(|_invalid| TlsError::Name { name: tls.name.clone() })?;
        let mut config = ClientConfig::builder_with_provider(super::provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_root_certificates(authorities(&tls.ca)?)
            .with_no_client_auth();
        config.alpn_protocols = vec![match protocol {
            Protocol::H1 | Protocol::Tcp => b"http/1.1".to_vec(),
            Protocol::H2 => b"h2".to_vec(),
        }];
        let authorities = certificates(&tls.ca)?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name, authorities })
    }
}

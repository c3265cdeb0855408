//! Handshakes of somebody who tries the door of a member, for `portcullis selftest`: with a certificate nobody signed,
//! a stolen one without its key, or none.
//!
//! Decides nothing about who is let in: that is the other side's. The other side must be the member that is tried, or
//! the knocking ends. Must not know: what is asked afterwards, verdicts.

use super::pem::TlsError;
use super::verifier::{Servers, Slot};
use crate::mesh::Believed;
use portcullis_ca::key::Key;
use portcullis_ca::spiffe::SpiffeId;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client};

/// A connection that was shaken hands on, as far as the client knows: in TLS 1.3 a refusal may still come at the first
/// read.
pub type Knocked = client::TlsStream<TcpStream>;

/// How to knock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Knock<'a> {
    /// What is shown, DER, leaf first, and the key that signs; they need not belong together. `None`: no certificate.
    pub shown: Option<(&'a [Vec<u8>], &'a Key)>,
    /// The name to ask for.
    pub sni: Option<&'a str>,
    /// Speak HTTP/2 inside, else HTTP/1.1.
    pub h2: bool,
}

/// Knocks in one way. It takes tickets and would resume, so that it shows whether it could.
#[derive(Clone)]
pub struct Knocker {
    connector: TlsConnector,
    name: Option<ServerName<'static>>,
    refused: Slot,
}

impl std::fmt::Debug for Knocker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Knocker").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Knocker {
    /// Knocks at `expected` and nobody else, known by `trust`.
    ///
    /// # Errors
    /// When rustls cannot use the key.
    pub fn new(expected: &SpiffeId, trust: Arc<Believed>, knock: Knock<'_>) -> Result<Self, TlsError> {
        let refused = Slot::default();
        let server = Servers { trust, expected: expected.clone(), refused: Arc::clone(&refused) };
        let builder = ClientConfig::builder_with_provider(super::provider())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(server));
        let mut config = match knock.shown {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
                let key = aws_lc_rs::sign::any_ecdsa_type(&PrivatePkcs8KeyDer::from(key.pkcs8()).into())?;
                // Whether they belong together is not asked: that is the other side's to find out.
                let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
                builder.with_client_cert_resolver(Arc::new(shown))
            }
        };
        config.alpn_protocols = vec![if knock.h2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        config.enable_sni = knock.sni.is_some();
        let name = knock.sni.and_then(|name| ServerName::try_from(name.to_owned()).ok());
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name, refused })
    }

    /// Shakes hands on a connection to `address`.
    ///
    /// # Errors
    /// When the other side refuses, or is somebody else.
    pub async fn knock(&self, address: IpAddr, stream: TcpStream) -> Result<Knocked, KnockFault> {
        let name = self.name.clone().unwrap_or_else(|| ServerName::from(address));
        let knocked = self.connector.connect(name, stream).await;
        knocked.map_err(|error| match (self.refused.get(), alert(&error)) {
            (Some(refusal), _) => KnockFault::Somebody(refusal.to_string()),
            (None, Some(alert)) => KnockFault::Refused(alert),
            (None, None) => KnockFault::Io(error),
        })
    }
}

/// Tickets to resume with that came so far, and whether this handshake resumed another.
pub fn resumption(knocked: &Knocked) -> (u32, bool) {
    let connection = knocked.get_ref().1;
    let resumed = connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    (connection.tls13_tickets_received(), resumed)
}

/// The alert by which the other side ended the connection, of an error of reading or writing.
pub fn alert(error: &io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some(format!("{alert:?}")),
        _ => None,
    }
}

/// Why there was no handshake.
#[derive(Debug, thiserror::Error)]
pub enum KnockFault {
    /// The other side does not let us in.
    #[error("alert {0}")]
    Refused(String),
    /// Somebody else answers there.
    #[error("somebody else answers: {0}")]
    Somebody(String),
    /// The connection.
    #[error(transparent)]
    Io(#[from] io::Error),
}

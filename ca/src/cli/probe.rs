//! A look at a running server from outside, for `ca check --server`: does it answer, who is it, what is its clock.
//!
//! The handshake takes any certificate, so that a bad one can be described; it is judged right after, before anything is
//! asked. What is asked is the health service of gRPC: it needs no certificate and changes nothing.

use crate::certificate;
use crate::clock;
use crate::deny::DenyList;
use crate::spiffe::SpiffeId;
use crate::time::Timestamp;
use crate::tls::{self, LocalExecutor, tls13_signatures};
use crate::trust::Trust;
use crate::verify::{self, Side, VerifyError};
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde::Serialize;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// For everything.
const LIMIT: Duration = Duration::from_secs(10);
/// `HealthCheckRequest` for the whole server: an empty message in its frame.
const QUESTION: &[u8] = &[0; 5];
/// `HealthCheckResponse { status: SERVING }` in its frame.
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

/// What a server is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Seen {
    /// Its certificate's first second.
    pub(super) not_before: Timestamp,
    /// Its certificate's last second.
    pub(super) not_after: Timestamp,
    /// Whether it says of itself that it serves.
    pub(super) serving: bool,
    /// How far its clock is ahead of ours, in seconds; `None`: it does not say.
    pub(super) ahead: Option<i64>,
}

/// Why a server cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    /// Not an address.
    #[error("the address is not https://host:port")]
    Url,
    /// Nobody answers.
    #[error("it cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// It does not answer in time.
    #[error("it does not answer within 10 s")]
    Late,
    /// It is not to be believed.
    #[error("its certificate is not good: {0}")]
    Distrusted(#[from] VerifyError),
    /// It is somebody else.
    #[error("{0} answers there, not the authority")]
    Somebody(SpiffeId),
    /// The connection broke.
    #[error("it does not answer as an authority does: {0}")]
    Http(#[from] hyper::Error),
    /// TLS cannot be set up here.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Looks at the server at `url`, which should be `who` under `trust`. Needs a local runtime.
pub(super) async fn probe(url: &str, who: &SpiffeId, trust: &Trust) -> Result<Seen, ProbeError> {
    tokio::time::timeout(LIMIT, look(url, who, trust)).await.map_err(|_late| ProbeError::Late)?
}

async fn look(url: &str, who: &SpiffeId, trust: &Trust) -> Result<Seen, ProbeError> {
    let uri: Uri = url.parse().map_err(|_| ProbeError::Url)?;
    let tls = connect(&uri).await?;
    let chain = tls.get_ref().1.peer_certificates().unwrap_or_default();
    let links: Vec<&[u8]> = chain.iter().map(AsRef::as_ref).collect();
    let denied = DenyList::new(trust.denied.clone());
    let shown = verify::verify(&links, &trust.bundle, &denied, Side::Server, clock::wall())?;
    if shown.id != *who {
        return Err(ProbeError::Somebody(shown.id));
    }
    let (serving, theirs) = ask(tls, &uri).await?;
    let ahead = theirs.map(|theirs| theirs.0.saturating_sub(clock::wall().0));
    Ok(Seen { not_before: shown.not_before, not_after: shown.not_after, serving, ahead })
}

async fn connect(uri: &Uri) -> Result<TlsStream<TcpStream>, ProbeError> {
    let host = uri.host().ok_or(ProbeError::Url)?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let tcp = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443)));
    let tcp = tcp.await.map_err(ProbeError::Unreachable)?;
    let name = ServerName::try_from(host).map_err(|_| ProbeError::Url)?;
    let connector = TlsConnector::from(config()?);
    connector.connect(name, tcp).await.map_err(ProbeError::Unreachable)
}

/// Asks for its health. Returns whether it serves, and its clock.
async fn ask(tls: TlsStream<TcpStream>, uri: &Uri) -> Result<(bool, Option<Timestamp>), ProbeError> {
    let (mut send, connection) = http2::handshake(LocalExecutor, TokioIo::new(tls)).await?;
    let driver = tokio::task::spawn_local(connection);
    let origin = uri.to_string();
    let request = Request::post(format!("{}/grpc.health.v1.Health/Check", origin.trim_end_matches('/')))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Full::new(Bytes::from_static(QUESTION)))
        .map_err(|_| ProbeError::Url)?;
    let response = send.send_request(request).await?;
    let theirs = date(&response);
    let body = response.into_body().collect().await?.to_bytes();
    driver.abort();
    Ok((body == SERVING, theirs))
}

fn date(response: &Response<Incoming>) -> Option<Timestamp> {
    http_date(response.headers().get(header::DATE)?.to_str().ok()?)
}

/// A moment as HTTP writes it (RFC 9110, section 5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    OffsetDateTime::parse(text, &Rfc2822).ok().map(|moment| Timestamp(moment.unix_timestamp()))
}

fn config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let verifier = Anybody { provider: tls::provider() };
    Ok(tls::finished(tls::connecting(Arc::new(verifier))?.with_no_client_auth()))
}

/// Takes any certificate whose key the server has. It is judged after the handshake.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match certificate::read(end_entity) {
            Ok(_) => Ok(ServerCertVerified::assertion()),
            Err(_) => Err(rustls::CertificateError::BadEncoding.into()),
        }
    }

    tls13_signatures!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Authority, Init};
    use crate::cli::serve::runtime;
    use crate::server::{self, Options};
    use crate::spiffe::AUTHORITY_PATH;
    use tokio::sync::oneshot;

    fn authority(dir: &std::path::Path) -> Authority {
        let init = Init {
            trust_domain: "shop.example".parse().unwrap(),
            urls: vec!["https://127.0.0.1:8443".into()],
            ttl_default: Duration::from_secs(3_600),
            root_life: Duration::from_secs(90 * 86_400),
            password: None,
            now: clock::wall(),
        };
        Authority::init(dir, &init).unwrap();
        Authority::open(dir, None).unwrap()
    }

    #[test]
    fn the_date_of_a_server_is_read() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Timestamp(784_111_777)));
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn a_server_is_told_from_nobody_and_from_somebody_else() {
        // given
        let folder = tempfile::tempdir().unwrap();
        let (ours, others) = (authority(&folder.path().join("a")), authority(&folder.path().join("b")));
        let (trust, foreign) = (ours.trust().unwrap(), others.trust().unwrap());
        let domain = trust.bundle.trust_domain.clone();
        let who = SpiffeId::new(domain.clone(), AUTHORITY_PATH).unwrap();
        let wrong = SpiffeId::new(domain, "/svc/order").unwrap();
        let (ready, address) = oneshot::channel();
        let options = Options { ready: Some(ready), ..Options::new("127.0.0.1:0".parse().unwrap()) };

        let seen = runtime().unwrap().block_on(async {
            // when
            let (stop, stopped) = oneshot::channel::<()>();
            let stopped = async { drop(stopped.await) };
            let server = tokio::task::spawn_local(server::serve(Arc::new(ours), options, stopped));
            let url = format!("https://{}", address.await.unwrap());
            let seen = [
                probe(&url, &who, &trust).await,
                probe(&url, &wrong, &trust).await,
                probe(&url, &who, &foreign).await,
            ];
            drop(stop);
            server.await.unwrap().unwrap();
            (seen, probe(&url, &who, &trust).await)
        });

        // then
        let ([good, somebody, distrusted], nobody) = seen;
        let good = good.unwrap();
        assert!(good.serving && good.ahead.is_some_and(|ahead| ahead.abs() <= 2), "{good:?}");
        assert!(matches!(somebody, Err(ProbeError::Somebody(id)) if id == who));
        assert!(matches!(distrusted, Err(ProbeError::Distrusted(VerifyError::UnknownRoot { .. }))));
        assert!(matches!(nobody, Err(ProbeError::Unreachable(_))), "{nobody:?}");
    }
}

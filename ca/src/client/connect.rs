//! A connection to the authority: TCP, TLS, HTTP/2, and the generated client on top.
//!
//! Decides how long to wait for each, and which of several servers to ask: in random order, so that they share the
//! work; the next one when one does not answer. It must not know what is asked.
//!
//! A `LocalSet` or a local runtime must be there: see [`super::wire`].

use super::error::{ClientError, Contact, Distrust};
use super::tls;
use super::wire::{self, Alert, Channel, Driver};
use crate::proto::certificate_authority_client::CertificateAuthorityClient;
use crate::verify::VerifyError;
use http::Uri;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::error::Error;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::{Code, Status};

/// For each of: the connection, the handshake.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// For an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long the last bytes may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// A trust with some hundred thousand rules in the deny-list.
const LARGEST_ANSWER: usize = 16 << 20;
/// gRPC, "retry design": how long to wait.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// A connection over which the authority can be asked.
pub(super) struct Connection {
    pub(super) client: CertificateAuthorityClient<Channel>,
    pub(super) line: Line,
    driver: Driver,
}

/// Whom a connection leads to: names what goes wrong on it.
pub(super) struct Line {
    url: String,
    contact: Contact,
    alert: Alert,
}

impl Connection {
    /// Connects to `url`.
    pub(super) async fn open(
        url: &str,
        config: &Arc<ClientConfig>,
        contact: Contact,
    ) -> Result<Self, ClientError> {
        let place = Place::parse(url)?;
        let unreachable = |source| ClientError::Unreachable { url: url.to_owned(), source };
        let tcp = limited(dial(&place.host, place.port)).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let tls = TlsConnector::from(Arc::clone(config)).connect(place.name, tcp);
        let tls = limited(tls).await.map_err(|error| handshake_failed(url, contact, error))?;
        if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(unreachable(io::Error::other("no HTTP/2 is spoken there")));
        }
        let alert = Alert::default();
        let (channel, driver) = limited(wire::start(tls, alert.clone())).await.map_err(unreachable)?;
        let client = CertificateAuthorityClient::with_origin(channel, place.origin)
            .max_decoding_message_size(LARGEST_ANSWER);
        Ok(Self { client, line: Line { url: url.to_owned(), contact, alert }, driver })
    }

    /// Ends the connection once all that was sent is out.
    pub(super) async fn close(self) {
        drop(self.client);
        // When it does not end in time it is cut off.
        let _in_time = timeout(CLOSE_LIMIT, self.driver.ended()).await;
    }
}

/// What is done to a socket before it connects.
static PREPARE: OnceLock<fn(BorrowedFd<'_>)> = OnceLock::new();

/// From now on every socket towards an authority is shown to `prepare` before it connects; only the first call counts.
/// For processes whose connections the kernel would send back to them.
pub fn prepare_sockets(prepare: fn(BorrowedFd<'_>)) {
    let _first_counts = PREPARE.set(prepare).is_ok();
}

/// Connects to the first address of `host` that answers.
async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut fault = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(prepare) = PREPARE.get() {
            prepare(socket.as_fd());
        }
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => fault = error,
        }
    }
    Err(fault)
}

impl Line {
    /// Waits for an answer.
    pub(super) async fn answer<T>(
        &self,
        asked: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, ClientError> {
        match timeout(ANSWER_LIMIT, asked).await {
            Ok(answer) => answer.map_err(|status| self.refused(status)),
            Err(late) => Err(ClientError::Lost { url: self.url.clone(), source: late.into() }),
        }
    }

    /// What the status of an answer means.
    pub(super) fn refused(&self, status: Status) -> ClientError {
        let url = self.url.clone();
        if status.source().is_some() {
            // Not the authority's words: the connection broke. In TLS 1.3 that is how a client's certificate is
            // refused.
            return match (self.contact, self.alert.get().copied()) {
                (Contact::Later, Some(alert)) if tls::about_our_certificate(alert) => {
                    ClientError::NotAccepted { url, alert: format!("{alert:?}") }
                }
                _ => ClientError::Lost { url, source: status.into() },
            };
        }
        let message = status.message().to_owned();
        match (self.contact, status.code()) {
            (Contact::First, Code::Unauthenticated) => ClientError::TokenInvalid { message },
            (_, code) => ClientError::Refused { code, message, pushback: pushback(&status) },
        }
    }

    /// A stream came to its end that has none.
    pub(super) fn ended(&self) -> ClientError {
        let source = io::Error::from(io::ErrorKind::UnexpectedEof);
        ClientError::Lost { url: self.url.clone(), source: source.into() }
    }
}

/// Asks the servers in random order until one answers, twice around. Returns the most telling error.
pub(super) async fn anywhere<T>(
    urls: &[String],
    ask: impl AsyncFn(&str) -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let mut order: Vec<&String> = urls.iter().collect();
    let mut dice = fastrand::Rng::with_seed(random());
    let mut worst = None;
    for round in 0..2_u8 {
        dice.shuffle(&mut order);
        for url in &order {
            match ask(url).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::debug!(%url, %error, "the authority could not be asked");
                    if !error.ask_elsewhere() {
                        return Err(error);
                    }
                    worst = Some(error.more_telling(worst));
                }
            }
        }
        let again = round == 0 && worst.as_ref().is_some_and(ClientError::transient);
        if !again {
            break;
        }
        tokio::time::sleep(Duration::from_millis(dice.u64(100..500))).await;
    }
    Err(worst.unwrap_or(ClientError::NoUrl))
}

/// 64 random bits.
pub(super) fn random() -> u64 {
    let mut bits = [0; 8];
    // Only spreads load: without randomness everybody waits as long.
    let _filled = aws_lc_rs::rand::fill(&mut bits);
    u64::from_ne_bytes(bits)
}

/// An address, taken apart.
struct Place {
    host: String,
    port: u16,
    name: ServerName<'static>,
    origin: Uri,
}

impl Place {
    fn parse(url: &str) -> Result<Self, ClientError> {
        let wrong = || ClientError::Url(url.to_owned());
        let origin: Uri = url.parse().map_err(|_| wrong())?;
        let authority = origin.authority().ok_or_else(wrong)?;
        if origin.scheme_str() != Some("https")
            || !matches!(origin.path(), "" | "/")
            || authority.as_str().contains('@')
        {
            return Err(wrong());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
        Ok(Self { port: authority.port_u16().unwrap_or(443), host, name, origin })
    }
}

async fn limited<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "it took more than 10 s");
    timeout(CONNECT_LIMIT, step).await.map_err(|_late| late())?
}

fn handshake_failed(url: &str, contact: Contact, error: io::Error) -> ClientError {
    let url = url.to_owned();
    match tls::refusal(&error).cloned() {
        Some(Distrust::Chain(why @ (VerifyError::Expired { .. } | VerifyError::NotYetValid { .. }))) => {
            ClientError::Clock { url, why }
        }
        Some(why) => ClientError::NotTheCa { url, contact, why },
        None => ClientError::Unreachable { url, source: error },
    }
}

fn pushback(status: &Status) -> Option<Duration> {
    let millis = status.metadata().get(PUSHBACK)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

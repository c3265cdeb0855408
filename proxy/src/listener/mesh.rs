//! Connections of the mesh: mutual TLS or nothing.
//!
//! | first bytes  | `permissive: false` (default)        | `permissive: true`                     |
//! |--------------|--------------------------------------|----------------------------------------|
//! | TLS          | both sides show a certificate        | the same                               |
//! | anything else| a TLS alert, closed                 | served, as coming from nobody we know  |
//!
//! Must not know: what the peer may do.

use super::accept::Settings;
use super::greet::{self, Http};
use super::serve::tls_failed;
use crate::mesh::Seat;
use crate::telemetry::metrics::Refusal;
use crate::tls::facts::TlsFacts;
use crate::tls::server::{self, Transport};
use std::time::Duration;
use tokio::net::TcpStream;

/// How long one may take whose turn it is: nobody keeps the others out by being slow.
const TURN: Duration = Duration::from_secs(2);

/// A connection that is ready for requests.
pub(super) struct Ready {
    pub(super) transport: Transport,
    pub(super) tls: Option<TlsFacts>,
    pub(super) http: Http,
    /// The trust it was judged by: when there is another one by now, it is judged again at once.
    pub(super) turn: u64,
}

/// Makes a connection ready: who is at the other end, and which HTTP they speak. `None`: they left without a byte.
pub(super) async fn accept(
    settings: &Settings,
    seat: &Seat,
    permissive: bool,
    stream: TcpStream,
) -> Result<Option<Ready>, Refusal> {
    if permissive {
        match greet::is_tls(&stream).await {
            Ok(Some(true)) => {}
            Ok(Some(false)) => {
                let spoken = greet::spoken(&stream).await.ok().flatten();
                return Ok(spoken.map(|http| Ready {
                    transport: Transport::Plain(stream),
                    tls: None,
                    http,
                    turn: 0,
                }));
            }
            Ok(None) | Err(_) => return Ok(None),
        }
    }
    let hello = server::hello(stream).await.map_err(|error| tls_failed(&error))?;
    // The costly part: only so many at once, the others wait their turn within the handshake time.
    let _turn = settings.limits.handshakes.acquire().await.map_err(|_closed| Refusal::HandshakeCap)?;
    // Not before it is our turn: whoever waited must not get by with the trust of then.
    let membership = seat.get().ok_or(Refusal::NotJoined)?;
    let made = tokio::time::timeout(TURN, membership.tls.accept(hello)).await;
    let made = made.map_err(|_slow| Refusal::HandshakeTimeout)?;
    let (stream, facts, is_h2) = made.map_err(|fault| {
        tracing::debug!(%fault, "a handshake of the mesh failed");
        Refusal::TlsError
    })?;
    let http = if is_h2 { Http::H2 } else { Http::H1 };
    let turn = membership.trust.version;
    Ok(Some(Ready { transport: Transport::Tls(Box::new(stream)), tls: Some(facts), http, turn }))
}

//! Leaving HTTP for WebSocket (RFC 6455), where the route says so: over HTTP/1.1 with the whole connection (RFC 9110 §7.8),
//! over HTTP/2 with a stream of it (RFC 8441). Each side has its own way, whatever the other's is.
//!
//! The handshake is a GET like any other: whatever refuses requests refuses it. Nothing passes before the service has
//! agreed; then bytes pass both ways, unread.
//!
//! | the request | the route | becomes |
//! |--|--|--|
//! | a sound handshake | upgrades | a handshake to the service |
//! | a sound one over HTTP/1.1 | does not | a request like any other, without `Upgrade` |
//! | a sound one over HTTP/2 | does not | refused: an answer would be taken for the stream |
//! | anything else | | over HTTP/1.1 a request like any other, over HTTP/2 a CONNECT, which is refused |
//!
//! | the service says | the client gets |
//! |--|--|
//! | over HTTP/1.1: 101 with the right proof | 101 or, over HTTP/2, 200; and from then on bytes |
//! | over HTTP/2: 200 | the same |
//! | 101 with a wrong proof, or another 2xx that the client could take for yes | 502 |
//! | anything else | that answer |

use super::Pipeline;
use super::body::Body;
use super::deliver::dress;
use super::exchange::Exchange;
use super::reject::Rejection;
use super::reply;
use crate::clock;
use crate::config::route;
use crate::config::service::Protocol as Spoken;
use crate::drain::{Member, Phase};
use crate::handover::Taken;
use crate::listener::gate::Fault;
use crate::runtime::{self, Moved};
use crate::sweep::Sweep;
use crate::telemetry::outcome::{EndedBy, Outcome, Stage};
use crate::upstream::attempt::Held;
use crate::upstream::body::RequestBody;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    self, CONNECTION, HeaderMap, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot::Receiver;

const WEBSOCKET: &str = "websocket";
const UPGRADES: HeaderValue = HeaderValue::from_static("upgrade");
/// RFC 6455 §1.3.
const SALT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A client that asks to leave HTTP.
#[derive(Debug)]
pub struct Asked {
    /// What a service is asked with over HTTP/1.1: the client's, or ours.
    key: HeaderValue,
    /// Over HTTP/2: its stream, once it was answered.
    stream: Option<OnUpgrade>,
}

/// The key of a sound handshake over HTTP/1.1.
fn key_of(head: &Parts) -> Option<HeaderValue> {
    let headers = &head.headers;
    let sound = head.method == Method::GET
        && head.version == Version::HTTP_11
        && only(headers, UPGRADE)?.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes())
        && names_upgrade(headers)
        && is_bare(headers)?;
    let key = only(headers, SEC_WEBSOCKET_KEY)?;
    let is_key = STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    (sound && is_key).then(|| key.clone())
}

/// The stream of a sound handshake over HTTP/2; `random` makes the key that a service of HTTP/1.1 is asked with.
fn stream_of(head: &mut Parts, random: u128) -> Option<Asked> {
    let sound = head.extensions.get::<Protocol>()?.as_str() == WEBSOCKET && is_bare(&head.headers)?;
    let stream = head.extensions.remove::<OnUpgrade>().filter(|_| sound)?;
    let key = HeaderValue::try_from(STANDARD.encode(random.to_be_bytes())).ok()?;
    Some(Asked { key, stream: Some(stream) })
}

/// Whether it is of the one version there is, and without a body.
fn is_bare(headers: &HeaderMap) -> Option<bool> {
    let is_version = only(headers, SEC_WEBSOCKET_VERSION)? == "13";
    let has_body =
        headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING);
    Some(is_version && !has_body)
}

/// The value of a field that is there once.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    let tokens =
        headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tokens.into_iter().any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// RFC 6455 §4.2.2: the key and a fixed text, hashed. SHA-1 proves nothing but that somebody has read the key.
fn accept_of(key: &HeaderValue) -> String {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), SALT].concat()))
}

/// Whether the answer ends HTTP, or the client could take it for that.
pub(super) fn is_switch(exchange: &Exchange, response: &Response<Incoming>) -> bool {
    let Some(asked) = &exchange.asks_upgrade else {
        return response.status() == StatusCode::SWITCHING_PROTOCOLS;
    };
    let by_success = asked.stream.is_some() || response.version() == Version::HTTP_2;
    response.status() == StatusCode::SWITCHING_PROTOCOLS || (by_success && response.status().is_success())
}

/// A connection that leaves HTTP, or a stream of one.
enum Leaving<T> {
    Whole(Receiver<Taken<T>>),
    Stream(OnUpgrade),
}

/// What is left of it.
trait Left: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Left for T {}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Leaving<T> {
    async fn left(self) -> Option<Box<dyn Left>> {
        Some(match self {
            Self::Whole(taken) => Box::new(taken.await.ok()?),
            Self::Stream(stream) => Box::new(TokioIo::new(stream.await.ok()?)),
        })
    }
}

/// The service's side, if it has agreed soundly.
fn agreed<T>(
    asked: &Asked,
    response: &mut Response<Incoming>,
    taken: impl FnOnce() -> Option<Receiver<Taken<T>>>,
) -> Option<Leaving<T>> {
    if response.version() == Version::HTTP_2 {
        return response.extensions_mut().remove::<OnUpgrade>().map(Leaving::Stream);
    }
    let headers = response.headers();
    let sound = response.status() == StatusCode::SWITCHING_PROTOCOLS
        && only(headers, UPGRADE)?.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes())
        && *only(headers, SEC_WEBSOCKET_ACCEPT)? == accept_of(&asked.key);
    taken().filter(|_| sound).map(Leaving::Whole)
}

impl Pipeline {
    /// Whether requests may leave HTTP at all.
    pub fn may_upgrade(&self) -> bool {
        self.snapshot.borrow().config.routes.iter().any(|route| route.upgrade.is_some())
    }

    /// Takes note of a client that asks to leave HTTP, before anything is taken out of the head. What it asks over HTTP/2
    /// is from here on the GET it stands for (RFC 8441 §5): routes and rules know nothing else.
    pub(super) fn take_note_of_upgrade(&self, exchange: &mut Exchange, head: &mut Parts) {
        let is_connect = head.method == Method::CONNECT;
        if !(is_connect || head.headers.contains_key(UPGRADE)) || !self.may_upgrade() {
            return;
        }
        let asked = if is_connect {
            stream_of(head, fastrand::u128(..)).inspect(|_| head.method = Method::GET)
        } else {
            key_of(head).map(|key| Asked { key, stream: None })
        };
        exchange.asks_upgrade = asked.map(Box::new);
    }

    /// Hands over what the service has said to a handshake, and carries bytes from then on.
    pub(super) fn switch(
        &self,
        mut exchange: Box<Exchange>,
        mut response: Response<Incoming>,
        held: Held,
    ) -> Response<Body> {
        let Some(mut asked) = exchange.asks_upgrade.take() else {
            return reply::refuse(exchange, &Rejection::UpstreamFraming(Fault::UnaskedUpgrade));
        };
        let Some(service) = agreed(&asked, &mut response, || held.taken()) else {
            return reply::refuse(exchange, &Rejection::UpgradeFailed);
        };
        let mut headers = std::mem::take(response.headers_mut());
        let idle = dress(&mut exchange, &mut headers).unwrap_or(held.idle());
        // Of HTTP/1.1 alone, and of the service's key.
        headers.remove(SEC_WEBSOCKET_ACCEPT);
        // RFC 9110 §8.6: not in a 101, nor in a 200 to CONNECT.
        headers.remove(header::CONTENT_LENGTH);
        let (status, client) = match asked.stream.take() {
            Some(stream) => (StatusCode::OK, Leaving::Stream(stream)),
            None => {
                headers.insert(CONNECTION, UPGRADES);
                headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
                if let Ok(accept) = HeaderValue::try_from(accept_of(&asked.key)) {
                    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
                }
                (StatusCode::SWITCHING_PROTOCOLS, Leaving::Whole(exchange.connection.handover.awaited()))
            }
        };
        let staying =
            held.stays(exchange.cluster.as_ref().and_then(|cluster| cluster.service.bulkhead.as_ref()));
        exchange.timer.disarm();
        exchange.status = status.as_u16();
        exchange.outcome = Outcome { stage: Stage::Response, ..Outcome::CLIENT_GONE };
        // From here on a whole connection is nobody's but ours: it must be waited for like the others.
        let member = exchange.connection.roster.join();
        let sweep = Rc::clone(&self.sweep);
        tokio::task::spawn_local(async move {
            // What was kept of the request's place counts until the bytes end.
            let (client, service) = (client.left().await, service.left().await);
            if let (Some(client), Some(service)) = (client, service) {
                carry(&sweep, &mut exchange, (client, service), idle, &member).await;
            }
            drop((exchange, staying, held));
        });
        let mut answer = Response::new(Body::of_tunnel());
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        answer
    }
}

/// Carries bytes until one of the two ends, both are silent for too long, or the process does.
async fn carry(
    sweep: &Rc<Sweep>,
    exchange: &mut Exchange,
    (mut client, mut service): (Box<dyn Left>, Box<dyn Left>),
    idle: Duration,
    member: &Member,
) {
    let moved = Moved::default();
    let carried = {
        let mut carried = pin!(runtime::relay(&mut client, &mut service, idle, sweep, &moved));
        poll_fn(|cx| {
            if exchange.is_cut() {
                return Poll::Ready(Err(Rejection::NotAuthorized.outcome()));
            }
            let _registered = exchange.timer.poll(cx).is_ready();
            if member.poll(cx) == Phase::Over {
                let cut = Outcome { ended_by: EndedBy::Proxy, stage: Stage::Response, reason: "drain_cut" };
                return Poll::Ready(Err(cut));
            }
            carried.as_mut().poll(cx).map(Ok)
        })
        .await
    };
    match carried {
        Err(outcome) => exchange.outcome = outcome,
        Ok(Err(broken)) if broken.kind() == std::io::ErrorKind::TimedOut => {
            exchange.outcome = Outcome { ended_by: EndedBy::Proxy, stage: Stage::Response, reason: "idle" };
        }
        // At its end, or one of the two is gone without a word, as sockets do.
        Ok(Ok(()) | Err(_)) => exchange.outcome = Outcome::ANSWERED,
    }
    exchange.carried(&moved);
    exchange.ended = Some(clock::now());
}

/// Asks a service as the client has asked us, in the HTTP it speaks; if the route allows it.
pub(super) fn ask_service(
    exchange: &mut Exchange,
    upgrade: Option<route::Upgrade>,
    spoken: Spoken,
    request: &mut Request<RequestBody>,
) -> Result<(), Rejection> {
    let Some(asked) = &exchange.asks_upgrade else { return Ok(()) };
    if upgrade != Some(route::Upgrade::WebSocket) {
        let is_stream = asked.stream.is_some();
        exchange.asks_upgrade = None;
        let refused = Rejection::Framing(Fault::MethodNotAllowed);
        return if is_stream { Err(refused) } else { Ok(()) };
    }
    let headers = request.headers_mut();
    match spoken {
        Spoken::H1 | Spoken::Tcp => {
            headers.insert(CONNECTION, UPGRADES);
            headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
            headers.insert(SEC_WEBSOCKET_KEY, asked.key.clone());
        }
        Spoken::H2 => {
            // RFC 8441 §5: a stream needs no proof that it was asked for.
            headers.remove(SEC_WEBSOCKET_KEY);
            *request.method_mut() = Method::CONNECT;
        }
    }
    request.extensions_mut().insert(Protocol::from_static(WEBSOCKET));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn head(method: Method, fields: &[(&'static str, &'static str)]) -> Parts {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = method;
        for (name, value) in fields {
            head.headers.append(*name, HeaderValue::from_static(value));
        }
        head
    }

    #[test]
    fn the_proof_is_that_of_the_standard() {
        let key = key_of(&head(Method::GET, &SOUND)).expect("a sound handshake");

        assert_eq!(accept_of(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_not_sound_is_a_request_like_any_other() {
        let with = |more: (&'static str, &'static str)| head(Method::GET, &[&SOUND[..], &[more]].concat());
        let without = |index: usize| {
            let mut fields = SOUND.to_vec();
            fields.remove(index);
            head(Method::GET, &fields)
        };
        let mut older = head(Method::GET, &SOUND);
        older.version = Version::HTTP_10;

        let unsound = [
            head(Method::POST, &SOUND),
            older,
            without(0),
            without(1),
            without(2),
            without(3),
            with(("upgrade", "h2c")),
            with(("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")),
            with(("content-length", "5")),
            with(("transfer-encoding", "chunked")),
        ];

        for (index, head) in unsound.iter().enumerate() {
            assert_eq!(key_of(head), None, "{index}");
        }
    }
}

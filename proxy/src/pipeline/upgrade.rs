//! Leaving HTTP for WebSocket (RFC 6455), where the route says so.
//!
//! The handshake is a request like any other: whatever refuses requests refuses it. Nothing passes before the service has
//! said 101 and proved that it has read this very handshake; then bytes pass both ways, unread.
//!
//! | the request | the route | becomes |
//! |--|--|--|
//! | a sound handshake over HTTP/1.1 | upgrades | a handshake to the service |
//! | anything else, or a route that does not upgrade | | a request like any other, without `Upgrade` |
//!
//! | the service says | the client gets |
//! |--|--|
//! | 101 with the right proof | 101, and from then on bytes |
//! | 101 with a wrong one | 502: whoever answered has not read the handshake |
//! | anything else | that answer |

use super::Pipeline;
use super::body::Body;
use super::exchange::Exchange;
use super::reject::Rejection;
use super::{clean, reply};
use crate::clock;
use crate::config::route::Upgrade;
use crate::drain::{Member, Phase};
use crate::handover::Taken;
use crate::listener::gate::Fault;
use crate::runtime;
use crate::sweep::Sweep;
use crate::telemetry::outcome::{EndedBy, Outcome, Stage};
use crate::tls::{client, server};
use crate::upstream::attempt::Held;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    self, CONNECTION, HeaderMap, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderValue, Method, Response, Version};
use hyper::body::Incoming;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use tokio::sync::oneshot::Receiver;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADES: HeaderValue = HeaderValue::from_static("upgrade");
/// RFC 6455 §1.3.
const SALT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A client that asks to leave HTTP, and may.
#[derive(Debug)]
pub struct Asked {
    /// What proves that a service has read the handshake.
    accept: String,
}

/// What a service must prove, if this is a sound handshake.
fn handshake(head: &Parts) -> Option<String> {
    let headers = &head.headers;
    let sound = head.method == Method::GET
        && head.version == Version::HTTP_11
        && only(headers, UPGRADE)?.eq_ignore_ascii_case(b"websocket")
        && only(headers, SEC_WEBSOCKET_VERSION)? == b"13"
        && names_upgrade(headers)
        && !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING);
    let key = only(headers, SEC_WEBSOCKET_KEY)?;
    let is_key = STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    (sound && is_key).then(|| accept_of(key))
}

/// The value of a field that is there once.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    let tokens =
        headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tokens.into_iter().any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// RFC 6455 §4.2.2: the key and a fixed text, hashed. SHA-1 proves nothing but that somebody has read the key.
fn accept_of(key: &[u8]) -> String {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, SALT].concat()))
}

impl Pipeline {
    /// Whether requests may leave HTTP at all.
    pub fn may_upgrade(&self) -> bool {
        self.snapshot.borrow().config.routes.iter().any(|route| route.upgrade.is_some())
    }

    /// Takes note of a client that asks to leave HTTP. To be asked before anything is taken out of the head.
    pub(super) fn take_note_of_upgrade(&self, exchange: &mut Exchange, head: &Parts) {
        if !head.headers.contains_key(UPGRADE) || !self.may_upgrade() {
            return;
        }
        exchange.asks_upgrade = handshake(head).map(|accept| Box::new(Asked { accept }));
    }

    /// Hands over what the service has said to a handshake, and carries bytes from then on.
    pub(super) fn switch(
        &self,
        mut exchange: Box<Exchange>,
        mut response: Response<Incoming>,
        held: Held,
    ) -> Response<Body> {
        let Some(asked) = exchange.asks_upgrade.take() else {
            return reply::refuse(exchange, &Rejection::UpstreamFraming(Fault::UnaskedUpgrade));
        };
        let proof = only(response.headers(), SEC_WEBSOCKET_ACCEPT);
        let is_websocket =
            only(response.headers(), UPGRADE).is_some_and(|name| name.eq_ignore_ascii_case(b"websocket"));
        if !is_websocket || proof != Some(asked.accept.as_bytes()) {
            return reply::refuse(exchange, &Rejection::UpstreamFraming(Fault::UnaskedUpgrade));
        }
        let Some(service) = held.taken() else { return reply::refuse(exchange, &Rejection::Internal) };
        let client = exchange.connection.handover.awaited();
        let mut headers = std::mem::take(response.headers_mut());
        clean::clean(&mut headers, false);
        headers.insert(CONNECTION, UPGRADES);
        headers.insert(UPGRADE, WEBSOCKET);
        headers.insert(super::X_REQUEST_ID, exchange.known.request_id.clone());
        exchange.timer.disarm();
        exchange.status = 101;
        exchange.outcome = Outcome { stage: Stage::Response, ..Outcome::CLIENT_GONE };
        // From here on the connection is nobody's but ours: it must be waited for like the others.
        let member = exchange.connection.roster.join();
        tokio::task::spawn_local(carry_upgraded(
            Rc::clone(&self.sweep),
            exchange,
            (client, service),
            (held, response),
            member,
        ));
        let mut answer = Response::new(Body::of_tunnel());
        *answer.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
        *answer.headers_mut() = headers;
        answer
    }
}

/// Carries bytes until one of the two ends, both are silent for too long, or the process does.
async fn carry_upgraded(
    sweep: Rc<Sweep>,
    mut exchange: Box<Exchange>,
    (client, service): (Receiver<Taken<server::Transport>>, Receiver<Taken<client::Transport>>),
    (held, response): (Held, Response<Incoming>),
    member: Member,
) {
    // What was kept of the request's place counts until the bytes end.
    let snapshot = Rc::clone(&exchange.snapshot);
    let route = exchange.known.route.and_then(|index| snapshot.route(index));
    let idle = route.and_then(|route| route.idle_timeout).unwrap_or(held.idle());
    drop(response);
    let (Ok(mut client), Ok(mut service)) = (client.await, service.await) else { return };
    let carried = {
        let mut carried = pin!(runtime::relay(&mut client, &mut service, idle, &sweep));
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
        Ok(Ok((_, down))) => {
            exchange.bytes_out = down;
            exchange.outcome = Outcome::ANSWERED;
        }
        // One of the two is gone without a word, as sockets do; or both were silent for too long.
        Ok(Err(broken)) if broken.kind() == std::io::ErrorKind::TimedOut => {
            exchange.outcome = Outcome { ended_by: EndedBy::Proxy, stage: Stage::Response, reason: "idle" };
        }
        Ok(Err(_broken)) => exchange.outcome = Outcome::ANSWERED,
    }
    exchange.ended = Some(clock::now());
    drop(held);
}

/// Puts the handshake back where a service gets it.
pub(super) fn ask_service(
    exchange: &mut Exchange,
    upgrade: Option<Upgrade>,
    speaks_h1: bool,
    headers: &mut HeaderMap,
) {
    if upgrade != Some(Upgrade::WebSocket) || !speaks_h1 {
        exchange.asks_upgrade = None;
        return;
    }
    if exchange.asks_upgrade.is_some() {
        headers.insert(CONNECTION, UPGRADES);
        headers.insert(UPGRADE, WEBSOCKET);
    }
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
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.method = method;
        for (name, value) in fields {
            head.headers.append(*name, HeaderValue::from_static(value));
        }
        head
    }

    #[test]
    fn the_proof_is_that_of_the_standard() {
        assert_eq!(handshake(&head(Method::GET, &SOUND)).as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
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
            assert_eq!(handshake(head), None, "{index}");
        }
    }
}

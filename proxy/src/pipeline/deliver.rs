//! The answer of a service as the client gets it: cleaned, marked, and with the exchange riding on its body.

use super::body::Body;
use super::exchange::Exchange;
use super::{X_REQUEST_ID, clean, remark};
use crate::config::route::Route;
use crate::telemetry::outcome::Outcome;
use crate::transform;
use crate::upstream::attempt::Held;
use http::{HeaderMap, HeaderValue, Response};
use hyper::body::Incoming;
use std::rc::Rc;
use std::time::Duration;

/// Hands it over.
pub(super) fn deliver(
    mut exchange: Box<Exchange>,
    response: Response<Incoming>,
    held: Held,
) -> Response<Body> {
    let (mut head, incoming) = response.into_parts();
    exchange.status = head.status.as_u16();
    exchange.outcome = Outcome::CLIENT_GONE;
    head.version = exchange.known.version;
    head.extensions = http::Extensions::new();
    let idle = dress(&mut exchange, &mut head.headers).unwrap_or(held.idle());
    Response::from_parts(head, Body::upstream(exchange, incoming, held, idle))
}

/// Makes the head of a service's answer ours. The longest pause the route allows in what follows.
pub(super) fn dress(exchange: &mut Exchange, headers: &mut HeaderMap) -> Option<Duration> {
    clean::clean(headers, false);
    exchange.take_note_of_grpc(headers);
    headers.insert(X_REQUEST_ID, once(exchange.known.request_id.clone()));
    let snapshot = Rc::clone(&exchange.snapshot);
    let route = exchange.known.route.and_then(|index| snapshot.route(index));
    if let Some(route) = route {
        finish_headers(route, headers);
        if route.deprecated.is_some() {
            exchange.count_deprecated(&route.name);
        }
    }
    remark::remark(exchange, headers);
    route?.idle_timeout
}

/// A value that does not come again: HTTP/2 keeps it out of the table of what does, for which it would make no room.
fn once(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

fn finish_headers(route: &Route, headers: &mut HeaderMap) {
    transform::headers::apply(&route.headers.response, headers);
    if let Some(deprecation) = &route.deprecated {
        transform::headers::deprecation(deprecation, headers);
    }
}

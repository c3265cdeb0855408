//! Our own answers: a problem document (RFC 9457), or a status in trailers form for gRPC clients.
//!
//! Fixed in size, and silent about what stands behind us.

use super::body::Body;
use super::exchange::Exchange;
use super::reject::{Rejection, Row};
use super::remark;
use crate::config::route::Fallback;
use crate::listener::gate::Fault;
use crate::telemetry::outcome::{EndedBy, Outcome, Stage};
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::json;

/// What may be tried instead of CONNECT and TRACE.
const USUAL_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The answer for a refused exchange.
pub fn refuse(mut exchange: Box<Exchange>, rejection: &Rejection) -> Response<Body> {
    let mut row = rejection.row();
    let own = own_words(&exchange, rejection);
    let code = own.and_then(|(_, code)| code).map_or_else(|| row.reason.to_ascii_uppercase(), str::to_owned);
    row.status = own.map_or(row.status, |(status, _)| status);
    exchange.outcome = rejection.outcome();
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(X_REQUEST_ID, exchange.known.request_id.clone());
    if !row.proxy_status.is_empty() {
        let status = format!("portcullis; error={}", row.proxy_status);
        insert(&mut headers, PROXY_STATUS, &status);
    }
    let retry_after = retry_after(&exchange, rejection);
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    match rejection {
        Rejection::MethodNotAllowed { allow } => drop(headers.insert(header::ALLOW, allow.clone())),
        Rejection::Framing(Fault::MethodNotAllowed) => drop(headers.insert(header::ALLOW, USUAL_METHODS)),
        Rejection::RedirectHttps { location } => drop(headers.insert(header::LOCATION, location.clone())),
        Rejection::Preflight(answer) => headers.extend((**answer).clone()),
        Rejection::NotAuthenticated | Rejection::BadCredentials => {
            if let Some(challenges) = remark::challenges(&exchange.snapshot.config, &exchange) {
                headers.insert(header::WWW_AUTHENTICATE, challenges);
            }
        }
        _ => {}
    }
    if row.close && exchange.known.version < http::Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let (status, bytes) = if exchange.known.grpc {
        exchange.grpc_status = Some(row.grpc);
        trailers_only(&mut headers, &row)
    } else if row.reason.is_empty() {
        (row.status, Bytes::new())
    } else {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        (row.status, problem(&exchange, rejection, (&row, code, retry_after)))
    };
    remark::remark(&exchange, &mut headers);
    exchange.status = status.as_u16();
    let mut response = Response::new(Body::local(exchange, bytes));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Fixed words of the route, in place of a service.
pub fn instead(
    mut exchange: Box<Exchange>,
    status: StatusCode,
    (content_type, bytes): (&HeaderValue, &Bytes),
) -> Response<Body> {
    exchange.outcome = Outcome { ended_by: EndedBy::Proxy, stage: Stage::Breaker, reason: "" };
    exchange.status = status.as_u16();
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(X_REQUEST_ID, exchange.known.request_id.clone());
    headers.insert(header::CONTENT_TYPE, content_type.clone());
    // What stands in for the service must not outlive its trouble.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    remark::remark(&exchange, &mut headers);
    let mut response = Response::new(Body::local(exchange, bytes.clone()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The status and code a route has for a service that is left in peace.
fn own_words<'a>(exchange: &'a Exchange, rejection: &Rejection) -> Option<(StatusCode, Option<&'a str>)> {
    let route = exchange.known.route.and_then(|index| exchange.snapshot.route(index))?;
    match (&route.on_open, rejection) {
        (Some(Fallback::Refuse { status, code }), Rejection::BreakerOpen(_)) => {
            Some((*status, code.as_deref()))
        }
        _ => None,
    }
}

/// After how many seconds it makes sense to try again.
fn retry_after(exchange: &Exchange, rejection: &Rejection) -> Option<u64> {
    match rejection {
        Rejection::TooMany => remark::retry_after(&exchange.counts),
        _ => rejection.retry_after().map(u64::from),
    }
}

fn problem(
    exchange: &Exchange,
    rejection: &Rejection,
    (row, code, retry_after): (&Row, String, Option<u64>),
) -> Bytes {
    let mut document = json!({
        "type": "about:blank",
        "title": row.title,
        "status": row.status.as_u16(),
        "code": code,
        "detail": rejection.detail(),
        "traceId": exchange.known.trace.trace_id(),
        "requestId": exchange.known.request_id.to_str().unwrap_or_default(),
    });
    if let (Some(members), Some(seconds)) = (document.as_object_mut(), retry_after) {
        members.insert("retryAfterSeconds".to_owned(), seconds.into());
    }
    Bytes::from(document.to_string())
}

/// The form of gRPC: 200, no body, the status in what is headers and trailers at once.
fn trailers_only(headers: &mut HeaderMap, row: &Row) -> (StatusCode, Bytes) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from(u16::from(row.grpc)));
    insert(headers, GRPC_MESSAGE, row.title);
    (StatusCode::OK, Bytes::new())
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

//! Every refusal there is, whose fault it was, and what the client is told: one closed table.
//!
//! The client never learns upstream names, addresses or errors. Must not know: how the refusal came about.

use crate::admission::path::PathFault;
use crate::listener::gate::Fault;
use crate::resilience::breaker::Open;
use crate::resilience::bulkhead::Full;
use crate::telemetry::outcome::{EndedBy, Outcome, Stage};
use http::{HeaderMap, HeaderValue, StatusCode};

/// Why an exchange was not answered by its upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The message is not framed soundly.
    Framing(Fault),
    /// The path has no safe canonical form.
    Path(PathFault),
    /// The connection's certificate does not cover the host asked for.
    Misdirected,
    /// The request has been through us before, again and again.
    Loop,
    /// No route takes it.
    NoRoute,
    /// A route takes the path, but not this method.
    MethodNotAllowed {
        /// Value of `Allow`.
        allow: HeaderValue,
    },
    /// The listener only redirects.
    RedirectHttps {
        /// Value of `Location`.
        location: HeaderValue,
    },
    /// `OPTIONS *` asks about us, not about a route (RFC 9110 §9.3.7).
    ServerOptions,
    /// The answer to a browser that asks what a page may do.
    Preflight(Box<HeaderMap>),
    /// The process carries as much as it can.
    Overloaded,
    /// The route does not take this address.
    AddressDenied,
    /// The route wants to know who asks, and it was not shown.
    NotAuthenticated,
    /// What was shown does not hold.
    BadCredentials,
    /// Nobody can tell now whether what was shown holds.
    IssuerUnavailable,
    /// The rules of the workload do not allow it.
    NotAuthorized,
    /// The route does not allow it to this caller.
    NotAllowed,
    /// It is one too many.
    TooMany,
    /// Nobody can tell now whether it is one too many.
    StoreUnavailable,
    /// The body is longer than the route takes.
    BodyTooLarge,
    /// The client stopped sending its body.
    BodyBroken,
    /// The service has no room for one more.
    Full(Full),
    /// The service is left in peace.
    BreakerOpen(Open),
    /// The service has no endpoint.
    NoEndpoint,
    /// No connection could be made.
    Connect(ConnectFault),
    /// The answer did not begin in time.
    RequestTimeout,
    /// The upstream closed or reset before its answer began.
    UpstreamReset,
    /// The upstream's answer is not framed soundly.
    UpstreamFraming(Fault),
    /// The client asked to leave HTTP, and the upstream did neither agree soundly nor refuse.
    UpgradeFailed,
    /// A bug of ours.
    Internal,
}

/// Why no connection to an endpoint could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectFault {
    /// Refused, unreachable, out of ports.
    Refused,
    /// Nobody answered in time.
    Timeout,
    /// TLS failed: wrong name, unknown authority, expired certificate.
    Tls,
    /// The HTTP handshake failed.
    Protocol,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// HTTP status.
    pub status: StatusCode,
    /// Status for gRPC clients (grpc/status.md).
    pub grpc: u8,
    /// Stable word; upper-cased it is the `code` of the problem document.
    pub reason: &'static str,
    /// Short sentence for people.
    pub title: &'static str,
    /// Error type of `Proxy-Status` (RFC 9209 §2.3); empty = none.
    pub proxy_status: &'static str,
    /// Who ended the exchange.
    pub ended_by: EndedBy,
    /// Where.
    pub stage: Stage,
    /// The connection cannot be used any further.
    pub close: bool,
}

impl Rejection {
    /// What the client is told and what is recorded.
    pub fn row(&self) -> Row {
        use EndedBy::{Downstream, Proxy, Upstream};
        match self {
            Self::Framing(fault) => framing(*fault),
            Self::Path(fault) => {
                let word = fault.word();
                row(400, word, "The path has no safe form.", "http_request_error", (Downstream, Stage::Path))
            }
            Self::Misdirected => {
                let title = "This connection does not serve that host.";
                row(421, "misdirected", title, "http_request_denied", (Downstream, Stage::Exchange))
            }
            Self::Loop => {
                let title = "The request is going round in circles.";
                row(508, "loop_detected", title, "proxy_loop_detected", (Proxy, Stage::Exchange))
            }
            Self::NoRoute => {
                let title = "Nothing is served under this address.";
                row(404, "no_route", title, "destination_not_found", (Proxy, Stage::Route))
            }
            Self::MethodNotAllowed { .. } => {
                let title = "This address does not take that method.";
                row(405, "method_not_allowed", title, "http_request_denied", (Proxy, Stage::Route))
            }
            Self::RedirectHttps { .. } => row(308, "", "Use https.", "", (Proxy, Stage::Done)),
            Self::ServerOptions | Self::Preflight(_) => row(204, "", "", "", (Proxy, Stage::Done)),
            Self::BodyTooLarge => Row {
                close: true,
                ..row(
                    413,
                    "body_too_large",
                    "The body is too large.",
                    "http_request_error",
                    (Proxy, Stage::Body),
                )
            },
            Self::BodyBroken => Row {
                close: true,
                ..row(
                    400,
                    "body_broken",
                    "The body ended early.",
                    "http_request_error",
                    (Downstream, Stage::Body),
                )
            },
            Self::Connect(fault) => connect(*fault),
            Self::RequestTimeout => {
                let title = "The service did not answer in time.";
                row(504, "request_timeout", title, "http_response_timeout", (Upstream, Stage::Send))
            }
            Self::UpstreamReset => {
                let title = "The service closed the connection.";
                row(502, "upstream_reset", title, "connection_terminated", (Upstream, Stage::Send))
            }
            Self::UpstreamFraming(fault) => {
                let title = "The service gave an answer that is not sound.";
                row(502, fault.word(), title, "http_protocol_error", (Upstream, Stage::Response))
            }
            Self::UpgradeFailed => {
                let title = "The service did not leave HTTP.";
                row(502, "upgrade_failed", title, "http_upgrade_failed", (Upstream, Stage::Response))
            }
            Self::Internal => {
                let title = "Something went wrong inside the gateway.";
                row(500, "internal_error", title, "proxy_internal_error", (Proxy, Stage::Exchange))
            }
            Self::Full(_) | Self::BreakerOpen(_) | Self::NoEndpoint => self.before_the_service(),
            Self::Overloaded
            | Self::AddressDenied
            | Self::NotAuthenticated
            | Self::BadCredentials
            | Self::IssuerUnavailable
            | Self::NotAuthorized
            | Self::NotAllowed
            | Self::TooMany
            | Self::StoreUnavailable => self.at_the_entrance(),
        }
    }

    /// The rows of a service that is not to be asked.
    fn before_the_service(&self) -> Row {
        use EndedBy::Proxy;
        match self {
            Self::Full(full) => {
                let title = "The service has too much to do.";
                let word = if *full == Full::Queue { "service_full" } else { "service_full_wait" };
                row(503, word, title, "connection_limit_reached", (Proxy, Stage::Bulkhead))
            }
            Self::BreakerOpen(_) => {
                let title = "The service is not available.";
                row(503, "breaker_open", title, "destination_unavailable", (Proxy, Stage::Breaker))
            }
            Self::NoEndpoint => {
                let title = "The service is not available.";
                row(503, "no_endpoint", title, "destination_unavailable", (Proxy, Stage::Balance))
            }
            _ => Self::Internal.row(),
        }
    }

    /// The rows of who may not come in.
    fn at_the_entrance(&self) -> Row {
        use EndedBy::Proxy;
        match self {
            Self::NotAuthenticated => {
                let title = "Show who you are.";
                row(401, "not_authenticated", title, "http_request_denied", (Proxy, Stage::Authn))
            }
            Self::Overloaded => {
                let title = "The gateway has too much to do.";
                row(503, "overloaded", title, "proxy_internal_response", (Proxy, Stage::Overload))
            }
            Self::AddressDenied => {
                let title = "That is not allowed from there.";
                row(403, "address_denied", title, "http_request_denied", (Proxy, Stage::Address))
            }
            Self::BadCredentials => {
                let title = "What was shown is not valid.";
                row(401, "bad_credentials", title, "http_request_denied", (Proxy, Stage::Authn))
            }
            Self::IssuerUnavailable => {
                let title = "It cannot be checked now who asks.";
                row(503, "issuer_unavailable", title, "destination_unavailable", (Proxy, Stage::Authn))
            }
            Self::NotAuthorized => {
                let title = "That is not allowed.";
                row(403, "not_authorized", title, "http_request_denied", (Proxy, Stage::Authz))
            }
            Self::NotAllowed => {
                let title = "That is not allowed.";
                row(403, "not_allowed", title, "http_request_denied", (Proxy, Stage::Authz))
            }
            Self::TooMany => {
                let title = "Too many requests.";
                row(429, "rate_limited", title, "http_request_denied", (Proxy, Stage::Limit))
            }
            Self::StoreUnavailable => {
                let title = "It cannot be counted now.";
                row(503, "limit_unavailable", title, "destination_unavailable", (Proxy, Stage::Limit))
            }
            _ => Self::Internal.row(),
        }
    }

    /// One more sentence for the client: what to do about it.
    pub fn detail(&self) -> &'static str {
        match self {
            Self::Framing(fault) => fault.detail(),
            Self::Path(fault) => fault.detail(),
            Self::Misdirected => "Open another connection for that host.",
            Self::Loop => "Some proxy sends requests back to this one.",
            Self::NoRoute => "No route matches this host, method and path.",
            Self::MethodNotAllowed { .. } => "The Allow field names the methods it takes.",
            Self::RedirectHttps { .. } | Self::ServerOptions | Self::Preflight(_) => "",
            Self::Overloaded => "Try again in a moment.",
            Self::AddressDenied => "This address is not taken from where you are.",
            Self::NotAuthenticated => "This address wants to know who asks: a token, a key or a certificate.",
            Self::BadCredentials => {
                "The token or key does not hold: it may be malformed, expired or not meant for this."
            }
            Self::IssuerUnavailable => {
                "The service that vouches for callers does not answer. Try again later."
            }
            Self::NotAllowed => "This caller may not do that here.",
            Self::TooMany => "The RateLimit fields say how much there is and when there will be more.",
            Self::StoreUnavailable => "The store of counts does not answer. Try again later.",
            Self::NotAuthorized => "No rule of the service allows this call for this caller and user.",
            Self::BodyTooLarge => "The body is longer than this address takes.",
            Self::BodyBroken => "The connection ended before the body did.",
            Self::Full(_) => "Try again in a moment.",
            Self::BreakerOpen(_) => "It has failed too often and is left in peace for a while.",
            Self::NoEndpoint | Self::Connect(_) => "It may be starting or overloaded. Try again later.",
            Self::RequestTimeout => "The request may or may not have been carried out.",
            Self::UpgradeFailed => {
                "It does not take what was asked for, or has not proved that it read the handshake."
            }
            Self::UpstreamReset | Self::UpstreamFraming(_) => "Nothing of its answer can be passed on.",
            Self::Internal => "The request id helps to find the reason.",
        }
    }

    /// How the exchange ended.
    pub fn outcome(&self) -> Outcome {
        let Row { ended_by, stage, reason, .. } = self.row();
        Outcome { ended_by, stage, reason }
    }

    /// After how many seconds it makes sense to try again.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::BreakerOpen(open) => {
                let seconds = open.retry_after.as_millis().div_ceil(1000).max(1);
                Some(u32::try_from(seconds).unwrap_or(u32::MAX))
            }
            Self::NoEndpoint | Self::Connect(_) | Self::Overloaded | Self::Full(_) => Some(1),
            Self::IssuerUnavailable | Self::StoreUnavailable => Some(1),
            _ => None,
        }
    }
}

impl ConnectFault {
    /// The word used everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refused => "connect_refused",
            Self::Timeout => "connect_timeout",
            Self::Tls => "connect_tls",
            Self::Protocol => "connect_protocol",
        }
    }
}

fn framing(fault: Fault) -> Row {
    let at = (EndedBy::Downstream, if fault == Fault::BodyTimeout { Stage::Body } else { Stage::Gate });
    let title = "The request is not sound.";
    Row { close: true, ..row(fault.status(), fault.word(), title, "http_request_error", at) }
}

fn connect(fault: ConnectFault) -> Row {
    let proxy_status = match fault {
        ConnectFault::Refused => "connection_refused",
        ConnectFault::Timeout => "connection_timeout",
        ConnectFault::Tls => "tls_certificate_error",
        ConnectFault::Protocol => "http_protocol_error",
    };
    row(503, fault.word(), "The service is not available.", proxy_status, (EndedBy::Upstream, Stage::Connect))
}

fn row(
    status: u16,
    reason: &'static str,
    title: &'static str,
    proxy_status: &'static str,
    (ended_by, stage): (EndedBy, Stage),
) -> Row {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Row { status, grpc: grpc(status), reason, title, proxy_status, ended_by, stage, close: false }
}

/// gRPC status of an HTTP status (grpc/doc/http-grpc-status-mapping.md, with 413 and 429 as resources used up).
const fn grpc(status: StatusCode) -> u8 {
    match status.as_u16() {
        401 => 16,
        403 => 7,
        404 | 405 | 421 => 12,
        408 | 504 => 4,
        413 | 429 => 8,
        400..=499 => 3,
        502 | 503 => 14,
        _ => 13,
    }
}

//! Answers of the admin listener: text, JSON, and problems (RFC 9457).

use super::door::Refusal;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

/// An answer.
pub(super) type Reply = Response<Full<Bytes>>;

/// An answer of this type; the browser that shows it shall neither keep nor run it.
pub(super) fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

/// Plain text with a line feed at its end.
pub(super) fn text(status: StatusCode, text: &str) -> Reply {
    reply(status, "text/plain; charset=utf-8", format!("{}\n", text.trim_end()))
}

/// JSON, indented for people.
pub(super) fn json(status: StatusCode, value: &Value) -> Reply {
    reply(status, "application/json", format!("{value:#}\n"))
}

/// What went wrong, in one of a closed list of codes.
#[derive(Debug)]
pub(super) enum Problem {
    NotFound,
    /// No service of this name has a breaker.
    NoBreaker(String),
    /// What the endpoint takes instead.
    Method(&'static str),
    Door(Refusal),
    /// A parameter of the query, and what it should be.
    Parameter(String),
    BodyTooLarge,
    BodyTimeout,
    /// What is wrong with the new configuration.
    ReloadRefused(Vec<String>),
}

impl Problem {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::NoBreaker(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Door(Refusal::Unauthorized) => StatusCode::UNAUTHORIZED,
            Self::Door(Refusal::ForeignHost | Refusal::CrossOrigin) => StatusCode::FORBIDDEN,
            Self::Parameter(_) => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::ReloadRefused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NoBreaker(_) => "no_breaker",
            Self::Method(_) => "method_not_allowed",
            Self::Door(Refusal::Unauthorized) => "unauthorized",
            Self::Door(Refusal::ForeignHost) => "foreign_host",
            Self::Door(Refusal::CrossOrigin) => "cross_origin",
            Self::Parameter(_) => "bad_parameter",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::ReloadRefused(_) => "reload_refused",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::NotFound => "there is no such page; GET / lists all".to_owned(),
            Self::NoBreaker(service) => {
                format!("no service `{service}` has a `breaker:`; GET /breakers lists those that have")
            }
            Self::Method(allow) => format!("this page takes {allow}"),
            Self::Door(refusal) => refusal.to_string(),
            Self::Parameter(detail) => detail.clone(),
            Self::BodyTooLarge => "the request body is larger than 4 KiB".to_owned(),
            Self::BodyTimeout => "the request body did not come in time".to_owned(),
            Self::ReloadRefused(_) => "the configuration was refused; the one before stays".to_owned(),
        }
    }

    fn header(&self) -> Option<(HeaderName, &'static str)> {
        match self {
            Self::Method(allow) => Some((ALLOW, allow)),
            Self::Door(Refusal::Unauthorized) => {
                Some((WWW_AUTHENTICATE, "Bearer realm=\"portcullis admin\""))
            }
            _ => None,
        }
    }

    /// As an answer.
    pub(super) fn reply(self) -> Reply {
        let status = self.status();
        let mut body = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "code": self.code(),
            "detail": self.detail(),
        });
        let header = self.header();
        if let (Self::ReloadRefused(diagnostics), Some(body)) = (self, body.as_object_mut()) {
            body.insert("diagnostics".to_owned(), diagnostics.into());
        }
        let mut reply = reply(status, "application/problem+json", format!("{body:#}\n"));
        if let Some((name, value)) = header {
            reply.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        reply
    }
}

//! What a route makes of its services: its own times, `upgrade:` and `on_open:`.

use super::service;
use crate::config::ServiceId;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::leaf::Time;
use crate::config::raw;
use crate::config::route::{Fallback, Target};
use crate::config::service::Service;
use crate::config::tree::{Span, Spanned, Text};
use crate::config::units::show_time;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// Largest text in place of an answer.
const LARGEST_BODY: usize = 64 << 10;
/// What such a text is unless the file says otherwise.
const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The times of a route, those of `defaults:` folded in. `None` = those of the service.
pub(super) struct Times {
    pub(super) request: Option<Option<Duration>>,
    pub(super) idle: Option<Duration>,
    /// With its place.
    pub(super) per_try: Option<(Duration, Span)>,
}

/// Reads the times of a route, and of the defaults those it does not say itself.
pub(super) fn times(
    (own, common): (&raw::RouteTimeout, Option<&raw::RouteTimeout>),
    context: &Context<'_>,
) -> Times {
    let request = own.request.as_ref().or_else(|| common?.request.as_ref());
    let idle = own.idle.as_ref().or_else(|| common?.idle.as_ref());
    let per_try = own.per_try.as_ref().or_else(|| common?.per_try.as_ref());
    let time = |time: &Time| context.time(Some(time), Duration::ZERO);
    let length = context.time_or_none(request);
    Times {
        request: length,
        idle: idle.map(time),
        per_try: per_try.map(|text| (service::per_try(text, length.flatten(), context), text.0.span)),
    }
}

/// A route and the services it goes to.
pub(super) struct Serving<'a> {
    /// The route, for messages.
    pub(super) of: &'a str,
    /// Where the services are written.
    pub(super) file: &'a raw::File,
    /// What they mean.
    pub(super) services: &'a [Service],
    /// Where it goes.
    pub(super) target: &'a Target,
}

impl Serving<'_> {
    fn services(&self) -> impl Iterator<Item = &Service> {
        self.target.split.iter().filter_map(|(id, _)| self.services.get(id.0))
    }

    /// Whether the times of the route and of its services go together.
    pub(super) fn in_time(&self, times: &Times, retries: bool, context: &Context<'_>) {
        let Some((one, span)) = times.per_try else { return };
        for service in self.services() {
            let Some(whole) = times.request.unwrap_or(service.timeout.request) else { continue };
            let attempts = service.retry.as_ref().filter(|_| retries).map_or(1, |retry| retry.attempts);
            let (short, long) = (show_time(one), show_time(whole));
            if one > whole {
                // Against its own time it has been held already.
                if times.request.is_none() {
                    let name = &service.name;
                    let message =
                        format!("`per_try` ({short}) is longer than `request` of service `{name}` ({long})");
                    context.error(Code::Conflict, span, message, "one attempt is a part of the request");
                }
            } else if one.saturating_mul(attempts) > whole {
                let message = format!("{attempts} attempts of {short} do not fit into `request` ({long})");
                let help = "the last one is cut short; make `per_try` shorter or `request` longer";
                context.warn(Code::Suspicious, span, message, help);
            }
        }
    }

    /// What is answered while the breaker is open.
    pub(super) fn on_open(&self, raw: &raw::Route, context: &Context<'_>) -> Option<Fallback> {
        let open = raw.on_open.as_ref()?;
        self.can_open(open.span, context);
        let instead = [("body", open.value.body.as_ref()), ("to", open.value.to.as_ref())];
        let instead = instead.into_iter().find_map(|(key, text)| Some((key, text?.span)));
        if let (Some(critical), Some((key, span))) = (raw.critical.as_ref().filter(|on| on.value), instead) {
            let message = format!("`{key}` would answer for the service, but {} is `critical`", self.of);
            let help = format!(
                "a refusal is all there can be: `{{ status: 503, code: NAME }}`; or remove `critical` at line {}",
                critical.span.line
            );
            context.error(Code::Conflict, span, message, help);
        }
        fallback(open, self.target, context)
    }

    /// Without a breaker nothing is ever open.
    fn can_open(&self, span: Span, context: &Context<'_>) {
        let written = self.target.split.iter().filter_map(|(id, _)| self.file.services.0.get(id.0));
        let without: Vec<_> = written.filter(|(_, service)| service.breaker.is_none()).collect();
        let all = without.len() == self.target.split.len();
        for (name, _) in without {
            let message =
                format!("service `{}` has no breaker, so `on_open` never answers for it", name.value);
            let help = "add `breaker: { failures: 50% }` to the service, or remove `on_open`";
            if all {
                context.error(Code::Conflict, span, message, help);
            } else {
                context.warn(Code::Suspicious, span, message, help);
            }
        }
    }
}

/// The one form that is written.
fn fallback(raw: &Spanned<raw::OnOpen>, target: &Target, context: &Context<'_>) -> Option<Fallback> {
    let raw::OnOpen { status, code, body, r#type, to } = &raw.value;
    let keys = [
        ("status", status.as_ref().map(|status| status.span)),
        ("code", code.as_ref().map(|text| text.span)),
        ("type", r#type.as_ref().map(|text| text.span)),
        ("body", body.as_ref().map(|text| text.span)),
    ];
    let conflict = |others: &[&str], message: &str, help: &str| {
        for (key, span) in keys.iter().filter(|(key, _)| others.contains(key)) {
            if let Some(span) = span {
                context.error(Code::Conflict, *span, format!("`{key}` {message}"), help);
            }
        }
    };
    match (to, body) {
        (Some(to), _) => {
            let help = "keep `to`, or what is answered here";
            conflict(
                &["status", "code", "type", "body"],
                "does not go with `to`: that service answers",
                help,
            );
            other_service(to, target, context).map(Fallback::Service)
        }
        (None, Some(text)) => {
            conflict(
                &["code"],
                "does not go with `body`: only a refusal of ours has one",
                "keep one of them",
            );
            words(text, raw, context)
        }
        (None, None) if status.is_none() && code.is_none() => {
            conflict(&["type"], "says what `body` is, but there is none", "add `body`, or remove it");
            let help =
                "write `{ status: 503, code: NAME }`, `{ status: 200, body: TEXT }` or `{ to: SERVICE }`";
            context.error(Code::MissingKey, raw.span, "`on_open:` does not say what is answered", help);
            None
        }
        (None, None) => {
            conflict(&["type"], "says what `body` is, but there is none", "add `body`, or remove it");
            let code = code.as_ref().map(|text| self::code(text, context));
            Some(Fallback::Refuse {
                status: self::status(status.as_ref(), (400, StatusCode::SERVICE_UNAVAILABLE), context)?,
                code: match code {
                    Some(code) => Some(code?),
                    None => None,
                },
            })
        }
    }
}

fn other_service(to: &Text, target: &Target, context: &Context<'_>) -> Option<ServiceId> {
    let id = ServiceId(context.service(to)?);
    if target.split.iter().any(|(own, _)| *own == id) {
        let message = format!("the route goes to service `{}` already", to.value);
        context.error(Code::Conflict, to.span, message, "name another one");
        return None;
    }
    Some(id)
}

/// A text in place of an answer.
fn words(text: &Text, raw: &Spanned<raw::OnOpen>, context: &Context<'_>) -> Option<Fallback> {
    if text.value.len() > LARGEST_BODY {
        let message = format!("this text has {} bytes", text.value.len());
        context.error(Code::TooLarge, text.span, message, "at most 64KiB; let a service answer with `to:`");
    }
    let content_type = raw.value.r#type.as_ref().map(|text| content_type(text, context));
    let status = status(raw.value.status.as_ref(), (200, StatusCode::OK), context)?;
    if let (Some(written), StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) =
        (&raw.value.status, status)
    {
        let message = format!("an answer of status {status} has no body", status = status.as_u16());
        context.error(Code::Conflict, written.span, message, "write another status, or remove `body`");
    }
    Some(Fallback::Body {
        status,
        content_type: match content_type {
            Some(content_type) => content_type?,
            None => PLAIN_TEXT,
        },
        bytes: Bytes::copy_from_slice(text.value.as_bytes()),
    })
}

fn status(
    raw: Option<&Spanned<u16>>,
    (least, default): (u16, StatusCode),
    context: &Context<'_>,
) -> Option<StatusCode> {
    let Some(raw) = raw else { return Some(default) };
    let status = StatusCode::from_u16(raw.value).ok().filter(|_| (least..=599).contains(&raw.value));
    if status.is_none() {
        let message = format!("{} is out of range", raw.value);
        let help = if least == 400 {
            "a refusal is from 400 to 599; to answer something else, add `body`"
        } else {
            "from 200 to 599"
        };
        context.error(Code::BadValue, raw.span, message, help);
    }
    status
}

/// What programs look for in the problem document.
fn code(text: &Text, context: &Context<'_>) -> Option<Arc<str>> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let sound = (1..=64).contains(&text.value.len()) && text.value.bytes().all(allowed);
    if !sound {
        let message = format!("`{}` cannot be a code", text.value);
        let help = "use 1 to 64 letters, digits, `_`, `-` and `.`, as in `PAYMENT_UNAVAILABLE`";
        context.error(Code::BadValue, text.span, message, help);
    }
    sound.then(|| Arc::from(text.value.as_str()))
}

/// `type/subtype`, with parameters or without (RFC 9110 §8.3.1).
fn content_type(text: &Text, context: &Context<'_>) -> Option<HeaderValue> {
    let bare = text.value.split(';').next().unwrap_or_default().trim();
    let token = |part: &str| http::HeaderName::from_bytes(part.as_bytes()).is_ok();
    let sound = bare.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype));
    let value = HeaderValue::from_str(&text.value).ok().filter(|_| sound && text.value.is_ascii());
    if value.is_none() {
        let message = format!("`{}` is not a content type", text.value);
        context.error(Code::BadValue, text.span, message, "write it as `text/plain` or `application/json`");
    }
    value
}

//! `limits:`: each limit by itself; who asks it is in [`spend`], what that means for both in [`check`].
//!
//! | key | edge | sidecar |
//! |--|--|--|
//! | `ip`, `user`, header | yes | yes |
//! | `api_key`, `route` | yes | no: users come without their key, and everything comes in by one route |
//! | `peer` | no: clients outside are no members | yes |

mod check;
mod rates;
mod spend;

pub(super) use check::check;
pub(super) use spend::{of_defaults, of_inbound, of_route};

use super::headers;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::limit::{Algorithm, KeyPart, Limit, Queue, Rates, Scope, Sharing, Window};
use crate::config::raw;
use crate::config::tree::{Spanned, Text};
use crate::identity::headers::is_protected;
use std::sync::Arc;
use std::time::Duration;

/// Below this many a window, a share taken ahead would be most of it.
const EXACT_BELOW: u32 = 20;
/// Longest queue.
const LONGEST_QUEUE: u32 = 100_000;
/// Longest wait: nobody reads an answer that comes later.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The limits in the order of the file. Indexes hold only when nothing was wrong.
pub(super) fn limits(file: &raw::File, context: &Context<'_>) -> Vec<Limit> {
    entries(file).iter().filter_map(|(name, raw)| limit(name, raw, file, context)).collect()
}

fn entries(file: &raw::File) -> &[(Text, Spanned<raw::Limit>)] {
    file.limits.as_ref().map(|limits| limits.value.0.as_slice()).unwrap_or_default()
}

fn limit(name: &Text, raw: &Spanned<raw::Limit>, file: &raw::File, context: &Context<'_>) -> Option<Limit> {
    context.name(name, "a limit");
    let (span, raw) = (raw.span, &raw.value);
    let of = format!("limit `{}`", name.value);
    let key = context.required(raw.key.as_ref(), "key", &of, span).and_then(|key| {
        let parts = match &key.value {
            raw::Key::One(one) => std::slice::from_ref(one),
            raw::Key::List(list) => list.as_slice(),
        };
        self::key(parts, key.span, file.is_sidecar(), context)
    });
    let counting = rates::counting(raw, (&of, span), context);
    if raw.scope.is_none() {
        let message = format!("{of} needs `scope`: who counts together");
        let help = "add `scope: instance` (each process for itself: three processes let three times as much through) or `scope: global` (all processes together, in `stores.redis`)";
        context.error(Code::MissingKey, span, message, help);
    }
    let rates = counting.as_ref().map(|(_, rates)| rates);
    let scope = raw.scope.as_ref().map(|scope| self::scope(scope, raw, rates, (&of, file), context));
    let algorithm = counting.as_ref().map(|(algorithm, _)| *algorithm);
    let queue = raw.queue.as_ref().map(|queue| self::queue(queue, (algorithm, scope), context));
    let (algorithm, rates) = counting?;
    Some(Limit {
        name: Arc::from(name.value.as_str()),
        key: key?,
        algorithm,
        rates,
        scope: scope?,
        queue: match queue {
            Some(queue) => Some(queue?),
            None => None,
        },
    })
}

fn key(
    parts: &[Spanned<raw::KeyPart>],
    span: crate::config::tree::Span,
    sidecar: bool,
    context: &Context<'_>,
) -> Option<Vec<KeyPart>> {
    if parts.is_empty() {
        let help = if sidecar {
            "name at least one of: ip, user, peer, { header: X-Name }"
        } else {
            "name at least one of: ip, user, api_key, route, { header: X-Name }"
        };
        context.error(Code::BadValue, span, "nothing is named here that requests have in common", help);
        return None;
    }
    let mut key = Vec::with_capacity(parts.len());
    for raw in parts {
        let Some(part) = part(raw, sidecar, context) else { continue };
        if key.contains(&part) {
            let message = format!("{} stands in this key twice", show(&part));
            context.error(Code::DuplicateName, raw.span, message, "remove one of them");
            continue;
        }
        key.push(part);
    }
    (key.len() == parts.len()).then_some(key)
}

fn part(raw: &Spanned<raw::KeyPart>, sidecar: bool, context: &Context<'_>) -> Option<KeyPart> {
    let (part, fault) = match &raw.value {
        raw::KeyPart::Ip => (KeyPart::Ip, None),
        raw::KeyPart::User => (KeyPart::User, None),
        raw::KeyPart::Header(name) => return header(name, context).map(KeyPart::Header),
        raw::KeyPart::Peer => {
            let why = ("clients of an edge are no members of the mesh", "use `ip`, `user` or `api_key`");
            (KeyPart::Peer, (!sidecar).then_some(why))
        }
        raw::KeyPart::ApiKey => {
            let why = ("API keys are shown to an edge, not to a sidecar", "use `user` or `peer`");
            (KeyPart::ApiKey, sidecar.then_some(why))
        }
        raw::KeyPart::Route => {
            let why = ("a sidecar has one route for everything that comes in", "use `peer`, `user` or `ip`");
            (KeyPart::Route, sidecar.then_some(why))
        }
    };
    let Some((message, help)) = fault else { return Some(part) };
    context.error(Code::Conflict, raw.span, message, help);
    None
}

/// A header that comes from clients as it is: of all others there is one value, or none.
fn header(text: &Text, context: &Context<'_>) -> Option<http::HeaderName> {
    let header = headers::name(text, context)?;
    if headers::is_framing(&header) || is_protected(header.as_str()) {
        let message = format!("`{}` is not looked at as a client sends it", text.value);
        let help = "all would share one count; use `ip` or `user`, or a header of another name";
        context.error(Code::ProtectedHeader, text.span, message, help);
        return None;
    }
    Some(header)
}

/// A part of a key as messages name it.
fn show(part: &KeyPart) -> String {
    match part {
        KeyPart::Ip => "`ip`".to_owned(),
        KeyPart::User => "`user`".to_owned(),
        KeyPart::Peer => "`peer`".to_owned(),
        KeyPart::ApiKey => "`api_key`".to_owned(),
        KeyPart::Route => "`route`".to_owned(),
        KeyPart::Header(name) => format!("header `{name}`"),
    }
}

fn scope(
    scope: &Spanned<raw::Scope>,
    raw: &raw::Limit,
    rates: Option<&Rates>,
    (of, file): (&str, &raw::File),
    context: &Context<'_>,
) -> Scope {
    if scope.value == raw::Scope::Instance {
        if let Some(sharing) = &raw.sharing {
            let message = "with `scope: instance` no two processes share a count";
            context.error(
                Code::Conflict,
                sharing.span,
                message,
                "remove `sharing`, or write `scope: global`",
            );
        }
        return Scope::Instance;
    }
    let store = file.stores.as_ref().and_then(|stores| stores.value.redis.as_ref());
    if store.is_none() {
        let message = format!("{of} counts in all processes together, but there is no store to count in");
        let help = "add `stores: { redis: { url: env:REDIS_URL, on_failure: divide } }`, or write `scope: instance`: each process for itself";
        context.error(Code::Conflict, scope.span, message, help);
    }
    Scope::Global(match raw.sharing.as_ref().map(|sharing| sharing.value) {
        Some(raw::Sharing::Exact) => Sharing::Exact,
        Some(raw::Sharing::Leased) => Sharing::Leased,
        None => rates.map_or(Sharing::Exact, sharing),
    })
}

/// A share of few, or of something that ends at a certain time, is better not taken ahead.
fn sharing(rates: &Rates) -> Sharing {
    let mut all = rates.tiers.iter().map(|(_, rate)| rate).chain([&rates.default]);
    let exact = |rate: &crate::config::limit::Rate| {
        rate.amount < EXACT_BELOW || !matches!(rate.window, Window::Every(_))
    };
    if all.any(exact) { Sharing::Exact } else { Sharing::Leased }
}

fn queue(
    raw: &Spanned<raw::Queue>,
    (algorithm, scope): (Option<Algorithm>, Option<Scope>),
    context: &Context<'_>,
) -> Option<Queue> {
    let fault = match (algorithm, scope) {
        (Some(Algorithm::FixedWindow | Algorithm::SlidingWindow), _) => {
            Some(("only a token bucket has a turn to wait for", "write `algorithm: token-bucket`"))
        }
        (_, Some(Scope::Global(_))) => {
            Some(("processes do not know each other's turn", "write `scope: instance`, or remove `queue`"))
        }
        _ => None,
    };
    if let Some((message, help)) = fault {
        context.error(Code::Conflict, raw.span, message, help);
    }
    let length = context.required(raw.value.length.as_ref(), "length", "`queue:`", raw.span);
    let wait = context.required(raw.value.wait.as_ref(), "wait", "`queue:`", raw.span);
    let length = length.map(|length| context.number(Some(length), (1, LONGEST_QUEUE), 1));
    let wait = wait.map(|wait| {
        let length = context.time(Some(wait), LONGEST_WAIT);
        if length > LONGEST_WAIT {
            let message = format!("`{}` is too long to wait", wait.0.value);
            context.error(Code::BadValue, wait.0.span, message, "at most 60s");
        }
        length
    });
    Some(Queue { length: length?, wait: wait? })
}

//! `to:`, `split:` and `sticky:` of a route.

use super::headers;
use crate::config::ServiceId;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::raw;
use crate::config::route::{Sticky, Target};
use crate::config::tree::{Span, Spanned, Text};
use std::sync::Arc;

/// Largest weight of one side.
const MAX_WEIGHT: u32 = 1_000_000;

/// Where a route goes.
pub(super) fn target(raw: &raw::Route, of: &str, span: Span, context: &Context<'_>) -> Option<Target> {
    let sticky = raw.sticky.as_ref().map(|sticky| self::sticky(sticky, context));
    if let (Some(sticky), None) = (&raw.sticky, &raw.split) {
        let message = "`sticky` has nothing to choose between";
        context.error(
            Code::Conflict,
            sticky.span,
            message,
            "it keeps a caller on one side of a `split:`; remove it, or add one",
        );
    }
    let split = match (&raw.to, &raw.split) {
        (Some(to), None) => vec![(ServiceId(context.service(to)?), 1)],
        (None, Some(split)) => self::split(split, context)?,
        (Some(to), Some(_)) => {
            let message = format!("{of} has both `to` and `split`");
            context.error(Code::Conflict, to.span, message, "keep one of them");
            return None;
        }
        (None, None) => {
            let message = format!("{of} goes nowhere");
            context.error(Code::MissingKey, span, message, "add `to: SERVICE`, or `split:` for several");
            return None;
        }
    };
    Some(Target { split, sticky: sticky.flatten() })
}

fn split(raw: &Spanned<Vec<Spanned<raw::Share>>>, context: &Context<'_>) -> Option<Vec<(ServiceId, u32)>> {
    let mut shares: Vec<(ServiceId, u32)> = Vec::new();
    for share in &raw.value {
        let weight = context.number(share.value.weight.as_ref(), (0, MAX_WEIGHT), 1);
        let Some(to) = context.required(share.value.to.as_ref(), "to", "an entry of `split:`", share.span)
        else {
            continue;
        };
        let Some(service) = context.service(to).map(ServiceId) else { continue };
        if shares.iter().any(|(other, _)| *other == service) {
            let message = format!("service `{}` stands in this split twice", to.value);
            context.error(Code::DuplicateName, to.span, message, "add the weights up in one entry");
            continue;
        }
        shares.push((service, weight));
    }
    if shares.len() < raw.value.len() {
        return None;
    }
    if shares.iter().all(|(_, weight)| *weight == 0) {
        let message = "nothing has a weight in this split";
        context.error(Code::BadValue, raw.span, message, "give at least one service a weight above 0");
        return None;
    }
    Some(shares)
}

/// What keeps a caller where it is.
pub(super) fn sticky(raw: &Spanned<raw::Sticky>, context: &Context<'_>) -> Option<Sticky> {
    match &raw.value {
        raw::Sticky::Ip => Some(Sticky::Ip),
        raw::Sticky::User => Some(Sticky::User),
        raw::Sticky::Header(name) => headers::name(name, context).map(Sticky::Header),
        raw::Sticky::Cookie(name) => cookie(name, context).map(Sticky::Cookie),
    }
}

/// The name of a cookie is a token (RFC 6265 §4.1.1), and so is the name of a header.
fn cookie(name: &Text, context: &Context<'_>) -> Option<Arc<str>> {
    if http::HeaderName::from_bytes(name.value.as_bytes()).is_err() {
        let message = format!("`{}` is not the name of a cookie", name.value);
        context.error(Code::BadValue, name.span, message, "use letters, digits, `-` and `_`");
        return None;
    }
    Some(Arc::from(name.value.as_str()))
}

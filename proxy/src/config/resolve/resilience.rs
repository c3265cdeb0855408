//! `retry:`, `bulkhead:`, `breaker:` and `outlier:` of a service: how trouble of it is kept small.

use super::headers;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::leaf::{Size, Time};
use crate::config::raw::{self, NoneWord, OrNone};
use crate::config::service::{Breaker, Bulkhead, Outlier, Retry, Trip};
use crate::config::tree::{Spanned, Text};
use crate::config::units::{self, Per, SIZE_HELP, show_size, show_time};
use crate::identity::headers::is_protected;
use http::HeaderName;
use std::time::Duration;

/// Most attempts beyond the first a second that need no request.
const LARGEST_FLOOR: u32 = 10_000;
/// Largest body kept for another attempt: every exchange may hold as much.
const LARGEST_BODY: u64 = 16 << 20;
/// Longest wait: nobody reads an answer that comes later.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Longest window of a breaker.
const LONGEST_WINDOW: Duration = Duration::from_secs(60 * 60);

/// A rule that is on unless the file says `none`.
fn unless_none<'r, R, T>(
    raw: Option<&'r Spanned<OrNone<R>>>,
    default: impl FnOnce() -> T,
    read: impl FnOnce(&'r R) -> T,
) -> Option<T> {
    match raw.map(|raw| &raw.value) {
        None => Some(default()),
        Some(OrNone::Word(NoneWord::None)) => None,
        Some(OrNone::Rule(rule)) => Some(read(rule)),
    }
}

/// What is tried again.
pub(super) fn retry(raw: Option<&Spanned<OrNone<raw::Retry>>>, context: &Context<'_>) -> Option<Retry> {
    unless_none(raw, Retry::default, |raw| {
        let default = Retry::default();
        let key = raw.idempotency_key.as_ref();
        Retry {
            attempts: attempts(raw.attempts.as_ref(), default.attempts, context),
            backoff: backoff(&raw.backoff, default.backoff, context),
            budget: percent(raw.budget.as_ref(), (1, "`retry: none`"), default.budget, context),
            floor: raw.floor.as_ref().map_or(default.floor, |text| floor(text, context)),
            statuses: raw.statuses.as_ref().map_or(default.statuses, |list| statuses(&list.value, context)),
            idempotency_key: key.and_then(|text| idempotency_key(text, context)),
            body: raw.body.as_ref().map_or(default.body, |size| body(size, context)),
            hedge: raw.hedge.as_ref().map(|time| context.time(Some(time), Duration::ZERO)),
        }
    })
}

fn attempts(number: Option<&Spanned<u32>>, default: u32, context: &Context<'_>) -> u32 {
    let Some(once) = number.filter(|number| number.value < 2) else {
        return context.number(number, (2, 5), default);
    };
    let help = "from 2 to 5; to try once, write `retry: none`";
    context.error(Code::BadValue, once.span, format!("{} is out of range", once.value), help);
    default
}

fn backoff(raw: &raw::Backoff, default: (Duration, Duration), context: &Context<'_>) -> (Duration, Duration) {
    let (base, max) = (context.time(raw.base.as_ref(), default.0), context.time(raw.max.as_ref(), default.1));
    in_order((base, raw.base.as_ref()), (max, raw.max.as_ref()), context);
    (base, max)
}

/// Says when `base` is above `max`.
fn in_order(
    (base, base_at): (Duration, Option<&Time>),
    (max, max_at): (Duration, Option<&Time>),
    context: &Context<'_>,
) {
    if let Some(text) = base_at.or(max_at).filter(|_| base > max) {
        let message = format!("`base` ({}) is above `max` ({})", show_time(base), show_time(max));
        context.error(Code::Conflict, text.0.span, message, "the first one is the shortest");
    }
}

/// A part of a whole, from `least` on; with less, `instead` is what is meant.
fn percent(text: Option<&Text>, (least, instead): (u8, &str), default: u32, context: &Context<'_>) -> u32 {
    let Some(text) = text else { return default };
    match units::percent(&text.value) {
        Ok(percent) if percent < least => {
            let message = format!("`{}` is out of range", text.value);
            let help = format!("from `{least}%` to `100%`; to switch it off, write {instead}");
            context.error(Code::BadValue, text.span, message, help);
            default
        }
        Ok(percent) => u32::from(percent),
        Err(error) => {
            context.bad_unit(text.span, &error, &format!("write a whole number from `{least}%` to `100%`"));
            default
        }
    }
}

/// `3/s`.
fn floor(text: &Text, context: &Context<'_>) -> u32 {
    match units::rate(&text.value) {
        Ok((amount, Per::Length(length))) if length == Duration::from_secs(1) => {
            if amount > LARGEST_FLOOR {
                let message = format!("`{}` is out of range", text.value);
                context.error(Code::BadValue, text.span, message, format!("at most {LARGEST_FLOOR}/s"));
            }
            amount
        }
        Ok(_) => {
            let message = format!("`{}` is not so many a second", text.value);
            context.error(Code::BadUnit, text.span, message, "write it as `3/s`");
            0
        }
        Err(error) => {
            context.bad_unit(text.span, &error, "write it as `3/s`");
            0
        }
    }
}

fn statuses(list: &[Spanned<u16>], context: &Context<'_>) -> Vec<u16> {
    let mut statuses = Vec::with_capacity(list.len());
    for status in list {
        if !(400..=599).contains(&status.value) {
            let message = format!("{} is not a status that is tried again", status.value);
            context.error(Code::BadValue, status.span, message, "from 400 to 599");
        } else if statuses.contains(&status.value) {
            let message = format!("{} is listed twice", status.value);
            context.warn(Code::Suspicious, status.span, message, "remove one of them");
        } else {
            statuses.push(status.value);
        }
    }
    statuses
}

/// A header clients may send: one that is taken off, or set by us, says nothing of what they mean.
fn idempotency_key(text: &Text, context: &Context<'_>) -> Option<HeaderName> {
    let header = headers::name(text, context)?;
    if headers::is_framing(&header) || is_protected(header.as_str()) {
        let message = format!("`{}` is not looked at as a client sends it", text.value);
        context.error(Code::ProtectedHeader, text.span, message, "use another name, as in `Idempotency-Key`");
        return None;
    }
    Some(header)
}

fn body(Size(text): &Size, context: &Context<'_>) -> u64 {
    let fail = |message: String| {
        let help = format!("at most {}", show_size(LARGEST_BODY));
        context.error(Code::BadValue, text.span, message, help);
        0
    };
    match units::size(&text.value) {
        Ok(Some(bytes)) if bytes <= LARGEST_BODY => bytes,
        Ok(Some(_)) => fail(format!("`{}` is too much to keep for each request", text.value)),
        Ok(None) => fail("what is kept of a body has a limit".to_owned()),
        Err(error) => {
            context.bad_unit(text.span, &error, SIZE_HELP);
            0
        }
    }
}

/// Most exchanges at once.
pub(super) fn bulkhead(
    raw: Option<&Spanned<OrNone<raw::Bulkhead>>>,
    context: &Context<'_>,
) -> Option<Bulkhead> {
    unless_none(raw, Bulkhead::default, |raw| {
        let default = Bulkhead::default();
        Bulkhead {
            concurrent: context.number(raw.concurrent.as_ref(), (1, 1_000_000), default.concurrent),
            queue: context.number(raw.queue.as_ref(), (0, 100_000), default.queue),
            wait: at_most(raw.wait.as_ref(), LONGEST_WAIT, default.wait, context),
            adaptive: raw.adaptive.as_ref().is_some_and(|on| on.value),
        }
    })
}

/// A time above zero, up to `most`.
fn at_most(field: Option<&Time>, most: Duration, default: Duration, context: &Context<'_>) -> Duration {
    let time = context.time(field, default);
    if let Some(Time(text)) = field.filter(|_| time > most) {
        let message = format!("`{}` is too long here", text.value);
        context.error(Code::BadValue, text.span, message, format!("at most {}", show_time(most)));
    }
    time
}

/// When the service is left in peace.
pub(super) fn breaker(raw: &Spanned<raw::Breaker>, context: &Context<'_>) -> Option<Breaker> {
    let span = raw.span;
    let raw = &raw.value;
    let failures = context.required(raw.failures.as_ref(), "failures", "`breaker:`", span);
    let trip = failures.and_then(|text| trip(&text.0, raw, context));
    Some(Breaker {
        open: context.time(raw.open.as_ref(), Duration::from_secs(30)),
        probes: context.number(raw.probes.as_ref(), (1, 1000), 3),
        trip: trip?,
    })
}

/// `50%` of a window, or `3` in a row.
fn trip(text: &Text, raw: &raw::Breaker, context: &Context<'_>) -> Option<Trip> {
    let window = at_most(raw.window.as_ref(), LONGEST_WINDOW, Duration::from_secs(10), context);
    let min_requests = context.number(raw.min_requests.as_ref(), (1, 1_000_000), 20);
    let value = &text.value;
    let help = "write a part of the requests, as in `50%`, or how many in a row, as in `3`";
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        let percent = match units::percent(value) {
            Ok(percent) if percent > 0 => u32::from(percent),
            Ok(_) => {
                let message = format!("with `{value}` it would always be open");
                context.error(Code::BadValue, text.span, message, "from `1%` to `100%`");
                return None;
            }
            Err(error) => {
                context.bad_unit(text.span, &error, help);
                return None;
            }
        };
        return Some(Trip::Ratio { percent, window, min_requests });
    }
    let window = raw.window.as_ref().map(|time| ("window", time.0.span));
    let least = raw.min_requests.as_ref().map(|number| ("min_requests", number.span));
    for (key, span) in [window, least].into_iter().flatten() {
        let message =
            format!("`{key}` belongs to a percentage, but `{value}` failures in a row open this one");
        context.error(Code::Conflict, span, message, "remove it, or write `failures: 50%`");
    }
    let number = value.parse::<u32>().ok().filter(|number| (1..=1000).contains(number));
    if number.is_none() {
        context.error(Code::BadValue, text.span, format!("{value} is out of range"), "from 1 to 1000");
    }
    number.map(Trip::Consecutive)
}

/// When one endpoint is left out.
pub(super) fn outlier(raw: Option<&Spanned<OrNone<raw::Outlier>>>, context: &Context<'_>) -> Option<Outlier> {
    unless_none(raw, Outlier::default, |raw| {
        let default = Outlier::default();
        let base = context.time(raw.base.as_ref(), default.base);
        let max = context.time(raw.max.as_ref(), default.max);
        in_order((base, raw.base.as_ref()), (max, raw.max.as_ref()), context);
        let none = "`outlier: none`";
        Outlier {
            consecutive: context.number(raw.consecutive.as_ref(), (1, 1000), default.consecutive),
            base,
            max,
            max_ejected: percent(raw.max_ejected.as_ref(), (1, none), default.max_ejected, context),
            panic: percent(raw.panic.as_ref(), (0, none), default.panic, context),
        }
    })
}

//! How much in how much time: `rate`, `quota`, `tiers`, and what goes with them.
//!
//! | written | window | algorithm | `burst` | `timezone` |
//! |--|--|--|--|--|
//! | `rate: 5/10s` | a length | token bucket unless named | of a token bucket | no |
//! | `quota: 100/day` | the calendar | fixed window, no other | no | yes |
//! | `tiers:` and `default:` | either, all alike | as above | as above | as above |

use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::findings::nearest;
use crate::config::limit::{Algorithm, Rate, Rates, Window};
use crate::config::raw;
use crate::config::resolve::names;
use crate::config::tree::{Span, Text};
use crate::config::units::{self, Per, QUOTA_HELP, RATE_HELP};
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::time::Duration;

/// Shortest window.
const SHORTEST: Duration = Duration::from_millis(1);
/// Longest window that is a length.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// Longest time an empty bucket may take to fill; counts are kept that long.
const LONGEST_FILL: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A rate as it was read.
struct Written<'t> {
    text: &'t Text,
    amount: u32,
    per: Per,
}

/// Which windows a key takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Lengths,
    Calendar,
    Both,
}

/// How is counted, and how much for whom.
pub(super) fn counting(
    raw: &raw::Limit,
    of: (&str, Span),
    context: &Context<'_>,
) -> Option<(Algorithm, Rates)> {
    let (default, tiers) = written(raw, of, context)?;
    let calendar = is_calendar(&default);
    if let Some((_, odd)) = tiers.iter().find(|(_, rate)| is_calendar(rate) != calendar) {
        let message = "tiers of one limit count all in the calendar, or none of them";
        let help = if calendar { QUOTA_HELP } else { RATE_HELP };
        context.error(Code::Conflict, odd.text.span, message, help);
        return None;
    }
    let algorithm = algorithm(raw, calendar, context);
    let burst = burst(raw, algorithm, context);
    let zone = zone(raw.timezone.as_ref(), calendar, context);
    let rate = |rate: &Written<'_>| {
        let window = match rate.per {
            Per::Length(length) => Window::Every(length),
            Per::Day => Window::Day(zone.clone()?),
            Per::Month => Window::Month(zone.clone()?),
        };
        let rate = Rate { amount: rate.amount, window, burst: burst.unwrap_or(rate.amount) };
        Some(rate)
    };
    let all: Option<Vec<_>> = tiers.iter().map(|(name, one)| Some((name.clone(), rate(one)?))).collect();
    let rates = Rates { default: rate(&default)?, tiers: all? };
    let all = tiers.iter().map(|(_, one)| one).chain([&default]);
    for one in all.filter(|_| algorithm == Algorithm::TokenBucket) {
        fills(one, (burst, raw), context);
    }
    Some((algorithm, rates))
}

fn is_calendar(rate: &Written<'_>) -> bool {
    !matches!(rate.per, Per::Length(_))
}

type Tiers<'t> = Vec<(Box<str>, Written<'t>)>;

/// One of `rate`, `quota` and `tiers`, with the default of the tiers.
fn written<'t>(
    raw: &'t raw::Limit,
    (of, span): (&str, Span),
    context: &Context<'_>,
) -> Option<(Written<'t>, Tiers<'t>)> {
    let rate = raw.rate.as_ref().map(|text| ("rate", text.span));
    let quota = raw.quota.as_ref().map(|text| ("quota", text.span));
    let tiers = raw.tiers.as_ref().map(|tiers| ("tiers", tiers.span));
    let mut given = [rate, quota, tiers].into_iter().flatten();
    let first = given.next();
    if let (Some((one, _)), Some((other, span))) = (first, given.next()) {
        let message = format!("{of} has both `{one}` and `{other}`");
        context.error(Code::Conflict, span, message, "keep one of them");
        return None;
    }
    if let (Some(default), None) = (&raw.default, &raw.tiers) {
        let message = "`default` is for callers of no tier, but there are no `tiers`";
        context.error(Code::Conflict, default.span, message, "write `rate:` instead");
        return None;
    }
    if first.is_none() {
        let message = format!("{of} does not say how often");
        let help = "add `rate: 100/min`, `quota: 100000/month`, or `tiers:` with `default:`";
        context.error(Code::MissingKey, span, message, help);
        return None;
    }
    if let Some(text) = &raw.rate {
        return Some((read(text, Takes::Lengths, context)?, Vec::new()));
    }
    if let Some(text) = &raw.quota {
        return Some((read(text, Takes::Calendar, context)?, Vec::new()));
    }
    let tiers = self::tiers(raw, context);
    if raw.default.is_none() {
        let span = raw.tiers.as_ref().map_or(span, |tiers| tiers.span);
        let message = format!("{of} needs `default`: what callers of no tier get");
        context.error(Code::MissingKey, span, message, "add `default: 100/min`");
    }
    Some((read(raw.default.as_ref()?, Takes::Both, context)?, tiers?))
}

fn tiers<'t>(raw: &'t raw::Limit, context: &Context<'_>) -> Option<Tiers<'t>> {
    let tiers = raw.tiers.as_ref()?;
    if tiers.value.0.is_empty() {
        let help = "write `rate:` for everybody, or name tiers, as in `{ free: 100/min, premium: 1000/min }`";
        context.error(Code::BadValue, tiers.span, "no tier is named here", help);
        return None;
    }
    let mut read = Vec::with_capacity(tiers.value.0.len());
    for (name, text) in &tiers.value.0 {
        let named = names::word(name, "tier", context);
        let rate = self::read(text, Takes::Both, context);
        if let Some(rate) = rate.filter(|_| named) {
            read.push((name.value.as_str().into(), rate));
        }
    }
    (read.len() == tiers.value.0.len()).then_some(read)
}

fn read<'t>(text: &'t Text, takes: Takes, context: &Context<'_>) -> Option<Written<'t>> {
    let value = &text.value;
    let fail = |code, message: String, help: &str| {
        context.error(code, text.span, message, help);
        None
    };
    let (amount, per) = match units::rate(value) {
        Ok(read) => read,
        Err(error) => {
            let help = if takes == Takes::Calendar { QUOTA_HELP } else { RATE_HELP };
            context.bad_unit(text.span, &error, help);
            return None;
        }
    };
    if amount == 0 {
        return fail(Code::BadValue, format!("`{value}` lets nobody in"), "at least 1");
    }
    let Per::Length(length) = per else {
        if takes == Takes::Lengths {
            let message = format!("`{value}`: a day or month of the calendar is no rate");
            let help = format!("write `quota: {value}`, or a length, as in `rate: {amount}/24h`");
            return fail(Code::BadUnit, message, &help);
        }
        return Some(Written { text, amount, per });
    };
    if takes == Takes::Calendar {
        let message = format!("`{value}` is no quota: it does not end with a day or month of the calendar");
        return fail(Code::BadUnit, message, &format!("write `quota: {amount}/day`, or `rate: {value}`"));
    }
    if !(SHORTEST..=LONGEST).contains(&length) {
        let message = format!("`{value}`: this time is out of range");
        return fail(Code::BadValue, message, "from 1ms to 744h; for more, `quota:` counts in months");
    }
    if u128::from(amount) > length.as_nanos() {
        return fail(Code::BadValue, format!("`{value}` is more than one in a nanosecond"), "write less");
    }
    Some(Written { text, amount, per })
}

fn algorithm(raw: &raw::Limit, calendar: bool, context: &Context<'_>) -> Algorithm {
    let named = raw.algorithm.as_ref().map(|word| (word.span, word.value));
    let (span, algorithm) = match named {
        None if calendar => return Algorithm::FixedWindow,
        None => return Algorithm::TokenBucket,
        Some((span, raw::Algorithm::TokenBucket)) => (span, Algorithm::TokenBucket),
        Some((span, raw::Algorithm::FixedWindow)) => (span, Algorithm::FixedWindow),
        Some((span, raw::Algorithm::SlidingWindow)) => (span, Algorithm::SlidingWindow),
    };
    if calendar && algorithm != Algorithm::FixedWindow {
        let message = "a day or month of the calendar is a fixed window";
        let help = "remove `algorithm`, or write a length, as in `rate: 1000/24h`";
        context.error(Code::Conflict, span, message, help);
        return Algorithm::FixedWindow;
    }
    algorithm
}

/// The burst that was asked for; `None` = as much as the rate says.
fn burst(raw: &raw::Limit, algorithm: Algorithm, context: &Context<'_>) -> Option<u32> {
    let burst = raw.burst.as_ref()?;
    if algorithm != Algorithm::TokenBucket {
        let message = "`burst` is of a token bucket: in a window everything may come at once";
        context.error(Code::Conflict, burst.span, message, "remove it, or write `algorithm: token-bucket`");
        return None;
    }
    Some(context.number(Some(burst), (1, u32::MAX), 1))
}

/// A bucket must be full again some day.
fn fills(rate: &Written<'_>, (burst, raw): (Option<u32>, &raw::Limit), context: &Context<'_>) {
    let (Per::Length(window), Some(burst), Some(at)) = (rate.per, burst, &raw.burst) else { return };
    let nanos = u128::from(burst) * window.as_nanos() / u128::from(rate.amount);
    if nanos > LONGEST_FILL.as_nanos() {
        let message = format!("a bucket of {burst} takes more than a year to fill at `{}`", rate.text.value);
        context.error(Code::BadValue, at.span, message, "write a smaller burst");
    }
}

/// The zone of a calendar, under its own name.
fn zone(text: Option<&Text>, calendar: bool, context: &Context<'_>) -> Option<Arc<str>> {
    let Some(text) = text else { return Some(Arc::from("UTC")) };
    if !calendar {
        let message = "`timezone` says where days and months begin, but none are counted here";
        context.error(Code::Conflict, text.span, message, "remove it, or write `quota: 100000/month`");
    }
    let found = TimeZone::get(&text.value).ok().filter(|zone| !zone.is_unknown());
    if let Some(name) = found.as_ref().and_then(TimeZone::iana_name) {
        return Some(Arc::from(name));
    }
    let message = format!("there is no time zone `{}`", text.value);
    context.error(Code::UnknownName, text.span, message, zone_help(&text.value));
    None
}

fn zone_help(text: &str) -> String {
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let city =
        |name: &&String| name.rsplit_once('/').is_some_and(|(_, city)| city.eq_ignore_ascii_case(text));
    let near = known.iter().find(city).map(String::as_str);
    match near.or_else(|| nearest(text, known.iter().map(String::as_str))) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a name of the IANA database, as in `Europe/Berlin`, or `UTC`".to_owned(),
    }
}

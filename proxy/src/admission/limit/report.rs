//! What answers say about limits: headers. Pure.
//!
//! What does not change is written once, at load ([`Policy`]); a request only adds small numbers.
//!
//! | header | value | source |
//! |--|--|--|
//! | `RateLimit-Policy` | `"user";q=100;w=60`, one per limit | draft-ietf-httpapi-ratelimit-headers-11 |
//! | `RateLimit` | `"user";r=41;t=12`, of the tightest | the same |
//! | `X-RateLimit-Limit`, `-Remaining`, `-Reset` | 100, 41, 12, of the tightest | what clients know |
//! | `Retry-After` | [`retry_after_secs`]; who refuses writes it | RFC 9110 10.2.3 |
//!
//! `q` is the amount of the rate; a bucket may have more left than that when its burst is larger. `w` is the window in
//! whole seconds, rounded up; without it when shorter than a second; a day of the calendar is 86,400, a month 2,592,000
//! (30 days). Times are seconds from now, rounded up.

use super::ask::Decision;
use super::window::length;
use crate::config::limit::{Limit, Rate};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// What is written at load about a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The name, in quotes.
    name: Box<[u8]>,
    default: Quota,
    tiers: Box<[Quota]>,
}

/// And about one of its rates.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Quota {
    /// `"user";q=100;w=60`.
    policy: HeaderValue,
    /// `100`.
    amount: HeaderValue,
}

/// An answer of a limit.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// The limit.
    pub policy: &'a Policy,
    /// Which of its rates: as in [`Ask::tier`](super::ask::Ask::tier).
    pub tier: usize,
    /// What it answered.
    pub decision: Decision,
}

impl Policy {
    /// Of a limit. What has no place in a quoted name is left out.
    pub fn new(limit: &Limit) -> Self {
        let sound = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        let quote = std::iter::once(b'"');
        let name: Box<[u8]> = quote.clone().chain(limit.name.bytes().filter(sound)).chain(quote).collect();
        let default = Quota::new(&name, &limit.rates.default);
        let tiers = limit.rates.tiers.iter().map(|(_, rate)| Quota::new(&name, rate)).collect();
        Self { name, default, tiers }
    }

    fn quota(&self, tier: usize) -> &Quota {
        tier.checked_sub(1).and_then(|index| self.tiers.get(index)).unwrap_or(&self.default)
    }
}

impl Quota {
    fn new(name: &[u8], rate: &Rate) -> Self {
        let mut text = name.to_vec();
        number(&mut text, b";q=", rate.amount.into());
        let window = length(&rate.window);
        if window >= SECOND {
            number(&mut text, b";w=", window.div_ceil(SECOND));
        }
        Self { policy: value(text), amount: rate.amount.into() }
    }
}

/// The answer that bounds the client most: one that refused, of them the one that takes longest; else the one with least
/// left, of them the one that is longest until it is full.
pub fn tightest<'a, 'b>(counted: &'b [Counted<'a>]) -> Option<&'b Counted<'a>> {
    counted.iter().min_by_key(|counted| {
        let Decision { admitted, remaining, reset_after, retry_after } = counted.decision;
        let least = if admitted { remaining } else { 0 };
        (admitted, std::cmp::Reverse(retry_after), least, std::cmp::Reverse(reset_after))
    })
}

/// Writes the headers, instead of any of the same name; none when nothing was counted.
pub fn write(counted: &[Counted<'_>], headers: &mut HeaderMap) {
    let Some(tightest) = tightest(counted) else { return };
    let quota = tightest.policy.quota(tightest.tier);
    let remaining = tightest.decision.remaining;
    let reset = seconds(tightest.decision.reset_after);
    let mut state = Vec::with_capacity(64);
    state.extend_from_slice(&tightest.policy.name);
    number(&mut state, b";r=", remaining.into());
    number(&mut state, b";t=", reset);
    headers.insert(POLICY, policies(counted, quota));
    headers.insert(STATE, value(state));
    headers.insert(LIMIT, quota.amount.clone());
    headers.insert(REMAINING, remaining.into());
    headers.insert(RESET, reset.into());
}

/// Whole seconds until the same would be admitted, rounded up, at least 1.
pub fn retry_after_secs(decision: &Decision) -> u64 {
    seconds(decision.retry_after).max(1)
}

/// All of them, separated by commas; `only` is the one when there is one.
fn policies(counted: &[Counted<'_>], only: &Quota) -> HeaderValue {
    if counted.len() == 1 {
        return only.policy.clone();
    }
    let mut text = Vec::with_capacity(32 * counted.len());
    for counted in counted {
        if !text.is_empty() {
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(counted.policy.quota(counted.tier).policy.as_bytes());
    }
    value(text)
}

fn number(text: &mut Vec<u8>, before: &[u8], number: u64) {
    text.extend_from_slice(before);
    text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// Names were checked, so no value is lost.
fn value(text: Vec<u8>) -> HeaderValue {
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or(const { HeaderValue::from_static("") })
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;

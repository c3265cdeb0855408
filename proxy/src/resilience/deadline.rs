//! How much time is left, as one hop tells the next: `grpc-timeout` (gRPC over HTTP/2, "Requests") and, inside the mesh,
//! `x-portcullis-timeout-ms`, `x-portcullis-attempt` and, on the way back, `x-portcullis-tried`. Pure.
//!
//! What is not sound says nothing. Must not know: who is a member of the mesh; the entrance strips these names from
//! everybody else.

use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;
use std::time::Duration;

/// How long a gRPC call may take.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Milliseconds that are left; only believed of members of the mesh.
pub const TIMEOUT: HeaderName = HeaderName::from_static("x-portcullis-timeout-ms");
/// Which attempt of the hop before us this is, from the second on; only believed of members of the mesh.
pub const ATTEMPT: HeaderName = HeaderName::from_static("x-portcullis-attempt");
/// On answers: a hop behind has tried again already, in vain. Only believed of members of the mesh.
pub const TRIED: HeaderName = HeaderName::from_static("x-portcullis-tried");

/// Units of `grpc-timeout` in nanoseconds, the finest first.
const UNITS: [(u8, u64); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];
/// Most that eight digits say.
const MOST: u64 = 99_999_999;
/// Most digits of milliseconds that are looked at: 31 years.
const MILLIS_DIGITS: usize = 12;
/// Most digits of a count of attempts that are looked at.
const ATTEMPT_DIGITS: usize = 4;

/// What the hop before us says about time and tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hop {
    /// `grpc-timeout` of a gRPC request.
    pub grpc_timeout: Option<Duration>,
    /// What is left; of members of the mesh only.
    pub timeout: Option<Duration>,
    /// It tries again with this request; of members of the mesh only.
    pub is_retry: bool,
}

/// The smallest of what the route, a gRPC client and the hop before us allow: each can shorten, none can lengthen.
/// `None` = no limit.
pub fn limit(route: Option<Duration>, grpc: Option<Duration>, hop: Option<Duration>) -> Option<Duration> {
    [route, grpc, hop].into_iter().flatten().min()
}

/// What a `grpc-timeout` says; `None` when there is none or it is not sound. Zero is sound: clients write it when
/// nothing is left.
pub fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = only(headers, &GRPC_TIMEOUT)?.split_last()?;
    let (_, nanos) = UNITS.into_iter().find(|(name, _)| name == unit)?;
    let value = number(digits, 8)?;
    // Eight digits of hours are more nanoseconds than 64 bits count.
    Some(
        Duration::from_secs(value * (nanos / 1_000_000_000))
            + Duration::from_nanos(value * (nanos % 1_000_000_000)),
    )
}

/// Writes what is left as `grpc-timeout`: at most eight digits, rounded down.
pub fn write_grpc_timeout(headers: &mut HeaderMap, left: Duration) {
    let nanos = left.as_nanos();
    let fits = |(unit, length): (u8, u64)| {
        u64::try_from(nanos / u128::from(length))
            .ok()
            .filter(|value| *value <= MOST)
            .map(|value| (unit, value))
    };
    let (unit, value) = UNITS.into_iter().find_map(fits).unwrap_or((b'H', MOST));
    let mut text: SmallVec<[u8; 9]> = SmallVec::from_slice(itoa::Buffer::new().format(value).as_bytes());
    text.push(unit);
    // Digits and a letter are always a value.
    if let Ok(value) = HeaderValue::from_bytes(&text) {
        headers.insert(GRPC_TIMEOUT, value);
    }
}

/// What a member of the mesh says is left.
pub fn hop_timeout(headers: &HeaderMap) -> Option<Duration> {
    number(only(headers, &TIMEOUT)?, MILLIS_DIGITS).map(Duration::from_millis)
}

/// Writes what is left, rounded down, and which attempt this is, for a member of the mesh. The first is not written: it
/// is what is supposed.
pub fn write_hop(headers: &mut HeaderMap, left: Option<Duration>, attempt: u32) {
    match left {
        Some(left) => {
            let millis =
                u64::try_from(left.as_millis()).unwrap_or(u64::MAX).min(10_u64.pow(MILLIS_DIGITS as u32) - 1);
            headers.insert(TIMEOUT, HeaderValue::from(millis));
        }
        None => drop(headers.remove(TIMEOUT)),
    }
    match attempt {
        0 | 1 => drop(headers.remove(ATTEMPT)),
        attempt => drop(headers.insert(ATTEMPT, HeaderValue::from(attempt))),
    }
}

/// Whether a member of the mesh says that this is a second try or more.
pub fn is_retry(headers: &HeaderMap) -> bool {
    only(headers, &ATTEMPT)
        .and_then(|digits| number(digits, ATTEMPT_DIGITS))
        .is_some_and(|attempt| attempt > 1)
}

/// Tells the hop before us that we have tried again already, in vain.
pub fn write_tried(answer: &mut HeaderMap) {
    answer.insert(TRIED, HeaderValue::from_static("1"));
}

/// Whether a member of the mesh says that it, or one behind it, has tried again already.
pub fn tried_behind(answer: &HeaderMap) -> bool {
    answer.contains_key(TRIED)
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

/// One to `most` digits and nothing else.
fn number(digits: &[u8], most: usize) -> Option<u64> {
    let sound = !digits.is_empty() && digits.len() <= most && digits.iter().all(u8::is_ascii_digit);
    sound.then(|| digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
#[path = "deadline_tests.rs"]
mod tests;

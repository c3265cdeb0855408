//! Trace context: W3C `traceparent` (Trace Context level 1), and B3 where it is switched on.
//!
//! A malformed context is never passed on: a new trace begins. Pure; random numbers come in.

use crate::config::observe::B3;
use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const B3_SINGLE: HeaderName = HeaderName::from_static("b3");
const B3_TRACE: HeaderName = HeaderName::from_static("x-b3-traceid");
const B3_SPAN: HeaderName = HeaderName::from_static("x-b3-spanid");
const B3_PARENT: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const B3_SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const B3_FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// The trace an exchange belongs to, and our span in it. Lower-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    trace_id: [u8; 32],
    span_id: [u8; 16],
    /// The caller wants it recorded.
    pub sampled: bool,
}

impl Trace {
    /// A new trace; a zero would be invalid, so the numbers are made odd.
    pub fn new(trace: u128, span: u64) -> Self {
        Self { trace_id: hex(trace | 1), span_id: hex(u128::from(span | 1)), sampled: false }
    }

    /// Trace id, 32 hex digits.
    pub fn trace_id(&self) -> &str {
        std::str::from_utf8(&self.trace_id).unwrap_or_default()
    }

    /// Span id, 16 hex digits.
    pub fn span_id(&self) -> &str {
        std::str::from_utf8(&self.span_id).unwrap_or_default()
    }

    /// Goes on with what the caller sent, or begins anew; `fresh` brings our span id and, if needed, the trace id.
    pub fn take_up(headers: &mut HeaderMap, b3: B3, fresh: Self) -> Self {
        let w3c = single(headers, &TRACEPARENT).and_then(parse_traceparent);
        if w3c.is_none() && headers.contains_key(TRACESTATE) {
            // State without its parent means nothing.
            headers.remove(TRACESTATE);
        }
        let caller = w3c.or_else(|| if b3 == B3::Off { None } else { parse_b3(headers) });
        match caller {
            Some((trace_id, sampled)) => Self { trace_id, sampled, ..fresh },
            None => fresh,
        }
    }

    /// Writes our span as the parent of what follows.
    pub fn write(&self, headers: &mut HeaderMap, b3: B3) {
        let mut text = *b"00-................................-................-00";
        put(&mut text, 3, &self.trace_id);
        put(&mut text, 36, &self.span_id);
        put(&mut text, 54, if self.sampled { b"1" } else { b"0" });
        set(headers, TRACEPARENT, &text);
        for name in [B3_SINGLE, B3_TRACE, B3_SPAN, B3_PARENT, B3_SAMPLED, B3_FLAGS] {
            if b3 != B3::Off {
                headers.remove(name);
            }
        }
        let sampled: &[u8] = if self.sampled { b"1" } else { b"0" };
        match b3 {
            B3::Off => {}
            B3::Single => {
                let parts = [&self.trace_id[..], &self.span_id[..], sampled];
                set(headers, B3_SINGLE, &parts.join(&b'-'));
            }
            B3::Multi => {
                set(headers, B3_TRACE, &self.trace_id);
                set(headers, B3_SPAN, &self.span_id);
                set(headers, B3_SAMPLED, sampled);
            }
        }
    }
}

/// The only value of a header; two are as good as none.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let first = headers.get(name)?;
    headers.get_all(name).iter().nth(1).is_none().then(|| first.as_bytes())
}

/// Trace id and sampled flag of a `traceparent`; later versions may be longer (§4.3).
fn parse_traceparent(value: &[u8]) -> Option<([u8; 32], bool)> {
    let (version, rest) = value.split_first_chunk::<3>()?;
    let (trace, rest) = rest.split_first_chunk::<33>()?;
    let (parent, rest) = rest.split_first_chunk::<17>()?;
    let (flags, rest) = rest.split_first_chunk::<2>()?;
    let [v1, v2, b'-'] = *version else { return None };
    let ends = if [v1, v2] == *b"00" { rest.is_empty() } else { rest.first().is_none_or(|b| *b == b'-') };
    let known = lower_hex(&[v1, v2]) && [v1, v2] != *b"ff";
    let (trace_id, dash) = trace.split_first_chunk::<32>()?;
    let (parent_id, dash2) = parent.split_first_chunk::<16>()?;
    let sound = known && ends && dash == b"-" && dash2 == b"-" && lower_hex(flags);
    let ids = id(trace_id) && id(parent_id);
    let sampled = flags.last().is_some_and(|digit| hex_value(*digit) & 1 == 1);
    (sound && ids).then_some((*trace_id, sampled))
}

/// Trace id and sampled flag of B3, single or multi; 64-bit trace ids are padded.
fn parse_b3(headers: &HeaderMap) -> Option<([u8; 32], bool)> {
    if let Some(value) = single(headers, &B3_SINGLE) {
        let mut parts = value.split(|byte| *byte == b'-');
        let trace = b3_trace(parts.next()?)?;
        parts.next().filter(|span| span.len() == 16 && id(span))?;
        return Some((trace, matches!(parts.next(), Some(b"1" | b"d"))));
    }
    let trace = b3_trace(single(headers, &B3_TRACE)?)?;
    let debug = single(headers, &B3_FLAGS) == Some(b"1");
    Some((trace, debug || matches!(single(headers, &B3_SAMPLED), Some(b"1" | b"true"))))
}

fn b3_trace(text: &[u8]) -> Option<[u8; 32]> {
    if !id(text) {
        return None;
    }
    let mut padded = [b'0'; 32];
    match text.len() {
        32 => padded.copy_from_slice(text),
        16 => padded.last_chunk_mut::<16>()?.copy_from_slice(text),
        _ => return None,
    }
    Some(padded)
}

/// Lower-case hex and not all zeros.
fn id(text: &[u8]) -> bool {
    lower_hex(text) && text.iter().any(|byte| *byte != b'0')
}

fn lower_hex(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

const fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0,
    }
}

/// The low `N` hex digits of `number`, lower case; `N` is even.
pub fn hex<const N: usize>(number: u128) -> [u8; N] {
    let mut text = [b'0'; N];
    let (_, pairs) = text.as_rchunks_mut::<2>();
    // Arithmetic instead of a table, so that the compiler can make many digits at once.
    for (pair, byte) in pairs.iter_mut().rev().zip(number.to_le_bytes()) {
        *pair = [hex_digit(byte >> 4), hex_digit(byte & 0xf)];
    }
    text
}

const fn hex_digit(value: u8) -> u8 {
    value + if value < 10 { b'0' } else { b'a' - 10 }
}

/// Writes `part` into `text`. Inlined, so that places known beforehand cost a store each.
#[inline]
pub(super) fn put(text: &mut [u8], at: usize, part: &[u8]) {
    if let Some(place) = text.get_mut(at..at + part.len()) {
        place.copy_from_slice(part);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn taken_up(pairs: &[(&'static str, &str)], b3: B3) -> (Trace, HeaderMap) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let trace = Trace::take_up(&mut headers, b3, Trace::new(0xabc, 0xdef));
        trace.write(&mut headers, b3);
        (trace, headers)
    }

    #[test]
    fn a_sound_traceparent_is_continued_with_our_span() {
        let (trace, headers) = taken_up(&[("traceparent", PARENT), ("tracestate", "a=b")], B3::Off);

        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(headers["traceparent"], "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000def-01");
        assert_eq!(headers["tracestate"], "a=b");
    }

    #[test]
    fn a_malformed_traceparent_begins_a_new_trace_and_drops_its_state() {
        for malformed in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
            "zz-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            let (trace, headers) = taken_up(&[("traceparent", malformed), ("tracestate", "a=b")], B3::Off);

            assert_eq!(trace.trace_id(), "00000000000000000000000000000abd", "{malformed:?}");
            assert!(!headers.contains_key("tracestate"));
        }
    }

    #[test]
    fn a_later_version_may_be_longer_and_two_values_are_as_good_as_none() {
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert_eq!(taken_up(&[("traceparent", later)], B3::Off).0.trace_id(), &later[3..35]);

        let twice = [("traceparent", PARENT), ("traceparent", PARENT)];
        assert_ne!(taken_up(&twice, B3::Off).0.trace_id(), &PARENT[3..35]);
    }

    #[test]
    fn b3_is_read_and_written_only_when_switched_on() {
        let single = [("b3", "80f198ee56343ba8-e457b5a2e4d86bd1-1")];
        let (trace, headers) = taken_up(&single, B3::Single);
        assert_eq!(trace.trace_id(), "000000000000000080f198ee56343ba8");
        assert_eq!(headers["b3"], "000000000000000080f198ee56343ba8-0000000000000def-1");

        let multi =
            [("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124"), ("x-b3-spanid", "a2fb4a1d1a96d312")];
        let (trace, headers) = taken_up(&multi, B3::Multi);
        assert_eq!(trace.trace_id(), "463ac35c9f6413ad48485a3953bb6124");
        assert_eq!(headers["x-b3-sampled"], "0");

        assert_eq!(taken_up(&single, B3::Off).0.trace_id(), "00000000000000000000000000000abd");
    }

    proptest! {
        #[test]
        fn what_is_written_is_always_a_sound_traceparent(value in "[0-9a-f-]{0,60}", trace: u128, span: u64) {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", value.parse().unwrap());

            Trace::take_up(&mut headers, B3::Off, Trace::new(trace, span)).write(&mut headers, B3::Off);

            prop_assert!(parse_traceparent(headers["traceparent"].as_bytes()).is_some());
        }
    }
}

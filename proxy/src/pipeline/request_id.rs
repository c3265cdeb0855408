//! The request id: kept from trusted peers when it is harmless, made anew otherwise. Pure.

use super::trace::{hex, put};
use http::HeaderValue;

/// Longest id kept.
const MAX: usize = 128;

/// Whether a peer's id may stand in our logs and headers: short, and of letters, digits and `-_.:=+/@`.
pub fn is_harmless(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:=+/@".contains(byte);
    (1..=MAX).contains(&bytes.len()) && bytes.iter().all(harmless)
}

/// A new id in the form of a UUID of version 4.
pub fn generate(random: u128) -> HeaderValue {
    let mut text = *b"........-....-4...-a...-............";
    put(&mut text, 0, &hex::<8>(random >> 96));
    put(&mut text, 9, &hex::<4>(random >> 80));
    // Three digits each: the first of four gives way to the version and the variant.
    put(&mut text, 14, &hex::<4>(random >> 68));
    put(&mut text, 19, &hex::<4>(random >> 56));
    put(&mut text, 24, &hex::<12>(random >> 8));
    put(&mut text, 14, b"4");
    put(&mut text, 19, b"a");
    HeaderValue::from_bytes(&text).unwrap_or_else(|_never| HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_id_is_a_uuid_and_harmless() {
        let id = generate(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);

        assert_eq!(id, "01234567-89ab-4cde-af01-23456789abcd");
        assert!(is_harmless(&id));
    }

    #[test]
    fn an_id_with_odd_bytes_or_length_is_not_kept() {
        for value in ["", "a b", "a\"b", "a;b", "é", &"x".repeat(129)] {
            assert!(!is_harmless(&HeaderValue::from_bytes(value.as_bytes()).unwrap()), "{value:?}");
        }
    }
}

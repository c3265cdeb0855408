//! The request id: kept from trusted peers when it is harmless, made anew otherwise. Pure.

use super::trace::hex;
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
    let digits: [u8; 32] = hex(random);
    let mut text = *b"........-....-4...-a...-............";
    // Where each run of dots begins, and which digits stand there.
    for (at, from, to) in [(0, 0, 8), (9, 8, 12), (15, 12, 15), (20, 15, 18), (24, 18, 30)] {
        if let (Some(place), Some(run)) = (text.get_mut(at..at + to - from), digits.get(from..to)) {
            place.copy_from_slice(run);
        }
    }
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

//! What is shown in a header, and what a secret looks like.

use super::secret::{Digest, Secret, whole, within};
use super::*;
use http::HeaderValue;
use proptest::prelude::*;

const HEADER: HeaderName = HeaderName::from_static("x-api-key");

fn headers(values: &[&[u8]]) -> HeaderMap {
    values.iter().map(|value| (HEADER, HeaderValue::from_bytes(value).unwrap())).collect()
}

#[test]
fn a_header_that_is_not_there_says_nothing() {
    assert_eq!(shown(&headers(&[]), &HEADER), Ok(None));
}

#[test]
fn a_header_that_is_there_once_is_shown() {
    assert_eq!(shown(&headers(&[b"abc"]), &HEADER), Ok(Some("abc")));
}

#[test]
fn a_header_that_comes_twice_is_refused_even_with_the_same_value() {
    assert_eq!(shown(&headers(&[b"abc", b"abc"]), &HEADER), Err(Refused::Several));
}

#[test]
fn a_header_with_other_bytes_than_ascii_is_malformed() {
    assert_eq!(shown(&headers(&[b"abc\xff"]), &HEADER), Err(Refused::Malformed));
}

#[test]
fn each_refusal_has_a_word_of_its_own() {
    let all = [Refused::Unknown, Refused::Expired, Refused::Malformed, Refused::Several];

    assert_eq!(all.map(Refused::word), ["unknown", "expired", "malformed", "several"]);
}

#[test]
fn our_secrets_have_a_prefix_that_scanners_find_and_a_check() {
    let secret = Secret::from_random([7; 32]);

    assert_eq!(secret.as_str(), "pck_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcPNopgY");
    assert_eq!(whole(secret.as_str()), Ok(()));
    assert_eq!(within(&format!("key={}, x", secret.as_str())), Some((4, 53)));
}

#[test]
fn what_is_kept_is_the_sha_256_of_the_whole_text() {
    // printf %s 'correct horse battery' | sha256sum
    let hex = "9028ea0d15decaa35b2da21c0290af3b1a5ba0a30a591906f89b5074e209ea72";

    let digest = Digest::of("correct horse battery");

    assert_eq!(digest.to_hex(), hex);
    assert_eq!(Digest::from_hex(hex), Some(digest));
}

#[test]
fn a_digest_is_64_lower_case_hex_digits() {
    let hex = Digest::of("x").to_hex();

    for wrong in [&hex[1..], &hex.to_uppercase(), &format!("{hex}0"), &hex.replace(&hex[..1], "g"), ""] {
        assert_eq!(Digest::from_hex(wrong), None, "{wrong}");
    }
}

#[test]
fn a_secret_made_elsewhere_is_16_to_256_visible_characters() {
    let long = "x".repeat(256);
    for good in ["0123456789abcdef", "a,b;c=d{}\"'\\<>?!", &long] {
        assert_eq!(whole(good), Ok(()), "{good}");
    }

    let longer = "x".repeat(257);
    for bad in ["", "0123456789abcde", "0123456789abcde ", "0123456789abcdeé", "0123456789abcdef\t", &longer]
    {
        assert_eq!(whole(bad), Err(Refused::Malformed), "{bad}");
    }
}

#[test]
fn nothing_that_is_printed_for_debugging_holds_a_secret_or_a_digest() {
    let secret = Secret::from_random([7; 32]);

    assert_eq!(format!("{secret:?} {:?}", secret.digest()), "Secret(…) Digest(…)");
}

proptest! {
    #[test]
    fn a_secret_with_one_character_changed_or_cut_is_malformed(
        bytes: [u8; 32],
        at in 0usize..53,
        other in "[A-Za-z0-9_-]",
    ) {
        let secret = Secret::from_random(bytes);
        let text = secret.as_str();
        let typo = format!("{}{other}{}", &text[..at], &text[at + 1..]);

        prop_assert_eq!(whole(text), Ok(()));
        // A typo in the prefix makes it a secret from elsewhere, which no key has.
        if typo != text && at >= 4 {
            prop_assert_eq!(whole(&typo), Err(Refused::Malformed));
        }
        if at >= 4 {
            prop_assert_eq!(whole(&text[..at]), Err(Refused::Malformed));
        }
    }
}

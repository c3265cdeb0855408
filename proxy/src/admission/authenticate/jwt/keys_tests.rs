//! A key is used only when it is one, for signatures, and strong.

use super::*;
use crate::admission::authenticate::jwt::support::{ISSUED, b64, patched};
use proptest::prelude::*;
use serde_json::json;

fn parsed(list: &[Value]) -> Result<(KeySet, Vec<Ignored>), KeysError> {
    KeySet::parse(json!({ "keys": list }).to_string().as_bytes())
}

/// Why `jwk` is left out, beside a good key.
fn reason(jwk: &Value) -> Option<Reason> {
    let (keys, ignored) = parsed(&[ISSUED.ed_jwk(), jwk.clone()]).unwrap();
    assert_eq!(keys.len() + ignored.len(), 2, "{jwk}");
    ignored.first().map(|ignored| {
        assert_eq!(ignored.index, 1);
        ignored.reason
    })
}

fn rsa(patch: &Value) -> Option<Reason> {
    reason(&patched(ISSUED.rsa_jwk(), patch))
}

fn ec(patch: &Value) -> Option<Reason> {
    reason(&patched(ISSUED.p256_jwk(), patch))
}

fn ed(patch: &Value) -> Option<Reason> {
    reason(&patched(patched(ISSUED.ed_jwk(), &json!({ "kid": "second" })), patch))
}

/// An odd number of so many bits.
fn modulus(bits: usize) -> String {
    let mut bytes = vec![0xa5; bits.div_ceil(8)];
    bytes[0] = 1 << ((bits - 1) % 8);
    b64(bytes)
}

#[test]
fn a_key_that_is_weak_or_none_is_left_out_and_the_others_stay() {
    for bits in [512, 1024, 2047, 8193] {
        assert_eq!(rsa(&json!({ "n": modulus(bits) })), Some(Reason::Weak), "{bits}");
    }
    for bits in [2048, 3072, 8192] {
        assert_eq!(rsa(&json!({ "n": modulus(bits) })), None, "{bits}");
    }
    assert_eq!(rsa(&json!({ "n": b64([0xfe; 256]) })), Some(Reason::Weak));
    for e in [&[][..], &[0], &[1], &[2], &[1, 0, 0], &[0, 1], &[1, 0, 0, 0, 0, 0, 1], &[4, 0, 0, 0, 1]] {
        assert_eq!(rsa(&json!({ "e": b64(e) })), Some(Reason::Weak), "{e:?}");
    }
    assert_eq!(rsa(&json!({ "e": b64([3]) })), None);
    assert_eq!(rsa(&json!({ "e": b64([0, 1, 0, 1]) })), None);
}

#[test]
fn a_point_off_its_curve_is_left_out() {
    let x = ISSUED.p256_jwk()["x"].clone();
    assert_eq!(ec(&json!({ "y": x })), Some(Reason::Point));
    assert_eq!(ec(&json!({ "x": b64([0; 32]), "y": b64([0; 32]) })), Some(Reason::Point));
    assert_eq!(ec(&json!({ "x": b64([0xff; 32]) })), Some(Reason::Point));
    assert_eq!(ec(&json!({ "x": b64([1; 31]) })), Some(Reason::Point));
    assert_eq!(ec(&json!({ "x": b64([1; 33]) })), Some(Reason::Point));
    assert_eq!(ec(&json!({ "x": "" })), Some(Reason::Point));
    // A point of another curve than it says.
    assert_eq!(ec(&json!({ "crv": "P-384" })), Some(Reason::Point));
    assert_eq!(reason(&patched(ISSUED.p384_jwk(), &json!({ "crv": "P-256" }))), Some(Reason::Point));
    assert_eq!(ed(&json!({ "x": b64([0; 32]) })), Some(Reason::Point));
    assert_eq!(ed(&json!({ "x": b64([1; 31]) })), Some(Reason::Point));
}

#[test]
fn a_key_for_something_else_is_left_out() {
    assert_eq!(reason(&json!({ "kty": "oct", "k": "AAAA", "alg": "HS256" })), Some(Reason::Symmetric));
    assert_eq!(rsa(&json!({ "use": "enc" })), Some(Reason::Use));
    assert_eq!(rsa(&json!({ "use": "" })), Some(Reason::Use));
    assert_eq!(rsa(&json!({ "key_ops": ["encrypt", "wrapKey"] })), Some(Reason::Use));
    assert_eq!(rsa(&json!({ "key_ops": [] })), Some(Reason::Use));
    assert_eq!(rsa(&json!({ "use": "sig", "key_ops": ["verify"] })), None);
    assert_eq!(rsa(&json!({ "d": "AAAA" })), Some(Reason::Private));
    assert_eq!(reason(&json!({ "kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA" })), Some(Reason::Kind));
    assert_eq!(ec(&json!({ "crv": "P-521" })), Some(Reason::Kind));
    assert_eq!(ec(&json!({ "crv": "secp256k1" })), Some(Reason::Kind));
    assert_eq!(ed(&json!({ "crv": "X25519" })), Some(Reason::Kind));
    assert_eq!(ed(&json!({ "crv": "Ed448" })), Some(Reason::Kind));
    for alg in ["ES256", "HS256", "RSA-OAEP", "none", "rs256", ""] {
        assert_eq!(rsa(&json!({ "alg": alg })), Some(Reason::Algorithm), "{alg}");
    }
    assert_eq!(ec(&json!({ "alg": "ES384" })), Some(Reason::Algorithm));
}

#[test]
fn a_key_that_is_not_written_as_one_is_left_out() {
    let wrong = [json!(1), json!(null), json!([]), json!({}), json!({ "kty": 1 }), json!({ "kty": "RSA" })];
    for jwk in wrong {
        assert_eq!(reason(&jwk), Some(Reason::Malformed), "{jwk}");
    }
    assert_eq!(rsa(&json!({ "n": "a+/=" })), Some(Reason::Malformed));
    assert_eq!(rsa(&json!({ "e": 65537 })), Some(Reason::Malformed));
    assert_eq!(rsa(&json!({ "kid": 1 })), Some(Reason::Malformed));
    assert_eq!(rsa(&json!({ "alg": null })), Some(Reason::Malformed));
    assert_eq!(rsa(&json!({ "use": ["sig"] })), Some(Reason::Malformed));
    assert_eq!(rsa(&json!({ "key_ops": "verify" })), Some(Reason::Malformed));
    for kid in ["", "a b", "ä", &"x".repeat(257)] {
        assert_eq!(rsa(&json!({ "kid": kid })), Some(Reason::Kid), "{kid}");
    }
}

#[test]
fn of_two_keys_of_one_id_the_first_stays() {
    let second = patched(ISSUED.p256_jwk(), &json!({ "kid": "rsa" }));
    let (keys, ignored) = parsed(&[ISSUED.rsa_jwk(), second]).unwrap();

    assert_eq!(ignored, [Ignored { index: 1, reason: Reason::Twice }]);
    assert!(matches!(keys.find(Some("rsa"), Algorithm::RS256), Found::Key(_)));
    assert_eq!(keys.find(Some("rsa"), Algorithm::ES256), Found::Unfit);
}

#[test]
fn a_document_that_is_none_or_leaves_nothing_is_an_error() {
    let wrong = ["", "<html>", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[],"keys":[]}"#];
    for text in wrong {
        assert_eq!(KeySet::parse(text.as_bytes()), Err(KeysError::Malformed), "{text}");
    }
    assert_eq!(parsed(&[]), Err(KeysError::NoneUsable(None)));
    let secret = json!({ "kty": "oct", "k": "AAAA" });
    assert_eq!(parsed(&[secret]), Err(KeysError::NoneUsable(Some(Reason::Symmetric))));
    let keys = |count: usize| {
        (0..count).map(|at| patched(ISSUED.ed_jwk(), &json!({ "kid": at.to_string() }))).collect::<Vec<_>>()
    };
    assert_eq!(parsed(&keys(100)).unwrap().0.len(), 100);
    assert_eq!(parsed(&keys(101)), Err(KeysError::TooMany));
    let with = |spaces: usize| format!("{}{}", json!({ "keys": keys(1) }), " ".repeat(spaces));
    let length = with(0).len();
    assert!(KeySet::parse(with(LONGEST - length).as_bytes()).is_ok());
    assert_eq!(KeySet::parse(with(LONGEST - length + 1).as_bytes()), Err(KeysError::TooLong));
}

#[test]
fn a_key_is_found_by_its_id_and_without_one_only_when_nothing_else_fits() {
    let nameless = |jwk: Value| patched(jwk, &json!({ "kid": "absent" }));
    let (keys, _) = parsed(&[ISSUED.rsa_jwk(), nameless(ISSUED.p256_jwk())]).unwrap();
    let is_key = |found: Found<'_>| matches!(found, Found::Key(_));

    assert!(is_key(keys.find(Some("rsa"), Algorithm::PS512)));
    assert_eq!(keys.find(Some("rsa"), Algorithm::ES256), Found::Unfit);
    assert_eq!(keys.find(Some("other"), Algorithm::RS256), Found::Unknown);
    assert_eq!(keys.find(Some("other"), Algorithm::ES384), Found::Unknown);
    assert!(is_key(keys.find(Some("other"), Algorithm::ES256)));
    assert!(is_key(keys.find(None, Algorithm::ES256)));
    assert!(is_key(keys.find(None, Algorithm::RS256)));
    assert_eq!(keys.find(None, Algorithm::EdDSA), Found::Unknown);
    let (two, _) = parsed(&[nameless(ISSUED.p256_jwk()), ISSUED.p256_jwk()]).unwrap();
    assert_eq!(two.find(None, Algorithm::ES256), Found::Ambiguous);
    assert_eq!(two.find(Some("other"), Algorithm::ES256), Found::Unknown);
    assert_eq!(KeySet::default().find(None, Algorithm::ES256), Found::Unknown);
}

#[test]
fn sets_are_equal_when_their_keys_are() {
    let one = |jwk: Value| parsed(&[jwk]).unwrap().0;

    assert_eq!(one(ISSUED.rsa_jwk()), one(patched(ISSUED.rsa_jwk(), &json!({ "use": "sig", "x": 1 }))));
    assert_ne!(one(ISSUED.rsa_jwk()), one(patched(ISSUED.rsa_jwk(), &json!({ "kid": "b" }))));
    assert_ne!(one(ISSUED.rsa_jwk()), one(patched(ISSUED.rsa_jwk(), &json!({ "alg": "RS256" }))));
    assert_ne!(one(ISSUED.rsa_jwk()), one(patched(ISSUED.rsa_jwk(), &json!({ "e": b64([3]) }))));
    assert!(!format!("{:?}", one(ISSUED.rsa_jwk())).contains(ISSUED.rsa_jwk()["n"].as_str().unwrap()));
}

proptest! {
    #[test]
    fn any_document_is_read_or_refused(bytes: Vec<u8>, n: Vec<u8>, e: Vec<u8>) {
        prop_assert!(KeySet::parse(&bytes).is_err());
        rsa(&json!({ "n": b64(n), "e": b64(e) }));
    }

    #[test]
    fn any_point_is_read_or_refused(x: [u8; 32], y: [u8; 32]) {
        ec(&json!({ "x": b64(x), "y": b64(y) }));
        ed(&json!({ "x": b64(x) }));
    }
}

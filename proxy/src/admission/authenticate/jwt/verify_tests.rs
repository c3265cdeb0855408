//! What holds, and what it says.

use super::*;
use crate::admission::authenticate::jwt::support::{
    ALGORITHMS, ISSUED, NOW, b64, judged, keys, patched, rule, said, word,
};
use crate::admission::authenticate::jwt::{issuer_of, looks_like_jwt};
use crate::identity::principal::Principal;
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The name in headers.
fn name(algorithm: Algorithm) -> String {
    format!("{algorithm:?}")
}

/// A good token of each algorithm, and the id of its key.
fn good(algorithm: Algorithm) -> String {
    let kid = match algorithm {
        Algorithm::ES256 => "p256",
        Algorithm::ES384 => "p384",
        Algorithm::EdDSA => "ed",
        _ => "rsa",
    };
    let header = json!({ "alg": name(algorithm), "kid": kid });
    ISSUED.raw(algorithm, header.to_string(), said().to_string())
}

#[test]
fn a_token_of_every_algorithm_holds_and_names_its_user() {
    for algorithm in ALGORITHMS {
        let caller = judged(&good(algorithm)).unwrap_or_else(|refused| panic!("{algorithm:?}: {refused}"));

        let expected = Principal {
            user: "alice".into(),
            roles: vec!["buyer".into()],
            scopes: vec!["orders:read".into(), "orders:write".into()],
        };
        assert_eq!(caller.principal, expected);
        assert_eq!(caller.expires, Some(Timestamp(NOW.0 + 300)));
        assert_eq!((caller.tier, caller.claims, caller.api_key), (None, vec![], None));
    }
}

#[test]
fn the_signature_of_one_algorithm_is_none_of_another_however_the_header_names_it() {
    for signed in ALGORITHMS {
        for named in ALGORITHMS.into_iter().filter(|named| *named != signed) {
            let header = json!({ "alg": name(named) });
            let token = ISSUED.raw(signed, header.to_string(), said().to_string());

            assert_eq!(judged(&token).unwrap_err(), Refused::Signature, "{signed:?} as {named:?}");
        }
    }
}

#[test]
fn an_algorithm_the_rule_does_not_name_is_refused_though_the_key_fits() {
    let mut rule = rule();
    rule.algorithms = vec![Algorithm::RS256];

    let refused = verify(&rule, &good(Algorithm::PS256), &ISSUED.keys(), NOW).unwrap_err();

    assert_eq!(refused, Refused::Algorithm);
}

/// RFC 7515 §A.3: another's signature, another's key.
#[test]
fn the_example_of_the_rfc_holds() {
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y\
                 b290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let key = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let mut rule = rule();
    rule.issuer = "joe".into();

    // It holds, but is for nobody.
    assert_eq!(verify(&rule, token, &keys(&[key]), Timestamp(1_300_000_000)), Err(Refused::Audience));
}

#[test]
fn a_key_that_is_not_known_is_told_with_the_id_that_was_asked_for() {
    let token = ISSUED.token(&json!({ "kid": "next" }), &json!({}));

    assert_eq!(judged(&token), Err(Refused::UnknownKey(Some("next".into()))));
    let known = keys(&[patched(ISSUED.p256_jwk(), &json!({ "kid": "next" }))]);
    assert!(verify(&rule(), &token, &known, NOW).is_ok());
    let shown = judged(&token).unwrap_err().to_string();
    assert_eq!(shown, "unknown_key");
}

#[test]
fn types_of_tokens_are_compared_without_case_and_others_are_refused() {
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        assert!(judged(&ISSUED.token(&json!({ "typ": typ }), &json!({}))).is_ok(), "{typ}");
    }
    assert!(judged(&ISSUED.token(&json!({ "typ": "absent" }), &json!({}))).is_ok());
    for typ in [
        json!("txntoken+jwt"),
        json!("dpop+jwt"),
        json!(""),
        json!(null),
        json!(["JWT"]),
        json!("application/jwt "),
    ] {
        assert_eq!(word(&ISSUED.token(&json!({ "typ": typ }), &json!({}))), "type", "{typ}");
    }
}

#[test]
fn an_issuer_is_read_without_being_believed_and_only_from_a_token() {
    let token = ISSUED.token(&json!({}), &json!({ "iss": "https://other.example" }));
    let unsigned = format!("{}.AA", token.rsplit_once('.').unwrap().0);
    let of = |claims: &Value| issuer_of(&format!("e30.{}.AA", b64(claims.to_string())));

    assert_eq!(issuer_of(&token).as_deref(), Some("https://other.example"));
    assert_eq!(issuer_of(&unsigned).as_deref(), Some("https://other.example"));
    assert_eq!(of(&json!({ "iss": "x".repeat(1024) })).map(|issuer| issuer.len()), Some(1024));
    for claims in
        [json!({}), json!({ "iss": 1 }), json!({ "iss": ["x"] }), json!({ "iss": "x".repeat(1025) })]
    {
        assert_eq!(of(&claims), None, "{claims}");
    }
    assert_eq!(issuer_of(&format!("e30.{}.AA", b64(r#"{"iss":"a","iss":"b"}"#))), None);
    assert_eq!(issuer_of("opaque"), None);
    assert_eq!(issuer_of(&format!("{token}.x")), None);
}

#[test]
fn tokens_are_told_from_what_only_their_issuer_can_read() {
    assert!(ALGORITHMS.into_iter().all(|algorithm| looks_like_jwt(&good(algorithm))));
    assert!(looks_like_jwt(&format!("{}.e30.AA", b64("{\n\"alg\":1}"))));
    // Without a signature it is a token that will be refused.
    assert!(looks_like_jwt(&format!("{}.e30.", b64(r#"{"alg":"none"}"#))));
    let dotted = format!("{}.{}.AA", b64("text"), b64("text"));
    for other in [
        "",
        "..",
        "a.b.c",
        "2YotnFZFEjr1zCsicMWpAA",
        "e30.e30",
        "e30.e30.AA.AA",
        "e30.e3=.AA",
        "e30..AA",
        &dotted,
    ] {
        assert!(!looks_like_jwt(other), "{other}");
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_without_harm(text in "\\PC{0,200}") {
        prop_assert!(judged(&text).is_err());
        prop_assert!(issuer_of(&text).is_none());
        looks_like_jwt(&text);
    }

    #[test]
    fn any_header_and_claims_are_refused_without_harm(header: Vec<u8>, claims: Vec<u8>, signature: Vec<u8>) {
        let token = format!("{}.{}.{}", b64(header), b64(&claims), b64(signature));
        prop_assert!(judged(&token).is_err());
        let signed = ISSUED.raw(Algorithm::ES256, r#"{"alg":"ES256"}"#, claims);
        prop_assert!(judged(&signed).is_err());
    }

    #[test]
    fn a_token_with_one_other_byte_is_refused(at: prop::sample::Index, byte: u8, which in 0..ALGORITHMS.len()) {
        let mut changed = good(ALGORITHMS[which]).into_bytes();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        let Ok(changed) = String::from_utf8(changed) else { return Ok(()) };

        prop_assert!(judged(&changed).is_err(), "{}", changed);
    }
}

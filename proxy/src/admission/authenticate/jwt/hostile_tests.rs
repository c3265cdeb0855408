//! Tokens of somebody who wants in: what is known to have worked against others.

use super::*;
use crate::admission::authenticate::jwt::support::{
    ISSUED, ISSUER, NOW, b64, b64_decoded, judged, keys, patched, rule, said, word,
};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

const NOTHING: Value = Value::Null;

fn with_header(patch: &Value) -> &'static str {
    word(&ISSUED.token(patch, &NOTHING))
}

fn with_claims(patch: &Value) -> &'static str {
    word(&ISSUED.token(&NOTHING, patch))
}

fn good() -> String {
    ISSUED.token(&NOTHING, &NOTHING)
}

#[test]
fn an_algorithm_that_is_none_is_refused_with_and_without_a_signature() {
    let values = [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!(""),
        json!(0),
        json!(null),
        json!(["ES256"]),
        json!("absent"),
        json!("es256"),
        json!("ES256 "),
        json!("ES512"),
        json!("ES256K"),
    ];
    for alg in values {
        let token = ISSUED.token(&json!({ "alg": alg }), &NOTHING);
        let (unsigned, _) = token.rsplit_once('.').unwrap();

        assert_eq!(word(&token), "algorithm", "{alg}");
        assert_eq!(word(&format!("{unsigned}.")), "algorithm", "{alg}");
    }
    let token = good();
    assert_eq!(word(&format!("{}.", token.rsplit_once('.').unwrap().0)), "signature");
}

#[test]
fn a_public_key_is_no_secret_to_sign_with() {
    let der: PublicKeyX509Der<'_> = ISSUED.rsa.public_key().as_der().unwrap();
    let body = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    let secrets = [
        format!("{pem}\n").into_bytes(),
        pem.into_bytes(),
        der.as_ref().to_vec(),
        ISSUED.rsa_jwk().to_string().into_bytes(),
        ISSUED.components().n,
        Vec::new(),
    ];
    let mut careless = rule();
    careless.algorithms.push(Algorithm::HS256);

    for secret in secrets {
        let text = format!("{}.{}", b64(r#"{"alg":"HS256","kid":"rsa"}"#), b64(said().to_string()));
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), text.as_bytes());
        let token = format!("{text}.{}", b64(mac));

        assert_eq!(judged(&token), Err(Refused::Algorithm));
        // Even if a rule named it: no key fits it.
        assert_eq!(verify(&careless, &token, &ISSUED.keys(), NOW), Err(Refused::Algorithm));
    }
}

/// The order of P-256.
const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

/// SEQUENCE of two INTEGERs.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let mut bytes: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        if bytes.first().is_none_or(|first| *first >= 0x80) {
            bytes.insert(0, 0);
        }
        [vec![2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    };
    let both = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [vec![0x30, u8::try_from(both.len()).unwrap()], both].concat()
}

#[test]
fn numbers_of_a_signature_that_prove_nothing_are_refused() {
    let token = good();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let real = b64_decoded(signature);
    let (r, s) = real.split_at(32);
    let (zero, n) = (vec![0; 32], hex(N));
    let forged = [
        vec![0; 64],
        [&zero, s].concat(),
        [r, &zero].concat(),
        [n.as_slice(), s].concat(),
        [r, &n].concat(),
        [n.clone(), n.clone()].concat(),
        [vec![0xff; 32], vec![0xff; 32]].concat(),
        der(&real),
        real[..63].to_vec(),
        [real.as_slice(), &[0]].concat(),
        [&[0], real.as_slice()].concat(),
        vec![],
    ];

    for signature in forged {
        assert_eq!(word(&format!("{signed}.{}", b64(&signature))), "signature", "{signature:?}");
    }
    assert!(judged(&format!("{signed}.{}", b64(&real))).is_ok());
}

#[test]
fn a_header_cannot_choose_another_way_for_the_same_key() {
    let token = |alg: &str| {
        let header = json!({ "alg": alg, "kid": "rsa" });
        ISSUED.raw(Algorithm::RS256, header.to_string(), said().to_string())
    };
    let bound = keys(&[patched(ISSUED.rsa_jwk(), &json!({ "alg": "RS384" }))]);

    assert!(judged(&token("RS256")).is_ok());
    assert_eq!(["PS256", "RS384", "RS512"].map(|alg| word(&token(alg))), ["signature"; 3]);
    assert_eq!(["RS1", "HS256", "ES256"].map(|alg| word(&token(alg))), ["algorithm"; 3]);
    assert_eq!(verify(&rule(), &token("RS256"), &bound, NOW), Err(Refused::Algorithm));
}

#[test]
fn a_token_that_brings_its_key_or_says_where_it_is_is_refused() {
    let own = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (x, y) = own.public_key().as_ref()[1..].split_at(32);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y) });
    let brought = [
        json!({ "jwk": jwk }),
        json!({ "jku": "http://127.0.0.1:9999/keys" }),
        json!({ "x5u": "http://127.0.0.1:9999/leaf" }),
        json!({ "x5c": ["AA"] }),
        json!({ "jwk": null }),
    ];

    for header in brought {
        assert_eq!(with_header(&header), "embedded_key", "{header}");
    }
}

#[test]
fn an_id_of_a_key_is_nothing_but_an_id() {
    for kid in ["../../dev/null", "'OR1", "http://127.0.0.1:9999/", "P256", "p256.", "%70256"] {
        assert_eq!(with_header(&json!({ "kid": kid })), "unknown_key", "{kid}");
    }
    let impossible = [
        json!("' OR 1"),
        json!("\0"),
        json!("p256\0"),
        json!("p256 "),
        json!(""),
        json!("ä"),
        json!("x".repeat(257)),
        json!(["p256"]),
        json!(1),
        json!(null),
        json!({}),
    ];
    for kid in impossible {
        assert_eq!(with_header(&json!({ "kid": kid })), "malformed", "{kid}");
    }
    assert_eq!(with_header(&json!({ "kid": "x".repeat(64 << 10) })), "too_long");
    assert_eq!(with_header(&json!({ "kid": "x".repeat(5 << 10) })), "too_long");
    let twice = r#"{"alg":"ES256","kid":"p256","kid":"p256"}"#;
    assert_eq!(word(&ISSUED.raw(Algorithm::ES256, twice, said().to_string())), "malformed");
}

#[test]
fn a_token_without_an_id_is_checked_with_the_only_key_and_with_none_of_two() {
    let token = ISSUED.token(&json!({ "kid": "absent" }), &NOTHING);
    let other = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (x, y) = other.public_key().as_ref()[1..].split_at(32);
    let other = json!({ "kty": "EC", "crv": "P-256", "kid": "other", "x": b64(x), "y": b64(y) });
    let two = keys(&[ISSUED.p256_jwk(), other]);

    assert!(judged(&token).is_ok());
    assert_eq!(verify(&rule(), &token, &two, NOW), Err(Refused::AmbiguousKey));
    assert!(verify(&rule(), &good(), &two, NOW).is_ok());
}

#[test]
fn extensions_are_refused_whatever_they_ask() {
    let asked = [
        json!({ "crit": ["exp"] }),
        json!({ "crit": ["exp"], "exp": 1 }),
        json!({ "crit": [] }),
        json!({ "crit": null }),
        json!({ "b64": false }),
        json!({ "b64": true }),
        json!({ "b64": false, "crit": ["b64"] }),
        json!({ "zip": "DEF" }),
        json!({ "enc": "A256GCM" }),
    ];

    for header in asked {
        assert_eq!(with_header(&header), "critical", "{header}");
    }
}

#[test]
fn times_are_numbers_and_now_lies_between_them() {
    let wrong =
        [json!("9999999999"), json!(-1), json!(-0.5), json!(true), json!([1]), json!({}), json!(null)];
    for value in &wrong {
        for name in ["exp", "nbf", "iat"] {
            assert_eq!(with_claims(&json!({ name: value })), "moment", "{name}: {value}");
        }
    }
    assert_eq!(with_claims(&json!({ "exp": "absent" })), "expired");
    let huge = said().to_string().replace(&(NOW.0 + 300).to_string(), "1e400");
    assert_eq!(word(&ISSUED.raw(Algorithm::ES256, r#"{"alg":"ES256"}"#, huge)), "malformed");
    // The leeway of the rule is 30 s.
    assert_eq!(with_claims(&json!({ "exp": 0 })), "expired");
    assert_eq!(with_claims(&json!({ "exp": NOW.0 - 30 })), "expired");
    assert_eq!(with_claims(&json!({ "exp": NOW.0 as f64 - 29.5 })), "expired");
    assert_eq!(with_claims(&json!({ "nbf": NOW.0 + 31 })), "not_yet_valid");
    assert_eq!(with_claims(&json!({ "nbf": 1e18 })), "not_yet_valid");
    let good = [
        json!({ "exp": NOW.0 - 29 }),
        json!({ "exp": NOW.0 as f64 + 0.5 }),
        json!({ "exp": u64::MAX }),
        json!({ "exp": 1e300 }),
        json!({ "nbf": NOW.0 + 30 }),
        json!({ "nbf": 0 }),
        json!({ "iat": NOW.0 + 900 }),
        json!({ "iat": "absent" }),
    ];
    for claims in good {
        assert!(judged(&ISSUED.token(&NOTHING, &claims)).is_ok(), "{claims}");
    }
}

#[test]
fn an_issuer_is_the_very_one_and_an_audience_is_ours() {
    let issuers = [
        json!(1),
        json!([ISSUER]),
        json!({}),
        json!(null),
        json!("absent"),
        json!(""),
        json!("https://id.shop.example"),
        json!("https://id.shop.example//"),
        json!("https://id.shop.example/.evil.example"),
        json!("https://ID.shop.example/"),
        json!("https://id.shop.example/ "),
        json!("http://id.shop.example/"),
    ];
    for iss in issuers {
        assert_eq!(with_claims(&json!({ "iss": iss })), "issuer", "{iss}");
    }
    let audiences = [
        json!([]),
        json!({}),
        json!({ "shop-api": 1 }),
        json!(1),
        json!(null),
        json!("absent"),
        json!(""),
        json!("shop"),
        json!("shop-api2"),
        json!("SHOP-API"),
        json!("shop-api shop-admin"),
        json!(["other"]),
        json!(["shop-api", 1]),
        json!([["shop-api"]]),
    ];
    for aud in audiences {
        assert_eq!(with_claims(&json!({ "aud": aud })), "audience", "{aud}");
    }
    for aud in [json!("shop-admin"), json!(["other", "shop-api"])] {
        assert!(judged(&ISSUED.token(&NOTHING, &json!({ "aud": aud }))).is_ok(), "{aud}");
    }
}

#[test]
fn what_has_two_readings_or_no_end_is_refused_at_once() {
    let claims = said().to_string();
    let raw = |header: &str, claims: &[u8]| word(&ISSUED.raw(Algorithm::ES256, header, claims));
    let header = r#"{"alg":"ES256"}"#;

    let twice = claims.replacen('{', r#"{"sub":"admin","#, 1);
    assert_eq!(raw(header, twice.as_bytes()), "malformed");
    assert_eq!(raw(r#"{"alg":"none","alg":"ES256"}"#, claims.as_bytes()), "malformed");
    assert_eq!(raw(r#"{"alg":"ES256","\u0061lg":"ES256"}"#, claims.as_bytes()), "malformed");
    let deep = claims.replacen('{', &format!(r#"{{"x":{}{},"#, "[".repeat(4000), "]".repeat(4000)), 1);
    assert_eq!(raw(header, deep.as_bytes()), "malformed");
    assert_eq!(raw(header, b"{\"sub\":\"\xff\"}"), "malformed");
    assert_eq!(raw(header, b""), "malformed");
    assert_eq!(raw(header, b"[]"), "malformed");
    assert_eq!(raw("[\"ES256\"]", claims.as_bytes()), "malformed");
    assert_eq!(raw(header, format!("{claims}{claims}").as_bytes()), "malformed");
    // 10^5 levels and a megabyte are refused for their length, before anything is decoded.
    assert_eq!(raw(header, "[".repeat(100_000).as_bytes()), "too_long");
    assert_eq!(word(&"a".repeat(1 << 20)), "too_long");
    assert_eq!(word(&".".repeat(16 << 10)), "malformed");
}

#[test]
fn a_token_has_one_spelling() {
    let token = good();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let other = [
        signed.to_owned(),
        header.to_owned(),
        format!("{token}."),
        format!("{token}.{claims}"),
        format!("{token}.{claims}.{signature}"),
        format!(".{token}"),
        format!("{token}="),
        format!("{token}=="),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!(" {signed}.{signature}"),
        format!("{header}=.{claims}.{signature}"),
        format!("{signed}. {signature}"),
        format!("..{signature}"),
        String::new(),
    ];
    for text in other {
        assert_eq!(word(&text), "malformed", "{text}");
    }
    // Even if the issuer signs another spelling of what it says.
    for text in [format!("{header}. {claims}"), format!("{header}.{claims}\n"), format!("{header}.{claims}=")]
    {
        let signature = ISSUED.sign(Algorithm::ES256, text.as_bytes());
        assert_eq!(word(&format!("{text}.{}", b64(signature))), "malformed", "{text}");
    }
    // 64 bytes: the last character has four bits too many.
    let last = signature.bytes().last().unwrap();
    assert!(b"AQgw".contains(&last));
    let spelled = format!("{}{}", &token[..token.len() - 1], char::from(last + 1));
    assert_eq!(word(&spelled), "malformed");
    let bytes = [0xfb, 0xff, 0xfe].repeat(22);
    for text in
        [STANDARD_NO_PAD.encode(&bytes[..64]), STANDARD.encode(&bytes[..64]), URL_SAFE.encode(&bytes[..64])]
    {
        assert_eq!(word(&format!("{signed}.{text}")), "malformed", "{text}");
    }
    assert_eq!(word(&format!("{signed}.{}", b64(&bytes[..64]))), "signature");
}

#[test]
fn a_name_that_would_break_a_header_names_nobody() {
    let broken = ["a\r\nX-Admin: 1", "a\nb", "a b", "a,b", "a\"", "ä", "", "\0"];
    for name in broken {
        assert_eq!(with_claims(&json!({ "sub": name })), "claim_name", "{name:?}");
        assert_eq!(with_claims(&json!({ "roles": ["buyer", name] })), "claim_name", "{name:?}");
    }
    assert_eq!(with_claims(&json!({ "roles": "a\r\nX-Admin:" })), "claim_name");
    assert_eq!(with_claims(&json!({ "scope": "a\tb" })), "claim_name");
    assert_eq!(with_claims(&json!({ "sub": "x".repeat(257) })), "claim_name");
    let mut rule = rule();
    rule.claims = vec!["team".into()];
    let token = ISSUED.token(&NOTHING, &json!({ "team": "a\r\nX-Admin: 1" }));
    assert_eq!(verify(&rule, &token, &ISSUED.keys(), NOW).unwrap_err().word(), "claim_name");
}

#[test]
fn no_refusal_repeats_what_was_shown() {
    let secret = "SECRETSECRET";
    let tokens = [
        ISSUED.token(&json!({ "kid": secret }), &NOTHING),
        ISSUED.token(&json!({ "alg": secret }), &NOTHING),
        ISSUED.token(&json!({ "typ": secret }), &NOTHING),
        ISSUED.token(&NOTHING, &json!({ "iss": secret })),
        ISSUED.token(&NOTHING, &json!({ "sub": [secret] })),
        secret.to_owned(),
    ];

    for token in tokens {
        let refused = judged(&token).unwrap_err();
        let (shown, word) = (refused.to_string(), refused.word());

        assert_eq!(shown, word);
        assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{word}");
    }
}

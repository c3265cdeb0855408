//! One form of signature is read, and nothing that lets a signature choose how it is checked.

use super::*;
use crate::identity::support::{PASSPORT, STAMP, b64, header, jws, patched};
use crate::mesh::Own;
use crate::mesh::support::{Ca, EDGE, ORDER};
use proptest::prelude::*;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    sub: String,
}

fn point(own: &Own) -> Vec<u8> {
    let (_, leaf) = X509Certificate::from_der(&own.chain[0]).unwrap();
    leaf.tbs_certificate.subject_pki.subject_public_key.data.to_vec()
}

/// As a receiver does.
fn opened(text: &str, by: &Own) -> Result<Said, Rejected> {
    let jws = Jws::read(text, PASSPORT)?;
    jws.verify(&point(by))?;
    jws.claims()
}

fn signed(by: &Own, header: &Value) -> String {
    jws(by, &header.to_string(), r#"{"sub":"alice"}"#)
}

#[test]
fn what_is_signed_here_is_read_and_holds() {
    let own = Ca::new().own(EDGE);

    let text = sign(PASSPORT, &own.leaf, &Said { sub: "alice".into() }, &own.key).unwrap();

    assert_eq!(opened(&text, &own), Ok(Said { sub: "alice".into() }));
    assert_eq!(Jws::read(&text, PASSPORT).unwrap().leaf, own.leaf);
    let header = decode(text.split('.').next().unwrap()).unwrap();
    let expected =
        format!(r#"{{"alg":"ES256","typ":"{PASSPORT}","x5t#S256":"{}"}}"#, b64(own.leaf.as_bytes()));
    assert_eq!(header, expected.as_bytes());
}

#[test]
fn a_header_with_anything_else_is_refused_however_well_it_is_signed() {
    let own = Ca::new().own(EDGE);
    let key = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" });
    let wrong = [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "ES384" }),
        json!({ "alg": "EdDSA" }),
        json!({ "alg": "es256" }),
        json!({ "alg": ["ES256"] }),
        json!({ "alg": null }),
        json!({ "typ": STAMP }),
        json!({ "typ": "JWT" }),
        json!({ "typ": "at+jwt" }),
        json!({ "typ": "application/txntoken+jwt" }),
        json!({ "typ": "TXNTOKEN+JWT" }),
        json!({ "typ": null }),
        json!({ "x5t#S256": null }),
        json!({ "x5t#S256": "" }),
        json!({ "x5t#S256": b64([1; 31]) }),
        json!({ "x5t#S256": b64([1; 33]) }),
        json!({ "x5t#S256": own.leaf.to_string() }),
        json!({ "jwk": key }),
        json!({ "jku": "https://evil.example/keys" }),
        json!({ "x5u": "https://evil.example/leaf" }),
        json!({ "x5c": ["AA"] }),
        json!({ "x5t": "AA" }),
        json!({ "kid": "1" }),
        json!({ "cty": "JWT" }),
        json!({ "crit": ["exp"], "exp": 1 }),
        json!({ "crit": [] }),
        json!({ "zip": "DEF" }),
        json!({ "b64": false }),
        json!({ "other": 1 }),
    ];

    assert!(opened(&signed(&own, &header(&own, PASSPORT)), &own).is_ok());
    for patch in wrong {
        let text = signed(&own, &patched(header(&own, PASSPORT), &patch));

        assert_eq!(opened(&text, &own), Err(Rejected::Malformed), "{patch}");
    }
}

#[test]
fn a_header_that_says_something_twice_or_is_no_object_is_refused() {
    let own = Ca::new().own(EDGE);
    let leaf = b64(own.leaf.as_bytes());
    let headers = [
        format!(r#"{{"alg":"ES256","alg":"ES256","typ":"{PASSPORT}","x5t#S256":"{leaf}"}}"#),
        format!(r#"{{"alg":"none","typ":"{PASSPORT}","x5t#S256":"{leaf}","alg":"ES256"}}"#),
        format!(r#"["ES256","{PASSPORT}","{leaf}"]"#),
        format!(r#" {{"alg":"ES256","typ":"{PASSPORT}","x5t#S256":"{leaf}"}}"#),
        format!(r#"{{"alg":"ES256","typ":"{PASSPORT}","x5t#S256":"{leaf}"}}{{}}"#),
        format!(r#"{{"\u0061lg":"ES256","typ":"{PASSPORT}","x5t#S256":"{leaf}","alg":"ES256"}}"#),
        r#""ES256""#.to_owned(),
        "null".to_owned(),
        String::new(),
        "[".repeat(4096),
    ];
    for header in headers {
        let text = jws(&own, &header, r#"{"sub":"alice"}"#);

        assert_eq!(opened(&text, &own), Err(Rejected::Malformed), "{header}");
    }
}

#[test]
fn claims_are_one_object_that_says_nothing_twice() {
    let own = Ca::new().own(EDGE);
    let header = header(&own, PASSPORT).to_string();
    for claims in [
        r#"{"sub":"a","sub":"b"}"#,
        r#"{"sub":"a","admin":true}"#,
        r#"["a"]"#,
        "{}",
        "",
        "null",
        "\u{feff}{}",
    ] {
        assert_eq!(opened(&jws(&own, &header, claims), &own), Err(Rejected::Malformed), "{claims}");
    }
}

#[test]
fn the_public_key_is_no_secret_to_sign_with() {
    let own = Ca::new().own(EDGE);
    for alg in ["HS256", "ES256"] {
        let header = patched(header(&own, PASSPORT), &json!({ "alg": alg })).to_string();
        let text = format!("{}.{}", b64(header), b64(r#"{"sub":"admin"}"#));
        for secret in [point(&own), own.key.public().to_vec()] {
            let key = EncodingKey::from_secret(&secret);
            let mac = jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::HS256).unwrap();

            assert_eq!(opened(&format!("{text}.{mac}"), &own), Err(Rejected::Malformed));
        }
    }
}

#[test]
fn there_are_three_parts_and_the_signature_is_not_empty() {
    let own = Ca::new().own(EDGE);
    let good = signed(&own, &header(&own, PASSPORT));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let texts = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        head.to_owned(),
        format!("{head}."),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!("{head}..{signature}"),
        format!("{head}.{signature}{signature}"),
        format!(r#"{{"payload":"{head}","signature":"{signature}"}}"#),
    ];
    for text in texts {
        assert_eq!(opened(&text, &own), Err(Rejected::Malformed), "{text}");
    }
}

#[test]
fn a_part_has_one_spelling() {
    let own = Ca::new().own(EDGE);
    let good = signed(&own, &header(&own, PASSPORT));
    let parts: Vec<&str> = good.split('.').collect();
    let spelled = |part: usize, text: String| {
        let mut parts = parts.clone();
        parts[part] = &text;
        opened(&parts.join("."), &own)
    };
    // 64 bytes leave four bits of the last character over; the first letter whose bits are not 0 is B.
    let last = parts[2].chars().last().unwrap();
    assert!("AQgw".contains(last));

    assert_eq!(opened(&good, &own), Ok(Said { sub: "alice".into() }));
    for (part, text) in parts.iter().enumerate() {
        for spelling in [format!("{text}="), format!("{text}=="), format!("{text}\n"), format!(" {text}")] {
            assert_eq!(spelled(part, spelling.clone()), Err(Rejected::Malformed), "{spelling}");
        }
    }
    let other = format!("{}{}", &parts[2][..parts[2].len() - 1], char::from(last as u8 + 1));
    assert_eq!(spelled(2, other), Err(Rejected::Malformed));
    assert_eq!(spelled(2, parts[2].replace('-', "+").replace('_', "/") + "+"), Err(Rejected::Malformed));
}

#[test]
fn a_signature_by_another_key_or_over_something_else_does_not_hold() {
    let ca = Ca::new();
    let (own, other) = (ca.own(EDGE), ca.own(ORDER));
    let good = signed(&own, &header(&own, PASSPORT));
    let (head, claims_and_more) = good.split_once('.').unwrap();
    let signature = claims_and_more.rsplit_once('.').unwrap().1;
    let altered = format!("{head}.{}.{signature}", b64(r#"{"sub":"admin"}"#));
    let zero = format!("{}.{}", good.rsplit_once('.').unwrap().0, b64([0; 64]));

    assert_eq!(opened(&good, &other), Err(Rejected::Signature));
    assert_eq!(opened(&altered, &own), Err(Rejected::Signature));
    assert_eq!(opened(&zero, &own), Err(Rejected::Signature));
}

#[test]
fn a_key_of_another_kind_verifies_nothing() {
    let own = Ca::new().own(EDGE);
    let good = signed(&own, &header(&own, PASSPORT));
    let jws = Jws::read(&good, PASSPORT).unwrap();
    for point in [vec![], vec![4], vec![4; 65], vec![4; 97], vec![0; 32], own.chain[0].clone()] {
        assert_eq!(jws.verify(&point), Err(Rejected::Signature));
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "[ -~]{0,200}") {
        prop_assert_eq!(Jws::read(&text, PASSPORT).map(drop), Err(Rejected::Malformed));
    }

    #[test]
    fn a_text_changed_in_one_place_does_not_hold(place in any::<proptest::sample::Index>(), byte in 0x21u8..0x7f) {
        let own = Ca::new().own(EDGE);
        let mut text = signed(&own, &header(&own, PASSPORT)).into_bytes();
        let place = place.index(text.len());
        prop_assume!(text[place] != byte);

        text[place] = byte;

        prop_assert!(opened(&String::from_utf8(text).unwrap(), &own).is_err());
    }
}

//! Join tokens: the round trip, each way of being damaged, and that the secret shows nowhere.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn token() -> JoinToken {
    let urls = vec!["https://ca.shop.example:8443".to_owned(), "https://[::1]:8443".to_owned()];
    JoinToken::new(urls, "shop.example".parse().unwrap(), vec![Fingerprint::of(b"root")], [0x5a; 32])
}

fn content() -> Value {
    json!({
        "u": ["https://ca.shop.example:8443"],
        "t": "shop.example",
        "r": [Fingerprint::of(b"root")],
        "s": URL_SAFE_NO_PAD.encode([0x5a; 32]),
    })
}

fn text(content: &Value) -> String {
    format!("pct1.{}", URL_SAFE_NO_PAD.encode(content.to_string()))
}

fn with(field: &str, value: Value) -> String {
    let mut content = content();
    content[field] = value;
    text(&content)
}

#[test]
fn a_token_is_read_as_it_was_printed() {
    let token = token();

    let text = token.reveal();
    let read: JoinToken = format!("  {text}\n").parse().unwrap();

    assert!(text.starts_with("pct1.ey"), "{text}");
    assert_eq!(read.urls, token.urls);
    assert_eq!(read.trust_domain, token.trust_domain);
    assert_eq!(read.roots, token.roots);
    assert_eq!(read.hash(), Fingerprint::of(&[0x5a; 32]));
    assert_eq!(read.reveal(), text);
}

#[test]
fn what_stands_in_the_text_is_a_small_json_object() {
    let one_url = JoinToken { urls: vec!["https://ca.shop.example:8443".to_owned()], ..token() };
    let text = one_url.reveal();

    let json = URL_SAFE_NO_PAD.decode(text.strip_prefix("pct1.").unwrap()).unwrap();

    assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), content());
}

#[test]
fn each_damage_has_its_name() {
    let whole = token().reveal();
    let table = [
        (String::new(), TokenError::Prefix),
        ("hello".to_owned(), TokenError::Prefix),
        (whole.to_uppercase(), TokenError::Prefix),
        (whole.replace("pct1", "pct2"), TokenError::Prefix),
        ("pct1.".to_owned(), TokenError::Damaged),
        (format!("{whole}="), TokenError::Damaged),
        (whole.replacen("ey", "e y", 1), TokenError::Damaged),
        (format!("pct1.{}", "A".repeat(4092)), TokenError::TooLong),
        (with("s", json!(URL_SAFE_NO_PAD.encode([1; 31]))), TokenError::Damaged),
        (with("s", json!(URL_SAFE_NO_PAD.encode([1; 33]))), TokenError::Damaged),
        (with("s", json!(null)), TokenError::Damaged),
        (with("t", json!("Shop.example")), TokenError::Damaged),
        (with("r", json!(["abcd"])), TokenError::Damaged),
        (with("x", json!(1)), TokenError::Damaged),
        (with("r", json!([])), TokenError::NoRoot),
        (with("u", json!(["http://ca.shop.example"])), TokenError::Url),
        (with("u", json!(["https://"])), TokenError::Url),
        (with("u", json!(["https://me@ca.shop.example"])), TokenError::Url),
        (with("u", json!(["https://ca.shop.example/\u{1b}[2J"])), TokenError::Url),
    ];

    for (text, why) in table {
        assert_eq!(text.parse::<JoinToken>().err(), Some(why), "{text}");
        assert_eq!(hash_of(&text), None, "{text}");
    }
}

#[test]
fn no_part_of_a_token_is_a_token() {
    let whole = token().reveal();

    for length in 0..whole.len() {
        assert!(whole[..length].parse::<JoinToken>().is_err(), "{length}");
    }
}

#[test]
fn a_token_without_an_address_is_for_who_is_told_otherwise() {
    let read: JoinToken = with("u", json!([])).parse().unwrap();

    assert_eq!(read.urls, Vec::<String>::new());
}

#[test]
fn the_hash_is_that_of_the_secret_however_it_is_brought() {
    let token = token();
    let alone = URL_SAFE_NO_PAD.encode([0x5a; 32]);

    assert_eq!(hash_of(&token.reveal()), Some(token.hash()));
    assert_eq!(hash_of(&alone), Some(token.hash()));
    assert_eq!(hash_of(&format!("{alone}\n")), Some(token.hash()));
    for wrong in ["", "AAAA", &format!("{alone}A"), &alone[1..]] {
        assert_eq!(hash_of(wrong), None, "{wrong}");
    }
}

#[test]
fn the_secret_shows_in_no_message() {
    let token = token();
    let alone = URL_SAFE_NO_PAD.encode([0x5a; 32]);
    let damaged = with("s", json!(format!("{alone}!"))).parse::<JoinToken>().unwrap_err();

    let shown = format!("{token:?} {damaged:?} {damaged}");

    assert!(shown.contains("shop.example"));
    for secret in [alone.as_str(), "90, 90", "5a5a", &token.reveal()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

proptest! {
    #[test]
    fn any_token_survives_the_round_trip(
        urls in prop::collection::vec("https://[a-z0-9.-]{1,40}(:[0-9]{1,5})?", 0..4),
        trust_domain in "[a-z0-9._-]{1,255}",
        roots in prop::collection::vec(any::<[u8; 32]>(), 1..4),
        secret in any::<[u8; 32]>(),
    ) {
        let roots: Vec<_> = roots.iter().map(|root| Fingerprint::of(root)).collect();
        let token = JoinToken::new(urls, trust_domain.parse().unwrap(), roots, secret);

        let read: JoinToken = token.reveal().parse().unwrap();

        prop_assert_eq!(read.reveal(), token.reveal());
        prop_assert_eq!(read.hash(), token.hash());
    }

    #[test]
    fn any_text_at_all_is_answered_without_a_panic(text in any::<String>(), json in any::<String>()) {
        let _ = hash_of(&text);
        let _ = format!("pct1.{text}").parse::<JoinToken>();
        let _ = format!("pct1.{}", URL_SAFE_NO_PAD.encode(json)).parse::<JoinToken>();
    }
}

//! Keys: what is counted together, and what must never be.

use super::super::sample::{bucket, every, limit};
use super::*;
use crate::config::limit::{Rate, Sharing};
use http::HeaderValue;
use proptest::prelude::*;

fn facts<'a>(headers: &'a HeaderMap) -> Facts<'a> {
    let ip = IpAddr::from([192, 0, 2, 1]);
    Facts { ip, user: None, peer: None, api_key: None, tier: None, route: "orders", headers }
}

fn by(key: Vec<KeyPart>) -> Limit {
    Limit { key, ..bucket(10, 1, 10) }
}

fn key(limit: &Limit, facts: &Facts<'_>) -> Key {
    ask(limit, 1, facts, &Seed::new(&[7; 32])).key
}

fn of_ip(ip: &str) -> Key {
    let none = HeaderMap::new();
    key(&by(vec![KeyPart::Ip]), &Facts { ip: ip.parse().unwrap(), ..facts(&none) })
}

fn of_headers(values: &[&str]) -> Key {
    let name = HeaderName::from_static("x-client");
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(&name, HeaderValue::from_str(value).unwrap());
    }
    key(&by(vec![KeyPart::Header(name)]), &facts(&headers))
}

#[test]
fn an_ipv6_network_shares_one_count() {
    assert_eq!(of_ip("2001:db8:1:2::1"), of_ip("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(of_ip("2001:db8:1:2::1"), of_ip("2001:db8:1:3::1"));
}

#[test]
fn an_ipv4_address_is_the_same_in_either_notation() {
    assert_eq!(of_ip("192.0.2.1"), of_ip("::ffff:192.0.2.1"));
    assert_ne!(of_ip("192.0.2.1"), of_ip("192.0.2.2"));
    assert_ne!(of_ip("0.0.0.0"), of_ip("::"));
}

#[test]
fn all_who_lack_a_part_share_one_count_that_nobody_else_can_have() {
    let missing = of_headers(&[]);

    assert_eq!(missing, of_headers(&[]));
    let others: [&[&str]; 4] = [&[""], &["0"], &["", ""], &["none"]];
    assert!(others.iter().all(|values| of_headers(values) != missing));
}

#[test]
fn a_header_that_comes_twice_is_not_one_with_a_comma() {
    assert_ne!(of_headers(&["a", "b"]), of_headers(&["a,b"]));
    assert_ne!(of_headers(&["a", "b"]), of_headers(&["b", "a"]));
    assert_ne!(of_headers(&["a", "b"]), of_headers(&["ab"]));
    assert_eq!(of_headers(&["a", "b"]), of_headers(&["a", "b"]));
}

#[test]
fn the_same_value_of_another_part_is_another_key() {
    let none = HeaderMap::new();
    let known = Facts { user: Some("x"), peer: Some("x"), api_key: Some("x"), route: "x", ..facts(&none) };
    let parts = [KeyPart::User, KeyPart::Peer, KeyPart::ApiKey, KeyPart::Route];

    let keys = parts.map(|part| key(&by(vec![part]), &known));

    for (index, one) in keys.iter().enumerate() {
        assert!(!keys[index + 1..].contains(one), "{index}");
    }
}

#[test]
fn a_value_of_a_mebibyte_is_hashed_whole() {
    let long = "x".repeat(1 << 20);
    let other = format!("{}y", &long[1..]);
    let bytes = |value: &str| {
        let mut bytes = Bytes::new();
        write_text(&mut bytes, value.as_bytes());
        bytes
    };

    assert_ne!(of_headers(&[&long]), of_headers(&[&other]));
    assert_eq!(of_headers(&[&long]), of_headers(&[&long]));
    assert_eq!(bytes(&long).len(), 33);
    assert!(!bytes(&long).spilled());
}

#[test]
fn a_tier_of_the_limit_has_a_count_of_its_own_and_others_the_default() {
    let rate = |amount| Rate { amount, window: every(1), burst: amount };
    let mut limit = by(vec![KeyPart::User]);
    limit.rates.tiers = vec![("free".into(), rate(1)), ("premium".into(), rate(9))];
    let (none, seed) = (HeaderMap::new(), Seed::new(&[1; 32]));

    let asked = |tier| ask(&limit, 2, &Facts { user: Some("u"), tier, ..facts(&none) }, &seed);

    assert_eq!(
        [None, Some("gold"), Some("free"), Some("premium")].map(|tier| asked(tier).tier),
        [0, 0, 1, 2]
    );
    assert_eq!(asked(None).key, asked(Some("gold")).key);
    assert_ne!(asked(Some("free")).key, asked(Some("premium")).key);
    assert_ne!(asked(Some("free")).key, asked(None).key);
    assert_eq!((asked(Some("premium")).rate().amount, asked(None).cost), (9, 2));
}

#[test]
fn a_bucket_outlives_a_change_of_its_rate_and_a_window_does_not() {
    let none = HeaderMap::new();
    let of = |algorithm, seconds| key(&limit(algorithm, 5, every(seconds)), &facts(&none));

    assert_eq!(of(Algorithm::TokenBucket, 1), of(Algorithm::TokenBucket, 60));
    assert_ne!(of(Algorithm::FixedWindow, 1), of(Algorithm::FixedWindow, 60));
    assert_ne!(of(Algorithm::FixedWindow, 60), of(Algorithm::SlidingWindow, 60));
    let calendar = |window| key(&limit(Algorithm::FixedWindow, 5, window), &facts(&none));
    assert_ne!(calendar(Window::Day("UTC".into())), calendar(Window::Month("UTC".into())));
    assert_ne!(calendar(Window::Day("UTC".into())), calendar(Window::Day("Asia/Tokyo".into())));
}

#[test]
fn keys_of_a_process_cannot_be_foreseen_and_shared_ones_are_the_same_everywhere() {
    let none = HeaderMap::new();
    let (one, other) = (Seed::new(&[1; 32]), Seed::new(&[2; 32]));
    let instance = by(vec![KeyPart::Ip]);
    let global = Limit { scope: Scope::Global(Sharing::Exact), ..instance.clone() };

    let key = |limit, seed| ask(limit, 1, &facts(&none), seed).key.0;

    assert_ne!(key(&instance, &one), key(&instance, &other));
    assert_ne!(key(&instance, &one) >> 64, key(&instance, &one) & u128::from(u64::MAX));
    assert_eq!(key(&global, &one), key(&global, &other));
    assert_eq!(key(&global, &one), 0xa8c7cb0a_49176a7a_fe45e18d_8594cdc8, "as other processes have it");
}

/// What a key is made of, to compare by.
type Meaning = (String, Vec<(KeyPart, Vec<String>)>);

prop_compose! {
    fn texts()(text in prop::option::of("[ab,\\x01]{0,3}")) -> Option<String> { text }
}

fn parts_of_keys() -> impl Strategy<Value = Vec<KeyPart>> {
    let header = |name| KeyPart::Header(HeaderName::from_static(name));
    let all = vec![KeyPart::User, KeyPart::Peer, KeyPart::ApiKey, KeyPart::Route, header("a"), header("ab")];
    prop::sample::subsequence(all, 1..=4).prop_shuffle()
}

prop_compose! {
    fn encoded()(
        key in parts_of_keys(), name in "[ab]{1,2}", texts in prop::array::uniform3(texts()), route in "[ab]{0,2}",
        values in prop::array::uniform2(prop::collection::vec("[ab,]{0,2}", 0..3))
    ) -> (Meaning, Bytes) {
        let mut headers = HeaderMap::new();
        for (name, values) in ["a", "ab"].into_iter().zip(&values) {
            values.iter().for_each(|value| { headers.append(name, value.parse().unwrap()); });
        }
        let [user, peer, api_key] = &texts;
        let facts = Facts {
            user: user.as_deref(), peer: peer.as_deref(), api_key: api_key.as_deref(), route: &route,
            ..facts(&headers)
        };
        let meaning = key.iter().map(|part| (part.clone(), match part {
            KeyPart::User => user.iter().cloned().collect(),
            KeyPart::Peer => peer.iter().cloned().collect(),
            KeyPart::ApiKey => api_key.iter().cloned().collect(),
            KeyPart::Header(name) => values[name.as_str().len() - 1].clone(),
            _ => vec![route.clone()],
        })).collect();
        let limit = Limit { name: name.as_str().into(), ..by(key) };
        ((name, meaning), parts(&limit, &every(1), None, &facts))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn different_parts_never_give_the_same_bytes(one in encoded(), other in encoded()) {
        prop_assert_eq!(one.0 == other.0, one.1 == other.1);
        let shorter = one.1.len().min(other.1.len());
        prop_assert!(one.0 == other.0 || one.1[..shorter] != other.1[..shorter] || one.1.len() != other.1.len());
    }

    #[test]
    fn a_short_text_is_never_taken_for_the_digest_of_a_long_one(short in prop::collection::vec(any::<u8>(), 0..=64)) {
        let (mut one, mut other) = (Bytes::new(), Bytes::new());

        write_text(&mut one, &short);
        write_text(&mut other, &[b'x'; 257]);

        prop_assert_ne!(one, other);
    }
}

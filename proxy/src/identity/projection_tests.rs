//! The application sees what was proved, and nothing anybody else wrote.

use super::*;
use crate::identity::headers::{is_protected, strip};
use crate::identity::support::alice;
use proptest::prelude::*;

fn names() -> Vec<(HeaderName, Claim)> {
    let name = HeaderName::from_static;
    vec![
        (name("x-auth-user"), Claim::User),
        (name("x-auth-roles"), Claim::Roles),
        (name("x-auth-scopes"), Claim::Scopes),
    ]
}

fn plain(fields: &[(&'static str, &str)]) -> Option<Principal> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    read_plain(&headers, &names())
}

fn seen(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut seen: Vec<_> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    seen.sort();
    seen
}

#[test]
fn a_user_is_written_over_whatever_stood_there() {
    let mut headers = HeaderMap::new();
    for forged in ["admin", "root"] {
        headers.append("x-auth-user", HeaderValue::from_static(forged));
    }

    write(&mut headers, Some(&alice()), &names());

    let expected =
        [("x-auth-roles", "buyer"), ("x-auth-scopes", "orders:read orders:write"), ("x-auth-user", "alice")];
    assert_eq!(seen(&headers), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn without_a_user_nothing_is_left_and_an_empty_list_is_told_by_no_header() {
    let mut headers = HeaderMap::new();
    let nobody = Principal { roles: vec![], scopes: vec![], ..alice() };
    headers.insert("x-auth-roles", HeaderValue::from_static("admin"));
    headers.insert("x-auth-user", HeaderValue::from_static("admin"));

    write(&mut headers, Some(&nobody), &names());
    assert_eq!(seen(&headers), [("x-auth-user".to_owned(), "alice".to_owned())]);

    write(&mut headers, None, &names());
    assert_eq!(seen(&headers), []);
}

#[test]
fn the_caller_is_one_element() {
    let [by, peer] = ["spiffe://shop.example/svc/order", "spiffe://shop.example/edge"];
    let leaf = Fingerprint::of(b"leaf");

    let value = client_cert(&by.parse().unwrap(), &peer.parse().unwrap(), &leaf);

    assert_eq!(value.to_str().unwrap(), format!("By={by};Hash={leaf};URI={peer}"));
    assert!(!value.as_bytes().contains(&b','));
}

#[test]
fn plain_headers_are_read_as_they_are_written() {
    let mut headers = HeaderMap::new();
    write(&mut headers, Some(&alice()), &names());

    assert_eq!(read_plain(&headers, &names()), Some(alice()));
    assert_eq!(plain(&[("x-auth-user", "bob")]).unwrap().user.as_ref(), "bob");
}

#[test]
fn plain_headers_that_could_mean_two_things_mean_nobody() {
    let wrong: [&[(&str, &str)]; 9] = [
        &[],
        &[("x-auth-roles", "admin")],
        &[("x-auth-user", "")],
        &[("x-auth-user", "alice"), ("x-auth-user", "alice")],
        &[("x-auth-user", "alice"), ("x-auth-roles", "a"), ("x-auth-roles", "b")],
        &[("x-auth-user", "alice, bob")],
        &[("x-auth-user", "al ice")],
        &[("x-auth-user", "älice")],
        &[("x-auth-user", "alice"), ("x-auth-scopes", "a\"b")],
    ];
    for fields in wrong {
        assert_eq!(plain(fields), None, "{fields:?}");
    }
}

const SPELLINGS: &str = "(x|X|txn|portcullis|l5d|remote|ssl|forwarded|accept)[-_.](auth|user|token|stamps|chains|\
                         client|forwarded|real)[-_.]?(user|id|roles|scopes|cert|ip|for|client-cert)?";

proptest! {
    #[test]
    fn of_protected_names_the_application_sees_exactly_what_was_proved(
        names_sent in proptest::collection::vec(SPELLINGS, 0..24),
        proved in any::<bool>(),
    ) {
        let mut headers = HeaderMap::new();
        for name in &names_sent {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("forged"));
        }
        let principal = proved.then(alice);

        strip(&mut headers);
        write(&mut headers, principal.as_ref(), &names());

        let mut expected = HeaderMap::new();
        write(&mut expected, principal.as_ref(), &names());
        headers = headers.into_iter().filter_map(|(name, value)| Some((name?, value)))
            .filter(|(name, _)| is_protected(name.as_str())).collect();
        prop_assert_eq!(seen(&headers), seen(&expected));
    }

    #[test]
    fn whatever_plain_headers_hold_the_user_read_is_sound(value in proptest::collection::vec(0x20u8..=0xff, 0..300)) {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let mut headers = HeaderMap::new();
        for (name, _) in names() {
            headers.insert(name, value.clone());
        }

        prop_assert!(read_plain(&headers, &names()).is_none_or(|user| user.is_sound()));
    }
}

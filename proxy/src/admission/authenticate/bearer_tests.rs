//! One place, one form; what is in doubt is not nothing.

use super::*;
use http::HeaderValue;
use proptest::prelude::*;

fn with(values: &[&[u8]]) -> HeaderMap {
    let value = |value: &&[u8]| (AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
    values.iter().map(value).collect()
}

#[test]
fn a_token_is_taken_from_its_header_and_from_nowhere_else() {
    for (value, token) in [
        ("Bearer a", "a"),
        ("bearer a.b-c_d~e+f/g==", "a.b-c_d~e+f/g=="),
        ("BEARER eyJ.eyJ.AA", "eyJ.eyJ.AA"),
        ("bEaReR 0=", "0="),
    ] {
        assert_eq!(bearer(&with(&[value.as_bytes()])), Ok(Some(token)), "{value}");
    }
    let mut elsewhere = HeaderMap::new();
    elsewhere.insert("proxy-authorization", HeaderValue::from_static("Bearer a"));
    elsewhere.insert("x-authorization", HeaderValue::from_static("Bearer a"));
    elsewhere.insert("cookie", HeaderValue::from_static("access_token=a"));
    assert_eq!(bearer(&elsewhere), Ok(None));
}

#[test]
fn another_scheme_is_no_token() {
    for value in
        [&b"Basic YTpi"[..], b"Negotiate", b"Basic \xff", b"Bearertoken a", b"DPoP a", b"Basic a, Bearer b"]
    {
        assert_eq!(bearer(&with(&[value])), Ok(None), "{value:?}");
    }
}

#[test]
fn two_headers_are_a_fault_even_when_they_say_the_same() {
    for second in ["Bearer a", "Bearer b", "Basic a", ""] {
        assert_eq!(bearer(&with(&[b"Bearer a", second.as_bytes()])), Err(BearerFault::Twice), "{second}");
    }
}

#[test]
fn what_is_not_one_token_is_a_fault_and_not_nothing() {
    let wrong: [&[u8]; 18] = [
        b"",
        b" ",
        b"Bearer",
        b"Bearer ",
        b"Bearer  a",
        b"Bearer a ",
        b"Bearer a b",
        b"Bearer a, Bearer b",
        b"Bearer a,b",
        b" Bearer a",
        b"Bearer\ta",
        b"Bearer \ta",
        b"Bearer =",
        b"Bearer a=b",
        b"Bearer \"a\"",
        b"Bearer \xc3\xa4",
        b"Bearer, a",
        b"\xffBearer a",
    ];
    for value in wrong {
        assert_eq!(
            bearer(&with(&[value])),
            Err(BearerFault::Malformed),
            "{:?}",
            String::from_utf8_lossy(value)
        );
    }
}

proptest! {
    #[test]
    fn any_value_is_a_token_nothing_or_a_fault(value: Vec<u8>, scheme in "(?i)bearer ?|") {
        let value = [scheme.as_bytes(), &value].concat();
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        if let Ok(Some(token)) = bearer(&headers) {
            prop_assert!(!token.is_empty());
            prop_assert!(!token.contains([' ', ',', '"', '\n']));
        }
    }
}

//! URLs of a Redis: what is read, what is refused, and that nothing panics.

use super::*;
use proptest::prelude::*;

fn parts(text: &str) -> Result<(String, u8, bool, Credentials), UrlError> {
    let place = read(text)?;
    let Servers::Single(server) = place.servers else { panic!("{text}") };
    Ok((server.into(), place.database, place.tls.unwrap(), place.credentials))
}

fn who(user: &str, password: &str) -> Credentials {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Credentials { user: some(user), password: some(password) }
}

#[test]
fn a_url_says_where_and_who() {
    for (text, server, database, tls, credentials) in [
        ("redis://a", "a:6379", 0, false, who("", "")),
        ("rediss://A.Example:7/15", "a.example:7", 15, true, who("", "")),
        ("redis://10.0.0.7/", "10.0.0.7:6379", 0, false, who("", "")),
        ("redis://[::1]", "[::1]:6379", 0, false, who("", "")),
        ("redis://[::1]:9/1", "[::1]:9", 1, false, who("", "")),
        ("redis://u:p@a", "a:6379", 0, false, who("u", "p")),
        ("redis://:p@a", "a:6379", 0, false, who("", "p")),
        ("redis://u@a", "a:6379", 0, false, who("u", "")),
        ("redis://u:p%40%2F:%25@a/2", "a:6379", 2, false, who("u", "p@/:%")),
        ("redis://u:p@/?#@a/2", "a:6379", 2, false, who("u", "p@/?#")),
    ] {
        assert_eq!(parts(text), Ok((server.to_owned(), database, tls, credentials)), "{text}");
    }
}

#[test]
fn what_is_no_url_says_why() {
    for (text, fault) in [
        ("a:6379", UrlError::Scheme),
        ("REDIS://a", UrlError::Scheme),
        ("redis+unix:///run/r.sock", UrlError::Scheme),
        ("redis://", UrlError::Host),
        ("redis://u:p@", UrlError::Host),
        ("redis://a:0", UrlError::Host),
        ("redis://a:65536", UrlError::Host),
        ("redis://a:+1", UrlError::Host),
        ("redis://::1", UrlError::Host),
        ("redis://[::1", UrlError::Host),
        ("redis://[a]:1", UrlError::Host),
        ("redis://a b", UrlError::Host),
        ("redis://a/16", UrlError::Database),
        ("redis://a/x", UrlError::Database),
        ("redis://a/1/2", UrlError::Database),
        ("redis://a/0?protocol=resp3", UrlError::Query),
        ("redis://a#b", UrlError::Query),
        ("redis://u:%zz@a", UrlError::Credentials),
        ("redis://u:%4@a", UrlError::Credentials),
        ("redis://%ff:p@a", UrlError::Credentials),
    ] {
        assert_eq!(parts(text), Err(fault), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "(rediss?://)?\\PC*") {
        let _ = read(&text);
    }

    #[test]
    fn any_password_comes_through_its_escapes(password in "\\PC{1,20}") {
        let escaped: String = password.bytes().map(|byte| format!("%{byte:02x}")).collect();

        let credentials = parts(&format!("redis://:{escaped}@a")).unwrap().3;

        prop_assert_eq!(credentials.password, Some(password));
    }
}

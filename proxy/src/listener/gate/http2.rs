//! The gate for HTTP/2: what the frame layer leaves unchecked, judged on the decoded head. Pure.
//!
//! The frame layer (h2) has refused upper-case names, connection-specific fields, repeated pseudo-headers and
//! bodies that do not fit their Content-Length. Here the head is held to what HTTP/1 is held to, because it may
//! be sent on as HTTP/1: a sound authority, Host that agrees with it, a bounded number of fields, clean values.

use super::head::folds_to_framing;
use super::host::is_host;
use super::{Fault, Limits};
use crate::config::trust::Strictness;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method};

/// Refuses a head that would be refused on HTTP/1.
pub fn check(head: &Parts, underscores: Strictness, limits: &Limits) -> Result<(), Fault> {
    if head.method == Method::CONNECT || head.method == Method::TRACE {
        return Err(Fault::MethodNotAllowed);
    }
    let upper = |byte: u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_');
    if head.method.as_str().len() > 32 || !head.method.as_str().bytes().all(upper) {
        return Err(Fault::Method);
    }
    target(head, limits)?;
    authority(head)?;
    fields(&head.headers, underscores, limits)
}

fn target(head: &Parts, limits: &Limits) -> Result<(), Fault> {
    let path = head.uri.path_and_query().map_or("", |target| target.as_str());
    if path.len() > limits.target_bytes {
        return Err(Fault::TargetTooLong);
    }
    let asterisk = path == "*" && head.method == Method::OPTIONS;
    // Without `:authority` the scheme is not kept beside the path.
    let http = match head.uri.scheme_str() {
        Some(scheme) => matches!(scheme, "http" | "https"),
        None => head.uri.authority().is_none(),
    };
    let clean = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if http && clean && (path.starts_with('/') || asterisk) { Ok(()) } else { Err(Fault::Target) }
}

/// Exactly one host, said once or twice the same.
fn authority(head: &Parts) -> Result<(), Fault> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(Fault::HostRepeated);
    }
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, host.map(HeaderValue::as_bytes)) {
        (None, None) => Err(Fault::HostMissing),
        (Some(one), Some(other)) if !one.eq_ignore_ascii_case(other) => Err(Fault::AuthorityMismatch),
        (Some(value), _) | (None, Some(value)) if is_host(value) => Ok(()),
        _ => Err(Fault::HostInvalid),
    }
}

fn fields(headers: &HeaderMap, underscores: Strictness, limits: &Limits) -> Result<(), Fault> {
    // Every value counts, so cookie crumbs do too.
    if headers.len() > limits.headers {
        return Err(Fault::TooManyFields);
    }
    if headers.get_all(header::CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(Fault::LengthRepeated);
    }
    if headers
        .get_all(header::EXPECT)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        return Err(Fault::Expectation);
    }
    let mut bytes = 0;
    for (name, value) in headers {
        // Counted as HTTP/2 counts (RFC 9113 §6.5.2).
        bytes += name.as_str().len() + value.len() + 32;
        if bytes > limits.head_bytes {
            return Err(Fault::HeadTooLarge);
        }
        if name.as_str().len() > limits.name_bytes {
            return Err(Fault::FieldNameTooLong);
        }
        let framing = || folds_to_framing(name.as_str().as_bytes());
        if name.as_str().contains('_') && (underscores == Strictness::Refuse || framing()) {
            return Err(Fault::Underscore);
        }
        if value.as_bytes() != value.as_bytes().trim_ascii() {
            return Err(Fault::FieldValue);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn judge(request: http::request::Builder) -> Result<(), Fault> {
        check(&request.body(()).unwrap().into_parts().0, Strictness::Refuse, &Limits::default())
    }

    fn get(uri: &str) -> http::request::Builder {
        Request::builder().uri(uri)
    }

    #[test]
    fn a_usual_head_passes_with_authority_or_host_or_both() {
        assert_eq!(judge(get("https://a.example/x?y")), Ok(()));
        assert_eq!(judge(get("https://a.example/").header("host", "A.example")), Ok(()));
        assert_eq!(judge(get("/").header("host", "a.example")), Ok(()));
        assert_eq!(judge(get("https://a.example/").header("cookie", "a=1").header("cookie", "b=2")), Ok(()));
    }

    #[test]
    fn a_host_that_is_missing_doubtful_or_said_twice_is_refused() {
        assert_eq!(judge(get("/")), Err(Fault::HostMissing));
        assert_eq!(judge(get("ftp://a/")), Err(Fault::Target));
        assert_eq!(judge(get("https://a/").header("host", "b")), Err(Fault::AuthorityMismatch));
        assert_eq!(
            judge(get("https://a/").header("host", "a").header("host", "a")),
            Err(Fault::HostRepeated)
        );
        assert_eq!(judge(get("https://u@a/")), Err(Fault::HostInvalid));
        assert_eq!(judge(get("https://a:0/")), Err(Fault::HostInvalid));
    }

    #[test]
    fn too_many_crumbs_odd_names_and_values_are_refused() {
        let crumbs = (0..101).fold(get("https://a/"), |request, _| request.header("cookie", "a"));
        assert_eq!(judge(crumbs), Err(Fault::TooManyFields));
        assert_eq!(judge(get("https://a/").header("x_auth_user", "root")), Err(Fault::Underscore));
        assert_eq!(judge(get("https://a/").header("x", " v")), Err(Fault::FieldValue));
        assert_eq!(judge(get("https://a/").header("expect", "200-ok")), Err(Fault::Expectation));
        assert_eq!(judge(get("https://a/").method("TRACE")), Err(Fault::MethodNotAllowed));
        assert_eq!(judge(get(&format!("https://a/{}", "x".repeat(9000)))), Err(Fault::TargetTooLong));
    }
}

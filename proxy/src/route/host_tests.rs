//! Normal form of hosts, and host patterns.

use super::*;

#[test]
fn f29_spellings_of_one_host_have_one_form() {
    let table = [
        ("api.example", "api.example"),
        ("API.Example", "api.example"),
        ("api.example.", "api.example"),
        ("A.", "a"),
        ("api.example:443", "api.example"),
        ("api.example.:443", "api.example"),
        ("api.example:", "api.example"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[::1]:8080", "[::1]"),
        ("[FE80::A]", "[fe80::a]"),
        ("localhost", "localhost"),
    ];
    for (raw, host) in table {
        assert_eq!(normalise(raw), host, "{raw}");
        assert_eq!(normalise(&normalise(raw)), host, "{raw} again");
    }
}

#[test]
fn a_host_in_normal_form_is_borrowed() {
    assert!(matches!(normalise("api.example:8443"), Cow::Borrowed("api.example")));
}

#[test]
fn strange_hosts_stay_strange_and_match_no_name() {
    let pattern = parse_pattern("a").unwrap();
    for raw in ["", ":", "a, b", "u@a", "a/x", "a:b", "[::1", ".", "..", "a..", "é"] {
        assert!(!matches(&pattern, &normalise(raw)), "{raw}");
    }
}

#[test]
fn a_wildcard_takes_exactly_one_label() {
    let pattern = parse_pattern("*.Example.com").unwrap();

    assert_eq!(pattern, HostPattern::Wildcard("example.com".into()));
    assert!(matches(&pattern, "api.example.com"));
    for host in ["example.com", "a.b.example.com", ".example.com", "api.example.com.evil", "apiexample.com"] {
        assert!(!matches(&pattern, host), "{host}");
    }
}

#[test]
fn patterns_are_read_in_lower_case_and_written_back() {
    for (text, written) in [
        ("api.example", "api.example"),
        ("API.example.", "api.example"),
        ("*.Example", "*.example"),
        ("[::1]", "[::1]"),
        ("10.0.0.1", "10.0.0.1"),
        ("my_host", "my_host"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ] {
        let pattern = parse_pattern(text).unwrap();

        assert_eq!(text_of(&pattern), written);
        assert_eq!(parse_pattern(written), Ok(pattern));
    }
}

#[test]
fn bad_patterns_say_what_is_wrong() {
    let long_label = format!("{}.example", "a".repeat(64));
    let long_name = vec!["abcdefg"; 40].join(".");
    let table = [
        ("", HostPatternError::Empty),
        (".", HostPatternError::Empty),
        ("*", HostPatternError::Any),
        ("*.", HostPatternError::Any),
        ("api.example:443", HostPatternError::Port),
        ("[::1]:443", HostPatternError::Port),
        ("::1", HostPatternError::Port),
        ("*.*.example", HostPatternError::Star),
        ("a.*.example", HostPatternError::Star),
        ("a*.example", HostPatternError::Star),
        ("*.0.0.1", HostPatternError::WildcardAddress),
        ("bücher.example", HostPatternError::Character('ü')),
        ("a b", HostPatternError::Character(' ')),
        ("https//x", HostPatternError::Character('/')),
        ("a..b", HostPatternError::Label),
        (&long_label, HostPatternError::Label),
        (&long_name, HostPatternError::Length),
    ];
    for (text, error) in table {
        assert_eq!(parse_pattern(text), Err(error), "{text}");
    }
}

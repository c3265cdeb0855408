//! The P rows of the path table, and properties over hostile paths.

use super::*;
use proptest::prelude::*;

const ALL: PathRules = PathRules { encoded_slash: true, semicolon: true };

/// What the default rules make of a path.
fn strict(raw: &str) -> Result<String, PathFault> {
    let path = CanonicalPath::parse(raw)?;
    path.permitted_by(&PathRules::default())?;
    Ok(path.as_str().to_owned())
}

/// What a route that permits everything makes of it.
fn lenient(raw: &str) -> Result<String, PathFault> {
    let path = CanonicalPath::parse(raw)?;
    path.permitted_by(&ALL)?;
    Ok(path.as_str().to_owned())
}

#[track_caller]
fn becomes(table: &[(&str, &str)]) {
    for (raw, canonical) in table {
        assert_eq!(strict(raw).as_deref(), Ok(*canonical), "{raw}");
    }
}

#[track_caller]
fn refused(table: &[(&str, PathFault)]) {
    for (raw, fault) in table {
        assert_eq!(strict(raw), Err(*fault), "{raw}");
    }
}

#[test]
fn usual_paths_stay_and_are_borrowed() {
    let usual = [
        "/",
        "/a",
        "/a/",
        "/api/products/123",
        "/a.b/c..d",
        "/a-b_c~d",
        "/x@y:z",
        "/a!$&'()*+,=b",
        "/.well-known/x",
        "/...",
        "/a/..b/.c",
        "/%20",
        "/caf%C3%A9",
        "/%25",
        "/%252e%252e/admin",
        "/%C0%AE",
        "/%3F",
        "/[x]",
    ];
    for raw in usual {
        let path = CanonicalPath::parse(raw).unwrap();

        assert_eq!(path.as_str(), raw);
        assert!(path.is_unchanged(), "{raw}");
        assert_eq!(path.specials(), Specials::default(), "{raw}");
    }
}

#[test]
fn p01_literal_dot_segments_are_resolved_and_never_climb() {
    becomes(&[
        ("/./admin", "/admin"),
        ("/x/../admin", "/admin"),
        ("/admin/.", "/admin/"),
        ("/admin/x/..", "/admin/"),
        ("/a/b/../../c", "/c"),
        ("/a/..", "/"),
        ("/.", "/"),
        ("/./", "/"),
        ("/a/./b/./c", "/a/b/c"),
    ]);
    refused(&[
        ("/../admin", PathFault::AboveRoot),
        ("/..", PathFault::AboveRoot),
        ("/a/../../admin", PathFault::AboveRoot),
        ("/a/../../a/admin", PathFault::AboveRoot),
    ]);
}

#[test]
fn p02_unreserved_escapes_are_decoded_and_encoded_dot_segments_refused() {
    becomes(&[
        ("/%61dmin", "/admin"),
        ("/%41%7a%30%2d%2E%5f%7E", "/Az0-._~"),
        ("/a%2eb", "/a.b"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/%3f", "/%3F"),
    ]);
    refused(&[
        ("/%2e/admin", PathFault::EncodedDots),
        ("/x/%2e%2e/admin", PathFault::EncodedDots),
        ("/x/.%2e/admin", PathFault::EncodedDots),
        ("/x/%2E./admin", PathFault::EncodedDots),
        ("/%2e%2e/admin", PathFault::EncodedDots),
        ("/x/%2e%2e", PathFault::EncodedDots),
    ]);
}

#[test]
fn p03_empty_segments_are_refused() {
    refused(&[
        ("//admin", PathFault::EmptySegment),
        ("///admin", PathFault::EmptySegment),
        ("//admin/secret", PathFault::EmptySegment),
        ("/x//../admin", PathFault::EmptySegment),
        ("/a//", PathFault::EmptySegment),
        ("/a/.//b", PathFault::EmptySegment),
        ("//", PathFault::EmptySegment),
        ("//evil.com/..", PathFault::EmptySegment),
    ]);
}

#[test]
fn p04_encoded_slashes_pass_only_where_permitted_and_never_beside_dots() {
    refused(&[
        ("/admin%2f", PathFault::EncodedSlash),
        ("/%2fadmin", PathFault::EncodedSlash),
        ("/x%2F..%2fadmin", PathFault::DisguisedDots),
    ]);
    assert_eq!(lenient("/a%2fb").as_deref(), Ok("/a%2Fb"));
    for raw in
        ["/x%2f..%2fadmin", "/..%2fadmin", "/x%2f.", "/x%2f%2e%2e", "/.%2e%2fx", "/x%2f..;a", "/a%2fb/../c"]
    {
        assert_eq!(lenient(raw), Err(PathFault::DisguisedDots), "{raw}");
    }
}

#[test]
fn p05_backslashes_are_refused_in_every_form() {
    refused(&[
        (r"\admin", PathFault::NotAbsolute),
        (r"/\admin", PathFault::Backslash),
        (r"/x\..\admin", PathFault::Backslash),
        ("/x%5cadmin", PathFault::Backslash),
        ("/x%5C..%5Cadmin", PathFault::Backslash),
    ]);
}

#[test]
fn p06_semicolons_pass_only_where_permitted_and_never_beside_dots() {
    refused(&[
        ("/admin;x", PathFault::Semicolon),
        ("/admin%3bx", PathFault::Semicolon),
        ("/;/admin", PathFault::EmptySegment),
        ("/..;/admin", PathFault::DisguisedDots),
        ("/pub;/../admin", PathFault::DisguisedDots),
    ]);
    assert_eq!(lenient("/a;v=1/b").as_deref(), Ok("/a;v=1/b"));
    assert_eq!(lenient("/a%3bv").as_deref(), Ok("/a%3Bv"));
    assert_eq!(lenient("/;session=1").as_deref(), Ok("/;session=1"));
    for raw in ["/x/..;/admin", "/.;a", "/..%3ba/admin", "/%2e%2e;/admin", "/pub;/../admin"] {
        assert_eq!(lenient(raw), Err(PathFault::DisguisedDots), "{raw}");
    }
}

#[test]
fn p07_controls_are_refused_and_other_escapes_stay_escapes() {
    for byte in (0x00..=0x1fu8).chain([0x7f]) {
        let raw = format!("/admin%{byte:02x}");
        assert_eq!(strict(&raw), Err(PathFault::Control), "{raw}");
    }
    becomes(&[("/admin%20", "/admin%20"), ("/admin%3f", "/admin%3F"), ("/a%22b", "/a%22b")]);
}

#[test]
fn p08_decoding_happens_once_and_bad_escapes_are_refused() {
    becomes(&[
        ("/%252e%252e/admin", "/%252e%252e/admin"),
        ("/%c0%ae%c0%ae/admin", "/%C0%AE%C0%AE/admin"),
        ("/0x2e/x", "/0x2e/x"),
        ("/%2525", "/%2525"),
    ]);
    refused(&[
        ("/%u002e", PathFault::BadEscape),
        ("/%zz", PathFault::BadEscape),
        ("/%a", PathFault::BadEscape),
        ("/%", PathFault::BadEscape),
        ("/%a/b", PathFault::BadEscape),
        ("/%+1", PathFault::BadEscape),
    ]);
}

#[test]
fn p09_fragments_are_refused() {
    refused(&[
        ("/pub#/../admin", PathFault::Fragment),
        ("/admin#", PathFault::Fragment),
        ("/admin%23", PathFault::Fragment),
    ]);
}

#[test]
fn p10_case_is_kept() {
    becomes(&[("/ADMIN", "/ADMIN"), ("/Admin/", "/Admin/"), ("/%41dmin", "/Admin")]);
}

#[test]
fn p12_a_path_never_looks_like_a_host() {
    refused(&[
        ("//evil.com/%2f..", PathFault::EmptySegment),
        (r"/\evil.com", PathFault::Backslash),
        ("/.//evil.com", PathFault::EmptySegment),
    ]);
    for raw in ["/././/evil.com", "/x/..//evil.com", "/%2f/evil.com"] {
        assert!(strict(raw).is_err(), "{raw}");
    }
}

#[test]
fn p13_what_is_judged_is_what_is_sent() {
    becomes(&[("/%61pi/admin", "/api/admin")]);
    refused(&[("/api/..%2fadmin", PathFault::DisguisedDots), ("/api//admin", PathFault::EmptySegment)]);
}

#[test]
fn bytes_that_must_be_encoded_are_refused() {
    for raw in
        ["/a b", "/a\tb", "/a\0", "/é", "/a\"", "/<", "/>", "/`", "/{", "/}", "/^", "/|", "/\x7f", "/a?b"]
    {
        assert_eq!(strict(raw), Err(PathFault::Character), "{raw:?}");
    }
    refused(&[("", PathFault::NotAbsolute), ("*", PathFault::NotAbsolute), ("a/b", PathFault::NotAbsolute)]);
}

#[test]
fn a_changed_path_is_owned_and_says_so() {
    let path = CanonicalPath::parse("/a/./b").unwrap();

    assert!(!path.is_unchanged());
    assert_eq!(path.into_text(), "/a/b");
}

#[test]
fn specials_tell_what_is_there() {
    let both = CanonicalPath::parse("/a%2fb/c;d").unwrap();

    assert_eq!(both.specials(), Specials { encoded_slash: true, semicolon: true });
    assert_eq!(both.permitted_by(&PathRules { semicolon: true, ..ALL }), Ok(()));
    assert_eq!(
        both.permitted_by(&PathRules { encoded_slash: false, semicolon: true }),
        Err(PathFault::EncodedSlash)
    );
    assert_eq!(
        both.permitted_by(&PathRules { encoded_slash: true, semicolon: false }),
        Err(PathFault::Semicolon)
    );
}

#[test]
fn folding_shows_what_a_lenient_server_would_read() {
    let table = [
        ("/admin;x", "/admin"),
        ("/admin%2Fx", "/admin/x"),
        ("/%2Fadmin", "/admin"),
        ("/a;b%2Fc;d/e", "/a/c/e"),
        ("/admin%2F", "/admin/"),
        ("/a/;x", "/a/"),
        ("/;x", "/"),
    ];
    for (raw, folded) in table {
        assert_eq!(CanonicalPath::parse(raw).unwrap().folded().as_deref(), Some(folded), "{raw}");
    }
    assert_eq!(CanonicalPath::parse("/a/b").unwrap().folded(), None);
}

#[test]
fn words_and_details_are_distinct() {
    let words: std::collections::BTreeSet<_> = PathFault::ALL.iter().map(|fault| fault.word()).collect();
    let details: std::collections::BTreeSet<_> = PathFault::ALL.iter().map(|fault| fault.detail()).collect();

    assert_eq!(words.len(), PathFault::ALL.len());
    assert_eq!(details.len(), PathFault::ALL.len());
}

/// A server that decodes everything, takes `\` for `/`, cuts `;…`, merges slashes and resolves dots.
fn naive(path: &str) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |at: usize| tail.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for segment in bytes.split(|byte| matches!(byte, b'/' | b'\\')) {
        let name: Vec<u8> = segment.iter().copied().take_while(|byte| *byte != b';').collect();
        match name.as_slice() {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            _ => kept.push(name),
        }
    }
    kept
}

/// Paths from the bytes and escapes that tricks are made of.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", ";", "%3b", "%25", "%2525", "%00", "%0a",
        "%61", "%41", "%c0%ae", "%3f", "%20", "%", "%a", "#", "a", "admin", "admin", "x", "~", "*", "é", " ",
    ]);
    prop::collection::vec(piece, 0..9).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// The same without what is refused at once, so that many paths are accepted.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/a", "/admin", "/.", "/..", "/x", "%61", "%2f", ";", "%3b", ".", "admin", "%25", "%c3%a9",
        "/",
    ]);
    prop::collection::vec(piece, 0..9).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// What must hold of every path that is accepted.
fn check(raw: &str) {
    let Ok(path) = CanonicalPath::parse(raw) else { return };
    let text = path.as_str();

    let again = CanonicalPath::parse(text).unwrap_or_else(|fault| panic!("{raw:?} -> {text:?}: {fault}"));
    assert_eq!(again, path, "{raw:?}");
    assert!(again.is_unchanged(), "{raw:?}");
    assert!(text.starts_with('/'), "{raw:?}");
    assert!(!text.contains("//"), "{raw:?}");
    assert!(!text.split('/').any(|segment| segment == "." || segment == ".."), "{raw:?}");
    assert!(text.bytes().all(|byte| (0x21..0x7f).contains(&byte)), "{raw:?}");
    if path.permitted_by(&PathRules::default()).is_ok() {
        let ours = text.starts_with("/admin/") || text == "/admin";
        for form in [raw, text] {
            let theirs = naive(form).first().is_some_and(|first| first == b"admin");
            assert_eq!(ours, theirs, "p14: {raw:?} is {text:?} to us");
        }
    }
    if let Some(folded) = path.folded() {
        let theirs = naive(text).first().is_some_and(|first| first == b"admin");
        assert_eq!(folded.split('/').nth(1) == Some("admin"), theirs, "{raw:?} folds to {folded:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50_000))]

    #[test]
    fn p14_hostile_paths_are_refused_or_mean_one_thing(raw in nasty()) {
        check(&raw);
    }

    #[test]
    fn p14_accepted_paths_mean_one_thing(raw in tricky()) {
        check(&raw);
    }
}

proptest! {
    #[test]
    fn any_text_at_all_is_parsed_without_a_panic(raw in any::<String>()) {
        check(&raw);
        check(&format!("/{raw}"));
    }
}

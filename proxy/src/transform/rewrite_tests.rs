//! Rewritten paths: tables, and that none ever has two meanings.

use super::*;
use proptest::prelude::*;
use std::sync::Arc;

fn text(text: &str) -> PathPart {
    PathPart::Text(text.into())
}

fn named(name: &str) -> PathPart {
    PathPart::Param(name.into())
}

fn prefix(text: &str) -> PathPattern {
    PathPattern::Prefix(text.into())
}

fn users() -> PathPattern {
    PathPattern::Template(vec![
        Segment::Literal("users".into()),
        Segment::Param(Some("id".into())),
        Segment::Param(None),
        Segment::Param(Some("part".into())),
    ])
}

#[test]
fn the_rest_of_a_prefix_moves_below_another() {
    let to_api = PathTemplate(vec![text("/api/products/"), PathPart::Rest]);
    let to_root = PathTemplate(vec![text("/"), PathPart::Rest]);
    let table = [
        (&to_api, "/products", "/products/1", "/api/products/1"),
        (&to_api, "/products", "/products/1/", "/api/products/1/"),
        (&to_api, "/products", "/products/", "/api/products/"),
        (&to_api, "/products", "/products", "/api/products"),
        (&to_api, "", "/x%20y", "/api/products/x%20y"),
        (&to_api, "", "/", "/api/products/"),
        (&to_root, "/products", "/products", "/"),
        (&to_root, "/products", "/products/", "/"),
        (&to_root, "/products", "/products/a/b", "/a/b"),
        (&to_root, "", "/", "/"),
    ];
    for (template, from, path, sent) in table {
        assert_eq!(rewrite(template, &prefix(from), path), sent, "{from} {path}");
    }
}

#[test]
fn named_segments_are_put_in_as_they_came() {
    let template = PathTemplate(vec![text("/p/"), named("part"), text("/of-"), named("id"), text(".json")]);

    let sent = rewrite(&template, &users(), "/users/7/skipped/a%2Fb");

    assert_eq!(sent, "/p/a%2Fb/of-7.json");
}

#[test]
fn text_alone_replaces_the_whole_path() {
    let template = PathTemplate(vec![text("/index.html")]);

    assert_eq!(rewrite(&template, &PathPattern::Exact("/".into()), "/"), "/index.html");
    assert_eq!(rewrite(&template, &PathPattern::Regex(".*".into()), "/a/b"), "/index.html");
}

#[test]
fn what_would_have_two_meanings_is_mended() {
    let glued = PathTemplate(vec![text("/x/.."), named("part")]);
    let behind = PathTemplate(vec![text("/x/"), named("part"), text("..")]);
    let unknown = PathTemplate(vec![text("/a/"), named("nothing"), text("/b")]);
    let no_slash = PathTemplate(vec![named("id")]);

    assert_eq!(rewrite(&glued, &users(), "/users/7/s/;a"), "/x");
    assert_eq!(rewrite(&glued, &users(), "/users/7/s/%2Fa"), "/x");
    assert_eq!(rewrite(&glued, &users(), "/users/7/s/a"), "/x/..a");
    assert_eq!(rewrite(&behind, &users(), "/users/7/s/a%2F"), "/x");
    assert_eq!(rewrite(&unknown, &users(), "/users/7/s/p"), "/a/b");
    assert_eq!(rewrite(&no_slash, &users(), "/users/7/s/p"), "/7");
    assert_eq!(rewrite(&PathTemplate(vec![]), &users(), "/users/7/s/p"), "/");
}

fn part() -> impl Strategy<Value = PathPart> {
    let texts = vec!["/", "/a", "/a/", ".", "..", "/.", "//", "a", "%2F", ";", "/x/"];
    prop_oneof![
        4 => prop::sample::select(texts).prop_map(text),
        2 => prop::sample::select(vec!["id", "part", "none"]).prop_map(named),
        1 => Just(PathPart::Rest),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec!["a", ".b", ";", "%2F", "%3B", "x", "..c"]);
    prop::collection::vec(pieces, 1..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn p13_no_template_makes_a_path_of_two_meanings(
        parts in prop::collection::vec(part(), 0..6),
        id in value(),
        last in value(),
        from_prefix: bool,
    ) {
        let path = format!("/users/{id}/s/{last}");
        let pattern = if from_prefix { prefix("/users") } else { users() };

        let sent = rewrite(&PathTemplate(parts), &pattern, &path);

        prop_assert!(sent.starts_with('/'));
        prop_assert!(!sent.contains("//"), "{}", sent);
        for segment in sent.split('/') {
            for name in segment.split("%2F") {
                let name: Arc<str> = name.replace("%3B", ";").split(';').next().unwrap().into();
                prop_assert!(&*name != "." && &*name != "..", "{}", sent);
            }
        }
    }
}

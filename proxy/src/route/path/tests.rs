//! Patterns and rewrites: what is read, what is refused and with which advice.

use super::*;
use crate::config::route::{PathPart, PathTemplate};

fn literal(text: &str) -> Segment {
    Segment::Literal(text.into())
}

fn param(name: &str) -> Segment {
    Segment::Param(Some(name.into()))
}

fn message(text: &str) -> String {
    parse_pattern(text).map(|pattern| text_of(&pattern)).unwrap_err().to_string()
}

#[test]
fn each_form_is_read() {
    let table = [
        ("/", PathPattern::Exact("/".into())),
        ("/a/b", PathPattern::Exact("/a/b".into())),
        ("/a/", PathPattern::Exact("/a/".into())),
        ("/caf%C3%A9/a%2Fb;c", PathPattern::Exact("/caf%C3%A9/a%2Fb;c".into())),
        ("/a/{x}/b", PathPattern::Template(vec![literal("a"), param("x"), literal("b")])),
        ("/a/*/", PathPattern::Template(vec![literal("a"), Segment::Param(None), literal("")])),
        ("/a/**", PathPattern::Prefix("/a".into())),
        ("/a/b/**", PathPattern::Prefix("/a/b".into())),
        ("/**", PathPattern::Prefix("".into())),
        (r"~/img/[^/]+\.png", PathPattern::Regex(r"/img/[^/]+\.png".into())),
    ];
    for (text, pattern) in table {
        assert_eq!(text_of(&pattern), text);
        assert_eq!(parse_pattern(text), Ok(pattern), "{text}");
    }
}

#[test]
fn what_could_never_match_is_refused() {
    let table = [
        ("", PatternError::NotAbsolute),
        ("a/b", PatternError::NotAbsolute),
        ("**", PatternError::NotAbsolute),
        ("/a//b", PatternError::EmptySegment),
        ("//", PatternError::EmptySegment),
        ("//**", PatternError::EmptySegment),
        ("/a//**", PatternError::EmptySegment),
        ("/a/../b", PatternError::DotSegment),
        ("/./**", PatternError::DotSegment),
        ("/a/..;x", PatternError::DotSegment),
        ("/a%2F..", PatternError::DotSegment),
        ("/%", PatternError::BadEscape),
        ("/%zz", PatternError::BadEscape),
        ("/%+1", PatternError::BadEscape),
        ("/%é", PatternError::BadEscape),
        ("/%00", PatternError::RefusedEscape("%00".into())),
        ("/%5c", PatternError::RefusedEscape("%5c".into())),
        ("/%61", PatternError::Spelling { found: "%61".into(), write: "a".into() }),
        ("/%2e%2e", PatternError::Spelling { found: "%2e".into(), write: ".".into() }),
        ("/a%2fb", PatternError::Spelling { found: "%2f".into(), write: "%2F".into() }),
        ("/a b", PatternError::Character { found: ' ', write: "`%20`".into() }),
        ("/é", PatternError::Character { found: 'é', write: "`%C3%A9`".into() }),
    ];
    for (text, error) in table {
        assert_eq!(parse_pattern(text), Err(error), "{text}");
    }
}

#[test]
fn misplaced_wildcards_are_refused_with_advice() {
    assert_eq!(parse_pattern("/a/**/b"), Err(PatternError::RestNotLast));
    assert_eq!(parse_pattern("/a/{x}/**"), Err(PatternError::RestAfterParam));
    assert_eq!(parse_pattern("/a/*/**"), Err(PatternError::RestAfterParam));
    assert_eq!(parse_pattern("/a/*.png"), Err(PatternError::PartialStar));
    assert_eq!(parse_pattern("/a/***"), Err(PatternError::PartialStar));
    assert_eq!(parse_pattern("/v{x}"), Err(PatternError::PartialParam));
    assert_eq!(parse_pattern("/{x"), Err(PatternError::PartialParam));
    assert_eq!(parse_pattern("/{x}{y}"), Err(PatternError::ParamName("x}{y".into())));
    assert_eq!(parse_pattern("/{}"), Err(PatternError::ParamName("".into())));
    assert_eq!(parse_pattern("/{1x}"), Err(PatternError::ParamName("1x".into())));
    assert_eq!(parse_pattern("/{x}/{x}"), Err(PatternError::DuplicateParam("x".into())));
    assert_eq!(parse_pattern(&format!("{}/**", "/a".repeat(65))), Err(PatternError::TooManySegments));
    assert_eq!(parse_pattern(&format!("{}/*", "/a".repeat(65))), Err(PatternError::TooManySegments));
    assert_eq!(
        message("/a/{x}/**"),
        "`**` cannot follow `{name}` or `*`: write a regex, as in `~/users/[^/]+(/.*)?`"
    );
    assert_eq!(message("/{1x}"), "`{1x}` is not a name: letters, digits and `_`, not beginning with a digit");
    assert_eq!(
        message("/a?b=1"),
        "`?` cannot stand in a path as it is: write conditions on the query under `when:`"
    );
}

#[test]
fn a_regex_matches_the_whole_path() {
    let regex = PathRegex::new("/a|/ab").unwrap();

    assert!(regex.matches("/a"));
    assert!(regex.matches("/ab"));
    for path in ["/abc", "x/a", "/a\n", "\n/a", "/a/"] {
        assert!(!regex.matches(path), "{path:?}");
    }
}

#[test]
fn a_regex_cannot_escape_from_its_anchors() {
    assert!(matches!(PathRegex::new("/a)|(?:/b"), Err(RegexFault::Syntax(_))));
    assert!(!PathRegex::new("(?m)/a").unwrap().matches("/a\n/b"));
    assert!(
        PathRegex::new("(?x) /a # comment").is_err()
            || !PathRegex::new("(?x) /a # comment").unwrap().matches("/ab")
    );
}

#[test]
fn p11_a_regex_is_linear_and_limited() {
    let regex = PathRegex::new("/(a+)+").unwrap();
    let path = format!("/{}b", "a".repeat(50 << 10));

    assert!(!regex.matches(&path)); // exponential for a backtracking engine: would not end
    assert_eq!(PathRegex::new(&"a".repeat(4097)).unwrap_err(), RegexFault::TooLong(4097));
    assert_eq!(PathRegex::new("(a{1000}){1000}").unwrap_err(), RegexFault::TooLarge);
    assert!(matches!(PathRegex::new("(a"), Err(RegexFault::Syntax(_))));
    assert!(matches!(PathRegex::new("(?=a)"), Err(RegexFault::Syntax(_))));
}

#[test]
fn rewrites_are_read() {
    let template = parse_pattern("/users/{id}/x/{other}").unwrap();
    let prefix = parse_pattern("/a/**").unwrap();
    let text = |text: &str| PathPart::Text(text.into());
    let table = [
        ("/", &prefix, vec![text("/")]),
        ("/x", &template, vec![text("/x")]),
        ("/api/**", &prefix, vec![text("/api/"), PathPart::Rest]),
        ("/**", &prefix, vec![text("/"), PathPart::Rest]),
        ("/u/{id}", &template, vec![text("/u/"), PathPart::Param("id".into())]),
        ("/u-{id}/v", &template, vec![text("/u-"), PathPart::Param("id".into()), text("/v")]),
    ];
    for (written, pattern, parts) in table {
        let parsed = parse_template(written, pattern);

        assert_eq!(parsed, Ok(PathTemplate(parts)), "{written}");
        assert_eq!(text_of_template(&parsed.unwrap()), written);
    }
}

#[test]
fn rewrites_that_cannot_be_filled_are_refused() {
    let template = parse_pattern("/users/{id}/*").unwrap();
    let prefix = parse_pattern("/a/**").unwrap();
    let unknown = parse_template("/u/{uid}", &template).unwrap_err();
    let table = [
        ("x", &template, TemplateError::NotAbsolute),
        ("/x/**", &template, TemplateError::RestWithoutPrefix),
        ("/x/**/y", &prefix, PatternError::RestNotLast.into()),
        ("/x**", &prefix, PatternError::RestNotLast.into()),
        ("/x/*", &template, TemplateError::Star),
        ("/{id", &template, TemplateError::Braces),
        ("/id}", &template, TemplateError::Braces),
        ("/a//b", &template, PatternError::EmptySegment.into()),
        ("//**", &prefix, PatternError::EmptySegment.into()),
        ("/../x", &template, PatternError::DotSegment.into()),
        ("/a%{id}", &template, PatternError::BadEscape.into()),
        ("/a%4{id}", &template, PatternError::BadEscape.into()),
        ("/%2e", &template, PatternError::Spelling { found: "%2e".into(), write: ".".into() }.into()),
    ];
    for (written, pattern, error) in table {
        assert_eq!(parse_template(written, pattern), Err(error), "{written}");
    }
    assert_eq!(unknown.to_string(), "`{uid}` is not in the path of `match:`, which has `{id}`");
    assert_eq!(
        parse_template("/{x}", &prefix).unwrap_err().to_string(),
        "`{x}` is not in the path of `match:`, which has no parameters"
    );
}

//! Path patterns of routes, and the paths they rewrite to: text of the file in, meaning out.
//!
//! Decides what a pattern may look like. Literal text must be canonical already, because requests are compared in
//! canonical form: another spelling would never match, and a route that guards something must not fail silently.
//!
//! | text | meaning |
//! |--|--|
//! | `/a/b` | this path |
//! | `/a/{x}/b`, `/a/*/b` | any one segment there, with and without a name |
//! | `/a/**` | `/a` and everything below, by whole segments |
//! | `~REGEX` | the whole path matches |

mod error;
mod literal;
mod regex;
mod template;

use crate::config::route::{PathPattern, Segment};
use std::sync::Arc;

pub use error::{PatternError, TemplateError};
pub use regex::{PathRegex, RegexFault};
pub use template::{parse_template, text_of_template};

/// Most segments of a template or prefix: bounds the depth of the search.
pub const MAX_SEGMENTS: usize = 64;

/// Reads the path pattern of a route.
pub fn parse_pattern(text: &str) -> Result<PathPattern, PatternError> {
    if let Some(regex) = text.strip_prefix('~') {
        PathRegex::new(regex)?;
        return Ok(PathPattern::Regex(regex.into()));
    }
    let segments = text.strip_prefix('/').ok_or(PatternError::NotAbsolute)?;
    if let Some(prefix) = text.strip_suffix("/**") {
        return parse_prefix(prefix);
    }
    let mut parts = segments.split('/').peekable();
    let mut template = Vec::new();
    while let Some(part) = parts.next() {
        if part.is_empty() && parts.peek().is_some() {
            return Err(PatternError::EmptySegment);
        }
        template.push(parse_segment(part)?);
    }
    if template.iter().all(|segment| matches!(segment, Segment::Literal(_))) {
        return Ok(PathPattern::Exact(text.into()));
    }
    check_template(&template)?;
    Ok(PathPattern::Template(template))
}

/// Writes a pattern as it stands in a file.
pub fn text_of(pattern: &PathPattern) -> String {
    match pattern {
        PathPattern::Exact(path) => path.to_string(),
        PathPattern::Prefix(prefix) => format!("{prefix}/**"),
        PathPattern::Regex(regex) => format!("~{regex}"),
        PathPattern::Template(segments) => {
            segments.iter().fold(String::new(), |text, segment| match segment {
                Segment::Literal(literal) => format!("{text}/{literal}"),
                Segment::Param(None) => format!("{text}/*"),
                Segment::Param(Some(name)) => format!("{text}/{{{name}}}"),
            })
        }
    }
}

/// Whether a path matches, one pattern at a time: for explaining. `regex` is the compiled one of the pattern.
pub fn matches(pattern: &PathPattern, regex: Option<&PathRegex>, path: &str) -> bool {
    match pattern {
        PathPattern::Exact(exact) => **exact == *path,
        PathPattern::Prefix(prefix) => {
            path.strip_prefix(&**prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        PathPattern::Regex(_) => regex.is_some_and(|regex| regex.matches(path)),
        PathPattern::Template(segments) => {
            path.split('/').count() == segments.len() + 1 && leading(pattern, path) == segments.len()
        }
    }
}

/// How many leading segments of a pattern a path has: how near it came.
pub(super) fn leading(pattern: &PathPattern, path: &str) -> usize {
    let path = path.split('/').skip(1);
    match pattern {
        PathPattern::Exact(text) | PathPattern::Prefix(text) => {
            text.split('/').skip(1).zip(path).take_while(|(left, right)| left == right).count()
        }
        PathPattern::Regex(_) => 0,
        PathPattern::Template(segments) => {
            let same = |(segment, text): &(&Segment, &str)| match segment {
                Segment::Literal(literal) => **literal == **text,
                Segment::Param(_) => !text.is_empty(),
            };
            segments.iter().zip(path).take_while(same).count()
        }
    }
}

/// `/a/b` of `/a/b/**`; empty for `/**`.
fn parse_prefix(prefix: &str) -> Result<PathPattern, PatternError> {
    for part in prefix.split('/').skip(1) {
        match parse_segment(part)? {
            Segment::Literal(literal) if literal.is_empty() => return Err(PatternError::EmptySegment),
            Segment::Literal(_) => {}
            Segment::Param(_) => return Err(PatternError::RestAfterParam),
        }
    }
    if prefix.split('/').count() > MAX_SEGMENTS {
        return Err(PatternError::TooManySegments);
    }
    Ok(PathPattern::Prefix(prefix.into()))
}

fn parse_segment(text: &str) -> Result<Segment, PatternError> {
    if text == "*" {
        return Ok(Segment::Param(None));
    }
    if text == "**" {
        return Err(PatternError::RestNotLast);
    }
    if let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        check_name(name)?;
        return Ok(Segment::Param(Some(name.into())));
    }
    if text.contains(['{', '}']) {
        return Err(PatternError::PartialParam);
    }
    if text.contains('*') {
        return Err(PatternError::PartialStar);
    }
    literal::check(text)?;
    Ok(Segment::Literal(text.into()))
}

fn check_template(segments: &[Segment]) -> Result<(), PatternError> {
    if segments.len() > MAX_SEGMENTS {
        return Err(PatternError::TooManySegments);
    }
    let mut seen: Vec<&Arc<str>> = Vec::new();
    for segment in segments {
        if let Segment::Param(Some(name)) = segment {
            if seen.contains(&name) {
                return Err(PatternError::DuplicateParam(Arc::clone(name)));
            }
            seen.push(name);
        }
    }
    Ok(())
}

/// A name is an ASCII letter or `_`, then letters, digits and `_`.
fn check_name(name: &str) -> Result<(), PatternError> {
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
    if first && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Ok(());
    }
    Err(PatternError::ParamName(name.into()))
}

#[cfg(test)]
mod tests;

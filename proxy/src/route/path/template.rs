//! The path to send: literal text, `{name}` of the match, and `**` at the end.
//!
//! Whatever is put in for the names, the result is a canonical path: a name never stands beside a `%` or a dot
//! that would join with it.

use super::{PatternError, TemplateError, check_name, literal};
use crate::config::route::{PathPart, PathPattern, PathTemplate, Segment};
use std::sync::Arc;

/// Reads the path to send, for a route with this pattern.
pub fn parse_template(text: &str, pattern: &PathPattern) -> Result<PathTemplate, TemplateError> {
    if !text.starts_with('/') {
        return Err(TemplateError::NotAbsolute);
    }
    // `/a/**` leaves `/a/`: the rest is put in without its leading slash.
    let (body, has_rest) = match text.strip_suffix("/**") {
        Some(_) => (text.strip_suffix("**").unwrap_or(text), true),
        None => (text, false),
    };
    if has_rest && !matches!(pattern, PathPattern::Prefix(_)) {
        return Err(TemplateError::RestWithoutPrefix);
    }
    if body.contains('*') {
        let error = if body.contains("**") { PatternError::RestNotLast.into() } else { TemplateError::Star };
        return Err(error);
    }
    let mut parts = split(body, pattern)?;
    check_text(&parts)?;
    parts.extend(has_rest.then_some(PathPart::Rest));
    Ok(PathTemplate(parts))
}

/// Writes a path to send as it stands in a file.
pub fn text_of_template(template: &PathTemplate) -> String {
    template.0.iter().fold(String::new(), |text, part| match part {
        PathPart::Text(literal) => format!("{text}{literal}"),
        PathPart::Param(name) => format!("{text}{{{name}}}"),
        PathPart::Rest => format!("{text}**"),
    })
}

/// Cuts text and names apart.
fn split(body: &str, pattern: &PathPattern) -> Result<Vec<PathPart>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = body;
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or(TemplateError::Braces)?;
        check_name(name)?;
        let known = names(pattern);
        let Some(known) = known.iter().find(|known| ***known == *name) else {
            return Err(TemplateError::UnknownParam { name: name.into(), known });
        };
        if !text.is_empty() {
            parts.push(PathPart::Text(text.into()));
        }
        parts.push(PathPart::Param(Arc::clone(known)));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(PathPart::Text(rest.into()));
    }
    let stray = |part: &PathPart| matches!(part, PathPart::Text(text) if text.contains('}'));
    if parts.iter().any(stray) { Err(TemplateError::Braces) } else { Ok(parts) }
}

/// Checks the text with a letter for each name that is no hexadecimal digit: so no name completes an escape.
fn check_text(parts: &[PathPart]) -> Result<(), PatternError> {
    let sample: String = parts
        .iter()
        .map(|part| match part {
            PathPart::Text(text) => text,
            PathPart::Param(_) | PathPart::Rest => "G",
        })
        .collect();
    let mut segments = sample.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(PatternError::EmptySegment);
        }
        literal::check(segment)?;
    }
    Ok(())
}

fn names(pattern: &PathPattern) -> Vec<Arc<str>> {
    let PathPattern::Template(segments) = pattern else { return Vec::new() };
    let names = segments.iter().filter_map(|segment| match segment {
        Segment::Param(name) => name.clone(),
        Segment::Literal(_) => None,
    });
    names.collect()
}

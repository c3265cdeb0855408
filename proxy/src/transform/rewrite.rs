//! The path towards the upstream, built from the path that was matched.
//!
//! The result is canonical like the path: it begins with `/`, has no empty segment and no dot segment, and nothing
//! is decoded. Must not know how the route was found.

use crate::config::route::{PathPart, PathPattern, PathTemplate, Segment};

/// Builds the path to send. `path` is canonical and matches `pattern`; the query is not part of it.
pub fn rewrite(template: &PathTemplate, pattern: &PathPattern, path: &str) -> String {
    let mut sent = String::with_capacity(path.len() + 32);
    for part in &template.0 {
        match part {
            PathPart::Text(text) => sent.push_str(text),
            PathPart::Param(name) => sent.push_str(param(pattern, path, name).unwrap_or_default()),
            PathPart::Rest => push_rest(&mut sent, rest(pattern, path)),
        }
    }
    if is_sound(&sent) { sent } else { mend(&sent) }
}

/// What follows the prefix: nothing, or a slash and more. Text in front ends with a slash.
///
/// `/a` stays without a slash at its end and `/a/` keeps it: to many servers these are two resources.
fn push_rest(sent: &mut String, rest: &str) {
    if sent.ends_with('/') {
        sent.pop();
    }
    sent.push_str(rest);
    if sent.is_empty() {
        sent.push('/');
    }
}

fn rest<'p>(pattern: &PathPattern, path: &'p str) -> &'p str {
    match pattern {
        PathPattern::Prefix(prefix) => path.strip_prefix(&**prefix).unwrap_or(path),
        _ => "",
    }
}

fn param<'p>(pattern: &PathPattern, path: &'p str, name: &str) -> Option<&'p str> {
    let PathPattern::Template(segments) = pattern else { return None };
    let mut pairs = segments.iter().zip(path.split('/').skip(1));
    pairs.find_map(|(segment, text)| match segment {
        Segment::Param(Some(other)) if **other == *name => Some(text),
        _ => None,
    })
}

/// Whether the path says one thing. It nearly always does; but where a route permits `;` or `%2F`, text of the
/// template may meet them: `/..{x}` with `;a` for `{x}`.
fn is_sound(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let inner = rest.strip_suffix('/').unwrap_or(rest);
    rest.is_empty() || !inner.split('/').any(is_doubtful)
}

/// Empty, or dots, also for a server that cuts at `;` or decodes `%2F`.
fn is_doubtful(segment: &str) -> bool {
    if segment.is_empty() {
        return true;
    }
    segment.starts_with('.') && is_dots(segment)
        || segment.contains("%2F") && segment.split("%2F").any(is_dots)
}

fn is_dots(name: &str) -> bool {
    let name = name.split(';').next().and_then(|name| name.split("%3B").next());
    matches!(name, Some("." | ".."))
}

/// Leaves the doubtful segments out.
#[cold]
fn mend(path: &str) -> String {
    let kept = path.split('/').filter(|segment| !is_doubtful(segment));
    let mended: String = kept.flat_map(|segment| ["/", segment]).collect();
    if mended.is_empty() { "/".to_owned() } else { mended }
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;

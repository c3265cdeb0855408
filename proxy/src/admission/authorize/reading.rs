//! A deny rule's path as the most lenient server behind us would read the request's. Pure.
//!
//! What is forbidden must stay forbidden however it is spelled. Servers differ in what they take for the same path; a
//! deny rule holds if any of these readings makes the path one that it names. An allow rule never looks here.
//!
//! | in the request | some servers read |
//! |--|--|
//! | `/ADMIN` | `/admin` |
//! | `/admin/` | `/admin` |
//! | `/adm%21n` | `/adm!n` |
//! | `/admin;v=1`, `/admin%3Bv=1` | `/admin` |
//! | `/admin%2Fusers` | `/admin/users`, and the other way round |
//!
//! Dot segments, empty segments, `\` and control characters never come here: such paths are refused before. Must not
//! know rules. Allocates only when it is built.

use crate::config::route::{PathPattern, Segment};

const ENCODED_SLASH: &str = "%2F";
const ENCODED_SEMICOLON: &str = "%3B";

/// One pattern, prepared.
#[derive(Debug)]
pub(super) struct Lenient {
    /// Its segments, for a server that keeps `%2F` as a part of one.
    kept: Vec<Part>,
    /// Its segments, for a server to which `%2F` is a slash.
    split: Vec<Part>,
    /// More segments may follow.
    rest: bool,
}

#[derive(Debug)]
enum Part {
    /// These bytes, escapes decoded, letters in lower case.
    Text(Vec<u8>),
    /// Any one segment.
    Any,
}

impl Lenient {
    pub(super) fn new(pattern: &PathPattern) -> Self {
        match pattern {
            PathPattern::Exact(path) => Self::of(path.split('/').map(Some), false),
            PathPattern::Prefix(path) => Self::of(path.split('/').map(Some), true),
            PathPattern::Template(segments) => {
                let texts = segments.iter().map(|segment| match segment {
                    Segment::Literal(text) => Some(&**text),
                    Segment::Param(_) => None,
                });
                Self::of(texts, false)
            }
            // Rules have none; if one came all the same, it could not be judged, and a deny rule then holds.
            PathPattern::Regex(_) => Self { kept: Vec::new(), split: Vec::new(), rest: true },
        }
    }

    /// Whether some server would take `path` for one of this pattern.
    pub(super) fn takes(&self, path: &str) -> bool {
        let split = path.split('/').flat_map(|text| text.split(ENCODED_SLASH));
        self.fits(&self.kept, path.split('/')) || self.fits(&self.split, split)
    }

    /// `None` = any one segment. Empty segments go: the one in front, and that of a trailing slash.
    fn of<'a>(segments: impl Iterator<Item = Option<&'a str>>, rest: bool) -> Self {
        let segments: Vec<_> = segments.filter(|segment| *segment != Some("")).collect();
        let part = |text: &str| Part::Text(bytes(text).collect());
        let kept = segments.iter().map(|segment| segment.map_or(Part::Any, part)).collect();
        let mut split = Vec::new();
        for segment in segments {
            match segment {
                None => split.push(Part::Any),
                Some(text) => {
                    split.extend(text.split(ENCODED_SLASH).filter(|text| !text.is_empty()).map(part))
                }
            }
        }
        Self { kept, split, rest }
    }

    fn fits<'a>(&self, parts: &[Part], segments: impl Iterator<Item = &'a str>) -> bool {
        let mut segments = segments.filter(|segment| !name(segment).is_empty());
        let begins = parts.iter().all(|part| segments.next().is_some_and(|segment| part.takes(segment)));
        begins && (self.rest || segments.next().is_none())
    }
}

impl Part {
    fn takes(&self, segment: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Text(text) => {
                [segment, name(segment)].iter().any(|read| bytes(read).eq(text.iter().copied()))
            }
        }
    }
}

/// A segment without its parameters.
fn name(segment: &str) -> &str {
    let name = segment.split(';').next().unwrap_or_default();
    name.split(ENCODED_SEMICOLON).next().unwrap_or_default()
}

/// The bytes of a text, escapes decoded once, letters in lower case.
fn bytes(text: &str) -> impl Iterator<Item = u8> {
    let mut left = text.as_bytes();
    std::iter::from_fn(move || {
        let (first, mut after) = left.split_first()?;
        let mut byte = *first;
        if let (b'%', [high, low, behind @ ..]) = (byte, after)
            && let Some(decoded) = decode(*high, *low)
        {
            (byte, after) = (decoded, behind);
        }
        left = after;
        Some(byte.to_ascii_lowercase())
    })
}

fn decode(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from((digit(high)? << 4) | digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::path::parse_pattern;

    fn takes(pattern: &str, path: &str) -> bool {
        Lenient::new(&parse_pattern(pattern).unwrap()).takes(path)
    }

    #[test]
    fn every_spelling_some_server_takes_for_the_path_is_taken() {
        let table = [
            ("/admin", "/admin"),
            ("/admin", "/ADMIN/"),
            ("/admin/", "/admin"),
            ("/admin", "/admin;jsessionid=1"),
            ("/admin", "/admin%3Bx/"),
            ("/a!b", "/a%21B"),
            ("/a%21b", "/a!b"),
            ("/admin/**", "/Admin%2Fusers"),
            ("/admin/**", "/%2Fadmin"),
            ("/admin/**", "/admin;x/users"),
            ("/admin/*/keys", "/admin%2F7;v=1/keys/"),
            ("/p/a%2Fb", "/p/A%2FB"),
            ("/p/a%2Fb/x", "/p%2Fa%2Fb/x"),
            ("/p/a%2Fb/x", "/p/a/b/x"),
            ("/p/*/x", "/p/a%2Fb/X"),
            ("/caf%C3%A9", "/CAF%C3%A9"),
            ("/", "/"),
            ("/**", "/anything/at%2Fall"),
        ];
        for (pattern, path) in table {
            assert!(takes(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn another_path_is_not_taken() {
        let table = [
            ("/admin", "/administrator"),
            ("/admin", "/admin/users"),
            ("/admin/**", "/administrator"),
            ("/admin/**", "/x/admin"),
            ("/admin/*", "/admin"),
            ("/admin/*", "/admin/"),
            ("/admin/*", "/admin/a/b"),
            ("/a/b", "/a%252Fb"),
            ("/", "/a"),
            ("/a%2Fb", "/a"),
        ];
        for (pattern, path) in table {
            assert!(!takes(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_broken_escape_stands_for_itself() {
        assert_eq!(bytes("%4").collect::<Vec<_>>(), b"%4");
        assert_eq!(bytes("%zz%").collect::<Vec<_>>(), b"%zz%");
        assert_eq!(bytes("A%41%c3").collect::<Vec<_>>(), b"aa\xc3");
    }
}

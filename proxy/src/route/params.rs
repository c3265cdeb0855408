//! What the pattern of a path captured: byte ranges, no copies.
//!
//! Must not know how the route was found.

use super::table::as_usize;
use crate::config::route::{PathPattern, Segment};
use smallvec::SmallVec;
use std::ops::Range;

/// What a path pattern captured, as byte ranges of the path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Params {
    named: SmallVec<[(u32, u32); 4]>,
    rest: Option<u32>,
}

impl Params {
    /// What `pattern`, which matches `path`, captures of it.
    pub(super) fn of(pattern: &PathPattern, path: &str) -> Self {
        match pattern {
            PathPattern::Exact(_) | PathPattern::Regex(_) => Self::default(),
            PathPattern::Prefix(prefix) => {
                Self { named: SmallVec::new(), rest: u32::try_from(prefix.len()).ok() }
            }
            PathPattern::Template(segments) => {
                let mut named = SmallVec::new();
                let mut start = 1;
                for (segment, text) in segments.iter().zip(path.split('/').skip(1)) {
                    let end = start + u32::try_from(text.len()).unwrap_or(0);
                    if matches!(segment, Segment::Param(Some(_))) {
                        named.push((start, end));
                    }
                    start = end + 1;
                }
                Self { named, rest: None }
            }
        }
    }

    /// The ranges of `{name}` parameters, in the order of the pattern.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.named.iter().map(|(start, end)| as_usize(*start)..as_usize(*end))
    }

    /// The value of `{name}` of `pattern` in `path`, which must be those of the match.
    pub fn get<'p>(&self, pattern: &PathPattern, path: &'p str, name: &str) -> Option<&'p str> {
        let PathPattern::Template(segments) = pattern else { return None };
        let mut names = segments.iter().filter_map(|segment| match segment {
            Segment::Param(name) => name.as_deref(),
            Segment::Literal(_) => None,
        });
        let at = names.position(|other| other == name)?;
        path.get(self.ranges().nth(at)?)
    }

    /// Where the rest after a prefix begins: at its slash, or at the end of the path.
    pub fn rest(&self) -> Option<usize> {
        self.rest.map(as_usize)
    }
}

#[cfg(test)]
#[path = "params_tests.rs"]
mod tests;

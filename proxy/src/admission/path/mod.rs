//! The one form of a request path: what routes match, rules judge and upstreams receive.
//!
//! Decides whether a path has exactly one meaning, and what its canonical form is. A path that two servers could
//! read differently is refused, because then the path that was judged would not be the path that is served.
//! Must not know routes, queries or the network.
//!
//! | seen | done |
//! |--|--|
//! | escape of ALPHA, DIGIT, `-` `.` `_` `~` | decoded once (RFC 3986 §6.2.2.2) |
//! | any other escape | hex in upper case (§6.2.2.1) |
//! | literal `.` and `..` | resolved (§5.2.4) |
//! | `%2F`, `;`, `%3B` | noted; refused unless the route permits them |
//! | everything else out of the ordinary | refused, see [`PathFault`] |

mod fault;
mod segment;

use crate::config::route::PathRules;
use segment::Segment;
use smallvec::SmallVec;
use std::borrow::Cow;

pub use fault::PathFault;

/// A path in canonical form, without query. Parsing it again gives the same path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath<'a> {
    text: Cow<'a, str>,
    specials: Specials,
}

/// What a canonical path holds that only some routes permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Specials {
    /// There is a `%2F`.
    pub encoded_slash: bool,
    /// There is a `;` or a `%3B`.
    pub semicolon: bool,
}

impl<'a> CanonicalPath<'a> {
    /// Brings the path part of a request target into its canonical form.
    ///
    /// Borrows when nothing has to change. `raw` has no query; a `?` in it is refused.
    pub fn parse(raw: &'a str) -> Result<Self, PathFault> {
        if is_plain(raw.as_bytes()) {
            return Ok(Self { text: Cow::Borrowed(raw), specials: Specials::default() });
        }
        resolve(raw)
    }

    /// The canonical text; begins with `/`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text, borrowed from the raw path when that was canonical already.
    pub fn into_text(self) -> Cow<'a, str> {
        self.text
    }

    /// Whether the raw path was canonical: then the original may be sent untouched.
    pub fn is_unchanged(&self) -> bool {
        matches!(self.text, Cow::Borrowed(_))
    }

    /// What only some routes permit.
    pub fn specials(&self) -> Specials {
        self.specials
    }

    /// Refuses what the route does not permit. Asked once the route is known; without a route, with the
    /// default rules, so that a doubtful path is 400 and never 404.
    pub fn permitted_by(&self, rules: &PathRules) -> Result<(), PathFault> {
        if self.specials.encoded_slash && !rules.encoded_slash {
            return Err(PathFault::EncodedSlash);
        }
        if self.specials.semicolon && !rules.semicolon {
            return Err(PathFault::Semicolon);
        }
        Ok(())
    }

    /// How a server that cuts `;…` off segments and decodes `%2F` would read this path; `None` = the same.
    ///
    /// A caller that permits specials should refuse when this form belongs to another route.
    pub fn folded(&self) -> Option<String> {
        if self.specials == Specials::default() {
            return None;
        }
        let mut folded = String::with_capacity(self.text.len());
        let mut names = self.text.split('/').flat_map(|segment| segment.split(segment::ENCODED_SLASH));
        let mut ends_with_slash = true;
        names.next(); // what stands before the first slash: nothing
        for name in names.map(segment::without_parameters) {
            ends_with_slash = name.is_empty();
            if !ends_with_slash {
                folded.push('/');
                folded.push_str(name);
            }
        }
        if ends_with_slash {
            folded.push('/');
        }
        Some(folded)
    }
}

/// Whether a path is canonical beyond doubt: plain bytes, single slashes, no segment that begins with a dot.
/// Nearly every path ends here.
fn is_plain(raw: &[u8]) -> bool {
    if raw.first() != Some(&b'/') {
        return false;
    }
    let mut after_slash = false;
    for &byte in raw {
        let class = segment::class(byte);
        if class > segment::DOT || (after_slash && class != segment::PLAIN) {
            return false;
        }
        after_slash = class == segment::SLASH;
    }
    true
}

/// The long way: segment by segment.
fn resolve(raw: &str) -> Result<CanonicalPath<'_>, PathFault> {
    let rest = raw.strip_prefix('/').ok_or(PathFault::NotAbsolute)?;
    let mut kept: SmallVec<[Segment<'_>; 12]> = SmallVec::new();
    let mut changed = false;
    let mut parts = rest.split('/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        if part == "." || part == ".." {
            changed = true;
            if part == ".." {
                climb(&mut kept)?;
            }
            if last {
                kept.push(Segment::default());
            }
            continue;
        }
        let segment = Segment::parse(part)?;
        if segment.name_is_empty() && !last {
            return Err(PathFault::EmptySegment);
        }
        changed |= matches!(segment.text, Cow::Owned(_));
        kept.push(segment);
    }
    Ok(CanonicalPath { text: join(raw, &kept, changed), specials: together(&kept) })
}

/// Takes back one segment. One that servers split in different ways cannot be taken back: `/a%2Fb/..` is `/` or `/a`.
fn climb(kept: &mut SmallVec<[Segment<'_>; 12]>) -> Result<(), PathFault> {
    match kept.pop() {
        None => Err(PathFault::AboveRoot),
        Some(segment) if segment.specials != Specials::default() => Err(PathFault::DisguisedDots),
        Some(_) => Ok(()),
    }
}

fn join<'a>(raw: &'a str, kept: &[Segment<'_>], changed: bool) -> Cow<'a, str> {
    if !changed {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    for segment in kept {
        text.push('/');
        text.push_str(&segment.text);
    }
    Cow::Owned(text)
}

fn together(kept: &[Segment<'_>]) -> Specials {
    kept.iter().fold(Specials::default(), |all, segment| Specials {
        encoded_slash: all.encoded_slash | segment.specials.encoded_slash,
        semicolon: all.semicolon | segment.specials.semicolon,
    })
}

#[cfg(test)]
mod tests;

//! `allow:` of a route: what must hold for a caller beyond having said who they are. Pure.
//!
//! Decides yes or no by facts that are passed in. Must not know how the caller was authenticated, what becomes of a
//! refused request, or the routes of the file.
//!
//! ```text
//! rule    = and { "or" and }
//! and     = not { "and" not }
//! not     = "not" not | part
//! part    = "(" rule ")" | "authenticated" | "role:" name | "scope:" name | value ( "==" | "!=" ) value
//! value   = "user" | "tier" | "claim." name | "path." name | "header." name | word | text
//! name    = word | text
//! word    = letters, digits and _ - . / : @ + % ~ # $
//! text    = '"' anything, with \" and \\ '"'
//! ```
//!
//! A rule is true, false, or unknown, and only true lets a request in. What is not there to be looked at makes a part
//! unknown, and `not` leaves it so: nobody gets in by leaving something out (Kleene's logic of three values).
//!
//! | part | true | false | unknown |
//! |--|--|--|--|
//! | `authenticated` | anybody authenticated | never | nobody is |
//! | `role:`, `scope:` | the caller has it | the caller lacks it | nobody is authenticated |
//! | `==` | any value of one side is one of the other | none is | a side has no value |
//! | `!=` | no value of one side is one of the other | any is | a side has no value |
//! | `not` | its part is false | its part is true | its part is unknown |
//! | `and` | all are true | any is false | otherwise |
//! | `or` | any is true | all are false | otherwise |
//!
//! | value | has none when |
//! |--|--|
//! | `user` | nobody is authenticated |
//! | `tier`, `claim.x` | nobody is, or what they have shown says nothing about it |
//! | `path.x` | the route has no such parameter, or its escapes cannot be read; compared decoded (RFC 3986 §2.1) |
//! | `header.x` | the header is missing, or comes more than once: two readers could see two values |

mod eval;
mod explain;
mod lexer;
mod parser;
mod tree;

use crate::admission::authenticate::Caller;
use http::HeaderMap;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use tree::{Tree, Value};

pub use explain::Explanation;

/// Longest rule, in bytes.
const LONGEST: usize = 4 << 10;

/// A rule, parsed. Its `Display` is the rule in its shortest form; parsing that gives the same rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    tree: Tree,
}

/// What is known of a request.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Who was authenticated; `None` = nobody.
    pub caller: Option<&'a Caller>,
    /// The headers as they came.
    pub headers: &'a HeaderMap,
    /// The segment of the path that `{name}` of the route caught, as it came: escapes are decoded here, and only here.
    pub param: &'a dyn Fn(&str) -> Option<Cow<'a, str>>,
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AllowError {
    /// What is meant: bytes of the text; empty at its end.
    pub at: Range<usize>,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Something outside the rule that it names, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Bytes of the text.
    pub at: Range<usize>,
    /// What.
    pub what: Mentioned,
}

/// What a rule can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mentioned {
    /// `claim.x`: holds `x`.
    Claim(Box<str>),
    /// `path.x`: holds `x`.
    Param(Box<str>),
    /// `header.x`: holds `x` in lower case.
    Header(Box<str>),
    /// The text that `tier` is compared with.
    Tier(Box<str>),
}

impl Allow {
    /// Reads a rule of at most 4 KiB, nested at most 32 deep.
    pub fn parse(text: &str) -> Result<Self, AllowError> {
        Self::parse_with_mentions(text).map(|(allow, _)| allow)
    }

    /// As [`Self::parse`], and everything the rule names, in the order of the text.
    pub fn parse_with_mentions(text: &str) -> Result<(Self, Vec<Mention>), AllowError> {
        if text.len() > LONGEST {
            let message = format!("this rule has {} bytes; at most {LONGEST} are read", text.len());
            let help = "give callers a role for it, and ask for that".to_owned();
            return Err(AllowError { at: 0..text.len(), message, help });
        }
        let (tree, mentions) = parser::parse(text)?;
        Ok((Self { tree }, mentions))
    }

    /// Whether the request may pass. Allocates only for path parameters with escapes in them.
    pub fn holds(&self, asked: &Asked<'_>) -> bool {
        eval::answer(&self.tree, asked) == Some(true)
    }

    /// The same, part by part, in words. For people: not fast, and it repeats what the request says.
    pub fn explain(&self, asked: &Asked<'_>) -> Explanation {
        explain::explain(&self.tree, asked)
    }

    /// Claims it asks about, each once.
    pub fn claims(&self) -> Vec<&str> {
        self.names(|value| if let Value::Claim(name) = value { Some(name) } else { None })
    }

    /// Parameters of the path it asks about, each once.
    pub fn params(&self) -> Vec<&str> {
        self.names(|value| if let Value::Param(name) = value { Some(name) } else { None })
    }

    /// Headers it asks about, in lower case, each once.
    pub fn headers(&self) -> Vec<&str> {
        self.names(|value| if let Value::Header(name) = value { Some(name.as_str()) } else { None })
    }

    /// Tiers it names, each once.
    pub fn tiers(&self) -> Vec<&str> {
        let mut tiers = Vec::new();
        self.tree.each_comparison(&mut |left, right| {
            let named = match (left, right) {
                (Value::Tier, Value::Text(text)) | (Value::Text(text), Value::Tier) => &**text,
                _ => return,
            };
            if !tiers.contains(&named) {
                tiers.push(named);
            }
        });
        tiers
    }

    fn names<'a>(&'a self, pick: impl Fn(&'a Value) -> Option<&'a str>) -> Vec<&'a str> {
        let mut names = Vec::new();
        self.tree.each_comparison(&mut |left, right| {
            for name in [left, right].into_iter().filter_map(&pick) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        });
        names
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree.fmt(f)
    }
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("caller", &self.caller).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "allow_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "oracle_tests.rs"]
mod oracle_tests;

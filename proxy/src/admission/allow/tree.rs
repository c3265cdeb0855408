//! A rule as a tree, and the tree as text. Pure.
//!
//! Chains are flat: `a and b and c` is one node of three. An `and` inside an `and` was in parentheses, and is printed so.

use super::{lexer, parser};
use http::HeaderName;
use std::fmt;

/// A rule or a part of one. At most 32 parentheses and `not`s deep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    /// At least two.
    Or(Vec<Self>),
    /// At least two.
    And(Vec<Self>),
    Not(Box<Self>),
    Authenticated,
    Role(Box<str>),
    Scope(Box<str>),
    Compare(Comparison),
}

/// `left == right`, or `!=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) left: Value,
    pub(super) equal: bool,
    pub(super) right: Value,
}

/// What can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    User,
    Tier,
    Claim(Box<str>),
    Param(Box<str>),
    Header(HeaderName),
    Text(Box<str>),
}

impl Tree {
    /// Visits both sides of every comparison, in the order of the text.
    pub(super) fn each_comparison<'a>(&'a self, visit: &mut impl FnMut(&'a Value, &'a Value)) {
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().for_each(|part| part.each_comparison(visit)),
            Self::Not(part) => part.each_comparison(visit),
            Self::Compare(comparison) => visit(&comparison.left, &comparison.right),
            Self::Authenticated | Self::Role(_) | Self::Scope(_) => {}
        }
    }

    /// Prints a part of `word`-chains, in parentheses when it would be read otherwise without.
    fn part(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = match self {
            Self::Or(_) => false,
            Self::And(_) => word == "or",
            _ => true,
        };
        if bare { fmt::Display::fmt(self, f) } else { write!(f, "({self})") }
    }

    fn chain(parts: &[Self], word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                write!(f, " {word} ")?;
            }
            part.part(word, f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(parts) => Self::chain(parts, "or", f),
            Self::And(parts) => Self::chain(parts, "and", f),
            Self::Not(part) => {
                f.write_str("not ")?;
                part.part("not", f)
            }
            Self::Authenticated => f.write_str("authenticated"),
            Self::Role(name) => write!(f, "role:{}", Name(name)),
            Self::Scope(name) => write!(f, "scope:{}", Name(name)),
            Self::Compare(comparison) => comparison.fmt(f),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.equal { "==" } else { "!=" };
        write!(f, "{} {word} {}", self.left, self.right)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::Tier => f.write_str("tier"),
            Self::Claim(name) => write!(f, "claim.{}", Name(name)),
            Self::Param(name) => write!(f, "path.{}", Name(name)),
            Self::Header(name) => write!(f, "header.{}", Name(name.as_str())),
            Self::Text(text) if parser::is_bare_text(text) => f.write_str(text),
            Self::Text(text) => Quoted(text).fmt(f),
        }
    }
}

/// What stands behind `role:` and the like.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if lexer::is_word(self.0) { f.write_str(self.0) } else { Quoted(self.0).fmt(f) }
    }
}

/// A text in quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

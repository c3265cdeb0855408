//! The file as a tree that still knows where everything stood.
//!
//! Values are kept as the text the user wrote: `1.10` stays `1.10` and `on` stays `on`, so that no YAML rule
//! about numbers and booleans ever changes a header value. What a text means is decided by whoever reads it.

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A stretch of one line. Lines, columns and lengths count characters, the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Span {
    /// Line, 1-based; 0 = nowhere in particular.
    pub(super) line: u32,
    /// Column, 1-based.
    pub(super) column: u32,
    /// Characters; 0 is drawn as one.
    pub(super) len: u32,
}

/// A value with the place it stood at.
#[derive(Debug, Clone, Default)]
pub(super) struct Spanned<T> {
    /// The value.
    pub(super) value: T,
    /// Where it stood.
    pub(super) span: Span,
}

/// A text with its place.
pub(super) type Text = Spanned<String>;

/// One node of the tree.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// What it is.
    pub(super) value: Value,
    /// Where it stood; a map in block style points at its first key.
    pub(super) span: Span,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// `key:` with nothing behind it, or `~`.
    Null,
    /// Any scalar, as written, without its quotes.
    Scalar(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file, each key once.
    Map(Vec<(Text, Node)>),
}

impl Value {
    /// What to call it in a message.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// The name under which [`Spanned`] asks the reader for its place.
pub(super) const SPANNED: &str = "$Spanned";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple_struct(SPANNED, 4, SpannedVisitor(PhantomData))
    }
}

struct SpannedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
    type Value = Spanned<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with its place")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut number = || seq.next_element::<u32>().map(Option::unwrap_or_default);
        let span = Span { line: number()?, column: number()?, len: number()? };
        let value = seq.next_element()?.ok_or_else(|| serde::de::Error::invalid_length(3, &self))?;
        Ok(Spanned { value, span })
    }
}

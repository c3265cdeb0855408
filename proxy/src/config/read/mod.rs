//! Reads the raw structs out of a [`Node`] tree without ever stopping.
//!
//! A serde deserializer that cannot fail: whatever does not fit becomes a finding with its place, and reading
//! goes on with nothing in its stead. That is how one run reports every problem. All fields of the raw
//! structs are optional for this reason; what is missing is said by whoever gives the section its meaning.
//! It must not know what a section means, only which keys it has.

mod access;

use super::diagnostic::Code;
use super::findings::{Finding, Findings, choose};
use super::sections::{self, section};
use super::tree::{Node, SPANNED, Span, Text, Value};
use access::{Entries, Items, Place, choice};
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use std::fmt;

/// Name of enums that are either one value (first variant) or a map (second variant).
pub(super) const VALUE_OR_MAP: &str = "$ValueOrMap";
/// Name of enums that are either one entry (first variant) or a list of them (second variant).
pub(super) const ONE_OR_LIST: &str = "$OneOrList";

/// Reads `T` from the whole tree.
pub(super) fn read<T: DeserializeOwned + Default>(root: &Node, findings: &Findings) -> T {
    let reader = Reader { node: Some(root), key: "", entry: false, findings };
    T::deserialize(reader).unwrap_or_else(|error| {
        // Only a raw struct that breaks the rule above can lead here.
        findings.add(Finding::error(Code::WrongType, root.span, error.to_string()));
        T::default()
    })
}

/// The error of a reader that does not fail; serde wants one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(String);

impl serde::de::Error for Unreadable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Out<T> = Result<T, Unreadable>;

/// One node, or nothing where a node did not fit.
#[derive(Clone, Copy)]
struct Reader<'a> {
    node: Option<&'a Node>,
    /// The key it stands under, for messages.
    key: &'a str,
    /// Whether it is one of several under that key.
    entry: bool,
    findings: &'a Findings,
}

impl<'a> Reader<'a> {
    fn span(&self) -> Span {
        self.node.map(|node| node.span).unwrap_or_default()
    }

    fn nothing(self) -> Self {
        Self { node: None, ..self }
    }

    /// Says that something else was expected.
    fn mismatch(&self, expected: &str, help: Option<String>) {
        if let Some(node) = self.node {
            let name = match (self.key, self.entry) {
                ("", _) => "this".to_owned(),
                (key, false) => format!("`{key}`"),
                (key, true) => format!("an entry of `{key}`"),
            };
            let message = format!("{name} must be {expected}, not {}", node.value.noun());
            self.findings.add(Finding::error(Code::WrongType, node.span, message).maybe_help(help));
        }
    }

    /// The text of a scalar; a finding and `None` otherwise.
    fn scalar(&self, expected: &str) -> Option<&'a str> {
        match self.node.map(|node| &node.value) {
            Some(Value::Scalar(text)) => Some(text),
            _ => {
                self.mismatch(expected, None);
                None
            }
        }
    }

    fn number(&self, max: u64) -> u64 {
        let Some(text) = self.scalar("a whole number") else { return 0 };
        match text.parse::<u64>() {
            Ok(number) if number <= max => number,
            Ok(_) => {
                self.not_a(format!("`{text}` is too large"), format!("at most {max}"));
                0
            }
            Err(_) => {
                let message = format!("`{}` must be a whole number, not `{text}`", self.key);
                self.not_a(message, "write digits only".to_owned());
                0
            }
        }
    }

    fn bad_value(&self, message: String, help: String) {
        self.findings.add(Finding::error(Code::BadValue, self.span(), message).help(help));
    }

    /// A value that stands for another one from here on: what is said about that one is not heard.
    fn not_a(&self, message: String, help: String) {
        self.findings.add(Finding::error(Code::WrongType, self.span(), message).help(help));
    }

    /// Entries of a map; those without a value are reported and left out.
    fn entries(&self, expected: &str) -> Vec<(&'a Text, &'a Node)> {
        let Some(Value::Map(entries)) = self.node.map(|node| &node.value) else {
            self.mismatch(expected, None);
            return Vec::new();
        };
        entries
            .iter()
            .map(|(key, value)| (key, value))
            .filter(|(key, value)| self.has_value(key, value))
            .collect()
    }

    fn has_value(&self, key: &Text, value: &Node) -> bool {
        if matches!(value.value, Value::Null) {
            let message = format!("`{}` has no value", key.value);
            self.findings.add(
                Finding::error(Code::MissingKey, key.span, message).help("give it one, or remove the key"),
            );
            return false;
        }
        true
    }

    /// The entries of a struct: only those it knows.
    fn fields(&self, name: &str, known: &'static [&'static str]) -> Vec<(&'a Text, &'a Node)> {
        let section = section(name);
        let Some(Value::Map(entries)) = self.node.map(|node| &node.value) else {
            let example = known.first().map(|key| format!("{} has keys: {}", section.noun, keys(known, key)));
            self.mismatch("a map", example);
            return Vec::new();
        };
        let mut kept = Vec::new();
        for (key, value) in entries {
            if !known.contains(&key.value.as_str()) {
                self.findings.add(unknown(key, &section, known));
            } else if self.has_value(key, value) {
                kept.push((key, value));
            }
        }
        kept
    }
}

fn keys(known: &[&str], first: &str) -> String {
    if known.len() == 1 { first.to_owned() } else { known.join(", ") }
}

fn unknown(key: &Text, section: &sections::Section, known: &'static [&'static str]) -> Finding {
    let name = &key.value;
    if section.planned.contains(&name.as_str()) {
        let message = format!("`{name}:` is not supported by this version of portcullis");
        return Finding::error(Code::NotSupported, key.span, message).help(format!(
            "remove it; {} takes: {}",
            section.noun,
            known.join(", ")
        ));
    }
    let message = format!("unknown key `{name}` in {}", section.noun);
    let help = choose(name, known.iter().copied(), "keys here are");
    Finding::error(Code::UnknownKey, key.span, message).help(help)
}

/// A number type: checked against its own largest value.
macro_rules! number {
    ($method:ident, $visit:ident, $ty:ty) => {
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Out<V::Value> {
            let max = u64::try_from(<$ty>::MAX).unwrap_or(u64::MAX);
            visitor.$visit(<$ty>::try_from(self.number(max)).unwrap_or_default())
        }
    };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Out<V::Value> {
        match self.node.map(|node| &node.value) {
            None | Some(Value::Null) => visitor.visit_unit(),
            Some(Value::Scalar(text)) => visitor.visit_str(text),
            Some(Value::List(_)) => self.deserialize_seq(visitor),
            Some(Value::Map(_)) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Out<V::Value> {
        let value = match self.scalar("true or false") {
            Some("true") => true,
            Some("false") | None => false,
            Some(other) => {
                let message = format!("`{}` must be true or false, not `{other}`", self.key);
                self.not_a(message, "write `true` or `false`".to_owned());
                false
            }
        };
        visitor.visit_bool(value)
    }

    number!(deserialize_u8, visit_u8, u8);
    number!(deserialize_u16, visit_u16, u16);
    number!(deserialize_u32, visit_u32, u32);
    number!(deserialize_u64, visit_u64, u64);
    number!(deserialize_i64, visit_i64, i64);

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Out<V::Value> {
        visitor.visit_str(self.scalar("a single value").unwrap_or_default())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Out<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Out<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Out<V::Value> {
        if self.node.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Out<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Out<V::Value> {
        let items = match self.node.map(|node| &node.value) {
            Some(Value::List(items)) => items.as_slice(),
            Some(Value::Scalar(text)) => {
                self.mismatch("a list", Some(format!("write `[{text}]`")));
                &[]
            }
            _ => {
                self.mismatch("a list", Some("start each entry with `- `".to_owned()));
                &[]
            }
        };
        visitor.visit_seq(Items { items: items.iter(), list: self })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Out<V::Value> {
        visitor.visit_map(Entries { entries: self.entries("a map").into_iter(), value: None, of: self })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Out<V::Value> {
        visitor.visit_map(Entries { entries: self.fields(name, fields).into_iter(), value: None, of: self })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Out<V::Value> {
        if name == SPANNED {
            visitor.visit_seq(Place { step: 0, of: self })
        } else {
            self.deserialize_seq(visitor)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Out<V::Value> {
        visitor.visit_enum(choice(self, name, variants))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple ignored_any
    }
}

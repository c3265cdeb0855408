//! The four shapes behind a [`Reader`]: lists, maps, places and choices of a word.

use super::{ONE_OR_LIST, Out, Reader, Unreadable, VALUE_OR_MAP};
use crate::config::diagnostic::Code;
use crate::config::findings::{Finding, choose};
use crate::config::tree::{Node, Span, Text, Value};
use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// A sequence of items.
pub(super) struct Items<'a> {
    pub(super) items: std::slice::Iter<'a, Node>,
    pub(super) list: Reader<'a>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Out<Option<T::Value>> {
        for node in self.items.by_ref() {
            if !matches!(node.value, Value::Null) {
                return seed.deserialize(Reader { node: Some(node), entry: true, ..self.list }).map(Some);
            }
            let message = format!("an entry of `{}` is empty", self.list.key);
            self.list
                .findings
                .add(Finding::error(Code::MissingKey, node.span, message).help("remove the `-`"));
        }
        Ok(None)
    }
}

/// Line, column, length, and the value itself: what [`super::tree::Spanned`] asks for.
pub(super) struct Place<'a> {
    pub(super) step: u8,
    pub(super) of: Reader<'a>,
}

impl<'de> SeqAccess<'de> for Place<'_> {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Out<Option<T::Value>> {
        let span = self.of.span();
        let number = |n: u32| -> U32Deserializer<Unreadable> { n.into_deserializer() };
        self.step += 1;
        match self.step {
            1 => seed.deserialize(number(span.line)),
            2 => seed.deserialize(number(span.column)),
            3 => seed.deserialize(number(span.len)),
            _ => seed.deserialize(self.of),
        }
        .map(Some)
    }
}

/// The entries of a map or struct.
pub(super) struct Entries<'a> {
    pub(super) entries: std::vec::IntoIter<(&'a Text, &'a Node)>,
    pub(super) value: Option<(&'a Text, &'a Node)>,
    pub(super) of: Reader<'a>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Out<Option<K::Value>> {
        self.value = self.entries.next();
        let Some((key, _)) = self.value else { return Ok(None) };
        let node = Node { value: Value::Scalar(key.value.clone()), span: key.span };
        seed.deserialize(Reader { node: Some(&node), key: "", entry: false, findings: self.of.findings })
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Out<V::Value> {
        match self.value.take() {
            Some((key, node)) => {
                seed.deserialize(Reader { node: Some(node), key: &key.value, entry: false, ..self.of })
            }
            None => seed.deserialize(self.of.nothing()),
        }
    }
}

/// Which variant of an enum a node names.
pub(super) fn choice<'a>(reader: Reader<'a>, name: &str, variants: &'static [&'static str]) -> Choice<'a> {
    let first = variants.first().copied().unwrap_or_default();
    let broken = |variant| Choice { variant, content: reader.nothing(), word: false };
    let Some(node) = reader.node else { return broken(first) };
    if name == VALUE_OR_MAP || name == ONE_OR_LIST {
        let second = variants.get(1).copied().unwrap_or_default();
        let is_second = match node.value {
            Value::Map(_) => name == VALUE_OR_MAP,
            Value::List(_) => name == ONE_OR_LIST,
            _ => false,
        };
        let variant = if is_second { second } else { first };
        return Choice { variant, content: reader, word: false };
    }
    match &node.value {
        Value::Scalar(word) => match known(variants, word) {
            Some(variant) => Choice { variant, content: reader, word: true },
            None => {
                report_word(reader, node.span, word, variants);
                broken(first)
            }
        },
        Value::Map(entries) => match entries.as_slice() {
            [(key, content)] => match known(variants, &key.value) {
                Some(variant) => {
                    let content = Reader { node: Some(content), key: &key.value, entry: false, ..reader };
                    Choice { variant, content, word: false }
                }
                None => {
                    report_word(reader, key.span, &key.value, variants);
                    broken(first)
                }
            },
            _ => {
                reader.mismatch("a map with one key", Some(format!("one of: {}", variants.join(", "))));
                broken(first)
            }
        },
        _ => {
            reader.mismatch("a single value", Some(format!("one of: {}", variants.join(", "))));
            broken(first)
        }
    }
}

fn known(variants: &'static [&'static str], word: &str) -> Option<&'static str> {
    variants.iter().copied().find(|variant| *variant == word)
}

fn report_word(reader: Reader<'_>, span: Span, word: &str, variants: &'static [&'static str]) {
    let message = format!("`{}` cannot be `{word}`", reader.key);
    let help = match variants {
        // The word that switches off what is otherwise told by keys.
        ["none"] if reader.node.is_some_and(|node| matches!(node.value, Value::Scalar(_))) => {
            "it can be `none`, or keys in braces, as in `{ key: value }`".to_owned()
        }
        _ => choose(word, variants.iter().copied(), "it can be"),
    };
    reader.findings.add(Finding::error(Code::BadValue, span, message).help(help));
}

/// A variant and what stands behind it.
pub(super) struct Choice<'a> {
    variant: &'static str,
    content: Reader<'a>,
    /// Written as a word alone, not as `word: value`.
    word: bool,
}

impl<'de, 'a> EnumAccess<'de> for Choice<'a> {
    type Error = Unreadable;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Out<(V::Value, Self)> {
        let name: StrDeserializer<'_, Unreadable> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Unreadable;

    fn unit_variant(self) -> Out<()> {
        if !self.word && self.content.node.is_some() {
            let message = format!("`{}` takes no value", self.variant);
            let help = format!("write `{}` alone", self.variant);
            self.content.bad_value(message, help);
        }
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Out<T::Value> {
        if !self.word {
            return seed.deserialize(self.content);
        }
        let message = format!("`{}` needs a value", self.variant);
        self.content.bad_value(message, format!("write `{{ {}: … }}`", self.variant));
        seed.deserialize(self.content.nothing())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Out<V::Value> {
        self.content.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Out<V::Value> {
        self.content.deserialize_struct("", fields, visitor)
    }
}

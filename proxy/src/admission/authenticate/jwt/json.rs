//! JSON read strictly: one object, no member twice at any depth, at most [`DEEPEST`] levels, numbers that are numbers.
//! Pure.
//!
//! Two readers that pick different ones of two equal members would see two different tokens (RFC 8725 §2.4), so
//! such a text has no meaning here. Its length is for who calls to bound.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Most levels of objects and lists, the outermost included.
pub const DEEPEST: u8 = 8;

/// Not such an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an object of JSON without repeated members and at most {DEEPEST} levels deep")]
pub struct NotStrict;

/// The members of the object that `json` is.
///
/// # Errors
/// When it is none, or anything follows it.
pub fn object(json: &[u8]) -> Result<Map<String, Value>, NotStrict> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = Level(DEEPEST).deserialize(&mut reader).map_err(|_| NotStrict)?;
    reader.end().map_err(|_| NotStrict)?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(NotStrict),
    }
}

/// Reads a value that may have as many levels.
#[derive(Clone, Copy)]
struct Level(u8);

impl Level {
    fn below<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(below)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom("a member stands twice"));
            }
            members.insert(name, object.next_value_seed(below)?);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;

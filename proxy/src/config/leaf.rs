//! The smallest pieces of the raw file: texts of a known form, and maps whose keys are names.
//!
//! Each knows its JSON Schema; none checks its text, that is done where the section gets its meaning.

use super::tree::{Spanned, Text};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A leaf whose text has a form of its own: its place, its text, its schema.
macro_rules! leaf {
    ($(#[$doc:meta])* $name:ident, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        pub(super) struct $name(pub(super) Text);

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}

leaf!(
    /// A time with its unit.
    Time, { "type": "string", "pattern": "^[0-9]+ ?(ms|s|m|h)$" }
);
leaf!(
    /// A time with its unit, or `none`.
    TimeOrNone, { "type": "string", "pattern": "^([0-9]+ ?(ms|s|m|h)|none)$" }
);
leaf!(
    /// A size with its unit.
    Size, { "type": "string", "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB)$" }
);
leaf!(
    /// A size with its unit, or `none`.
    SizeOrNone, { "type": "string", "pattern": "^([0-9]+ ?(B|KiB|MiB|GiB)|none)$" }
);
leaf!(
    /// A day.
    Date, { "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" }
);
leaf!(
    /// Any text; numbers and booleans count as the text that is written.
    HeaderText, { "type": ["string", "number", "boolean"] }
);

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A map whose keys are names chosen by the user, in the order of the file.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) Vec<(Text, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedVisitor(PhantomData))
    }
}

struct NamedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Named(entries))
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}

//! `overload:` and `ip:` as written.

use crate::config::tree::{Spanned, Text};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use std::borrow::Cow;

/// What the process does when it gets more than it can carry.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Overload {
    /// Most requests at once, or `none`. Default: none.
    pub(in crate::config) concurrent: Option<CountOrNone>,
    /// When memory counts as short, or `none`.
    pub(in crate::config) memory: Option<MemoryOrNone>,
    /// Whether a worker that is late by more than 50 ms for a second refuses a growing share of requests. Default: false.
    pub(in crate::config) shed_when_behind: Option<Spanned<bool>>,
}

/// A number, or `none`.
#[derive(Debug, Default, Deserialize)]
pub(in crate::config) struct CountOrNone(pub(in crate::config) Text);

impl JsonSchema for CountOrNone {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "CountOrNone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "none" }] })
    }
}

/// `none`, or when memory counts as short.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$ValueOrMap")]
#[schemars(rename = "MemoryOrNone", untagged)]
pub(in crate::config) enum MemoryOrNone {
    /// Memory is not watched.
    Word(MemoryWord),
    /// When it is short.
    Ladder(Memory),
}

/// Switches the watch over memory off.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum MemoryWord {
    /// Memory is not watched.
    None,
}

/// When memory counts as short.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Memory {
    /// How much the process may have, as in `512MiB`; `auto` = what its cgroup or the machine has. Default: auto.
    #[schemars(regex(pattern = "^([0-9]+ ?(B|KiB|MiB|GiB)|auto)$"))]
    pub(in crate::config) limit: Option<Text>,
    /// From here on clients are asked to leave. Default: 92%.
    #[schemars(regex(pattern = "^[0-9]+ ?%$"))]
    pub(in crate::config) leave_at: Option<Text>,
    /// From here on requests are refused. Default: 95%.
    #[schemars(regex(pattern = "^[0-9]+ ?%$"))]
    pub(in crate::config) refuse_at: Option<Text>,
}

/// Addresses that may use a route; `deny` beats `allow`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct AddressRules {
    /// Only these networks, as in `203.0.113.0/24` or `192.0.2.7`. Default: all.
    pub(in crate::config) allow: Option<Spanned<Vec<Text>>>,
    /// None of these networks, even if allowed.
    pub(in crate::config) deny: Vec<Text>,
}

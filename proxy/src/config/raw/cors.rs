//! `cors:` of routes and `defaults:` as written.

use crate::config::leaf::Time;
use crate::config::tree::{Spanned, Text};
use schemars::JsonSchema;
use serde::Deserialize;

/// `none`, or which pages of other origins may read answers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$ValueOrMap")]
#[schemars(rename = "CorsOrNone", untagged)]
pub(in crate::config) enum CorsOrNone {
    /// Nothing is said, whatever `defaults:` say.
    Word(CorsWord),
    /// Which pages.
    Pages(Cors),
}

/// Switches `cors:` of the defaults off.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum CorsWord {
    /// Nothing is said.
    None,
}

/// Which pages of other origins may read answers, and what they may send.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["origins"]))]
pub(in crate::config) struct Cors {
    /// Origins of pages, as in `https://shop.example`, `https://*.shop.example` (one label) or `*` (all).
    #[schemars(inner(regex(pattern = "^(\\*|[a-z][a-z0-9+.-]*://[^/A-Z]+)$")))]
    pub(in crate::config) origins: Option<Spanned<Vec<Text>>>,
    /// Methods they may use besides GET, HEAD and POST. Default: those of the route.
    pub(in crate::config) methods: Option<Spanned<Vec<Text>>>,
    /// Request headers they may set besides the harmless ones.
    pub(in crate::config) headers: Vec<Text>,
    /// Response headers they may read besides the harmless ones.
    pub(in crate::config) expose: Vec<Text>,
    /// Whether they may send cookies and the like. Default: false.
    pub(in crate::config) credentials: Option<Spanned<bool>>,
    /// How long a browser may remember what it was told. Default: 10m.
    pub(in crate::config) max_age: Option<Time>,
}

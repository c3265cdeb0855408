//! `mesh:` as written.

use crate::config::leaf::Named;
use crate::config::tree::{Spanned, Text};
use schemars::JsonSchema;
use serde::Deserialize;

/// Membership of the mesh: who we are, where our certificate comes from, whose word about users counts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["trust_domain"]))]
pub(in crate::config) struct Mesh {
    /// The trust domain, as in `shop.example`.
    pub(in crate::config) trust_domain: Option<Text>,
    /// The authority our certificate comes from; this or `svid`.
    pub(in crate::config) ca: Option<Spanned<Authority>>,
    /// Files with our certificate that somebody else renews; this or `ca`.
    pub(in crate::config) svid: Option<Spanned<Svid>>,
    /// Folder that keeps our identity over restarts; demanded with `ca`.
    pub(in crate::config) state: Option<Text>,
    /// Users: whose word counts, and what the application is told.
    pub(in crate::config) identity: Identity,
}

/// The authority our certificate comes from.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Authority {
    /// `host:port` or `https://…`. Default: what the join token says.
    pub(in crate::config) address: Option<Text>,
    /// File with the join token, as `file:PATH`; not needed while `state` holds a good identity.
    #[schemars(regex(pattern = "^file:.+"))]
    pub(in crate::config) join_token: Option<Text>,
}

/// Files with our certificate; looked at every second.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["cert", "key", "bundle"]))]
pub(in crate::config) struct Svid {
    /// PEM file of the chain, leaf first.
    pub(in crate::config) cert: Option<Text>,
    /// PEM file of the private key, as `file:PATH`.
    #[schemars(regex(pattern = "^file:.+"))]
    pub(in crate::config) key: Option<Text>,
    /// PEM file of the authorities of the trust domain.
    pub(in crate::config) bundle: Option<Text>,
}

/// Users: whose word counts, and what the application is told.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Identity {
    /// What is accepted as evidence of a user. Default: passport.
    pub(in crate::config) level: Option<Spanned<Level>>,
    /// SPIFFE IDs that may introduce users. Default: whom the authority granted it; with `svid`, nobody.
    pub(in crate::config) assert: Vec<Text>,
    /// Headers the application gets. Default: X-Auth-User, X-Auth-Roles, X-Auth-Scopes.
    pub(in crate::config) headers: Option<Spanned<Named<Spanned<Claim>>>>,
}

/// What is accepted as evidence of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Level {
    /// Passport and stamps.
    Passport,
    /// Plain headers too, from peers that may introduce users: for old gateways.
    Headers,
    /// Nothing: there are no users here.
    None,
}

/// What a header holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Claim {
    /// The user.
    User,
    /// The roles, comma-separated.
    Roles,
    /// The scopes, separated by spaces.
    Scopes,
}

//! `authorize:`: who may call the workload, and for what. Deny beats allow beats nothing.

use super::route::{Methods, PathPattern};
use portcullis_ca::spiffe::{SpiffeId, TrustDomain};
use std::sync::Arc;

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it is called in logs and answers of `explain`.
    pub id: Arc<str>,
    /// Line of the rule in the file, 1-based.
    pub line: usize,
    /// What follows when it fits.
    pub effect: Effect,
    /// `audit`: what it would do is only logged.
    pub audit: bool,
    /// Which peers; any of them.
    pub from: Vec<Peers>,
    /// Which methods.
    pub methods: Methods,
    /// Which canonical paths, any of them; empty: every path. Only exact, `*`, `/**` and `{name}` patterns, no regex.
    pub paths: Vec<PathPattern>,
    /// Whether there must be a user.
    pub user: User,
    /// Scopes the user must have, all of them.
    pub scopes: Vec<Box<str>>,
}

/// What follows when a rule fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The request may pass, unless another rule denies it.
    Allow,
    /// It may not.
    Deny,
}

/// Peers of the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peers {
    /// This very identity.
    One(SpiffeId),
    /// `spiffe://td/a/*`: every identity with exactly one more segment; holds `/a/` (with the slashes) and the domain.
    Below(TrustDomain, Box<str>),
}

/// Whether a rule wants a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum User {
    /// There must be one.
    Required,
    /// Either way. The default.
    #[default]
    Optional,
    /// There must be none.
    Forbidden,
}

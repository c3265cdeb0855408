//! `mesh:`: who we are in the mesh, where our certificate comes from, and whose word about users counts.

use http::HeaderName;
use portcullis_ca::spiffe::{SpiffeId, TrustDomain};
use std::path::PathBuf;

/// Membership of the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mesh {
    /// The trust domain: of us and of everybody we believe.
    pub trust_domain: TrustDomain,
    /// Where certificate and bundle come from.
    pub source: Source,
    /// What is accepted as evidence of a user.
    pub level: Level,
    /// Who may introduce users. Empty: whom the authority granted `assert` (with watched files: nobody).
    pub assert: Vec<SpiffeId>,
    /// Headers the application gets about the user. Default: X-Auth-User, X-Auth-Roles, X-Auth-Scopes.
    pub headers: Vec<(HeaderName, Claim)>,
}

/// Where certificate and bundle come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Our authority: joined with a token, renewed by itself.
    Authority {
        /// `host:port` or `https://…` to use instead of what the token says.
        address: Option<String>,
        /// File with the join token; not needed while `state` holds a good identity.
        join_token: Option<PathBuf>,
        /// Folder of the identity (0700).
        state: PathBuf,
    },
    /// Files somebody else renews; looked at every second.
    Files {
        /// PEM chain, leaf first.
        cert: PathBuf,
        /// PEM key (P-256, PKCS#8).
        key: PathBuf,
        /// PEM bundle of the trust domain.
        bundle: PathBuf,
    },
}

/// What is accepted as evidence of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Passport and stamps. The default.
    #[default]
    Passport,
    /// Plain headers too, from peers that may introduce users: for old gateways.
    Headers,
    /// Nothing: there are no users here.
    None,
}

/// What a projected header holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The user.
    User,
    /// The roles, comma-separated.
    Roles,
    /// The scopes, separated by spaces.
    Scopes,
}

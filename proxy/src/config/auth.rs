//! `auth:`: ways for clients outside to say who they are.

use crate::admission::authenticate::api_key::KeyFile;
use crate::admission::authenticate::jwt::KeySet;
use crate::identity::principal::Principal;
use http::HeaderName;
use jsonwebtoken::Algorithm;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// What routes call it.
    pub name: Arc<str>,
    /// What a client shows.
    pub scheme: Scheme,
}

/// What a client shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// A certificate, in the TLS handshake.
    Certificate(CertificateRule),
    /// A signed token, in `Authorization: Bearer`.
    Jwt(JwtRule),
    /// A secret, in a header.
    ApiKey(ApiKeyRule),
    /// A token that only its issuer can judge (RFC 7662), in `Authorization: Bearer`.
    Introspect(IntrospectRule),
}

/// Client certificates that name a user. They were verified against the listener's `client_ca`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRule {
    /// Common names it takes; at least one. `CN=alice` or `CN=*.devices.shop.example` (`*` = one label).
    pub subjects: Vec<Box<str>>,
    /// Roles its users have.
    pub roles: Vec<Box<str>>,
    /// Scopes its users have.
    pub scopes: Vec<Box<str>>,
}

/// JSON Web Tokens of one issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtRule {
    /// The only `iss` it takes, byte for byte.
    pub issuer: Box<str>,
    /// One of these must be in `aud`; at least one.
    pub audiences: Vec<Box<str>>,
    /// The only `alg` it takes; at least one, all asymmetric.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// How far the issuer's clock may be off. Default 30 s, at most 5 min.
    pub leeway: Duration,
    /// What its claims mean.
    pub identity: ClaimMap,
    /// Claims that rules of routes ask about (`claim.x`), each once.
    pub claims: Vec<Box<str>>,
}

/// Where the keys of an issuer come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file, read with the configuration and watched like it.
    File {
        /// Which.
        path: PathBuf,
        /// What stood in it.
        keys: Arc<KeySet>,
    },
    /// A URL, fetched again and again.
    Url {
        /// Where and whom to believe.
        remote: Remote,
        /// How old keys may get before they are fetched again, unless the answer says sooner. Default 10 min.
        refresh: Duration,
        /// How long keys are used after the last good fetch, while the issuer is down. Default 24 h.
        stale: Duration,
    },
}

/// An HTTP service outside that the proxy itself asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Remote {
    /// `https`, or `http` to a loopback address.
    pub url: http::Uri,
    /// PEM bundle of the authorities believed; `None` = those of the machine.
    pub ca: Option<PathBuf>,
    /// How long an answer may take in all. Default 2 s.
    pub timeout: Duration,
}

/// Which claims say what. A claim of this very name wins; otherwise dots lead into objects (`realm_access.roles`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimMap {
    /// The user. Default `sub`. A token without it is nobody's.
    pub user: Box<str>,
    /// Roles: a list, or one text separated by spaces or commas. Default `roles`.
    pub roles: Box<str>,
    /// Scopes: a list, or one text separated by spaces. Default `scope`.
    pub scopes: Box<str>,
    /// The tier that chooses among rates of a limit; `None` = no claim says so.
    pub tier: Option<Box<str>>,
}

/// API keys from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRule {
    /// The header they come in. Default `X-Api-Key`.
    pub header: HeaderName,
    /// The file, read with the configuration and watched like it.
    pub path: PathBuf,
    /// What stood in it.
    pub keys: Arc<KeyFile>,
}

/// Tokens that only their issuer can judge.
#[derive(Clone, PartialEq, Eq)]
pub struct IntrospectRule {
    /// Whom to ask.
    pub remote: Remote,
    /// Our name there.
    pub client: Box<str>,
    /// Our secret there.
    pub secret: Box<str>,
    /// Where it came from, as `file:PATH` or `env:NAME`.
    pub secret_from: Box<str>,
    /// How long an answer holds, at most until the token expires. Default 30 s; zero = not at all.
    pub cache: Duration,
    /// What its members mean.
    pub identity: ClaimMap,
    /// Members that rules of routes ask about (`claim.x`), each once.
    pub claims: Vec<Box<str>>,
}

impl std::fmt::Debug for IntrospectRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IntrospectRule").field("remote", &self.remote).finish_non_exhaustive()
    }
}

impl Scheme {
    /// Whether it reads `Authorization: Bearer`.
    pub const fn reads_bearer(&self) -> bool {
        matches!(self, Self::Jwt(_) | Self::Introspect(_))
    }
}

impl Default for ClaimMap {
    fn default() -> Self {
        Self { user: "sub".into(), roles: "roles".into(), scopes: "scope".into(), tier: None }
    }
}

impl CertificateRule {
    /// The user of a certificate with this common name; `None` when it takes no such certificate, or the name is none
    /// that a user can have.
    pub fn principal(&self, common_name: &str) -> Option<Principal> {
        let taken = self.subjects.iter().any(|subject| fits(subject, common_name));
        let (roles, scopes) = (self.roles.clone(), self.scopes.clone());
        let principal = Principal { user: common_name.into(), roles, scopes };
        (taken && principal.is_sound()).then_some(principal)
    }
}

/// `alice`, or `*.devices.shop.example` for one more label.
fn fits(subject: &str, name: &str) -> bool {
    let subject = subject.strip_prefix("CN=").unwrap_or(subject);
    match subject.strip_prefix("*.") {
        Some(parent) => name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => subject == name,
    }
}

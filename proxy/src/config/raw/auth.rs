//! `auth:` as written.

use crate::config::leaf::Time;
use crate::config::tree::{Spanned, Text};
use schemars::JsonSchema;
use serde::Deserialize;

/// A way for clients outside to say who they are: one of `jwt`, `api_key`, `introspect` and `certificate`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [
    { "required": ["certificate"] },
    { "required": ["jwt"] },
    { "required": ["api_key"] },
    { "required": ["introspect"] },
]))]
pub(in crate::config) struct Provider {
    /// By a certificate that stands under the listener's `client_ca`; its common name is the user.
    pub(in crate::config) certificate: Option<Spanned<ClientCertificate>>,
    /// By a token that its issuer has signed.
    pub(in crate::config) jwt: Option<Spanned<Jwt>>,
    /// By a secret in a header.
    pub(in crate::config) api_key: Option<Spanned<ApiKey>>,
    /// By a token that only its issuer can judge (RFC 7662).
    pub(in crate::config) introspect: Option<Spanned<Introspect>>,
    /// What the claims of a token mean; of `jwt` and `introspect`.
    pub(in crate::config) identity: Option<Spanned<UserClaims>>,
}

/// Client certificates that name a user.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["subjects"]))]
pub(in crate::config) struct ClientCertificate {
    /// Common names it takes: `CN=alice` or `CN=*.devices.shop.example` (`*` = one label).
    #[schemars(inner(regex(pattern = "^CN=.+")))]
    pub(in crate::config) subjects: Option<Spanned<Vec<Text>>>,
    /// Roles its users have.
    pub(in crate::config) roles: Vec<Text>,
    /// Scopes its users have.
    pub(in crate::config) scopes: Vec<Text>,
}

/// JSON Web Tokens of one issuer, in `Authorization: Bearer`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["issuer", "audience", "jwks"]))]
pub(in crate::config) struct Jwt {
    /// The only `iss` it takes, letter by letter.
    pub(in crate::config) issuer: Option<Text>,
    /// What `aud` must name: us. One, or a list of which any will do.
    pub(in crate::config) audience: Option<Spanned<Names>>,
    /// Where the issuer's keys are: a URL with https (http to a loopback address only), or `file:PATH`.
    #[schemars(regex(pattern = "^(https?://|file:).+"))]
    pub(in crate::config) jwks: Option<Text>,
    /// The only algorithms it takes. Default: RS256 and ES256.
    pub(in crate::config) algorithms: Option<Spanned<Vec<Text>>>,
    /// How far the issuer's clock may be off, at most 5m. Default: 30s.
    pub(in crate::config) leeway: Option<Time>,
    /// How old keys of a URL may get before they are fetched again, unless the answer says sooner. Default: 10m.
    pub(in crate::config) refresh: Option<Time>,
    /// How long keys of a URL are used after the last good fetch, while the issuer is down. Default: 24h.
    pub(in crate::config) stale: Option<Time>,
    /// PEM bundle of the authorities to believe. Default: those of the machine.
    pub(in crate::config) ca: Option<Text>,
    /// How long a fetch may take. Default: 2s.
    pub(in crate::config) timeout: Option<Time>,
}

/// API keys from a file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["keys"]))]
pub(in crate::config) struct ApiKey {
    /// The header they come in. Default: X-Api-Key.
    pub(in crate::config) header: Option<Text>,
    /// File with their digests, as `file:PATH`.
    #[schemars(regex(pattern = "^file:.+"))]
    pub(in crate::config) keys: Option<Text>,
}

/// Tokens that only their issuer can judge, in `Authorization: Bearer`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["url", "client", "secret"]))]
pub(in crate::config) struct Introspect {
    /// Whom to ask: a URL with https; http to a loopback address only.
    #[schemars(regex(pattern = "^https?://.+"))]
    pub(in crate::config) url: Option<Text>,
    /// Our name there; also as `file:PATH` or `env:NAME`.
    pub(in crate::config) client: Option<Text>,
    /// Our secret there, as `file:PATH` or `env:NAME`.
    #[schemars(regex(pattern = "^(file|env):.+"))]
    pub(in crate::config) secret: Option<Text>,
    /// How long an answer holds; 0s = not at all. Default: 30s.
    pub(in crate::config) cache: Option<Time>,
    /// PEM bundle of the authorities to believe. Default: those of the machine.
    pub(in crate::config) ca: Option<Text>,
    /// How long an answer may take. Default: 2s.
    pub(in crate::config) timeout: Option<Time>,
}

/// Which claims say what. A claim of this very name wins; otherwise dots lead into objects: `realm_access.roles`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct UserClaims {
    /// The user. Default: sub.
    pub(in crate::config) user: Option<Text>,
    /// The roles: a list, or a text separated by spaces or commas. Default: roles.
    pub(in crate::config) roles: Option<Text>,
    /// The scopes: a list, or a text separated by spaces. Default: scope.
    pub(in crate::config) scopes: Option<Text>,
    /// The tier, for limits and rules. Default: none.
    pub(in crate::config) tier: Option<Text>,
}

/// One name, or a list of names.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$OneOrList")]
#[schemars(rename = "Names", untagged)]
pub(in crate::config) enum Names {
    /// One.
    One(Text),
    /// Any of these.
    List(Vec<Text>),
}

impl Names {
    /// All of them, in the order of the file.
    pub(in crate::config) fn all(&self) -> &[Text] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::List(names) => names,
        }
    }
}

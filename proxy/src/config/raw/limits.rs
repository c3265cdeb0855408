//! `limits:` and `stores:` as written, and `limits:` of whoever asks them.

use crate::config::leaf::{Named, Time};
use crate::config::tree::{Spanned, Text};
use schemars::JsonSchema;
use serde::Deserialize;

/// How often somebody may ask.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["key", "scope"]))]
#[schemars(extend("oneOf" = [
    { "required": ["rate"] },
    { "required": ["quota"] },
    { "required": ["tiers", "default"] },
]))]
pub(in crate::config) struct Limit {
    /// What is counted together: requests that agree in this, or in all of a list.
    pub(in crate::config) key: Option<Spanned<Key>>,
    /// How is counted. Default: token-bucket; of a quota fixed-window.
    pub(in crate::config) algorithm: Option<Spanned<Algorithm>>,
    /// So many in so much time, as in `200/s`, `30/min`, `10/h`, `5/10s`; this, `quota` or `tiers`.
    #[schemars(regex(pattern = "^[0-9]+/[0-9]*(ms|s|min|h)$"))]
    pub(in crate::config) rate: Option<Text>,
    /// So many in a day or month of the calendar, as in `100000/month`.
    #[schemars(regex(pattern = "^[0-9]+/(day|month)$"))]
    pub(in crate::config) quota: Option<Text>,
    /// What callers of a tier get, by the name of the tier.
    #[schemars(extend("additionalProperties" = {
        "type": "string", "pattern": "^[0-9]+/([0-9]*(ms|s|min|h)|day|month)$"
    }))]
    pub(in crate::config) tiers: Option<Spanned<Named<Text>>>,
    /// What callers of no tier get, or of one that is not listed; demanded with `tiers`.
    #[schemars(regex(pattern = "^[0-9]+/([0-9]*(ms|s|min|h)|day|month)$"))]
    pub(in crate::config) default: Option<Text>,
    /// How many at once; only of a token bucket. Default: as many as the rate says.
    #[schemars(range(min = 1))]
    pub(in crate::config) burst: Option<Spanned<u32>>,
    /// Where days and months begin: a name of the IANA database, as in `Europe/Berlin`. Default: UTC.
    pub(in crate::config) timezone: Option<Text>,
    /// Where is counted.
    pub(in crate::config) scope: Option<Spanned<Scope>>,
    /// How processes share the count; only of `scope: global`. Default: exact below 20 and of the calendar, else leased.
    pub(in crate::config) sharing: Option<Spanned<Sharing>>,
    /// Let requests wait for their turn; only of a token bucket of `scope: instance`. Default: refuse them.
    pub(in crate::config) queue: Option<Spanned<Queue>>,
}

/// One part of a key, or a list of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$OneOrList")]
#[schemars(rename = "Key", untagged)]
pub(in crate::config) enum Key {
    /// One.
    One(Spanned<KeyPart>),
    /// All of these.
    List(Vec<Spanned<KeyPart>>),
}

/// Something requests have in common.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum KeyPart {
    /// The client's address; of IPv6 the first 64 bits.
    Ip,
    /// The user. Of an edge: on routes that know one.
    User,
    /// The member of the mesh that asks. Of a sidecar.
    Peer,
    /// The API key. Of an edge.
    ApiKey,
    /// The route. Of an edge.
    Route,
    /// A request header.
    Header(Text),
}

/// How is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Algorithm {
    /// Refills evenly, holds at most `burst`.
    TokenBucket,
    /// So many in each window; twice as many around the end of one.
    FixedWindow,
    /// So many in any window, estimated.
    SlidingWindow,
}

/// Where is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Scope {
    /// Each process for itself.
    Instance,
    /// All processes together, in the store.
    Global,
}

/// How processes share a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Sharing {
    /// The store is asked each time.
    Exact,
    /// Each process takes some from the store ahead.
    Leased,
}

/// Requests that wait for their turn.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["length", "wait"]))]
pub(in crate::config) struct Queue {
    /// How many may wait for one key.
    #[schemars(range(min = 1, max = 100_000))]
    pub(in crate::config) length: Option<Spanned<u32>>,
    /// How long each may wait, at most 60s.
    pub(in crate::config) wait: Option<Time>,
}

/// `NAME`, or `{ limit: NAME, cost: 5 }`; `+NAME` adds to the defaults instead of replacing them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$ValueOrMap")]
#[schemars(rename = "Spend", untagged)]
pub(in crate::config) enum Spend {
    /// The limit.
    Name(Text),
    /// The limit and what a request costs.
    Full(FullSpend),
}

/// A limit and what a request costs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["limit"]))]
pub(in crate::config) struct FullSpend {
    /// The limit.
    pub(in crate::config) limit: Option<Text>,
    /// What a request costs. Default: 1.
    #[schemars(range(min = 1))]
    pub(in crate::config) cost: Option<Spanned<u32>>,
}

/// `limits:` of whoever asks them.
pub(in crate::config) type Spends = Spanned<Vec<Spanned<Spend>>>;

/// Where state is kept that processes share.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Stores {
    /// Where limits of `scope: global` are counted.
    pub(in crate::config) redis: Option<Spanned<Redis>>,
}

/// A Redis, or something that speaks its protocol: `url`, `sentinel` or `cluster`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["on_failure"]))]
#[schemars(extend("oneOf" = [
    { "required": ["url"] },
    { "required": ["sentinel"] },
    { "required": ["cluster"] },
]))]
pub(in crate::config) struct Redis {
    /// `redis://host:6379/0`, `rediss://…` for TLS, or `env:NAME` or `file:PATH` that holds one, with its password.
    #[schemars(regex(pattern = "^(rediss?://|env:|file:).+"))]
    pub(in crate::config) url: Option<Text>,
    /// Sentinels that know where the primary is.
    pub(in crate::config) sentinel: Option<Spanned<Sentinel>>,
    /// Some nodes of a cluster, as `host:port`.
    pub(in crate::config) cluster: Option<Spanned<Vec<Text>>>,
    /// The user to authenticate as. Default: the one of the URL, else none.
    pub(in crate::config) user: Option<Text>,
    /// The password, as `file:PATH` or `env:NAME`. Default: the one of the URL, else none.
    #[schemars(regex(pattern = "^(file|env):.+"))]
    pub(in crate::config) password: Option<Text>,
    /// TLS towards it. Default: as the URL says, else plain.
    pub(in crate::config) tls: Option<Spanned<StoreTls>>,
    /// In front of every key. Default: `portcullis:`.
    #[schemars(length(min = 1, max = 64))]
    pub(in crate::config) prefix: Option<Text>,
    /// How long a decision may take, 1ms to 1s. Default: 20ms.
    pub(in crate::config) timeout: Option<Time>,
    /// What happens to a request when it does not answer in time.
    pub(in crate::config) on_failure: Option<Spanned<OnFailure>>,
    /// How many processes share it. Default: as many as have said so there of late.
    #[schemars(range(min = 1, max = 10_000))]
    pub(in crate::config) instances: Option<Spanned<u32>>,
}

/// Sentinels that know where the primary is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["addresses", "primary"]))]
pub(in crate::config) struct Sentinel {
    /// The sentinels, as `host:port`.
    pub(in crate::config) addresses: Option<Spanned<Vec<Text>>>,
    /// What they call the primary.
    pub(in crate::config) primary: Option<Text>,
}

/// TLS towards a store; verification cannot be switched off.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct StoreTls {
    /// PEM bundle of the authorities to believe. Default: those of the machine.
    pub(in crate::config) ca: Option<Text>,
}

/// What happens to a request when the store does not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum OnFailure {
    /// Each process counts by itself, up to its share of the limit.
    Divide,
    /// It is let in.
    Allow,
    /// It is refused with 503.
    Deny,
}

//! `defaults:` and `routes:` as written.

use super::Names;
use super::Spends;
use super::{AddressRules, CorsOrNone, NoneWord};
use crate::config::leaf::{Date, HeaderText, Named, SizeOrNone, Time, TimeOrNone};
use crate::config::tree::{Spanned, Text};
use schemars::JsonSchema;
use serde::Deserialize;

/// What every route does, unless it says otherwise.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Defaults {
    /// Which pages of other origins may read answers of every route; a route's own replaces it. Default: none.
    pub(in crate::config) cors: Option<Spanned<CorsOrNone>>,
    /// Header edits of every route; a route's own win.
    pub(in crate::config) headers: Headers,
    /// Limits every route asks, unless it says otherwise.
    pub(in crate::config) limits: Option<Spends>,
    /// Times of every route; a route's own win.
    pub(in crate::config) timeout: RouteTimeout,
    /// `none`: nothing is tried again on any route. Default: what the service says.
    pub(in crate::config) retry: Option<Spanned<NoneWord>>,
}

/// Header edits in both directions.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Headers {
    /// On the way to the service.
    pub(in crate::config) request: Edits,
    /// On the way to the client.
    pub(in crate::config) response: Edits,
}

/// Header edits of one direction; `remove` happens first.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Edits {
    /// Written, replacing what stood there.
    pub(in crate::config) set: Named<HeaderText>,
    /// Taken out.
    pub(in crate::config) remove: Vec<Text>,
}

/// One route.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name", "match", "auth"]))]
pub(in crate::config) struct Route {
    /// Name in metrics and logs: a-z, 0-9, `-`, `_` and `.`.
    #[schemars(regex(pattern = "^[a-z0-9_.-]{1,64}$"))]
    pub(in crate::config) name: Option<Text>,
    /// Methods and path: `GET /orders`, `GET|POST /orders/**`, `* /admin/**`, `GET /users/{id}`, `GET ~/v[0-9]+/.*`.
    #[schemars(regex(pattern = "^\\S+ +\\S+$"))]
    pub(in crate::config) r#match: Option<Text>,
    /// Hosts it takes, as in `shop.example` or `*.shop.example`. Default: any.
    pub(in crate::config) hosts: Vec<Text>,
    /// Further conditions; all must hold.
    pub(in crate::config) when: When,
    /// Limits it asks: `[x]` instead of those of the defaults, `[+x]` besides them. Default: those of the defaults.
    pub(in crate::config) limits: Option<Spends>,
    /// Addresses that may use it. Default: all.
    pub(in crate::config) ip: Option<Spanned<AddressRules>>,
    /// Which pages of other origins may read its answers; `none` = nobody's, whatever the defaults say.
    pub(in crate::config) cors: Option<Spanned<CorsOrNone>>,
    /// Who may use it: `public`, the name of an entry of `auth:`, or a list of them of which any will do.
    pub(in crate::config) auth: Option<Spanned<Names>>,
    /// What must hold for a caller: `role:buyer and scope:orders:write`, `path.userId == user or role:admin`.
    pub(in crate::config) allow: Option<Text>,
    /// Whether the header `Authorization` goes on to the service. Default: `remove` where it is read here, else `pass`.
    pub(in crate::config) authorization: Option<Spanned<Authorization>>,
    /// The service it goes to; this or `split`.
    pub(in crate::config) to: Option<Text>,
    /// Several services and their shares.
    pub(in crate::config) split: Option<Spanned<Vec<Spanned<Share>>>>,
    /// What keeps a caller on one side of the split.
    pub(in crate::config) sticky: Option<Spanned<Sticky>>,
    /// The path to send instead, as in `/api/orders/**` or `/api/{id}`.
    pub(in crate::config) path: Option<Text>,
    /// Header edits.
    pub(in crate::config) headers: Headers,
    /// Replaces times of the service.
    pub(in crate::config) timeout: RouteTimeout,
    /// `none`: nothing is tried again. Default: what the service says.
    pub(in crate::config) retry: Option<Spanned<NoneWord>>,
    /// What clients may leave HTTP for. Default: nothing.
    pub(in crate::config) upgrade: Option<Spanned<Upgrade>>,
    /// What is answered while the breaker of the service is open. Default: 503.
    pub(in crate::config) on_open: Option<Spanned<OnOpen>>,
    /// Only the service itself may answer: nothing instead of it. Default: false.
    pub(in crate::config) critical: Option<Spanned<bool>>,
    /// Announced end of life.
    pub(in crate::config) deprecated: Option<Spanned<Deprecated>>,
    /// Limits on the request body.
    pub(in crate::config) body: Body,
    /// What its paths may contain that others may not.
    pub(in crate::config) paths: Paths,
}

/// What becomes of the header `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Authorization {
    /// It goes on to the service.
    Pass,
    /// It ends here.
    Remove,
}

/// Further conditions of a route; all must hold. `*` = is there.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct When {
    /// Request headers and their values.
    pub(in crate::config) header: Named<HeaderText>,
    /// Query parameters and their values.
    pub(in crate::config) query: Named<HeaderText>,
}

/// One side of a split.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["to"]))]
pub(in crate::config) struct Share {
    /// The service.
    pub(in crate::config) to: Option<Text>,
    /// Its share relative to the others; 0 = none. Default: 1.
    #[schemars(range(max = 1_000_000))]
    pub(in crate::config) weight: Option<Spanned<u32>>,
}

/// `ip`, `user`, `{ header: X-User }` or `{ cookie: session }`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Sticky {
    /// The client's address.
    Ip,
    /// The authenticated user.
    User,
    /// A header.
    Header(Text),
    /// A cookie.
    Cookie(Text),
}

/// Times of a route; they replace those of the service.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RouteTimeout {
    /// From the whole request head to the head of the answer, further attempts included.
    pub(in crate::config) request: Option<TimeOrNone>,
    /// Of one attempt: from sending it to the head of the answer.
    pub(in crate::config) per_try: Option<Time>,
    /// Longest pause inside an answer's body and of a WebSocket; without `request`, also before the answer.
    pub(in crate::config) idle: Option<Time>,
}

/// What clients may leave HTTP for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Upgrade {
    /// RFC 6455.
    WebSocket,
}

/// What is answered while the breaker of the service is open: a refusal, a text, or what another service says.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("anyOf" = [
    { "required": ["status"] },
    { "required": ["code"] },
    { "required": ["body"] },
    { "required": ["to"] },
]))]
pub(in crate::config) struct OnOpen {
    /// The status: of a refusal 400 to 599, by default 503; with `body` 200 to 599, by default 200.
    #[schemars(range(min = 200, max = 599))]
    pub(in crate::config) status: Option<Spanned<u16>>,
    /// The `code` of the problem document of a refusal, as in `PAYMENT_UNAVAILABLE`.
    #[schemars(regex(pattern = "^[A-Za-z0-9_.-]{1,64}$"))]
    pub(in crate::config) code: Option<Text>,
    /// A text, at most 64 KiB.
    pub(in crate::config) body: Option<Text>,
    /// The `Content-Type` of the text. Default: `text/plain; charset=utf-8`.
    pub(in crate::config) r#type: Option<Text>,
    /// Another service.
    pub(in crate::config) to: Option<Text>,
}

/// Announced end of life of a route.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["since"]))]
pub(in crate::config) struct Deprecated {
    /// Deprecated since this day.
    pub(in crate::config) since: Option<Date>,
    /// Gone from this day on.
    pub(in crate::config) sunset: Option<Date>,
    /// Where to read about it.
    pub(in crate::config) link: Option<Text>,
}

/// Limits on the request body.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Body {
    /// Largest request body, as in `10MiB`; `none` = unlimited. Default: 10MiB.
    pub(in crate::config) max: Option<SizeOrNone>,
    /// How fast it must come at least, as in `10KiB/s`. Default: as `timeouts.body` of the listener says.
    #[schemars(regex(pattern = "^[0-9]+ ?(B|KiB|MiB|GiB)/s$"))]
    pub(in crate::config) min_rate: Option<Text>,
}

/// What a route's paths may contain that others may not.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Paths {
    /// `%2f`. Default: refuse.
    pub(in crate::config) encoded_slash: Option<Spanned<KeepOrRefuse>>,
    /// `;`. Default: refuse.
    pub(in crate::config) semicolon: Option<Spanned<KeepOrRefuse>>,
}

/// Let something pass, or answer 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum KeepOrRefuse {
    /// Match and send that very form.
    Keep,
    /// Answer 400.
    Refuse,
}

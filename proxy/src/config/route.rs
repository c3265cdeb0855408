//! `routes:`: which request goes where.

use super::ServiceId;
use super::cors::Cors;
use super::limit::Spend;
use super::listener::Role;
use crate::admission::allow::Allow;
use http::{HeaderName, HeaderValue, Method};
use ipnet::IpNet;
use std::sync::Arc;
use std::time::Duration;

/// One route, `defaults:` folded in.
#[derive(Debug, Clone)]
pub struct Route {
    /// Name: the label in metrics and logs.
    pub name: Arc<str>,
    /// Which listeners it belongs to.
    pub entrance: Role,
    /// Line of the route in the file, 1-based, for messages.
    pub line: usize,
    /// Which methods it takes.
    pub methods: Methods,
    /// Hosts it takes, lower case; empty = any.
    pub hosts: Vec<HostPattern>,
    /// The path it takes.
    pub path: PathPattern,
    /// Further conditions; all must hold.
    pub when: Vec<Predicate>,
    /// Addresses that may use it.
    pub ip: AddressRules,
    /// How clients say who they are.
    pub auth: Auth,
    /// What must hold for an authenticated caller; `None` = nothing more.
    pub allow: Option<Arc<Allow>>,
    /// Whether `Authorization` goes on to the service. Default: only when nobody reads it here.
    pub passes_authorization: bool,
    /// Limits to ask, in the order of the file.
    pub limits: Vec<Spend>,
    /// What pages of other origins may do; `None` = nothing.
    pub cors: Option<Arc<Cors>>,
    /// Where it goes.
    pub target: Target,
    /// The path to send instead; `None` = as it came.
    pub rewrite: Option<PathTemplate>,
    /// Header edits.
    pub headers: HeaderRules,
    /// Replaces the service's `timeout.request`: `Some(None)` switches it off.
    pub request_timeout: Option<Option<Duration>>,
    /// Replaces the service's `timeout.idle`.
    pub idle_timeout: Option<Duration>,
    /// Replaces the service's `timeout.per_try`.
    pub per_try_timeout: Option<Duration>,
    /// Whether what the service allows to be tried again is. Default: yes.
    pub retries: bool,
    /// Whether clients may leave HTTP for this on it.
    pub upgrade: Option<Upgrade>,
    /// What to answer while the service is left in peace.
    pub on_open: Option<Fallback>,
    /// Only the service itself may answer: nothing instead of it.
    pub critical: bool,
    /// Announced end of life.
    pub deprecated: Option<Deprecation>,
    /// Largest request body in bytes. Default 10 MiB; `None` = unlimited (`body: { max: none }`).
    pub max_body: Option<u64>,
    /// How fast a request body must come at least, in bytes a second; `None` = as `timeouts.body` of the listener says.
    pub min_rate: Option<u64>,
    /// What this route's paths may contain that others may not.
    pub paths: PathRules,
}

impl Route {
    /// A route with nothing special about it: for every method, host and client.
    pub fn plain(name: Arc<str>, line: usize, (entrance, path): (Role, PathPattern), target: Target) -> Self {
        Self {
            name,
            entrance,
            line,
            methods: Methods::Any,
            hosts: Vec::new(),
            path,
            when: Vec::new(),
            ip: AddressRules::default(),
            auth: Auth::PUBLIC,
            allow: None,
            passes_authorization: true,
            limits: Vec::new(),
            cors: None,
            target,
            rewrite: None,
            headers: HeaderRules::default(),
            request_timeout: None,
            idle_timeout: None,
            per_try_timeout: None,
            retries: true,
            upgrade: None,
            on_open: None,
            critical: false,
            deprecated: None,
            max_body: None,
            min_rate: None,
            paths: PathRules::default(),
        }
    }
}

/// Which methods a route takes. `GET` in the file also takes HEAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Methods {
    /// `*`: every method.
    Any,
    /// These and no other.
    These(Vec<Method>),
}

/// A host of a route, lower case, without port and trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This very host.
    Exact(Arc<str>),
    /// `*.x`: one label in front of `x`; holds `x`.
    Wildcard(Arc<str>),
}

/// The path of a route, in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPattern {
    /// `/a/b`: this path.
    Exact(Arc<str>),
    /// `/a/{x}/b` or `/a/*/b`: segment by segment.
    Template(Vec<Segment>),
    /// `/a/**`: `/a` and everything below, by whole segments. Holds `/a`; `/**` holds the empty string.
    Prefix(Arc<str>),
    /// `~REGEX`: the whole path must match (anchored at both ends by us).
    Regex(Arc<str>),
}

/// A segment of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// These very bytes.
    Literal(Arc<str>),
    /// `{name}`: any one non-empty segment, kept under the name; `*` has no name.
    Param(Option<Arc<str>>),
}

/// A path to send: literal text, `{param}` of the match, and `**` = what the prefix left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate(pub Vec<PathPart>);

/// A part of a [`PathTemplate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPart {
    /// Copied.
    Text(Arc<str>),
    /// The segment matched by `{name}`.
    Param(Arc<str>),
    /// What followed the prefix, without its leading slash.
    Rest,
}

/// A condition under `when:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predicate {
    /// A header has this value (any of its values, byte for byte); `*` = is there.
    Header(HeaderName, ValueMatch),
    /// A query parameter has this value (its first occurrence, decoded); `*` = is there.
    Query(Arc<str>, ValueMatch),
}

/// What a predicate asks of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueMatch {
    /// `*`
    Present,
    /// This very value.
    Exact(Arc<str>),
}

/// How clients of a route say who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Entries of `auth:`, by index; any of them will do.
    pub providers: Vec<usize>,
    /// Whether nobody in particular may come too. What is shown must hold even then.
    pub anonymous: bool,
}

impl Auth {
    /// Anybody: written out, never assumed.
    pub const PUBLIC: Self = Self { providers: Vec::new(), anonymous: true };
}

/// What clients may leave HTTP for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// RFC 6455.
    WebSocket,
}

/// What to answer instead of a service whose breaker is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    /// A refusal in our own words: a status of 400 and above, and a code of the route's own (`PAYMENT_UNAVAILABLE`).
    Refuse {
        /// Status.
        status: http::StatusCode,
        /// `code` of the problem document.
        code: Option<Arc<str>>,
    },
    /// Fixed words.
    Body {
        /// Status.
        status: http::StatusCode,
        /// `Content-Type`.
        content_type: HeaderValue,
        /// The body.
        bytes: bytes::Bytes,
    },
    /// Another service.
    Service(ServiceId),
}

/// Addresses that may use a route.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressRules {
    /// Only these; empty = all.
    pub allow: Vec<IpNet>,
    /// None of these, even if allowed.
    pub deny: Vec<IpNet>,
}

/// Where a route goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Services and their weights (0 … 1,000,000; the sum is above 0); one entry for `to:`.
    pub split: Vec<(ServiceId, u32)>,
    /// What keeps a caller on one side of the split.
    pub sticky: Option<Sticky>,
}

/// What keeps a caller on one side of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sticky {
    /// The client's address.
    Ip,
    /// The authenticated user; a request without one is spread at random.
    User,
    /// A header; a request without it is spread at random.
    Header(HeaderName),
    /// A cookie of this name; a request without it is spread at random.
    Cookie(Arc<str>),
}

/// Header edits of a route; `remove` happens before `set`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderRules {
    /// On the way up.
    pub request: HeaderEdits,
    /// On the way down.
    pub response: HeaderEdits,
}

/// Edits of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderEdits {
    /// Written, replacing what stood there. Protected names are refused at load.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Taken out.
    pub remove: Vec<HeaderName>,
}

/// Announced end of life of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deprecation {
    /// `Deprecation` (RFC 9745): `@` and the Unix time.
    pub deprecation: HeaderValue,
    /// `Sunset` (RFC 8594): an HTTP date.
    pub sunset: Option<HeaderValue>,
    /// `Link: <…>; rel="deprecation"`.
    pub link: Option<HeaderValue>,
}

/// What a route's paths may contain that others may not; then that very form is matched and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathRules {
    /// `%2f` stays as it is.
    pub encoded_slash: bool,
    /// `;` stays as it is.
    pub semicolon: bool,
}

//! What keeps trouble of a service small, as written: its health checks, what is tried again, and when it or an
//! endpoint of it is left alone.

use crate::config::leaf::{Size, Time};
use crate::config::tree::{Spanned, Text};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use std::borrow::Cow;

/// `none`, or a rule.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$ValueOrMap")]
#[schemars(rename = "{T}OrNone", untagged)]
pub(in crate::config) enum OrNone<T> {
    /// It is switched off.
    Word(NoneWord),
    /// How it is.
    Rule(T),
}

/// Switches something off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum NoneWord {
    /// It is switched off.
    None,
}

/// What every endpoint is asked besides requests: `path`, `grpc` or `tcp`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [
    { "required": ["path"] },
    { "required": ["grpc"] },
    { "required": ["tcp"] },
]))]
pub(in crate::config) struct Probe {
    /// A path that is asked for with GET; this, `grpc` or `tcp`.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::config) path: Option<Text>,
    /// The host it is asked for by. Default: the name of the service. Of `path`.
    pub(in crate::config) host: Option<Text>,
    /// Good statuses: one, or from one to another, as in `200-399`. Default: 200-299. Of `path`.
    pub(in crate::config) expect: Option<Statuses>,
    /// The service `grpc.health.v1.Health` is asked about; `""` = the server as a whole.
    pub(in crate::config) grpc: Option<Text>,
    /// A connection is enough.
    #[schemars(extend("const" = true))]
    pub(in crate::config) tcp: Option<Spanned<bool>>,
    /// From the end of one check to the beginning of the next. Default: 5s.
    pub(in crate::config) interval: Option<Time>,
    /// How long a check may take. Default: 1s.
    pub(in crate::config) timeout: Option<Time>,
    /// So many good ones in a row bring an endpoint back. Default: 2.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) healthy: Option<Spanned<u32>>,
    /// So many bad ones in a row take it out. Default: 3.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) unhealthy: Option<Spanned<u32>>,
    /// Another port than requests go to.
    #[schemars(range(min = 1, max = 65535))]
    pub(in crate::config) port: Option<Spanned<u32>>,
}

/// A status, or a range of them.
#[derive(Debug, Default, Deserialize)]
pub(in crate::config) struct Statuses(pub(in crate::config) Text);

/// A part of a whole, or a number.
#[derive(Debug, Default, Deserialize)]
pub(in crate::config) struct Failures(pub(in crate::config) Text);

/// The schema of a number, or of a text of this form.
macro_rules! number_or {
    ($name:ident, $min:literal, $pattern:literal) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schemars::json_schema!({
                    "anyOf": [{ "type": "integer", "minimum": $min }, { "type": "string", "pattern": $pattern }]
                })
            }
        }
    };
}

number_or!(Statuses, 100, "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$");
number_or!(Failures, 1, "^[0-9]+ ?%$");

/// What is tried again: requests of which it is known that doing them twice does no harm.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Retry {
    /// Attempts in all. Default: 2.
    #[schemars(range(min = 2, max = 5))]
    pub(in crate::config) attempts: Option<Spanned<u32>>,
    /// The pause before another attempt.
    pub(in crate::config) backoff: Backoff,
    /// Attempts beyond the first are at most so many per cent of requests, and as many as `floor` says. Default: 20%.
    #[schemars(regex(pattern = "^[0-9]+ ?%$"))]
    pub(in crate::config) budget: Option<Text>,
    /// So many attempts beyond the first a second, however few requests there are. Default: 3/s.
    #[schemars(regex(pattern = "^[0-9]+/s$"))]
    pub(in crate::config) floor: Option<Text>,
    /// Statuses of answers that are tried again. Default: 502, 503 and 504.
    #[schemars(inner(range(min = 400, max = 599)))]
    pub(in crate::config) statuses: Option<Spanned<Vec<Spanned<u16>>>>,
    /// A header that makes a request one of those that may be tried again, whatever its method is. Default: none.
    pub(in crate::config) idempotency_key: Option<Text>,
    /// How much of a body is kept for another attempt; a longer one is sent once. Default: 64KiB.
    pub(in crate::config) body: Option<Size>,
    /// A second attempt beside the first when that has not been answered by then. For routes of which it is known that
    /// doing a request twice does no harm; it counts against the budget. Default: never.
    pub(in crate::config) hedge: Option<Time>,
}

/// The pause before another attempt: any time up to `base`, up to twice that before the next, and so on up to `max`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Backoff {
    /// Longest first pause. Default: 25ms.
    pub(in crate::config) base: Option<Time>,
    /// Longest pause. Default: 250ms.
    pub(in crate::config) max: Option<Time>,
}

/// Most exchanges at once, in the process.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Bulkhead {
    /// How many at once. Default: 1024.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) concurrent: Option<Spanned<u32>>,
    /// How many may wait for a place; 0 = none. Default: 128.
    #[schemars(range(max = 100_000))]
    pub(in crate::config) queue: Option<Spanned<u32>>,
    /// How long each may wait, at most 60s. Default: 1s.
    pub(in crate::config) wait: Option<Time>,
    /// Let fewer in than `concurrent` when answers take longer than they could. Default: false.
    pub(in crate::config) adaptive: Option<Spanned<bool>>,
}

/// When the service is left in peace.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["failures"]))]
pub(in crate::config) struct Breaker {
    /// What opens it: `50%` of the requests of the window, or `3` in a row.
    pub(in crate::config) failures: Option<Failures>,
    /// What the percentage is taken of: the requests of so long. Default: 10s.
    pub(in crate::config) window: Option<Time>,
    /// With fewer requests in the window the percentage says nothing. Default: 20.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) min_requests: Option<Spanned<u32>>,
    /// How long it stays open. Default: 30s.
    pub(in crate::config) open: Option<Time>,
    /// How many requests are let through then, all of which must succeed. Default: 3.
    #[schemars(range(min = 1, max = 1000))]
    pub(in crate::config) probes: Option<Spanned<u32>>,
}

/// When one endpoint is left out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Outlier {
    /// So many failures in a row. Default: 5.
    #[schemars(range(min = 1, max = 1000))]
    pub(in crate::config) consecutive: Option<Spanned<u32>>,
    /// How long the first time; twice as long each time it happens again. Default: 5s.
    pub(in crate::config) base: Option<Time>,
    /// How long at most. Default: 300s.
    pub(in crate::config) max: Option<Time>,
    /// So many of the endpoints at most, and never the last one. Default: 50%.
    #[schemars(regex(pattern = "^[0-9]+ ?%$"))]
    pub(in crate::config) max_ejected: Option<Text>,
    /// With fewer of the endpoints well, all are used that take connections; `0%` = never. Default: 50%.
    #[schemars(regex(pattern = "^[0-9]+ ?%$"))]
    pub(in crate::config) panic: Option<Text>,
}

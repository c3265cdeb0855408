//! `limits:` and `stores:` as they stand in a file, with the numbers that count: bursts, time zones, how is shared.

use super::{REDACTED, Secrets, file, list, object, strings, time};
use crate::config::limit::{Algorithm, KeyPart, Limit, Queue, Rate, Scope, Sharing, Spend, Window};
use crate::config::store::{OnFailure, Redis, Servers};
use crate::config::units::{Per, show_rate};
use serde_json::{Value, json};

/// One limit.
pub(super) fn limit(limit: &Limit) -> Value {
    let key = match limit.key.as_slice() {
        [one] => part(one),
        several => list(several, part),
    };
    let (default, tiers) = (&limit.rates.default, &limit.rates.tiers);
    let (rate, zone) = match &default.window {
        Window::Every(_) => ("rate", None),
        Window::Day(zone) | Window::Month(zone) => ("quota", Some(&**zone)),
    };
    let own = if tiers.is_empty() { rate } else { "default" };
    let (scope, sharing) = match limit.scope {
        Scope::Instance => ("instance", None),
        Scope::Global(Sharing::Exact) => ("global", Some("exact")),
        Scope::Global(Sharing::Leased) => ("global", Some("leased")),
    };
    let queue = |queue: Queue| json!({ "length": queue.length, "wait": time(queue.wait) });
    object([
        ("key", key),
        ("algorithm", json!(algorithm(limit.algorithm))),
        ("tiers", tiers.iter().map(|(tier, rate)| (tier.to_string(), json!(text_of(rate)))).collect()),
        (own, json!(text_of(default))),
        ("burst", json!(burst(limit))),
        ("timezone", json!(zone)),
        ("scope", json!(scope)),
        ("sharing", json!(sharing)),
        ("queue", limit.queue.map_or(Value::Null, queue)),
    ])
}

/// A rate as it is written: `30/min`.
pub fn text_of(rate: &Rate) -> String {
    let per = match rate.window {
        Window::Every(length) => Per::Length(length),
        Window::Day(_) => Per::Day,
        Window::Month(_) => Per::Month,
    };
    show_rate(rate.amount, per)
}

/// The burst of all rates alike; where each has its own it is as much as the rate says.
fn burst(limit: &Limit) -> Option<u32> {
    let burst = limit.rates.default.burst;
    let alike = limit.rates.tiers.iter().all(|(_, rate)| rate.burst == burst);
    (alike && limit.algorithm == Algorithm::TokenBucket).then_some(burst)
}

fn part(part: &KeyPart) -> Value {
    match part {
        KeyPart::Ip => json!("ip"),
        KeyPart::User => json!("user"),
        KeyPart::Peer => json!("peer"),
        KeyPart::ApiKey => json!("api_key"),
        KeyPart::Route => json!("route"),
        KeyPart::Header(name) => json!({ "header": name.as_str() }),
    }
}

fn algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::TokenBucket => "token-bucket",
        Algorithm::FixedWindow => "fixed-window",
        Algorithm::SlidingWindow => "sliding-window",
    }
}

/// What somebody asks.
pub(super) fn spends(spends: &[Spend], limits: &[Limit]) -> Value {
    let spend = |spend: &Spend| {
        let name = limits.get(spend.limit).map(|limit| &*limit.name);
        if spend.cost == 1 { json!(name) } else { json!({ "limit": name, "cost": spend.cost }) }
    };
    list(spends, spend)
}

/// The store. A password is never printed, only where it comes from; to people who may not know, not even that.
pub(super) fn stores(redis: &Redis, secrets: Secrets) -> Value {
    let hidden = secrets == Secrets::Hidden;
    let elsewhere = redis.sources.url.as_deref().filter(|_| !hidden);
    // A password without a source of its own came with the URL, and so did the user.
    let with_url = elsewhere.is_some() && redis.sources.password.is_none();
    let user = redis.user.as_deref().filter(|_| !with_url);
    let password = match secrets {
        Secrets::Shown => redis.sources.password.as_deref(),
        Secrets::Hidden => redis.password.as_ref().map(|_| REDACTED),
    };
    let (url, sentinel, cluster) = match &redis.servers {
        Servers::Single(server) => (json!(url(server, redis, elsewhere)), Value::Null, Value::Null),
        Servers::Sentinel { sentinels, primary } => {
            (Value::Null, json!({ "addresses": strings(sentinels), "primary": primary }), Value::Null)
        }
        Servers::Cluster(nodes) => (Value::Null, Value::Null, strings(nodes)),
    };
    let on_failure = match redis.on_failure {
        OnFailure::Divide => "divide",
        OnFailure::Allow => "allow",
        OnFailure::Deny => "deny",
    };
    let mut all = object([
        ("url", url),
        ("sentinel", sentinel),
        ("cluster", cluster),
        ("user", json!(user)),
        ("password", json!(password)),
        ("prefix", json!(redis.prefix)),
        ("timeout", json!(time(redis.timeout))),
        ("on_failure", json!(on_failure)),
        ("instances", json!(redis.instances)),
    ]);
    if let (Some(map), Some(tls)) = (all.as_object_mut(), &redis.tls) {
        // Printed even when it is empty: it says that there is TLS.
        map.insert("tls".to_owned(), object([("ca", json!(tls.ca.as_deref().map(file)))]));
    }
    json!({ "redis": all })
}

fn url(server: &str, redis: &Redis, elsewhere: Option<&str>) -> String {
    let scheme = if redis.tls.is_some() { "rediss" } else { "redis" };
    elsewhere.map_or_else(|| format!("{scheme}://{server}/{}", redis.database), str::to_owned)
}

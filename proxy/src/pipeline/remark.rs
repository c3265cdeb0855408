//! What every answer says about how its request came in, ours and those of services alike: how much is left of the
//! limits, and whether a page may read it. Must not know: what the answer is about.

use super::exchange::Exchange;
use crate::admission::cors;
use crate::admission::limit::limiter::Counted;
use crate::admission::limit::report;
use crate::config::Config;
use crate::config::auth::Scheme;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Says that somebody else than the service of the route has answered.
const DEGRADED: HeaderName = HeaderName::from_static("portcullis-degraded");

/// Writes it.
pub fn remark(exchange: &Exchange, headers: &mut HeaderMap) {
    let snapshot = &exchange.snapshot;
    if !exchange.counts.is_empty() {
        snapshot.limiter.report(&exchange.counts, headers);
    }
    if let Some(degraded) = &exchange.degraded {
        headers.insert(DEGRADED, degraded.clone());
    }
    let route = exchange.known.route.and_then(|index| snapshot.route(index));
    // A preflight has been answered whole.
    if let Some(rules) = route.and_then(|route| route.cors.as_ref()).filter(|_| !exchange.known.preflight) {
        cors::decorate(rules, exchange.known.page.as_ref(), headers);
    }
}

/// After how many seconds the limits would admit the same again, at least 1; `None`: they did not refuse.
pub fn retry_after(counts: &[Counted]) -> Option<u64> {
    let refused = counts.iter().filter(|counted| !counted.decision.admitted);
    refused.map(|counted| report::retry_after_secs(&counted.decision)).max()
}

/// The challenges of a route, for `WWW-Authenticate` (RFC 9110 §11.6.1; of tokens RFC 6750 §3).
pub fn challenges(config: &Config, exchange: &Exchange) -> Option<HeaderValue> {
    let route = exchange.known.route.and_then(|index| config.routes.get(index))?;
    let mut challenges: Vec<String> = Vec::new();
    for provider in route.auth.providers.iter().filter_map(|index| config.auth.get(*index)) {
        let challenge = match &provider.scheme {
            Scheme::Jwt(_) | Scheme::Introspect(_) if exchange.known.disbelieved.is_some() => {
                "Bearer error=\"invalid_token\"".to_owned()
            }
            Scheme::Jwt(_) | Scheme::Introspect(_) => "Bearer".to_owned(),
            Scheme::ApiKey(rule) => format!("ApiKey header=\"{}\"", rule.header),
            // A certificate is asked for in the handshake.
            Scheme::Certificate(_) => continue,
        };
        if !challenges.contains(&challenge) {
            challenges.push(challenge);
        }
    }
    HeaderValue::try_from(challenges.join(", ")).ok().filter(|value| !value.is_empty())
}

//! What metrics show of services at a scrape: breakers, bulkheads, endpoints, and how old what we know of them is.
//!
//! Gathered when somebody asks, on the control thread; nothing here is asked on the way of a request.

use crate::clock;
use crate::config::service::Service;
use crate::deployment::Deployment;
use crate::resilience::breaker::State;
use crate::telemetry::metrics::Hub;
use crate::telemetry::names::{self, label};
use crate::upstream::state::{Book, ServiceState};
use portcullis_discovery::Feed;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// One service and what is known of it.
struct Seen<'a> {
    service: &'a Service,
    state: Arc<ServiceState>,
    feed: &'a Feed,
}

/// Gathers them all.
pub(super) fn gather(deployment: &Deployment, book: &Book, hub: &Hub) {
    let now = clock::now();
    let services = deployment.config.services.iter().zip(&deployment.feeds);
    let seen: Vec<_> =
        services.map(|(service, feed)| Seen { state: book.of(&service.name), service, feed }).collect();
    breakers(&seen, hub, now);
    bulkheads(&seen, hub);
    endpoints(&seen, hub, now);
    discovery(&seen, hub, now);
}

fn breakers(seen: &[Seen<'_>], hub: &Hub, now: Instant) {
    let with = seen.iter().filter(|seen| seen.service.breaker.is_some());
    let series = with.map(|seen| {
        let number = match seen.state.breaker.state(now) {
            State::Closed => 0.0,
            State::HalfOpen => 1.0,
            State::Open => 2.0,
        };
        ([(label::SERVICE, &*seen.service.name)], number)
    });
    hub.set_gauge(&names::BREAKER_STATE, series);
}

fn bulkheads(seen: &[Seen<'_>], hub: &Hub) {
    let series = seen.iter().flat_map(|seen| {
        let rule = seen.service.bulkhead.as_ref();
        rule.into_iter().flat_map(|rule| {
            let (inside, waiting) = seen.state.bulkhead.load();
            let limit = seen.state.bulkhead.limit(rule);
            [("inside", inside), ("waiting", waiting), ("limit", limit)].map(|(state, number)| {
                ([(label::SERVICE, &*seen.service.name), (label::STATE, state)], f64::from(number))
            })
        })
    });
    hub.set_gauge(&names::BULKHEAD, series);
}

fn endpoints(seen: &[Seen<'_>], hub: &Hub, now: Instant) {
    let series = seen.iter().flat_map(|seen| {
        let mut counts: BTreeMap<&'static str, u32> = BTreeMap::new();
        let checked = seen.service.health.is_some();
        let words: &[_] = if checked { &["well", "unknown", "ill"] } else { &["unchecked"] };
        for word in words.iter().chain(&["ejected", "refusing"]) {
            counts.insert(*word, 0);
        }
        for endpoint in seen.feed.current().endpoints.as_slice() {
            *counts.entry(seen.state.endpoint(endpoint.address).word(checked, now)).or_default() += 1;
        }
        counts.into_iter().map(|(word, count)| {
            ([(label::SERVICE, &*seen.service.name), (label::STATE, word)], f64::from(count))
        })
    });
    hub.set_gauge(&names::ENDPOINTS, series);
}

fn discovery(seen: &[Seen<'_>], hub: &Hub, now: Instant) {
    let series = seen.iter().filter_map(|seen| {
        let status = seen.feed.status();
        // A list of the configuration is never out of date.
        // Who has never been seen well is out of date since the first failure.
        let stale = status.trouble.as_ref().map(|(since, _)| status.checked.unwrap_or(*since));
        let seconds = stale.map(|since| now.saturating_duration_since(since).as_secs_f64());
        let is_watched = status.checked.is_some() || seconds.is_some();
        is_watched.then(|| ([(label::SERVICE, &*seen.service.name)], seconds.unwrap_or(0.0)))
    });
    hub.set_gauge(&names::DISCOVERY_STALE, series);
}

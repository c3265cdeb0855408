//! `services:` as they stand in a file, with everything that keeps their trouble small.

use super::{file, list, member, none, object, sticky, strings, time};
use crate::config::route::Route;
use crate::config::service::{
    Balance, Breaker, Bulkhead, Dns, DnsName, Endpoint, Health, Outlier, Pool, Probe, Protocol, Retry,
    Service, ServiceId, ServiceTimeout, Source, Trip, UpstreamTls,
};
use crate::config::units::{Per, show_rate, show_size, show_time};
use serde_json::{Value, json};
use std::time::Duration;

/// One service; the routes say what the application of a sidecar calls it by.
pub(super) fn service(service: &Service, routes: &[Route], id: ServiceId) -> Value {
    let (endpoints, dns, srv, path) = match &service.source {
        Source::Listed(endpoints) => (list(endpoints, endpoint), None, None, None),
        Source::File(path) => (Value::Null, None, None, Some(file(path))),
        Source::Dns(Dns { name: DnsName::Host(host, port), .. }) => {
            (Value::Null, Some(format!("{host}:{port}")), None, None)
        }
        Source::Dns(Dns { name: DnsName::Service(name), .. }) => (Value::Null, None, Some(&**name), None),
    };
    let asked = if let Source::Dns(dns) = &service.source { resolve(dns) } else { Value::Null };
    let (balance, hash) = balance(&service.balance);
    // A service of bytes has nothing to say about what is about HTTP.
    let http = service.protocol != Protocol::Tcp;
    let retry = service.retry.as_ref().map_or_else(|| json!(none()), retry);
    object([
        ("endpoints", endpoints),
        ("dns", json!(dns)),
        ("srv", json!(srv)),
        ("file", json!(path)),
        ("resolve", asked),
        ("balance", json!(balance)),
        ("hash", hash),
        ("protocol", json!(service.declared.then(|| member::protocol(service.protocol)))),
        ("tls", service.tls.as_ref().map_or(Value::Null, tls)),
        ("mesh", json!(service.mesh.as_ref().map(portcullis_ca::SpiffeId::as_str))),
        ("identity", if service.plain_identity { json!("headers") } else { Value::Null }),
        ("hosts", member::hosts(routes, id)),
        ("local", json!(service.local.map(|bind| bind.to_string()))),
        ("timeout", timeout(&service.timeout)),
        ("pool", pool(&service.pool)),
        ("health", service.health.as_ref().map_or(Value::Null, health)),
        ("retry", if http { retry } else { Value::Null }),
        ("bulkhead", bulkhead(service.bulkhead.as_ref())),
        ("breaker", service.breaker.as_ref().map_or(Value::Null, breaker)),
        ("outlier", service.outlier.as_ref().map_or_else(|| json!(none()), outlier)),
        ("slow_start", json!(service.slow_start.map(show_time))),
    ])
}

fn endpoint(one: &Endpoint) -> Value {
    object([
        ("address", json!(one.address.to_string())),
        ("weight", json!(one.weight)),
        ("zone", json!(one.zone.as_deref())),
    ])
}

fn resolve(dns: &Dns) -> Value {
    object([
        ("servers", strings(&dns.servers)),
        ("min_ttl", json!(time(dns.ttl.0))),
        ("max_ttl", json!(time(dns.ttl.1))),
        ("stale", json!(time(dns.stale))),
        ("allow", if dns.allow_local { json!(["local"]) } else { Value::Null }),
    ])
}

fn balance(balance: &Balance) -> (&'static str, Value) {
    match balance {
        Balance::LeastRequest => ("least-request", Value::Null),
        Balance::RoundRobin => ("round-robin", Value::Null),
        Balance::PeakEwma => ("peak-ewma", Value::Null),
        Balance::Hash(by) => ("hash", sticky(by)),
    }
}

fn tls(tls: &UpstreamTls) -> Value {
    json!({ "name": tls.name, "ca": file(&tls.ca) })
}

/// Times of a service, and of the workload.
pub(super) fn timeout(timeout: &ServiceTimeout) -> Value {
    object([
        ("connect", json!(time(timeout.connect))),
        ("request", json!(timeout.request.map_or_else(none, show_time))),
        ("per_try", json!(timeout.per_try.map(show_time))),
        ("idle", json!(time(timeout.idle))),
    ])
}

fn pool(pool: &Pool) -> Value {
    json!({ "idle": time(pool.idle), "max_idle": pool.max_idle })
}

fn health(health: &Health) -> Value {
    let (path, host, expect, grpc, tcp) = match &health.probe {
        Probe::Http { path, host, expect } => (Some(path), host.as_deref(), Some(expect), None, None),
        Probe::Grpc(service) => (None, None, None, Some(&**service), None),
        Probe::Tcp => (None, None, None, None, Some(true)),
    };
    object([
        ("path", json!(path.map(|path| &**path))),
        ("host", json!(host)),
        ("expect", json!(expect.map(|(first, last)| format!("{first}-{last}")))),
        ("grpc", json!(grpc)),
        ("tcp", json!(tcp)),
        ("interval", json!(time(health.interval))),
        ("timeout", json!(time(health.timeout))),
        ("healthy", json!(health.healthy)),
        ("unhealthy", json!(health.unhealthy)),
        ("port", json!(health.port)),
    ])
}

fn retry(retry: &Retry) -> Value {
    let (base, max) = retry.backoff;
    let mut all = object([
        ("attempts", json!(retry.attempts)),
        ("backoff", json!({ "base": time(base), "max": time(max) })),
        ("budget", json!(percent(retry.budget))),
        ("floor", json!(show_rate(retry.floor, Per::Length(Duration::from_secs(1))))),
        ("idempotency_key", json!(retry.idempotency_key.as_ref().map(http::HeaderName::as_str))),
        ("body", json!(show_size(retry.body))),
        ("hedge", json!(retry.hedge.map(show_time))),
    ]);
    if let Some(map) = all.as_object_mut() {
        // Printed even when there is none: that is not the default.
        map.insert("statuses".to_owned(), json!(retry.statuses));
    }
    all
}

/// Of services and of the workload.
pub(super) fn bulkhead(bulkhead: Option<&Bulkhead>) -> Value {
    let Some(bulkhead) = bulkhead else { return json!(none()) };
    json!({
        "concurrent": bulkhead.concurrent,
        "queue": bulkhead.queue,
        "wait": time(bulkhead.wait),
        "adaptive": bulkhead.adaptive,
    })
}

fn breaker(breaker: &Breaker) -> Value {
    let (failures, window, min_requests) = match breaker.trip {
        Trip::Ratio { percent, window, min_requests } => {
            (json!(self::percent(percent)), Some(show_time(window)), Some(min_requests))
        }
        Trip::Consecutive(failures) => (json!(failures), None, None),
    };
    object([
        ("failures", failures),
        ("window", json!(window)),
        ("min_requests", json!(min_requests)),
        ("open", json!(time(breaker.open))),
        ("probes", json!(breaker.probes)),
    ])
}

fn outlier(outlier: &Outlier) -> Value {
    json!({
        "consecutive": outlier.consecutive,
        "base": time(outlier.base),
        "max": time(outlier.max),
        "max_ejected": percent(outlier.max_ejected),
        "panic": percent(outlier.panic),
    })
}

fn percent(percent: u32) -> String {
    format!("{percent}%")
}

//! What `explain` says of the service a request would go to: how one of its endpoints is chosen, how long it may take,
//! what is tried again, and what happens when it is in trouble.

use crate::config::Config;
use crate::config::route::{Fallback, Route, Sticky, Upgrade};
use crate::config::service::{
    Balance, Breaker, Bulkhead, Health, Outlier, Probe, Protocol, Retry, Service, Trip,
};
use std::fmt::Write;
use std::time::Duration;

/// Tells it; what is off is not mentioned.
pub(super) fn tell(config: &Config, route: &Route, service: &Service, text: &mut String) {
    let mut line = |label: &str, what: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{label:<10} {what}");
    };
    line("service", format!("{} ({})", service.name, service.source));
    line("balance", balance(service));
    line("timeouts", timeouts(route, service));
    if service.protocol != Protocol::Tcp {
        line("retry", retry(service.retry.as_ref().filter(|_| route.retries)));
    }
    let rules = [
        ("bulkhead", service.bulkhead.as_ref().map(bulkhead)),
        ("breaker", service.breaker.as_ref().map(breaker)),
        ("on open", route.on_open.as_ref().map(|open| on_open(open, config))),
        ("outlier", service.outlier.as_ref().map(outlier)),
        ("health", service.health.as_ref().map(health)),
        ("upgrade", route.upgrade.map(|Upgrade::WebSocket| "websocket".to_owned())),
        ("critical", route.critical.then(|| "only the service itself may answer".to_owned())),
    ];
    for (label, what) in rules {
        if let Some(what) = what {
            line(label, what);
        }
    }
}

fn balance(service: &Service) -> String {
    let how = match &service.balance {
        Balance::LeastRequest => "the less busy of two random endpoints".to_owned(),
        Balance::RoundRobin => "endpoints in turn".to_owned(),
        Balance::PeakEwma => "the one of two random endpoints that answers sooner".to_owned(),
        Balance::Hash(by) => format!("the same endpoint for the same {}", by_what(by)),
    };
    let slow = service.slow_start.map(|long| format!("; a new one gets its whole share after {long:?}"));
    how + &slow.unwrap_or_default()
}

fn by_what(by: &Sticky) -> String {
    match by {
        Sticky::Ip => "address".to_owned(),
        Sticky::User => "user".to_owned(),
        Sticky::Header(name) => format!("header `{name}`"),
        Sticky::Cookie(name) => format!("cookie `{name}`"),
    }
}

fn timeouts(route: &Route, service: &Service) -> String {
    let request = route.request_timeout.unwrap_or(service.timeout.request);
    let per_try = route.per_try_timeout.or(service.timeout.per_try);
    let idle = route.idle_timeout.unwrap_or(service.timeout.idle);
    let shown = request.map_or_else(|| "none".to_owned(), |limit| format!("{limit:?}"));
    let per_try = per_try.map(|limit| format!(", per try {limit:?}")).unwrap_or_default();
    format!("connect {:?}, request {shown}{per_try}, idle {idle:?}", service.timeout.connect)
}

fn retry(retry: Option<&Retry>) -> String {
    let Some(retry) = retry else { return "only what was certainly not sent".to_owned() };
    let statuses: Vec<String> = retry.statuses.iter().map(u16::to_string).collect();
    let statuses =
        if statuses.is_empty() { String::new() } else { format!(" and answers {}", statuses.join(", ")) };
    let key = retry.idempotency_key.as_ref();
    let key = key.map(|name| format!(", or any method with `{name}`")).unwrap_or_default();
    let hedge = retry.hedge.map(|after| format!("; one beside it after {after:?}")).unwrap_or_default();
    format!(
        "{} attempts in all: broken connections{statuses}, of idempotent methods{key}; at most {}% of requests and {} a second besides{hedge}",
        retry.attempts, retry.budget, retry.floor
    )
}

fn bulkhead(bulkhead: &Bulkhead) -> String {
    let Bulkhead { concurrent, queue, wait, adaptive } = bulkhead;
    let most = if *adaptive { "at most " } else { "" };
    format!("{most}{concurrent} at once in this process, {queue} waiting for up to {wait:?}")
}

fn breaker(breaker: &Breaker) -> String {
    let when = match breaker.trip {
        Trip::Ratio { percent, window, min_requests } => {
            format!("{percent}% failures in {window:?}, of at least {min_requests} requests")
        }
        Trip::Consecutive(failures) => format!("{failures} failures in a row"),
    };
    format!("opens at {when}, for {:?}; then {} on trial", breaker.open, breaker.probes)
}

fn on_open(fallback: &Fallback, config: &Config) -> String {
    match fallback {
        Fallback::Refuse { status, code } => {
            let code = code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
            format!("{}{code}", status.as_u16())
        }
        Fallback::Body { status, bytes, .. } => {
            format!("{} and {} bytes of the file", status.as_u16(), bytes.len())
        }
        Fallback::Service(id) => {
            config.services.get(id.0).map_or_else(String::new, |service| format!("service {}", service.name))
        }
    }
}

fn outlier(outlier: &Outlier) -> String {
    let (base, max): (Duration, Duration) = (outlier.base, outlier.max);
    format!(
        "an endpoint is left out after {} failures in a row, for {base:?} to {max:?}, at most {}% of them",
        outlier.consecutive, outlier.max_ejected
    )
}

fn health(health: &Health) -> String {
    let what = match &health.probe {
        Probe::Http { path, expect: (first, last), .. } => format!("GET {path}, good with {first}-{last}"),
        Probe::Grpc(service) if service.is_empty() => "gRPC health of the server".to_owned(),
        Probe::Grpc(service) => format!("gRPC health of {service}"),
        Probe::Tcp => "a connection".to_owned(),
    };
    format!("{what}, every {:?}", health.interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// What is told of the first route and the service it goes to.
    fn told(services: &str, route: &str) -> String {
        let text = format!(
            "version: 1\nlisteners: [{{ bind: 127.0.0.1:1 }}]\nservices: {{ {services} }}\n\
             routes: [{{ name: r, match: GET /, auth: public, {route} }}]\n"
        );
        let config = crate::config::parse(&text, Path::new("edge.yaml")).unwrap().config;
        let route = &config.routes[0];
        let service = &config.services[route.target.split[0].0.0];
        let mut text = String::new();
        tell(&config, route, service, &mut text);
        text
    }

    #[test]
    fn defaults_are_told_and_what_is_off_is_not() {
        let told = told("a: { endpoints: [\"10.0.0.1:80\", \"10.0.0.2:80\"] }", "to: a");

        let wanted = "\
service    a (10.0.0.1:80, 10.0.0.2:80)
balance    the less busy of two random endpoints
timeouts   connect 1s, request 15s, idle 60s
retry      2 attempts in all: broken connections and answers 502, 503, 504, of idempotent methods; at most 20% of requests and 3 a second besides
bulkhead   1024 at once in this process, 128 waiting for up to 1s
outlier    an endpoint is left out after 5 failures in a row, for 5s to 300s, at most 50% of them
";
        assert_eq!(told, wanted);
    }

    #[test]
    fn what_a_route_says_is_told_in_its_place() {
        let told = told(
            "a: { dns: \"order.internal:80\", balance: hash, hash: { cookie: sid }, slow_start: 10s, \
             timeout: { request: 9s, per_try: 2s }, bulkhead: none, outlier: none, \
             breaker: { failures: 50% }, health: { path: /healthz } }",
            "to: a, timeout: { per_try: 1s }, retry: none, upgrade: websocket, critical: true, \
             on_open: { status: 503, code: RESTING }",
        );

        let wanted = "\
service    a (dns order.internal:80)
balance    the same endpoint for the same cookie `sid`; a new one gets its whole share after 10s
timeouts   connect 1s, request 9s, per try 1s, idle 60s
retry      only what was certainly not sent
breaker    opens at 50% failures in 10s, of at least 20 requests, for 30s; then 3 on trial
on open    503 RESTING
health     GET /healthz, good with 200-299, every 5s
upgrade    websocket
critical   only the service itself may answer
";
        assert_eq!(told, wanted);
    }
}

//! What the admin listener shows of the running process.

use super::Control;
use crate::admin::{AdminContext, BreakerRow, ClusterRow, ListenerRow, LogLevel, RouteRow, Scrape};
use crate::clock;
use crate::config::route::{HostPattern, Methods, Route};
use crate::config::service::{Balance, Protocol, Service};
use crate::config::{Config, effective};
use crate::deployment::{Deployment, ListenerPlan};
use crate::resilience::breaker::Forced;
use crate::route;
use crate::upstream::state::ServiceState;
use portcullis_discovery::Endpoint;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Everything the admin listener may know and do.
pub fn admin(control: &Rc<Control>, log_level: LogLevel) -> Rc<AdminContext> {
    let shown = |view: fn(&Control, &Deployment) -> serde_json::Value| -> Box<dyn Fn() -> serde_json::Value> {
        let control = Rc::clone(control);
        Box::new(move || view(&control, &control.deployed()))
    };
    let (routes, clusters, listeners) = (Rc::clone(control), Rc::clone(control), Rc::clone(control));
    let (breakers, orders) = (Rc::clone(control), Rc::clone(control));
    let (reload, drain) = (Rc::clone(control), Rc::clone(control));
    let token = control.deployed().config.admin.as_ref().and_then(|admin| admin.token.clone());
    Rc::new(AdminContext {
        lifecycle: Arc::clone(&control.lifecycle),
        metrics: scrape(control),
        token,
        server_info: shown(server_info),
        config_dump: shown(|_, deployment| effective::to_redacted_json(&deployment.config)),
        routes: Box::new(move || {
            let config = &routes.deployed().config;
            config.routes.iter().map(|route| route_row(config, route)).collect()
        }),
        clusters: Box::new(move || cluster_rows(&clusters, &clusters.deployed())),
        breakers: Box::new(move || breaker_rows(&breakers, &breakers.deployed().config)),
        set_breaker: Box::new(move |service, forced| set_breaker(&orders, service, forced)),
        listeners: Box::new(move || {
            let deployment = listeners.deployed();
            deployment.listeners.iter().map(|plan| listener_row(&listeners, plan)).collect()
        }),
        log_level,
        reload: Box::new(move || {
            let control = Rc::clone(&reload);
            Box::pin(async move { control.reload_for_admin() })
        }),
        drain: Box::new(move || drain.drain_asked.notify_one()),
    })
}

/// `/metrics`.
pub fn scrape(control: &Rc<Control>) -> Scrape {
    let control = Rc::clone(control);
    Rc::new(move |format| control.metrics(format))
}

fn server_info(control: &Control, deployment: &Deployment) -> serde_json::Value {
    serde_json::json!({
        "name": "portcullis",
        "version": env!("CARGO_PKG_VERSION"),
        "mode": if deployment.config.sidecar.is_some() { "sidecar" } else { "edge" },
        "state": control.lifecycle.state().word(),
        "workers": deployment.config.workers,
        "pid": std::process::id(),
        "config": control.path.display().to_string(),
    })
}

fn route_row(config: &Config, route: &Route) -> RouteRow {
    let split = &route.target.split;
    let total: u64 = split.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let services = split.iter().filter_map(|(id, weight)| {
        let name = config.services.get(id.0)?.name.as_ref();
        let share = (split.len() > 1).then(|| format!(" {}%", u64::from(*weight) * 100 / total.max(1)));
        Some(format!("{name}{}", share.unwrap_or_default()))
    });
    RouteRow {
        name: route.name.to_string(),
        methods: match &route.methods {
            Methods::Any => Vec::new(),
            Methods::These(list) => list.iter().map(ToString::to_string).collect(),
        },
        hosts: route.hosts.iter().map(|host: &HostPattern| route::host::text_of(host)).collect(),
        path: route::path::text_of(&route.path),
        services: services.collect(),
        deprecated: route.deprecated.is_some(),
    }
}

/// The endpoints of all services, as the process sees them now.
fn cluster_rows(control: &Control, deployment: &Deployment) -> Vec<ClusterRow> {
    let now = clock::now();
    let services = deployment.config.services.iter().zip(&deployment.feeds);
    let rows = services.flat_map(|(service, feed)| {
        let (state, status) = (control.shared.book.of(&service.name), feed.status());
        let snapshot = feed.current();
        let since: HashMap<_, _> = status.since.iter().copied().collect();
        let nobody = ClusterRow {
            service: service.name.to_string(),
            balance: balance_word(&service.balance).to_owned(),
            protocol: protocol_word(service.protocol).to_owned(),
            tls: service.tls.is_some() || service.mesh.is_some(),
            source: status.source.to_string(),
            trouble: status.trouble.map_or_else(|| panic_words(&state), |(_, why)| why.to_string()),
            ..ClusterRow::default()
        };
        let row = |endpoint: &Endpoint| {
            let stats = state.endpoint(endpoint.address);
            let known = since.get(&endpoint.address);
            ClusterRow {
                endpoint: endpoint.address.to_string(),
                weight: endpoint.weight,
                standing: stats.word(service.health.is_some(), now),
                reason: stats.reason().as_deref().unwrap_or_default().to_owned(),
                zone: endpoint.zone.as_deref().unwrap_or_default().to_owned(),
                priority: endpoint.priority,
                active: stats.active.load(Ordering::Relaxed),
                attempts: stats.attempts.load(Ordering::Relaxed),
                failures: stats.failures.load(Ordering::Relaxed),
                known_seconds: known.map(|since| now.saturating_duration_since(*since).as_secs()),
                ..nobody.clone()
            }
        };
        let rows: Vec<_> = snapshot.endpoints.as_slice().iter().map(row).collect();
        // A service that has nobody is what one looks for here.
        if rows.is_empty() { vec![of_nobody(nobody, status.checked.is_some())] } else { rows }
    });
    rows.collect()
}

fn panic_words(state: &ServiceState) -> String {
    let words = if state.panics.load(Ordering::Relaxed) { "too few are well: all are used" } else { "" };
    words.to_owned()
}

/// Of a service that has no endpoint; `checked`: who knows has been asked.
fn of_nobody(mut row: ClusterRow, checked: bool) -> ClusterRow {
    row.standing = "nobody";
    if row.trouble.is_empty() && checked {
        row.trouble = "it was said that there are none".to_owned();
    }
    row
}

fn breaker_rows(control: &Control, config: &Config) -> Vec<BreakerRow> {
    let now = clock::now();
    let with = config.services.iter().filter(|service| service.breaker.is_some());
    let row = |service: &Service| {
        let breaker = &control.shared.book.of(&service.name).breaker;
        let set = match breaker.forced() {
            Some(Forced::Open) => "open",
            Some(Forced::Closed) => "closed",
            None => "auto",
        };
        let (requests, failures) = breaker.failures(now);
        BreakerRow {
            service: service.name.to_string(),
            state: breaker.state(now).word(),
            set,
            requests,
            failures,
            // Rounded up: whoever comes then is let through.
            rests_seconds: breaker.rests(now).map(|rests| rests.as_secs_f64().ceil() as u64),
        }
    };
    with.map(row).collect()
}

/// Orders the breaker of a service; `false`: it has none.
fn set_breaker(control: &Control, service: &str, forced: Option<Forced>) -> bool {
    let deployment = control.deployed();
    let mut services = deployment.config.services.iter();
    let Some(found) = services.find(|one| &*one.name == service && one.breaker.is_some()) else {
        return false;
    };
    control.shared.book.of(&found.name).breaker.force(forced);
    true
}

const fn balance_word(balance: &Balance) -> &'static str {
    match balance {
        Balance::RoundRobin => "round-robin",
        Balance::LeastRequest => "least-request",
        Balance::PeakEwma => "peak-ewma",
        Balance::Hash(_) => "hash",
    }
}

const fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::H1 => "http/1.1",
        Protocol::H2 => "h2",
        Protocol::Tcp => "tcp",
    }
}

fn listener_row(control: &Control, plan: &ListenerPlan) -> ListenerRow {
    let listener = &plan.listener;
    let protocols = [(listener.h2, "h2"), (listener.h1, "http/1.1")];
    let notes = [
        listener.redirect_https.map(|port| format!("redirect https:{port}")),
        listener.proxy_protocol.then(|| "proxy protocol".to_owned()),
    ];
    let certificates = listener.tls.iter().flat_map(|tls| &tls.certificates);
    ListenerRow {
        address: control.address(plan.key).unwrap_or(listener.bind).to_string(),
        tls: plan.tls.is_some(),
        protocols: protocols.iter().filter(|(on, _)| *on).map(|(_, name)| (*name).to_owned()).collect(),
        certificates: certificates.map(|pair| pair.cert.display().to_string()).collect(),
        notes: notes.into_iter().flatten().collect(),
    }
}

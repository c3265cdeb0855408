//! Active health checks: every endpoint of a service is asked now and then, whether or not there are requests for it.
//!
//! One task for a service, on the control thread; it follows the service's endpoints, asks those that are due, so many at
//! once, and tells the process what they count as. A check has a connection of its own, so that it sees what a new
//! request would. Must not know: who uses what it finds.

mod probe;
mod verdict;

use super::state::ServiceState;
use crate::clock;
use crate::config::service::{Health, Service};
use crate::mesh::{Membership, Seat};
use crate::tls::client::ClientTls;
use portcullis_discovery::Feed;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use verdict::Record;

/// Checks of one service at once.
const AT_ONCE: usize = 32;
/// First checks are spread over this long, at most.
const SPREAD: Duration = Duration::from_secs(1);

/// What is checked, and how it is reached.
#[derive(Debug)]
pub struct Subject {
    /// The service.
    pub service: Service,
    /// TLS towards it.
    pub tls: Option<ClientTls>,
    /// Its endpoints.
    pub feed: Feed,
    /// Where what is found is kept.
    pub state: Arc<ServiceState>,
    /// Who we are in the mesh.
    pub membership: watch::Receiver<Option<Arc<Membership>>>,
}

/// One endpoint and its checks.
#[derive(Debug)]
struct Watched {
    due: Instant,
    busy: bool,
    record: Record,
}

/// Checks until it is dropped.
pub async fn keep(subject: Subject, rule: Health) {
    let subject = std::rc::Rc::new(subject);
    let mut watched: HashMap<SocketAddr, Watched> = HashMap::new();
    let mut checks: JoinSet<(SocketAddr, Result<(), String>)> = JoinSet::new();
    loop {
        let now = clock::now();
        follow(&subject, &rule, &mut watched, now);
        let due = watched.iter_mut().filter(|(_, one)| !one.busy && one.due <= now);
        for (address, one) in due.take(AT_ONCE.saturating_sub(checks.len())) {
            one.busy = true;
            let (subject, rule, address) = (std::rc::Rc::clone(&subject), rule.clone(), *address);
            checks.spawn_local(async move { (address, check(&subject, &rule, address).await) });
        }
        let next = watched.values().filter(|one| !one.busy).map(|one| one.due).min();
        let full = checks.len() >= AT_ONCE;
        let pause = next.map_or(SPREAD, |next| next.saturating_duration_since(now)).min(SPREAD);
        tokio::select! {
            Some(Ok((address, result))) = checks.join_next() => ended(&subject, &rule, &mut watched, (address, result)),
            () = tokio::time::sleep(pause.max(Duration::from_millis(10))), if !full => {}
        }
    }
}

/// New endpoints are due soon, spread; those that are gone are forgotten.
fn follow(subject: &Subject, rule: &Health, watched: &mut HashMap<SocketAddr, Watched>, now: Instant) {
    let snapshot = subject.feed.current();
    let listed = snapshot.endpoints.as_slice();
    if watched.len() > listed.len() || listed.iter().any(|one| !watched.contains_key(&one.address)) {
        watched.retain(|address, _| listed.iter().any(|one| one.address == *address));
    }
    for endpoint in listed {
        watched.entry(endpoint.address).or_insert_with(|| Watched {
            due: now
                + rule.interval.min(SPREAD).mul_f64(if listed.len() > 1 { fastrand::f64() } else { 0.0 }),
            busy: false,
            record: Record::default(),
        });
    }
}

async fn check(subject: &Subject, rule: &Health, address: SocketAddr) -> Result<(), String> {
    let address = SocketAddr::new(address.ip(), rule.port.unwrap_or(address.port()));
    let seat = Seat::default();
    seat.take(subject.membership.borrow().clone());
    let asked = probe::ask(&rule.probe, address, (&subject.service, subject.tls.as_ref(), &seat));
    match tokio::time::timeout(rule.timeout, asked).await {
        Ok(answered) => answered,
        Err(_elapsed) => Err("no answer in time".to_owned()),
    }
}

fn ended(
    subject: &Subject,
    rule: &Health,
    watched: &mut HashMap<SocketAddr, Watched>,
    (address, result): (SocketAddr, Result<(), String>),
) {
    let Some(one) = watched.get_mut(&address) else { return };
    one.busy = false;
    one.due = clock::now() + rule.interval.mul_f64(0.9 + 0.2 * fastrand::f64());
    let health = one.record.note(rule, result.is_ok());
    if !subject.state.checked(&subject.state.endpoint(address), health) {
        return;
    }
    let service = &subject.service.name;
    match result {
        Ok(()) => tracing::info!(event = "endpoint_well", %service, %address, "the check is good"),
        Err(reason) => tracing::warn!(event = "endpoint_ill", %service, %address, reason, "the checks fail"),
    }
}

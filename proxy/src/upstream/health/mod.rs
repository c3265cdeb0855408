//! Active health checks: every endpoint of a service is asked now and then, whether or not there are requests for it.
//!
//! One task for a service, on the control thread; it follows the service's endpoints, asks those that are due, so many at
//! once, and tells the process what they count as. A check has a connection of its own, so that it sees what a new
//! request would, and is over after `timeout` whatever the endpoint does. That the process itself could not ask (no file
//! descriptor, not in the mesh yet) changes nothing. When the task is dropped, so are its checks.
//!
//! What was found lives as long as the question: a reload that asks the same keeps it, one that asks something else
//! begins with unknown. An endpoint that leaves the list and comes back is a new one. Must not know: who uses what it
//! finds.

mod grpc;
mod probe;
mod roster;
mod verdict;

use super::state::{EndpointStats, ServiceState};
use crate::balance;
use crate::clock;
use crate::config::service::{Health, Service};
use crate::mesh::{Membership, Seat};
use crate::runtime::catch_panic;
use crate::tls::client::ClientTls;
use portcullis_discovery::Feed;
use probe::Fault;
use roster::{Roster, Ticket};
use std::collections::HashSet;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use verdict::Record;

/// Checks of one service at once.
const AT_ONCE: usize = 32;
/// First checks are spread over this long, at most. Also the pause after a check that we could not make.
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
    record: Record,
    /// Held, so that nobody forgets what was found while it is listed.
    stats: Arc<EndpointStats>,
}

/// How a check ended.
type Ended = ((SocketAddr, Ticket), Result<(), Fault>);

/// The checks of one service.
struct Checks {
    subject: Rc<Subject>,
    rule: Rc<Health>,
    /// Who we are now: taken over while checks are on their way, so that they judge as requests do.
    seat: Rc<Seat>,
    roster: Roster<Watched>,
    running: JoinSet<Ended>,
}

/// Checks until it is dropped.
pub async fn keep(subject: Subject, rule: Health) {
    let (mut feed, mut membership) = (Some(subject.feed.clone()), Some(subject.membership.clone()));
    let mut checks = Checks {
        subject: Rc::new(subject),
        rule: Rc::new(rule),
        seat: Rc::default(),
        roster: Roster::default(),
        running: JoinSet::new(),
    };
    checks.follow();
    checks.sit();
    loop {
        checks.begin(clock::now());
        let next = checks.roster.next().filter(|_| checks.running.len() < AT_ONCE);
        tokio::select! {
            Some(ended) = checks.running.join_next() => if let Ok(ended) = ended { checks.ended(ended) },
            () = until(next) => {}
            goes_on = changed(&mut feed) => {
                checks.follow();
                feed = feed.filter(|_| goes_on);
            }
            goes_on = joined(&mut membership) => {
                checks.sit();
                membership = membership.filter(|_| goes_on);
            }
        }
    }
}

/// Forgets what was found of all endpoints but those that `but` lists.
pub fn forget(state: &ServiceState, but: Option<&Feed>) {
    let listed = but.map(Feed::current);
    let stay: HashSet<SocketAddr> =
        listed.iter().flat_map(|it| it.endpoints.as_slice()).map(|endpoint| endpoint.address).collect();
    for (_, stats) in state.endpoints().iter().filter(|(address, _)| !stay.contains(address)) {
        state.checked(stats, balance::Health::Unknown, None);
    }
}

/// Waits until then; `None` = for ever.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}

/// Waits for another list; `false`: this was the last.
async fn changed(feed: &mut Option<Feed>) -> bool {
    match feed {
        Some(feed) => feed.changed().await.is_some(),
        None => pending().await,
    }
}

/// Waits until we are somebody else in the mesh; `false`: this was the last time.
async fn joined(membership: &mut Option<watch::Receiver<Option<Arc<Membership>>>>) -> bool {
    match membership {
        Some(membership) => membership.changed().await.is_ok(),
        None => pending().await,
    }
}

impl Checks {
    fn sit(&self) {
        self.seat.take(self.subject.membership.borrow().clone());
    }

    /// New endpoints are due soon, spread; those that are gone are forgotten.
    fn follow(&mut self) {
        let (state, now) = (&self.subject.state, clock::now());
        let snapshot = self.subject.feed.current();
        let listed = snapshot.endpoints.as_slice();
        let spread = if listed.len() > 1 { self.rule.interval.min(SPREAD) } else { Duration::ZERO };
        let gone = self.roster.follow(listed.iter().map(|endpoint| endpoint.address), |address| {
            let stats = state.endpoint(address);
            let record = Record::of(stats.health());
            (now + spread.mul_f64(fastrand::f64()), Watched { record, stats })
        });
        for one in gone {
            state.checked(&one.stats, balance::Health::Unknown, None);
        }
    }

    /// Begins the checks that are due.
    fn begin(&mut self, now: Instant) {
        while self.running.len() < AT_ONCE
            && let Some(one) = self.roster.take(now)
        {
            let (subject, rule) = (Rc::clone(&self.subject), Rc::clone(&self.rule));
            let seat = Rc::clone(&self.seat);
            self.running.spawn_local(async move {
                let found = catch_panic(pin!(check(&subject, &rule, (one.0, &seat)))).await;
                (one, found.unwrap_or_else(|_| Err(Fault::Ours("the check broke: a bug of ours".to_owned()))))
            });
        }
    }

    fn ended(&mut self, (one, found): Ended) {
        let (rule, state, now) = (&self.rule, &self.subject.state, clock::now());
        let asked = !matches!(found, Err(Fault::Ours(_)));
        let pause = if asked { rule.interval } else { rule.interval.min(SPREAD) };
        let again = now + pause.mul_f64(0.9 + 0.2 * fastrand::f64());
        let Some(Watched { record, stats }) = self.roster.ended(one, again) else { return };
        let (service, address) = (&self.subject.service.name, one.0);
        match found {
            Ok(()) => {
                if rule.port.is_none() {
                    state.takes_connections(stats);
                }
                if state.checked(stats, record.note(rule, true), None) {
                    tracing::info!(event = "endpoint_well", %service, %address, "the check is good");
                }
            }
            Err(Fault::Theirs(reason)) => {
                if state.checked(stats, record.note(rule, false), Some(&reason)) {
                    tracing::warn!(event = "endpoint_ill", %service, %address, reason, "the checks fail");
                }
            }
            Err(Fault::Ours(reason)) => {
                tracing::debug!(%service, %address, reason, "it could not be checked");
                state.checked(stats, stats.health(), Some(&reason));
            }
        }
    }
}

async fn check(subject: &Subject, rule: &Health, (address, seat): (SocketAddr, &Seat)) -> Result<(), Fault> {
    let address = SocketAddr::new(address.ip(), rule.port.unwrap_or(address.port()));
    let asked = probe::ask(rule, address, (&subject.service, subject.tls.as_ref(), seat));
    let elapsed = |_| Err(Fault::Theirs(format!("no answer within {:?}", rule.timeout)));
    tokio::time::timeout(rule.timeout, asked).await.unwrap_or_else(elapsed)
}

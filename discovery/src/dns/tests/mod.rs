//! Looks and waits, against a name server that does what a test says.

use super::{Dns, DnsError, Question, Settings};
use crate::{Endpoint, Observation, Source, SourceError};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::RecordType::{self, AAAA, CNAME};
use hickory_resolver::proto::rr::RecordType::{A, SRV};
use scripted::{Asked, Server, Via, address, alias, code, denial, name, offer, records};
use std::future::Future;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// An hour: nobody waits that long here, so whoever looks does so because it was told to.
const LONG: Duration = Duration::from_secs(3600);

mod hosts;
pub(super) mod scripted;
mod services;

fn settings(server: &Server, question: Question) -> Settings {
    let ttl = (LONG, LONG);
    Settings { servers: vec![server.address], ttl, timeout: LONG, attempts: 1, ..Settings::new(question) }
}

fn host(server: &Server) -> Dns {
    Dns::new(settings(server, Question::Host("order.test".into(), 80))).unwrap()
}

fn service(server: &Server) -> Dns {
    Dns::new(settings(server, Question::Service("_http._tcp.order.test".into()))).unwrap()
}

/// Begins to wait for the next look, and looks at once instead.
async fn look(dns: &mut Dns) -> Observation {
    if dns.due.is_some() {
        let mut waiting = Box::pin(dns.look());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let looked = tokio::time::timeout(Duration::from_secs(20), dns.look()).await;
    looked.expect("the name server of the test says everything at once")
}

fn found(observation: Observation) -> Vec<Endpoint> {
    match observation {
        Observation::Found(endpoints) => endpoints.as_slice().to_vec(),
        other => panic!("{other:?}"),
    }
}

fn addresses(observation: Observation) -> Vec<String> {
    found(observation).iter().map(|endpoint| endpoint.address.to_string()).collect()
}

fn trouble(observation: Observation) -> String {
    match observation {
        Observation::Failed(SourceError(trouble)) => trouble,
        other => panic!("{other:?}"),
    }
}

/// Answers for A; no AAAA, with authority.
fn v4_only(
    v4: impl Fn(&Asked, Message) -> Vec<Message> + Send + Sync + 'static,
) -> impl Fn(&Asked, Message) -> Vec<Message> + Send + Sync + 'static {
    move |asked, answer| match asked.kind {
        A => v4(asked, answer),
        _ => denial(answer, ResponseCode::NoError),
    }
}

#[tokio::test]
async fn after_a_look_nothing_is_asked_until_the_answer_is_too_old() {
    let server =
        Server::start(v4_only(|_, answer| records(answer, [address("order.test", 1, "10.0.0.1")]))).await;
    let mut dns = host(&server);
    look(&mut dns).await;
    let asked = server.asked().len();

    let mut waiting = Box::pin(dns.look());

    for _ in 0..100 {
        assert_eq!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        tokio::task::yield_now().await;
    }
    assert_eq!(server.asked().len(), asked);
    drop(waiting);
    // Whoever stops waiting and calls again looks at once.
    assert_eq!(addresses(dns.look().await), ["10.0.0.1:80"]);
    assert!(server.asked().len() > asked);
}

#[tokio::test]
async fn the_wait_ends_by_itself() {
    let server =
        Server::start(v4_only(|_, answer| records(answer, [address("order.test", 0, "10.0.0.1")]))).await;
    let short = (Duration::from_millis(1), Duration::from_millis(20));
    let question = Question::Host("order.test".into(), 80);
    let mut dns = Dns::new(Settings { ttl: short, ..settings(&server, question) }).unwrap();

    for _ in 0..3 {
        assert_eq!(addresses(dns.look().await), ["10.0.0.1:80"]);
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let server = Server::start(|_, _| vec![]).await;
    let good = || settings(&server, Question::Host("order.test".into(), 80));
    let named = |name: &str| Settings { question: Question::Host(name.into(), 80), ..good() };

    assert!(matches!(Dns::new(named("10.0.0.1")), Err(DnsError::Address(_))));
    assert!(matches!(Dns::new(named("[fd00::1]")), Err(DnsError::Address(_))));
    assert!(matches!(Dns::new(named("")), Err(DnsError::NoName)));
    assert!(matches!(Dns::new(named(".")), Err(DnsError::NoName)));
    assert!(matches!(Dns::new(named("a..b")), Err(DnsError::Name { .. })));
    assert!(matches!(Dns::new(named(&"a".repeat(64))), Err(DnsError::Name { .. })));
    assert!(matches!(Dns::new(Settings { ttl: (LONG, Duration::ZERO), ..good() }), Err(DnsError::Ttl(..))));
    assert!(matches!(Dns::new(Settings { attempts: 0, ..good() }), Err(DnsError::Patience { .. })));
    assert!(matches!(
        Dns::new(Settings { timeout: Duration::ZERO, ..good() }),
        Err(DnsError::Patience { .. })
    ));
}

#[tokio::test]
async fn a_name_is_absolute_with_or_without_its_dot() {
    let server =
        Server::start(v4_only(|_, answer| records(answer, [address("order.test", 60, "10.0.0.1")]))).await;

    for name in ["order.test", "order.test.", "Order.Test"] {
        let mut dns = Dns::new(settings(&server, Question::Host(name.into(), 80))).unwrap();

        assert_eq!(addresses(look(&mut dns).await), ["10.0.0.1:80"]);
    }
    assert!(server.asked().iter().all(|asked| asked.name.eq_ignore_ascii_case("order.test")));
}

//! Who asks too much is told when to come back, and takes nothing from the others.

use super::*;
use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::Code;

/// What came of many calls.
#[derive(Debug, Default)]
struct Counts {
    limited: Cell<u32>,
    others: Cell<u32>,
    renewed: Cell<u32>,
}

fn one_more(count: &Cell<u32>) {
    count.set(count.get() + 1);
}

/// Bootstraps `count` times as fast as it goes, without a token.
async fn flood(client: &Client, count: u32, counts: &Rc<Counts>) {
    let places = Arc::new(Semaphore::new(60));
    let csr = Key::generate().unwrap().request().unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let (mut call, counts) = (client.call.clone(), Rc::clone(counts));
        let request = BootstrapRequest { token: "guess".to_owned(), csr: csr.clone(), ttl: 0 };
        calls.spawn_local(async move {
            let status = call.bootstrap(request).await.unwrap_err();
            drop(place);
            match status.code() {
                Code::ResourceExhausted => {
                    let wait = pushback(&status).expect("when to come back");
                    assert!(wait > Duration::ZERO && wait < Duration::from_secs(2), "{wait:?}");
                    one_more(&counts.limited);
                }
                Code::Unauthenticated => one_more(&counts.others),
                _ => panic!("{status:?}"),
            }
        });
    }
    while let Some(ended) = calls.join_next().await {
        ended.unwrap();
    }
}

#[test]
fn ten_thousand_bootstraps_are_answered_while_every_renewal_succeeds() {
    const FLOOD: u32 = 10_000;
    local(async {
        let ground = Ground::new();
        let members: Vec<_> = (0..8).map(|n| ground.workload(&format!("{ORDER}-{n}"))).collect();
        let server = ground.serve_with(Limits { doubtful_per_second: 1, ..limits() }).await;
        let attacker = server.client(None).await;
        let counts = Rc::new(Counts::default());

        let renewals = async {
            for member in &members {
                let mut client = server.client(Some(member)).await;
                for _ in 0..3 {
                    let key = Key::generate().unwrap();
                    let renewed = timeout(Duration::from_secs(5), client.renew(&key)).await;
                    renewed.expect("in time").expect("renewed");
                    one_more(&counts.renewed);
                }
            }
        };
        tokio::join!(flood(&attacker, FLOOD, &counts), renewals);

        assert_eq!(counts.renewed.get(), 24);
        assert_eq!(counts.limited.get() + counts.others.get(), FLOOD);
        assert!(counts.limited.get() > FLOOD / 2, "{counts:?}");
        // One a second: however slow the machine is, far from half of them.
        assert!((1..FLOOD / 2).contains(&counts.others.get()), "{counts:?}");
        server.stop().await.unwrap().unwrap();
        let audit = std::fs::read_to_string(ground.file("audit.jsonl")).unwrap();
        let lines: Vec<_> = audit.lines().filter(|line| line.contains("requests_limited")).collect();
        assert!(lines.len() <= 2, "one a minute: {lines:?}");
        let told: u32 = lines.iter().map(|line| count_in(line)).sum();
        assert_eq!(told, counts.limited.get());
    });
}

#[test]
fn who_has_no_fresh_token_hinders_nobody_who_has_one_and_writes_little() {
    local(async {
        let ground = Ground::new();
        let (spent, key) = (ground.token(ORDER), Key::generate().unwrap());
        let fresh: Vec<_> = (0..20).map(|_| ground.token(ORDER)).collect();
        let server = ground.serve_with(Limits { doubtful_per_second: 1, ..limits() }).await;
        let mut client = server.client(None).await;
        client.bootstrap(&spent, &key).await.unwrap();
        let thief = Key::generate().unwrap();

        let mut joined = 0;
        for token in &fresh {
            for _ in 0..20 {
                client.bootstrap(&spent, &thief).await.unwrap_err();
            }
            joined += u32::from(client.bootstrap(token, &Key::generate().unwrap()).await.is_ok());
        }

        assert_eq!(joined, 20);
        server.stop().await.unwrap().unwrap();
        let audit = std::fs::read_to_string(ground.file("audit.jsonl")).unwrap();
        assert!(audit.matches("request_refused").count() < 200, "of 400 guesses");
    });
}

fn count_in(line: &str) -> u32 {
    let (_, rest) = line.split_once("\"count\":").unwrap();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn an_instance_renews_three_times_at_once_and_then_waits_with_whatever_certificate() {
    local(async {
        let ground = Ground::new();
        let (member, other) = (ground.workload(ORDER), ground.workload(&format!("{ORDER}-2")));
        let server = ground.serve().await;
        let mut client = server.client(Some(&member)).await;
        let mut newest = None;
        for _ in 0..3 {
            let key = Key::generate().unwrap();
            let issued = client.renew(&key).await.unwrap();
            newest = Some(Workload { key, chain: issued.chain });
        }

        let mut renewed = server.client(newest.as_ref()).await;
        let refused = renewed.renew(&Key::generate().unwrap()).await.unwrap_err();
        let others = server.client(Some(&other)).await.renew(&Key::generate().unwrap()).await;

        assert_eq!(refused.code(), Code::ResourceExhausted);
        let wait = pushback(&refused).unwrap();
        assert!(wait > Duration::from_secs(1) && wait < Duration::from_secs(6), "{wait:?}");
        assert!(others.is_ok());
    });
}

#[test]
fn an_instance_has_only_so_many_connections() {
    local(async {
        let ground = Ground::new();
        let (member, other) = (ground.workload(ORDER), ground.workload(&format!("{ORDER}-2")));
        let server = ground.serve_with(Limits { connections_per_instance: 1, ..limits() }).await;
        let mut first = server.client(Some(&member)).await;
        first.renew(&Key::generate().unwrap()).await.unwrap();

        let second = match server.try_client(Some(&member)).await {
            Ok(mut client) => client.renew(&Key::generate().unwrap()).await.is_ok(),
            Err(_) => false,
        };

        assert!(!second, "it was closed");
        assert!(server.client(Some(&other)).await.renew(&Key::generate().unwrap()).await.is_ok());
        assert!(first.renew(&Key::generate().unwrap()).await.is_ok());
    });
}

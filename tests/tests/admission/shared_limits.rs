//! How often, over several processes that share a Redis.

use portcullis_tests::issuer::Issuer;
use portcullis_tests::redis::RedisServer;
use portcullis_tests::{Client, Config, Edge, Raw, Upstream, wait};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A store for `stores:` that has time enough on a busy machine.
fn store(redis: &RedisServer, more: &str) -> String {
    format!("stores: {{ redis: {{ url: \"{}\", timeout: 1s{more} }} }}", redis.url())
}

/// An edge with one limit on everything.
pub(super) fn edge(upstream: &Upstream, store: &str, limit: &str) -> Edge {
    Edge::with(|c| {
        c.top(store)
            .top(&format!("limits: {{ shared: {{ {limit} }} }}"))
            .service("app", upstream)
            .route_text("app", "match: GET /**, auth: public, to: app, limits: [shared]")
    })
}

/// Asks `count` times over `threads` connections, spread over the edges; how many were let in.
pub(super) fn admitted(edges: &[Edge], threads: usize, count: usize) -> usize {
    let (admitted, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let address: SocketAddr = edges[thread % edges.len()].address();
            let (admitted, asked) = (&admitted, &asked);
            scope.spawn(move || {
                let mut raw = Raw::connect(address);
                while asked.fetch_add(1, Ordering::Relaxed) < count {
                    let answer = Client::get("/x").header("x-who", "alice").send_on(&mut raw);
                    assert!(matches!(answer.status, 200 | 429), "{} {}", answer.status, answer.text());
                    admitted.fetch_add(usize::from(answer.status == 200), Ordering::Relaxed);
                }
            });
        }
    });
    admitted.load(Ordering::Relaxed)
}

#[test]
fn three_instances_let_one_user_in_a_hundred_times_and_whichever_comes_next_refuses() {
    let (upstream, issuer, redis) = (Upstream::replying(200), Issuer::start(), RedisServer::start());
    let config = || {
        Config::new()
            .top(&format!("auth: {{ customer: {{ {} }} }}", issuer.jwt("")))
            .top(&store(&redis, ", on_failure: deny"))
            .top("limits: { user: { key: user, rate: 100/h, scope: global, sharing: exact } }")
            .service("app", &upstream)
            .route_text("app", "match: GET /**, auth: customer, to: app, limits: [user]")
    };
    let edges: Vec<Edge> = (0..3).map(|_| Edge::start(config())).collect();
    let alice = issuer.token(json!({ "sub": "alice" }));

    let statuses: Vec<u16> =
        edges.iter().cycle().take(100).map(|edge| super::with_token(edge, "/x", &alice).status).collect();
    assert_eq!(statuses, [200; 100]);
    for edge in &edges {
        let refused = super::with_token(edge, "/x", &alice);
        assert_eq!(refused.status, 429);
        assert!(refused.header("retry-after").is_some());
    }
    assert_eq!(super::with_token(&edges[0], "/x", &issuer.token(json!({ "sub": "bob" }))).status, 200);
}

#[test]
fn of_a_thousand_at_once_exactly_a_hundred_come_in() {
    let (upstream, redis) = (Upstream::replying(200), RedisServer::start());
    for algorithm in ["token-bucket", "fixed-window", "sliding-window"] {
        redis.command(&["FLUSHALL"]).unwrap();
        let limit = format!(
            "key: {{ header: X-Who }}, algorithm: {algorithm}, rate: 100/700h, scope: global, sharing: exact"
        );
        let edges: Vec<Edge> =
            (0..3).map(|_| edge(&upstream, &store(&redis, ", on_failure: deny"), &limit)).collect();

        assert_eq!(admitted(&edges, 50, 1_000), 100, "{algorithm}");
    }
}

#[test]
fn a_leased_limit_never_lets_more_in_and_wastes_little() {
    let (upstream, redis) = (Upstream::replying(200), RedisServer::start());
    let limit = "key: { header: X-Who }, rate: 1000/h, scope: global, sharing: leased";
    let edges: Vec<Edge> =
        (0..3).map(|_| edge(&upstream, &store(&redis, ", on_failure: deny"), limit)).collect();

    let admitted = admitted(&edges, 12, 3_000);

    assert!(admitted <= 1_000, "{admitted}");
    assert!(admitted >= 850, "{admitted}");
}

#[test]
fn what_another_limit_refuses_is_given_back_to_the_store() {
    let (upstream, redis) = (Upstream::replying(200), RedisServer::start());
    let edge = Edge::with(|c| {
        c.top(&store(&redis, ", on_failure: deny"))
            .top(
                "limits: { all: { key: route, rate: 10/h, scope: global, sharing: exact }, \
                  one: { key: { header: X-Who }, rate: 1/h, scope: global, sharing: exact } }",
            )
            .service("app", &upstream)
            .route_text("app", "match: GET /**, auth: public, to: app, limits: [all, one]")
    });
    let ask = |who: &str| Client::get("/x").header("x-who", who).send(edge.address()).status;

    assert_eq!(ask("a"), 200);
    for _ in 0..20 {
        assert_eq!(ask("a"), 429);
    }
    // What is given back arrives a moment later.
    wait::within(Duration::from_secs(2), || None::<()>);
    let others: Vec<u16> = (0..10).map(|who| ask(&format!("o{who}"))).collect();
    assert_eq!(others, [200, 200, 200, 200, 200, 200, 200, 200, 200, 429]);
}

#[test]
fn nothing_a_client_says_stands_in_the_store() {
    let (upstream, redis) = (Upstream::replying(200), RedisServer::start());
    let edge = edge(
        &upstream,
        &store(&redis, ", on_failure: deny"),
        "key: { header: X-Who }, rate: 100/h, scope: global, sharing: exact",
    );
    for who in ["{tag}alice-secret", "alice\"secret", &"alice-secret".repeat(600)] {
        assert_eq!(Client::get("/x").header("x-who", who).send(edge.address()).status, 200);
    }

    let keys = redis.command(&["KEYS", "*"]).unwrap();
    assert!(!keys.contains("secret") && keys.contains("portcullis:"), "{keys}");
    let ttl = redis.command(&["EVAL", "local t = -1 for _, k in ipairs(redis.call('KEYS', '*')) do t = math.max(t, redis.call('TTL', k) == -1 and 99999999 or 0) end return t", "0"]);
    assert_eq!(ttl.as_deref(), Some(":0\r\n"), "every key ends by itself");
}

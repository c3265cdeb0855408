//! The circuit breaker: opens, lets some through, closes; what is answered instead; what people may order.

use super::{count, together};
use portcullis_tests::{Client, Edge, Raw, Refused, Reply, Upstream, field, wait};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Fails while told to.
fn switched() -> (Upstream, Arc<AtomicBool>) {
    let fails = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&fails);
    let answer = move || if told.load(Ordering::SeqCst) { 500 } else { 200 };
    (Upstream::answering(move |_| Reply::new(answer())), fails)
}

#[test]
fn it_opens_lets_some_through_and_closes_when_they_succeed() {
    let (upstream, fails) = switched();
    let edge = Edge::with(|config| {
        config
            .service_with("api", &[&upstream], "breaker: { failures: 3, open: 1s, probes: 2 }, outlier: none")
            .route("* /**", "api")
    });

    let first: Vec<_> = (0..3).map(|_| edge.get("/").status).collect();
    assert_eq!(first, [500, 500, 500]);
    let refused = edge.get("/");
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("BREAKER_OPEN")));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(upstream.count(), 3, "the service is not left in peace");
    edge.wait_for_message("breaker_open");
    wait::eventually("the gauge", || {
        (edge.metric("portcullis_breaker_state", &[("upstream_cluster", "api")]) == 2.0).then_some(())
    });

    fails.store(false, Ordering::SeqCst);
    wait::eventually("it to close", || (edge.get("/").status == 200).then_some(()));
    let after: Vec<_> = (0..20).map(|_| edge.get("/").status).collect();
    assert!(after.iter().all(|status| *status == 200), "{after:?}");
}

#[test]
fn a_share_of_failures_opens_it_only_when_there_were_enough() {
    let (upstream, _fails) = switched();
    let edge = Edge::with(|config| {
        config
            .service_with(
                "api",
                &[&upstream],
                "breaker: { failures: 50%, window: 60s, min_requests: 20, open: 60s }, outlier: none",
            )
            .route("* /**", "api")
    });

    let early: Vec<_> = (0..19).map(|_| edge.get("/").status).collect();
    assert!(early.iter().all(|status| *status == 500), "{early:?}");

    // With the twentieth there are enough.
    assert_eq!(edge.get("/").status, 500);
    assert_eq!(edge.get("/").status, 503);
}

#[test]
fn refusals_of_ours_and_errors_of_clients_do_not_open_it() {
    let upstream = Upstream::replying(404);
    let edge = Edge::with(|config| {
        config
            .service_with(
                "api",
                &[&upstream],
                "breaker: { failures: 2 }, bulkhead: { concurrent: 64, queue: 0 }",
            )
            .route("* /**", "api")
    });

    let answers: Vec<_> = (0..10).map(|_| edge.get("/").status).collect();

    assert!(answers.iter().all(|status| *status == 404), "{answers:?}");
}

#[test]
fn what_is_answered_instead_is_marked() {
    let (dead, other) = (Refused::new(), Upstream::echo());
    let edge = Edge::with(|config| {
        config
            .service_with("api", &[&dead], "breaker: { failures: 1, open: 60s }")
            .service("other", &other)
            .route_with("plain", "* /plain", "to: api")
            .route_with("code", "* /code", "to: api, on_open: { status: 503, code: PAYMENT_UNAVAILABLE }")
            .route_with(
                "body",
                "* /body",
                "to: api, on_open: { status: 200, body: \"[]\", type: application/json }",
            )
            .route_with("other", "* /other", "to: api, on_open: { to: other }")
    });
    assert_eq!(edge.get("/plain").status, 503);

    let code = edge.get("/code");
    assert_eq!((code.status, code.json()["code"].as_str()), (503, Some("PAYMENT_UNAVAILABLE")));
    assert_eq!(code.header("portcullis-degraded"), None, "a refusal is no answer instead");

    let body = edge.get("/body");
    assert_eq!((body.status, body.text().as_str()), (200, "[]"));
    assert_eq!(body.header("content-type"), Some("application/json"));
    assert_eq!(body.header("portcullis-degraded"), Some("api;reason=circuit-open"));

    let other = Client::post("/other", "hello").send(edge.address());
    assert_eq!((other.status, other.json()["body"].as_str()), (200, Some("hello")));
    assert_eq!(other.header("portcullis-degraded"), Some("api;reason=circuit-open"));
    assert!(edge.metric("portcullis_degraded_total", &[("http_route", "body")]) == 1.0);
    let lines = edge.wait_for_lines(4);
    let line = lines.iter().find(|line| field(line, "http.route") == "other").expect("a line");
    assert_eq!(field(line, "portcullis.service"), "other");
    assert_eq!(field(line, "portcullis.degraded"), "api;reason=circuit-open");
}

#[test]
fn a_refusal_is_no_answer_instead_and_an_order_for_nobody_says_so() {
    let (dead, dead_too) = (Refused::new(), Refused::new());
    let edge = Edge::with(|config| {
        config
            .service_with("api", &[&dead], "breaker: { failures: 1, open: 60s }")
            .service("other", &dead_too)
            .route_with("other", "* /**", "to: api, on_open: { to: other }")
    });
    edge.get("/");
    edge.wait_for_message("breaker_open");

    let answer = edge.get("/");

    assert_eq!((answer.status, answer.header("portcullis-degraded")), (503, None));
    assert_eq!(edge.metric("portcullis_degraded_total", &[]), 0.0);
    assert!(
        edge.wait_for_message("breaker_open").contains("last=\"no connection\""),
        "{:?}",
        edge.messages()
    );
    assert!(edge.admin_post("/breakers?service=other&set=open").text().contains("no service `other` has a"));
}

#[test]
fn people_may_order_it_open_and_closed() {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|config| {
        config.service_with("api", &[&upstream], "breaker: { failures: 1, open: 60s }").route("* /**", "api")
    });

    assert_eq!(edge.admin_post("/breakers?service=api&set=open").status, 200);
    assert_eq!(edge.get("/").status, 503);
    assert!(edge.admin_get("/breakers").text().contains("open"));
    assert_eq!(edge.admin_post("/breakers?service=api&set=auto").status, 200);
    assert_eq!(edge.get("/").status, 200);
    assert_eq!(edge.admin_post("/breakers?service=nobody&set=open").status, 404);
    assert_eq!(edge.admin_post("/breakers?service=api&set=ajar").status, 400);
    upstream.close_connections();
}

#[test]
fn it_stays_open_over_a_reload() {
    let dead = Refused::new();
    let describe = |seconds: u32, dead: &Refused| {
        let keys = format!("breaker: {{ failures: 1, open: {seconds}s }}");
        portcullis_tests::Config::new().service_with("api", &[dead], &keys).route("* /**", "api")
    };
    let edge = Edge::start(describe(60, &dead));
    assert_eq!(edge.get("/").json()["code"], "CONNECT_REFUSED");
    assert_eq!(edge.get("/").json()["code"], "BREAKER_OPEN");

    edge.rewrite(|_| describe(70, &dead));
    edge.wait_for_message("reloaded");

    assert_eq!(edge.get("/").json()["code"], "BREAKER_OPEN");
}

#[test]
fn a_probe_that_leaves_gives_its_place_back() {
    let (upstream, fails) = switched();
    let slow = Upstream::at_head(|_, wire| wire.until_gone());
    let edge = Edge::with(|config| {
        config
            .service_with(
                "api",
                &[&upstream],
                "breaker: { failures: 1, open: 1s, probes: 1 }, outlier: none, retry: none",
            )
            .service_with("slow", &[&slow], "")
            .route("* /api", "api")
            .route("* /slow", "slow")
    });
    assert_eq!(edge.get("/api").status, 500);
    fails.store(false, Ordering::SeqCst);

    // Whoever comes first when it opens leaves without waiting for the answer.
    for _ in 0..20 {
        let mut raw = Raw::connect(edge.address());
        raw.send(Client::get("/api").bytes());
        raw.reset();
    }

    wait::eventually("it to close", || (edge.get("/api").status == 200).then_some(()));
    assert_eq!(count(&together(&edge, "/api", 10), 200), 10);
}

#[test]
fn callers_in_a_hurry_open_nothing_and_eject_nobody() {
    let hangs = || Upstream::at_head(|_, wire| wire.until_gone());
    let (one, other) = (hangs(), hangs());
    let edge = Edge::with(|config| {
        let keys = "breaker: { failures: 3 }, outlier: { consecutive: 2 }, retry: none";
        config.service_with("api", &[&one, &other], keys).route("* /**", "api").route_with(
            "slow",
            "GET /slow",
            "to: api, timeout: { request: 50ms }",
        )
    });
    let hurried = Client::post("/shop.Orders/Get", "")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "30m");

    for _ in 0..12 {
        hurried.send(edge.address());
    }
    assert_eq!(one.count() + other.count(), 12, "the service is left in peace");
    let standing = edge.admin_get("/clusters").text();
    assert!(!standing.contains("ejected"), "{standing}");

    // Whom the service itself keeps waiting for longer than it may takes note of that.
    let slow: Vec<_> = (0..4).map(|_| edge.get("/slow").status).collect();
    assert_eq!(slow, [504, 504, 504, 503]);
}

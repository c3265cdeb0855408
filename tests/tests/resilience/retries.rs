//! Trying again: what may be, where, how often, and what never is.

use super::count;
use portcullis_tests::{
    Addressed, Client, Edge, Fault, FaultProxy, H2Reply, Refused, Reply, Report, Upstream, field,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Fails so often, then answers well.
fn failing(times: usize, status: u16) -> Upstream {
    let left = Arc::new(AtomicUsize::new(times));
    Upstream::answering(move |_| {
        let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails { Reply::new(status).body("sorry") } else { Reply::new(200).body("fine") }
    })
}

#[test]
fn what_is_tried_again_depends_on_method_status_and_key() {
    let mut report = Report::new();
    for (name, request, status, keys, expected) in [
        ("GET on 503", Client::get("/"), 503, "", (200, 2)),
        ("HEAD on 502", Client::new("HEAD", "/"), 502, "", (200, 2)),
        ("PUT on 504", Client::new("PUT", "/").body("x"), 504, "", (200, 2)),
        ("DELETE on 503", Client::new("DELETE", "/"), 503, "", (200, 2)),
        ("POST on 503", Client::post("/", "x"), 503, "", (503, 1)),
        ("PATCH on 503", Client::new("PATCH", "/").body("x"), 503, "", (503, 1)),
        ("GET on 500", Client::get("/"), 500, "", (500, 1)),
        ("GET on 429", Client::get("/"), 429, "", (429, 1)),
        ("GET, no retry", Client::get("/"), 503, "retry: none", (503, 1)),
        ("GET on a status of its own", Client::get("/"), 500, "retry: { statuses: [500] }", (200, 2)),
        (
            "POST with its key",
            Client::post("/", "x").header("Idempotency-Key", "a1"),
            503,
            "retry: { idempotency_key: Idempotency-Key }",
            (200, 2),
        ),
        (
            "POST with a key nobody knows",
            Client::post("/", "x").header("Idempotency-Key", "a1"),
            503,
            "",
            (503, 1),
        ),
    ] {
        report.row(name, "");
        let upstream = failing(1, status);
        let edge = Edge::with(|config| config.service_with("api", &[&upstream], keys).route("* /**", "api"));
        let answer = request.send(edge.address());
        report.check((answer.status, upstream.count()) == expected, || {
            format!("{} after {} attempts, not {expected:?}", answer.status, upstream.count())
        });
    }
    report.end();
}

#[test]
fn the_body_is_sent_again_whole_unless_it_is_too_long() {
    for (length, expected) in [(60_000, (200, 2)), (70_000, (503, 1))] {
        let upstream = failing(1, 503);
        let edge = Edge::with(|config| config.service("api", &upstream).route("* /**", "api"));
        let body: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();

        let answer = Client::new("PUT", "/").body(body.clone()).send(edge.address());

        assert_eq!((answer.status, upstream.count()), expected, "{length} bytes");
        assert!(upstream.requests().iter().all(|request| request.body == body), "{length} bytes");
    }
}

#[test]
fn another_endpoint_is_asked_first() {
    let (bad, good) = (Upstream::replying(503), Upstream::named("good"));
    let edge = Edge::with(|config| {
        config.service_with("api", &[&bad, &good], "outlier: none").route("* /**", "api").workers(1)
    });

    let answers: Vec<_> = (0..50).map(|_| edge.get("/")).collect();

    assert_eq!(count(&answers, 200), 50);
    assert!(bad.count() > 5, "the bad one was not asked at all");
}

#[test]
fn a_service_that_says_when_is_not_asked_earlier() {
    let left = Arc::new(AtomicUsize::new(1));
    let upstream = Upstream::answering(move |_| match left.swap(0, Ordering::SeqCst) {
        0 => Reply::new(200),
        _ => Reply::new(503).header("Retry-After", "120"),
    });
    let edge = Edge::with(|config| config.service("api", &upstream).route("* /**", "api"));

    let answer = edge.get("/");

    assert_eq!((answer.status, upstream.count()), (503, 1));
    assert_eq!(answer.header("retry-after"), Some("120"));
}

#[test]
fn what_nobody_has_seen_is_sent_again_whatever_it_is() {
    // A server that takes no streams, and one that goes away before it looks.
    let first = Arc::new(AtomicUsize::new(0));
    let turn = Arc::clone(&first);
    let refusing = Upstream::h2(move |_| match turn.fetch_add(1, Ordering::SeqCst) {
        0 => H2Reply::new(200).reset_before_head(7),
        _ => H2Reply::new(200).part("fine"),
    });
    let (dead, alive) = (Refused::new(), Upstream::named("alive"));
    let edge = Edge::with(|config| {
        config
            .service_with("h2", &[&refusing], "protocol: h2")
            .service_with("dead", &[&dead as &dyn Addressed, &alive], "balance: round-robin, outlier: none")
            .route("* /h2", "h2")
            .route("* /dead", "dead")
            .workers(1)
    });

    assert_eq!(Client::post("/h2", "").send(edge.address()).text(), "fine");
    let answers: Vec<_> = (0..6).map(|_| Client::post("/dead", "x").send(edge.address())).collect();
    assert_eq!(count(&answers, 200), 6);
    assert_eq!(alive.count(), 6);
}

#[test]
fn an_answer_that_has_begun_is_never_asked_for_again() {
    let upstream = Upstream::answering(|_| Reply::new(200).body("x".repeat(5_000)));
    let spoilt = FaultProxy::before(&upstream);
    spoilt.set(Fault::Reset(1_000));
    let edge = Edge::with(|config| config.service("api", &spoilt).route("* /**", "api"));

    let mut raw = super::send_only(edge.address(), "/");
    let _cut = raw.until_closed();

    assert_eq!(upstream.count(), 1);
    let line = edge.wait_for_lines(1).remove(0);
    assert_eq!(field(&line, "portcullis.attempts"), 1);
}

#[test]
fn a_second_try_beside_a_slow_first_one_answers_sooner() {
    let slow = Upstream::at_head(|_, wire| wire.until_gone());
    let quick = Upstream::named("quick");
    let edge = Edge::with(|config| {
        config
            .service_with(
                "api",
                &[&slow, &quick],
                "balance: round-robin, outlier: none, retry: { hedge: 50ms }",
            )
            .route("* /**", "api")
            .workers(1)
    });

    let answers: Vec<_> = (0..4).map(|_| edge.get("/")).collect();

    assert_eq!(count(&answers, 200), 4);
    assert!(slow.count() >= 1, "the slow one was never asked");
    slow.wait_all_closed();
    let overtaken = format!("{} overtaken", slow.address());
    let lines = edge.wait_for_lines(4);
    assert!(lines.iter().any(|line| field(line, "portcullis.failed") == overtaken.as_str()), "{lines:?}");
}

#[test]
fn one_that_is_always_overtaken_is_soon_asked_less() {
    let slow = Upstream::at_head(|_, wire| wire.until_gone());
    let quick = Upstream::named("quick");
    let edge = Edge::with(|config| {
        let keys = "balance: peak-ewma, outlier: none, retry: { hedge: 50ms, budget: 100%, floor: 100/s }";
        config.service_with("api", &[&slow, &quick], keys).route("* /**", "api").workers(1)
    });

    let answers: Vec<_> = (0..50).map(|_| edge.get("/")).collect();

    assert_eq!(count(&answers, 200), 50);
    // Where nothing is learnt from a lost race it is nearly all of them.
    assert!(slow.count() < 20, "{} of 50 to one that never answers", slow.count());
}

//! How many a service may have at once, over all workers; who waits, and for how long.

use super::{count, send_only, together};
use portcullis_tests::{Client, Edge, Reply, Upstream, field, wait};
use std::time::Duration;

#[test]
fn no_more_than_so_many_are_inside_over_all_workers() {
    let upstream = Upstream::answering(|_| {
        wait::pause(Duration::from_millis(50));
        Reply::new(200)
    });
    let edge = Edge::with(|config| {
        config
            .service_with("api", &[&upstream], "bulkhead: { concurrent: 3, queue: 100, wait: 20s }")
            .route("* /**", "api")
            .workers(2)
    });

    let answers = together(&edge, "/", 40);

    assert_eq!(count(&answers, 200), 40);
    assert!(upstream.busiest() <= 3, "{} at once", upstream.busiest());
}

#[test]
fn the_queue_is_bounded_in_length_and_in_time() {
    let upstream = Upstream::at_head(|_, wire| wire.until_gone());
    let edge = Edge::with(|config| {
        config
            .service_with("api", &[&upstream], "bulkhead: { concurrent: 1, queue: 2, wait: 500ms }")
            .route("* /**", "api")
    });
    let inside = send_only(edge.address(), "/");
    upstream.wait_for_requests(1);

    let answers = together(&edge, "/", 5);

    assert_eq!(count(&answers, 503), 5);
    assert!(answers.iter().all(|answer| answer.header("retry-after") == Some("1")));
    let words: Vec<_> = edge
        .wait_for_lines(5)
        .iter()
        .map(|line| field(line, "error.type").as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(words.iter().filter(|word| *word == "service_full").count(), 3, "{words:?}");
    assert_eq!(words.iter().filter(|word| *word == "service_full_wait").count(), 2, "{words:?}");
    drop(inside);
}

#[test]
fn whoever_waits_is_let_in_when_a_place_is_free_and_whoever_leaves_the_queue_holds_nobody_up() {
    let upstream = Upstream::at_head(|request, wire| {
        if request.target == "/hold" { wire.until_gone() } else { wire.reply(request, &Reply::new(200)) }
    });
    let edge = Edge::with(|config| {
        config
            .service_with("api", &[&upstream], "bulkhead: { concurrent: 1, queue: 10, wait: 30s }")
            .route("* /**", "api")
            .workers(1)
    });
    let waiting = |count: f64| {
        wait::eventually("the queue", || {
            let waiting = edge.metric(
                "portcullis_bulkhead_exchanges",
                &[("upstream_cluster", "api"), ("state", "waiting")],
            );
            (waiting == count).then_some(())
        });
    };
    let inside = send_only(edge.address(), "/hold");
    upstream.wait_for_requests(1);
    let impatient: Vec<_> = (0..3).map(|_| send_only(edge.address(), "/")).collect();
    waiting(3.0);
    let mut patient = send_only(edge.address(), "/");
    waiting(4.0);

    drop(impatient);
    waiting(1.0);
    drop(inside);

    assert_eq!(patient.response("GET").status, 200);
}

#[test]
fn the_time_in_the_queue_counts_against_the_deadline() {
    let upstream = Upstream::at_head(|_, wire| wire.until_gone());
    let edge = Edge::with(|config| {
        config
            .service_with(
                "api",
                &[&upstream],
                "timeout: { request: 400ms }, bulkhead: { concurrent: 1, queue: 10, wait: 30s }, retry: none",
            )
            .route_with("long", "* /long", "to: api, timeout: { request: none, idle: 60s }")
            .route("* /**", "api")
    });
    let _inside = send_only(edge.address(), "/long");
    upstream.wait_for_requests(1);

    let answer = edge.get("/");

    assert_eq!(answer.status, 504);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_slow_service_does_not_slow_its_neighbours() {
    let slow = Upstream::at_head(|_, wire| wire.until_gone());
    let quick = Upstream::named("quick");
    let edge = Edge::with(|config| {
        config
            .service_with("slow", &[&slow], "bulkhead: { concurrent: 8, queue: 8, wait: 5s }")
            .service("quick", &quick)
            .route("* /slow", "slow")
            .route("* /quick", "quick")
            .workers(2)
    });
    let median = |edge: &Edge| {
        let mut spans: Vec<_> = (0..200)
            .map(|_| {
                let begun = wait::now();
                assert_eq!(edge.get("/quick").status, 200);
                begun.elapsed()
            })
            .collect();
        spans.sort();
        spans[100]
    };
    let before = median(&edge);

    let _stuck: Vec<_> = (0..16).map(|_| send_only(edge.address(), "/slow")).collect();
    slow.wait_for_requests(8);

    // Not a measure: a neighbour that waited for the slow one would wait for seconds.
    assert!(median(&edge) < before * 10 + Duration::from_millis(50));
}

#[test]
fn a_limit_that_learns_lets_fewer_in_when_the_service_gets_slow() {
    let upstream = Upstream::answering(|request| {
        let slow = request.target == "/slow";
        wait::pause(Duration::from_millis(if slow { 200 } else { 2 }));
        Reply::new(200)
    });
    let edge = Edge::with(|config| {
        config
            .service_with(
                "api",
                &[&upstream],
                "bulkhead: { concurrent: 64, queue: 200, wait: 20s, adaptive: true }",
            )
            .route("* /**", "api")
    });
    let limit =
        || edge.metric("portcullis_bulkhead_exchanges", &[("upstream_cluster", "api"), ("state", "limit")]);
    (0..10).for_each(|_| drop(together(&edge, "/", 16)));

    for _ in 0..10 {
        assert_eq!(count(&together(&edge, "/slow", 32), 200), 32);
    }

    wait::eventually("the limit to fall", || (limit() < 64.0 && limit() >= 1.0).then_some(()));
    assert_eq!(Client::get("/").send(edge.address()).status, 200);
}

#[test]
fn a_limit_that_learns_hears_of_requests_that_were_never_answered() {
    let upstream = Upstream::answering(|request| {
        let hangs = request.target == "/slow";
        wait::pause(Duration::from_millis(if hangs { 1_000 } else { 2 }));
        Reply::new(200)
    });
    let edge = Edge::with(|config| {
        let keys = "bulkhead: { concurrent: 64, queue: 200, wait: 20s, adaptive: true }, outlier: none";
        let slow = "to: api, timeout: { request: 50ms }";
        config.service_with("api", &[&upstream], keys).route("* /**", "api").route_with(
            "slow",
            "GET /slow",
            slow,
        )
    });
    let limit =
        || edge.metric("portcullis_bulkhead_exchanges", &[("upstream_cluster", "api"), ("state", "limit")]);
    wait::eventually("the limit to rise", || {
        drop(together(&edge, "/", 16));
        (limit() > 6.0).then_some(())
    });
    let before = limit();

    wait::eventually("the limit to fall", || {
        assert_eq!(count(&together(&edge, "/slow", 16), 200), 0);
        (limit() < before).then_some(())
    });
}

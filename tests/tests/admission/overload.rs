//! More than the process can carry.

use portcullis_tests::{Edge, Raw, Upstream, wait};
use std::time::Duration;

#[test]
fn beyond_so_many_at_once_requests_are_refused_at_once_and_afterwards_taken_again() {
    let upstream = Upstream::replying(200);
    let hole = Upstream::scripted(|_, _| wait::pause(Duration::from_secs(10)));
    let edge = Edge::with(|c| {
        c.top("overload: { concurrent: 3 }")
            .service("app", &upstream)
            .service("hole", &hole)
            .route_text("app", "match: GET /x, auth: public, to: app")
            .route_text("hole", "match: GET /hole, auth: public, to: hole, timeout: { request: 30s }")
    });
    let stuck: Vec<Raw> = (0..3)
        .map(|_| {
            let mut raw = Raw::connect(edge.address());
            raw.send("GET /hole HTTP/1.1\r\nhost: a\r\n\r\n");
            raw
        })
        .collect();

    wait::eventually("all places to be taken", || {
        (edge.metric("http_server_active_requests", &[]) == 3.0).then_some(())
    });

    let refused = edge.get("/x");
    assert_eq!(refused.status, 503);
    assert_eq!(refused.code(), "OVERLOADED");
    assert_eq!(refused.header("retry-after"), Some("1"));

    drop(stuck);
    wait::eventually("places to be free", || (edge.get("/x").status == 200).then_some(()));
}

#[test]
fn a_process_short_of_memory_asks_to_leave_and_then_refuses_and_recovers() {
    let upstream = Upstream::replying(200);
    let with =
        |limit: &str| format!("overload: {{ memory: {{ limit: {limit}, leave_at: 50%, refuse_at: 98% }} }}");
    let edge = Edge::with(|c| c.top(&with("4GiB")).service("app", &upstream).route("GET /**", "app"));
    assert!(!edge.get("/x").says_close());

    let used = edge.rss();
    edge.rewrite(|c| c.top("").without_routes().route("GET /**", "app"));
    let text = std::fs::read_to_string(edge.file()).unwrap();
    let to = |limit: u64| edge.rewrite_text(&text.replace("4GiB", &format!("{}KiB", limit / 1024)));
    to(used * 9 / 5);
    wait::eventually("clients to be asked to leave", || edge.get("/x").says_close().then_some(()));
    assert_eq!(edge.get("/x").status, 200);

    to(used * 9 / 10);
    edge.wait_for_message("requests are refused");
    wait::eventually("connections to be refused", || answer(&edge).is_none().then_some(()));

    edge.rewrite_text(&text);
    wait::eventually("requests to be taken again", || answer(&edge).filter(|status| *status == 200));
}

/// Status of an answer; `None` when the connection is not taken.
fn answer(edge: &Edge) -> Option<u16> {
    let mut raw = Raw::connect(edge.address());
    raw.send("GET /x HTTP/1.1\r\nhost: a\r\n\r\n");
    raw.try_response("GET", Duration::from_secs(5)).ok().flatten().map(|answer| answer.status)
}

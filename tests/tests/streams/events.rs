//! Server-sent events: they come one by one, may last, and outlive a reload.

use portcullis_tests::{Client, Config, Edge, Raw, Upstream, field, wait};
use std::time::Duration;

/// Sends an event whenever it is allowed to, without an end.
fn ticking(pause: Duration) -> Upstream {
    Upstream::at_head(move |_, wire| {
        wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        while wire.send("9\r\ndata: x\n\n\r\n") {
            wire.pause(pause);
        }
    })
}

fn listen(edge: &Edge) -> Raw {
    let mut raw = Raw::connect(edge.address());
    raw.send(Client::get("/events").bytes());
    assert_eq!(raw.head("GET").status, 200);
    raw
}

/// Waits for one more event.
fn next(raw: &mut Raw) {
    raw.inbox().clear();
    wait::eventually("an event", || {
        let end = wait::now() + Duration::from_millis(200);
        raw.read(end);
        raw.inbox().windows(4).any(|bytes| bytes == b"data").then_some(())
    });
}

#[test]
fn events_come_one_by_one_for_longer_than_any_request_may_take() {
    let upstream = ticking(Duration::from_millis(100));
    let edge = Edge::with(|config| {
        config
            .service_with("api", &[&upstream], "timeout: { request: 300ms, idle: 5s }")
            .route("* /**", "api")
    });
    let mut raw = listen(&edge);

    (0..15).for_each(|_| next(&mut raw));

    assert_eq!(edge.line_count(), 0, "it has ended");
}

#[test]
fn silence_for_longer_than_the_idle_time_ends_it() {
    let upstream = ticking(Duration::from_secs(30));
    let edge = Edge::with(|config| {
        config.service("api", &upstream).route_with(
            "events",
            "GET /events",
            "to: api, timeout: { idle: 500ms }",
        )
    });
    let mut raw = listen(&edge);

    raw.until_closed();

    let line = edge.wait_for_lines(1).remove(0);
    assert_eq!(field(&line, "error.type"), "response_stalled");
}

#[test]
fn a_reload_does_not_cut_it_even_when_its_service_changes() {
    let upstream = ticking(Duration::from_millis(100));
    let edge = Edge::with(|config| config.service("api", &upstream).route("* /**", "api"));
    let mut raw = listen(&edge);

    edge.rewrite(|_| {
        Config::new().service_with("api", &[&upstream], "timeout: { connect: 2s }").route("* /**", "api")
    });
    edge.wait_for_message("reloaded");

    (0..5).for_each(|_| next(&mut raw));
    drop(raw);
    upstream.wait_all_closed();
}

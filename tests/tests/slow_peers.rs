//! Clients that are slow, silent or half gone: memory stays bounded, everything is freed on time, others are served.

use portcullis_tests::{Authority, Client, Config, Edge, Raw, Upstream, field, wait};
use std::time::Duration;

const TIMES: &str = "timeouts: { handshake: 300ms, header: 300ms, body: 300ms, write: 500ms, idle: 400ms }";

/// What a timeout may be late by: the sweep, and a busy machine.
const LATE: Duration = Duration::from_secs(4);

fn scene(config: impl FnOnce(Config) -> Config) -> (Upstream, Edge) {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|c| config(c.listener(TIMES)).service("api", &upstream).route("* /**", "api"));
    (upstream, edge)
}

#[test]
fn a_head_that_does_not_end_is_a_408_however_it_drips() {
    let (upstream, edge) = scene(|c| c);

    let mut silent = Raw::connect(edge.address());
    silent.send("GET / HTTP/1.1\r\nHo");
    let start = wait::now();
    let answer = silent.response("GET");
    assert_eq!((answer.status, answer.says_close()), (408, true), "{}", answer.text());
    silent.until_closed();
    assert!(wait::now() - start < LATE, "{:?}", wait::now() - start);

    let mut dripping = Raw::connect(edge.address());
    let start = wait::now();
    dripping.send("GET / HTTP/1.1\r\n");
    while dripping.send("X: 1\r\n") && wait::now() - start < LATE {
        wait::pause(Duration::from_millis(50));
        if dripping.read(wait::now() + Duration::from_millis(1)) {
            break;
        }
    }
    assert_eq!(dripping.response("GET").status, 408);
    dripping.until_closed();

    assert_eq!(upstream.count(), 0);
    let lines = edge.wait_for_lines(2);
    assert!(lines.iter().all(|line| field(line, "http.response.status_code") == 408), "{lines:#?}");
}

#[test]
fn a_connection_without_a_request_is_closed_without_a_word() {
    let (_upstream, edge) = scene(|c| c);

    let mut fresh = Raw::connect(edge.address());
    assert_eq!(fresh.until_closed(), b"", "before the first request");

    let mut used = Raw::connect(edge.address());
    assert_eq!(Client::get("/").send_on(&mut used).status, 200);
    assert_eq!(used.until_closed(), b"", "after a request");
    assert_eq!(edge.wait_for_lines(1).len(), 1);
}

#[test]
fn a_body_that_stops_is_a_408_and_its_request_is_taken_back() {
    let (upstream, edge) = scene(|c| c);

    for head in ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"] {
        let mut raw = Raw::connect(edge.address());
        raw.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}"));
        let answer = raw.response("POST");
        assert_eq!((answer.status, answer.says_close()), (408, true), "{head:?} {}", answer.text());
        raw.until_closed();
    }

    assert_eq!(upstream.count(), 0);
    upstream.wait_all_closed();
}

#[test]
fn a_body_may_be_slow_as_long_as_it_goes_on() {
    let (upstream, edge) = scene(|c| c);
    let mut raw = Raw::connect(edge.address());

    raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    raw.drip(&[b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"], Duration::from_millis(80));

    assert_eq!(raw.response("POST").status, 200);
    assert_eq!(upstream.request().body, b"0123456789");
}

#[test]
fn a_client_that_stops_reading_is_let_go_and_its_upstream_with_it() {
    let upstream = Upstream::scripted(|_, wire| {
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n");
        while wire.send(vec![7; 1 << 16]) {}
        wire.close();
    });
    let edge = Edge::with(|c| c.listener(TIMES).service("api", &upstream).route("* /**", "api"));
    let mut raw = Raw::connect(edge.address());
    let start = wait::now();

    raw.send(Client::get("/").bytes());

    upstream.wait_for_requests(1);
    upstream.wait_all_closed();
    assert!(wait::now() - start < LATE, "{:?}", wait::now() - start);
    assert!(field(&edge.wait_for_lines(1)[0], "error.type").is_string());
}

#[test]
fn a_hundred_thousand_header_lines_cost_no_memory() {
    let (upstream, edge) = scene(|c| c);
    let rss = edge.rss();
    let lines: String = (0..100_000).map(|i| format!("x{i}: 1\r\n")).collect();
    let mut raw = Raw::connect(edge.address());

    raw.send("GET / HTTP/1.1\r\nHost: a\r\n");
    raw.send_some(lines.as_bytes(), Duration::from_secs(2));

    assert_eq!(raw.response("GET").status, 431);
    raw.until_closed();
    assert_eq!(upstream.count(), 0);
    assert!(edge.rss() < rss + (4 << 20), "{rss} -> {}", edge.rss());
}

#[test]
fn many_slow_clients_cost_little_are_freed_on_time_and_disturb_nobody() {
    let (_upstream, edge) = scene(|c| c);
    assert_eq!(edge.get("/").status, 200);
    let (rss, fds) = (edge.rss(), edge.fds());

    let mut slow: Vec<Raw> = (0..300).map(|_| Raw::connect(edge.address())).collect();
    for raw in &mut slow {
        raw.send("GET / HTTP/1.1\r\nX: ");
    }
    assert_eq!(edge.get("/").status, 200, "while they hold on");
    let held = edge.rss();

    for raw in &mut slow {
        let answer = raw.response("GET");
        assert_eq!(answer.status, 408);
        raw.until_closed();
    }
    assert!(held < rss + (12 << 20), "{rss} -> {held}");
    wait::eventually("the sockets to be freed", || (edge.fds() <= fds + 5).then_some(()));
}

#[test]
fn a_client_that_closes_its_half_is_taken_for_gone() {
    // A choice, the one of nginx: a half-closed client cannot be told from one that left, and that one must free its upstream.
    let upstream = Upstream::at_head(|_, wire| wire.until_gone());
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /**", "api"));
    let mut raw = Raw::connect(edge.address());

    raw.send(Client::get("/").bytes());
    upstream.wait_for_requests(1);
    raw.half_close();

    upstream.wait_abandoned(1);
    raw.until_closed();
    assert_eq!(field(&edge.wait_for_lines(1)[0], "http.response.status_code"), 499);
}

#[test]
fn a_client_that_goes_in_the_middle_leaves_nothing_behind() {
    let (upstream, edge) = scene(|c| c);
    assert_eq!(edge.get("/").status, 200);
    let fds = edge.fds();

    for part in [
        "GET / HT",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
    ] {
        let mut ended = Raw::connect(edge.address());
        ended.send(part);
        ended.half_close();
        ended.until_closed();
        let mut reset = Raw::connect(edge.address());
        reset.send(part);
        reset.reset();
    }

    wait::eventually("the sockets to be freed", || (edge.fds() <= fds + 2).then_some(()));
    assert_eq!(upstream.count(), 1, "half a request is none");
    assert_eq!(edge.get("/").status, 200);
}

#[test]
fn a_handshake_that_does_not_end_is_given_up() {
    let authority = Authority::new();
    let cert = authority.issue(&["a"]);
    let (_upstream, edge) =
        scene(|c| c.more_listeners(&format!("tls: {{ certificates: [{}] }}, {TIMES}", cert.yaml())));
    let start = wait::now();

    let mut silent = Raw::connect(edge.listener(1));
    let mut partial = Raw::connect(edge.listener(1));
    partial.send("\x16\x03\x01\x02\0\x01");

    silent.until_closed();
    partial.until_closed();
    assert!(wait::now() - start < LATE, "{:?}", wait::now() - start);
}

#[test]
fn a_plain_request_on_a_tls_port_ends_at_once() {
    let authority = Authority::new();
    let cert = authority.issue(&["a"]);
    let (upstream, edge) =
        scene(|c| c.more_listeners(&format!("tls: {{ certificates: [{}] }}", cert.yaml())));
    let mut raw = Raw::connect(edge.listener(1));

    raw.send(Client::get("/").bytes());

    assert!(!String::from_utf8_lossy(&raw.until_closed()).contains("200"));
    assert_eq!(upstream.count(), 0);
}

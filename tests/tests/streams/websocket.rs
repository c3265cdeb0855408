//! WebSocket through the edge: a request until the service has agreed, bytes from then on.

use portcullis_tests::{Client, Config, Edge, Raw, Reply, Upstream, Wire, field, wait};
use std::time::Duration;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(super) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(super) fn handshake(target: &str) -> Client {
    Client::get(target)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
}

/// Agrees, with this proof (or the right one, when it is asked with a key of ours) and what follows it at once, then sends
/// back what comes.
pub(super) fn agreeing(accept: &'static str, first: &'static str) -> Upstream {
    Upstream::scripted(move |request, wire| {
        if request.header("upgrade").is_none() {
            return wire.reply(request, &Reply::new(200).body("plain"));
        }
        let key = request.header("sec-websocket-key").expect("a key");
        let accept = if key == KEY { accept.to_owned() } else { proof(key) };
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n{first}"
        );
        wire.send(head);
        echo(wire);
    })
}

/// RFC 6455 §4.2.2.
fn proof(key: &str) -> String {
    use base64::Engine as _;
    let salted = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, salted.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(hash)
}

fn echo(wire: &mut Wire) {
    while let Some(bytes) = wire.receive() {
        if !wire.send(bytes) {
            return;
        }
    }
}

pub(super) fn edge(upstream: &Upstream, more: &str) -> Edge {
    Edge::with(|config| {
        config
            .service("live", upstream)
            .route_with("live", "GET /live/**", &format!("to: live, upgrade: websocket{more}"))
            .route("* /plain/**", "live")
            .workers(1)
    })
}

/// Waits until so many bytes have come.
pub(super) fn read(raw: &mut Raw, count: usize) -> String {
    wait::eventually("bytes", || {
        raw.read(wait::now() + Duration::from_millis(100));
        (raw.inbox().len() >= count).then_some(())
    });
    String::from_utf8_lossy(&raw.inbox().drain(..).collect::<Vec<_>>()).into_owned()
}

#[test]
fn bytes_pass_both_ways_when_the_service_has_agreed_and_the_exchange_is_recorded_at_its_end() {
    let upstream = agreeing(ACCEPT, "hello");
    let edge = edge(&upstream, "");
    let mut raw = Raw::connect(edge.address());
    raw.send(handshake("/live/1").bytes());

    let head = raw.head("GET");
    assert_eq!((head.status, head.header("upgrade")), (101, Some("websocket")));
    assert_eq!(head.header("sec-websocket-accept"), Some(ACCEPT));
    assert_eq!(read(&mut raw, 5), "hello");
    for text in ["one", "GET / HTTP/1.1\r\n\r\n", "\0\u{1}"] {
        raw.send(text);
        assert_eq!(read(&mut raw, text.len()), text);
    }
    assert_eq!(edge.line_count(), 0, "it has ended");
    // Asking for metrics is no connection of a client.
    assert_eq!(
        edge.metric("portcullis_connections_open", &[]),
        1.0,
        "it counts as a connection until its end"
    );
    drop(raw);

    let line = edge.wait_for_lines(1).remove(0);
    assert_eq!(field(&line, "http.response.status_code"), 101);
    assert!(field(&line, "http.response.body.size").as_u64() > Some(20), "{line}");
    upstream.wait_all_closed();
    wait::eventually("it to count no more", || {
        (edge.metric("portcullis_connections_open", &[]) == 0.0).then_some(())
    });
}

#[test]
fn what_is_sent_ahead_waits_for_the_answer_and_is_no_request_when_it_is_no() {
    let declining = Upstream::answering(|_| Reply::new(403).body("no"));
    let refused = edge(&declining, "");
    let mut raw = Raw::connect(refused.address());
    raw.send([handshake("/live/1").bytes(), Client::get("/plain/next").bytes()].concat());
    assert_eq!(raw.response("GET").status, 403);
    // It was a request like any other: what follows is the next.
    assert_eq!(raw.response("GET").status, 403);
    assert_eq!(declining.requests()[1].target, "/plain/next");

    let upstream = agreeing(ACCEPT, "");
    let edge = edge(&upstream, "");
    let mut raw = Raw::connect(edge.address());
    raw.send([&handshake("/live/1").bytes()[..], b"early"].concat());
    assert_eq!(raw.head("GET").status, 101);
    assert_eq!(read(&mut raw, 5), "early");
    assert_eq!(upstream.count(), 1);
}

#[test]
fn without_the_word_of_the_route_it_is_a_request_like_any_other() {
    let upstream = agreeing(ACCEPT, "");
    let edge = edge(&upstream, "");

    let answer = handshake("/plain/1").send(edge.address());

    assert_eq!((answer.status, answer.text().as_str()), (200, "plain"));
    assert_eq!(upstream.request().header("upgrade"), None);
    for unsound in [
        handshake("/live/1").header("Upgrade", "h2c"),
        handshake("/live/1").header("Sec-WebSocket-Key", "short"),
        Client::get("/live/1").header("Upgrade", "websocket"),
    ] {
        assert_eq!(unsound.send(edge.address()).text(), "plain");
    }
}

#[test]
fn a_service_that_has_not_read_the_handshake_is_not_believed() {
    let upstream = agreeing("AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "");
    let edge = edge(&upstream, "");

    assert_eq!(handshake("/live/1").send(edge.address()).status, 502);
    upstream.wait_all_closed();

    let unasked = Upstream::raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
    let edge =
        Edge::with(|config| config.service_with("api", &[&unasked], "retry: none").route("* /**", "api"));
    assert_eq!(edge.get("/").status, 502);
}

#[test]
fn silence_in_both_directions_ends_it_and_a_reload_does_not() {
    let upstream = agreeing(ACCEPT, "");
    let edge = edge(&upstream, ", timeout: { idle: 2s }");
    let mut raw = Raw::connect(edge.address());
    raw.send(handshake("/live/1").bytes());
    assert_eq!(raw.head("GET").status, 101);

    edge.rewrite(|_| {
        Config::new()
            .workers(1)
            .service_with("live", &[&upstream], "timeout: { connect: 2s }")
            .route("* /**", "live")
    });
    for _ in 0..30 {
        raw.send("ping");
        assert_eq!(read(&mut raw, 4), "ping");
        wait::pause(Duration::from_millis(100));
    }
    edge.wait_for_message("reloaded");

    raw.until_closed();
    assert_eq!(field(&edge.wait_for_lines(1)[0], "error.type"), "idle");
}

#[test]
fn the_deadline_holds_until_the_service_has_answered() {
    let upstream = Upstream::at_head(|_, wire| wire.until_gone());
    let edge = Edge::with(|config| {
        config.service_with("live", &[&upstream], "timeout: { request: 300ms }").route_with(
            "live",
            "GET /live/**",
            "to: live, upgrade: websocket",
        )
    });

    assert_eq!(handshake("/live/1").send(edge.address()).status, 504);
    upstream.wait_abandoned(1);
}

#[test]
fn a_drain_waits_for_it_and_cuts_it_at_last() {
    let upstream = agreeing(ACCEPT, "");
    let edge = Edge::with(|config| {
        config.drain("delay: 0s, timeout: 2s").service("live", &upstream).route_with(
            "live",
            "GET /live/**",
            "to: live, upgrade: websocket",
        )
    });
    let mut raw = Raw::connect(edge.address());
    raw.send(handshake("/live/1").bytes());
    assert_eq!(raw.head("GET").status, 101);

    edge.signal("TERM");
    edge.wait_for_message("draining");
    raw.send("still");
    assert_eq!(read(&mut raw, 5), "still");
    raw.until_closed();

    assert_eq!(edge.wait_exit(), 0);
    assert_eq!(field(&edge.access_log()[0], "error.type"), "drain_cut");
}

#[test]
fn its_place_at_the_service_is_taken_until_it_ends() {
    let upstream = agreeing(ACCEPT, "");
    let edge = Edge::with(|config| {
        config.service_with("live", &[&upstream], "bulkhead: { concurrent: 1, queue: 0 }").route_with(
            "live",
            "GET /live/**",
            "to: live, upgrade: websocket",
        )
    });
    let mut raw = Raw::connect(edge.address());
    raw.send(handshake("/live/1").bytes());
    assert_eq!(raw.head("GET").status, 101);

    assert_eq!(handshake("/live/2").send(edge.address()).status, 503);
    drop(raw);

    wait::eventually("the place to be free", || {
        let mut raw = Raw::connect(edge.address());
        raw.send(handshake("/live/3").bytes());
        (raw.head("GET").status == 101).then_some(())
    });
}

//! Large uploads and downloads: as long as they go on they may last; what stands still ends.

use portcullis_tests::{Client, Edge, Raw, Reply, Upstream, field};
use std::time::Duration;

#[test]
fn an_upload_lasts_as_long_as_it_goes_on_and_then_the_time_of_the_service_begins() {
    let upstream = Upstream::answering(|request| Reply::new(200).body(request.body.len().to_string()));
    let edge = Edge::with(|config| {
        config.service_with("api", &[&upstream], "timeout: { request: 300ms }").route("* /**", "api")
    });
    let mut raw = Raw::connect(edge.address());
    raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");

    let parts: Vec<&[u8]> = vec![&[b'x'; 100]; 10];
    raw.drip(&parts, Duration::from_millis(100));

    assert_eq!(raw.response("POST").text(), "1000");
}

#[test]
fn while_the_upload_goes_on_the_answer_may_be_silent() {
    // It answers with a head at once, and with the rest when it has read everything.
    let upstream = Upstream::at_head(|request, wire| {
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
        let mut request = request.clone();
        wire.read_body(&mut request);
        wire.send("1\r\nb\r\n0\r\n\r\n");
    });
    let edge = Edge::with(|config| {
        config.service_with("api", &[&upstream], "timeout: { idle: 500ms }").route("* /**", "api")
    });
    let mut raw = Raw::connect(edge.address());
    raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1500\r\n\r\n");

    let parts: Vec<&[u8]> = vec![&[b'x'; 100]; 15];
    raw.drip(&parts, Duration::from_millis(100));

    assert_eq!(raw.response("POST").text(), "ab");
}

#[test]
fn a_large_body_is_never_held_for_another_try() {
    let upstream = Upstream::answering(|_| Reply::new(200));
    let edge = Edge::with(|config| {
        config
            .service("api", &upstream)
            .route_with("put", "PUT /**", "to: api, body: { max: 1GiB }")
            .workers(1)
    });
    let before = edge.rss();

    let answer = Client::new("PUT", "/").body(vec![b'x'; 64 << 20]).send(edge.address());

    assert_eq!(answer.status, 200);
    assert!(edge.rss() < before + (16 << 20), "{} -> {}", before, edge.rss());
    assert_eq!(field(&edge.wait_for_lines(1)[0], "http.request.body.size"), 64 << 20);
}

//! WebSocket over HTTP/2 (RFC 8441): a stream instead of a connection, towards clients and within the mesh.

use super::websocket::{ACCEPT, agreeing, handshake};
use bytes::Bytes;
use h2::ext::Protocol;
use portcullis_tests::sidecar::{Beside, Mesh, id};
use portcullis_tests::{Edge, H2Reply, Raw, Refused, Reply, Upstream, field, wait};
use serde_json::Value;
use std::net::SocketAddr;

/// What a client hears on its stream.
struct Heard {
    status: u16,
    has_accept: bool,
    text: String,
}

/// A handshake over HTTP/2.
struct Asks<'a> {
    path: &'a str,
    protocol: &'static str,
    version: &'static str,
}

const CHAT: Asks<'_> = Asks { path: "/live/chat", protocol: "websocket", version: "13" };

/// Asks and, when it may, says `text`; listens until as much has come back and then to the end.
fn over_http2(at: SocketAddr, asks: &Asks<'_>, text: &'static str) -> Heard {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let request = http::Request::connect(format!("http://a{}", asks.path))
        .extension(Protocol::from_static(asks.protocol))
        .header("sec-websocket-version", asks.version)
        .body(())
        .expect("a request");
    let work = async move {
        let socket = tokio::net::TcpStream::connect(at).await.expect("a connection");
        let (send, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
        let driven = tokio::task::spawn_local(connection);
        let mut send = send.ready().await.expect("room for a stream");
        while !send.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
        let (answer, mut up) = send.send_request(request, false).expect("a stream");
        let (head, mut down) = answer.await.expect("an answer").into_parts();
        let mut heard = Vec::new();
        if head.status == 200 {
            up.send_data(Bytes::from_static(text.as_bytes()), false).expect("room");
            while heard.len() < text.len() {
                heard.extend_from_slice(&down.data().await.expect("more").expect("data"));
            }
            up.send_data(Bytes::new(), true).expect("room");
            while let Some(part) = down.data().await {
                heard.extend_from_slice(&part.expect("data"));
            }
        }
        driven.abort();
        Heard {
            status: head.status.as_u16(),
            has_accept: head.headers.contains_key("sec-websocket-accept"),
            text: String::from_utf8_lossy(&heard).into_owned(),
        }
    };
    let bounded = async { tokio::time::timeout(wait::PATIENCE, work).await };
    tokio::task::LocalSet::new().block_on(&runtime, bounded).expect("an answer in time")
}

fn status(edge: &Edge, asks: &Asks<'_>) -> u16 {
    over_http2(edge.address(), asks, "").status
}

/// Sends `text` and hears it back.
fn says(raw: &mut Raw, text: &str) {
    raw.send(text);
    assert_eq!(super::websocket::read(raw, text.len()), text);
}

/// Agrees with whatever key it is asked with, and echoes.
fn service() -> Upstream {
    agreeing(ACCEPT, "")
}

#[test]
fn a_stream_of_a_client_becomes_a_connection_to_the_service() {
    let upstream = service();
    let edge = super::websocket::edge(&upstream, "");

    let heard = over_http2(edge.address(), &CHAT, "through a stream");

    assert_eq!((heard.status, heard.has_accept, heard.text.as_str()), (200, false, "through a stream"));
    let request = upstream.request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/live/chat"));
    assert_eq!(request.headers.all("upgrade"), ["websocket"]);
    assert_eq!(request.headers.all("sec-websocket-version"), ["13"]);
    assert!(request.header("x-forwarded-for").is_some(), "it went the way of any request");
    let line = edge.wait_for_lines(1).remove(0);
    assert_eq!(field(&line, "http.request.method"), "GET", "{line}");
    assert_eq!(field(&line, "http.response.status_code"), 200, "{line}");
    assert_eq!(field(&line, "http.request.body.size"), 16, "{line}");
    assert_eq!(field(&line, "http.response.body.size"), 16, "{line}");
    assert_eq!(field(&line, "error.type"), &Value::Null, "{line}");
    upstream.wait_all_closed();
}

#[test]
fn no_usual_answer_is_taken_for_a_stream() {
    let upstream = Upstream::answering(|request| match request.target.as_str() {
        "/live/yes" => Reply::new(200).body("no stream"),
        "/live/empty" => Reply::new(204),
        _ => Reply::new(404).body("nothing"),
    });
    let edge = Edge::with(|config| {
        let more = "to: live, upgrade: websocket, on_open: { status: 200, body: instead }";
        config
            .service_with("live", &[&upstream], "breaker: { failures: 50% }")
            .route_with("live", "GET /live/**", more)
            .route("* /plain/**", "live")
            .workers(1)
    });
    let ask = |path| status(&edge, &Asks { path, ..CHAT });

    assert_eq!([ask("/live/yes"), ask("/live/empty")], [502, 502], "a 2xx of the service");
    assert_eq!(ask("/live/gone"), 404, "its other answers are");
    assert_eq!(upstream.count(), 3);
    assert_eq!(ask("/plain/chat"), 405, "the route does not allow it");
    assert_eq!(status(&edge, &Asks { version: "8", ..CHAT }), 405, "another version");
    assert_eq!(status(&edge, &Asks { protocol: "connect-udp", ..CHAT }), 405, "another protocol");
    assert_eq!(edge.admin_post("/breakers?service=live&set=open").status, 200);
    assert_eq!(edge.get("/live/yes").text(), "instead");
    assert_eq!(ask("/live/yes"), 503, "what is answered instead of the service");
    assert_eq!(upstream.count(), 3);
}

#[test]
fn it_is_held_to_what_any_request_is_held_to() {
    let upstream = service();
    let edge = Edge::with(|config| {
        config
            .service("live", &upstream)
            .route_with("closed", "GET /closed", "to: live, upgrade: websocket, ip: { deny: [127.0.0.0/8] }")
            .route_with("post", "POST /posted", "to: live")
    });

    assert_eq!(status(&edge, &Asks { path: "/closed", ..CHAT }), 403);
    assert_eq!(status(&edge, &Asks { path: "/%2e%2e%2fclosed", ..CHAT }), 400);
    assert_eq!(status(&edge, &Asks { path: "/posted", ..CHAT }), 405);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_handshake_that_was_not_sent_is_sent_to_another_endpoint_as_what_it_is() {
    let (dead, upstream) = (Refused::new(), service());
    let edge = Edge::with(|config| {
        config
            .service_with("live", &[&dead, &upstream], "balance: round-robin, outlier: none")
            .route_with("live", "GET /live/**", "to: live, upgrade: websocket")
            .workers(1)
    });

    for _ in 0..4 {
        assert_eq!(over_http2(edge.address(), &CHAT, "again").text, "again");
    }
}

#[test]
fn a_service_of_http_2_that_does_not_take_it_is_not_asked() {
    let upstream = Upstream::h2(|_| H2Reply::new(200));
    let edge = Edge::with(|config| {
        config.service_with("live", &[&upstream], "protocol: h2").route_with(
            "live",
            "GET /live/**",
            "to: live, upgrade: websocket",
        )
    });

    let answer = handshake("/live/1").send(edge.address());

    assert_eq!((answer.status, answer.code().as_str()), (502, "UPGRADE_FAILED"));
    assert!(answer.header("proxy-status").is_some_and(|said| said.contains("http_upgrade_failed")));
    assert_eq!(status(&edge, &CHAT), 502);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn through_the_mesh_it_is_a_stream_and_the_rules_see_a_get() {
    let (mesh, app) = (Mesh::new(), service());
    let (payment, order) = (mesh.svid("svc/payment"), mesh.svid("svc/order"));
    let rule = "id: chat, from: [spiffe://shop.example/svc/order], to: { methods: [GET], paths: [/chat] }";
    let payment = Beside::of(&payment, &app).rule(rule).start();
    let nobody = Upstream::echo();
    let order = Beside::of(&order, &nobody).calls("payment", &id("svc/payment"), payment.inbound()).start();
    let mut raw = Raw::connect(order.outbound());

    raw.send(handshake("/chat").host("payment").bytes());
    let head = raw.head("GET");

    assert_eq!((head.status, head.header("sec-websocket-accept")), (101, Some(ACCEPT)), "{head:?}");
    says(&mut raw, "through two sidecars");
    raw.half_close();
    assert_eq!(raw.until_closed(), b"");
    for (name, sidecar, status) in [("order", &order, 101), ("payment", &payment, 200)] {
        let line = sidecar.wait_for_lines(1).remove(0);
        assert_eq!(field(&line, "http.response.status_code"), status, "{name}: {line}");
        assert_eq!(field(&line, "http.request.method"), "GET", "{name}: {line}");
        assert_eq!(field(&line, "http.request.body.size"), 20, "{name}: {line}");
        assert_eq!(field(&line, "error.type"), &Value::Null, "{name}: {line}");
    }
    let refused = handshake("/secret").host("payment").send(order.outbound());
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert_eq!(app.count(), 1);
}

#[test]
fn what_is_not_allowed_any_more_is_cut_in_the_mesh() {
    let (mesh, app) = (Mesh::new(), service());
    let (payment, order) = (mesh.svid("svc/payment"), mesh.svid("svc/order"));
    let payment =
        Beside::of(&payment, &app).rule("id: chat, from: [spiffe://shop.example/svc/order]").start();
    let nobody = Upstream::echo();
    let order = Beside::of(&order, &nobody).calls("payment", &id("svc/payment"), payment.inbound()).start();
    let mut raw = Raw::connect(order.outbound());
    raw.send(handshake("/chat").host("payment").bytes());
    assert_eq!(raw.head("GET").status, 101);
    says(&mut raw, "before");

    payment.reload(|beside| beside.without_rules().rule("id: chat, from: [spiffe://shop.example/svc/other]"));

    raw.until_closed();
    let line = payment.wait_for_lines(1).remove(0);
    assert_eq!(field(&line, "error.type"), "not_authorized", "{line}");
}

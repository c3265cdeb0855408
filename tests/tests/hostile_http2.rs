//! Attacks on HTTP/2 requests, one stream or one head at a time: rows H09 to H18, H20 and H21. Floods are in `http2_floods`.
//!
//! A refusal is an answer of 4xx, RST_STREAM, or the end of the connection; nothing reaches the upstream. Choices where the list
//! leaves one: an authority that the certificate does not cover is 421; blanks around a value are refused or taken off; trailers
//! are dropped; a fragment is cut off by the parser (see `hostile_path`).

use portcullis_tests::client::{Ended, flag, kind};
use portcullis_tests::{Authority, Client, Edge, Frames, H2Reply, Raw, Report, TlsClient, Upstream};

fn scene() -> (Upstream, Edge) {
    let upstream = Upstream::echo();
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /pub/**", "api"));
    (upstream, edge)
}

/// Names and values.
type Fields = &'static [(&'static str, &'static str)];

const PATH: (&str, &str) = (":path", "/pub");
const GET: (&str, &str) = (":method", "GET");
const HTTP: (&str, &str) = (":scheme", "http");
const A: (&str, &str) = (":authority", "a");

/// Sends each head on a connection of its own and wants it refused.
fn all_refused(rows: &[(&str, &str, Vec<u8>)]) {
    let (upstream, edge) = scene();
    let mut report = Report::new();
    for (id, name, block) in rows {
        report.row(id, name);
        let mut frames = Frames::connect(edge.address());
        frames.frame(kind::HEADERS, flag::WHOLE, 1, block);
        let ended = frames.ending(1);
        report.check(ended.refused(), || format!("{ended:?}"));
        report.equal("requests upstream", upstream.count(), 0);
    }
    assert_eq!(edge.get("/pub").status, 200, "the next client");
    report.end();
}

/// A GET with one more field.
fn with(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut block = Frames::block(&[GET, HTTP, A, PATH]);
    block.extend(Frames::block_of_bytes(&[(name.as_ref(), value.as_ref())]));
    block
}

#[test]
fn a_field_that_http_2_does_not_allow_is_refused() {
    let fields = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
    let mut rows: Vec<_> = fields.map(|name| ("H10", name, with(name, "close"))).into();
    rows.extend([
        ("H10", "te: gzip", with("te", "gzip")),
        ("H10", "capital letter", with("Foo", "x")),
        ("H10", "empty name", with("", "x")),
        ("H10", "blank in a name", with("a b", "x")),
        ("H10", "unknown pseudo-header", with(":x", "y")),
        ("H10", "pseudo-header of answers", with(":status", "200")),
        ("H10", "underscore", with("x_auth_user", "root")),
        ("H11", "CRLF", with("x", "y\r\nTransfer-Encoding: chunked")),
        ("H11", "LF", with("x", "y\nz: 1")),
        ("H11", "NUL", with("x", "a\0b")),
        ("H11", "CRLF in a name", with("x\r\ny", "1")),
        (
            "H12",
            "two lengths",
            [with("content-length", "0"), Frames::block(&[("content-length", "5")])].concat(),
        ),
        ("H12", "a length that is none", with("content-length", "+0")),
        ("H12", "a length and no body", with("content-length", "5")),
        ("H12", "TE", with("transfer-encoding", "chunked")),
    ]);

    all_refused(&rows);
}

#[test]
fn pseudo_headers_that_are_not_exactly_one_request_are_refused() {
    let block = Frames::block;
    let path = |path: &str| block(&[GET, HTTP, A, (":path", path)]);
    let method = |method: &str| block(&[(":method", method), HTTP, A, PATH]);
    let scheme = |scheme: &str| block(&[GET, (":scheme", scheme), A, PATH]);
    let authority = |authority: &str| block(&[GET, HTTP, (":authority", authority), PATH]);

    all_refused(&[
        ("H13", "two paths", block(&[GET, HTTP, A, PATH, (":path", "/admin")])),
        ("H13", "two methods", block(&[GET, ("x", "y"), GET, HTTP, A, PATH])),
        ("H13", "no path", block(&[GET, HTTP, A])),
        ("H13", "no method", block(&[HTTP, A, PATH])),
        ("H13", "no scheme", block(&[GET, A, PATH])),
        ("H13", "pseudo-header after a field", block(&[GET, HTTP, A, ("x", "y"), PATH])),
        ("H13", "path without slash", path("pub")),
        ("H13", "path with a blank", path("/pub /x")),
        ("H13", "path of a query", path("?q")),
        ("H13", "empty path", path("")),
        ("H13", "absolute path", path("http://a/pub")),
        ("H13", "path with CRLF", path("/pub HTTP/1.1\r\nHost: b\r\n\r\n")),
        ("H13", "star", path("*")),
        ("H13", "method with a line", method("GET /admin HTTP/1.1")),
        ("H13", "small method", method("get")),
        ("H13", "empty method", method("")),
        ("H13", "scheme with a path", scheme("http://x/?")),
        ("H13", "unknown scheme", scheme("gopher")),
        ("H13", "userinfo", authority("u@a")),
        ("H13", "authority with a path", authority("a/x")),
        ("H13", "authority with port 0", authority("a:0")),
        ("H13", "empty authority", authority("")),
        ("H14", "authority and another host", block(&[GET, HTTP, A, PATH, ("host", "b")])),
        ("H14", "neither", block(&[GET, HTTP, PATH])),
        ("H14", "two hosts", block(&[GET, HTTP, PATH, ("host", "a"), ("host", "a")])),
        ("H17", "CONNECT", block(&[(":method", "CONNECT"), (":authority", "127.0.0.1:22")])),
        (
            "H17",
            "extended CONNECT",
            block(&[(":method", "CONNECT"), (":protocol", "websocket"), HTTP, A, PATH]),
        ),
        ("H17", "TRACE", block(&[(":method", "TRACE"), HTTP, A, PATH])),
    ]);
}

#[test]
fn a_host_may_stand_instead_of_the_authority_or_say_the_same() {
    let (upstream, edge) = scene();

    for (name, block) in [
        ("both", Frames::block(&[GET, HTTP, A, PATH, ("host", "a")])),
        ("capital", Frames::block(&[GET, HTTP, (":authority", "A"), PATH, ("host", "a")])),
        ("host only", Frames::block(&[GET, HTTP, PATH, ("host", "a")])),
    ] {
        let mut frames = Frames::connect(edge.address());
        frames.frame(kind::HEADERS, flag::WHOLE, 1, &block);
        assert_eq!(frames.ending(1), Ended::Answer(200), "H14 {name}");
    }

    assert!(upstream.requests().iter().all(|request| request.header("host") == Some("a")), "H14");
}

#[test]
fn a_body_that_is_not_as_long_as_announced_never_arrives_as_a_request() {
    let (upstream, edge) = scene();
    let smuggled = b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\nxxxxxxxxx".as_slice();
    let mut report = Report::new();

    for (name, length, parts) in [
        ("0 and 40 bytes", "0", &[smuggled][..]),
        ("5 and 10 bytes", "5", &[b"hello", b"world"]),
        ("10 and 5 bytes", "10", &[b"hello"]),
    ] {
        report.row("H12", name);
        let mut frames = Frames::connect(edge.address());
        let head = Frames::block(&[(":method", "POST"), HTTP, A, PATH, ("content-length", length)]);
        let mut all = Frames::bytes(kind::HEADERS, flag::END_HEADERS, 1, &head);
        for (index, part) in parts.iter().enumerate() {
            let last = if index + 1 == parts.len() { flag::END_STREAM } else { flag::NONE };
            all.extend(Frames::bytes(kind::DATA, last, 1, part));
        }
        // In one piece: a request that announces nothing is whole with its head, if that comes alone.
        frames.send(&all);
        let ended = frames.ending(1);
        report.check(ended.refused(), || format!("{ended:?}"));
        report.equal("requests upstream", upstream.count(), 0);
        report.check(!upstream.saw("/admin"), || "upstream saw /admin".into());
    }

    assert_eq!(edge.get("/pub").status, 200);
    report.end();
}

#[test]
fn blanks_around_a_value_do_not_go_up() {
    let (upstream, edge) = scene();

    for value in [" x", "x ", "\tx"] {
        let mut frames = Frames::connect(edge.address());
        frames.frame(kind::HEADERS, flag::WHOLE, 1, &with("y", value));
        let ended = frames.ending(1);
        assert!(ended.refused() || ended == Ended::Answer(200), "H11 {value:?}: {ended:?}");
    }

    assert!(
        !upstream.saw("x \r\n") && !upstream.saw("\tx") && !upstream.saw(":  x"),
        "H11 {}",
        upstream.raw_text()
    );
}

#[test]
fn stream_numbers_that_are_not_in_order_end_the_connection() {
    let (_upstream, edge) = scene();
    let mut report = Report::new();
    let cases: [(&str, &[u32]); 4] = [("even", &[2]), ("again", &[5, 5]), ("lower", &[5, 3]), ("zero", &[0])];

    for (name, streams) in cases {
        report.row("H09", name);
        let mut frames = Frames::connect(edge.address());
        for &stream in streams {
            frames.get(stream, "/pub");
        }
        let mut ended = frames.ending(*streams.last().expect("a stream"));
        if matches!(ended, Ended::Answer(_)) {
            // The first of two was answered; the second must end the connection.
            ended = frames.ending(u32::MAX);
        }
        report.check(ended.refused(), || format!("{ended:?}"));
    }

    let mut frames = Frames::connect(edge.address());
    frames.get(0x7fff_ffff, "/pub");
    assert_eq!(frames.ending(0x7fff_ffff), Ended::Answer(200), "H09 the last number there is");
    report.end();
}

#[test]
fn frames_on_streams_that_are_not_there_end_the_connection() {
    let (_upstream, edge) = scene();
    let mut report = Report::new();
    let cases: [(&str, u8, &[u8]); 5] = [
        ("DATA on idle", kind::DATA, b"x"),
        ("RST_STREAM on idle", kind::RST_STREAM, &[0, 0, 0, 8]),
        ("WINDOW_UPDATE on idle", kind::WINDOW_UPDATE, &[0, 0, 0, 1]),
        ("CONTINUATION out of nowhere", kind::CONTINUATION, b""),
        ("PUSH_PROMISE", 5, &[0, 0, 0, 2]),
    ];

    for (name, frame, payload) in cases {
        report.row("H09", name);
        let mut frames = Frames::connect(edge.address());
        frames.frame(frame, flag::END_HEADERS, 1, payload);
        let ended = frames.ending(1);
        report.check(matches!(ended, Ended::GoAway(_) | Ended::Closed), || format!("{ended:?}"));
    }

    assert_eq!(edge.get("/pub").status, 200);
    report.end();
}

#[test]
fn trailers_that_are_none_end_the_stream_and_no_trailer_becomes_a_header() {
    let (upstream, edge) = scene();
    let mut report = Report::new();
    // Whether the frame may also be taken and its fields dropped.
    let cases: [(&str, u8, Fields, bool); 5] = [
        ("without the end of the stream", flag::END_HEADERS, &[("x", "y")], false),
        ("connection header", flag::WHOLE, &[("connection", "close")], false),
        ("pseudo-header", flag::WHOLE, &[(":path", "/admin")], true),
        ("length", flag::WHOLE, &[("content-length", "9")], true),
        ("identity", flag::WHOLE, &[("authorization", "x"), ("x-auth-user", "root")], true),
    ];

    for (name, flags, trailers, droppable) in cases {
        report.row("H16", name);
        let before = upstream.count();
        let mut frames = Frames::connect(edge.address());
        frames.headers(1, flag::END_HEADERS, &[(":method", "POST"), HTTP, A, PATH]);
        frames.frame(kind::DATA, flag::NONE, 1, b"hello");
        frames.headers(1, flags, trailers);
        let ended = frames.ending(1);
        let dropped = droppable && ended == Ended::Answer(200);
        report.check(dropped || ended.refused(), || format!("{ended:?}"));
        report.equal("requests upstream", upstream.count() - before, usize::from(dropped));
    }

    for request in upstream.requests() {
        assert!(request.trailers.0.is_empty() && !request.headers.has("authorization"), "H16 {request:?}");
        assert!(!request.headers.has("x-auth-user") && request.target == "/pub", "H16 {request:?}");
    }
    report.end();
}

#[test]
fn an_authority_that_the_certificate_does_not_cover_is_misdirected() {
    let authority = Authority::new();
    let (a, b) = (authority.issue(&["a.test", "also.test"]), authority.issue(&["b.test"]));
    let upstream = Upstream::echo();
    let edge = Edge::with(|c| {
        c.more_listeners(&format!("tls: {{ certificates: [{}, {}] }}, http: [h1, h2]", a.yaml(), b.yaml()))
            .service("api", &upstream)
            .route("* /**", "api")
    });
    let status = |asked: &str| {
        let raw = TlsClient::new(&authority, "a.test").alpn(&["h2"]).connect(edge.listener(1));
        let mut frames = Frames::over(raw);
        frames.headers(1, flag::WHOLE, &[GET, (":scheme", "https"), (":authority", asked), PATH]);
        frames.ending(1)
    };

    assert_eq!(status("a.test"), Ended::Answer(200), "H15");
    assert_eq!(status("also.test"), Ended::Answer(200), "H15 the same certificate");
    assert_eq!(status("b.test"), Ended::Answer(421), "H15");
    let mut h1 = TlsClient::new(&authority, "a.test").connect(edge.listener(1));
    assert_eq!(Client::get("/").host("b.test").send_on(&mut h1).status, 421, "H15 over HTTP/1");
}

#[test]
fn a_connection_of_the_wrong_version_ends_cleanly() {
    let upstream = Upstream::echo();
    let authority = Authority::new();
    let cert = authority.issue(&["a"]);
    let edge = Edge::with(|c| {
        c.listener("http: [h1]")
            .more_listeners("http: [h2]")
            .more_listeners(&format!("tls: {{ certificates: [{}] }}", cert.yaml()))
            .service("api", &upstream)
            .route("* /**", "api")
    });
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";

    let mut h1_only = Raw::connect(edge.listener(0));
    h1_only.send(preface);
    let refused = h1_only.response("GET");
    assert!(
        matches!(refused.status, 400 | 505),
        "H18 HTTP/2 where only HTTP/1 is spoken: {}",
        refused.status
    );
    h1_only.until_closed();

    let mut late = Raw::connect(edge.listener(0));
    late.send([Client::get("/").bytes(), preface.as_bytes().to_vec()].concat());
    assert_eq!(late.response("GET").status, 200, "H18");
    assert!(matches!(late.response("GET").status, 400 | 505), "H18 preface in the middle");
    late.until_closed();

    let mut h2_only = Raw::connect(edge.listener(1));
    h2_only.send(Client::get("/").bytes());
    let answer = String::from_utf8_lossy(&h2_only.until_closed()).into_owned();
    assert!(!answer.contains("200"), "H18 HTTP/1 where only HTTP/2 is spoken: {answer:?}");

    let mut alpn = TlsClient::new(&authority, "a").alpn(&["h2"]).connect(edge.listener(2));
    alpn.send(Client::get("/").bytes());
    let answer = String::from_utf8_lossy(&alpn.until_closed()).into_owned();
    assert!(!answer.contains("HTTP/1.1 200"), "H18 HTTP/1 after agreeing on h2: {answer:?}");
    assert_eq!(upstream.count(), 1, "H18");
}

#[test]
fn a_body_that_looks_like_frames_stays_a_body() {
    let upstream = Upstream::h2(|request| H2Reply::new(200).part(format!("{}", request.body.len())));
    let edge = Edge::with(|c| c.service_with("api", &[&upstream], "protocol: h2").route("* /pub/**", "api"));
    let block = Frames::block(&[GET, HTTP, A, (":path", "/admin")]);
    let body = [
        Frames::bytes(kind::DATA, flag::END_STREAM, 1, b""),
        Frames::bytes(kind::HEADERS, flag::WHOLE, 3, &block),
    ]
    .concat();

    let answer = Client::post("/pub", body.clone()).header("X", "PRI * HTTP/2.0").send(edge.address());

    assert_eq!(answer.text(), body.len().to_string(), "H20");
    assert_eq!(upstream.request().body, body, "H20");
}

#[test]
fn cookie_crumbs_become_one_cookie_and_odd_fields_stay_sound() {
    let (upstream, edge) = scene();
    let crumbs: Vec<String> = (0..60).map(|i| format!("c{i}={}", "v".repeat(120))).collect();
    let mut fields = vec![GET, HTTP, A, PATH, ("x-empty", "")];
    fields.extend(crumbs.iter().map(|crumb| ("cookie", crumb.as_str())));
    let mut frames = Frames::connect(edge.address());

    frames.headers(1, flag::WHOLE, &fields);

    assert_eq!(frames.ending(1), Ended::Answer(200), "H21");
    let request = upstream.request();
    assert_eq!(request.headers.all("cookie"), [crumbs.join("; ")], "H21");
    assert_eq!(request.headers.all("x-empty"), [""], "H21");
}

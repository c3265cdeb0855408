//! Services: how an endpoint is chosen, how it is reached, and how bytes flow through.

use portcullis_tests::client::{flag, kind};
use portcullis_tests::{
    Authority, BlackHole, Client, Config, Edge, Frames, H2, H2Reply, Raw, Refused, Reply, Upstream, field,
    wait,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often each upstream answered, by the name it gives.
fn tally(edge: &Edge, requests: usize) -> HashMap<String, usize> {
    let mut tally = HashMap::new();
    for _ in 0..requests {
        let answer = edge.get("/");
        assert_eq!(answer.status, 200, "{}", answer.text());
        *tally.entry(answer.text()).or_default() += 1;
    }
    tally
}

#[test]
fn round_robin_gives_each_endpoint_its_turn() {
    let (a, b, c) = (Upstream::named("a"), Upstream::named("b"), Upstream::named("c"));
    let edge = Edge::with(|config| {
        config.service_with("api", &[&a, &b, &c], "balance: round-robin").route("* /**", "api").workers(1)
    });

    let tally = tally(&edge, 30);

    assert_eq!(tally, HashMap::from([("a".into(), 10), ("b".into(), 10), ("c".into(), 10)]));
}

#[test]
fn weights_are_shares() {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    for (balance, slack) in [("round-robin", 0), ("least-request", 45)] {
        let endpoints = format!(
            "balance: {balance}, endpoints: [{{ address: \"{}\", weight: 3 }}, {{ address: \"{}\", weight: 1 }}]",
            a.address(),
            b.address()
        );
        let edge = Edge::with(|c| c.service_text("api", &endpoints).route("* /**", "api").workers(1));

        let tally = tally(&edge, 200);

        assert!(tally["a"].abs_diff(150) <= slack, "{balance}: {tally:?}");
    }
}

#[test]
fn least_request_spreads_and_looks_away_from_the_busy_one() {
    let (a, b, slow) =
        (Upstream::named("a"), Upstream::named("b"), Upstream::at_head(|_, wire| wire.until_gone()));
    let edge = Edge::with(|c| c.service_with("api", &[&a, &b, &slow], "").route("* /**", "api").workers(1));
    // Holds a request at the slow one.
    let mut held = Vec::new();
    while slow.busiest() < 1 {
        let mut raw = Raw::connect(edge.address());
        raw.send(Client::get("/").bytes());
        if raw.try_response("GET", Duration::from_millis(100)).expect("sound").is_none() {
            held.push(raw);
        }
    }
    let before = (a.count(), b.count(), slow.busiest());

    let tally = tally(&edge, 100);

    assert_eq!(slow.busiest(), before.2, "the busy endpoint got more");
    assert!(tally["a"] > 25 && tally["b"] > 25, "{tally:?}");
}

#[test]
fn a_refused_connection_is_tried_elsewhere_and_with_nobody_left_is_503() {
    let (dead, alive) = (Refused::new(), Upstream::named("alive"));
    let edge = Edge::with(|c| {
        c.service_with("some", &[&dead, &alive], "balance: round-robin")
            .service_with("none", &[&dead], "")
            .route("* /some", "some")
            .route("* /none", "none")
    });

    for _ in 0..10 {
        assert_eq!(Client::post("/some", "once").send(edge.address()).status, 200);
    }
    let answer = edge.get("/none");

    assert_eq!(alive.count(), 10, "each was sent once");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(
        answer.header("proxy-status").is_some_and(|text| text.contains("connection_refused")),
        "{answer:?}"
    );
}

#[test]
fn an_endpoint_that_does_not_answer_the_connect_is_given_up_in_time() {
    let (hole, alive) = (BlackHole::new(), Upstream::named("alive"));
    let edge = Edge::with(|c| {
        c.service_with("some", &[&hole, &alive], "balance: round-robin, timeout: { connect: 200ms }")
            .service_with("none", &[&hole], "timeout: { connect: 200ms }")
            .route("* /some", "some")
            .route("* /none", "none")
            .workers(1)
    });
    let start = wait::now();

    let statuses: Vec<u16> = (0..4).map(|_| edge.get("/some").status).collect();
    let answer = edge.get("/none");

    assert_eq!(statuses, [200; 4]);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(
        answer.header("proxy-status").is_some_and(|text| text.contains("connection_timeout")),
        "{answer:?}"
    );
    assert!(wait::now() - start < Duration::from_secs(6));
}

#[test]
fn a_slow_answer_is_a_504_and_its_request_is_taken_back() {
    let slow = Upstream::at_head(|_, wire| wire.until_gone());
    let edge = Edge::with(|c| {
        c.service_with("api", &[&slow], "timeout: { request: 300ms }").route("* /slow", "api").route_with(
            "patient",
            "* /patient",
            "to: api, timeout: { request: 900ms }",
        )
    });

    for (path, least) in [("/slow", 300), ("/patient", 900)] {
        let start = wait::now();
        let answer = edge.get(path);
        let took = wait::now() - start;
        assert_eq!(answer.status, 504, "{}", answer.text());
        assert!(
            answer.header("proxy-status").is_some_and(|text| text.contains("http_response_timeout")),
            "{answer:?}"
        );
        assert!(took >= Duration::from_millis(least), "{path} after {took:?}");
    }
    slow.wait_abandoned(2);
}

#[test]
fn an_answer_that_stops_in_the_middle_is_cut_after_the_idle_time() {
    let upstream = Upstream::scripted(|_, wire| {
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        wire.until_gone();
    });
    let edge =
        Edge::with(|c| c.service_with("api", &[&upstream], "timeout: { idle: 300ms }").route("* /**", "api"));

    let answer = edge.get("/");

    assert_eq!((answer.status, answer.text().as_str(), answer.complete), (200, "half", false));
    upstream.wait_abandoned(1);
    assert!(field(&edge.wait_for_lines(1)[0], "error.type").is_string());
}

#[test]
fn connections_are_kept_for_the_next_request() {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /**", "api").workers(1));

    for _ in 0..20 {
        assert_eq!(edge.get("/").status, 200);
    }

    assert_eq!((upstream.count(), upstream.connections()), (20, 1));
}

#[test]
fn an_unused_connection_is_closed_before_the_server_would() {
    let upstream = Upstream::answering(|_| Reply::new(200).header("keep-alive", "timeout=1"));
    let edge = Edge::with(|c| {
        c.service("hinted", &upstream)
            .service_with("set", &[&upstream], "pool: { idle: 300ms }")
            .service_with("none", &[&upstream], "pool: { max_idle: 0 }")
            .route("* /hinted", "hinted")
            .route("* /set", "set")
            .route("* /none", "none")
    });

    for path in ["/none", "/set", "/hinted"] {
        assert_eq!(edge.get(path).status, 200);
        upstream.wait_all_closed();
    }
}

#[test]
fn a_pooled_connection_that_the_server_closed_is_not_the_clients_problem() {
    let upstream = Upstream::echo();
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /**", "api").workers(1));

    for round in 0..30 {
        let answer = Client::post("/", format!("{round}")).send(edge.address());
        assert_eq!((answer.status, answer.json()["body"].as_str()), (200, Some(format!("{round}").as_str())));
        upstream.close_connections();
    }

    assert_eq!(upstream.count(), 30, "each arrived once");
}

#[test]
fn a_post_that_may_have_arrived_is_not_sent_twice() {
    let upstream = Upstream::scripted(|request, wire| match request.method.as_str() {
        "GET" => wire.reply(request, &Reply::new(200)),
        _ => wire.close(),
    });
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /**", "api").workers(1));

    edge.get("/");
    let answer = Client::post("/", "once").send(edge.address());

    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(upstream.requests().iter().filter(|request| request.method == "POST").count(), 1);
}

#[test]
fn an_http_2_upstream_gets_requests_bodies_and_trailers_and_its_own_come_back() {
    let upstream = Upstream::h2(|request| {
        let body = format!("{} {}", request.line(), request.body.len());
        H2Reply::new(200).header("content-type", "application/grpc").part(body).trailer("grpc-status", "0")
    });
    let edge = Edge::with(|c| c.service_with("api", &[&upstream], "protocol: h2").route("* /**", "api"));

    let over_h1 = Client::post("/a", "x".repeat(100_000)).send(edge.address());
    let over_h2 = H2::connect(edge.address()).post("/pkg.Service/Call", "hello");

    assert_eq!((over_h1.status, over_h1.text().as_str()), (200, "POST /a 100000"));
    assert_eq!((over_h2.status, over_h2.text().as_str()), (200, "POST /pkg.Service/Call 5"));
    assert_eq!(over_h2.trailers.get("grpc-status"), Some("0"), "{over_h2:?}");
    assert!(
        upstream
            .requests()
            .iter()
            .all(|request| request.header("host") == Some("a") && request.headers.has("x-request-id"))
    );
}

#[test]
fn more_requests_than_an_http_2_connection_takes_get_another_connection() {
    let upstream = Upstream::h2(|request| match request.target.as_str() {
        "/slow" => H2Reply::new(200).stall(),
        _ => H2Reply::new(200).part("ok"),
    });
    let edge =
        Edge::with(|c| c.service_with("api", &[&upstream], "protocol: h2").route("* /**", "api").workers(1));
    let mut held = Vec::new();
    for _ in 0..150 {
        let mut raw = Raw::connect(edge.address());
        raw.send(Client::get("/slow").bytes());
        held.push(raw);
    }
    upstream.wait_for_requests(150);

    let answer = edge.get("/fast");

    assert_eq!(answer.text(), "ok");
    assert!((2..=4).contains(&upstream.connections()), "{} connections", upstream.connections());
    drop(held);
    upstream.wait_abandoned(150);
}

#[test]
fn a_tls_upstream_must_carry_the_name_and_come_from_the_authority_of_the_file() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let h1 = Upstream::build()
        .tls(&ours.issue(&["inner.test"]), &["http/1.1"])
        .answering(|_| Reply::new(200).body("h1"));
    let h2 =
        Upstream::build().tls(&ours.issue(&["inner.test"]), &["h2"]).h2(|_| H2Reply::new(200).part("h2"));
    let foreign =
        Upstream::build().tls(&theirs.issue(&["inner.test"]), &["http/1.1"]).answering(|_| Reply::new(200));
    let tls = |name: &str| format!("tls: {{ name: {name}, ca: \"{}\" }}", ours.ca().display());
    let edge = Edge::with(|c| {
        c.service_with("h1", &[&h1], &tls("inner.test"))
            .service_with("h2", &[&h2], &format!("protocol: h2, {}", tls("inner.test")))
            .service_with("wrong-name", &[&h1], &tls("other.test"))
            .service_with("wrong-ca", &[&foreign], &tls("inner.test"))
            .route("* /h1", "h1")
            .route("* /h2", "h2")
            .route("* /wrong-name", "wrong-name")
            .route("* /wrong-ca", "wrong-ca")
    });

    assert_eq!(edge.get("/h1").text(), "h1");
    assert_eq!(edge.get("/h2").text(), "h2");
    for path in ["/wrong-name", "/wrong-ca"] {
        let answer = edge.get(path);
        assert_eq!(answer.status, 503, "{path}: {}", answer.text());
        assert!(
            answer.header("proxy-status").is_some_and(|text| text.contains("tls_certificate_error")),
            "{path}: {answer:?}"
        );
    }
    assert_eq!((h1.count(), foreign.count()), (1, 0));
}

const MIB: usize = 1 << 20;

#[test]
fn a_large_upload_flows_through_without_being_held() {
    let upstream = Upstream::at_head(|request, wire| {
        while wire.skip_body(MIB) {}
        wire.reply(request, &Reply::new(200).body("taken"));
    });
    let edge =
        Edge::with(|c| c.service("api", &upstream).route_with("up", "* /**", "to: api, body: { max: none }"));
    let rss = edge.rss();
    let mut raw = Raw::connect(edge.address());

    raw.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 64 * MIB));
    for _ in 0..64 {
        assert!(raw.send(vec![7; MIB]));
        assert!(edge.rss() < rss + 16 * MIB as u64, "{rss} -> {}", edge.rss());
    }

    assert_eq!(raw.response("POST").text(), "taken");
    assert_eq!(upstream.body_bytes(), 64 * MIB as u64);
}

#[test]
fn a_large_download_flows_through_without_being_held() {
    let upstream = Upstream::scripted(|_, wire| {
        wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 64 * MIB));
        for _ in 0..64 {
            wire.send(vec![7; MIB]);
        }
    });
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /**", "api"));
    let rss = edge.rss();
    let mut raw = Raw::connect(edge.address());

    raw.send(Client::get("/").bytes());
    assert_eq!(raw.head("GET").status, 200);
    let mut came = 0;
    while came < 64 * MIB {
        let part = raw.read_some();
        assert!(!part.is_empty(), "cut after {came} bytes");
        came += part.len();
        assert!(edge.rss() < rss + 16 * MIB as u64, "{rss} -> {}", edge.rss());
    }

    assert_eq!(came, 64 * MIB);
}

#[test]
fn a_client_that_does_not_read_slows_its_upstream_down() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let upstream = Upstream::scripted(move |_, wire| {
        wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 256 * MIB));
        while wire.send(vec![7; MIB / 4]) && counter.fetch_add(MIB / 4, Ordering::Relaxed) < 256 * MIB {}
    });
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /**", "api"));
    let rss = edge.rss();
    let mut raw = Raw::connect(edge.address());

    raw.send(Client::get("/").bytes());

    let held = settled(|| sent.load(Ordering::Relaxed));
    assert!(held < 32 * MIB, "{held} bytes were taken from the upstream");
    assert!(edge.rss() < rss + 8 * MIB as u64, "{rss} -> {}", edge.rss());
    drop(raw);
    upstream.wait_all_closed();
}

#[test]
fn an_upstream_that_does_not_read_slows_its_client_down() {
    let upstream = Upstream::at_head(|_, wire| wire.pause(Duration::from_secs(5)));
    let edge = Edge::with(|c| {
        c.service_with("api", &[&upstream], "timeout: { request: none }").route_with(
            "up",
            "* /**",
            "to: api, body: { max: none }",
        )
    });
    let rss = edge.rss();
    let mut raw = Raw::connect(edge.address());

    raw.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 256 * MIB));
    let taken = raw.send_some(&vec![7; 64 * MIB], Duration::from_millis(500));

    assert!(taken < 32 * MIB, "{taken} bytes were taken from the client");
    assert!(edge.rss() < rss + 8 * MIB as u64, "{rss} -> {}", edge.rss());
}

/// The value once it does not change any more.
fn settled(value: impl Fn() -> usize) -> usize {
    let mut last = (value(), wait::now());
    wait::eventually("a value to settle", || {
        let now = value();
        if now != last.0 {
            last = (now, wait::now());
        }
        (now > 0 && wait::now() - last.1 > Duration::from_millis(300)).then_some(now)
    })
}

/// The shortest of five spans: what the machine does at the same time must not count.
fn best_of_five(mut span: impl FnMut(usize) -> Duration) -> Duration {
    (1..=5).map(&mut span).min().expect("five spans")
}

#[test]
fn when_the_client_leaves_its_request_is_taken_back_at_once() {
    let config = |upstream: &Upstream, c: Config| {
        c.service_with("api", &[upstream], "timeout: { request: none }").route("* /**", "api")
    };
    let h1 = Upstream::at_head(|_, wire| wire.until_gone());
    let edge = Edge::with(|c| config(&h1, c));
    let over_h1 = best_of_five(|round| {
        let mut raw = Raw::connect(edge.address());
        raw.send(Client::get("/").bytes());
        h1.wait_for_requests(round);
        drop(raw);
        let left = wait::now();
        h1.wait_abandoned(round) - left
    });

    let h2 = Upstream::h2(|_| H2Reply::new(200).stall_before_head());
    let edge_h2 = Edge::with(|c| {
        c.service_with("api", &[&h2], "protocol: h2, timeout: { request: none }").route("* /**", "api")
    });
    let over_h2 = best_of_five(|round| {
        let client = H2::connect(edge_h2.address());
        client.cancel_when("/", || h2.requests().len() >= round);
        let left = wait::now();
        h2.wait_abandoned(round) - left
    });

    assert!(over_h1 < Duration::from_millis(100), "HTTP/1: {over_h1:?}");
    assert!(over_h2 < Duration::from_millis(100), "HTTP/2: {over_h2:?}");
    let lines = edge.wait_for_lines(5);
    assert!(lines.iter().all(|line| field(line, "http.response.status_code") == 499), "{lines:#?}");
}

#[test]
fn an_answer_that_comes_before_the_request_is_whole_reaches_the_client() {
    let upstream = Upstream::at_head(|request, wire| {
        wire.reply(request, &Reply::new(403).body("no need to go on"));
        wire.close();
    });
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /**", "api"));
    let mut raw = Raw::connect(edge.address());

    raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbeginning");
    let answer = raw.response("POST");

    assert_eq!((answer.status, answer.text().as_str()), (403, "no need to go on"));
}

#[test]
fn the_time_of_a_service_begins_when_it_has_the_whole_request() {
    let upstream = Upstream::echo();
    let edge = Edge::with(|c| {
        c.service_with("api", &[&upstream], "timeout: { request: 400ms }").route("* /**", "api")
    });
    let mut raw = Raw::connect(edge.address());

    raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    raw.drip(&[b"01", b"23", b"45", b"67", b"89"], Duration::from_millis(200));

    assert_eq!(raw.response("POST").status, 200, "the upload took longer than the service may take");
}

#[test]
fn an_http_2_body_that_stops_is_a_408() {
    let upstream = Upstream::echo();
    let edge = Edge::with(|c| {
        c.listener("timeouts: { body: 300ms }").service("api", &upstream).route("* /**", "api")
    });
    let mut frames = Frames::connect(edge.address());

    frames.send(&Frames::bytes(
        kind::HEADERS,
        flag::END_HEADERS,
        1,
        &Frames::block(&Frames::pseudo("POST", "/")),
    ));

    wait::eventually("an answer", || (edge.line_count() > 0).then_some(()));
    assert_eq!(field(&edge.wait_for_lines(1)[0], "http.response.status_code"), 408);
}

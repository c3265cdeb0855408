//! Active checks: what counts as well and as ill, over HTTP, gRPC and TCP, and what follows for requests.

use portcullis_tests::sidecar::{Beside, Mesh, id};
use portcullis_tests::{
    Addressed, Authority, Backend, BlackHole, Client, Config, Edge, H2Reply, PythonServer, Raw, Refused,
    Reply, Report, Response, Upstream, wait,
};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Checks that follow each other closely, and one of them is enough. Where a good answer is expected nobody hurries.
pub(super) const QUICK: &str = "interval: 50ms, timeout: 10s, healthy: 1, unhealthy: 1";
/// The same, where no answer is expected.
const HASTY: &str = "interval: 50ms, timeout: 300ms, healthy: 1, unhealthy: 1";

/// How an endpoint stands, and why, as `/clusters` has it.
pub(super) fn row(clusters: &Response, service: &str, address: &str) -> (String, String) {
    let json = clusters.json();
    let rows = json["clusters"].as_array().cloned().unwrap_or_default();
    let row = rows.into_iter().find(|row| row["service"] == service && row["endpoint"] == address);
    let row = row.unwrap_or_else(|| panic!("no {service} {address} in {json}"));
    let text = |key: &str| row[key].as_str().expect("a text").to_owned();
    (text("standing"), text("reason"))
}

pub(super) fn standing(edge: &Edge, service: &str, endpoint: &dyn Addressed) -> (String, String) {
    row(&edge.admin_get("/clusters"), service, &endpoint.address().to_string())
}

/// Waits until it stands so; the reason.
pub(super) fn becomes(edge: &Edge, service: &str, endpoint: &dyn Addressed, word: &str) -> String {
    wait::eventually(&format!("{service} to be {word}"), || {
        let (standing, reason) = standing(edge, service, endpoint);
        (standing == word).then_some(reason)
    })
}

/// Answers checks of `/healthz` with this while told to be well, with 500 otherwise; requests with 200 always.
fn switched() -> (Upstream, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&well);
    let upstream = Upstream::answering(move |request| {
        let is_ill = request.target == "/healthz" && !told.load(Ordering::SeqCst);
        Reply::new(if is_ill { 500 } else { 200 })
    });
    (upstream, well)
}

/// How many requests it got that were no checks.
fn served(upstream: &Upstream) -> usize {
    upstream.requests().iter().filter(|request| request.target == "/").count()
}

/// One service for each case: what is asked, how the endpoint then stands, and a part of the reason.
fn judged(upstream: &dyn Addressed, keys: &str, cases: &[(&str, &str, &str)]) {
    let describe = |config: Config, (index, (health, ..)): (usize, &(&str, &str, &str))| {
        let keys = format!("{keys} health: {{ {health} }}");
        config.service_with(&format!("s{index}"), &[upstream], &keys)
    };
    let edge = Edge::with(|config| cases.iter().enumerate().fold(config, describe));
    let mut report = Report::new();
    for (index, (health, word, part)) in cases.iter().enumerate() {
        report.row(health, word);
        let reason = becomes(&edge, &format!("s{index}"), upstream, word);
        report.check(reason.contains(part) && reason.is_empty() == part.is_empty(), || reason);
    }
    report.end();
}

#[test]
fn an_http_check_is_good_with_a_status_that_was_expected_and_no_other() {
    let upstream = Upstream::answering(|request| {
        let status = request.target.get(1..4).and_then(|text| text.parse().ok()).unwrap_or(200);
        Reply::new(status).header("location", "/200")
    });
    let cases = [
        ("path: /200", "well", ""),
        ("path: /299?deep=1", "well", ""),
        ("path: /204, expect: 204", "well", ""),
        ("path: /206, expect: 204", "ill", "status 206"),
        ("path: /300", "ill", "status 300"),
        ("path: /302", "ill", "status 302"),
        ("path: /302, expect: 200-399", "well", ""),
        ("path: /404", "ill", "status 404"),
        ("path: /401, expect: 401", "well", ""),
        ("path: /500", "ill", "status 500"),
        ("path: /200/host, host: \"inner.test:81\"", "well", ""),
    ];
    let cases = cases.map(|(health, word, reason)| (format!("{health}, {QUICK}"), word, reason));
    let cases: Vec<_> =
        cases.iter().map(|(health, word, reason)| (health.as_str(), *word, *reason)).collect();

    judged(&upstream, "", &cases);

    let seen = upstream.requests();
    let one = seen.iter().find(|request| request.target == "/200").expect("a check");
    assert_eq!((one.header("host"), one.header("user-agent")), (Some("s0"), Some("portcullis-health")));
    assert!(seen.iter().any(|request| request.target == "/299?deep=1"));
    let named = seen.iter().find(|request| request.target == "/200/host").expect("a check");
    assert_eq!(named.header("host"), Some("inner.test:81"));
}

#[test]
fn an_answer_that_never_comes_or_is_none_is_ill() {
    let upstream = Upstream::at_head(|request, wire| match request.target.as_str() {
        "/silent" => wire.until_gone(),
        "/close" => wire.close(),
        "/garbage" => {
            wire.send("SSH-2.0-OpenSSH_9\r\n\r\n");
            wire.close();
        }
        // A head, or answers before the answer, without end.
        "/head" => {
            wire.send("HTTP/1.1 200 OK\r\n");
            while wire.send("X-More: and more, and more, and more\r\n".repeat(100)) {}
        }
        _ => while wire.send("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100)) {},
    });
    let cases = [
        ("path: /silent", "no answer within 300ms"),
        ("path: /close", "connection closed"),
        ("path: /garbage", "HTTP"),
        ("path: /head", ""),
        ("path: /hints", ""),
    ];

    let keys = |path: &str| format!("health: {{ {path}, {HASTY} }}");
    let edge = Edge::with(|config| {
        let add = |config: Config, (index, (path, _)): (usize, &(&str, &str))| {
            config.service_with(&format!("s{index}"), &[&upstream], &keys(path))
        };
        cases.iter().enumerate().fold(config, add)
    });

    for (index, (path, part)) in cases.iter().enumerate() {
        let reason = becomes(&edge, &format!("s{index}"), &upstream, "ill");
        assert!(!reason.is_empty(), "{path}: no reason");
        // On a busy machine anything may come too late.
        assert!(reason.contains(part) || reason.contains("no answer within"), "{path}: {reason}");
    }
}

#[test]
fn a_body_without_end_is_not_read_and_its_connection_is_closed() {
    let upstream = Upstream::at_head(|_, wire| {
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while wire.send(format!("4000\r\n{}\r\n", "x".repeat(0x4000))) {}
    });
    let edge = Edge::with(|config| {
        config.service_with("api", &[&upstream], &format!("health: {{ path: /healthz, {QUICK} }}"))
    });

    becomes(&edge, "api", &upstream, "well");

    wait::eventually("more checks", || (upstream.connections() >= 10).then_some(()));
    wait::eventually("their connections to end", || (upstream.open_connections() <= 2).then_some(()));
    assert_eq!(edge.messages().iter().filter(|line| line.contains("endpoint_well")).count(), 1);
}

#[test]
fn a_check_sees_the_tls_that_requests_see() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let h1 =
        Upstream::build().tls(&ours.issue(&["inner.test"]), &["http/1.1"]).answering(|_| Reply::new(200));
    let h2 = Upstream::build().tls(&ours.issue(&["inner.test"]), &["h2"]).h2(|_| H2Reply::new(200));
    let foreign =
        Upstream::build().tls(&theirs.issue(&["inner.test"]), &["http/1.1"]).answering(|_| Reply::new(200));
    let keys = |name: &str, health: &str| {
        let ca = ours.ca();
        format!("tls: {{ name: {name}, ca: \"{}\" }}, health: {{ {health}, {QUICK} }}", ca.display())
    };
    let path = "path: /healthz";
    let edge = Edge::with(|config| {
        config
            .service_with("h1", &[&h1], &keys("inner.test", path))
            .service_with("h2", &[&h2], &format!("protocol: h2, {}", keys("inner.test", path)))
            .service_with("tcp", &[&h1], &keys("inner.test", "tcp: true"))
            .service_with("wrong-name", &[&h1], &keys("other.test", path))
            .service_with("wrong-ca", &[&foreign], &keys("inner.test", path))
            .service_with("wrong-ca-tcp", &[&foreign], &keys("inner.test", "tcp: true"))
    });

    for (service, upstream) in [("h1", &h1), ("h2", &h2), ("tcp", &h1)] {
        becomes(&edge, service, upstream, "well");
    }
    for (service, upstream) in [("wrong-name", &h1), ("wrong-ca", &foreign), ("wrong-ca-tcp", &foreign)] {
        let reason = becomes(&edge, service, upstream, "ill");
        assert!(reason.starts_with("connect_tls"), "{service}: {reason}");
    }
    assert_eq!(foreign.count(), 0, "it was asked before it was believed");
}

#[test]
fn over_http_2_a_check_ends_with_its_connection_whatever_the_answer_does() {
    let silent = Upstream::h2(|_| H2Reply::new(200).stall_before_head());
    let endless = Upstream::h2(|_| H2Reply::new(200).part(vec![b'x'; 1 << 20]).stall());
    let reset = Upstream::h2(|_| H2Reply::new(200).reset_before_head(2));
    let keys = |times: &str| format!("protocol: h2, health: {{ path: /healthz, {times} }}");
    let edge = Edge::with(|config| {
        config
            .service_with("silent", &[&silent], &keys(HASTY))
            .service_with("endless", &[&endless], &keys(QUICK))
            .service_with("reset", &[&reset], &keys(QUICK))
    });

    assert!(becomes(&edge, "silent", &silent, "ill").contains("no answer within"));
    becomes(&edge, "endless", &endless, "well");
    assert!(!becomes(&edge, "reset", &reset, "ill").is_empty());

    for upstream in [&silent, &endless, &reset] {
        wait::eventually("more checks", || (upstream.connections() >= 5).then_some(()));
        wait::eventually("their connections to end", || (upstream.open_connections() <= 2).then_some(()));
    }
}

#[test]
fn a_grpc_check_asks_a_real_server_for_its_health() {
    let server = PythonServer::start("health_server.py");
    let long = format!("shop.{}", "x".repeat(195));
    let cases = [
        ("grpc: \"\"".to_owned(), "well", ""),
        ("grpc: shop.Well".to_owned(), "well", ""),
        (format!("grpc: {long}"), "well", ""),
        ("grpc: shop.Ill".to_owned(), "ill", "NOT_SERVING"),
        ("grpc: shop.Nobody".to_owned(), "ill", "grpc-status 5"),
    ];
    let cases = cases.map(|(health, word, reason)| (format!("{health}, {QUICK}"), word, reason));
    let cases: Vec<_> =
        cases.iter().map(|(health, word, reason)| (health.as_str(), *word, *reason)).collect();

    judged(&server, "protocol: h2,", &cases);

    let bare = PythonServer::start("bare_server.py");
    judged(&bare, "protocol: h2,", &[(&format!("grpc: \"\", {QUICK}"), "ill", "grpc-status 12")]);
}

#[test]
fn a_grpc_answer_is_believed_only_when_it_is_one() {
    const SERVING: [u8; 7] = [0, 0, 0, 0, 2, 8, 1];
    let upstream = Upstream::h2(|request| {
        let grpc = H2Reply::new(200).header("content-type", "application/grpc");
        // The name of the service stands behind the prefix, the key and its length.
        match request.body.get(7..).unwrap_or_default() {
            b"well" => grpc.part(&SERVING[..]).trailer("grpc-status", "0"),
            b"failed" => grpc.part(&SERVING[..]).trailer("grpc-status", "14"),
            b"no-status" => grpc.part(&SERVING[..]).trailer("x-other", "0"),
            b"html" => H2Reply::new(404).part("not here"),
            b"empty" => grpc.header("grpc-status", "0"),
            b"compressed" => grpc.part(&[1, 0, 0, 0, 2, 8, 1][..]).trailer("grpc-status", "0"),
            b"broken" => grpc.part(&[0, 0, 0, 0, 9, 8, 1][..]).trailer("grpc-status", "0"),
            b"twice" => grpc.header("grpc-status", "0").part(&SERVING[..]).trailer("grpc-status", "13"),
            b"flood" => grpc.part(vec![0; 1 << 20]).trailer("grpc-status", "0"),
            _ => grpc.part(&SERVING[..]).stall(),
        }
    });
    let cases = [
        ("grpc: well", "well", ""),
        ("grpc: failed", "ill", "grpc-status 14"),
        ("grpc: no-status", "ill", "no grpc-status"),
        ("grpc: html", "ill", "status 404"),
        ("grpc: empty", "ill", "not one of grpc.health.v1"),
        ("grpc: compressed", "ill", "not one of grpc.health.v1"),
        ("grpc: broken", "ill", "not one of grpc.health.v1"),
        ("grpc: twice", "ill", "grpc-status 13"),
        ("grpc: flood", "ill", "length limit"),
    ];
    let cases = cases.map(|(health, word, reason)| (format!("{health}, {QUICK}"), word, reason));
    let mut cases: Vec<_> =
        cases.iter().map(|(health, word, reason)| (health.as_str(), *word, *reason)).collect();
    let endless = format!("grpc: endless, {HASTY}");
    cases.push((&endless, "ill", "no answer within"));

    judged(&upstream, "protocol: h2,", &cases);
}

#[test]
fn a_tcp_check_needs_a_connection_and_nothing_else() {
    let (silent, backend) = (Upstream::at_head(|_, wire| wire.until_gone()), Backend::named("a"));
    let (refused, hole) = (Refused::new(), BlackHole::new());
    let keys = |times: &str| format!("health: {{ tcp: true, {times} }}");
    let port = silent.address().port();
    let edge = Edge::with(|config| {
        config
            .service_with("open", &[&silent], &keys(QUICK))
            .service_with("backend", &[&backend], &keys(QUICK))
            .service_with("refused", &[&refused], &keys(QUICK))
            .service_with("hole", &[&hole], &keys(HASTY))
            .service_with(
                "other-port",
                &[&refused],
                &format!("health: {{ tcp: true, port: {port}, {QUICK} }}"),
            )
    });

    becomes(&edge, "open", &silent, "well");
    becomes(&edge, "backend", &backend, "well");
    becomes(&edge, "other-port", &refused, "well");
    assert!(becomes(&edge, "refused", &refused, "ill").contains("refused"));
    assert!(becomes(&edge, "hole", &hole, "ill").contains("no answer within"));

    backend.kill();
    becomes(&edge, "backend", &backend, "ill");
    backend.run();
    becomes(&edge, "backend", &backend, "well");
    edge.wait_for_messages("endpoint_ill", 3);
}

#[test]
fn an_ill_endpoint_gets_no_requests_and_comes_back() {
    let ((a, a_well), (b, _b_well)) = (switched(), switched());
    let keys = format!("balance: round-robin, health: {{ path: /healthz, {QUICK} }}");
    let edge = Edge::with(|config| config.service_with("api", &[&a, &b], &keys).route("* /**", "api"));
    for upstream in [&a, &b] {
        becomes(&edge, "api", upstream, "well");
    }

    a_well.store(false, Ordering::SeqCst);
    assert_eq!(becomes(&edge, "api", &a, "ill"), "status 500");
    let before = served(&a);
    assert!((0..20).all(|_| edge.get("/").status == 200));
    assert_eq!((served(&a), served(&b)), (before, 20), "an ill endpoint got requests");
    // However often it is found ill: one line.
    let checks = a.count();
    wait::eventually("more checks", || (a.count() >= checks + 5).then_some(()));
    let line = edge.wait_for_message("endpoint_ill");
    assert!(line.contains(&a.address().to_string()) && line.contains("status 500"), "{line}");
    assert_eq!(edge.messages().iter().filter(|line| line.contains("endpoint_ill")).count(), 1);
    let table = edge.admin_get("/clusters?format=text").text();
    assert!(table.contains("REASON") && table.contains("status 500"), "{table}");

    a_well.store(true, Ordering::SeqCst);
    assert_eq!(becomes(&edge, "api", &a, "well"), "");
    assert!((0..20).all(|_| edge.get("/").status == 200));
    assert!(served(&a) > before, "it did not come back");
}

#[test]
fn when_all_are_ill_all_are_asked_unless_the_file_says_otherwise() {
    let ((a, a_well), (b, b_well)) = (switched(), switched());
    for well in [&a_well, &b_well] {
        well.store(false, Ordering::SeqCst);
    }
    let keys = |panic: &str| {
        format!("balance: round-robin, outlier: {{ panic: {panic} }}, health: {{ path: /healthz, {QUICK} }}")
    };
    let edge = Edge::with(|config| {
        config
            .service_with("panics", &[&a, &b], &keys("50%"))
            .service_with("never", &[&a, &b], &keys("0%"))
            .route("* /", "panics")
            .route("* /never", "never")
    });
    for service in ["panics", "never"] {
        becomes(&edge, service, &a, "ill");
        becomes(&edge, service, &b, "ill");
    }

    assert!((0..10).all(|_| edge.get("/").status == 200));
    assert!(served(&a) > 0 && served(&b) > 0, "not all are asked");
    assert!(edge.wait_for_message("endpoints_panic").contains("service=panics"));
    assert!(edge.admin_get("/clusters").text().contains("too few are well"));
    let refused = edge.get("/never");
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("NO_ENDPOINT")));
    wait::eventually("the gauge", || {
        let count = |state: &str| {
            let labels = [("upstream_cluster", "panics"), ("state", state)];
            edge.metric("portcullis_upstream_endpoints", &labels)
        };
        (count("ill") == 2.0 && count("well") == 0.0).then_some(())
    });

    a_well.store(true, Ordering::SeqCst);
    for service in ["panics", "never"] {
        becomes(&edge, service, &a, "well");
    }
    assert_eq!((edge.get("/").status, edge.get("/never").status), (200, 200));
    assert!(edge.wait_for_message("endpoints_calm").contains("service=panics"));
}

#[test]
fn a_process_that_is_stopped_is_found_ill_by_the_time_a_check_takes() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let keys = "balance: round-robin, health: { path: /healthz, interval: 50ms, timeout: 1s, healthy: 1, unhealthy: 2 }";
    let edge = Edge::with(|config| config.service_with("api", &[&a, &b], keys).route("* /**", "api"));
    becomes(&edge, "api", &a, "well");

    a.freeze();
    assert!(becomes(&edge, "api", &a, "ill").contains("no answer within 1s"));
    becomes(&edge, "api", &b, "well");
    assert!((0..10).all(|_| edge.get("/").text() == "b"));

    a.thaw();
    becomes(&edge, "api", &a, "well");
}

#[test]
fn that_we_have_no_files_left_makes_nobody_ill() {
    let upstream = Upstream::replying(200);
    let keys = format!("health: {{ path: /healthz, {QUICK} }}");
    let edge = Edge::with(|config| {
        config
            .service_with("api", &[&upstream], &keys)
            .route("* /**", "api")
            .workers(1)
            .max_files(64)
            .listener("caps: { connections: 1000 }")
    });
    becomes(&edge, "api", &upstream, "well");
    let mut admin = Raw::connect(edge.admin());

    let crowd: Vec<_> = (0..200).filter_map(|_| TcpStream::connect(edge.address()).ok()).collect();

    let standing = wait::eventually("a check that cannot be made", || {
        admin.send(Client::get("/clusters").host("localhost").bytes());
        let answer = admin.try_response("GET", wait::PATIENCE).ok().flatten()?;
        let (standing, reason) = row(&answer, "api", &upstream.address().to_string());
        reason.contains("Too many open files").then_some(standing)
    });
    assert_eq!(standing, "well");
    drop(crowd);
    wait::eventually("good checks", || {
        admin.send(Client::get("/clusters").host("localhost").bytes());
        let answer = admin.try_response("GET", wait::PATIENCE).ok().flatten()?;
        let now = row(&answer, "api", &upstream.address().to_string());
        (now == ("well".to_owned(), String::new())).then_some(())
    });
}

#[test]
fn in_the_mesh_a_check_is_a_request_that_a_rule_must_allow() {
    let mesh = Mesh::new();
    let app = Upstream::replying(200);
    let checks =
        "id: checks, from: [spiffe://shop.example/svc/order], to: { methods: [GET], paths: [/healthz] }";
    let callee = Beside::of(&mesh.svid("svc/payment"), &app).rule(checks).start();
    let front_app = Upstream::replying(200);
    let keys = |name: &str, path: &str| {
        let (member, at) = (id(name), callee.inbound());
        format!("mesh: {member}, endpoints: [\"{at}\"], health: {{ path: {path}, {QUICK} }}")
    };
    let of_bytes = format!(
        "protocol: tcp, endpoints: [\"{}\"], local: \"127.0.0.1:0\", health: {{ tcp: true, {QUICK} }}",
        app.address()
    );
    let caller = Beside::of(&mesh.svid("svc/order"), &front_app)
        .service("allowed", &keys("svc/payment", "/healthz"))
        .service("denied", &keys("svc/payment", "/other"))
        .service("impostor", &keys("svc/other", "/healthz"))
        .service("bytes", &of_bytes)
        .start();
    let becomes = |service: &str, address: SocketAddr, word: &str| {
        wait::eventually(&format!("{service} to be {word}"), || {
            let clusters = caller.admin_get("/clusters");
            let (standing, reason) = row(&clusters, service, &address.to_string());
            (standing == word).then_some(reason)
        })
    };

    becomes("allowed", callee.inbound(), "well");
    becomes("bytes", app.address(), "well");
    assert_eq!(becomes("denied", callee.inbound(), "ill"), "status 403");
    let reason = becomes("impostor", callee.inbound(), "ill");
    assert!(reason.starts_with("connect_tls"), "{reason}");

    assert!(
        app.requests().iter().all(|request| request.target == "/healthz"),
        "what no rule allows came through"
    );
}

//! What clients and operators are told: answers of our own, ids, traces, and one outcome for each request.

use portcullis_tests::{Client, Edge, H2, H2Reply, Raw, Refused, Reply, Upstream, field, wait};
use serde_json::Value;
use std::collections::HashSet;

#[test]
fn an_answer_of_our_own_is_problem_json_with_ids_and_a_proxy_status() {
    let dead = Refused::new();
    let edge = Edge::with(|c| c.service("api", &dead).route("GET /dead", "api"));

    for (client, status) in [
        (Client::get("/nowhere"), 404),
        (Client::new("DELETE", "/dead").body(""), 405),
        (Client::get("/dead"), 503),
        (Client::get("/dead/%2f"), 400),
    ] {
        let answer = client.send(edge.address());
        let body = answer.json();
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(body["status"], status, "{body:#}");
        for name in ["type", "title", "code", "detail", "traceId", "requestId"] {
            assert!(
                body[name].as_str().is_some_and(|text| !text.is_empty()),
                "{status} has no {name}: {body:#}"
            );
        }
        assert_eq!(body["requestId"].as_str(), answer.header("x-request-id"));
        assert_eq!(body["traceId"].as_str().map(str::len), Some(32));
        assert!(
            answer.header("proxy-status").is_some_and(|text| text.starts_with("portcullis; error=")),
            "{answer:?}"
        );
        let told = format!("{body} {:?}", answer.headers);
        assert!(
            !told.contains(&dead.address().to_string()),
            "the address of an upstream is nobody's business: {told}"
        );
        let line = edge
            .access_log()
            .into_iter()
            .find(|line| line.to_string().contains(&body["traceId"].to_string()));
        let line = line.or_else(|| edge.wait_for_lines(1).pop()).expect("a line");
        assert!(field(&line, "error.type").is_string(), "{line:#}");
    }
}

#[test]
fn a_grpc_call_is_refused_with_a_status_in_its_head() {
    let dead = Refused::new();
    let slow = Upstream::h2(|_| H2Reply::new(200).stall_before_head());
    let edge = Edge::with(|c| {
        c.service_with("dead", &[&dead], "protocol: h2")
            .service_with("slow", &[&slow], "protocol: h2, timeout: { request: 200ms }")
            .route("POST /dead.S/M", "dead")
            .route("POST /slow.S/M", "slow")
    });
    let client = H2::connect(edge.address());
    let call = |path: &str| {
        let request = http::Request::post(format!("http://a{path}"))
            .header("content-type", "application/grpc+proto")
            .header("te", "trailers");
        client.request(request.body(()).expect("a request"), b"\0\0\0\0\0".to_vec())
    };

    for (path, status) in [("/dead.S/M", "14"), ("/slow.S/M", "4"), ("/none.S/M", "12"), ("/a%2f", "3")] {
        let answer = call(path);
        assert_eq!(answer.status, 200, "{path} {answer:?}");
        let expected: &[&str] = if status == "3" { &["3", "13"] } else { &[status] };
        assert!(expected.contains(&answer.header("grpc-status").unwrap_or_default()), "{path} {answer:?}");
        assert!(
            answer.header("content-type").is_some_and(|kind| kind.starts_with("application/grpc")),
            "{path}"
        );
        assert!(answer.body.is_empty() && answer.header("x-request-id").is_some(), "{path} {answer:?}");
    }
}

#[test]
fn a_grpc_call_passes_with_its_trailers() {
    let upstream = Upstream::h2(|request| {
        H2Reply::new(200)
            .header("content-type", "application/grpc")
            .part(request.body.clone())
            .trailer("grpc-status", "5")
            .trailer("grpc-message", "not here")
    });
    let edge = Edge::with(|c| c.service_with("api", &[&upstream], "protocol: h2").route("POST /S/M", "api"));

    let request = http::Request::post("http://a/S/M")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let answer =
        H2::connect(edge.address()).request(request.body(()).expect("a request"), b"\0\0\0\0\x01x".to_vec());

    assert_eq!((answer.status, answer.body.as_slice()), (200, b"\0\0\0\0\x01x".as_slice()));
    assert_eq!(
        (answer.trailers.get("grpc-status"), answer.trailers.get("grpc-message")),
        (Some("5"), Some("not here"))
    );
    assert_eq!(upstream.request().header("te"), Some("trailers"));
}

#[test]
fn what_is_hop_by_hop_in_an_answer_stays_with_its_hop() {
    let upstream = Upstream::answering(|_| {
        Reply::new(200)
            .header("Connection", "keep-alive, X-Hop")
            .header("Keep-Alive", "timeout=5")
            .header("X-Hop", "1")
            .header("Proxy-Authenticate", "Basic")
            .header("Upgrade", "h2c")
            .header("X-End", "1")
            .header("X-Auth-User", "leak")
            .body("ok")
    });
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /**", "api"));

    let (h1, h2) = (edge.get("/"), H2::connect(edge.address()).get("/"));

    assert_eq!(h1.header("x-end"), Some("1"));
    assert_eq!(h2.header("x-end"), Some("1"));
    for name in ["keep-alive", "x-hop", "proxy-authenticate", "upgrade", "x-auth-user"] {
        assert!(h1.header(name).is_none() && h2.header(name).is_none(), "{name}: {h1:?}");
    }
}

#[test]
fn every_request_has_an_id_of_its_own_that_the_client_the_upstream_and_the_log_share() {
    let upstream = Upstream::echo();
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /**", "api"));

    let answers: Vec<_> = (0..20).map(|_| edge.get("/")).collect();

    let lines = edge.wait_for_lines(20);
    let logged: HashSet<&str> =
        lines.iter().filter_map(|line| field(line, "portcullis.request_id").as_str()).collect();
    let told: HashSet<&str> = answers.iter().filter_map(|answer| answer.header("x-request-id")).collect();
    let requests = upstream.requests();
    let sent: HashSet<&str> = requests.iter().filter_map(|request| request.header("x-request-id")).collect();
    assert_eq!(told.len(), 20);
    assert_eq!((&told, &told), (&sent, &logged));
}

#[test]
fn a_sound_trace_goes_on_under_a_span_of_ours_and_any_other_begins_anew() {
    let upstream = Upstream::echo();
    let edge = Edge::with(|c| {
        c.top("trust: { proxies: [127.0.0.0/8] }").service("api", &upstream).route("* /**", "api")
    });
    let id = "0af7651916cd43dd8448eb211c80319c";
    let parent = |value: &str| {
        Client::get("/").header("traceparent", value).header("tracestate", "vendor=1").send(edge.address());
        let request = upstream.requests().pop().expect("a request");
        (
            request.header("traceparent").unwrap_or_default().to_owned(),
            request.header("tracestate").map(str::to_owned),
        )
    };

    let (kept, state) = parent(&format!("00-{id}-b7ad6b7169203331-01"));
    assert!(
        kept.starts_with(&format!("00-{id}-")) && kept.ends_with("-01") && !kept.contains("b7ad6b7169203331"),
        "{kept}"
    );
    assert_eq!(state.as_deref(), Some("vendor=1"));

    let zeros = "0".repeat(32);
    for bad in [
        "".to_owned(),
        "nonsense".to_owned(),
        format!("00-{zeros}-b7ad6b7169203331-01"),
        format!("00-{id}-0000000000000000-01"),
        format!("ff-{id}-b7ad6b7169203331-01"),
        format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()),
        format!("00-{id}-b7ad6b7169203331-01-extra"),
    ] {
        let (fresh, state) = parent(&bad);
        assert!(
            fresh.len() == 55 && !fresh.to_lowercase().contains(id) && !fresh.contains(&zeros),
            "{bad:?} became {fresh:?}"
        );
        assert_eq!(state, None, "a state without its trace means nothing");
    }
}

#[test]
fn b3_is_read_and_written_when_the_file_says_so() {
    let id = "0af7651916cd43dd8448eb211c80319c";
    let single = Client::get("/").header("b3", &format!("{id}-b7ad6b7169203331-1"));
    let multi = Client::get("/")
        .header("X-B3-TraceId", id)
        .header("X-B3-SpanId", "b7ad6b7169203331")
        .header("X-B3-Sampled", "1");

    for (propagation, client) in [("b3", &single), ("b3multi", &multi)] {
        let upstream = Upstream::echo();
        let observe = format!("observe: {{ traces: {{ propagation: [w3c, {propagation}] }} }}");
        let edge = Edge::with(|c| {
            c.top("trust: { proxies: [127.0.0.0/8] }")
                .top(&observe)
                .service("api", &upstream)
                .route("* /**", "api")
        });
        client.send(edge.address());
        let request = upstream.request();
        assert!(
            request.header("traceparent").is_some_and(|value| value.contains(id)),
            "{propagation}: {request:?}"
        );
        let written = if propagation == "b3" { request.header("b3") } else { request.header("x-b3-traceid") };
        assert!(written.is_some_and(|value| value.starts_with(id)), "{propagation}: {request:?}");
    }

    let upstream = Upstream::echo();
    let edge = Edge::with(|c| {
        c.top("trust: { proxies: [127.0.0.0/8] }").service("api", &upstream).route("* /**", "api")
    });
    single.send(edge.address());
    assert!(!upstream.request().header("traceparent").expect("a trace").contains(id), "not asked for");
}

#[test]
fn each_request_has_exactly_one_outcome_and_the_words_agree() {
    let upstream = Upstream::scripted(|request, wire| match request.target.as_str() {
        "/cut" => {
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
            wire.close();
        }
        "/slow" => wire.until_gone(),
        "/error" => wire.reply(request, &Reply::new(500).body("theirs")),
        _ => wire.reply(request, &Reply::new(200).body("ok")),
    });
    let edge = Edge::with(|c| {
        c.service_with("api", &[&upstream], "timeout: { request: 200ms }").route("GET /**", "api")
    });

    for path in ["/ok", "/ok", "/cut", "/slow", "/error", "/a//b"] {
        let mut raw = Raw::connect(edge.address());
        raw.send(Client::get(path).bytes());
        raw.try_response("GET", wait::PATIENCE).expect("a sound answer");
    }
    Client::post("/ok", "x").send(edge.address());

    let lines = edge.wait_for_lines(7);
    let of = |path: &str| lines.iter().find(|line| field(line, "url.path") == path).unwrap_or(&Value::Null);
    assert!(field(of("/ok"), "error.type").is_null(), "{:#}", of("/ok"));
    assert_eq!(field(of("/cut"), "http.response.status_code"), 200);
    assert!(field(of("/cut"), "error.type").is_string());
    assert_eq!(field(of("/slow"), "http.response.status_code"), 504);
    assert_eq!(field(of("/error"), "http.response.status_code"), 500);
    let ended = wait::eventually("seven outcomes", || {
        let metrics = edge.metrics();
        (metrics.sum("portcullis_exchanges_ended_total", &[]) >= 7.0).then_some(metrics)
    });
    assert_eq!(ended.sum("portcullis_exchanges_ended_total", &[]), 7.0);
    assert_eq!(ended.sum("http_server_request_duration_seconds_count", &[]), 7.0);
    for line in &lines {
        let Some(reason) = field(line, "error.type").as_str() else { continue };
        let counted = ended.sum("portcullis_exchanges_ended_total", &[("reason", reason)]);
        assert!(counted >= 1.0, "the log says {reason:?}, the metrics do not");
    }
    assert_eq!(ended.sum("http_server_active_requests", &[]), 0.0);
}

#[test]
fn the_access_log_names_what_an_operator_asks_for() {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|c| {
        c.top("observe: { access_log: { redact: [query.token] } }").service("api", &upstream).route_with(
            "things",
            "* /things/**",
            "to: api",
        )
    });

    Client::post("/things/1?token=secret&x=1", "hello")
        .host("shop.test:8080")
        .header("User-Agent", "probe/1")
        .send(edge.address());

    let line = edge.wait_for_lines(1).remove(0);
    for (name, expected) in [
        ("http.request.method", "POST"),
        ("url.scheme", "http"),
        ("url.path", "/things/1"),
        ("http.route", "things"),
        ("network.protocol.version", "1.1"),
        ("client.address", "127.0.0.1"),
        ("server.address", "shop.test"),
        ("user_agent.original", "probe/1"),
    ] {
        assert_eq!(field(&line, name), expected, "{name} in {line:#}");
    }
    assert_eq!(field(&line, "http.response.status_code"), 200);
    assert_eq!(field(&line, "http.request.body.size"), 5);
    assert_eq!(field(&line, "http.response.body.size"), 2);
    assert!(line.to_string().contains("x=1") && !line.to_string().contains("secret"), "{line:#}");
}

#[test]
fn a_log_nobody_reads_holds_nobody_up() {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|c| {
        c.top("observe: { access_log: { to: \"file:/dev/full\" } }")
            .service("api", &upstream)
            .route("* /**", "api")
    });

    for _ in 0..50 {
        assert_eq!(edge.get("/").status, 200);
    }

    wait::eventually("dropped lines to be counted", || {
        (edge.metric("portcullis_access_log_dropped_total", &[]) >= 50.0).then_some(())
    });
}

#[test]
fn series_of_metrics_stay_few_whatever_clients_send() {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /pub/**", "api"));
    edge.get("/pub/x");
    let before = edge.metrics().all().len();

    let mut raw = Raw::connect(edge.address());
    for i in 0..300 {
        let client = Client::new(&format!("METHOD{i}"), &format!("/pub/{i}"))
            .host(&format!("h{i}.test"))
            .header("User-Agent", &format!("{i}"));
        assert_eq!(client.send_on(&mut raw).status, 200);
        assert_eq!(Client::get(&format!("/none/{i}")).send_on(&mut raw).status, 404);
    }

    let after = edge.metrics().all().len();
    assert!(after < before + 200, "{before} -> {after} series");
}

//! What a line of the access log holds, and what can never be in it.

use super::super::super::outcome::{EndedBy, Outcome, Stage};
use super::*;
use serde_json::{Value, json};
use std::time::UNIX_EPOCH;

fn record() -> Record<'static> {
    Record {
        started: UNIX_EPOCH + Duration::new(1_795_370_400, 1_000),
        duration: Duration::from_micros(12_034),
        method: "POST",
        scheme: "https",
        host: "shop.test",
        path: "/orders",
        query: "a=1&token=secret",
        route: Some("orders"),
        service: Some("order"),
        endpoint: Some(SocketAddr::from(([10, 0, 0, 7], 8080))),
        attempts: 2,
        failed: Some((SocketAddr::from(([10, 0, 0, 6], 8080)), AttemptEnd::Failed("connect_refused"))),
        degraded: None,
        grpc_status: None,
        upstream_time: Some(Duration::from_micros(9_000)),
        status: 201,
        protocol: "2",
        client: SocketAddr::from(([203, 0, 113, 9], 1)),
        peer: SocketAddr::from(([10, 0, 0, 1], 2)),
        user_agent: Some(b"curl/8.0"),
        request_id: "r-1",
        trace_id: "0af7651916cd43dd8448eb211c80319c",
        span_id: "b7ad6b7169203331",
        bytes_in: 17,
        bytes_out: 18_000_000_000,
        tls_version: Some("TLSv1.3"),
        mesh_peer: None,
        rule: None,
        user: None,
        disbelieved: None,
        outcome: Outcome::ANSWERED,
    }
}

fn line(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    Lines::new(Redaction::new(&["token".to_owned()])).write(&mut out, record);
    String::from_utf8(out).unwrap()
}

fn parsed(record: &Record<'_>) -> Value {
    serde_json::from_str(&line(record)).unwrap()
}

#[test]
fn a_full_line_has_exactly_these_keys_in_this_order() {
    assert_eq!(
        line(&record()),
        concat!(
            r#"{"timestamp":"2026-11-22T18:00:00.000001Z","http.request.method":"POST","url.scheme":"https","#,
            r#""url.path":"/orders","url.query":"a=1&token=REDACTED","http.route":"orders","#,
            r#""http.response.status_code":201,"network.protocol.version":"2","client.address":"203.0.113.9","#,
            r#""network.peer.address":"10.0.0.1","server.address":"shop.test","user_agent.original":"curl/8.0","#,
            r#""http.request.body.size":17,"http.response.body.size":18000000000,"#,
            r#""trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331","#,
            r#""portcullis.service":"order","portcullis.endpoint":"10.0.0.7:8080","portcullis.attempts":2,"#,
            r#""portcullis.failed":"10.0.0.6:8080 connect_refused","#,
            r#""portcullis.duration_ms":12.034,"portcullis.upstream_ms":9.000,"portcullis.ended_by":"upstream","#,
            r#""portcullis.stage":"done","portcullis.request_id":"r-1","portcullis.tls_version":"TLSv1.3"}"#,
            "\n"
        )
    );
}

#[test]
fn what_another_has_answered_and_what_a_grpc_service_has_said_can_be_read() {
    let failed = Some((SocketAddr::from(([10, 0, 0, 6], 8080)), AttemptEnd::Answered(503)));
    let record =
        Record { failed, degraded: Some(b"tips;reason=circuit-open"), grpc_status: Some(14), ..record() };

    let line = parsed(&record);

    assert_eq!(line["portcullis.failed"], "10.0.0.6:8080 503");
    assert_eq!(line["portcullis.degraded"], "tips;reason=circuit-open");
    assert_eq!(line["rpc.grpc.status_code"], 14);
}

#[test]
fn what_is_not_known_is_absent() {
    let outcome = Outcome { ended_by: EndedBy::Downstream, stage: Stage::Gate, reason: "bare_lf" };
    let refused = Record {
        method: "",
        host: "",
        path: "",
        query: "",
        route: None,
        service: None,
        endpoint: None,
        upstream_time: None,
        user_agent: None,
        tls_version: None,
        mesh_peer: None,
        rule: None,
        user: None,
        disbelieved: None,
        outcome,
        ..record()
    };

    let line = parsed(&refused);

    let keys: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
    for absent in [
        "http.request.method",
        "url.path",
        "url.query",
        "http.route",
        "server.address",
        "user_agent.original",
        "portcullis.service",
        "portcullis.endpoint",
        "portcullis.upstream_ms",
        "portcullis.tls_version",
    ] {
        assert!(!keys.iter().any(|key| key == absent), "{absent} in {keys:?}");
    }
    assert_eq!(line["error.type"], "bare_lf");
    assert_eq!(line["portcullis.stage"], "gate");
    assert_eq!(line["portcullis.ended_by"], "downstream");
}

#[test]
fn hostile_values_stay_inside_their_string_and_their_line() {
    let hostile = Record {
        method: "G\"ET",
        path: "/a\n{\"forged\":true}",
        host: "h\u{202e}",
        user_agent: Some(b"\x1b[31m\",\"x\":\"\xff"),
        request_id: "\\",
        ..record()
    };

    let written = line(&hostile);

    assert_eq!(written.matches('\n').count(), 1);
    assert!(written.is_ascii());
    let value: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(value["url.path"], "/a\n{\"forged\":true}");
    assert_eq!(value["user_agent.original"], "\u{1b}[31m\",\"x\":\"\u{fffd}");
    assert_eq!(value.get("forged"), None);
    assert_eq!(value.get("x"), None);
}

#[test]
fn addresses_are_written_as_people_know_them() {
    let mapped = Record {
        client: "[::ffff:192.0.2.1]:9".parse().unwrap(),
        peer: "[2001:db8::1]:9".parse().unwrap(),
        endpoint: Some("[2001:db8::2]:443".parse().unwrap()),
        ..record()
    };

    let line = parsed(&mapped);

    assert_eq!(line["client.address"], "192.0.2.1");
    assert_eq!(line["network.peer.address"], "2001:db8::1");
    assert_eq!(line["portcullis.endpoint"], "[2001:db8::2]:443");
}

#[test]
fn durations_keep_their_zeros() {
    for (micros, shown) in
        [(0, json!(0.000)), (7, json!(0.007)), (1_050, json!(1.05)), (3_600_000_000, json!(3_600_000.0))]
    {
        let line = parsed(&Record { duration: Duration::from_micros(micros), ..record() });

        assert_eq!(line["portcullis.duration_ms"].as_f64(), shown.as_f64());
    }
}

//! What is counted, and that series stay bounded.

use super::super::outcome::{EndedBy, Outcome, Stage};
use super::super::record::Record;
use super::*;
use std::net::SocketAddr;

fn record() -> Record<'static> {
    let address = SocketAddr::from(([127, 0, 0, 1], 40_000));
    Record {
        started: UNIX_EPOCH,
        duration: Duration::from_millis(3),
        method: "GET",
        scheme: "https",
        host: "shop.test",
        path: "/orders",
        query: "",
        route: Some("orders"),
        service: Some("order"),
        endpoint: None,
        attempts: 1,
        failed: None,
        degraded: None,
        grpc_status: None,
        upstream_time: None,
        status: 200,
        protocol: "2",
        client: address,
        peer: address,
        user_agent: None,
        request_id: "",
        trace_id: "",
        span_id: "",
        bytes_in: 0,
        bytes_out: 100,
        tls_version: None,
        mesh_peer: None,
        rule: None,
        user: None,
        disbelieved: None,
        outcome: Outcome::ANSWERED,
    }
}

fn hub() -> Arc<Hub> {
    Hub::new(BuildInfo { version: "1.2.3", rustc: "" }, UNIX_EPOCH + Duration::from_secs(5))
}

#[track_caller]
fn assert_has(text: &str, line: &str) {
    assert!(text.lines().any(|have| have == line), "no line {line} in\n{text}");
}

#[test]
fn workers_are_added_up() {
    let hub = hub();
    let (one, two) = (hub.worker(), hub.worker());

    one.exchange(&record());
    two.exchange(&record());
    two.exchange(&Record { status: 404, ..record() });

    let text = hub.render(Format::Text);
    let labels =
        r#"http_request_method="GET",url_scheme="https",http_response_status_code="200",http_route="orders""#;
    let prefix = "http_server_request_duration_seconds";
    assert_has(&text, &format!("{prefix}_count{{{labels},network_protocol_version=\"2\"}} 2"));
    assert_has(&text, &format!("{prefix}_sum{{{labels},network_protocol_version=\"2\"}} 0.006"));
    assert_has(&text, &format!("{prefix}_bucket{{{labels},network_protocol_version=\"2\",le=\"0.0025\"}} 0"));
    assert_has(&text, &format!("{prefix}_bucket{{{labels},network_protocol_version=\"2\",le=\"0.005\"}} 2"));
    assert_has(&text, &format!("http_server_response_body_size_bytes_sum{{{labels}}} 200"));
    assert_has(&text, r#"portcullis_exchanges_ended_total{ended_by="upstream",stage="done"} 3"#);
}

#[test]
fn an_error_carries_its_reason_and_no_route_when_there_is_none() {
    let hub = hub();
    let outcome = Outcome { ended_by: EndedBy::Proxy, stage: Stage::Route, reason: "no_route" };

    hub.worker().exchange(&Record { route: None, status: 404, outcome, ..record() });

    let text = hub.render(Format::Text);
    assert_has(
        &text,
        r#"http_server_request_duration_seconds_count{http_request_method="GET",url_scheme="https",http_response_status_code="404",network_protocol_version="2",error_type="no_route"} 1"#,
    );
    assert_has(
        &text,
        r#"portcullis_exchanges_ended_total{ended_by="proxy",stage="route",reason="no_route"} 1"#,
    );
}

#[test]
fn unknown_methods_are_one_series() {
    let hub = hub();
    let worker = hub.worker();

    for method in ["BREW", "get", "", "\u{1b}[31m"] {
        worker.exchange(&Record { method, ..record() });
    }

    let text = hub.render(Format::Text);
    assert!(text.contains(r#"request_duration_seconds_count{http_request_method="_OTHER""#), "{text}");
    assert_eq!(text.matches("http_server_request_duration_seconds_count").count(), 1);
}

#[test]
fn series_are_bounded_whatever_is_asked_for() {
    let hub = hub();
    let registry = Arc::<Registry>::default();
    lock(&hub.state).workers.push(Arc::clone(&registry));
    let worker = WorkerMetrics::with_cap(registry, 3);

    for status in 200..=299 {
        worker.exchange(&Record { status, ..record() });
    }
    worker.exchange(&record());

    let text = hub.render(Format::Text);
    assert_eq!(text.matches("http_server_request_duration_seconds_count").count(), 4);
    assert_has(
        &text,
        r#"portcullis_exchanges_ended_total{ended_by="_OTHER",stage="_OTHER",reason="_OTHER"} 97"#,
    );
    assert_has(&text, "portcullis_metrics_series_overflow_total 97");
    assert_has(&text, r#"portcullis_exchanges_ended_total{ended_by="upstream",stage="done"} 4"#);
}

#[test]
fn paths_hosts_and_agents_make_no_series() {
    let hub = hub();
    let worker = hub.worker();

    for n in 0..1_000 {
        let (path, host) = (format!("/p{n}"), format!("h{n}.test"));
        worker.exchange(&Record { path: &path, host: &host, user_agent: Some(path.as_bytes()), ..record() });
    }

    assert_eq!(hub.render(Format::Text).matches("http_server_request_duration_seconds_count").count(), 1);
}

#[test]
fn a_route_name_at_another_address_is_the_same_series() {
    let hub = hub();
    let worker = hub.worker();
    let (before, after) = ("orders".to_owned(), "orders".to_owned());

    worker.exchange(&Record { route: Some(&before), ..record() });
    worker.exchange(&Record { route: Some(&after), ..record() });

    assert_eq!(hub.render(Format::Text).matches("http_server_request_duration_seconds_count").count(), 1);
    assert_eq!(lock(&lock(&hub.state).workers[0].exchanges).len(), 1);
}

#[test]
fn gauges_fall_when_their_guards_are_dropped() {
    let hub = hub();
    let worker = hub.worker();
    let (active, open) = (worker.active(), worker.accepted());
    let during = hub.render(Format::Text);

    drop((active, open));

    assert_has(&during, "http_server_active_requests 1");
    assert_has(&during, "portcullis_connections_open 1");
    let after = hub.render(Format::Text);
    assert_has(&after, "http_server_active_requests 0");
    assert_has(&after, "portcullis_connections_open 0");
    assert_has(&after, "portcullis_connections_accepted_total 1");
}

#[test]
fn connections_to_a_service_move_between_active_and_idle() {
    let hub = hub();
    let service = hub.worker().upstream("order");
    service.connecting();
    let (one, two) = (service.connected(), service.connected());
    one.idle();
    one.idle();
    let during = hub.render(Format::Text);

    one.active();
    drop(two);

    assert_has(&during, r#"http_client_open_connections{upstream_cluster="order",state="active"} 1"#);
    assert_has(&during, r#"http_client_open_connections{upstream_cluster="order",state="idle"} 1"#);
    let after = hub.render(Format::Text);
    assert_has(&after, r#"http_client_open_connections{upstream_cluster="order",state="active"} 1"#);
    assert_has(&after, r#"http_client_open_connections{upstream_cluster="order",state="idle"} 0"#);
    assert_has(&after, r#"portcullis_upstream_connects_total{upstream_cluster="order"} 1"#);
}

#[test]
fn attempts_are_told_apart_by_how_they_ended() {
    let hub = hub();
    let service = hub.worker().upstream("order");

    service.attempt_ended(Duration::from_millis(1), AttemptEnd::Answered(200));
    service.attempt_ended(Duration::from_millis(1), AttemptEnd::Answered(200));
    service.attempt_ended(Duration::from_secs(1), AttemptEnd::Failed("upstream_reset"));
    service.connect_failed("connect_refused");
    service.reused();
    service.resent();

    let text = hub.render(Format::Text);
    let count = "http_client_request_duration_seconds_count{upstream_cluster=\"order\"";
    assert_has(&text, &format!("{count},http_response_status_code=\"200\"}} 2"));
    assert_has(&text, &format!("{count},error_type=\"upstream_reset\"}} 1"));
    assert_has(
        &text,
        r#"portcullis_upstream_connect_failures_total{upstream_cluster="order",reason="connect_refused"} 1"#,
    );
    assert_has(&text, r#"portcullis_upstream_reused_total{upstream_cluster="order"} 1"#);
    assert_has(&text, r#"portcullis_upstream_resends_total{upstream_cluster="order"} 1"#);
}

#[test]
fn an_upstream_that_invents_statuses_is_bounded_too() {
    let hub = hub();
    let service = hub.worker().upstream("order");

    (100..=999).for_each(|status| service.attempt_ended(Duration::ZERO, AttemptEnd::Answered(status)));

    let text = hub.render(Format::Text);
    assert_eq!(text.matches("http_client_request_duration_seconds_count").count(), 101);
    assert_has(
        &text,
        r#"http_client_request_duration_seconds_count{upstream_cluster="order",http_response_status_code="_OTHER"} 800"#,
    );
}

#[test]
fn the_counters_of_a_service_are_found_again_by_its_name() {
    let hub = hub();
    let worker = hub.worker();

    worker.upstream("order").reused();
    worker.upstream("order").reused();

    assert_has(&hub.render(Format::Text), r#"portcullis_upstream_reused_total{upstream_cluster="order"} 2"#);
}

#[test]
fn refusals_and_deprecated_routes_are_counted() {
    let hub = hub();
    let worker = hub.worker();

    worker.refused(Refusal::PerAddress);
    worker.accept_failed();
    worker.deprecated("old");
    worker.deprecated("old");

    let text = hub.render(Format::Text);
    assert_has(&text, r#"portcullis_connections_refused_total{reason="per_address"} 1"#);
    assert_has(&text, r#"portcullis_connections_refused_total{reason="cap"} 0"#);
    assert_has(&text, "portcullis_accept_errors_total 1");
    assert_has(&text, r#"portcullis_deprecated_route_requests_total{http_route="old"} 2"#);
}

#[test]
fn a_refused_reload_keeps_the_time_of_the_last_sound_one() {
    let hub = hub();
    hub.reload_ended(true, UNIX_EPOCH + Duration::from_secs(10));

    hub.reload_ended(false, UNIX_EPOCH + Duration::from_secs(20));

    let text = hub.render(Format::Text);
    assert_has(&text, "portcullis_config_last_reload_success 0");
    assert_has(&text, "portcullis_config_last_reload_success_timestamp_seconds 10");
    assert_has(&text, r#"portcullis_config_reloads_total{result="applied"} 1"#);
    assert_has(&text, r#"portcullis_config_reloads_total{result="refused"} 1"#);
}

#[test]
fn certificates_replace_those_before_and_none_stands_twice() {
    let hub = hub();
    let certificate = |file: &str, seconds| CertificateExpiry {
        listener: "127.0.0.1:443".to_owned(),
        certificate: file.to_owned(),
        not_after: UNIX_EPOCH + Duration::from_secs(seconds),
    };
    hub.set_certificates(&[certificate("old.pem", 1)]);

    hub.set_certificates(&[certificate("a.pem", 2), certificate("a.pem", 3)]);

    let text = hub.render(Format::Text);
    let name = "portcullis_tls_certificate_expiry_timestamp_seconds";
    assert_eq!(text.matches(&format!("{name}{{")).count(), 1);
    assert_has(&text, &format!("{name}{{listener=\"127.0.0.1:443\",certificate=\"a.pem\"}} 3"));
}

#[test]
fn openmetrics_ends_with_eof_and_names_no_family_twice() {
    let hub = hub();
    hub.worker().exchange(&record());

    let text = hub.render(Format::OpenMetrics);

    assert!(text.ends_with("# EOF\n"));
    let mut families: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let all = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), all);
}

#[test]
fn a_scrape_reads_while_a_worker_writes() {
    let hub = hub();
    let writer = std::thread::spawn({
        let hub = Arc::clone(&hub);
        move || {
            let worker = hub.worker();
            (0..20_000_u16).for_each(|n| worker.exchange(&Record { status: 200 + n % 50, ..record() }));
        }
    });

    while !writer.is_finished() {
        hub.render(Format::Text);
    }

    writer.join().unwrap();
    assert_has(
        &hub.render(Format::Text),
        r#"portcullis_exchanges_ended_total{ended_by="upstream",stage="done"} 20000"#,
    );
}

//! The admin listener: what it shows, what it hides, and who may change something.

use portcullis_tests::{Authority, Client, Config, Edge, Raw, Upstream, wait};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

fn scene(config: impl FnOnce(Config) -> Config) -> (Upstream, Edge) {
    let upstream = Upstream::replying(200);
    let edge =
        Edge::with(|c| config(c).service("api", &upstream).route_with("things", "GET /things/**", "to: api"));
    (upstream, edge)
}

#[test]
fn it_says_whether_it_lives_and_is_ready() {
    let (_upstream, edge) = scene(|c| c);

    assert_eq!(edge.admin_get("/live").status, 200);
    assert_eq!(edge.admin_get("/ready").status, 200);
    assert_eq!(edge.admin_get("/").status, 200, "the list of what there is");
    assert_eq!(edge.admin_get("/nothing").status, 404);
}

#[test]
fn it_lists_routes_clusters_and_listeners() {
    let (upstream, edge) = scene(|c| c);

    let (routes, clusters, listeners) =
        (edge.admin_get("/routes"), edge.admin_get("/clusters"), edge.admin_get("/listeners"));

    assert!(routes.json().to_string().contains("things"), "{}", routes.text());
    assert!(clusters.json().to_string().contains(&upstream.address().to_string()), "{}", clusters.text());
    assert!(listeners.json().to_string().contains(&edge.address().to_string()), "{}", listeners.text());
}

#[test]
fn it_dumps_the_configuration_without_its_secrets() {
    let authority = Authority::new();
    let cert = authority.issue(&["a"]);
    let key = std::fs::read_to_string(&cert.key).expect("a key");
    let line = key.lines().nth(1).expect("a line of the key");
    let (_upstream, edge) =
        scene(|c| c.more_listeners(&format!("tls: {{ certificates: [{}] }}", cert.yaml())));

    let dump = edge.admin_get("/config_dump");

    assert_eq!(dump.status, 200);
    assert!(dump.text().contains("things"), "{}", dump.text());
    assert!(!dump.text().contains(line) && !dump.text().contains("PRIVATE KEY"), "a private key is shown");
}

#[test]
fn its_metrics_are_sound_prometheus_text() {
    let (_upstream, edge) = scene(|c| c);
    edge.get("/things/1");

    let answer = edge.admin_get("/metrics");
    let text = answer.text();

    assert!(answer.header("content-type").is_some_and(
        |kind| kind.starts_with("text/plain") || kind.starts_with("application/openmetrics-text")
    ));
    let labels =
        [("http_route", "things"), ("http_response_status_code", "200"), ("http_request_method", "GET")];
    assert_eq!(edge.metric("http_server_request_duration_seconds_count", &labels), 1.0);
    for name in [
        "portcullis_build_info",
        "process_resident_memory_bytes",
        "process_open_fds",
        "http_client_request_duration_seconds_count",
    ] {
        assert!(text.contains(name), "{name} is missing");
    }
    // Every sample belongs to a family that was announced.
    let families: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for sample in edge.metrics().all() {
        let known = families.iter().any(|family| sample.name.starts_with(family.trim_end_matches("_total")));
        assert!(known, "{} has no TYPE line", sample.name);
    }
}

#[test]
fn a_histogram_counts_upwards_to_its_total() {
    let (_upstream, edge) = scene(|c| c);
    for _ in 0..10 {
        edge.get("/things/1");
    }

    let metrics = edge.metrics();
    let labels = [("http_route", "things")];
    let buckets: Vec<f64> = metrics
        .of("http_server_request_duration_seconds_bucket", &labels)
        .iter()
        .map(|one| one.value)
        .collect();

    assert!(buckets.len() > 10 && buckets.is_sorted(), "{buckets:?}");
    assert_eq!(buckets.last(), Some(&metrics.sum("http_server_request_duration_seconds_count", &labels)));
}

#[test]
fn the_level_of_messages_can_be_changed_by_post_only() {
    let (_upstream, edge) = scene(|c| c);

    assert_eq!(edge.admin_get("/logging?level=debug").status, 405, "GET changes nothing");
    assert!(matches!(edge.admin_post("/logging?level=debug").status, 200 | 204));
    assert_eq!(edge.admin_post("/logging?level=loud").status, 400);
    for path in ["/live", "/ready", "/metrics", "/config_dump", "/routes"] {
        assert_eq!(edge.admin_post(path).status, 405, "{path}");
    }
}

#[test]
fn a_page_in_a_browser_cannot_use_it() {
    let (_upstream, edge) = scene(|c| c);

    let rebound = Client::get("/config_dump").host("evil.example").send(edge.admin());
    let forged = Client::new("POST", "/logging?level=debug")
        .host("localhost")
        .header("Origin", "https://evil.example")
        .body("")
        .send(edge.admin());

    assert!((400..500).contains(&rebound.status), "a rebound name: {}", rebound.status);
    assert!((400..500).contains(&forged.status), "a foreign origin: {}", forged.status);
    assert_eq!(Client::get("/live").host("127.0.0.1:9901").send(edge.admin()).status, 200);
}

#[test]
fn it_cannot_be_reached_through_the_proxy() {
    let (_upstream, edge) = scene(|c| c);
    let admin = edge.admin().to_string();

    for path in ["/config_dump", "/metrics", "/ready"] {
        assert_eq!(Client::get(path).host(&admin).send(edge.address()).status, 404, "{path}");
    }
}

#[test]
fn beyond_loopback_it_needs_a_token() {
    let text = |token: &str| {
        format!(
            "version: 1\nlisteners: [{{ bind: \"127.0.0.1:0\" }}]\nadmin: {{ bind: \"0.0.0.0:0\"{token} }}\nservices: {{}}\nroutes: []\n"
        )
    };
    let refused = Edge::try_start(Config::raw(text(""))).expect_err("no token, no start");
    assert_eq!(refused.code, Some(1), "{}", refused.messages);
    assert!(refused.messages.contains("token"), "{}", refused.messages);

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "a-long-enough-secret-token\n").expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("permissions");
    let edge = Edge::start(Config::raw(text(&format!(", token: \"file:{}\"", file.display()))));
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], edge.admin().port()));
    let get = |token: Option<&str>| {
        let client = Client::get("/config_dump").host("localhost");
        token
            .map_or(client.clone(), |token| client.header("Authorization", &format!("Bearer {token}")))
            .send(address)
    };
    assert_eq!((get(None).status, get(Some("wrong")).status), (401, 401));
    let dump = get(Some("a-long-enough-secret-token"));
    assert_eq!(dump.status, 200, "{}", dump.text());
    assert!(!dump.text().contains("a-long-enough-secret-token"));
}

#[test]
fn it_can_be_a_unix_socket_of_its_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("admin.sock");
    let text = format!(
        "version: 1\nlisteners: [{{ bind: \"127.0.0.1:0\" }}]\nadmin: {{ bind: \"unix:{}\" }}\nservices: {{}}\nroutes: []\n",
        socket.display()
    );
    let _edge = Edge::start(Config::raw(text));

    let mut stream = UnixStream::connect(&socket).expect("a socket");
    stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(std::fs::metadata(&socket).expect("a file").permissions().mode() & 0o777, 0o600);
}

#[test]
fn it_answers_while_the_workers_are_busy() {
    let (_upstream, edge) = scene(|c| c.workers(1));
    let mut held: Vec<Raw> = (0..100).map(|_| Raw::connect(edge.address())).collect();
    for raw in &mut held {
        raw.send("GET /things HTTP/1.1\r\n");
    }
    let start = wait::now();

    assert_eq!(edge.admin_get("/ready").status, 200);

    assert!(wait::now() - start < std::time::Duration::from_secs(1));
}

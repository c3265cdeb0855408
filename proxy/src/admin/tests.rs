//! The admin listener over a real socket: what it shows, what it refuses.

use super::context::{Scrape, Site};
use super::serve::{LIMITS, Limits, run};
use super::*;
use crate::config::AdminBind;
use crate::telemetry::metrics::{BuildInfo, Hub};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;

/// A running admin listener and what it did.
struct Given {
    address: String,
    lifecycle: Arc<Lifecycle>,
    drained: Rc<Cell<u32>>,
    level: Rc<RefCell<String>>,
    served: tokio::task::JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

fn scrape() -> Scrape {
    let hub = Hub::new(BuildInfo { version: "1.2.3", rustc: "" }, UNIX_EPOCH);
    Rc::new(move |format| hub.render(format))
}

fn local<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap();
    runtime.block_on(test);
}

fn loopback() -> AdminBind {
    AdminBind::Tcp("127.0.0.1:0".parse().unwrap())
}

fn given(bind: &AdminBind, token: Option<&str>, reload: Result<(), &'static str>) -> Given {
    let listener = AdminListener::bind(bind).unwrap();
    let address = listener.address();
    let (lifecycle, drained) = (Arc::<Lifecycle>::default(), Rc::<Cell<u32>>::default());
    let level = Rc::new(RefCell::new("info".to_owned()));
    let context = AdminContext {
        lifecycle: Arc::clone(&lifecycle),
        metrics: scrape(),
        token: token.map(str::to_owned),
        server_info: Box::new(|| json!({ "version": "1.2.3" })),
        config_dump: Box::new(|| json!({ "admin": { "token": "s3cret" } })),
        routes: Box::new(|| vec![route()]),
        clusters: Box::new(|| vec![cluster()]),
        breakers: Box::new(|| vec![breaker()]),
        set_breaker: Box::new(|service, _| service == "order"),
        listeners: Box::new(Vec::new),
        log_level: Box::new({
            let level = Rc::clone(&level);
            move |wanted| match wanted {
                Some("loud") => Err(BadLevel::Syntax),
                Some(wanted) => Ok(level.replace(wanted.to_owned())).map(|_| wanted.to_owned()),
                None => Ok(level.borrow().clone()),
            }
        }),
        reload: Box::new(move || {
            Box::pin(async move { reload.map_err(|bad| ReloadRefused { diagnostics: vec![bad.to_owned()] }) })
        }),
        drain: Box::new({
            let drained = Rc::clone(&drained);
            move || drained.set(drained.get() + 1)
        }),
    };
    let (stop, stopped) = oneshot::channel();
    let served = tokio::task::spawn_local(serve(listener, Rc::new(context), async { _ = stopped.await }));
    Given { address, lifecycle, drained, level, served, stop }
}

fn route() -> RouteRow {
    RouteRow {
        name: "orders".to_owned(),
        methods: vec!["GET".to_owned()],
        hosts: Vec::new(),
        path: "/orders/**".to_owned(),
        services: vec!["order".to_owned()],
        deprecated: false,
    }
}

fn cluster() -> ClusterRow {
    ClusterRow {
        service: "order".to_owned(),
        endpoint: "10.0.0.7:80".to_owned(),
        weight: 1,
        balance: "least_request".to_owned(),
        protocol: "http/1.1".to_owned(),
        tls: false,
        standing: "well",
        reason: String::new(),
        zone: String::new(),
        priority: 0,
        active: 1,
        attempts: 7,
        failures: 2,
        source: "dns order.internal:80".to_owned(),
        trouble: "nobody answers".to_owned(),
        known_seconds: Some(3),
    }
}

fn breaker() -> BreakerRow {
    BreakerRow {
        service: "order".to_owned(),
        state: "open",
        set: "auto",
        requests: 20,
        failures: 12,
        rests_seconds: Some(7),
    }
}

/// Sends bytes, reads until the other side closes.
async fn raw(address: &str, bytes: &[u8]) -> String {
    let mut answer = Vec::new();
    if let Some(path) = address.strip_prefix("unix:") {
        let mut stream = UnixStream::connect(path).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.read_to_end(&mut answer).await.unwrap();
    } else {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.read_to_end(&mut answer).await.unwrap();
    }
    String::from_utf8(answer).unwrap()
}

async fn ask_with(address: &str, line: &str, headers: &str) -> Answer {
    let request = format!("{line} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
    let answer = raw(address, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

async fn ask(given: &Given, line: &str) -> Answer {
    ask_with(&given.address, line, "host: localhost\r\n").await
}

#[test]
fn every_page_answers_and_the_help_lists_it() {
    local(async {
        let given = given(&loopback(), None, Ok(()));
        given.lifecycle.advance(State::Ready);

        let help = ask(&given, "GET /").await;

        assert_eq!(help.status, 200);
        for page in [
            "/live",
            "/ready",
            "/metrics",
            "/config_dump",
            "/routes",
            "/clusters",
            "/listeners",
            "/server_info",
            "/logging",
        ] {
            assert!(help.body.contains(page), "{page}");
            assert_eq!(ask(&given, &format!("GET {page}")).await.status, 200, "{page}");
            assert_eq!(ask(&given, &format!("HEAD {page}")).await.body, "", "{page}");
        }
    });
}

#[test]
fn ready_follows_the_life_of_the_process_and_never_goes_back() {
    local(async {
        let given = given(&loopback(), None, Ok(()));
        let mut seen = Vec::new();

        for state in [State::Starting, State::Ready, State::Draining, State::Ready] {
            given.lifecycle.advance(state);
            let answer = ask(&given, "GET /ready").await;
            seen.push((answer.status, answer.body.trim().to_owned()));
        }

        let texts = [(503, "starting"), (200, "ready"), (503, "draining"), (503, "draining")];
        assert_eq!(seen, texts.map(|(status, text)| (status, text.to_owned())));
        assert_eq!(ask(&given, "GET /live").await.status, 200);
    });
}

#[test]
fn metrics_come_in_the_format_asked_for() {
    local(async {
        let given = given(&loopback(), None, Ok(()));
        let accept =
            "host: localhost\r\naccept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";

        let (plain, open) =
            (ask(&given, "GET /metrics").await, ask_with(&given.address, "GET /metrics", accept).await);

        assert!(plain.head.contains("content-type: text/plain; version=0.0.4"), "{}", plain.head);
        assert!(plain.body.contains("portcullis_build_info{version=\"1.2.3\"} 1\n"));
        assert!(open.head.contains("content-type: application/openmetrics-text"), "{}", open.head);
        assert!(open.body.ends_with("# EOF\n"));
    });
}

#[test]
fn dumps_are_json_without_secrets_and_tables_are_for_people() {
    local(async {
        let given = given(&loopback(), None, Ok(()));

        let dump = ask(&given, "GET /config_dump").await;
        let routes = ask(&given, "GET /routes").await;
        let table = ask(&given, "GET /clusters?format=text").await;

        assert_eq!(dump.json(), json!({ "admin": { "token": "REDACTED" } }));
        assert_eq!(routes.json()["routes"][0]["name"], "orders");
        assert!(table.body.starts_with("SERVICE  ENDPOINT"), "{}", table.body);
        assert_eq!(ask(&given, "GET /routes?format=xml").await.status, 400);
        assert_eq!(ask(&given, "GET /server_info").await.json()["state"], "starting");
    });
}

#[test]
fn the_log_level_is_shown_set_and_checked() {
    local(async {
        let given = given(&loopback(), None, Ok(()));

        let set = ask(&given, "POST /logging?level=info,portcullis%3A%3Atls=debug").await;

        assert_eq!((set.status, set.json()), (200, json!({ "level": "info,portcullis::tls=debug" })));
        assert_eq!(*given.level.borrow(), "info,portcullis::tls=debug");
        let bad = ask(&given, "POST /logging?level=loud").await;
        assert_eq!((bad.status, bad.json()["code"].clone()), (400, json!("bad_parameter")));
        assert_eq!(ask(&given, "POST /logging").await.status, 400);
        assert_eq!(ask(&given, "GET /logging?level=trace").await.status, 405, "GET changes nothing");
        assert_eq!(ask(&given, "GET /logging").await.json()["level"], "info,portcullis::tls=debug");
    });
}

#[test]
fn a_refused_reload_says_why() {
    local(async {
        let (sound, broken) =
            (given(&loopback(), None, Ok(())), given(&loopback(), None, Err("edge.yaml:3:1: no")));

        let (applied, refused) = (ask(&sound, "POST /reload").await, ask(&broken, "POST /reload").await);

        assert_eq!((applied.status, applied.json()["result"].clone()), (200, json!("applied")));
        assert_eq!((refused.status, refused.json()["code"].clone()), (422, json!("reload_refused")));
        assert_eq!(refused.json()["diagnostics"], json!(["edge.yaml:3:1: no"]));
        assert!(refused.head.contains("content-type: application/problem+json"));
    });
}

#[test]
fn showing_never_changes_and_changing_needs_post() {
    local(async {
        let given = given(&loopback(), None, Ok(()));

        for (line, allow) in [
            ("GET /drain", "allow: post"),
            ("GET /reload", "allow: post"),
            ("HEAD /drain", "allow: post"),
            ("POST /routes", "allow: get, head"),
            ("DELETE /logging", "allow: get, head, post"),
        ] {
            let answer = ask(&given, line).await;
            assert_eq!(answer.status, 405, "{line}");
            assert!(answer.head.lines().any(|header| header == allow), "{line}: {}", answer.head);
        }
        assert_eq!(given.drained.get(), 0);

        let drain = ask(&given, "POST /drain").await;

        assert_eq!((drain.status, given.drained.get()), (202, 1));
    });
}

#[test]
fn an_unknown_page_is_a_problem() {
    local(async {
        let given = given(&loopback(), None, Ok(()));

        let answer = ask(&given, "GET /shutdown").await;

        assert_eq!((answer.status, answer.json()["code"].clone()), (404, json!("not_found")));
    });
}

#[test]
fn rebinding_and_forged_requests_do_nothing() {
    local(async {
        let given = given(&loopback(), None, Ok(()));
        let ask = |line, headers| ask_with(&given.address, line, headers);

        assert_eq!(ask("GET /config_dump", "host: evil.test\r\n").await.status, 403);
        assert_eq!(ask("GET /config_dump", "").await.status, 403);
        assert_eq!(ask("GET http://evil.test/config_dump", "host: localhost\r\n").await.status, 403);
        let forged = ask("POST /drain", "host: localhost\r\norigin: http://evil.test\r\n").await;

        assert_eq!((forged.status, forged.json()["code"].clone()), (403, json!("cross_origin")));
        assert_eq!(given.drained.get(), 0);
        assert_eq!(ask("GET /routes", "host: localhost\r\norigin: null\r\n").await.status, 200);
    });
}

#[test]
fn where_a_token_is_set_only_probes_go_without() {
    local(async {
        let given = given(&loopback(), Some("s3cret"), Ok(()));
        given.lifecycle.advance(State::Ready);
        let with = |token: &str| format!("host: localhost\r\nauthorization: Bearer {token}\r\n");

        assert_eq!(ask(&given, "GET /live").await.status, 200);
        assert_eq!(ask(&given, "GET /ready").await.status, 200);
        for line in ["GET /metrics", "GET /", "POST /drain", "GET /nothing"] {
            let answer = ask(&given, line).await;
            assert_eq!(answer.status, 401, "{line}");
            assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
        }
        assert_eq!(ask_with(&given.address, "POST /drain", &with("s3cre")).await.status, 401);
        assert_eq!(given.drained.get(), 0);
        assert_eq!(ask_with(&given.address, "POST /drain", &with("s3cret")).await.status, 202);
    });
}

#[test]
fn a_large_body_is_refused_and_the_connection_closed() {
    local(async {
        let given = given(&loopback(), None, Ok(()));
        let body = "x".repeat(5_000);
        let request = format!(
            "POST /drain HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );

        let answer = raw(&given.address, request.as_bytes()).await;

        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert_eq!(given.drained.get(), 0);
    });
}

#[test]
fn a_unix_socket_is_its_owners_alone_and_is_removed_at_the_end() {
    local(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let given = given(&AdminBind::Unix(path.clone()), None, Ok(()));

        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let answer = ask_with(&given.address, "GET /live", "").await;

        assert_eq!((mode, answer.status), (0o600, 200));
        given.stop.send(()).unwrap();
        given.served.await.unwrap();
        assert!(!path.exists());
    });
}

#[test]
fn only_a_socket_nobody_listens_on_is_replaced() {
    local(async {
        let folder = tempfile::tempdir().unwrap();
        let (stale, file) = (folder.path().join("stale.sock"), folder.path().join("file"));
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        std::fs::write(&file, "mine").unwrap();

        let first = AdminListener::bind(&AdminBind::Unix(stale.clone()));
        let second = AdminListener::bind(&AdminBind::Unix(stale));
        let over_a_file = AdminListener::bind(&AdminBind::Unix(file.clone()));

        assert!(first.is_ok());
        assert!(matches!(second, Err(BindError::Taken { .. })));
        assert!(matches!(over_a_file, Err(BindError::NotASocket { .. })));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    });
}

#[test]
fn the_metrics_listener_shows_metrics_and_nothing_else() {
    local(async {
        let listener = AdminListener::bind(&loopback()).unwrap();
        let address = listener.address();
        tokio::task::spawn_local(serve_metrics(listener, scrape(), std::future::pending()));
        let host = "host: localhost\r\n";

        assert_eq!(ask_with(&address, "GET /metrics", host).await.status, 200);
        assert_eq!(ask_with(&address, "POST /metrics", host).await.status, 405);
        assert_eq!(ask_with(&address, "GET /config_dump", host).await.status, 404);
        assert_eq!(ask_with(&address, "POST /drain", host).await.status, 404);
        assert_eq!(ask_with(&address, "GET /metrics", "host: evil.test\r\n").await.status, 403);
    });
}

#[test]
fn at_the_end_idle_connections_are_closed_and_the_port_is_free() {
    local(async {
        let given = given(&loopback(), None, Ok(()));
        let mut idle = TcpStream::connect(&given.address).await.unwrap();
        assert_eq!(ask(&given, "GET /live").await.status, 200);

        given.stop.send(()).unwrap();
        given.served.await.unwrap();

        assert_eq!(idle.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert!(TcpStream::connect(&given.address).await.is_err());
    });
}

/// A metrics listener with limits of its own.
fn limited(limits: Limits) -> String {
    let listener = AdminListener::bind(&loopback()).unwrap();
    let address = listener.address();
    tokio::task::spawn_local(run(listener, Site::Metrics(scrape()), limits, std::future::pending()));
    address
}

#[test]
fn a_slow_head_or_body_is_given_up() {
    local(async {
        let short = Duration::from_millis(50);
        let (head, body) =
            (limited(Limits { header: short, ..LIMITS }), limited(Limits { body: short, ..LIMITS }));

        let slow_head = raw(&head, b"GET /metrics HTTP/1.1\r\nhost: loc").await;
        let slow_body =
            raw(&body, b"POST /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nab").await;

        assert!(!slow_head.contains(" 200 "), "{slow_head}");
        assert!(slow_body.starts_with("HTTP/1.1 408 "), "{slow_body}");
    });
}

#[test]
fn beyond_the_cap_a_client_waits_for_its_turn() {
    local(async {
        let address = limited(Limits { connections: 2, header: Duration::from_millis(50), ..LIMITS });
        let (_one, _two) =
            (TcpStream::connect(&address).await.unwrap(), TcpStream::connect(&address).await.unwrap());

        let third = ask_with(&address, "GET /metrics", "host: localhost\r\n").await;

        assert_eq!(third.status, 200);
    });
}

#[test]
fn no_connection_lives_for_ever() {
    local(async {
        let address = limited(Limits { lifetime: Duration::from_millis(50), ..LIMITS });

        let answers = raw(&address, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await;

        assert!(answers.starts_with("HTTP/1.1 200 "), "{answers}");
    });
}

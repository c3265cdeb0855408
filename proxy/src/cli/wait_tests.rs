//! Waiting for a ready listener: addresses, times, answers, and the whole against a real socket.

use super::*;
use crate::admin::{AdminListener, Missing, serve_ready};
use crate::config::AdminBind;
use std::cell::Cell;
use std::rc::Rc;

fn local<F: Future<Output = ()>>(test: F) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap();
    runtime.block_on(test);
}

fn args(timeout: Duration) -> WaitArgs {
    WaitArgs { sidecar_only: false, ready: None, config: None, timeout, interval: Duration::from_millis(10) }
}

/// A ready listener that says no `refusals` times.
fn listener(refusals: u32) -> SocketAddr {
    let listener = AdminListener::bind(&AdminBind::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
    let address = listener.address().parse().unwrap();
    let left = Cell::new(refusals);
    let missing = move || {
        let now = left.get();
        left.set(now.saturating_sub(1));
        let one = Missing { need: "bundle", detail: "there are no roots" };
        if now > 0 { vec![one] } else { Vec::new() }
    };
    tokio::task::spawn_local(serve_ready(listener, Rc::new(missing), std::future::pending()));
    address
}

#[test]
fn times_have_a_unit_and_an_end() {
    let good = [("200ms", 200), ("60s", 60_000), ("1m", 60_000), ("24h", 86_400_000), ("0s", 0)];

    for (text, millis) in good {
        assert_eq!(span(text).unwrap(), Duration::from_millis(millis), "{text}");
    }
    for text in ["", "5", "s", "-1s", "1.5s", "5 s", "25h", "99999999999999999999s", "1d"] {
        assert!(span(text).is_err(), "{text}");
    }
}

#[test]
fn an_address_bound_to_all_is_asked_on_loopback() {
    let rows = [
        ("0.0.0.0:15121", "127.0.0.1:15121"),
        ("[::]:15121", "[::1]:15121"),
        ("10.0.0.7:15121", "10.0.0.7:15121"),
    ];

    for (bound, asked) in rows {
        assert_eq!(reachable(bound.parse().unwrap()), asked.parse().unwrap());
    }
}

#[test]
fn what_is_missing_is_shown_without_control_characters() {
    let list = br#"[{"need":"a","detail":"one\u001b[31m"},{"need":"b","detail":"two"}]"#;

    assert_eq!(missing(list), "one[31m; two");
    for other in [&b"not json"[..], b"{}", b"[]", b"[1]", br#"[{"detail":1}]"#, b"\xff"] {
        assert_eq!(missing(other), "it does not say why");
    }
    assert_eq!(missing(format!(r#"[{{"detail":"{}"}}]"#, "x".repeat(5_000)).as_bytes()).len(), SHOWN);
}

#[test]
fn it_returns_when_the_listener_says_ready() {
    local(async {
        let address = listener(3);

        assert!(wait(address, &args(Duration::from_secs(60))).await);
    });
}

#[test]
fn it_gives_up_when_the_time_is_over() {
    local(async {
        let address = listener(u32::MAX);

        assert_eq!(look(address, PATIENCE).await, Answer::NotReady("there are no roots".to_owned()));
        assert!(!wait(address, &args(Duration::from_millis(50))).await);
    });
}

#[test]
fn nobody_there_is_not_ready() {
    local(async {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

        assert!(!wait(free, &args(Duration::ZERO)).await);
    });
}

#[test]
fn a_file_without_a_ready_listener_cannot_be_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edge.yaml");
    let edge = "version: 1\nlisteners: [{ bind: 127.0.0.1:0 }]\nservices: { a: { endpoints: [\"127.0.0.1:1\"] } }\n\
                routes: [{ name: all, match: '* /**', auth: public, to: a }]\n";
    let rows = [(edge, ExitCode::from(2)), ("version: 1\n", ExitCode::FAILURE)];

    for (text, code) in rows {
        std::fs::write(&file, text).unwrap();

        let refused = of_config(&file).unwrap_err();

        assert_eq!(format!("{refused:?}"), format!("{code:?}"), "{text}");
    }
}

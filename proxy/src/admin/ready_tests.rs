//! The ready listener over a real socket.

use super::*;
use crate::config::AdminBind;
use std::cell::Cell;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Status, body and whole text of an answer.
async fn ask(address: &str, line: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nhost: pod.example\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let body = text.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body, text)
}

fn local<F: Future<Output = ()>>(test: impl FnOnce(String, Rc<Cell<bool>>) -> F) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap();
    runtime.block_on(async {
        let listener = AdminListener::bind(&AdminBind::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
        let address = listener.address();
        let ready = Rc::new(Cell::new(false));
        let asked = Rc::clone(&ready);
        let missing = move || {
            let one = Missing { need: "bundle", detail: "there are no roots" };
            if asked.get() { Vec::new() } else { vec![one] }
        };
        tokio::task::spawn_local(serve_ready(listener, Rc::new(missing), std::future::pending()));
        test(address, ready).await;
    });
}

#[test]
fn what_is_missing_is_told_until_nothing_is() {
    local(async |address, ready| {
        let (refused, list, _) = ask(&address, "GET /ready").await;
        ready.set(true);
        let (welcome, word, _) = ask(&address, "GET /ready").await;

        assert_eq!((refused, welcome, word.as_str()), (503, 200, "ready\n"));
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        assert_eq!(list, serde_json::json!([{ "need": "bundle", "detail": "there are no roots" }]));
    });
}

#[test]
fn it_is_alive_whether_ready_or_not() {
    local(async |address, _| {
        assert_eq!(ask(&address, "GET /live").await.0, 200);
    });
}

#[test]
fn head_is_get_without_the_body() {
    local(async |address, ready| {
        let (refused, nothing, text) = ask(&address, "HEAD /ready").await;
        ready.set(true);
        let (welcome, empty, _) = ask(&address, "HEAD /ready").await;

        assert_eq!((refused, welcome), (503, 200));
        assert_eq!((nothing, empty), (String::new(), String::new()), "{text}");
    });
}

#[test]
fn anything_else_is_not_there() {
    let rows = [
        ("GET /", 404),
        ("GET /metrics", 404),
        ("GET /config_dump", 404),
        ("GET /ready/", 404),
        ("GET /READY", 404),
        ("POST /drain", 404),
        ("POST /ready", 405),
        ("DELETE /live", 405),
    ];

    local(async |address, _| {
        for (line, status) in rows {
            assert_eq!(ask(&address, line).await.0, status, "{line}");
        }
    });
}

//! The WebSocket case suite, against the server itself and through us: the difference must be nothing.

use portcullis_tests::{Addressed, Edge, PythonServer, python};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::SocketAddr;

/// What became of each case: its behaviour and how it was closed.
fn cases(at: SocketAddr) -> BTreeMap<String, (String, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, at) = (folder.path().to_owned(), at.to_string());
    let arguments = ["-m", "fuzzingclient", "-p", "4", "-o"].map(OsStr::new);
    let ran = python::run_program("kosoku", arguments.into_iter().chain([out.as_os_str(), OsStr::new(&at)]));
    let index = std::fs::read_to_string(out.join("index.json"));
    let index = index.unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&ran.stderr)));
    let index: serde_json::Value = serde_json::from_str(&index).expect("JSON");
    let agents = index.as_object().expect("agents");
    let of_all = agents.values().filter_map(serde_json::Value::as_object).flatten();
    let word = |case: &serde_json::Value, name: &str| case[name].as_str().unwrap_or_default().to_owned();
    of_all.map(|(id, case)| (id.clone(), (word(case, "behavior"), word(case, "behaviorClose")))).collect()
}

#[test]
fn nothing_is_different_with_us_between() {
    let server = PythonServer::start("echo.py");
    let edge = Edge::with(|config| {
        config.service("echo", &server).route_with("live", "GET /**", "to: echo, upgrade: websocket")
    });

    let direct = cases(server.address());
    let through = cases(edge.address());

    assert!(direct.len() > 500, "only {} cases", direct.len());
    let different: Vec<_> = direct.iter().filter(|(id, said)| through.get(*id) != Some(said)).collect();
    assert!(different.is_empty(), "{} of {}: {:?}", different.len(), direct.len(), different.first());
}

//! The WebSocket case suite, against the server itself and through us: the difference must be nothing.

use portcullis_tests::sidecar::{Beside, Mesh, id};
use portcullis_tests::{Addressed, Edge, PythonServer, Upstream, python};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::SocketAddr;

/// How often a case may be run: some are about what came first, and a busy machine may turn that round.
const RUNS: usize = 3;

/// What became of these cases (all of them if none is named): its behaviour and how it was closed.
fn cases(at: SocketAddr, only: &[String]) -> BTreeMap<String, (String, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, at) = (folder.path().to_owned(), at.to_string());
    let fixed = ["-m", "fuzzingclient", "-p", "4", "-o"].map(OsStr::new).into_iter().chain([out.as_os_str()]);
    let chosen = only.iter().flat_map(|case| [OsStr::new("-i"), OsStr::new(case)]);
    let ran = python::run_program("kosoku", fixed.chain(chosen).chain([OsStr::new(&at)]));
    let index = std::fs::read_to_string(out.join("index.json"));
    let index = index.unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&ran.stderr)));
    let index: serde_json::Value = serde_json::from_str(&index).expect("JSON");
    let agents = index.as_object().expect("agents");
    let of_all = agents.values().filter_map(serde_json::Value::as_object).flatten();
    of_all.map(|(id, case)| (id.clone(), (word(case, "behavior"), word(case, "behaviorClose")))).collect()
}

/// A word of the report. What came before a violation may be lost with it (NON-STRICT): that is a matter of who was
/// quicker, and both are right.
fn word(case: &serde_json::Value, name: &str) -> String {
    case[name].as_str().unwrap_or_default().replace("NON-STRICT", "OK")
}

#[test]
fn nothing_is_different_with_us_between() {
    let server = PythonServer::start("echo.py");
    let edge = Edge::with(|config| {
        config.service("echo", &server).route_with("live", "GET /**", "to: echo, upgrade: websocket")
    });

    expect_no_difference(&server, edge.address());
}

#[test]
fn nothing_is_different_with_two_sidecars_between() {
    let (mesh, server) = (Mesh::new(), PythonServer::start("echo.py"));
    let (payment, order) = (mesh.svid("svc/payment"), mesh.svid("svc/order"));
    let payment =
        Beside::of(&payment, &server).rule("id: all, from: [spiffe://shop.example/svc/order]").start();
    let nobody = Upstream::echo();
    let echo = format!(
        "mesh: {}, endpoints: [\"{}\"], local: \"127.0.0.1:0\"",
        id("svc/payment"),
        payment.inbound()
    );
    let order = Beside::of(&order, &nobody).service("echo", &echo).start();

    expect_no_difference(&server, order.local(0));
}

/// Whether each case ends as it does with the server itself.
fn expect_no_difference(server: &PythonServer, between: SocketAddr) {
    let direct = cases(server.address(), &[]);
    assert!(direct.len() > 500, "only {} cases", direct.len());
    let mut different: Vec<String> = Vec::new();
    for _ in 0..RUNS {
        let through = cases(between, &different);
        assert!(!through.is_empty(), "nothing was run");
        let asked = direct.keys().filter(|id| different.is_empty() || different.contains(id));
        different = asked.filter(|id| through.get(*id) != direct.get(*id)).cloned().collect();
        if different.is_empty() {
            return;
        }
    }
    panic!("{} of {} cases: {different:?}", different.len(), direct.len());
}

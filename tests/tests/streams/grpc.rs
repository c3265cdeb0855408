//! gRPC in all four shapes, with the real library on both sides and us between.

use portcullis_tests::sidecar::{Beside, Mesh, id};
use portcullis_tests::{Addressed, Upstream};
use portcullis_tests::{Config, Edge, PythonServer, Report, field, python, wait};
use std::net::SocketAddr;

/// Every case through a proxy.
fn cases(at: SocketAddr, report: &mut Report, way: &str) {
    let ran = python::run("grpc_client.py", &[&at.to_string()]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&ran.stderr).into_owned();
    report.row(way, "all sixteen cases are there");
    report.check(said.lines().count() == 16, || format!("{} lines; {complaint}", said.lines().count()));
    for line in said.lines() {
        report.row(way, line);
        report.check(line.starts_with("ok "), || line.to_owned());
    }
}

fn edge_before(server: &PythonServer, more: &str) -> Edge {
    let describe = |config: Config| {
        config.service_with("echo", &[server], &format!("protocol: h2{more}")).route("* /**", "echo")
    };
    Edge::with(describe)
}

#[test]
fn all_shapes_pass_through_the_edge_and_through_the_mesh() {
    let server = PythonServer::start("grpc_server.py");
    let mut report = Report::new();
    cases(server.address(), &mut report, "direct");
    let edge = edge_before(&server, "");
    cases(edge.address(), &mut report, "through the edge");

    let mesh = Mesh::new();
    let rule = "id: all, from: [spiffe://shop.example/svc/*]";
    let echo = Beside::of(&mesh.svid("svc/payment"), &server).workload("protocol: h2").rule(rule).start();
    let front_app = Upstream::replying(200);
    let front = Beside::of(&mesh.svid("svc/order"), &front_app)
        .rule(rule)
        .service(
            "echo",
            &format!(
                "mesh: {}, endpoints: [\"{}\"], local: \"127.0.0.1:0\"",
                id("svc/payment"),
                echo.inbound()
            ),
        )
        .start();
    cases(front.local(0), &mut report, "through two sidecars");
    report.end();
}

#[test]
fn a_call_that_was_cancelled_is_cancelled_at_the_service_too() {
    let server = PythonServer::start("grpc_server.py");
    let edge = edge_before(&server, "");

    let ran = python::run("grpc_client.py", &[&edge.address().to_string()]);
    assert!(ran.status.success());

    // Nothing is left in flight once the client has gone.
    wait::eventually("the exchanges to end", || {
        (edge.metric("http_server_active_requests", &[]) == 0.0).then_some(())
    });
    let lines = edge.wait_for_lines(16);
    assert!(
        lines.iter().any(|line| field(line, "http.response.status_code") == 499
            || field(line, "error.type") == "client_gone"),
        "no cancelled call in the log"
    );
    let told: Vec<_> = lines.iter().filter_map(|line| field(line, "rpc.grpc.status_code").as_u64()).collect();
    assert!(told.contains(&0) && told.iter().any(|code| *code > 0), "what the service said: {told:?}");
}

#[test]
fn a_failure_of_ours_is_said_in_the_words_of_grpc() {
    let dead = portcullis_tests::Refused::new();
    let edge = Edge::with(|config| {
        config.service_with("echo", &[&dead], "protocol: h2, breaker: { failures: 1 }").route("* /**", "echo")
    });
    let call =
        portcullis_tests::Client::post("/shop.Echo/Unary", "").header("Content-Type", "application/grpc");

    let words: Vec<_> = (0..2)
        .map(|_| {
            let answer = call.send(edge.address());
            (answer.status, answer.header("grpc-status").map(str::to_owned))
        })
        .collect();

    assert_eq!(words, [(200, Some("14".to_owned())), (200, Some("14".to_owned()))]);
}

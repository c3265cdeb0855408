//! Who is revoked loses what it has: connections, answers under way, users it introduced. In both directions.

use portcullis_tests::sidecar::{Beside, Evidence, Mesh, Sidecar, Svid, id, seen};
use portcullis_tests::{CaServer, Client, H2Reply, Raw, Refused, Reply, Upstream, wait};
use std::time::Duration;

const ALL: &str = "id: all, from: [spiffe://shop.example/edge, spiffe://shop.example/edge-two, spiffe://shop.example/svc/*]";
/// It takes a second; a busy machine may take longer. What counts is that it happens by itself.
const SOON: Duration = Duration::from_secs(10);

struct Scene {
    mesh: Mesh,
    server: CaServer,
    app: Upstream,
    side: Sidecar,
}

/// An application that answers `/live` without end, and echoes the rest.
fn app() -> Upstream {
    Upstream::scripted(|request, wire| {
        if request.target == "/live" {
            wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
            wire.until_gone();
        } else {
            let headers: Vec<_> = request.headers.0.iter().map(|(n, v)| serde_json::json!([n, v])).collect();
            wire.reply(request, &Reply::json(&serde_json::json!({ "headers": headers })));
        }
    })
}

fn scene() -> Scene {
    let mesh = Mesh::new();
    let server = mesh.ca().serve();
    let app = app();
    let side = Beside::joining(&mesh, &server, "svc/order", &app).rule(ALL).start();
    Scene { mesh, server, app, side }
}

/// A connection with an answer under way.
fn live(who: &Svid, side: &Sidecar) -> Raw {
    let mut raw = who.client().connect(side.inbound());
    raw.send(Client::get("/live").bytes());
    assert_eq!(raw.head("GET").status, 200);
    raw.read_some();
    raw
}

/// Whether new connections of `who` come to be refused: each worker hears of it for itself.
fn refused(who: &Svid, side: &Sidecar) -> bool {
    wait::within(SOON, || who.client().probe(side.inbound()).is_refused().then_some(())).is_some()
}

#[test]
fn a_revoked_caller_loses_its_connections_and_answers_and_gets_no_new_ones() {
    let scene = scene();
    let (other, payment) = (scene.mesh.svid("svc/other"), scene.mesh.svid("svc/payment"));
    let (mut stream, mut spared) = (live(&other, &scene.side), live(&payment, &scene.side));
    let mut idle = other.client().connect(scene.side.inbound());
    assert_eq!(Client::get("/a").send_on(&mut idle).status, 200);
    let mut h2 = other.client().frames(scene.side.inbound());
    h2.get(1, "/live");
    scene.app.wait_for_requests(4);

    scene.mesh.ca().run(&["revoke", "--id", "svc/other", "--reason", "stolen"]).ok();

    assert!(stream.closes_within(SOON).is_some(), "its answer goes on");
    assert!(idle.closes_within(SOON).is_some(), "its idle connection stays open");
    let ended = h2.ending_within(1, SOON);
    assert!(ended.refused(), "over HTTP/2: {ended:?}");
    scene.app.wait_abandoned(2);
    assert!(refused(&other, &scene.side), "it may connect again");
    assert!(spared.stays_quiet(Duration::from_millis(200)), "somebody else was cut off too");
    assert!(!payment.client().probe(scene.side.inbound()).is_refused(), "somebody else may not connect");
    assert!(scene.side.metric("portcullis_mesh_denied", &[]) >= 1.0);
    assert!(!scene.server.messages().is_empty());
}

#[test]
fn one_revoked_certificate_ends_and_another_of_the_same_name_goes_on() {
    let scene = scene();
    let (stolen, kept) = (scene.mesh.svid("svc/other"), scene.mesh.svid("svc/other"));
    let (mut doomed, mut spared) = (live(&stolen, &scene.side), live(&kept, &scene.side));
    let inspected = scene.mesh.ca().json(&["inspect", &stolen.cert().display().to_string()]);
    let serial = inspected["found"][0]["serial"].as_str().expect("a serial").to_owned();

    scene.mesh.ca().run(&["revoke", "--serial", &serial]).ok();

    assert!(doomed.closes_within(SOON).is_some(), "the stolen one goes on");
    assert!(refused(&stolen, &scene.side), "the stolen one may connect again");
    assert!(spared.stays_quiet(Duration::from_millis(200)), "the other one was cut off too");
    assert!(!kept.client().probe(scene.side.inbound()).is_refused());
}

#[test]
fn a_revoked_introducer_introduces_nobody_any_more_not_even_through_others() {
    let scene = scene();
    let (asserter, other) = (scene.mesh.svid("edge-two"), scene.mesh.svid("svc/other"));
    let evidence = Evidence::of("alice", &[&asserter, &other], &id("svc/order"));
    let mut connection = other.client().connect(scene.side.inbound());
    let mut ask = || {
        let answer = evidence.to(Client::get("/a")).send_on(&mut connection);
        assert_eq!(answer.status, 200, "{}", answer.text());
        seen(&answer).all("x-auth-user").join("+")
    };
    assert_eq!(ask(), "alice");

    scene.mesh.ca().run(&["revoke", "--id", "edge-two"]).ok();

    // The very same bytes, known as good a moment before, on the connection of somebody who did nothing.
    let gone = wait::within(SOON, || ask().is_empty().then_some(()));
    assert!(gone.is_some(), "its user is still believed");
}

/// `order`, joined, which calls `payment`: a server with a certificate of the mesh that is the test's own.
fn caller(scene: &Scene, payment: &Upstream) -> Sidecar {
    let address = payment.address();
    Beside::joining(&scene.mesh, &scene.server, "svc/order", &scene.app)
        .rule(ALL)
        .calls("payment", &id("svc/payment"), address)
        .start()
}

/// A server that answers `/live` without end.
fn payment(scene: &Scene) -> Upstream {
    let svid = scene.mesh.svid("svc/payment");
    Upstream::build().tls(&svid.server_files(), &["h2"]).h2(|request| {
        if request.target == "/live" {
            H2Reply::new(200).part("first").stall()
        } else {
            H2Reply::new(200).part("ok")
        }
    })
}

/// A call of `order` whose answer has begun.
fn call_without_end(order: &Sidecar) -> Raw {
    let mut stream = Raw::connect(order.outbound());
    stream.send(Client::get("/live").host("payment").bytes());
    assert_eq!(stream.head("GET").status, 200);
    stream.read_some();
    stream
}

#[test]
fn calls_to_a_revoked_server_end_although_its_endpoint_has_left_the_list() {
    let scene = scene();
    let (payment, list, elsewhere) = (payment(&scene), scene.mesh.fresh_path("payment.yaml"), Refused::new());
    let listed = |address| std::fs::write(&list, format!("[\"{address}\"]\n")).expect("written");
    listed(payment.address());
    let order = Beside::joining(&scene.mesh, &scene.server, "svc/order", &scene.app)
        .rule(ALL)
        .service("payment", &format!("mesh: {}, file: \"{}\"", id("svc/payment"), list.display()))
        .start();
    let mut stream = call_without_end(&order);

    listed(elsewhere.address());
    wait::eventually("its endpoint to be gone", || {
        (order.call(&Client::get("/a").host("payment")).status == 503).then_some(())
    });
    assert!(stream.stays_quiet(Duration::from_millis(200)), "it was cut off for no reason");
    scene.mesh.ca().run(&["revoke", "--id", "svc/payment"]).ok();

    assert!(stream.closes_within(SOON).is_some(), "its answer goes on");
}

#[test]
fn calls_to_a_revoked_server_end_and_no_new_ones_begin() {
    let scene = scene();
    let payment = payment(&scene);
    let order = caller(&scene, &payment);
    assert_eq!(order.call(&Client::get("/a").host("payment")).status, 200);
    let mut stream = call_without_end(&order);
    let before = payment.count();

    scene.mesh.ca().run(&["revoke", "--id", "svc/payment"]).ok();

    assert!(stream.closes_within(SOON).is_some(), "its answer goes on");
    payment.wait_all_closed();
    let answer = order.call(&Client::post("/secret", "secret").host("payment"));
    assert!(matches!(answer.status, 502 | 503), "{}: {}", answer.status, answer.text());
    assert_eq!(payment.count(), before, "it got a request after it was revoked");
}

#[test]
fn what_is_lifted_from_the_deny_list_is_let_in_again() {
    let scene = scene();
    let other = scene.mesh.svid("svc/other");
    scene.mesh.ca().run(&["revoke", "--id", "svc/other"]).ok();
    let refused =
        wait::within(SOON, || other.client().probe(scene.side.inbound()).is_refused().then_some(()));

    scene.mesh.ca().run(&["revoke", "--lift", "--id", "svc/other"]).ok();

    let again =
        wait::within(SOON, || (!other.client().probe(scene.side.inbound()).is_refused()).then_some(()));
    assert_eq!((refused, again), (Some(()), Some(())));
}

#[test]
fn a_sidecar_that_was_revoked_itself_is_believed_by_nobody() {
    let scene = scene();
    let payment_app = Upstream::echo();
    let payment = Beside::joining(&scene.mesh, &scene.server, "svc/payment", &payment_app).rule(ALL).start();
    let order = Beside::joining(&scene.mesh, &scene.server, "svc/order", &scene.app)
        .rule(ALL)
        .calls("payment", &id("svc/payment"), payment.inbound())
        .start();
    let call = || order.call(&Client::get("/a").host("payment")).status;
    assert_eq!(call(), 200);

    scene.mesh.ca().run(&["revoke", "--id", "svc/order"]).ok();

    let refused = wait::within(SOON, || (call() != 200).then_some(()));
    assert!(refused.is_some(), "payment still answers it");
    assert!(order.is_running());
}

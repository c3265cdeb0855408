//! Certificates come and go while requests run: nothing is lost; and a sidecar lives on without the authority, as long as
//! its certificate does, and comes back when there is a way.

use portcullis_tests::sidecar::{Beside, Evidence, Mesh, Relay, Sidecar, Svid, id, seen};
use portcullis_tests::{Client, Raw, Upstream, wait};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const ALL: &str = "id: all, from: [spiffe://shop.example/edge, spiffe://shop.example/svc/*]";

/// Requests that failed, and how many did not.
#[derive(Default)]
struct Tally {
    good: AtomicUsize,
    bad: Mutex<Vec<String>>,
    done: AtomicBool,
}

impl Tally {
    fn note(&self, status: u16, text: impl FnOnce() -> String) {
        if status == 200 {
            self.good.fetch_add(1, Ordering::Relaxed);
        } else {
            self.bad.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{status} {}", text()));
        }
    }

    fn going_on(&self) -> bool {
        !self.done.load(Ordering::Relaxed)
    }

    /// Complains about what failed.
    fn check(&self, at_least: usize) {
        let bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(bad.is_empty(), "{} failed, first {:?}", bad.len(), bad.first());
        let good = self.good.load(Ordering::Relaxed);
        assert!(good >= at_least, "only {good} requests");
    }
}

/// Sends requests through `sidecar` to `payment` until told to stop: on a connection of its own each, or on one.
fn keep_calling(sidecar: &Sidecar, tally: &Tally, keep: bool) {
    let mut raw = Raw::connect(sidecar.outbound());
    while tally.going_on() {
        if !keep {
            raw = Raw::connect(sidecar.outbound());
        }
        let answer = Client::get("/a").host("payment").send_on(&mut raw);
        tally.note(answer.status, || answer.text());
        if answer.says_close() {
            raw = Raw::connect(sidecar.outbound());
        }
        wait::pause(Duration::from_millis(10));
    }
}

#[test]
fn certificates_of_a_minute_are_renewed_under_load_and_no_request_is_lost() {
    let (mesh, payment_app, order_app) = (Mesh::short_lived(), Upstream::echo(), Relay::to("payment"));
    let server = mesh.ca().serve();
    let payment = Beside::joining(&mesh, &server, "svc/payment", &payment_app).rule(ALL).start();
    let order = Beside::joining(&mesh, &server, "svc/order", order_app.app())
        .rule(ALL)
        .calls("payment", &id("svc/payment"), payment.inbound())
        .start();
    order_app.through(order.outbound());
    let tally = Tally::default();

    std::thread::scope(|scope| {
        scope.spawn(|| keep_calling(&order, &tally, true));
        scope.spawn(|| keep_calling(&order, &tally, false));
        // Two renewals, each after at most two thirds of a minute, and a machine that is busy.
        let renewed = wait::within(Duration::from_secs(110), || {
            wait::pause(Duration::from_millis(500));
            (order.generation() >= 3.0 && payment.generation() >= 3.0).then_some(())
        });
        tally.done.store(true, Ordering::Relaxed);
        assert!(renewed.is_some(), "not renewed: {} {}", order.generation(), payment.generation());
    });

    tally.check(1000);
    assert_eq!((order.readiness(), payment.readiness()), (200, 200));
}

#[test]
fn files_that_are_swapped_are_taken_over_under_load_and_no_request_is_lost() {
    let (mesh, payment_app, order_app) = (Mesh::new(), Upstream::echo(), Upstream::echo());
    let (payment_svid, order_svid) = (mesh.svid("svc/payment"), mesh.svid("svc/order"));
    let payment = Beside::of(&payment_svid, &payment_app).rule(ALL).start();
    let order = Beside::of(&order_svid, &order_app)
        .rule(ALL)
        .calls("payment", &id("svc/payment"), payment.inbound())
        .start();
    let tally = Tally::default();

    std::thread::scope(|scope| {
        scope.spawn(|| keep_calling(&order, &tally, true));
        scope.spawn(|| keep_calling(&order, &tally, false));
        for turn in 2..5 {
            for (svid, side) in [(&payment_svid, &payment), (&order_svid, &order)] {
                swap(&mesh, svid);
                let taken = wait::within(Duration::from_secs(20), || {
                    (side.generation() >= f64::from(turn)).then_some(())
                });
                if taken.is_none() {
                    tally.note(0, || format!("{} did not take over turn {turn}", svid.name()));
                }
            }
        }
        tally.done.store(true, Ordering::Relaxed);
    });

    tally.check(100);
    for (svid, side) in [(&payment_svid, &payment), (&order_svid, &order)] {
        let text = std::fs::read_to_string(svid.cert()).expect("a certificate");
        let leaf = portcullis_ca::certificate::certificates_from_pem(&text).expect("certificates").remove(0);
        let stream = mesh.svid("svc/other").client().try_stream(side.inbound()).expect("a handshake");
        let shown = stream.conn.peer_certificates().and_then(<[_]>::first).map(|der| der.to_vec());
        assert!(shown == Some(leaf), "{} does not show its new certificate", svid.name());
    }
}

/// Another certificate of the same name, in the same files.
fn swap(mesh: &Mesh, svid: &Svid) {
    let fresh = mesh.svid(&svid.name());
    for (from, to) in [(fresh.key_file(), svid.key_file()), (fresh.cert(), svid.cert())] {
        let beside = to.with_extension("new");
        std::fs::copy(&from, &beside).expect("copied");
        std::fs::rename(&beside, &to).expect("renamed");
    }
}

#[test]
fn a_sidecar_starts_again_while_the_authority_is_away() {
    let (mesh, app) = (Mesh::new(), Upstream::echo());
    let server = mesh.ca().serve();
    let side = Beside::joining(&mesh, &server, "svc/order", &app).rule(ALL).start();
    let other = mesh.svid("svc/other");
    assert!(!other.client().probe(side.inbound()).is_refused());

    server.kill();
    let side = side.restart();

    assert_eq!(side.wait_ready(wait::PATIENCE), Some(None), "it does not become ready");
    assert!(!other.client().probe(side.inbound()).is_refused(), "it does not serve");
    assert!(Mesh::new().svid("svc/other").client().probe(side.inbound()).is_refused());
}

#[test]
fn a_sidecar_that_was_never_a_member_is_not_ready_and_lets_nobody_in() {
    let (mesh, app) = (Mesh::new(), Upstream::echo());
    let server = mesh.ca().serve();
    let beside = Beside::joining(&mesh, &server, "svc/order", &app).rule(ALL);
    server.kill();

    let side = beside.launch();
    side.wait_for_message("listening ready ");

    let other = mesh.svid("svc/other");
    assert_eq!(side.readiness(), 503);
    assert!(other.client().probe(side.inbound()).is_refused());
    assert_eq!(app.count(), 0);
    assert!(side.is_running(), "it goes on trying");
}

#[test]
fn a_sidecar_whose_certificate_is_over_comes_back_with_a_new_token() {
    let (mesh, app) = (Mesh::short_lived(), Upstream::echo());
    let server = mesh.ca().serve();
    let address = server.address().to_string();
    let beside = Beside::joining(&mesh, &server, "svc/order", &app).rule(ALL);
    let token = beside.token_file().to_owned();
    let side = beside.start();
    server.kill();

    let over = wait::within(Duration::from_secs(90), || {
        wait::pause(Duration::from_millis(500));
        (side.readiness() == 503).then_some(())
    });
    assert!(over.is_some(), "it is ready with a certificate that is over");
    let server = mesh.ca().serve_at(&address);
    mesh.write_token("svc/order", &server, &token);

    let back = wait::within(Duration::from_secs(120), || {
        wait::pause(Duration::from_millis(500));
        (side.readiness() == 200).then_some(())
    });
    assert!(back.is_some(), "it does not come back");
    let edge = mesh.svid("edge");
    let request = Evidence::of("alice", &[&edge], &id("svc/order")).to(Client::get("/a"));
    let answer = request.send_on(&mut edge.client().connect(side.inbound()));
    assert_eq!(seen(&answer).all("x-auth-user"), ["alice"]);
}

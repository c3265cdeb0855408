//! Bytes between members of the mesh: which endpoint gets a connection when some do not answer.

use portcullis_tests::sidecar::{Beside, Mesh, id};
use portcullis_tests::{Client, H2Reply, Raw, Upstream, wait};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(500);
const ALL: &str = "id: all, from: [spiffe://shop.example/svc/*]";

#[test]
fn an_endpoint_that_does_not_answer_costs_no_connection_and_is_soon_left_out() {
    let (mesh, app, own) = (Mesh::new(), Upstream::named("app"), Upstream::replying(200));
    let svid = mesh.svid("svc/payment");
    let hangs =
        Upstream::build().tls(&svid.server_files(), &["h2"]).h2(|_| H2Reply::new(200).stall_before_head());
    let payment = Beside::of(&svid, &app).workload("protocol: tcp").rule(ALL).start();
    let keys = format!(
        "protocol: tcp, local: \"127.0.0.1:0\", mesh: {}, endpoints: [\"{}\", \"{}\"], balance: round-robin, \
         timeout: {{ connect: 500ms }}, outlier: {{ consecutive: 2, base: 60s, max: 60s }}",
        id("svc/payment"),
        hangs.address(),
        payment.inbound()
    );
    let order = Beside::of(&mesh.svid("svc/order"), &own).rule(ALL).service("payment", &keys).start();

    for _ in 0..8 {
        let answer = Client::get("/").send(order.local(0));
        assert_eq!((answer.status, answer.text().as_str()), (200, "app"));
    }

    let left_out = order.wait_for_message("endpoint_ejected");
    assert!(left_out.contains(&hangs.address().to_string()), "{left_out}");
}

#[test]
fn a_tunnel_is_load_at_both_ends() {
    let one_at_once = "overload: { concurrent: 1 }";
    for (of_caller, of_callee) in [(one_at_once, ""), ("", one_at_once)] {
        let (mesh, own) = (Mesh::new(), Upstream::replying(200));
        let app = Upstream::at_head(|_, wire| wire.until_gone());
        let payment = Beside::of(&mesh.svid("svc/payment"), &app).workload("protocol: tcp").rule(ALL);
        let payment = payment.top(of_callee).start();
        let keys = format!(
            "protocol: tcp, local: \"127.0.0.1:0\", mesh: {}, endpoints: [\"{}\"]",
            id("svc/payment"),
            payment.inbound()
        );
        let order = Beside::of(&mesh.svid("svc/order"), &own).rule(ALL).service("payment", &keys);
        let order = order.top(of_caller).start();
        let through = || {
            let mut raw = Raw::connect(order.local(0));
            raw.send(Client::get("/").bytes());
            raw
        };

        let first = through();
        app.wait_for_requests(1);
        let mut second = through();
        assert!(second.closes_within(wait::PATIENCE).is_some(), "{of_caller}|{of_callee}: it got in");
        assert_eq!(app.count(), 1);

        drop(first);
        wait::eventually("the place to be free", || {
            let _next = through();
            wait::within(SOON, || (app.count() == 2).then_some(()))
        });
    }
}

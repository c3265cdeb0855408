//! Bytes between members of the mesh: which endpoint gets a connection when some do not answer.

use portcullis_tests::sidecar::{Beside, Mesh, id};
use portcullis_tests::{Client, H2Reply, Upstream};

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

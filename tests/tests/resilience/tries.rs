//! Over several hops of the mesh: time and tries are counted once, by the hop nearest to the failure.

use portcullis_tests::sidecar::{Beside, Mesh, Relay, id};
use portcullis_tests::{Client, Upstream, wait};
use std::time::Duration;

const ALL: &str = "id: all, from: [spiffe://shop.example/edge, spiffe://shop.example/svc/*]";

#[test]
fn only_the_hop_nearest_to_a_failure_tries_again() {
    let (mesh, payment_app) = (Mesh::new(), Upstream::replying(503));
    let order_app = Relay::passing("payment");
    let payment = Beside::of(&mesh.svid("svc/payment"), &payment_app).rule(ALL).start();
    let order = Beside::of(&mesh.svid("svc/order"), order_app.app())
        .rule(ALL)
        .calls("payment", &id("svc/payment"), payment.inbound())
        .start();
    order_app.through(order.outbound());
    let front_app = Upstream::replying(200);
    let front = Beside::of(&mesh.svid("svc/other"), &front_app)
        .rule(ALL)
        .calls("order", &id("svc/order"), order.inbound())
        .start();

    let answer = front.call(&Client::get("/a").host("order"));

    assert_eq!(answer.status, 503);
    // The sidecar of `order` tries twice; that of `front` sees a failure for which somebody has tried already.
    assert_eq!(payment_app.count(), 2);
    assert_eq!(order_app.app().count(), 1);
}

#[test]
fn the_time_that_is_left_travels_with_the_request() {
    let (mesh, order_app) = (Mesh::new(), Upstream::at_head(|_, wire| wire.until_gone()));
    let order = Beside::of(&mesh.svid("svc/order"), &order_app).rule(ALL).start();
    let front_app = Upstream::replying(200);
    let front = Beside::of(&mesh.svid("svc/other"), &front_app)
        .rule(ALL)
        .service(
            "order",
            &format!(
                "mesh: {}, endpoints: [\"{}\"], timeout: {{ request: 1s }}, retry: none",
                id("svc/order"),
                order.inbound()
            ),
        )
        .start();
    let begun = wait::now();

    let answer = front.call(&Client::get("/a").host("order"));

    assert_eq!(answer.status, 504);
    // The sidecar of `order` would wait for fifteen seconds; it gives up with the caller.
    order_app.wait_abandoned(1);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn what_only_proxies_say_is_not_believed_of_clients() {
    let upstream = Upstream::echo();
    let edge = portcullis_tests::Edge::with(|config| config.service("api", &upstream).route("* /**", "api"));

    let request = Client::get("/").header("X-Portcullis-Timeout-Ms", "1").header("X-Portcullis-Attempt", "2");
    let answer = request.send(edge.address());

    assert_eq!(answer.status, 200);
    let seen = upstream.request();
    assert_eq!(seen.header("x-portcullis-timeout-ms"), None);
    assert_eq!(seen.header("x-portcullis-attempt"), None);
}

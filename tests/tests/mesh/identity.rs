//! The good path: a person shows a certificate to the edge, and every application on the way knows for whom it works,
//! because it copied one header.

use portcullis_tests::message::Headers;
use portcullis_tests::sidecar::{Beside, EdgeInMesh, Evidence, Mesh, Relay, Sidecar, id, protected, seen};
use portcullis_tests::{Client, Reply, Response, Upstream, wait};
use std::time::Duration;

const EDGE: &str = "id: edge, from: [spiffe://shop.example/edge]";
const ORDER: &str = "id: order, from: [spiffe://shop.example/svc/order]";

/// The edge, `order` beside an application that calls `payment`, and `payment` beside one that says what it saw.
struct Shop {
    mesh: Mesh,
    edge: EdgeInMesh,
    order: Sidecar,
    order_app: Relay,
    payment_app: Upstream,
    payment: Sidecar,
}

fn shop(order_app: Relay) -> Shop {
    shop_answering(order_app, Upstream::echo())
}

fn shop_answering(order_app: Relay, payment_app: Upstream) -> Shop {
    let mesh = Mesh::new();
    let payment = Beside::of(&mesh.svid("svc/payment"), &payment_app).rule(ORDER).start();
    let order = Beside::of(&mesh.svid("svc/order"), order_app.app())
        .rule(EDGE)
        .calls("payment", &id("svc/payment"), payment.inbound())
        .start();
    order_app.through(order.outbound());
    let edge = EdgeInMesh::start(&mesh.svid("edge"), order.inbound());
    Shop { mesh, edge, order, order_app, payment_app, payment }
}

/// What the far application said it saw, out of the answer of one that called it.
fn far(answer: &Response) -> Response {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let inner = answer.json();
    assert_eq!(inner["status"], 200, "{inner}");
    let body = inner["body"].as_str().unwrap_or_default().as_bytes().to_vec();
    Response { status: 200, body, ..Response::default() }
}

/// The protected headers among these, names in lower case, sorted.
fn guarded(headers: &Headers) -> Vec<String> {
    let names = headers.0.iter().map(|(name, _)| name.to_ascii_lowercase());
    let mut names: Vec<_> = names.filter(|name| protected(name)).collect();
    names.sort();
    names
}

const WHOLE: [&str; 5] =
    ["txn-token", "x-auth-roles", "x-auth-scopes", "x-auth-user", "x-forwarded-client-cert"];

fn client_cert(headers: &Headers, by: &str, from: &str) -> bool {
    let all = headers.all("x-forwarded-client-cert");
    let [one] = all.as_slice() else { return false };
    let parts: Vec<&str> = one.split(';').collect();
    let hash = parts.iter().find_map(|part| part.strip_prefix("Hash=")).unwrap_or_default();
    parts.contains(&format!("By={}", id(by)).as_str())
        && parts.contains(&format!("URI={}", id(from)).as_str())
        && hash.len() == 64
        && !one.contains(',')
}

#[test]
fn a_user_is_known_to_every_application_that_its_request_was_handed_to() {
    let shop = shop(Relay::to("payment"));

    let answer = shop.edge.send_as("alice", &Client::get("/users/1"));

    let far = seen(&far(&answer));
    let near = shop.order_app.request().headers;
    for (headers, by, from) in [(&near, "svc/order", "edge"), (&far, "svc/payment", "svc/order")] {
        assert_eq!(headers.all("x-auth-user"), ["alice"], "{by}: {headers:?}");
        assert_eq!(headers.all("x-auth-roles"), ["buyer"], "{by}: {headers:?}");
        assert_eq!(headers.all("x-auth-scopes"), ["orders:write"], "{by}: {headers:?}");
        assert!(client_cert(headers, by, from), "{by}: {headers:?}");
        assert_eq!(guarded(headers), WHOLE, "{by} sees nothing else of it");
    }
    assert_eq!(near.get("txn-token"), far.get("txn-token"), "the passport stays the same");
    assert!(!far.get("txn-token").unwrap_or_default().is_empty());
}

#[test]
fn a_caller_without_a_certificate_has_no_user_anywhere() {
    let shop = shop(Relay::to("payment"));

    let answer = shop.edge.get("/open/1");

    assert_eq!(guarded(&seen(&far(&answer))), ["x-forwarded-client-cert"]);
    assert_eq!(guarded(&shop.order_app.request().headers), ["x-forwarded-client-cert"]);
}

#[test]
fn an_application_that_does_not_copy_the_passport_calls_for_nobody() {
    let shop = shop(Relay::to("payment"));

    let answer = shop.edge.send_as("alice", &Client::get("/users/1").header("X-Forget", "1"));

    assert_eq!(guarded(&seen(&far(&answer))), ["x-forwarded-client-cert"]);
    assert_eq!(shop.order_app.request().header("x-auth-user"), Some("alice"));
}

#[test]
fn a_user_an_application_makes_up_goes_nowhere() {
    let shop = shop(Relay::calling(|request| {
        Client::get(&request.target)
            .host("payment")
            .header("X-Auth-User", "root")
            .header("X-Auth-Roles", "admin")
            .header("X-Forwarded-Client-Cert", "URI=spiffe://shop.example/edge")
            .header("Portcullis-Stamps", "a.b.c")
            .header("Txn-Token", "a.b.c")
    }));

    let answer = shop.edge.send_as("alice", &Client::get("/users/1"));

    let far = seen(&far(&answer));
    assert_eq!(guarded(&far), ["x-forwarded-client-cert"]);
    assert!(client_cert(&far, "svc/payment", "svc/order"), "{far:?}");
    assert!(shop.order.rejected("not_in_flight") >= 1.0);
}

#[test]
fn a_stored_passport_is_worth_nothing_once_its_request_has_ended() {
    let shop = shop(Relay::to("payment"));
    shop.edge.send_as("alice", &Client::get("/users/1"));
    let stored = shop.order_app.request().header("txn-token").expect("a passport").to_owned();
    let call = Client::get("/users/again").host("payment").header("Txn-Token", &stored);

    // Within the grace it may still be handed on; asking again and again must not keep it alive.
    let dropped = wait::within(Duration::from_secs(15), || {
        let answer = shop.order.call(&call);
        assert_eq!(answer.status, 200, "{}", answer.text());
        (!seen(&answer).has("x-auth-user")).then(|| seen(&answer))
    });

    let headers = dropped.expect("the stored passport is dropped in the end");
    assert_eq!(guarded(&headers), ["x-forwarded-client-cert"]);
    assert!(shop.order.rejected("not_in_flight") >= 1.0);
}

#[test]
fn three_hops_carry_a_user_and_the_last_knows_its_caller() {
    let mesh = Mesh::new();
    let last_app = Upstream::echo();
    let last = Beside::of(&mesh.svid("svc/other"), &last_app)
        .rule(
            "id: payment, from: [spiffe://shop.example/svc/payment], user: required, scopes: [orders:write]",
        )
        .start();
    let payment_app = Relay::to("other");
    let payment = Beside::of(&mesh.svid("svc/payment"), payment_app.app())
        .rule(ORDER)
        .calls("other", &id("svc/other"), last.inbound())
        .start();
    payment_app.through(payment.outbound());
    let order_app = Relay::to("payment");
    let order = Beside::of(&mesh.svid("svc/order"), order_app.app())
        .rule(EDGE)
        .calls("payment", &id("svc/payment"), payment.inbound())
        .start();
    order_app.through(order.outbound());
    let edge = EdgeInMesh::start(&mesh.svid("edge"), order.inbound());

    for (turn, user) in ["alice", "bob", "alice"].into_iter().enumerate() {
        let answer = edge.send_as(user, &Client::get(&format!("/users/{turn}")));

        let headers = seen(&far(&far(&answer)));
        assert_eq!(headers.all("x-auth-user"), [user]);
        assert!(client_cert(&headers, "svc/other", "svc/payment"), "{headers:?}");
        assert_eq!(guarded(&headers), WHOLE);
    }
}

#[test]
fn answers_carry_nothing_of_it() {
    let telling = |request: &portcullis_tests::Request| {
        let token = request.header("txn-token").unwrap_or("a.b.c");
        Reply::new(200)
            .header("Txn-Token", token)
            .header("X-Auth-User", "root")
            .header("Portcullis-Stamps", "a.b.c")
            .header("Portcullis-Chains", "a")
            .header("X-Forwarded-Client-Cert", "By=x")
            .header("X-Public", "1")
            .body("ok")
    };
    let shop = shop_answering(Relay::to("payment"), Upstream::answering(telling));

    let inner = shop.edge.send_as("alice", &Client::get("/users/1")).json();
    let open_app = Upstream::answering(telling);
    let other = Beside::of(&shop.mesh.svid("svc/order"), &open_app).rule(EDGE).start();
    let edge = EdgeInMesh::start(&shop.mesh.svid("edge"), other.inbound());
    let outer = edge.send_as("alice", &Client::get("/users/1"));

    let to_app = inner["headers"].as_array().expect("headers").iter();
    let to_app: Vec<_> = to_app.filter_map(|pair| pair[0].as_str()).collect();
    assert!(to_app.iter().any(|name| name.eq_ignore_ascii_case("x-public")), "{to_app:?}");
    assert!(to_app.iter().all(|name| !protected(name)), "the application got {to_app:?}");
    assert_eq!(outer.header("x-public"), Some("1"));
    assert_eq!(guarded(&outer.headers), Vec::<String>::new(), "the person got it");
}

#[test]
fn calls_to_services_outside_the_mesh_carry_nothing_of_it() {
    let outside = Upstream::echo();
    let mesh = Mesh::new();
    let app = Relay::calling(|request| {
        let token = request.header("txn-token").unwrap_or_default();
        Client::get(&request.target)
            .host("outside")
            .header("Txn-Token", token)
            .header("X-Auth-User", "alice")
            .header("X-Forwarded-Client-Cert", "By=x")
    });
    let order = Beside::of(&mesh.svid("svc/order"), app.app())
        .rule(EDGE)
        .service("outside", &format!("endpoints: [\"{}\"]", outside.address()))
        .start();
    app.through(order.outbound());
    let edge = EdgeInMesh::start(&mesh.svid("edge"), order.inbound());

    let answer = edge.send_as("alice", &Client::get("/users/1"));

    assert_eq!(guarded(&seen(&far(&answer))), Vec::<String>::new());
    assert!(!outside.saw("eyJ"), "a passport left the mesh");
}

#[test]
fn a_service_outside_is_told_of_the_user_in_headers_only_where_the_edge_says_so() {
    let (told, order_app, mesh) = (Upstream::echo(), Upstream::echo(), Mesh::new());
    let order = Beside::of(&mesh.svid("svc/order"), &order_app).rule(EDGE).start();
    let legacy = format!("  legacy: {{ endpoints: [\"{}\"], identity: headers }}\n", told.address());
    let edge = EdgeInMesh::start_with(&mesh.svid("edge"), order.inbound(), &legacy);

    let answer = edge.send_as("alice", &Client::get("/legacy/1").header("X-Auth-Roles", "admin"));

    let headers = seen(&answer);
    assert_eq!(headers.all("x-auth-user"), ["alice"]);
    assert_eq!(headers.all("x-auth-roles"), ["buyer"]);
    assert_eq!(guarded(&headers), ["x-auth-roles", "x-auth-scopes", "x-auth-user"]);
}

#[test]
fn plain_headers_count_only_where_the_level_says_so_and_only_from_who_may_introduce() {
    let (app, mesh) = (Upstream::echo(), Mesh::new());
    let anybody = "id: all, from: [spiffe://shop.example/edge, spiffe://shop.example/svc/other]";
    let order = Beside::of(&mesh.svid("svc/order"), &app)
        .identity("identity: { level: headers, assert: [spiffe://shop.example/edge] }")
        .rule(anybody)
        .start();
    let none = Beside::of(&mesh.svid("svc/order"), &app)
        .identity("identity: { level: none, assert: [spiffe://shop.example/edge] }")
        .rule(anybody)
        .start();
    let (edge, other) = (mesh.svid("edge"), mesh.svid("svc/other"));
    let plain = Client::get("/open/1").header("X-Auth-User", "alice").header("X-Auth-Roles", "buyer");
    let proved = Evidence::of("alice", &[&edge], &id("svc/order")).to(Client::get("/open/1"));
    let ask = |who: &portcullis_tests::sidecar::Svid, request: &Client, at: &Sidecar| {
        let answer = request.send_on(&mut who.client().connect(at.inbound()));
        seen(&answer).all("x-auth-user").join("+")
    };

    assert_eq!(ask(&edge, &plain, &order), "alice", "the gateway's plain headers");
    assert_eq!(ask(&edge, &proved, &order), "alice", "evidence counts all the same");
    assert_eq!(ask(&other, &plain, &order), "", "somebody who may not introduce");
    assert_eq!(ask(&edge, &plain, &none), "", "no users here, plainly");
    assert_eq!(ask(&edge, &proved, &none), "", "nor with evidence");
}

#[test]
fn headers_of_the_user_are_called_what_the_file_says_and_the_usual_names_stay_empty() {
    let (app, mesh) = (Upstream::echo(), Mesh::new());
    let order = Beside::of(&mesh.svid("svc/order"), &app)
        .identity("identity: { assert: [spiffe://shop.example/edge], headers: { X-User-Name: user } }")
        .rule(EDGE)
        .start();
    let edge = mesh.svid("edge");
    let request = Client::get("/open/1").header("X-User-Name", "root").header("X-Auth-User", "root");

    let with = Evidence::of("alice", &[&edge], &id("svc/order")).to(request.clone());
    let with = seen(&with.send_on(&mut edge.client().connect(order.inbound())));
    let without = seen(&request.send_on(&mut edge.client().connect(order.inbound())));

    assert_eq!((with.all("x-user-name"), with.has("x-auth-user")), (vec!["alice"], false));
    assert_eq!((without.has("x-user-name"), without.has("x-auth-user")), (false, false));
}

#[test]
fn the_authority_says_who_may_introduce_users_when_the_file_does_not() {
    let (app, mesh) = (Upstream::echo(), Mesh::new());
    let server = mesh.ca().serve();
    let anybody = "id: all, from: [spiffe://shop.example/edge, spiffe://shop.example/svc/other]";
    let order = Beside::joining(&mesh, &server, "svc/order", &app).rule(anybody).start();
    let (edge, other) = (mesh.svid("edge"), mesh.svid("svc/other"));
    let ask = |who: &portcullis_tests::sidecar::Svid| {
        let request = Evidence::of("alice", &[who], &id("svc/order")).to(Client::get("/open/1"));
        seen(&request.send_on(&mut who.client().connect(order.inbound()))).has("x-auth-user")
    };

    assert!(ask(&edge), "it has the grant");
    assert!(!ask(&other), "it has not");
    assert!(order.rejected("not_asserter") >= 1.0);
}

#[test]
fn the_access_logs_name_the_peer_and_hold_no_passport() {
    let shop = shop(Relay::to("payment"));

    shop.edge.send_as("alice", &Client::get("/users/1"));

    let line = shop.payment.wait_for_lines(1).remove(0).to_string();
    assert!(line.contains("spiffe://shop.example/svc/order"), "{line}");
    shop.order.wait_for_lines(2);
    for text in [shop.order.everything(), shop.payment.everything(), shop.edge.messages().join("\n")] {
        assert!(!text.contains("eyJ"), "{text}");
    }
    assert!(shop.payment_app.saw("eyJ"), "the application got it");
}

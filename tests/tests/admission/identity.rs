//! What services are told about callers, and what they are not.

use super::{guarded, with_token};
use portcullis_tests::issuer::Issuer;
use portcullis_tests::{Client, Edge, Upstream};
use serde_json::json;

#[test]
fn a_service_that_is_declared_is_told_the_user_once_and_nothing_a_client_says() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = Edge::with(|c| {
        c.top(&format!("auth: {{ customer: {{ {} }} }}", issuer.jwt("")))
            .service_text("app", &format!("endpoints: [\"{}\"], identity: headers", upstream.address()))
            .route_text("app", "match: GET /**, auth: customer, to: app")
            .route_text("open", "match: GET /open/**, auth: public, to: app")
    });
    let token = issuer.token(json!({ "roles": ["buyer", "reader"], "scope": "a b" }));

    let answer = Client::get("/x")
        .header("authorization", &format!("Bearer {token}"))
        .header("x-auth-user", "root")
        .header("X-Auth-Roles", "admin")
        .header("x-user-id", "root")
        .send(edge.address());
    assert_eq!(answer.status, 200);
    assert_eq!(Client::get("/open/x").header("x-auth-user", "root").send(edge.address()).status, 200);

    let [told, open] = upstream.requests().try_into().unwrap();
    assert_eq!(told.headers.all("x-auth-user"), ["alice"]);
    assert_eq!(told.headers.all("x-auth-roles"), ["buyer,reader"]);
    assert_eq!(told.headers.all("x-auth-scopes"), ["a b"]);
    assert_eq!(told.header("x-user-id"), None);
    assert_eq!(told.header("authorization"), None, "the token stays here");
    assert_eq!(open.header("x-auth-user"), None);
}

#[test]
fn others_are_told_nothing_and_get_the_token_only_where_that_is_written() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = Edge::with(|c| {
        c.top(&format!("auth: {{ customer: {{ {} }} }}", issuer.jwt("")))
            .service("app", &upstream)
            .route_text("app", "match: GET /**, auth: customer, to: app")
            .route_text("pass", "match: GET /pass/**, auth: customer, authorization: pass, to: app")
            .route_text("open", "match: GET /open/**, auth: public, to: app")
    });
    let token = issuer.token(json!({}));

    for path in ["/x", "/pass/x", "/open/x"] {
        assert_eq!(with_token(&edge, path, &token).status, 200);
    }

    let seen: Vec<_> = upstream
        .requests()
        .iter()
        .map(|one| (one.header("authorization").is_some(), one.header("x-auth-user").is_some()))
        .collect();
    assert_eq!(seen, [(false, false), (true, false), (true, false)]);
}

#[test]
fn the_log_names_the_user_and_why_somebody_was_not_believed() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = guarded(&upstream, &issuer);

    with_token(&edge, "/x", &issuer.token(json!({})));
    with_token(&edge, "/x", &issuer.token(json!({ "aud": "other" })));

    let lines = edge.wait_for_lines(2);
    // Each worker writes its own lines.
    let known = lines.iter().find(|line| line["http.response.status_code"] == 200).unwrap();
    assert_eq!(known["user.id"], "alice");
    let refused = lines.iter().find(|line| line["http.response.status_code"] == 401).unwrap();
    assert_eq!(refused["portcullis.disbelieved"], "audience");
    assert_eq!(refused["error.type"], "bad_credentials");
    assert_eq!(
        edge.metric("portcullis_authenticate_total", &[("verdict", "refused"), ("reason", "audience")]),
        1.0
    );
}

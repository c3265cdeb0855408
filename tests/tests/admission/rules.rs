//! What a route allows to whom.

use super::with_token;
use portcullis_tests::issuer::Issuer;
use portcullis_tests::{Edge, Report, Upstream, program};
use serde_json::{Value, json};
use std::process::Command;

fn edge(upstream: &Upstream, issuer: &Issuer) -> Edge {
    let identity = "identity: { roles: realm_access.roles, tier: plan }";
    Edge::with(|c| {
        c.top(&format!("auth: {{ customer: {{ {}, {identity} }} }}", issuer.jwt("")))
            .service("app", upstream)
            .route_text(
                "own",
                "match: \"GET /users/{userId}/profile\", auth: customer, to: app, \
                         allow: \"path.userId == user or role:admin\"",
            )
            .route_text(
                "orders",
                "match: POST /orders, auth: customer, to: app, \
                         allow: \"role:buyer and scope:orders:write and not tier == free\"",
            )
            .route_text(
                "sales",
                "match: GET /sales, auth: customer, to: app, allow: claim.department == sales",
            )
    })
}

#[test]
fn a_caller_may_do_what_the_rule_says_and_nothing_that_is_missing_helps() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = edge(&upstream, &issuer);
    let roles = |roles: Value| json!({ "realm_access": { "roles": roles } });
    let buyer = |more: Value| {
        let mut claims = roles(json!(["buyer"]));
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    };
    let mut report = Report::new();

    for (method, target, claims, expected) in [
        ("GET", "/users/alice/profile", json!({}), 200),
        ("GET", "/users/bob/profile", json!({}), 403),
        ("GET", "/users/%61lice/profile", json!({}), 200),
        ("GET", "/users/bob/profile", roles(json!(["admin"])), 200),
        ("GET", "/users/bob/profile", json!({ "roles": ["admin"] }), 403),
        ("POST", "/orders", buyer(json!({ "scope": "orders:read orders:write", "plan": "premium" })), 200),
        ("POST", "/orders", buyer(json!({ "scope": "orders:write", "plan": "free" })), 403),
        ("POST", "/orders", buyer(json!({ "scope": "orders:write" })), 403),
        ("POST", "/orders", buyer(json!({ "scope": "orders:writer", "plan": "premium" })), 403),
        ("GET", "/sales", json!({ "department": "sales" }), 200),
        ("GET", "/sales", json!({ "department": ["hr", "sales"] }), 200),
        ("GET", "/sales", json!({ "department": "Sales" }), 403),
        ("GET", "/sales", json!({}), 403),
    ] {
        report.row(&format!("{method} {target}"), claims.to_string());
        let request = portcullis_tests::Client::new(method, target)
            .header("authorization", &format!("Bearer {}", issuer.token(claims)))
            .body("");
        let answer = request.send(edge.address());
        report.check(answer.status == expected, || format!("{} {}", answer.status, answer.text()));
    }

    report.end();
    assert_eq!(with_token(&edge, "/sales", &issuer.token(json!({}))).code(), "NOT_ALLOWED");
}

#[test]
fn explain_tells_the_same_and_why() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = edge(&upstream, &issuer);
    let explain = |caller: &str| {
        let output = Command::new(program("portcullis"))
            .args(["explain", "--config"])
            .arg(edge.file())
            .args(["--as", caller, "GET /users/bob/profile"])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };

    let (refused, text) = explain("user=alice,role=buyer");
    assert_eq!(refused, Some(3));
    assert!(text.contains("role:admin") && text.contains("false") && text.contains("403"), "{text}");
    let (allowed, text) = explain("user=root,role=admin");
    assert_eq!(allowed, Some(0), "{text}");
}

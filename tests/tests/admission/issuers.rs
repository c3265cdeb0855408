//! Keys that change, issuers that are down, issuers that lie.

use super::{guarded, with_token};
use portcullis_tests::issuer::{Fault, Issuer, SigningKey};
use portcullis_tests::{Client, Edge, Upstream, wait};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_new_key_is_fetched_once_however_many_ask_and_the_old_one_still_counts() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = guarded(&upstream, &issuer);
    let old = issuer.token(json!({}));
    assert_eq!(with_token(&edge, "/x", &old).status, 200);
    let before = issuer.fetched();
    // The first fetch must be long enough ago.
    wait::pause(portcullis_tests::issuer::BETWEEN_FETCHES);

    issuer.add_key("k2");
    let new = issuer.token(json!({}));
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let ask = || with_token(&edge, "/x", &new).status;
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });

    assert_eq!(answers, [200; 20]);
    assert_eq!(issuer.fetched() - before, 1);
    assert_eq!(with_token(&edge, "/x", &old).status, 200);
}

#[test]
fn thousands_of_invented_keys_make_nobody_fetch() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = guarded(&upstream, &issuer);
    assert_eq!(with_token(&edge, "/x", &issuer.token(json!({}))).status, 200);
    let stranger = SigningKey::new("stranger");

    for number in 0..2_000 {
        let token = stranger.sign(&json!({ "kid": format!("k{number}") }), &issuer.claims(json!({})));
        assert_eq!(with_token(&edge, "/x", &token).status, 401);
    }

    assert!(issuer.fetched() <= 3, "{}", issuer.fetched());
}

#[test]
fn an_issuer_that_was_never_there_means_503_and_one_that_comes_back_means_200() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    for fault in [
        Fault::Status(500),
        Fault::Body("<html>".to_owned()),
        Fault::Body("x".repeat(1 << 20)),
        Fault::Redirect(format!("http://{}/jwks.json", upstream.address())),
    ] {
        issuer.fault(Some(fault.clone()));
        let edge = guarded(&upstream, &issuer);

        let answer = with_token(&edge, "/x", &issuer.token(json!({})));

        assert_eq!(answer.status, 503, "{fault:?}: {}", answer.text());
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(answer.text().contains("ISSUER_UNAVAILABLE"));
        assert!(edge.is_running());
    }
    assert_eq!(upstream.requests().len(), 0, "nobody followed the redirect");

    let edge = guarded(&upstream, &issuer);
    issuer.fault(None);
    wait::eventually("the keys to be there", || {
        (with_token(&edge, "/x", &issuer.token(json!({}))).status == 200).then_some(())
    });
}

#[test]
fn keys_that_were_there_serve_while_the_issuer_is_down_up_to_the_stated_limit() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = Edge::with(|c| {
        c.top(&format!("auth: {{ customer: {{ {} }} }}", issuer.jwt(", refresh: 1s, stale: 4s")))
            .service("app", &upstream)
            .route_text("app", "match: GET /**, auth: customer, to: app")
    });
    assert_eq!(with_token(&edge, "/x", &issuer.token(json!({ "jti": "1" }))).status, 200);

    issuer.fault(Some(Fault::Silent));

    assert_eq!(with_token(&edge, "/x", &issuer.token(json!({ "jti": "2" }))).status, 200, "still believed");
    wait::eventually("the keys to be too old", || {
        (with_token(&edge, "/x", &issuer.token(json!({ "jti": "3" }))).status == 503).then_some(())
    });
    edge.wait_for_message("issuer");
}

#[test]
fn a_token_of_a_key_that_was_taken_back_is_refused_after_the_refresh() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = Edge::with(|c| {
        c.top(&format!("auth: {{ customer: {{ {} }} }}", issuer.jwt(", refresh: 1s")))
            .service("app", &upstream)
            .route_text("app", "match: GET /**, auth: customer, to: app")
    });
    let token = issuer.token(json!({}));
    assert_eq!(with_token(&edge, "/x", &token).status, 200);

    issuer.add_key("k2");
    issuer.remove_key("k1");

    // Seen before, and yet: what it was verified with is not believed any more.
    wait::within(Duration::from_secs(40), || (with_token(&edge, "/x", &token).status == 401).then_some(()))
        .expect("the key is gone");
}

#[test]
fn a_token_only_its_issuer_can_judge_is_asked_about_once_and_a_wrong_one_too() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    issuer.judges("opaque-1", json!({ "active": true, "sub": "carol", "scope": "a b", "exp": portcullis_tests::issuer::now() + 60 }));
    let edge = Edge::with(|c| {
        let url = format!("{}/introspect", issuer.name());
        c.top(&format!(
            "auth: {{ legacy: {{ introspect: {{ url: \"{url}\", client: edge, secret: env:PATH }} }} }}"
        ))
        .workers(1)
        .service_text("app", &format!("endpoints: [\"{}\"], identity: headers", upstream.address()))
        .route_text("app", "match: GET /**, auth: legacy, to: app")
    });

    for _ in 0..5 {
        assert_eq!(with_token(&edge, "/x", "opaque-1").status, 200);
        assert_eq!(with_token(&edge, "/x", "opaque-2").status, 401);
    }

    assert_eq!(issuer.asked(), 2);
    assert_eq!(upstream.requests()[0].header("x-auth-user"), Some("carol"));
    assert_eq!(upstream.requests()[0].header("x-auth-scopes"), Some("a b"));
    for fault in [Fault::Status(500), Fault::Silent, Fault::Body("{\"active\":\"true\"}".to_owned())] {
        issuer.fault(Some(fault.clone()));
        let token = format!("other-{fault:?}").replace(['(', ')', '{', '}', '"', ':', '\\'], "-");
        let answer = with_token(&edge, "/x", &token);
        assert_eq!(answer.status, 503, "{fault:?}");
    }
    assert_eq!(Client::get("/x").send(edge.address()).status, 401);
}

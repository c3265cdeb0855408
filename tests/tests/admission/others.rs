//! Tokens and keys that others make: a Python library and an OpenID provider.

use super::with_token;
use portcullis_tests::issuer::{BETWEEN_FETCHES, MockServer, PyJwt, now};
use portcullis_tests::{Edge, Report, Upstream, wait};
use serde_json::json;

#[test]
fn tokens_of_pyjwt_are_believed_in_every_algorithm_that_is_named_and_in_no_other() {
    let upstream = Upstream::replying(200);
    let claims =
        json!({ "iss": "https://id.test/", "aud": ["shop-api", "x"], "sub": "alice", "exp": now() + 600 });
    let (keys, tokens) = PyJwt::tokens(&claims);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), keys.to_string()).unwrap();
    let edge = Edge::with(|c| {
        let path = file.path().display();
        c.top(&format!(
            "auth: {{ customer: {{ jwt: {{ issuer: \"https://id.test/\", audience: shop-api, jwks: \"file:{path}\", \
             algorithms: [RS256, PS256, ES256, ES384, EdDSA] }} }} }}"
        ))
        .service("app", &upstream)
        .route_text("app", "match: GET /**, auth: customer, to: app")
    });
    let mut report = Report::new();

    for (name, token) in &tokens {
        let expected = if matches!(name.as_str(), "RS512" | "none" | "HS256") { 401 } else { 200 };
        report.row(name, "");
        let status = with_token(&edge, "/x", token).status;
        report.check(status == expected, || status.to_string());
    }

    report.end();
}

#[test]
fn an_openid_provider_rotates_its_keys_and_nobody_is_refused() {
    let (upstream, provider) = (Upstream::replying(200), MockServer::start());
    let edge = Edge::with(|c| {
        c.top(&format!("auth: {{ customer: {{ {} }} }}", provider.jwt()))
            .service_text("app", &format!("endpoints: [\"{}\"], identity: headers", upstream.address()))
            .route_text(
                "app",
                "match: GET /**, auth: customer, allow: \"role:buyer and scope:orders:read\", to: app",
            )
    });
    let old = provider.token();
    assert_eq!(with_token(&edge, "/x", &old).status, 200);
    wait::pause(BETWEEN_FETCHES);

    provider.rotate();
    let new = provider.token();

    assert_ne!(old.split('.').next(), new.split('.').next(), "another key");
    assert_eq!(with_token(&edge, "/x", &new).status, 200);
    assert_eq!(with_token(&edge, "/x", &old).status, 200);
    assert_eq!(upstream.requests()[0].header("x-auth-user"), Some("alice"));
}

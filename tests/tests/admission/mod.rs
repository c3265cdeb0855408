//! Who may come in at the edge, and how often.

mod tokens;
mod issuers;
mod others;
mod keys;
mod rules;
mod identity;
mod pages;
mod addresses;
mod bodies;
mod certificates;
mod limits;
mod shared_limits;
mod store_failures;
mod store_kinds;
mod overload;

use portcullis_tests::issuer::Issuer;
use portcullis_tests::{Client, Config, Edge, Response, Upstream};

/// An edge with one route that wants a token of `issuer`.
fn guarded(upstream: &Upstream, issuer: &Issuer) -> Edge {
    Edge::start(guarded_config(upstream, issuer))
}

fn guarded_config(upstream: &Upstream, issuer: &Issuer) -> Config {
    Config::new()
        .top(&format!("auth: {{ customer: {{ {}, identity: {{ tier: plan }} }} }}", issuer.jwt("")))
        .service("app", upstream)
        .route_text("app", "match: \"* /**\", auth: customer, to: app")
}

/// GET with a bearer token.
fn with_token(edge: &Edge, target: &str, token: &str) -> Response {
    Client::get(target).header("authorization", &format!("Bearer {token}")).send(edge.address())
}

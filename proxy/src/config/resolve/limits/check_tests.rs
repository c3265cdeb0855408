//! What ways of saying who one is mean for limits, each put in the place of a certificate.

use super::*;
use crate::config::auth::{ApiKeyRule, CertificateRule, ClaimMap, JwtRule, KeySource};
use crate::config::context::Surroundings;
use crate::config::findings::Findings;
use crate::config::{read, yaml};
use std::path::Path;
use std::time::Duration;

/// What is said about the limits of this file, when entries of `auth:` are of these kinds.
fn said(limits: &str, schemes: Vec<Scheme>, anonymous: bool) -> Vec<String> {
    let text = format!(
        "auth: {{ d: {{}}, e: {{}} }}\nlimits: {{ x: {{ {limits}, scope: instance }} }}\nservices: {{ a: {{ endpoints: [\"127.0.0.1:1\"] }} }}\nroutes:\n  - {{ name: r, match: GET /, auth: public, to: a, limits: [x] }}\n"
    );
    let around = Surroundings { cores: 1, open_files: 1024, env: &|_| None };
    let findings = Findings::default();
    let root = yaml::parse(&text, &findings).unwrap();
    let file: raw::File = read::read(&root, &findings);
    let mut config = crate::config::resolve::config(
        &file,
        &mut Context::new(&findings, &around, (Path::new("t"), "")),
        Span::default(),
    );
    config.routes[0].auth = Auth { providers: (0..schemes.len()).collect(), anonymous };
    let named = ["d", "e"].into_iter().zip(schemes);
    config.auth = named.map(|(name, scheme)| Provider { name: name.into(), scheme }).collect();

    let findings = Findings::default();
    check(&file, &config, &Context::new(&findings, &around, (Path::new("t"), "")));
    findings.sorted().into_iter().map(|one| format!("{:?}: {}", one.severity, one.message)).collect()
}

fn certificate() -> Scheme {
    Scheme::Certificate(CertificateRule { subjects: Vec::new(), roles: Vec::new(), scopes: Vec::new() })
}

fn api_key() -> Scheme {
    let header = http::HeaderName::from_static("x-api-key");
    Scheme::ApiKey(ApiKeyRule { header, path: "k".into(), keys: Default::default() })
}

fn jwt(tier: Option<&str>) -> Scheme {
    Scheme::Jwt(JwtRule {
        issuer: "i".into(),
        audiences: Vec::new(),
        algorithms: Vec::new(),
        keys: KeySource::File { path: "k".into(), keys: Default::default() },
        leeway: Duration::ZERO,
        identity: ClaimMap { tier: tier.map(Into::into), ..ClaimMap::default() },
        claims: Vec::new(),
    })
}

const NOTHING: [&str; 0] = [];

#[test]
fn an_api_key_is_had_by_those_who_show_one() {
    let key = "key: api_key, rate: 5/s";

    assert_eq!(said(key, vec![api_key()], false), NOTHING);
    assert_eq!(
        said(key, vec![jwt(None)], false),
        ["Error: limit `x` counts by `api_key`, but nobody shows one to route `r`"]
    );
    assert_eq!(
        said(key, vec![api_key(), jwt(None)], false),
        ["Warning: limit `x` counts by `api_key`, and everybody without one shares one count on route `r`"]
    );
    assert_eq!(said("key: [api_key, ip], rate: 5/s", vec![api_key(), jwt(None)], false), NOTHING);
}

#[test]
fn a_user_is_had_by_all_who_are_not_anonymous() {
    let key = "key: user, rate: 5/s";

    assert_eq!(said(key, vec![api_key(), jwt(None)], false), NOTHING);
    assert_eq!(
        said(key, vec![jwt(None)], true),
        ["Warning: limit `x` counts by `user`, and everybody without one shares one count on route `r`"]
    );
    assert_eq!(said("key: [user, ip], rate: 5/s", vec![jwt(None)], true), NOTHING);
}

#[test]
fn tiers_are_of_those_whose_entry_says_which_claim_it_is() {
    let tiers = "key: ip, tiers: { a: 5/s }, default: 1/s";
    let nobody = ["Warning: nobody who is counted by limit `x` has a tier: all get its default"];

    assert_eq!(said(tiers, vec![jwt(Some("plan"))], false), NOTHING);
    assert_eq!(said(tiers, vec![jwt(None), api_key()], false), NOTHING);
    assert_eq!(said(tiers, vec![jwt(None), certificate()], false), nobody);
    assert_eq!(said(tiers, Vec::new(), true), nobody);
}

#[test]
fn an_entry_that_could_not_be_read_is_not_judged() {
    let missing = |limits: &str| {
        // Three entries are meant, of which the file has two.
        let schemes = vec![certificate(), certificate(), certificate()];
        said(limits, schemes, false)
    };

    assert_eq!(missing("key: api_key, rate: 5/s"), NOTHING);
    assert_eq!(missing("key: ip, tiers: { a: 5/s }, default: 1/s"), NOTHING);
}

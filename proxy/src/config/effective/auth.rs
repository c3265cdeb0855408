//! Ways for clients outside to say who they are, as they stand in a file.

use super::{REDACTED, Secrets, file, object, strings, time};
use crate::config::Config;
use crate::config::auth::{ClaimMap, KeySource, Provider, Remote, Scheme};
use crate::config::route::Auth;
use serde_json::{Value, json};

/// As a route writes it: a name, or a list of them.
pub(super) fn names(auth: &Auth, config: &Config) -> Value {
    let named = |index: &usize| config.auth.get(*index).map(|provider| &*provider.name);
    let mut names: Vec<&str> = auth.providers.iter().filter_map(named).collect();
    names.extend(auth.anonymous.then_some("public"));
    match *names {
        [one] => json!(one),
        _ => json!(names),
    }
}

pub(super) fn provider(provider: &Provider, secrets: Secrets) -> Value {
    match &provider.scheme {
        Scheme::Certificate(rule) => json!({ "certificate": {
            "subjects": strings(&rule.subjects),
            "roles": strings(&rule.roles),
            "scopes": strings(&rule.scopes),
        } }),
        Scheme::Jwt(rule) => {
            let algorithms: Value = rule.algorithms.iter().map(|one| json!(format!("{one:?}"))).collect();
            let (jwks, refresh, stale, remote) = match &rule.keys {
                KeySource::File { path, .. } => (format!("file:{}", file(path)), None, None, None),
                KeySource::Url { remote, refresh, stale } => {
                    (remote.url.to_string(), Some(time(*refresh)), Some(time(*stale)), Some(remote))
                }
            };
            let (ca, timeout) = remote.map(of_remote).unwrap_or_default();
            let jwt = object([
                ("issuer", json!(&*rule.issuer)),
                ("audience", strings(&rule.audiences)),
                ("jwks", json!(jwks)),
                ("algorithms", algorithms),
                ("leeway", json!(time(rule.leeway))),
                ("refresh", json!(refresh)),
                ("stale", json!(stale)),
                ("ca", ca),
                ("timeout", timeout),
            ]);
            json!({ "jwt": jwt, "identity": claims(&rule.identity) })
        }
        Scheme::ApiKey(rule) => {
            json!({ "api_key": { "header": rule.header.as_str(), "keys": format!("file:{}", file(&rule.path)) } })
        }
        Scheme::Introspect(rule) => {
            let (ca, timeout) = of_remote(&rule.remote);
            let secret = if secrets == Secrets::Shown { &*rule.secret_from } else { REDACTED };
            let introspect = object([
                ("url", json!(rule.remote.url.to_string())),
                ("client", json!(&*rule.client)),
                ("secret", json!(secret)),
                ("cache", json!(time(rule.cache))),
                ("ca", ca),
                ("timeout", timeout),
            ]);
            json!({ "introspect": introspect, "identity": claims(&rule.identity) })
        }
    }
}

fn of_remote(remote: &Remote) -> (Value, Value) {
    (json!(remote.ca.as_deref().map(file)), json!(time(remote.timeout)))
}

fn claims(map: &ClaimMap) -> Value {
    object([
        ("user", json!(&*map.user)),
        ("roles", json!(&*map.roles)),
        ("scopes", json!(&*map.scopes)),
        ("tier", json!(map.tier.as_deref())),
    ])
}

//! Hides what sounds secret in a dump. Pure. The second line of defence: whoever makes the dump hides what it knows.
//!
//! A value is hidden when its key sounds secret, unless it only says where the secret is (`file:…`, `env:…`).
//! Passwords inside URLs are hidden wherever they stand.

use serde_json::Value;

/// Parts of key names that sound secret.
const SECRET: [&str; 9] = [
    "token",
    "secret",
    "password",
    "passphrase",
    "credential",
    "authorization",
    "api_key",
    "apikey",
    "private_key",
];

const HIDDEN: &str = "REDACTED";

/// Hides secrets in `value`.
pub(super) fn redact(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if sounds_secret(key) { hide(value) } else { redact(value) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::String(text) => hide_password(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    SECRET.iter().any(|secret| key.contains(secret))
}

/// Hides every text and number below; switches and absent values tell nothing.
fn hide(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(hide),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::String(text) if text.starts_with("file:") || text.starts_with("env:") => {}
        Value::String(_) | Value::Number(_) => *value = HIDDEN.into(),
        Value::Null | Value::Bool(_) => {}
    }
}

/// `scheme://user:password@host` → `scheme://user:REDACTED@host`.
fn hide_password(text: &mut String) {
    let Some((scheme, rest)) = text.split_once("://") else { return };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((authority, path)) = rest.split_at_checked(end) else { return };
    let Some((user_info, host)) = authority.rsplit_once('@') else { return };
    let Some((user, _)) = user_info.split_once(':') else { return };
    *text = format!("{scheme}://{user}:{HIDDEN}@{host}{path}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_sounds_secret_is_hidden_at_any_depth() {
        let mut dump = json!({
            "admin": { "bind": "127.0.0.1:9901", "token": "s3cret", "Join-Token": ["a", { "x": 1 }] },
            "services": [{ "api_key": "k", "key": "tls/key.pem", "password": null }],
        });

        redact(&mut dump);

        assert_eq!(
            dump,
            json!({
                "admin": { "bind": "127.0.0.1:9901", "token": "REDACTED", "Join-Token": ["REDACTED", { "x": "REDACTED" }] },
                "services": [{ "api_key": "REDACTED", "key": "tls/key.pem", "password": null }],
            })
        );
    }

    #[test]
    fn where_a_secret_is_may_be_shown() {
        let mut dump = json!({ "token": "file:/run/secrets/admin" });

        redact(&mut dump);

        assert_eq!(dump, json!({ "token": "file:/run/secrets/admin" }));
    }

    #[test]
    fn passwords_in_urls_are_hidden() {
        let mut dump = json!({ "address": "redis://user:p@ss@host:1/0", "other": "http://host/a:b@c" });

        redact(&mut dump);

        assert_eq!(
            dump,
            json!({ "address": "redis://user:REDACTED@host:1/0", "other": "http://host/a:b@c" })
        );
    }
}

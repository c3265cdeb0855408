//! Keys that are not there, not yet there, or hold the wrong thing.

use super::*;

#[test]
fn unknown_keys_are_all_reported_with_what_was_meant() {
    expect(
        "version: 1\nlistener: []\nlisteners: [{ bind: 127.0.0.1:1, htp: [h1], bogus_thing: 1 }]\nservices:\n  a:\n    endpoint: []\n    endpoints: [\"127.0.0.1:1\"]\n",
        &[
            "2:1 [listener] unknown-key: unknown key `listener` in the file | did you mean `listeners`?",
            "3:34 [htp] unknown-key: unknown key `htp` in a listener | did you mean `http`?",
            "3:45 [bogus_thing] unknown-key: unknown key `bogus_thing` in a listener | keys here are: bind, tls, http, redirect, proxy_protocol, caps, timeouts",
            "6:5 [endpoint] unknown-key: unknown key `endpoint` in a service | did you mean `endpoints`?",
        ],
    );
}

#[test]
fn keys_of_later_versions_are_not_called_unknown() {
    for (section, key) in [
        ("defaults: { X: 1 }", "auth"),
        ("observe: { traces: { X: 1 } }", "otlp"),
        ("routes: [{ X: 1 }]", "mirror"),
        ("routes: [{ X: 1 }]", "breaker"),
    ] {
        let said = said(&format!("{HEAD}{}\n", section.replace('X', key)));
        let wanted = format!("not-supported: `{key}:` is not supported by this version of portcullis");
        assert!(said.iter().any(|one| one.contains(&wanted)), "{said:?}");
    }
}

#[test]
fn a_value_of_the_wrong_shape_is_reported_and_the_rest_is_read() {
    expect(
        "version: 1\nlisteners: { bind: 1 }\ntrust: yes\nservices: [a]\nroutes:\n  - hello\nadmin:\nworkers: [1]\ndrain: { delay: [1] }\nbogus: 1\n",
        &[
            "2:12 [{] wrong-type: `listeners` must be a list, not a map | start each entry with `- `",
            "3:8 [yes] wrong-type: `trust` must be a map, not a single value | `trust:` has keys: proxies, hops",
            "4:11 [[] wrong-type: `services` must be a map, not a list",
            "6:5 [hello] wrong-type: an entry of `routes` must be a map, not a single value | a route has keys: name, match, hosts, when, limits, ip, cors, auth, allow, authorization, to, split, sticky, path, headers, timeout, retry, upgrade, on_open, critical, deprecated, body, paths",
            "7:1 [admin] missing-key: `admin` has no value | give it one, or remove the key",
            "8:10 [[] wrong-type: `workers` must be a whole number, not a list",
            "9:17 [[] wrong-type: `delay` must be a single value, not a list",
            "10:1 [bogus] unknown-key: unknown key `bogus` in the file | keys here are: version, workers, listeners, trust, strict, admin, drain, stores, overload, mesh, workload, inbound, outbound, ready, authorize, auth, limits, zone, services, defaults, routes, observe, tests",
        ],
    );
}

#[test]
fn numbers_words_and_switches_say_what_they_take() {
    expect(
        &format!(
            "{HEAD}workers: two\ntrust: {{ hops: 5000000000 }}\nobserve: {{ traces: {{ propagation: [w3c, b4] }} }}\n"
        ),
        &[
            "3:10 [two] wrong-type: `workers` must be a whole number, not `two` | write digits only",
            "4:16 [5000000000] wrong-type: `5000000000` is too large | at most 4294967295",
            "5:41 [b4] bad-value: `propagation` cannot be `b4` | did you mean `b3`?",
        ],
    );
    expect(
        "version: 1\nlisteners: [{ bind: 127.0.0.1:1, proxy_protocol: on, http: [h3, spdy] }]\n",
        &[
            "2:50 [on] wrong-type: `proxy_protocol` must be true or false, not `on` | write `true` or `false`",
            "2:61 [h3] bad-value: `http` cannot be `h3` | did you mean `h1`?",
            "2:65 [spdy] bad-value: `http` cannot be `spdy` | it can be: h1, h2",
        ],
    );
}

#[test]
fn the_version_is_demanded_and_known() {
    expect(
        "listeners: [{ bind: 127.0.0.1:1 }]\n",
        &["1:1 [listeners] missing-key: the file needs `version` | add `version:`"],
    );
    expect(
        "version: 2\nlisteners: [{ bind: 127.0.0.1:1 }]\n",
        &["1:10 [2] bad-value: version 2 is not known to this portcullis | write `version: 1`"],
    );
}

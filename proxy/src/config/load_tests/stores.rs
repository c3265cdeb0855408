//! `stores:`: where counts are kept that processes share.

use super::*;
use crate::config::effective::{to_redacted_json, to_yaml};
use crate::config::store::{OnFailure, Redis, Servers, Sources, StoreTls};
use std::time::Duration;

/// A file with this store, which a limit counts in.
fn file(fields: &str) -> String {
    format!(
        "{HEAD}stores: {{ redis: {{ {fields} }} }}\nlimits: {{ x: {{ key: ip, rate: 5/s, scope: global }} }}\n"
    )
}

fn config(fields: &str) -> Config {
    load(&file(fields)).unwrap_or_else(|problems| panic!("{problems}")).config
}

fn redis(fields: &str) -> Redis {
    config(fields).redis.unwrap()
}

fn plain(servers: Servers) -> Redis {
    Redis {
        servers,
        user: None,
        password: None,
        database: 0,
        tls: None,
        prefix: "portcullis:".into(),
        timeout: Duration::from_millis(20),
        on_failure: OnFailure::Divide,
        instances: None,
        sources: Sources::default(),
    }
}

fn single(server: &str) -> Redis {
    plain(Servers::Single(server.into()))
}

#[test]
fn a_store_without_more_has_the_defaults_of_the_documents() {
    assert_eq!(redis("url: redis://127.0.0.1, on_failure: divide"), single("127.0.0.1:6379"));
}

#[test]
fn every_key_of_a_store_counts() {
    let redis = redis(
        "url: rediss://Redis.Internal:6380/3, user: shop, password: env:TOKEN, prefix: \"shop:\", timeout: 5ms, on_failure: deny, instances: 4",
    );

    let wanted = Redis {
        user: Some("shop".into()),
        password: Some("s3cret".into()),
        database: 3,
        tls: Some(StoreTls { ca: None }),
        prefix: "shop:".into(),
        timeout: Duration::from_millis(5),
        on_failure: OnFailure::Deny,
        instances: Some(4),
        sources: Sources { url: None, password: Some("env:TOKEN".into()) },
        ..single("redis.internal:6380")
    };
    assert_eq!(redis, wanted);
}

#[test]
fn a_url_from_elsewhere_brings_its_user_and_password() {
    let redis = redis("url: env:REDIS_URL, on_failure: allow");

    let wanted = Redis {
        user: Some("u".into()),
        password: Some("hunter2".into()),
        database: 3,
        on_failure: OnFailure::Allow,
        sources: Sources { url: Some("env:REDIS_URL".into()), password: None },
        ..single("redis.internal:6380")
    };
    assert_eq!(redis, wanted);
}

#[test]
fn sentinels_and_clusters_are_named_by_some_of_them() {
    let sentinel = redis(
        "sentinel: { addresses: [\"a:26379\", \"[::1]:26379\"], primary: main }, tls: {}, on_failure: divide",
    );
    let cluster = redis("cluster: [\"10.0.0.1:7000\", \"n2:7000\"], on_failure: divide");

    let sentinels = vec!["a:26379".into(), "[::1]:26379".into()];
    let servers = Servers::Sentinel { sentinels, primary: "main".into() };
    assert_eq!(sentinel, Redis { tls: Some(StoreTls { ca: None }), ..plain(servers) });
    assert_eq!(cluster, plain(Servers::Cluster(vec!["10.0.0.1:7000".into(), "n2:7000".into()])));
}

#[test]
fn an_authority_of_the_store_is_a_file_that_is_watched() {
    let text = file("url: rediss://a, tls: { ca: b.pem }, on_failure: divide");

    let (loaded, dir) = load_among_files(&text);

    let config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
    let ca = Path::new(&dir).join("b.pem");
    assert_eq!(config.redis.unwrap().tls, Some(StoreTls { ca: Some(ca.clone()) }));
    assert!(config.files.contains(&ca));
}

#[test]
fn the_effective_store_means_the_same_and_never_shows_a_password() {
    for fields in [
        "url: redis://127.0.0.1, on_failure: divide",
        "url: rediss://a:1/2, user: shop, password: env:TOKEN, prefix: \"shop:\", on_failure: deny, instances: 4",
        "url: redis://shop@a, password: env:TOKEN, on_failure: deny",
        "url: env:REDIS_URL, timeout: 1s, on_failure: allow",
        "sentinel: { addresses: [\"a:1\"], primary: main }, tls: {}, password: env:TOKEN, on_failure: divide",
        "cluster: [\"a:1\", \"b:2\"], on_failure: divide",
    ] {
        let first = config(fields);

        let printed = to_yaml(&first);
        let second = load(&printed).unwrap_or_else(|problems| panic!("{problems}\n{printed}")).config;

        assert_eq!(first.redis, second.redis, "{printed}");
        let hidden = to_redacted_json(&first).to_string();
        for secret in ["s3cret", "hunter2"] {
            assert!(!printed.contains(secret) && !hidden.contains(secret), "{printed}{hidden}");
            assert!(!format!("{first:?}").contains(secret), "{first:?}");
        }
    }
    let shown = to_redacted_json(&config("url: env:REDIS_URL, on_failure: allow"));
    assert_eq!(
        shown["stores"]["redis"],
        serde_json::json!({
            "url": "redis://redis.internal:6380/3", "user": "u", "password": "REDACTED", "prefix": "portcullis:",
            "timeout": "20ms", "on_failure": "allow",
        })
    );
}

/// A store with these fields, from column 20 of line 5, which a limit counts in.
#[track_caller]
fn expect_store(fields: &str, problems: &[&str]) {
    let limit = "limits: { x: { key: ip, rate: 5/s, scope: global } }";
    let route = "routes: [{ name: r, match: GET /, auth: public, to: a, limits: [x] }]";
    expect_known(&[&format!("stores: {{ redis: {{ {fields} }} }}"), limit, route], problems);
}

#[test]
fn a_password_is_in_no_picture_of_its_line() {
    let text = file("url: \"redis://u:hunter2@a\", on_failures: deny");

    let problems = load(&text).unwrap_err().to_string();

    assert!(problems.contains("on_failures") && !problems.contains("hunter2"), "{problems}");
}

#[test]
fn a_store_says_where_it_is_and_what_happens_without_it() {
    expect_store(
        "",
        &[
            "5:18 [{] missing-key: `redis:` needs `on_failure`: what happens while it does not answer | add `on_failure: divide` (each process counts by itself, up to its share), `allow` (everything is let in) or `deny` (everything is answered 503)",
            "5:18 [{] missing-key: `redis:` does not say where it is | add `url:`, `sentinel:` or `cluster:`",
        ],
    );
    expect_store(
        "url: redis://127.0.0.1",
        &[
            "5:18 [{] missing-key: `redis:` needs `on_failure`: what happens while it does not answer | add `on_failure: divide` (each process counts by itself, up to its share), `allow` (everything is let in) or `deny` (everything is answered 503)",
        ],
    );
    expect_store(
        "on_failure: deny, prefix: a",
        &["5:18 [{] missing-key: `redis:` does not say where it is | add `url:`, `sentinel:` or `cluster:`"],
    );
    expect_store(
        "url: redis://127.0.0.1, on_failure: open",
        &["5:56 [open] bad-value: `on_failure` cannot be `open` | it can be: divide, allow, deny"],
    );
    expect_store(
        "on_failure: deny, url: redis://127.0.0.1, cluster: [\"a:1\"]",
        &["5:71 [[] conflict: `redis:` has both `url` and `cluster` | keep one of them"],
    );
    expect_store(
        "on_failure: deny, sentinel: {}, cluster: [\"a:1\"]",
        &["5:61 [[] conflict: `redis:` has both `sentinel` and `cluster` | keep one of them"],
    );
    expect_known(
        &["stores: { memcached: {} }", "routes: [{ name: r, match: GET /, auth: public, to: a }]"],
        &["5:11 [memcached] unknown-key: unknown key `memcached` in `stores:` | keys here are: redis"],
    );
}

#[test]
fn a_url_is_read_whole() {
    expect_store(
        "on_failure: deny, url: \"127.0.0.1:6379\"",
        &[
            "5:43 [****************] bad-value: this is not the URL of a Redis: it begins neither with `redis://` nor with `rediss://` | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"http://127.0.0.1\"",
        &[
            "5:43 [******************] bad-value: this is not the URL of a Redis: it begins neither with `redis://` nor with `rediss://` | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis://\"",
        &[
            "5:43 [**********] bad-value: this is not the URL of a Redis: its host or port cannot be read | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis://a:0\"",
        &[
            "5:43 [*************] bad-value: this is not the URL of a Redis: its host or port cannot be read | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis://a:x\"",
        &[
            "5:43 [*************] bad-value: this is not the URL of a Redis: its host or port cannot be read | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis://a b\"",
        &[
            "5:43 [*************] bad-value: this is not the URL of a Redis: its host or port cannot be read | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis://a/16\"",
        &[
            "5:43 [**************] bad-value: this is not the URL of a Redis: its database is not a number from 0 to 15 | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis://a/x\"",
        &[
            "5:43 [*************] bad-value: this is not the URL of a Redis: its database is not a number from 0 to 15 | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis://a?x=y\"",
        &[
            "5:43 [***************] bad-value: this is not the URL of a Redis: it has a query or a fragment | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis://%zz:b@a\"",
        &[
            "5:43 [*****************] bad-value: this is not the URL of a Redis: its user or password cannot be read | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis+unix:///run/redis.sock\"",
        &[
            "5:43 [******************************] bad-value: this is not the URL of a Redis: it begins neither with `redis://` nor with `rediss://` | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis://[::1\"",
        &[
            "5:43 [**************] bad-value: this is not the URL of a Redis: its host or port cannot be read | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis://203.0.113.7\"",
        &[
            "5:43 [\"redis://203.0.113.7\"] plaintext-upstream: what is said to the store at `203.0.113.7:6379` can be read and changed on its way | use `rediss://`",
        ],
    );
    expect_store("on_failure: deny, url: \"rediss://203.0.113.7\"", &[]);
    expect_store("on_failure: deny, url: \"redis://redis.internal:6380/15\"", &[]);
}

#[test]
fn a_password_never_stands_in_the_file_nor_in_a_message() {
    expect_store(
        "on_failure: deny, url: \"redis://u:hunter2@a\"",
        &[
            "5:43 [*********************] insecure: a password must not stand in the configuration | take it out and add `password: env:NAME` or `password: file:PATH`, or let the whole URL come from there: `url: env:NAME`",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis://:hunter2@a\"",
        &[
            "5:43 [********************] insecure: a password must not stand in the configuration | take it out and add `password: env:NAME` or `password: file:PATH`, or let the whole URL come from there: `url: env:NAME`",
        ],
    );
    expect_store(
        "on_failure: deny, url: \"redis://u:hunter2@a:x\"",
        &[
            "5:43 [***********************] bad-value: this is not the URL of a Redis: its host or port cannot be read | write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS",
        ],
    );
    expect_store(
        "on_failure: deny, url: redis://a, password: hunter2",
        &[
            "5:64 [*******] insecure: a secret must come from a file or the environment | write `file:PATH` or `env:NAME`; a secret never stands in the configuration itself",
        ],
    );
    expect_store(
        "on_failure: deny, url: env:NO_SUCH",
        &[
            "5:43 [env:NO_SUCH] unknown-name: the environment variable `NO_SUCH` is not set | set it, or use `file:PATH`",
        ],
    );
    expect_store(
        "on_failure: deny, url: env:TOKEN",
        &[
            "5:43 [env:TOKEN] bad-value: what `env:TOKEN` holds is not the URL of a Redis: it begins neither with `redis://` nor with `rediss://` | it looks like `redis://USER:PASSWORD@HOST:6379/0`",
        ],
    );
    expect_store(
        "on_failure: deny, url: env:REDIS_URL, password: env:TOKEN",
        &["5:68 [env:TOKEN] conflict: the URL already has a password | keep one of them"],
    );
    expect_store(
        "on_failure: deny, url: env:REDIS_URL, user: other",
        &["5:64 [other] conflict: the URL already has a user | keep one of them"],
    );
    expect_store("on_failure: deny, url: env:REDIS_URL", &[]);
    expect_store(
        "on_failure: deny, url: file:no-such",
        &[
            "5:43 [file:no-such] bad-file: cannot read `no-such`: there is no such file | looked at DIR/no-such",
        ],
    );
    expect_store(
        "on_failure: deny, url: redis://u@a, user: v, password: env:TOKEN",
        &["5:62 [v] conflict: the URL already has a user | keep one of them"],
    );
    expect_store("on_failure: deny, url: redis://u@a, user: u, password: env:TOKEN", &[]);
    expect_store(
        "on_failure: deny, url: redis://u@a",
        &[
            "5:43 [redis://u@a] missing-key: a user without a password is nobody | add `password: env:NAME` or `password: file:PATH`",
        ],
    );
    expect_store(
        "on_failure: deny, url: redis://a, user: u",
        &[
            "5:60 [u] missing-key: a user without a password is nobody | add `password: env:NAME` or `password: file:PATH`",
        ],
    );
    expect_store(
        "on_failure: deny, url: redis://a, user: \"a b\", password: env:TOKEN",
        &[
            "5:60 [\"a b\"] bad-value: `a b` cannot be a user | use 1 to 256 visible ASCII characters without space, comma and quotes",
        ],
    );
}

#[test]
fn sentinels_and_nodes_are_hosts_with_ports() {
    expect_store(
        "on_failure: deny, sentinel: {}",
        &[
            "5:48 [{] missing-key: `sentinel:` needs `addresses` | add `addresses:`",
            "5:48 [{] missing-key: `sentinel:` needs `primary` | add `primary:`",
        ],
    );
    expect_store(
        "on_failure: deny, sentinel: { addresses: [], primary: main }",
        &[
            "5:61 [[] bad-value: no sentinel is named here | name at least one sentinel, as in `[\"redis.internal:6379\"]`",
        ],
    );
    expect_store(
        "on_failure: deny, sentinel: { addresses: [\"a:1\", \"a\", \"A:1\", \"b:0\", \"::1:5\", \"[::1]:5\", \"b:x\"], primary: \"a b\" }",
        &[
            "5:69 [\"a\"] bad-value: `a` is not a host with a port | write a name or an IP address and a port, as in `redis.internal:6379`",
            "5:81 [\"b:0\"] bad-value: `b:0` is not a host with a port | write a name or an IP address and a port, as in `redis.internal:6379`",
            "5:88 [\"::1:5\"] bad-value: `::1:5` is not a host with a port | write a name or an IP address and a port, as in `redis.internal:6379`",
            "5:108 [\"b:x\"] bad-value: `b:x` is not a host with a port | write a name or an IP address and a port, as in `redis.internal:6379`",
            "5:125 [\"a b\"] bad-value: `a b` cannot be a primary | use 1 to 256 visible ASCII characters without space, comma and quotes",
            "5:74 [\"A:1\"] suspicious: `a:1` is listed twice | remove one of them",
        ],
    );
    expect_store(
        "on_failure: deny, cluster: []",
        &[
            "5:47 [[] bad-value: no node is named here | name at least one node, as in `[\"redis.internal:6379\"]`",
        ],
    );
    expect_store(
        "on_failure: deny, cluster: [\"a_b:1\", \"redis://a:1\", \"203.0.113.7:1\"]",
        &[
            "5:57 [\"redis://a:1\"] bad-value: `redis://a:1` is not a host with a port | write a name or an IP address and a port, as in `redis.internal:6379`",
            "5:47 [[] plaintext-upstream: what is said to the store at `203.0.113.7:1` can be read and changed on its way | add `tls: {}`",
        ],
    );
    expect_store("on_failure: deny, cluster: [\"203.0.113.7:1\"], tls: {}", &[]);
}

#[test]
fn tls_is_what_the_url_says() {
    expect_store(
        "on_failure: deny, url: redis://a, tls: {}",
        &[
            "5:59 [{] conflict: `tls` is for TLS, but the URL says `redis://` | write `rediss://`, or remove `tls`",
        ],
    );
    expect_store("on_failure: deny, url: rediss://a, tls: { ca: b.pem }", &[]);
    expect_store(
        "on_failure: deny, url: rediss://a, tls: { ca: k.pem, insecure: true }",
        &[
            "5:66 [k.pem] bad-file: `k.pem` holds no certificate | it holds a private key: are `cert` and `key` swapped?",
            "5:73 [insecure] unknown-key: unknown key `insecure` in `tls:` of a store | keys here are: ca",
        ],
    );
}

#[test]
fn numbers_of_a_store_have_bounds() {
    expect_store(
        "on_failure: deny, url: redis://a, timeout: 2s",
        &["5:63 [2s] bad-value: `2s` is out of range: every request waits this long | from 1ms to 1s"],
    );
    expect_store(
        "on_failure: deny, url: redis://a, timeout: 0ms",
        &["5:63 [0ms] bad-value: this time must be more than 0 | remove the key to get the default"],
    );
    expect_store(
        "on_failure: deny, url: redis://a, timeout: 20",
        &[
            "5:63 [20] bad-unit: `20` has no unit | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`",
        ],
    );
    expect_store(
        "on_failure: deny, url: redis://a, timeout: 1s, instances: 0",
        &["5:78 [0] bad-value: 0 is out of range | from 1 to 10000"],
    );
    expect_store(
        "on_failure: deny, url: redis://a, timeout: 1ms, instances: 10001",
        &["5:79 [10001] bad-value: 10001 is out of range | from 1 to 10000"],
    );
    expect_store(
        "on_failure: deny, url: redis://a, prefix: \"\"",
        &[
            "5:62 [\"\"] bad-value: `` cannot stand in front of keys | use 1 to 64 visible ASCII characters without space, `{` and `}`, as in `shop:`",
        ],
    );
    expect_store(
        "on_failure: deny, url: redis://a, prefix: \"{a}:\"",
        &[
            "5:62 [\"{a}:\"] bad-value: `{a}:` cannot stand in front of keys | use 1 to 64 visible ASCII characters without space, `{` and `}`, as in `shop:`",
        ],
    );
}

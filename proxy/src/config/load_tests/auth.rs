//! `auth:`, and routes that name an entry of it.

use super::*;
use crate::config::Config;
use crate::config::auth::{ClaimMap, KeySource, Scheme};
use crate::config::effective::{to_redacted_json, to_yaml};
use crate::config::route::Auth;
use jsonwebtoken::Algorithm;
use std::time::Duration;

#[test]
fn an_entry_says_which_certificates_it_takes() {
    expect_edge(
        &[
            "services: { a: { endpoints: [\"10.0.0.7:1\"] } }",
            "auth: { d: {} }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[
            "4:12 [{] missing-key: entry `d` of `auth:` does not say what a client shows | add one of `jwt:`, `api_key:`, `introspect:` and `certificate:`",
            "4:9 [d] suspicious: no route uses entry `d` of `auth:` | remove it, or write `auth: d` in a route",
        ],
    );
    expect_edge(
        &[
            "services: { a: { endpoints: [\"10.0.0.7:1\"] } }",
            "auth: { d: { certificate: {} } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[
            "4:27 [{] missing-key: `certificate:` needs `subjects` | add `subjects:`",
            "4:9 [d] suspicious: no route uses entry `d` of `auth:` | remove it, or write `auth: d` in a route",
        ],
    );
    expect_edge(
        &[
            "services: { a: { endpoints: [\"10.0.0.7:1\"] } }",
            "auth: { d: { certificate: { subjects: [] } } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[
            "4:39 [[] bad-value: no subject is named here, so nobody is taken | name at least one, as in `\"CN=alice\"` or `\"CN=*.devices.shop.example\"`",
            "4:9 [d] suspicious: no route uses entry `d` of `auth:` | remove it, or write `auth: d` in a route",
        ],
    );
    expect_edge(
        &[
            "services: { a: { endpoints: [\"10.0.0.7:1\"] } }",
            "auth: { public: { certificate: { subjects: [CN=a] } } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[
            "4:9 [public] bad-value: `public` means everybody: no entry of `auth:` can be called so | use another name",
        ],
    );
    expect_edge(
        &[
            "services: { a: { endpoints: [\"10.0.0.7:1\"] } }",
            "auth: { D: { certificate: { subjects: [CN=a] } } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[
            "4:9 [D] bad-value: `D` cannot be the name of an entry of `auth:` | use 1 to 64 of a-z, 0-9, `-`, `_` and `.`",
            "4:9 [D] suspicious: no route uses entry `D` of `auth:` | remove it, or write `auth: D` in a route",
        ],
    );
    expect_edge(
        &[
            "services: { a: { endpoints: [\"10.0.0.7:1\"] } }",
            "auth: { d: { certificate: { subjects: [alice, CN=, CN=a*, \"CN=*\", \"CN=*.*.a\", \"CN=*.\", \"CN=a b\", CN=a, CN=a, \"CN=*.a\"], roles: [\"a b\"], scopes: [\"x,y\"] } } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[
            "4:40 [alice] bad-value: `alice` does not begin with `CN=` | write the common name, as in `\"CN=alice\"`; other parts of a subject are not looked at",
            "4:47 [CN=] bad-value: `CN=` names nobody who could be a user | a user has 1 to 256 visible ASCII characters without space, comma and quotes",
            "4:52 [CN=a*] bad-value: `CN=a*`: `*` may only stand for the whole first label | write `\"CN=*.devices.shop.example\"`, or names in full",
            "4:59 [\"CN=*\"] bad-value: `CN=*`: `*` may only stand for the whole first label | write `\"CN=*.devices.shop.example\"`, or names in full",
            "4:67 [\"CN=*.*.a\"] bad-value: `CN=*.*.a`: `*` may only stand for the whole first label | write `\"CN=*.devices.shop.example\"`, or names in full",
            "4:79 [\"CN=*.\"] bad-value: `CN=*.` names nobody who could be a user | a user has 1 to 256 visible ASCII characters without space, comma and quotes",
            "4:88 [\"CN=a b\"] bad-value: `CN=a b` names nobody who could be a user | a user has 1 to 256 visible ASCII characters without space, comma and quotes",
            "4:129 [\"a b\"] bad-value: `a b` cannot be a role | use 1 to 256 visible ASCII characters without space, comma and quotes",
            "4:146 [\"x,y\"] bad-value: `x,y` cannot be a scope | use 1 to 256 visible ASCII characters without space, comma and quotes",
            "4:9 [d] suspicious: no route uses entry `d` of `auth:` | remove it, or write `auth: d` in a route",
            "4:104 [CN=a] suspicious: `CN=a` is listed twice | remove one of them",
        ],
    );
}

#[test]
fn a_route_names_an_entry() {
    expect_edge(
        &[
            "services: { a: { endpoints: [\"10.0.0.7:1\"] } }",
            "auth: { device: { certificate: { subjects: [CN=a] } } }",
            "routes: [{ name: r, match: GET /, auth: devise, to: a }]",
        ],
        &[
            "5:41 [devise] unknown-name: there is no entry `devise` under `auth:` | did you mean `device`?",
            "4:9 [device] suspicious: no route uses entry `device` of `auth:` | remove it, or write `auth: device` in a route",
        ],
    );
    expect_edge(
        &[
            "services: { a: { endpoints: [\"10.0.0.7:1\"] } }",
            "auth: { device: { certificate: { subjects: [CN=a] } } }",
            "routes: [{ name: r, match: GET /, auth: device, to: a }]",
        ],
        &[
            "5:41 [device] conflict: route `r` wants a client certificate, but no listener asks for one | add `client_ca: FILE` to the `tls:` of a listener",
        ],
    );
}

#[test]
fn a_client_ca_that_a_route_depends_on_is_not_pointed_out() {
    let text = |auth: &str| {
        format!(
            "version: 1\nlisteners: [{{ bind: 127.0.0.1:1, tls: {{ certificates: [{{ cert: c.pem, key: file:k.pem }}], client_ca: b.pem }} }}]\nauth: {{ d: {{ certificate: {{ subjects: [CN=a] }} }} }}\nservices: {{ a: {{ endpoints: [\"127.0.0.1:1\"] }} }}\nroutes: [{{ name: r, match: GET /, auth: {auth}, to: a }}]\n"
        )
    };

    assert_eq!(said_among_files(&text("d")), [""; 0]);
    let said = said_among_files(&text("public"));
    assert!(said.iter().any(|one| one.contains("nothing depends on it")), "{said:?}");
}

/// A public key (RFC 7517 §A.1).
const JWKS: &str = r#"{ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM" }] }"#;
/// A key of tier `gold`.
const KEYS: &str = "version: 1\nkeys:\n  - { id: acme, sha256: \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\", owner: acme, tier: gold }\n";

/// What loading `text` gives in a folder with keys of an issuer `jwks.json`, API keys `keys.yaml` and a bundle `b.pem`,
/// and the files given; the folder itself reads `DIR`.
fn load_among(files: &[(&str, &str)], text: &str) -> (Result<Loaded, Problems>, String) {
    let dir = tempfile::TempDir::new().unwrap();
    let bundle = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    for (name, content) in [("jwks.json", JWKS), ("keys.yaml", KEYS), ("b.pem", bundle)].iter().chain(files) {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    (parse_in(text, &dir.path().join("file.yaml"), &AROUND), dir.path().display().to_string())
}

/// An edge with this `auth:` (line 4) and these fields of its one route (line 5), after `routes: [{ name: r, to: a, `.
fn gateway(auth: &str, route: &str) -> String {
    edge(&[
        "services: { a: { endpoints: [\"127.0.0.1:1\"] } }",
        &format!("auth: {auth}"),
        &format!("routes: [{{ name: r, to: a, {route} }}]"),
    ])
}

/// What is said about a [`gateway`] must be this and no other.
#[track_caller]
fn expect_among(files: &[(&str, &str)], auth: &str, route: &str, problems: &[&str]) {
    let text = gateway(auth, route);
    let (loaded, dir) = load_among(files, &text);
    let all = loaded.map_or_else(|problems| problems.0, |loaded| loaded.warnings);
    let said: Vec<String> = all.iter().map(|one| say(one).replace(&dir, "DIR")).collect();
    assert_eq!(said, problems, "\n{text}");
}

#[track_caller]
fn config(auth: &str, route: &str) -> Config {
    let text = gateway(auth, route);
    load_among(&[], &text).0.unwrap_or_else(|problems| panic!("{problems}\n{text}")).config
}

/// A `jwt:` with more keys.
fn jwt(more: &str) -> String {
    format!("{{ c: {{ jwt: {{ issuer: i, audience: a, jwks: file:jwks.json{more} }} }} }}")
}

const ROUTE: &str = "match: GET /, auth: c";

#[test]
fn tokens_of_an_issuer_get_safe_defaults() {
    let config = config(
        "{ c: { jwt: { issuer: \"https://id.example/\", audience: shop, jwks: \"https://id.example/jwks\" } } }",
        ROUTE,
    );

    let Scheme::Jwt(rule) = &config.auth[0].scheme else { panic!("{:?}", config.auth) };
    assert_eq!((&*rule.issuer, rule.audiences.as_slice()), ("https://id.example/", &["shop".into()][..]));
    assert_eq!(rule.algorithms, [Algorithm::RS256, Algorithm::ES256]);
    assert_eq!((rule.leeway, &rule.identity), (Duration::from_secs(30), &ClaimMap::default()));
    let KeySource::Url { remote, refresh, stale } = &rule.keys else { panic!("{:?}", rule.keys) };
    assert_eq!((remote.url.to_string().as_str(), &remote.ca), ("https://id.example/jwks", &None));
    let times = [*refresh, *stale, remote.timeout].map(|time| time.as_secs());
    assert_eq!(times, [600, 86_400, 2]);
}

#[test]
fn whatever_an_entry_says_is_kept_printed_and_read_again() {
    let auth = "{ c: { jwt: { issuer: i, audience: [a, b], jwks: \"http://127.0.0.1:8080/k?x=1\", algorithms: [EdDSA, PS512], leeway: 0s, refresh: 1m, stale: 2m, ca: b.pem, timeout: 100ms }, identity: { user: email, roles: realm_access.roles, scopes: scp, tier: plan } }, f: { jwt: { issuer: j, audience: a, jwks: file:jwks.json } }, k: { api_key: { header: X-Key, keys: file:keys.yaml } }, t: { introspect: { url: \"https://id.example/i\", client: env:TOKEN, secret: env:TOKEN, cache: 0s, timeout: 1s, ca: b.pem }, identity: { user: name } } }";
    let auth = auth.replace("http://127.0.0.1:8080", "https://id.example:8443");
    let text = gateway(
        &auth,
        "match: \"GET /u/{id}\", auth: [c, f, k, t, public], allow: 'path.id == user or claim.\"a b\" == \"x y\"', authorization: pass",
    );
    let keep = tempfile::TempDir::new().unwrap();
    for (name, content) in [
        ("jwks.json", JWKS),
        ("keys.yaml", KEYS),
        ("b.pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
    ] {
        std::fs::write(keep.path().join(name), content).unwrap();
    }
    let read = |text: &str| {
        let mut config = parse_in(text, &keep.path().join("f.yaml"), &AROUND)
            .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
            .config;
        config.routes.iter_mut().for_each(|route| route.line = 0);
        config
    };

    let first = read(&text);
    let printed = to_yaml(&first);
    let second = read(&printed);

    assert_eq!(first.auth, second.auth, "{printed}");
    assert_eq!(format!("{:?}", first.routes), format!("{:?}", second.routes), "{printed}");
    assert_eq!(printed, to_yaml(&second));
    assert_eq!(first.routes[0].auth, Auth { providers: vec![0, 1, 2, 3], anonymous: true });
    assert!(first.routes[0].passes_authorization);
    let names: Vec<_> = first.files.iter().filter_map(|file| file.file_name()?.to_str()).collect();
    assert_eq!(names, ["f.yaml", "b.pem", "jwks.json", "keys.yaml"]);
    let dump = to_redacted_json(&first);
    assert_eq!(dump["auth"]["t"]["introspect"]["secret"], "REDACTED");
    assert_eq!(dump["auth"]["c"]["identity"]["tier"], "plan");
    assert_eq!(dump["routes"][0]["allow"], "path.id == user or claim.\"a b\" == \"x y\"");
}

#[test]
fn claims_that_rules_ask_about_are_kept_by_the_entries_of_their_routes() {
    let text = edge(&[
        "services: { a: { endpoints: [\"127.0.0.1:1\"] } }",
        "auth: { c: { jwt: { issuer: i, audience: a, jwks: file:jwks.json } }, t: { introspect: { url: \"https://id.example/i\", client: me, secret: env:TOKEN } } }",
        "routes:",
        "  - { name: r, to: a, match: GET /r, auth: c, allow: claim.x == y and not claim.z == y }",
        "  - { name: s, to: a, match: GET /s, auth: [c, t], allow: claim.x == z }",
    ]);
    let config = load_among(&[], &text).0.unwrap().config;

    let claims: Vec<&[Box<str>]> = config
        .auth
        .iter()
        .map(|provider| match &provider.scheme {
            Scheme::Jwt(rule) => rule.claims.as_slice(),
            Scheme::Introspect(rule) => rule.claims.as_slice(),
            _ => &[],
        })
        .collect();
    assert_eq!(claims, [&["x", "z"].map(Box::<str>::from)[..], &[Box::<str>::from("x")]]);
}

#[test]
fn the_header_of_a_token_ends_where_it_is_read() {
    let keys = "{ c: { jwt: { issuer: i, audience: a, jwks: file:jwks.json } }, k: { api_key: { keys: file:keys.yaml } } }";
    let passes = |auth: &str| {
        let text = gateway(keys, &format!("match: GET /, auth: {auth}"));
        load_among(&[], &text).0.unwrap().config.routes[0].passes_authorization
    };

    assert!(passes("k") && passes("public") && passes("[k, public]") && passes("c, authorization: pass"));
    assert!(
        !passes("c") && !passes("[k, c]") && !passes("[c, public]") && !passes("k, authorization: remove")
    );
}

#[test]
fn an_entry_has_one_scheme() {
    expect_among(
        &[],
        "{ c: { jwt: { issuer: i, audience: a, jwks: file:jwks.json }, api_key: { keys: file:keys.yaml } } }",
        ROUTE,
        &[
            "4:78 [{] conflict: `jwt` and `api_key` cannot stand in one entry of `auth:` | make an entry of each; a route that takes both says `auth: [ONE, OTHER]`",
        ],
    );
    expect_among(
        &[],
        "{ c: { api_key: { keys: file:keys.yaml }, identity: { user: sub } } }",
        ROUTE,
        &[
            "4:59 [{] conflict: `identity` says what claims of tokens mean, but `api_key` has none | remove it",
        ],
    );
}

#[test]
fn what_is_missing_in_a_scheme_is_said() {
    expect_among(
        &[],
        "{ c: { jwt: {} }, k: { api_key: {} }, t: { introspect: {} } }",
        "match: GET /, auth: [c, k, t]",
        &[
            "4:19 [{] missing-key: `jwt:` needs `issuer` | add `issuer:`",
            "4:19 [{] missing-key: `jwt:` needs `audience` | write what tokens made for this gateway say in `aud`: one made for another service must not do here",
            "4:19 [{] missing-key: `jwt:` needs `jwks` | add `jwks:`",
            "4:39 [{] missing-key: `api_key:` needs `keys` | add `keys:`",
            "4:62 [{] missing-key: `introspect:` needs `url` | add `url:`",
            "4:62 [{] missing-key: `introspect:` needs `client` | add `client:`",
            "4:62 [{] missing-key: `introspect:` needs `secret` | add `secret:`",
        ],
    );
}

#[test]
fn only_algorithms_that_the_issuer_alone_can_sign_with_are_taken() {
    let take = "write `RS256`, `ES256` or another asymmetric one";
    expect_among(
        &[],
        &jwt(", algorithms: [HS256, none, hs512, RS265, ES512, RS256, RS256]"),
        ROUTE,
        &[
            &format!(
                "4:80 [HS256] insecure: `HS256` works with a shared secret, which would let the gateway make tokens | {take}"
            ),
            &format!("4:87 [none] insecure: `none` is no algorithm: anybody could make tokens | {take}"),
            &format!(
                "4:93 [hs512] insecure: `hs512` works with a shared secret, which would let the gateway make tokens | {take}"
            ),
            "4:100 [RS265] bad-value: `RS265` is not an algorithm of tokens that is known here | did you mean `RS256`?",
            "4:107 [ES512] bad-value: `ES512` is not an algorithm of tokens that is known here | did you mean `RS512`?",
            "4:121 [RS256] suspicious: `RS256` is listed twice | remove one of them",
        ],
    );
    expect_among(
        &[],
        &jwt(", algorithms: []"),
        ROUTE,
        &["4:79 [[] bad-value: no algorithm is named here, so no token is taken | write `[RS256, ES256]`"],
    );
}

#[test]
fn lists_and_times_of_a_jwt_have_bounds() {
    expect_among(
        &[],
        "{ c: { jwt: { issuer: \"a b\", audience: [], jwks: \"https://a/\", leeway: 301s, refresh: 2h, stale: 1h }, identity: { user: \"\" } } }",
        ROUTE,
        &[
            "4:29 [\"a b\"] bad-value: this is not the name of an issuer | write what its tokens say in `iss`",
            "4:46 [[] bad-value: no audience is named here | write what tokens made for this gateway say in `aud`: one made for another service must not do here",
            "4:78 [301s] bad-value: a clock may be off by 5 minutes at most: for so long a token is taken after its end | set the clocks instead; 30s is the default",
            "4:104 [1h] bad-value: `stale` is shorter than `refresh`: keys would be gone before they are fetched again | make `stale` several times `refresh`",
            "4:128 [\"\"] bad-value: this is not the name of a claim | write it as `sub`, or with dots as `realm_access.roles`",
        ],
    );
    expect_among(&[], &jwt(", leeway: 5m"), ROUTE, &[]);
    expect_among(
        &[],
        &jwt(", refresh: 1m, ca: b.pem"),
        ROUTE,
        &[
            "4:76 [1m] conflict: `refresh` has no use with keys of a file, which is read again when it changes | remove it, or give `jwks` a URL",
            "4:84 [b.pem] conflict: `ca` has no use with keys of a file, which is read again when it changes | remove it, or give `jwks` a URL",
        ],
    );
}

#[test]
fn nobody_in_between_may_answer_for_an_issuer() {
    let said = |url: &str| {
        let auth = format!("{{ c: {{ jwt: {{ issuer: i, audience: a, jwks: \"{url}\" }} }} }}");
        let text = gateway(&auth, ROUTE);
        let (loaded, _) = load_among(&[], &text);
        let all = loaded.map_or_else(|problems| problems.0, |loaded| loaded.warnings);
        all.iter().map(say).collect::<Vec<_>>().join("; ")
    };

    for good in [
        "https://id.example/k",
        "https://id.example:8443",
        "http://127.0.0.1:1/k",
        "http://[::1]/k",
        "https://[2001:db8::1]:1/",
    ] {
        assert_eq!(said(good), "", "{good}");
    }
    for (bad, wanted) in [
        ("http://id.example/k", "insecure: `http://id.example/k` is plain http"),
        ("http://localhost/k", "insecure: `http://localhost/k` is plain http"),
        ("http://127.0.0.1.example/k", "is plain http"),
        ("http://10.0.0.1/k", "is plain http"),
        ("https://id.example/k#x", "bad-value: `https://id.example/k#x` has a fragment"),
        ("ftp://id.example/k", "bad-value: `ftp://id.example/k` is no URL of https"),
        ("/k", "bad-value: `/k` is not a URL"),
        ("https://", "is not a URL"),
        ("https://a:0/", "is not a URL"),
        ("https://a:99999/", "is not a URL"),
        ("https://a:/", "is not a URL"),
        ("jwks.json", "bad-value: `jwks.json` is not a URL | write `file:jwks.json`"),
    ] {
        assert!(said(bad).contains(wanted), "{bad}: {}", said(bad));
    }
    let hidden = said("https://me:hunter2@id.example/");
    assert!(hidden.contains("insecure: this URL holds a user") && !hidden.contains("hunter2"), "{hidden}");
}

#[test]
fn files_of_keys_must_hold_some() {
    let none = r#"{ "keys": [] }"#;
    let mixed = JWKS.replace("[{", r#"[{ "kty": "oct", "k": "AAAA", "kid": "s" }, {"#);
    let (auth, place) = (jwt(""), "4:51 [file:jwks.json]");
    let help = "write the public keys of the issuer as `{ \"keys\": [ … ] }` (RFC 7517 §5)";
    expect_among(
        &[("jwks.json", none)],
        &auth,
        ROUTE,
        &[&format!("{place} bad-file: `jwks.json` holds no key | {help}")],
    );
    expect_among(
        &[("jwks.json", "x")],
        &auth,
        ROUTE,
        &[&format!("{place} bad-file: `jwks.json` is no set of keys | {help}")],
    );
    expect_among(
        &[("jwks.json", &mixed)],
        &auth,
        ROUTE,
        &[&format!(
            "{place} suspicious: key 1 of `jwks.json` is not used: it is a shared secret, which would let the gateway make tokens | tokens signed with it are refused; remove it from the file if that is meant"
        )],
    );
    expect_among(
        &[],
        &auth.replace("jwks.json", "no.json"),
        ROUTE,
        &[
            "4:51 [file:no.json] bad-file: cannot read `no.json`: there is no such file | looked at DIR/no.json",
        ],
    );
}

#[test]
fn the_header_of_a_key_is_one_of_its_own() {
    let auth = |header: &str| format!("{{ c: {{ api_key: {{ header: {header}, keys: file:keys.yaml }} }} }}");
    let help = "use a header of its own, as in `X-Api-Key`";
    for header in ["Authorization", "Cookie", "Host", "Content-Length"] {
        let said = format!(
            "4:33 [{header}] bad-value: `{header}` has another meaning: an API key cannot come in it | {help}"
        );
        expect_among(&[], &auth(header), ROUTE, &[&said]);
    }
    let said = format!(
        "4:33 [X-Auth-Key] protected-header: `X-Auth-Key` is protected: it never comes from outside | {help}"
    );
    expect_among(&[], &auth("X-Auth-Key"), ROUTE, &[&said]);
    expect_among(&[], &auth("X-Shop-Key"), ROUTE, &[]);
}

#[test]
fn everything_that_is_wrong_in_a_key_file_is_said_at_once() {
    let auth = "{ c: { api_key: { keys: file:keys.yaml } } }";
    let text = gateway(auth, ROUTE);

    let (loaded, _) =
        load_among(&[("keys.yaml", "version: 1\nkeys:\n  - { id: a }\n  - { id: b }\n")], &text);

    let said: Vec<String> = loaded.unwrap_err().0.iter().map(say).collect();
    for line in ["3:", "4:"] {
        let place = format!("4:31 [file:keys.yaml] bad-file: `keys.yaml`: {line}");
        assert!(said.iter().any(|one| one.starts_with(&place)), "{place} {said:?}");
    }
    let inline = "{ c: { api_key: { keys: s3cr3t } } }";
    expect_among(
        &[],
        inline,
        ROUTE,
        &[
            "4:31 [******] bad-value: keys stand in a file of their own, named as `file:PATH` | write `file:PATH`; `portcullis keys` makes such files",
        ],
    );
}

#[test]
fn the_secret_of_introspection_never_stands_in_the_file() {
    let auth = |more: &str| format!("{{ c: {{ introspect: {{ url: \"https://id.example/i\", {more} }} }} }}");
    expect_among(
        &[],
        &auth("client: me, secret: hunter2"),
        ROUTE,
        &[
            "4:77 [*******] insecure: a secret must come from a file or the environment | write `file:PATH` or `env:NAME`; a secret never stands in the configuration itself",
        ],
    );
    expect_among(
        &[],
        &auth("client: \"\", secret: env:TOKEN"),
        ROUTE,
        &[
            "4:65 [\"\"] bad-value: this is not the name of a client | write it in visible ASCII, or as `file:PATH` or `env:NAME`",
        ],
    );
    let Scheme::Introspect(rule) =
        config(&auth("client: me, secret: env:TOKEN"), ROUTE).auth.remove(0).scheme
    else {
        panic!()
    };
    assert_eq!((&*rule.client, &*rule.secret, rule.cache), ("me", "s3cret", Duration::from_secs(30)));
    assert!(!format!("{rule:?}").contains("s3cret"));
}

#[test]
fn a_route_names_entries_alone_or_in_a_list() {
    let keys = "{ k: { api_key: { keys: file:keys.yaml } } }";
    let auth = |names: &str| config(keys, &format!("match: GET /, auth: {names}")).routes.remove(0).auth;

    assert_eq!(auth("[k, public]"), Auth { providers: vec![0], anonymous: true });
    assert_eq!(auth("[k]"), auth("k"));
    expect_among(
        &[],
        keys,
        "match: GET /, auth: [k, k, x]",
        &[
            "5:55 [x] unknown-name: there is no entry `x` under `auth:` | did you mean `k`?",
            "5:52 [k] suspicious: `k` is listed twice | remove one of them",
        ],
    );
    expect_among(
        &[],
        keys,
        "match: GET /, auth: []",
        &[
            "5:48 [[] bad-value: route `r` names nobody who may use it | name an entry of `auth:`, or `public` if everybody may",
            "4:9 [k] suspicious: no route uses entry `k` of `auth:` | remove it, or write `auth: k` in a route",
        ],
    );
    expect_among(
        &[],
        keys,
        "match: GET /, auth: { k: 1 }, authorization: keep",
        &[
            "5:48 [{] wrong-type: `auth` must be a single value, not a map",
            "5:73 [keep] bad-value: `authorization` cannot be `keep` | it can be: pass, remove",
            "4:9 [k] suspicious: no route uses entry `k` of `auth:` | remove it, or write `auth: k` in a route",
        ],
    );
}

#[test]
fn a_token_goes_to_the_one_entry_of_its_issuer() {
    let one = |name: &str, issuer: &str| {
        format!("{name}: {{ jwt: {{ issuer: {issuer}, audience: a, jwks: file:jwks.json }} }}")
    };
    let auth = format!(
        "{{ c: {{ api_key: {{ keys: file:keys.yaml }} }}, {}, {}, {} }}",
        one("d", "i"),
        one("e", "j"),
        one("f", "i")
    );
    expect_among(
        &[],
        &auth,
        "match: GET /, auth: [c, d, e], when: { header: { X: \"1\" } } }, { name: s, to: a, match: GET /, auth: f",
        &[],
    );
    expect_among(
        &[],
        &auth,
        "match: GET /, auth: [c, d, e, f]",
        &[
            "5:58 [f] conflict: `d` and `f` take tokens of the same issuer | name one of them here: a token goes to the entry of its issuer, and that must be one",
        ],
    );
}

#[test]
fn a_mistake_in_a_rule_is_marked_where_it_stands() {
    let auth = jwt("");
    for (written, said) in [
        ("role:a && role:b", "5:65 [&&] bad-value: `&&` is no word of a rule | write `and`"),
        ("\"role:ü && role:b\"", "5:66 [&&] bad-value: `&&` is no word of a rule | write `and`"),
        ("'role:a && role:b'", "5:66 [&&] bad-value: `&&` is no word of a rule | write `and`"),
        ("\"tier == \\\"a\\\" && role:b\"", "5:73 [&&] bad-value: `&&` is no word of a rule | write `and`"),
        ("'tier == ''a'' && role:b'", "5:67 [''] bad-value: texts stand in double quotes | write `\"…\"`"),
        ("role:a\n  && role:b", "5:58 [role:a] bad-value: `&&` is no word of a rule | write `and`"),
        (
            "role:a and",
            "5:68 [ ] bad-value: the rule ends where another part should follow | complete it, or remove the last word",
        ),
    ] {
        expect_among(&[], &auth, &format!("match: GET /, auth: c, allow: {written}"), &[said]);
    }
    expect_among(
        &[],
        &auth,
        "match: GET /, auth: public, allow: role:a",
        &[
            "5:63 [role:a] conflict: `allow:` asks who a caller is, but nobody says so here: the route is public | name an entry of `auth:`; beside `public` if nobody in particular may come too",
            "4:9 [c] suspicious: no route uses entry `c` of `auth:` | remove it, or write `auth: c` in a route",
        ],
    );
}

#[test]
fn a_rule_asks_for_parameters_the_path_has() {
    expect_among(
        &[],
        &jwt(""),
        "match: \"GET /users/{userId}/orders/{id}\", auth: c, allow: path.id == user or path.userid == user",
        &[
            "5:105 [path.userid] unknown-name: the path of this route has no `{userid}` | did you mean `userId`?",
        ],
    );
    expect_among(
        &[],
        &jwt(""),
        "match: GET /users/**, auth: c, allow: path.id == user",
        &[
            "5:66 [path.id] unknown-name: the path of this route has no `{id}` | put it into `match`, as in `GET /users/{id}`",
        ],
    );
}

#[test]
fn what_nobody_on_a_route_can_have_is_pointed_out() {
    let tiers = "tiers come from keys of `api_key:` that have one, and from tokens where `identity:` has `tier: CLAIM`";
    let keys = "{ c: { api_key: { keys: file:keys.yaml } } }";
    expect_among(
        &[],
        keys,
        "match: GET /, auth: c, allow: tier == gold or tier == glod or claim.x == y",
        &[
            &format!("5:82 [glod] suspicious: no caller of this route can be of tier `glod` | {tiers}"),
            "5:90 [claim.x] suspicious: no caller of this route can have the claim `x` | claims come with tokens: from entries of `auth:` with `jwt:` or `introspect:`",
        ],
    );
    expect_among(
        &[],
        &jwt(""),
        "match: GET /, auth: c, allow: tier == gold",
        &[&format!("5:66 [gold] suspicious: no caller of this route can be of tier `gold` | {tiers}")],
    );
    let with_tier = jwt("").replace("json }", "json }, identity: { tier: plan }");
    expect_among(&[], &with_tier, "match: GET /, auth: c, allow: tier == gold", &[]);
}

#[test]
fn a_client_ca_is_not_depended_on_by_routes_that_take_tokens() {
    let text = "version: 1\nlisteners: [{ bind: 127.0.0.1:1, tls: { certificates: [{ cert: c.pem, key: file:k.pem }], client_ca: b.pem } }]\nauth: { d: { introspect: { url: \"https://id.example/i\", client: me, secret: env:TOKEN } } }\nservices: { a: { endpoints: [\"127.0.0.1:1\"] } }\nroutes: [{ name: r, match: GET /, auth: d, to: a }]\n";

    let said = said_among_files(text);

    assert!(said.len() == 1 && said[0].contains("nothing depends on it"), "{said:?}");
}

//! `auth:`, and routes that name an entry of it.

use super::*;

#[test]
fn an_entry_says_which_certificates_it_takes() {
    expect_edge(
        &[
            "services: { a: { endpoints: [\"10.0.0.7:1\"] } }",
            "auth: { d: {} }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[
            "4:12 [{] missing-key: entry `d` of `auth:` needs `certificate` | add `certificate:`",
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

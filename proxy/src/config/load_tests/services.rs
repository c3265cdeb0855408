//! `services:`.

use super::*;

/// A service with these fields, from column 18 of line 3.
#[track_caller]
fn expect_service(fields: &str, problems: &[&str]) {
    expect(
        &format!(
            "{HEAD}services: {{ a: {{ {fields} }} }}\nroutes: [{{ name: r, match: GET /, auth: public, to: a }}]\n"
        ),
        problems,
    );
}

#[test]
fn an_endpoint_is_an_address_and_a_port() {
    let cases = [
        (
            "order.internal:8002",
            "`order.internal:8002` is a host name, an endpoint is an IP address and a port | write `dns: order.internal:8002` instead of `endpoints:`",
        ),
        (
            "order",
            "`order` is a host name, an endpoint is an IP address and a port | write `dns: order:8080` instead of `endpoints:`",
        ),
        ("localhost:80", "`localhost:80` is not an address with a port | write `127.0.0.1:80`"),
        (
            "http://10.0.0.1:80/x",
            "`http://10.0.0.1:80/x` is a URL, an endpoint is an address and a port | write `10.0.0.1:80`",
        ),
        (
            "https://10.0.0.1:443",
            "`https://10.0.0.1:443` is a URL, an endpoint is an address and a port | write `10.0.0.1:443` and add `tls: { name: …, ca: … }` to the service",
        ),
        ("10.0.0.1", "`10.0.0.1` is not an address with a port | add the port, as in `10.0.0.1:8080`"),
        ("10.0.0.1:0", "an endpoint needs a port above 0 | write the port it listens on"),
    ];

    for (endpoint, problem) in cases {
        expect_service(
            &format!("endpoints: [\"{endpoint}\"]"),
            &[&format!("3:30 [\"{endpoint}\"] bad-value: {problem}")],
        );
        expect_service(
            &format!("endpoints: [{{ address: \"{endpoint}\" }}]"),
            &[&format!("3:41 [\"{endpoint}\"] bad-value: {problem}")],
        );
    }
}

#[test]
fn a_password_in_an_endpoint_is_not_repeated() {
    expect_service(
        "endpoints: [\"root:pw@10.0.0.1:80\"]",
        &[
            "3:30 [*********************] bad-value: an endpoint is an address and a port, without user and password | write `127.0.0.1:8080`; credentials go into a request header",
        ],
    );

    let problems =
        load(&format!("{HEAD}services: {{ a: {{ endpoints: [\"http://u:hunter2@h:1\"] }} }}\n")).unwrap_err();

    assert!(!problems.to_string().contains("hunter2"), "{problems}");
}

#[test]
fn a_service_says_what_it_takes() {
    expect(
        &format!("{HEAD}services: {{ Ä: {{ endpoints: [\"127.0.0.1:1\"] }} }}\n"),
        &[
            "3:13 [Ä] bad-value: `Ä` cannot be the name of a service | use 1 to 64 of a-z, 0-9, `-`, `_` and `.`",
        ],
    );
    expect_service(
        "",
        &[
            "3:13 [a] missing-key: service `a` does not say where it is | add one of `endpoints`, `dns`, `srv` and `file`",
        ],
    );
    expect_service(
        "endpoints: []",
        &["3:29 [[] bad-value: service `a` has no endpoint | add one, as in `[\"127.0.0.1:8001\"]`"],
    );
    expect_service(
        "endpoints: [\"127.0.0.1:1\", { adress: x, weight: 0 }], balance: least-requests, protocol: http2",
        &[
            "3:45 [{] missing-key: an endpoint needs `address` | add `address:`",
            "3:47 [adress] unknown-key: unknown key `adress` in an endpoint | did you mean `address`?",
            "3:66 [0] bad-value: 0 is out of range | from 1 to 1000",
            "3:81 [least-requests] bad-value: `balance` cannot be `least-requests` | did you mean `least-request`?",
            "3:107 [http2] bad-value: `protocol` cannot be `http2` | it can be: h1, h2, tcp",
        ],
    );
    expect_service(
        "endpoints: [\"127.0.0.1:1\"], timeout: { request: 0s, connect: 1 }, pool: { idle: 5 s, max_idle: -1 }",
        &[
            "3:66 [0s] bad-value: this time must be more than 0 | write `none` for no limit",
            "3:79 [1] bad-unit: `1` has no unit | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`",
            "3:113 [-1] wrong-type: `max_idle` must be a whole number, not `-1` | write digits only",
        ],
    );
}

#[test]
fn tls_needs_a_name_and_an_authority() {
    expect_service(
        "endpoints: [\"10.0.0.1:1\"], tls: {}",
        &[
            "3:50 [{] missing-key: `tls:` of a service needs `name` | add `name:`",
            "3:50 [{] missing-key: `tls:` of a service needs `ca` | add `ca:`",
        ],
    );
    expect_service(
        "endpoints: [\"10.0.0.1:1\"], tls: { name: \"https://x\", ca: no.pem }",
        &[
            "3:58 [\"https://x\"] bad-value: `https://x` is not a name a certificate can carry | write the host name alone, as in `orders.internal`",
            "3:75 [no.pem] bad-file: cannot read `no.pem`: there is no such file | looked at /etc/portcullis/no.pem",
        ],
    );
}

#[test]
fn plain_http_to_a_public_address_is_pointed_out() {
    let warned = |address: &str| {
        !said(&format!("{HEAD}services: {{ a: {{ endpoints: [\"{address}\"] }} }}\nroutes: [{{ name: r, match: GET /, auth: public, to: a }}]\n")).is_empty()
    };

    for address in ["203.0.113.7:80", "[2001:db8::1]:80", "100.128.0.1:80", "[::ffff:8.8.8.8]:80"] {
        assert!(warned(address), "{address}");
    }
    for address in [
        "127.0.0.1:80",
        "10.1.2.3:80",
        "172.31.0.1:80",
        "192.168.1.1:80",
        "100.64.0.1:80",
        "169.254.1.1:80",
        "[::1]:80",
        "[fd00::1]:80",
        "[fe80::1]:80",
    ] {
        assert!(!warned(address), "{address}");
    }
    expect_service(
        "endpoints: [\"203.0.113.7:80\"]",
        &[
            "3:30 [\"203.0.113.7:80\"] plaintext-upstream: plain HTTP to `203.0.113.7:80`, which is not a private address | add `tls: { name: …, ca: … }` to the service",
        ],
    );
}

//! `authorize:`.

use super::*;

#[test]
fn a_rule_says_what_it_is_called_and_who_may() {
    expect_sidecar(
        &["authorize: [{ mode: enforce }]"],
        &[
            "5:13 [{] missing-key: a rule needs `id` | add `id:`",
            "5:13 [{] missing-key: a rule needs `from` | add `from:`",
        ],
    );
    expect_sidecar(
        &["authorize: [{ id: E x, from: [spiffe://shop.example/edge] }]"],
        &[
            "5:19 [E x] bad-value: `E x` cannot be the name of a rule | use 1 to 64 of a-z, 0-9, `-`, `_` and `.`",
        ],
    );
    expect_sidecar(
        &[
            "authorize: [{ id: a, from: [spiffe://shop.example/edge] }, { id: a, from: [spiffe://shop.example/edge] }]",
        ],
        &["5:66 [a] duplicate-name: two rules are called `a` | the other is at line 5; rename one"],
    );
    expect_sidecar(
        &["authorize: [{ id: a, from: [] }]"],
        &[
            "5:28 [[] bad-value: nobody is named here, so the rule never fits | name at least one peer, as in `spiffe://shop.example/svc/order`",
        ],
    );
    expect_sidecar(
        &["authorize: [{ id: a, frm: [], mode: log, deny: yes, from: [spiffe://shop.example/edge] }]"],
        &[
            "5:22 [frm] unknown-key: unknown key `frm` in a rule | did you mean `from`?",
            "5:37 [log] bad-value: `mode` cannot be `log` | it can be: enforce, audit",
            "5:48 [yes] wrong-type: `deny` must be true or false, not `yes` | write `true` or `false`",
        ],
    );
}

#[test]
fn peers_are_named_in_full() {
    let cases = [
        (
            "edge",
            "`edge` is not a SPIFFE ID: a SPIFFE ID starts with spiffe:// | write it in full, as in `spiffe://shop.example/svc/order`",
        ),
        (
            "spiffe://other.example/edge",
            "`spiffe://other.example/edge` is not in the trust domain `shop.example` | nobody of another trust domain is believed; write `spiffe://shop.example/edge`",
        ),
        (
            "\"spiffe://other.example/*\"",
            "`spiffe://other.example/*` is not in the trust domain `shop.example` | nobody of another trust domain is believed; write `spiffe://shop.example/*`",
        ),
        (
            "spiffe://shop.example",
            "`spiffe://shop.example` names a trust domain, not a member of it | add its path, as in `spiffe://shop.example/svc/order`",
        ),
        (
            "\"spiffe://Shop.example/*\"",
            "`spiffe://Shop.example/*` is not a SPIFFE ID: 'S' may not stand in a trust domain, only a-z 0-9 . - _ | write it in full, as in `spiffe://shop.example/svc/order`",
        ),
        (
            "\"spiffe://shop.example//*\"",
            "`spiffe://shop.example//*` is not a SPIFFE ID: the path has an empty segment or ends with a slash | write it in full, as in `spiffe://shop.example/svc/order`",
        ),
        (
            "\"~spiffe://shop.example/.+\"",
            "`~spiffe://shop.example/.+` is not a SPIFFE ID: a SPIFFE ID starts with spiffe:// | write it in full, as in `spiffe://shop.example/svc/order`",
        ),
    ];

    for (id, problem) in cases {
        let rule = format!("authorize: [{{ id: a, from: [{id}] }}]");
        expect_sidecar(&[&rule], &[&format!("5:29 [{id}] bad-value: {problem}")]);
    }
}

#[test]
fn a_star_stands_for_a_whole_last_segment() {
    let cases = [
        "*",
        "spiffe://shop.example/svc*",
        "spiffe://shop.example/*/a",
        "spiffe://shop.example/*/*",
        "spiffe://shop.example/svc/**",
        "spiffe://*/a",
    ];

    for id in cases {
        let rule = format!("authorize: [{{ id: a, from: [\"{id}\"] }}]");
        let problem = format!(
            "5:29 [\"{id}\"] bad-value: `{id}`: `*` may only stand for the whole last segment | write whole identities, or `spiffe://shop.example/svc/*`"
        );
        expect_sidecar(&[&rule], &[&problem]);
    }
    expect_sidecar(
        &[
            "authorize: [{ id: a, from: [\"spiffe://shop.example/svc/*\", \"spiffe://shop.example/svc/*\", \"spiffe://shop.example/*\"] }]",
        ],
        &[
            "5:60 [\"spiffe://shop.example/svc/*\"] suspicious: `spiffe://shop.example/svc/*` is listed twice | remove one of them",
        ],
    );
}

#[test]
fn what_is_asked_for_is_methods_and_plain_paths() {
    expect_sidecar(
        &["authorize: [{ id: a, from: [spiffe://shop.example/edge], to: {} }]"],
        &[
            "5:62 [{] missing-key: `to:` says neither methods nor paths | leave `to` out to mean every request",
        ],
    );
    expect_sidecar(
        &["authorize: [{ id: a, from: [spiffe://shop.example/edge], to: { methods: [] } }]"],
        &[
            "5:73 [[] bad-value: no method is named here, so the rule never fits | leave `methods` out to mean every method",
        ],
    );
    expect_sidecar(
        &["authorize: [{ id: a, from: [spiffe://shop.example/edge], to: { paths: [] } }]"],
        &[
            "5:71 [[] bad-value: no path is named here, so the rule never fits | leave `paths` out to mean every path",
        ],
    );
    expect_sidecar(
        &["authorize: [{ id: a, from: [spiffe://shop.example/edge], to: { methods: [\"*\"] } }]"],
        &["5:74 [\"*\"] bad-value: `*` is not a method | leave `methods` out to mean every method"],
    );
    expect_sidecar(
        &["authorize: [{ id: a, from: [spiffe://shop.example/edge], to: { methods: [get] } }]"],
        &["5:74 [get] bad-value: `get` is not a method: methods are upper case | write `GET`"],
    );
    expect_sidecar(
        &["authorize: [{ id: a, from: [spiffe://shop.example/edge], to: { methods: [GTE, CONNECT] } }]"],
        &[
            "5:79 [CONNECT] bad-value: CONNECT has no path, so no route can match it | remove it",
            "5:74 [GTE] suspicious: `GTE` is an unusual method | did you mean `GET`?",
        ],
    );
    expect_sidecar(
        &["authorize: [{ id: a, from: [spiffe://shop.example/edge], to: { paths: [\"~/a.*\"] } }]"],
        &[
            "5:72 [\"~/a.*\"] bad-value: `~/a.*` is a regex, which rules do not take | patterns are `/a/b`, `/a/{name}/b`, `/a/*/b` and `/a/**`",
        ],
    );
    expect_sidecar(
        &[
            "authorize: [{ id: a, from: [spiffe://shop.example/edge], to: { paths: [\"/a/%2e\", a, \"/**/x\", /b, /b, \"/c/{id}\", \"/d/*\", \"/e/**\"] } }]",
        ],
        &[
            "5:72 [\"/a/%2e\"] bad-value: `/a/%2e` is not a path pattern: `%2e` never matches, because requests are compared in canonical form: write `.` | patterns are `/a/b`, `/a/{name}/b`, `/a/*/b` and `/a/**`",
            "5:82 [a] bad-value: `a` is not a path pattern: a path begins with `/`, or with `~` for a regex | patterns are `/a/b`, `/a/{name}/b`, `/a/*/b` and `/a/**`",
            "5:85 [\"/**/x\"] bad-value: `/**/x` is not a path pattern: `**` may only stand at the end of a path, as in `/a/**` | patterns are `/a/b`, `/a/{name}/b`, `/a/*/b` and `/a/**`",
            "5:98 [/b] suspicious: path `/b` is listed twice | remove one of them",
        ],
    );
}

#[test]
fn scopes_belong_to_a_user() {
    expect_sidecar(
        &["authorize: [{ id: a, from: [spiffe://shop.example/edge], user: forbidden, scopes: [x] }]"],
        &[
            "5:83 [[] conflict: scopes belong to a user, and this rule forbids one: it never fits | remove `scopes`, or write `user: required`",
        ],
    );
    expect_sidecar(
        &["authorize: [{ id: a, from: [spiffe://shop.example/edge], user: optional, scopes: [x] }]"],
        &[
            "5:64 [optional] suspicious: `scopes` demand a user, so there is nothing optional about it | write `user: required`",
        ],
    );
    expect_sidecar(
        &["authorize: [{ id: a, from: [spiffe://shop.example/edge], user: needed }]"],
        &["5:64 [needed] bad-value: `user` cannot be `needed` | it can be: required, optional, forbidden"],
    );
    expect_sidecar(
        &["authorize: [{ id: a, from: [spiffe://shop.example/edge], scopes: [\"a b\", \"\", x, x] }]"],
        &[
            "5:67 [\"a b\"] bad-value: `a b` cannot be a scope | use 1 to 256 visible ASCII characters without space, comma and quotes",
            "5:74 [\"\"] bad-value: `` cannot be a scope | use 1 to 256 visible ASCII characters without space, comma and quotes",
            "5:81 [x] suspicious: scope `x` is listed twice | remove one of them",
        ],
    );
    expect_sidecar(
        &["authorize: [{ id: a, from: [spiffe://shop.example/edge], user: forbidden, scopes: [] }]"],
        &[],
    );
}

#[test]
fn bytes_have_peers_and_nothing_else() {
    expect_sidecar(
        &[
            "workload: { service: order, app: 127.0.0.1:8080, protocol: tcp }",
            "authorize: [{ id: a, from: [spiffe://shop.example/edge], to: { methods: [GET], paths: [/] }, user: optional, scopes: [] }]",
        ],
        &[
            "5:73 [[] conflict: rule `a` asks for `methods`, but the workload speaks tcp, which has none | remove it: for tcp, peers alone decide",
            "5:87 [[] conflict: rule `a` asks for `paths`, but the workload speaks tcp, which has none | remove it: for tcp, peers alone decide",
            "5:100 [optional] conflict: rule `a` asks for `user`, but the workload speaks tcp, which has none | remove it: for tcp, peers alone decide",
            "5:118 [[] conflict: rule `a` asks for `scopes`, but the workload speaks tcp, which has none | remove it: for tcp, peers alone decide",
        ],
    );
}

#[test]
fn nobody_allowed_is_pointed_out() {
    expect_sidecar(
        &["-authorize"],
        &[
            "1:1 [v] nobody-allowed: no rule under `authorize:` allows anything: nobody may call the workload | add one, as in `- { id: edge, from: [spiffe://TRUST-DOMAIN/edge] }`",
        ],
    );
    expect_sidecar(
        &["authorize: []"],
        &[
            "5:12 [[] nobody-allowed: no rule under `authorize:` allows anything: nobody may call the workload | add one, as in `- { id: edge, from: [spiffe://TRUST-DOMAIN/edge] }`",
        ],
    );
    expect_sidecar(
        &[
            "authorize: [{ id: a, deny: true, from: [spiffe://shop.example/edge] }, { id: b, mode: audit, from: [spiffe://shop.example/edge] }]",
        ],
        &[
            "5:12 [[] nobody-allowed: no rule under `authorize:` allows anything: nobody may call the workload | add one, as in `- { id: edge, from: [spiffe://TRUST-DOMAIN/edge] }`",
        ],
    );
}

#[test]
fn a_user_nobody_can_introduce_is_pointed_out() {
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: s, identity: { level: none } }",
            "authorize: [{ id: a, user: required, from: [spiffe://shop.example/edge] }]",
        ],
        &[
            "5:28 [required] suspicious: this rule demands a user, and `level: none` knows none: it never fits | remove the demand, or change `identity:` under `mesh:`",
        ],
    );
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, svid: { cert: c.pem, key: file:k.pem, bundle: b.pem } }",
            "authorize: [{ id: a, scopes: [x], from: [spiffe://shop.example/edge] }]",
        ],
        &[
            "5:13 [{] suspicious: this rule demands a user, and with `svid` nobody may introduce one unless `assert` says so: it never fits | remove the demand, or change `identity:` under `mesh:`",
        ],
    );
}

//! `mesh:`, and services that are members.

use super::*;

#[test]
fn a_certificate_comes_from_one_place() {
    expect_sidecar(
        &["mesh: { trust_domain: shop.example }"],
        &[
            "3:7 [{] missing-key: `mesh:` does not say where our certificate comes from | add `ca: { join_token: file:PATH }` and `state:`, or `svid: { cert: …, key: file:…, bundle: … }`",
        ],
    );
    expect_sidecar(
        &["mesh: { trust_domain: shop.example, ca: {}, svid: {} }"],
        &[
            "3:51 [{] conflict: `mesh:` has both `ca` and `svid`: a certificate comes from one place | keep one of them",
        ],
    );
    expect_sidecar(
        &["mesh: { trust_domain: shop.example, ca: { join_token: file:token } }"],
        &[
            "3:41 [{] missing-key: `ca:` needs `state`: our identity is kept there over restarts | add `state: /var/lib/portcullis/NAME` to `mesh:`, a folder of this process alone",
        ],
    );
    expect_sidecar(
        &["mesh: { ca: { join_token: file:token }, state: s }"],
        &["3:7 [{] missing-key: `mesh:` needs `trust_domain` | add `trust_domain:`"],
    );
    expect_sidecar(
        &["mesh: { trust_domain: shop.example, svid: {} }"],
        &[
            "3:43 [{] missing-key: `svid:` needs `cert` | add `cert:`",
            "3:43 [{] missing-key: `svid:` needs `key` | add `key:`",
            "3:43 [{] missing-key: `svid:` needs `bundle` | add `bundle:`",
        ],
    );
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, svid: { cert: c.pem, key: file:k.pem, bundle: b.pem }, state: s }",
        ],
        &[
            "3:99 [s] conflict: `state` has no use with `svid`: whoever renews the files keeps them | remove it",
        ],
    );
    expect_sidecar(
        &["mesh: { trust_domain: shop.example, svid: { cert: c.pem, key: file:k.pem, bundle: b.pem } }"],
        &[],
    );
    expect_sidecar(
        &["mesh: { trust_domain: shop.example, svid: { cert: no.pem, key: file:c.pem, bundle: k.pem } }"],
        &[
            "3:51 [no.pem] bad-file: cannot read `no.pem`: there is no such file | looked at DIR/no.pem",
            "3:64 [file:c.pem] bad-file: `c.pem` holds no private key | it holds a certificate: are `cert` and `key` swapped?",
            "3:84 [k.pem] bad-file: `k.pem` holds no certificate | it holds a private key: are `cert` and `key` swapped?",
        ],
    );
}

#[test]
fn a_trust_domain_is_a_bare_name() {
    expect_sidecar(
        &["mesh: { trust_domain: spiffe://shop.example, ca: { join_token: file:token }, state: s }"],
        &[
            "3:23 [spiffe://shop.example] bad-value: `spiffe://shop.example` is no trust domain: ':' may not stand in a trust domain, only a-z 0-9 . - _ | write `shop.example`",
        ],
    );
    expect_sidecar(
        &["mesh: { trust_domain: Shop.Example, ca: { join_token: file:token }, state: s }"],
        &[
            "3:23 [Shop.Example] bad-value: `Shop.Example` is no trust domain: 'S' may not stand in a trust domain, only a-z 0-9 . - _ | write `shop.example`",
        ],
    );
    expect_sidecar(
        &["mesh: { trust_domain: shop.example:443, ca: { join_token: file:token }, state: s }"],
        &[
            "3:23 [shop.example:443] bad-value: `shop.example:443` is no trust domain: ':' may not stand in a trust domain, only a-z 0-9 . - _ | write `shop.example`",
        ],
    );
    expect_sidecar(
        &["mesh: { trust_domain: \"\", ca: { join_token: file:token }, state: s }"],
        &[
            "3:23 [\"\"] bad-value: `` is no trust domain: the trust domain is missing | write it alone, as in `shop.example`",
        ],
    );
}

#[test]
fn the_authority_has_an_address_and_the_token_a_file() {
    expect_sidecar(
        &["mesh: { trust_domain: shop.example, ca: { address: ca:8600, join_token: file:token }, state: s }"],
        &[],
    );
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, ca: { address: 127.0.0.1:8600, join_token: file:token }, state: s }",
        ],
        &[],
    );
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, ca: { address: https://ca.shop.example/, join_token: file:token }, state: s }",
        ],
        &[],
    );
    expect_sidecar(
        &["mesh: { trust_domain: shop.example, ca: { address: ca, join_token: file:token }, state: s }"],
        &[
            "3:52 [ca] bad-value: `ca` is not the address of an authority | write `ca.shop.example:8600` or `https://ca.shop.example:8600`",
        ],
    );
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, ca: { address: http://ca:1, join_token: file:token }, state: s }",
        ],
        &[
            "3:52 [http://ca:1] bad-value: `http://ca:1` is not the address of an authority | write `ca.shop.example:8600` or `https://ca.shop.example:8600`",
        ],
    );
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, ca: { address: \"ca:0\", join_token: file:token }, state: s }",
        ],
        &[
            "3:52 [\"ca:0\"] bad-value: `ca:0` is not the address of an authority | write `ca.shop.example:8600` or `https://ca.shop.example:8600`",
        ],
    );
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, ca: { address: \"a@ca:1\", join_token: file:token }, state: s }",
        ],
        &[
            "3:52 [\"a@ca:1\"] bad-value: `a@ca:1` is not the address of an authority | write `ca.shop.example:8600` or `https://ca.shop.example:8600`",
        ],
    );
    expect_sidecar(
        &["mesh: { trust_domain: shop.example, ca: { join_token: pct1.secret }, state: s }"],
        &[
            "3:55 [***********] insecure: a join token is named as `file:PATH` | write the token into a file that only this process may read; a fresh one is taken up from there",
        ],
    );
    expect_sidecar(
        &["mesh: { trust_domain: shop.example, ca: { join_token: env:TOKEN }, state: s }"],
        &[
            "3:55 [*********] insecure: a join token is named as `file:PATH` | write the token into a file that only this process may read; a fresh one is taken up from there",
        ],
    );
    expect_sidecar(
        &["mesh: { trust_domain: shop.example, ca: { join_token: file: }, state: s }"],
        &[
            "3:59 [:] syntax: this is not YAML: while parsing a flow mapping, did not find expected ',' or '}' | inside `{ … }` a value with `{`, `}`, `[`, `]` or `,` needs quotes, as in `match: \"GET /users/{id}\"`",
        ],
    );
    expect_sidecar(
        &["mesh: { trust_domain: shop.example, ca: { join_token: file:nope }, state: s }"],
        &[
            "3:55 [file:nope] bad-file: there is no join token and no identity of before: this process cannot join the mesh yet | make one with `portcullis ca token create` and put it into DIR/nope",
        ],
    );
    expect_sidecar(
        &["mesh: { trust_domain: shop.example, ca: {}, state: s }"],
        &[
            "3:41 [{] bad-file: there is no join token and no identity of before: this process cannot join the mesh yet | add `join_token: file:PATH`",
        ],
    );
}

#[test]
fn who_may_introduce_users_is_a_member() {
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: s, identity: { level: passports } }",
        ],
        &["3:98 [passports] bad-value: `level` cannot be `passports` | did you mean `passport`?"],
    );
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: s, identity: { assert: [edge, spiffe://other.example/edge, spiffe://shop.example, \"spiffe://shop.example/*\", spiffe://shop.example/edge, spiffe://shop.example/edge] } }",
        ],
        &[
            "3:100 [edge] bad-value: `edge` is not a SPIFFE ID: a SPIFFE ID starts with spiffe:// | write it in full, as in `spiffe://shop.example/svc/order`",
            "3:106 [spiffe://other.example/edge] bad-value: `spiffe://other.example/edge` is not in the trust domain `shop.example` | nobody of another trust domain is believed; write `spiffe://shop.example/edge`",
            "3:135 [spiffe://shop.example] bad-value: `spiffe://shop.example` names a trust domain, not a member of it | add its path, as in `spiffe://shop.example/svc/order`",
            "3:158 [\"spiffe://shop.example/*\"] bad-value: `spiffe://shop.example/*` is not a SPIFFE ID: '*' may not stand in a path, only A-Z a-z 0-9 . - _ | write it in full, as in `spiffe://shop.example/svc/order`",
            "3:213 [spiffe://shop.example/edge] suspicious: `spiffe://shop.example/edge` is listed twice | remove one of them",
        ],
    );
}

#[test]
fn headers_about_users_have_names_of_their_own() {
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: s, identity: { headers: { X-User-Id: user, x-user-id: roles, X_User_Id: scopes, \"a b\": user, Host: user, Connection: user, Txn-Token: user, X-Auth-Groups: groups } } }",
        ],
        &[
            "3:119 [x-user-id] duplicate-name: header `x-user-id` stands here twice (case makes no difference) | remove one of them",
            "3:137 [X_User_Id] duplicate-name: header `X_User_Id` stands here twice (case makes no difference) | remove one of them",
            "3:156 [\"a b\"] bad-value: `a b` is not the name of a header | use letters, digits and `-`, as in `X-Caller-Service`",
            "3:169 [Host] protected-header: `Host` cannot say who a user is: it means something else | use another name, as in `X-Auth-User`",
            "3:181 [Connection] protected-header: `Connection` cannot say who a user is: it means something else | use another name, as in `X-Auth-User`",
            "3:199 [Txn-Token] protected-header: `Txn-Token` cannot say who a user is: it means something else | use another name, as in `X-Auth-User`",
            "3:231 [groups] bad-value: `X-Auth-Groups` cannot be `groups` | it can be: user, roles, scopes",
        ],
    );
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: s, identity: { headers: { X-User-Id: user, X-Auth-Groups: roles } } }",
        ],
        &[],
    );
    expect_sidecar(
        &[
            "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: s, identity: { headers: { X-Shop-User: user } } }",
        ],
        &[
            "3:102 [X-Shop-User] protected-header: anybody could send `X-Shop-User`: only names that are taken off everywhere can say who a user is | use `X-Auth-…`, `X-User-…`, `Remote-User` or `X-Forwarded-User`",
        ],
    );
}

#[test]
fn a_service_of_the_mesh_is_a_member_and_speaks_h2() {
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2 }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], mesh: payment } }",
        ],
        &[
            "7:51 [payment] bad-value: `payment` is not a SPIFFE ID: a SPIFFE ID starts with spiffe:// | write it in full, as in `spiffe://shop.example/svc/order`",
        ],
    );
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2 }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], mesh: spiffe://other.example/svc/a } }",
        ],
        &[
            "7:51 [spiffe://other.example/svc/a] bad-value: `spiffe://other.example/svc/a` is not in the trust domain `shop.example` | nobody of another trust domain is believed; write `spiffe://shop.example/svc/a`",
        ],
    );
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2 }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], mesh: spiffe://shop.example } }",
        ],
        &[
            "7:51 [spiffe://shop.example] bad-value: `spiffe://shop.example` names a trust domain, not a member of it | add its path, as in `spiffe://shop.example/svc/order`",
        ],
    );
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2 }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], mesh: spiffe://shop.example/svc/a, protocol: h1 } }",
        ],
        &[
            "7:90 [h1] conflict: members of the mesh speak h2 to each other | remove `protocol`, or write `h2` or `tcp`",
        ],
    );
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2 }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], mesh: spiffe://shop.example/svc/a, protocol: h2 } }",
        ],
        &[],
    );
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2 }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], mesh: spiffe://shop.example/svc/a, protocol: tcp, local: 127.0.0.1:5 } }",
        ],
        &[],
    );
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2 }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], mesh: spiffe://shop.example/svc/a, tls: { name: a, ca: c.pem } } }",
        ],
        &[
            "7:85 [{] conflict: service `a` has both `mesh` and `tls`: the mesh brings its own TLS | keep one of them",
        ],
    );
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2 }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], identity: headers } }",
        ],
        &[
            "7:55 [headers] conflict: a sidecar tells nobody outside the mesh about users | remove `identity`; `mesh:` services get a passport",
        ],
    );
}

#[test]
fn an_edge_is_a_member_like_any_other() {
    expect_edge(
        &[
            "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: s }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], mesh: spiffe://shop.example/svc/a } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[],
    );
    expect_edge(
        &[
            "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: s }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], mesh: spiffe://shop.example/svc/a, identity: headers } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[
            "4:90 [headers] conflict: service `a` is in the mesh, where a header is no evidence: it gets a passport | remove `identity`",
        ],
    );
    expect_edge(
        &[
            "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: s }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], identity: headers } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[],
    );
    expect_edge(
        &[
            "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: s }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], identity: passport } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &["4:55 [passport] bad-value: `identity` cannot be `passport` | it can be: headers"],
    );
    expect_edge(
        &[
            "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: s }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], local: 127.0.0.1:3, hosts: [a] } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[
            "4:52 [127.0.0.1:3] conflict: `local` of a service belongs to a sidecar: here `routes:` lead to services | remove it",
            "4:72 [[] conflict: `hosts` of a service belongs to a sidecar: here `routes:` lead to services | remove it",
        ],
    );
    expect_edge(
        &[
            "mesh: { trust_domain: shop.example, ca: { join_token: file:token }, state: s }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], protocol: tcp } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[
            "4:55 [tcp] conflict: `tcp` belongs to a sidecar: clients of an edge speak HTTP | write `h1` or `h2`",
        ],
    );
    expect_edge(
        &[
            "services: { a: { endpoints: [\"10.0.0.7:1\"], mesh: spiffe://shop.example/svc/a } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[
            "3:51 [spiffe://shop.example/svc/a] missing-key: service `a` is in the mesh, but we are not: there is no `mesh:` section | add `mesh:` with `trust_domain` and `ca`, or use `tls:` here",
        ],
    );
}

#[test]
fn a_join_token_in_the_file_is_not_repeated() {
    let text =
        sidecar(&["mesh: { trust_domain: shop.example, ca: { join_token: pct1.hunter2 }, state: state }"]);

    let problems = load(&text).unwrap_err();

    assert!(!problems.to_string().contains("hunter2"), "{problems}");
}

#[test]
fn a_join_token_that_everybody_may_read_is_pointed_out() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::TempDir::new().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "pct1.x").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();

    let loaded = parse_in(&sidecar(&[]), &dir.path().join("file.yaml"), &AROUND).unwrap();

    let said: Vec<String> = loaded.warnings.iter().map(say).collect();
    assert_eq!(
        said,
        ["3:55 [file:token] key-permissions: every user of this machine may read `token` | chmod 600 token"]
    );
}

//! `workload:`, `inbound:`, `outbound:`, `ready:`, what belongs to a sidecar and what does not.

use super::*;

#[test]
fn a_sound_sidecar_has_nothing_said_about_it() {
    expect_sidecar(&[], &[]);
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:15101 }",
            "ready: { bind: 0.0.0.0:15121 }",
            "services: { payment: { mesh: spiffe://shop.example/svc/payment, endpoints: [\"10.0.0.7:15108\"], hosts: [payment, payment.shop.internal], local: 127.0.0.1:9101 } }",
        ],
        &[],
    );
}

#[test]
fn what_a_sidecar_lacks_is_said() {
    expect_sidecar(
        &["-workload"],
        &["1:1 [version] missing-key: a sidecar needs `workload` | add `workload:`"],
    );
    expect_sidecar(&["-mesh"], &["1:1 [version] missing-key: a sidecar needs `mesh` | add `mesh:`"]);
    expect_sidecar(&["-inbound"], &["1:1 [version] missing-key: a sidecar needs `inbound` | add `inbound:`"]);
    expect_sidecar(
        &["workload: {}"],
        &[
            "2:11 [{] missing-key: `workload:` needs `service` | add `service:`",
            "2:11 [{] missing-key: `workload:` needs `app` | add `app:`",
        ],
    );
    expect_sidecar(&["inbound: {}"], &["4:10 [{] missing-key: `inbound:` needs `bind` | add `bind:`"]);
    expect_sidecar(
        &["outbound: {}", "ready: {}"],
        &[
            "6:11 [{] missing-key: `outbound:` needs `bind` | add `bind:`",
            "7:8 [{] missing-key: `ready:` needs `bind` | add `bind:`",
        ],
    );
}

#[test]
fn sections_of_an_edge_do_not_belong_to_a_sidecar() {
    expect_sidecar(
        &[
            "listeners: [{ bind: 127.0.0.1:1 }]",
            "trust: { hops: 1 }",
            "auth: { d: { certificate: { subjects: [CN=a] } } }",
            "defaults: {}",
            "routes: []",
        ],
        &[
            "6:12 [[] conflict: `listeners:` does not belong in the file of a sidecar | use `inbound:` for peers and `outbound:` for the application",
            "7:8 [{] conflict: `trust:` does not belong in the file of a sidecar | remove it: peers prove who they are, nobody's word about addresses counts",
            "8:7 [{] conflict: `auth:` does not belong in the file of a sidecar | users come with their passport; say under `authorize:` where there must be one",
            "9:11 [{] conflict: `defaults:` does not belong in the file of a sidecar | remove it: a sidecar has no routes; see `inbound:` and `services:`",
            "10:9 [[] conflict: `routes:` does not belong in the file of a sidecar | use `authorize:` for who may call, and `services:` with `hosts:` for what the application calls",
        ],
    );
}

#[test]
fn sections_of_a_sidecar_do_not_belong_to_an_edge() {
    expect_edge(
        &[
            "inbound: { bind: 0.0.0.0:1 }",
            "outbound: { bind: 127.0.0.1:2 }",
            "ready: { bind: 127.0.0.1:3 }",
            "authorize: []",
        ],
        &[
            "3:10 [{] conflict: `inbound:` belongs to a sidecar | use `listeners:`, or add `workload:`",
            "4:11 [{] conflict: `outbound:` belongs to a sidecar | remove it, or add `workload:`",
            "5:8 [{] conflict: `ready:` belongs to a sidecar | use `admin:`, or add `workload:`",
            "6:12 [[] conflict: `authorize:` belongs to a sidecar | say `auth:` in each route, or add `workload:`",
        ],
    );
}

#[test]
fn a_workload_is_named_and_stands_on_loopback() {
    expect_sidecar(
        &["workload: { service: Order, app: 127.0.0.1:8080 }"],
        &[
            "2:22 [Order] bad-value: `Order` cannot be the name of a service | use 1 to 64 of a-z, 0-9, `-`, `_` and `.`",
        ],
    );
    expect_sidecar(
        &["workload: { service: order, app: \"8080\" }"],
        &[
            "2:34 [\"8080\"] bad-value: `8080` is not an address with a port | write the address too, as in `0.0.0.0:8080` or `127.0.0.1:8080`",
        ],
    );
    expect_sidecar(
        &["workload: { service: order, app: 127.0.0.1:0 }"],
        &[
            "2:34 [127.0.0.1:0] bad-value: the application needs a port above 0 | write the port it listens on",
        ],
    );
    expect_sidecar(
        &["workload: { service: order, app: 10.0.0.1:8080 }"],
        &[
            "2:34 [10.0.0.1:8080] insecure: the application at `10.0.0.1:8080` is not on this machine's loopback | whoever reaches it there calls it past every rule, and sets identity headers itself; bind it to 127.0.0.1",
        ],
    );
    expect_sidecar(&["workload: { service: order, app: \"[::ffff:127.0.0.1]:8080\" }"], &[]);
    expect_sidecar(
        &["workload: { service: order, app: 127.0.0.1:8080, protocol: grpc }"],
        &["2:60 [grpc] bad-value: `protocol` cannot be `grpc` | it can be: h1, h2, tcp"],
    );
    expect_sidecar(
        &[
            "workload: { service: order, app: 127.0.0.1:8080, health: { path: healthz, interval: 0s, timeout: 1 } }",
        ],
        &[
            "2:66 [healthz] bad-value: `healthz` is not a path to ask for | write it as `/healthz`",
            "2:85 [0s] bad-value: this time must be more than 0 | remove the key to get the default",
            "2:98 [1] bad-unit: `1` has no unit | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`",
        ],
    );
    expect_sidecar(
        &["workload: { service: order, app: 127.0.0.1:8080, health: { path: \"/a b\" } }"],
        &["2:66 [\"/a b\"] bad-value: `/a b` is not a path to ask for | write it as `/healthz`"],
    );
}

#[test]
fn a_stream_of_bytes_has_no_paths_and_no_bodies() {
    expect_sidecar(
        &[
            "workload: { service: order, app: 127.0.0.1:8080, protocol: tcp, health: { path: / } }",
            "inbound: { bind: 0.0.0.0:15108, paths: { semicolon: keep }, body: { max: 1MiB } }",
        ],
        &[
            "2:81 [/] conflict: `path` is asked for over HTTP, but the workload speaks tcp | remove it: that it takes connections is enough",
            "4:40 [{] conflict: `paths` is about HTTP, but the workload speaks tcp | remove it",
            "4:67 [{] conflict: `body` is about HTTP, but the workload speaks tcp | remove it",
        ],
    );
}

#[test]
fn inbound_is_for_others_and_asks_who_they_are() {
    expect_sidecar(
        &["inbound: { bind: 127.0.0.1:15108 }"],
        &[
            "4:18 [127.0.0.1:15108] suspicious: peers cannot reach `127.0.0.1:15108`: nobody outside this machine can | write `0.0.0.0:15108`",
        ],
    );
    expect_sidecar(
        &["inbound: { bind: 0.0.0.0:15108, permissive: true }"],
        &[
            "4:45 [true] insecure: `permissive`: whoever reaches this address may connect in plaintext, without showing who it is | only while a mesh is introduced; remove it as soon as every caller has a sidecar",
        ],
    );
    expect_sidecar(
        &[
            "inbound: { bind: 0.0.0.0:15108, permisive: true, caps: { connections: 0 }, timeouts: { idle: 1 } }",
        ],
        &[
            "4:33 [permisive] unknown-key: unknown key `permisive` in `inbound:` | did you mean `permissive`?",
            "4:71 [0] bad-value: 0 is out of range | at least 1",
            "4:94 [1] bad-unit: `1` has no unit | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`",
        ],
    );
}

#[test]
fn what_the_application_calls_through_is_loopback() {
    expect_sidecar(
        &["outbound: { bind: 0.0.0.0:15101 }"],
        &[
            "6:19 [0.0.0.0:15101] insecure: whoever reaches `0.0.0.0:15101` could call others in the name of this workload | write `127.0.0.1:15101`",
        ],
    );
    expect_sidecar(
        &["outbound: { bind: \"localhost:1\", capture: redirekt }"],
        &[
            "6:19 [\"localhost:1\"] bad-value: `localhost:1` is not an address with a port | write `127.0.0.1:1`",
            "6:43 [redirekt] bad-value: `capture` cannot be `redirekt` | did you mean `redirect`?",
        ],
    );
    expect_sidecar(
        &["services: { a: { endpoints: [\"10.0.0.7:1\"], local: 10.0.0.1:9101 } }"],
        &[
            "6:52 [10.0.0.1:9101] insecure: whoever reaches `10.0.0.1:9101` could call others in the name of this workload | write `127.0.0.1:9101`",
        ],
    );
}

#[test]
fn an_address_is_bound_once_whatever_it_is_for() {
    expect_sidecar(
        &[
            "inbound: { bind: 127.0.0.2:1 }",
            "outbound: { bind: 127.0.0.1:1 }",
            "ready: { bind: 127.0.0.1:1 }",
            "admin: { bind: 127.0.0.1:1 }",
            "observe: { metrics: { bind: 127.0.0.1:1 } }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], local: 127.0.0.1:1 } }",
        ],
        &[
            "7:16 [127.0.0.1:1] duplicate-name: `127.0.0.1:1` is bound twice | line 6 binds it already; choose another port, or merge the two",
            "8:16 [127.0.0.1:1] duplicate-name: `127.0.0.1:1` is bound twice | line 6 binds it already; choose another port, or merge the two",
            "9:29 [127.0.0.1:1] duplicate-name: `127.0.0.1:1` is bound twice | line 6 binds it already; choose another port, or merge the two",
            "10:52 [127.0.0.1:1] duplicate-name: `127.0.0.1:1` is bound twice | line 6 binds it already; choose another port, or merge the two",
            "4:18 [127.0.0.2:1] suspicious: peers cannot reach `127.0.0.2:1`: nobody outside this machine can | write `0.0.0.0:1`",
        ],
    );
    expect_sidecar(
        &["inbound: { bind: 0.0.0.0:8080 }"],
        &[
            "4:18 [0.0.0.0:8080] conflict: `0.0.0.0:8080` is where the application listens | choose another port: both cannot have it",
        ],
    );
    expect_sidecar(
        &["ready: { bind: 127.0.0.1:8080 }"],
        &[
            "6:16 [127.0.0.1:8080] conflict: `127.0.0.1:8080` is where the application listens | choose another port: both cannot have it",
        ],
    );
}

#[test]
fn a_service_of_bytes_needs_an_address_of_its_own() {
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2 }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], protocol: tcp } }",
        ],
        &[
            "7:13 [a] missing-key: nothing leads to service `a`: tcp does not say whom it is for | add `local: 127.0.0.1:PORT`",
        ],
    );
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2, capture: redirect }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], protocol: tcp } }",
        ],
        &[],
    );
    expect_sidecar(
        &["services: { a: { endpoints: [\"10.0.0.7:1\"], protocol: tcp, local: 127.0.0.1:5432 } }"],
        &[],
    );
    expect_sidecar(
        &[
            "services: { a: { endpoints: [\"10.0.0.7:1\"], protocol: tcp, local: 127.0.0.1:5432, hosts: [db] } }",
        ],
        &["6:90 [[] conflict: `hosts` are asked for over HTTP, but this service speaks tcp | use `local:`"],
    );
}

#[test]
fn a_host_leads_to_one_service() {
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2 }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"], hosts: [b, B, \"*.x\", \"b:80\", C.d] }, b: { endpoints: [\"10.0.0.7:1\"] }, e: { endpoints: [\"10.0.0.7:1\"], hosts: [c.d] } }",
        ],
        &[
            "7:59 [\"*.x\"] bad-value: `*.x`: the hosts of a service are written in full | as in `payment.shop.internal`",
            "7:66 [\"b:80\"] bad-value: `b:80` is not a host: a host has no port here: ports belong to `listeners` | hosts are `payment` or `payment.shop.internal`",
            "7:82 [b] duplicate-name: host `b` means service `a` already | that is at line 7; a host leads to one service: give this one other `hosts:`",
            "7:156 [c.d] duplicate-name: host `c.d` means service `a` already | that is at line 7; a host leads to one service: give this one other `hosts:`",
            "7:56 [B] suspicious: host `B` is listed twice | remove one of them",
        ],
    );
}

#[test]
fn captured_connections_are_known_by_their_address() {
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2, capture: redirect }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"] }, b: { endpoints: [\"10.0.0.7:1\"] } }",
        ],
        &[
            "7:47 [b] duplicate-name: services `a` and `b` share `10.0.0.7:1` | a captured connection is known by where it was going: each address may be of one service only",
        ],
    );
    expect_sidecar(
        &[
            "outbound: { bind: 127.0.0.1:2 }",
            "services: { a: { endpoints: [\"10.0.0.7:1\"] }, b: { endpoints: [\"10.0.0.7:1\"] } }",
        ],
        &[],
    );
}

#[test]
fn a_service_nobody_can_call_is_pointed_out() {
    expect_sidecar(
        &["services: { a: { endpoints: [\"10.0.0.7:1\"] } }"],
        &[
            "6:13 [a] unused-service: the application has no way to call service `a` | add `outbound:`, or `local: 127.0.0.1:PORT` to the service",
        ],
    );
}

#[test]
fn app_is_the_workload_itself() {
    expect_sidecar(
        &["services: { app: { endpoints: [\"10.0.0.7:1\"], local: 127.0.0.1:3 } }"],
        &[
            "6:13 [app] bad-value: `app` is the workload itself: no service of the file can be called so | use another name",
        ],
    );
}

#[test]
fn tests_say_who_calls_and_for_whom() {
    expect_sidecar(
        &[
            "tests: [{ name: t, send: GET /, from: edge, as: { user: \"a b\", roles: [\"x,y\"], scopes: [s, s] }, expect: { status: 403, stage: authz, route: inbound, service: app } }]",
        ],
        &[
            "6:39 [edge] bad-value: `edge` is not a SPIFFE ID: a SPIFFE ID starts with spiffe:// | write it in full, as in `spiffe://shop.example/svc/order`",
            "6:57 [\"a b\"] bad-value: `a b` cannot be a user | use 1 to 256 visible ASCII characters without space, comma and quotes",
            "6:72 [\"x,y\"] bad-value: `x,y` cannot be a role | use 1 to 256 visible ASCII characters without space, comma and quotes",
            "6:92 [s] suspicious: scope `s` is listed twice | remove one of them",
        ],
    );
    expect_sidecar(
        &[
            "tests: [{ name: t, send: GET /, from: spiffe://shop.example/edge, as: { roles: [x] }, expect: { route: in } }]",
        ],
        &[
            "6:71 [{] missing-key: `as:` needs `user` | add `user:`",
            "6:104 [in] unknown-name: there is no route `in` | routes: inbound",
        ],
    );
    expect_edge(
        &[
            "services: { a: { endpoints: [\"10.0.0.7:1\"] } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
            "tests: [{ name: t, send: GET /, from: spiffe://shop.example/edge, as: { user: alice }, expect: { status: 401, stage: authn } }]",
        ],
        &[
            "5:39 [spiffe://shop.example/edge] conflict: `from` belongs to a sidecar: an edge is called by clients outside | remove it",
        ],
    );
}

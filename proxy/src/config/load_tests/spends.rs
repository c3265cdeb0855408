//! `limits:` of routes, of `defaults:` and of `inbound:`: who asks which limits, and what that means for both.

use super::*;

#[test]
fn a_route_asks_limits_that_are_there() {
    expect_known(
        &[
            "limits: { flood: { key: ip, rate: 5/s, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [fload, flood] }",
            "  - { name: s, match: GET /s, auth: public, to: a, limits: [flood, +flood] }",
            "  - { name: t, match: GET /t, auth: public, to: a, limits: [flood, { limit: flood, cost: 2 }] }",
        ],
        &[
            "7:61 [fload] unknown-name: there is no limit `fload` | did you mean `flood`?",
            "8:68 [+flood] duplicate-name: limit `flood` stands in this list twice | remove one of them; what a request costs is said with `cost`",
            "8:68 [+flood] conflict: `+x` adds to the defaults and `x` replaces them: one list cannot do both | write `+` in front of all of them, or of none",
            "9:77 [flood] duplicate-name: limit `flood` stands in this list twice | remove one of them; what a request costs is said with `cost`",
        ],
    );
    expect_known(
        &[
            "limits: { flood: { key: ip, rate: 5/s, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [{ cost: 2 }, { limit: flood, cost: 0 }, { limt: flood }, [flood]] }",
        ],
        &[
            "7:61 [{] missing-key: an entry of `limits:` needs `limit` | add `limit:`",
            "7:96 [0] bad-value: 0 is out of range | at least 1",
            "7:101 [{] missing-key: an entry of `limits:` needs `limit` | add `limit:`",
            "7:103 [limt] unknown-key: unknown key `limt` in an entry of `limits:` | did you mean `limit`?",
            "7:118 [[] wrong-type: an entry of `limits` must be a single value, not a list",
        ],
    );
    expect_known(
        &["defaults: { limits: [flood] }", "routes: [{ name: r, match: GET /, auth: public, to: a }]"],
        &["5:22 [flood] unknown-name: there is no limit `flood` | there are no limits"],
    );
}

#[test]
fn a_list_adds_to_the_defaults_or_replaces_them() {
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance }, b: { key: [ip, route], rate: 5/s, scope: instance } }",
            "defaults: { limits: [a] }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [+a, b] }",
            "  - { name: s, match: GET /s, auth: public, to: a, limits: [b, +a] }",
        ],
        &[
            "8:65 [b] conflict: `+x` adds to the defaults and `x` replaces them: one list cannot do both | write `+` in front of all of them, or of none",
            "9:64 [+a] conflict: `+x` adds to the defaults and `x` replaces them: one list cannot do both | write `+` in front of all of them, or of none",
        ],
    );
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance } }",
            "defaults: { limits: [+a] }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a }",
        ],
        &["6:22 [+a] bad-value: there is nothing here to add to | write `a`"],
    );
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance } }",
            "defaults: { limits: [a] }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [+a] }",
            "  - { name: s, match: GET /s, auth: public, to: a, limits: [{ limit: +a, cost: 2 }] }",
            "  - { name: t, match: GET /t, auth: public, to: a, limits: [] }",
        ],
        &["8:61 [+a] suspicious: the defaults ask limit `a` already | remove it"],
    );
}

#[test]
fn a_request_must_be_able_to_pay() {
    expect_known(
        &[
            "limits: { x: { key: ip, rate: 100/s, burst: 5, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [{ limit: x, cost: 6 }] }",
            "  - { name: s, match: GET /s, auth: public, to: a, limits: [{ limit: x, cost: 5 }] }",
        ],
        &[
            "7:79 [6] bad-value: a request that costs 6 could never be admitted by limit `x` | there are never more than 5 at once; write a smaller cost or a larger limit",
        ],
    );
    expect_known(
        &[
            "limits: { x: { key: user, algorithm: fixed-window, tiers: { a: 3/s, b: 10/s }, default: 10/s, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: d, to: a, limits: [{ limit: x, cost: 4 }] }",
        ],
        &[
            "7:74 [4] bad-value: a request that costs 4 could never be admitted by limit `x` | there are never more than 3 at once; write a smaller cost or a larger limit",
            "5:59 [{] suspicious: nobody who is counted by limit `x` has a tier: all get its default | say which claim it is with `identity: { tier: … }` of an entry of `auth:`, or write `rate:`",
        ],
    );
    expect_known(
        &[
            "limits: { x: { key: ip, quota: 10/day, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [{ limit: x, cost: 11 }] }",
        ],
        &[
            "7:79 [11] bad-value: a request that costs 11 could never be admitted by limit `x` | there are never more than 10 at once; write a smaller cost or a larger limit",
        ],
    );
    expect_known(
        &[
            "limits: { x: { key: ip, rate: 10/s, scope: instance, queue: { length: 1, wait: 1s } } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [{ limit: x, cost: 2 }] }",
        ],
        &[
            "7:79 [2] conflict: requests wait for their turn at limit `x`: each costs 1 there | remove `cost`, or the `queue` of the limit",
        ],
    );
    expect_known(
        &[
            "limits: { x: { key: ip, rate: 10/s, scope: instance } }",
            "defaults: { limits: [{ limit: x, cost: 11 }] }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a }",
            "  - { name: s, match: GET /s, auth: public, to: a }",
        ],
        &[
            "6:40 [11] bad-value: a request that costs 11 could never be admitted by limit `x` | there are never more than 10 at once; write a smaller cost or a larger limit",
        ],
    );
}

#[test]
fn a_key_must_be_something_callers_have() {
    expect_known(
        &[
            "limits: { x: { key: user, rate: 5/s, scope: instance } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a, limits: [x] }]",
        ],
        &[
            "6:65 [x] conflict: limit `x` counts by `user`, but nobody is known on route `r` | use a limit with `key: ip`, or say `auth:` with an entry that knows users",
        ],
    );
    expect_known(
        &[
            "limits: { x: { key: [ip, user], rate: 5/s, scope: instance } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a, limits: [x] }]",
        ],
        &[
            "6:65 [x] conflict: limit `x` counts by `user`, but nobody is known on route `r` | use a limit with `key: ip`, or say `auth:` with an entry that knows users",
        ],
    );
    expect_known(
        &[
            "limits: { x: { key: user, rate: 5/s, scope: instance } }",
            "defaults: { limits: [x] }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a }",
            "  - { name: s, match: GET /s, auth: d, to: a }",
            "  - { name: t, match: GET /t, auth: public, to: a, limits: [] }",
        ],
        &[
            "8:13 [r] conflict: limit `x` counts by `user`, but nobody is known on route `r` | it comes from `defaults:`; write `limits: […]` here with those that fit, or `limits: []`",
        ],
    );
    expect_limit(
        "key: api_key, rate: 5/s, scope: instance",
        &[
            "6:60 [x] conflict: limit `x` counts by `api_key`, but nobody shows one to route `r` | use a limit with `key: ip`, or an entry of `auth:` with `api_key:`",
        ],
    );
    expect_known(
        &[
            "limits: { x: { key: api_key, rate: 5/s, scope: instance } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a, limits: [x] }]",
        ],
        &[
            "6:65 [x] conflict: limit `x` counts by `api_key`, but nobody is known on route `r` | use a limit with `key: ip`, or an entry of `auth:` with `api_key:`",
        ],
    );
    expect_limit("key: [ip, user, route, { header: X-Tenant }], rate: 5/s, scope: instance", &[]);
}

#[test]
fn of_limits_that_count_the_same_only_the_tighter_one_counts() {
    expect_known(
        &[
            "limits: { a: { key: [ip, route], rate: 5/s, scope: instance }, b: { key: [route, ip], rate: 9/s, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [a, b] }",
        ],
        &[
            "7:64 [b] suspicious: limit `b` never refuses anything on route `r`: `a` counts the same and is as tight or tighter | remove it, or change its key or its window",
        ],
    );
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance }, b: { key: ip, rate: 5/s, scope: instance } }",
            "defaults: { limits: [a] }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [+b] }",
        ],
        &[
            "8:61 [+b] suspicious: limit `b` never refuses anything on route `r`: `a` counts the same and is as tight or tighter | remove it, or change its key or its window",
        ],
    );
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance }, b: { key: ip, rate: 9/s, scope: instance } }",
            "defaults: { limits: [b] }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [+a] }",
        ],
        &[
            "8:13 [r] suspicious: limit `b` never refuses anything on route `r`: `a` counts the same and is as tight or tighter | remove it, or change its key or its window",
        ],
    );
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance }, b: { key: ip, rate: 9/s, scope: instance }, c: { key: ip, rate: 9/s, scope: instance } }",
            "defaults: { limits: [a, b, c] }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a }",
            "  - { name: s, match: GET /s, auth: public, to: a }",
        ],
        &[
            "6:25 [b] suspicious: limit `b` never refuses anything among the defaults: `a` counts the same and is as tight or tighter | remove it, or change its key or its window",
            "6:28 [c] suspicious: limit `c` never refuses anything among the defaults: `a` counts the same and is as tight or tighter | remove it, or change its key or its window",
        ],
    );
}

#[test]
fn limits_that_count_differently_are_both_of_use() {
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, burst: 20, scope: instance }, b: { key: ip, rate: 9/s, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [a, b] }",
        ],
        &[],
    );
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance }, b: { key: ip, rate: 50/min, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [a, b] }",
        ],
        &[],
    );
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance }, b: { key: ip, algorithm: fixed-window, rate: 5/s, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [a, b] }",
        ],
        &[],
    );
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance }, b: { key: ip, rate: 9/s, scope: global } }",
            "stores: { redis: { url: \"redis://127.0.0.1\", on_failure: divide } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [a, b] }",
        ],
        &[],
    );
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance }, b: { key: ip, rate: 9/s, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [a, { limit: b, cost: 9 }] }",
        ],
        &[],
    );
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance }, b: { key: ip, rate: 9/s, scope: instance, queue: { length: 1, wait: 1s } } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [a, b] }",
        ],
        &[],
    );
    expect_known(
        &[
            "limits: { a: { key: user, tiers: { p: 50/s }, default: 5/s, scope: instance }, b: { key: user, rate: 9/s, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: d, to: a, limits: [a, b] }",
        ],
        &[
            "5:34 [{] suspicious: nobody who is counted by limit `a` has a tier: all get its default | say which claim it is with `identity: { tier: … }` of an entry of `auth:`, or write `rate:`",
        ],
    );
}

#[test]
fn what_nobody_asks_is_said() {
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance }, b: { key: ip, rate: 1/h, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a, limits: [b] }",
        ],
        &["5:11 [a] suspicious: nobody asks limit `a` | remove it, or write `limits: [a]` in a route"],
    );
    expect_known(
        &[
            "limits: { a: { key: ip, rate: 5/s, scope: instance } }",
            "routes:",
            "  - { name: r, match: GET /r, auth: public, to: a }",
        ],
        &["5:11 [a] suspicious: nobody asks limit `a` | remove it, or write `limits: [a]` in a route"],
    );
    expect_known(
        &[
            "stores: { redis: { url: \"redis://127.0.0.1\", on_failure: divide } }",
            "routes: [{ name: r, match: GET /, auth: public, to: a }]",
        ],
        &[
            "5:18 [{] suspicious: nothing is counted in this store | remove it, or write `scope: global` in a limit",
        ],
    );
}

#[test]
fn a_sidecar_counts_by_what_it_knows() {
    expect_sidecar(
        &[
            "inbound: { bind: 0.0.0.0:15108, limits: [x] }",
            "limits: { x: { key: [peer, ip, user, { header: X-Tenant }], rate: 5/s, scope: instance } }",
        ],
        &[],
    );
    expect_sidecar(
        &[
            "inbound: { bind: 0.0.0.0:15108, limits: [x] }",
            "limits: { x: { key: [api_key, route], rate: 5/s, scope: instance } }",
        ],
        &[
            "6:22 [api_key] conflict: API keys are shown to an edge, not to a sidecar | use `user` or `peer`",
            "6:31 [route] conflict: a sidecar has one route for everything that comes in | use `peer`, `user` or `ip`",
        ],
    );
    expect_sidecar(
        &[
            "inbound: { bind: 0.0.0.0:15108, limits: [x] }",
            "limits: { x: { key: [], rate: 5/s, scope: instance } }",
        ],
        &[
            "6:21 [[] bad-value: nothing is named here that requests have in common | name at least one of: ip, user, peer, { header: X-Name }",
        ],
    );
    expect_sidecar(
        &[
            "inbound: { bind: 0.0.0.0:15108, limits: [x] }",
            "limits: { x: { key: user, tiers: { p: 50/s }, default: 5/s, scope: instance } }",
        ],
        &[
            "6:34 [{] suspicious: nobody who is counted by limit `x` has a tier: all get its default | tiers are known at the edge; write `rate:` here",
        ],
    );
    expect_sidecar(
        &[
            "inbound: { bind: 0.0.0.0:15108, limits: [x] }",
            "limits: { x: { key: peer, rate: 5/s, scope: global } }",
        ],
        &[
            "6:45 [global] conflict: limit `x` counts in all processes together, but there is no store to count in | add `stores: { redis: { url: env:REDIS_URL, on_failure: divide } }`, or write `scope: instance`: each process for itself",
        ],
    );
}

#[test]
fn what_comes_in_to_a_sidecar_asks_limits_as_a_route_does() {
    expect_sidecar(
        &[
            "inbound: { bind: 0.0.0.0:15108, limits: [+x] }",
            "limits: { x: { key: peer, rate: 5/s, scope: instance } }",
        ],
        &["4:42 [+x] bad-value: there is nothing here to add to | write `x`"],
    );
    expect_sidecar(
        &[
            "inbound: { bind: 0.0.0.0:15108, limits: [x, y, z] }",
            "limits: { x: { key: peer, rate: 5/s, scope: instance }, y: { key: peer, rate: 9/s, scope: instance } }",
        ],
        &[
            "4:48 [z] unknown-name: there is no limit `z` | did you mean `x`?",
            "4:45 [y] suspicious: limit `y` never refuses anything on `inbound:`: `x` counts the same and is as tight or tighter | remove it, or change its key or its window",
        ],
    );
    expect_sidecar(
        &[
            "inbound: { bind: 0.0.0.0:15108, limits: [{ limit: x, cost: 6 }] }",
            "limits: { x: { key: peer, rate: 5/s, scope: instance }, y: { key: peer, rate: 9/s, scope: instance } }",
        ],
        &[
            "4:60 [6] bad-value: a request that costs 6 could never be admitted by limit `x` | there are never more than 5 at once; write a smaller cost or a larger limit",
            "6:57 [y] suspicious: nobody asks limit `y` | remove it, or write `limits: [y]` in `inbound:`",
        ],
    );
    expect_sidecar(
        &[
            "inbound: { bind: 0.0.0.0:15108, permissive: false }",
            "limits: { x: { key: peer, rate: 5/s, scope: instance } }",
        ],
        &["6:11 [x] suspicious: nobody asks limit `x` | remove it, or write `limits: [x]` in `inbound:`"],
    );
    expect_sidecar(
        &[
            "workload: { service: order, app: 127.0.0.1:8080, protocol: tcp }",
            "inbound: { bind: 0.0.0.0:15108, limits: [x] }",
            "limits: { x: { key: peer, rate: 5/s, scope: instance } }",
        ],
        &["4:41 [[] conflict: `limits` is about HTTP, but the workload speaks tcp | remove it"],
    );
}

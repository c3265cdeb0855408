//! Which request goes where, end to end.

use portcullis_tests::{Client, Edge, H2, Response, Upstream};
use std::collections::HashMap;

/// Who answered, or the status when nobody did.
fn who(answer: &Response) -> String {
    answer.header("x-upstream").map_or_else(|| answer.status.to_string(), str::to_owned)
}

#[test]
fn hosts_go_before_wildcards_and_wildcards_before_any() {
    let (exact, wild, any) = (Upstream::named("exact"), Upstream::named("wild"), Upstream::named("any"));
    let edge = Edge::with(|c| {
        c.service("any", &any)
            .service("wild", &wild)
            .service("exact", &exact)
            .route_with("any", "GET /**", "to: any")
            .route_with("wild", "GET /**", "to: wild, hosts: [\"*.shop.test\"]")
            .route_with("exact", "GET /**", "to: exact, hosts: [www.shop.test]")
    });

    for (host, expected) in [
        ("www.shop.test", "exact"),
        ("WWW.Shop.Test", "exact"),
        ("www.shop.test.", "exact"),
        ("www.shop.test:8080", "exact"),
        ("api.shop.test", "wild"),
        ("a.b.shop.test", "any"),
        ("shop.test", "any"),
        ("other.test", "any"),
    ] {
        assert_eq!(who(&Client::get("/").host(host).send(edge.address())), expected, "{host}");
    }
}

#[test]
fn exact_paths_go_before_longer_prefixes_and_those_before_shorter_ones() {
    let ups =
        ["root", "short", "long", "exact", "template", "regex"].map(|name| (name, Upstream::named(name)));
    let edge = Edge::with(|c| {
        ups.iter()
            .fold(c, |c, (name, upstream)| c.service(name, upstream))
            .route("GET /**", "root")
            .route("GET /shop/**", "short")
            .route("GET /shop/tea/**", "long")
            .route("GET /shop/tea/green", "exact")
            .route("GET /users/{id}/profile", "template")
            .route("GET ~/v[0-9]+/status", "regex")
    });

    for (path, expected) in [
        ("/", "root"),
        ("/shop", "short"),
        ("/shop/", "short"),
        ("/shopping", "root"),
        ("/shop/tea", "long"),
        ("/shop/tea/black", "long"),
        ("/shop/teapot", "short"),
        ("/shop/tea/green", "exact"),
        ("/shop/tea/green/", "long"),
        ("/users/7/profile", "template"),
        ("/users/7/8/profile", "root"),
        ("/users//profile", "400"),
        ("/v1/status", "regex"),
        ("/v12/status", "regex"),
        ("/v1/statusx", "root"),
        ("/x/v1/status", "root"),
    ] {
        assert_eq!(who(&edge.get(path)), expected, "{path}");
    }
}

#[test]
fn conditions_on_headers_and_queries_go_before_none() {
    let ups = ["plain", "beta", "any-beta", "debug", "both"].map(|name| (name, Upstream::named(name)));
    let edge = Edge::with(|c| {
        ups.iter()
            .fold(c, |c, (name, upstream)| c.service(name, upstream))
            .route("GET /x", "plain")
            .route_with("beta", "GET /x", "to: beta, when: { header: { X-Beta: \"1\" } }")
            .route_with("debug", "GET /z", "to: debug, when: { query: { debug: \"yes\" } }")
            .route_with(
                "both",
                "GET /x",
                "to: both, when: { header: { X-Beta: \"1\" }, query: { debug: \"yes\" } }",
            )
            .route_with("any-beta", "GET /y", "to: any-beta, when: { header: { X-Beta: \"*\" } }")
    });
    let get = |path: &str, beta: Option<&str>| {
        let client = Client::get(path);
        who(&beta.map_or(client.clone(), |value| client.header("x-beta", value)).send(edge.address()))
    };

    assert_eq!(get("/x", None), "plain");
    assert_eq!(get("/x", Some("1")), "beta");
    assert_eq!(get("/x", Some("2")), "plain");
    assert_eq!(get("/x?debug=yes", None), "plain", "one condition is not two");
    assert_eq!(get("/z?debug=yes", None), "debug");
    assert_eq!(get("/z?debug=no&debug=yes", None), "404", "the first occurrence counts");
    assert_eq!(get("/z?debug=%79es", None), "debug", "decoded");
    assert_eq!(get("/x?debug=yes", Some("1")), "both");
    assert_eq!(get("/y", Some("whatever")), "any-beta");
    assert_eq!(get("/y", None), "404");
}

#[test]
fn methods_are_told_apart_and_the_others_are_named_in_allow() {
    let (reads, writes) = (Upstream::named("reads"), Upstream::named("writes"));
    let edge = Edge::with(|c| {
        c.service("reads", &reads)
            .service("writes", &writes)
            .route("GET /orders", "reads")
            .route("POST|PUT /orders", "writes")
            .route("* /any", "writes")
    });
    let send = |method: &str, path: &str| Client::new(method, path).body("").send(edge.address());

    assert_eq!(who(&send("GET", "/orders")), "reads");
    assert_eq!(who(&send("HEAD", "/orders")), "reads", "GET takes HEAD");
    assert_eq!(who(&send("PUT", "/orders")), "writes");
    assert_eq!(who(&send("BREW", "/any")), "writes");
    let refused = send("DELETE", "/orders");
    assert_eq!(refused.status, 405);
    let mut allow: Vec<&str> = refused.header("allow").expect("Allow").split(", ").collect();
    allow.sort_unstable();
    assert_eq!(allow, ["GET", "HEAD", "POST", "PUT"]);
}

#[test]
fn a_split_keeps_its_shares_and_a_sticky_caller_its_side() {
    let (old, new) = (Upstream::named("old"), Upstream::named("new"));
    let split = "split: [{ to: old, weight: 80 }, { to: new, weight: 20 }]";
    let edge = Edge::with(|c| {
        c.service("old", &old)
            .service("new", &new)
            .route_with("free", "GET /free", split)
            .route_with("header", "GET /header", &format!("{split}, sticky: {{ header: X-User }}"))
            .route_with("cookie", "GET /cookie", &format!("{split}, sticky: {{ cookie: session }}"))
            .route_with("none", "GET /none", "split: [{ to: old, weight: 1 }, { to: new, weight: 0 }]")
    });
    let mut shares: HashMap<String, usize> = HashMap::new();
    for _ in 0..300 {
        *shares.entry(who(&edge.get("/free"))).or_default() += 1;
    }
    assert!((20..110).contains(&shares["new"]), "{shares:?}");

    let mut sides: HashMap<String, usize> = HashMap::new();
    for user in 0..60 {
        let by_header =
            || who(&Client::get("/header").header("X-User", &format!("u{user}")).send(edge.address()));
        let cookie = format!("a=b; session=s{user}; c=d");
        let by_cookie = || who(&Client::get("/cookie").header("Cookie", &cookie).send(edge.address()));
        let (side, other) = (by_header(), by_cookie());
        assert!((0..5).all(|_| by_header() == side && by_cookie() == other), "user {user} changed sides");
        *sides.entry(side).or_default() += 1;
    }
    assert!((1..30).contains(&sides["new"]), "{sides:?}");
    assert!((0..50).all(|_| who(&edge.get("/none")) == "old"));
}

#[test]
fn a_path_is_rewritten_and_its_query_kept() {
    let upstream = Upstream::echo();
    let edge = Edge::with(|c| {
        c.service("api", &upstream)
            .route_with("rest", "GET /products/**", "to: api, path: /api/v2/**")
            .route_with("param", "GET /users/{id}/orders/{order}", "to: api, path: \"/o/{order}/of/{id}\"")
            .route_with("fixed", "GET /fixed", "to: api, path: /elsewhere")
    });

    for (path, sent) in [
        ("/products", "/api/v2"),
        ("/products/", "/api/v2/"),
        ("/products/1/2?a=b&c=%2F", "/api/v2/1/2?a=b&c=%2F"),
        ("/users/7/orders/x%20y", "/o/x%20y/of/7"),
        ("/fixed?q", "/elsewhere?q"),
    ] {
        let answer = edge.get(path);
        assert_eq!((answer.status, answer.json()["target"].as_str()), (200, Some(sent)), "{path}");
    }
}

#[test]
fn headers_are_removed_and_set_in_both_directions() {
    let upstream = Upstream::answering(|_| {
        portcullis_tests::Reply::new(200).header("Server", "secret/1.0").header("X-Kept", "yes").body("ok")
    });
    let edge = Edge::with(|c| {
        c.top("defaults: { headers: { request: { set: { X-Caller: gateway } }, response: { remove: [Server] } } }")
            .service("api", &upstream)
            .route_with("one", "GET /one", "to: api, headers: { request: { remove: [X-Drop], set: { X-Caller: one } }, response: { set: { X-From: edge } } }")
            .route_with("two", "GET /two", "to: api")
    });

    let one = Client::get("/one").header("X-Drop", "1").header("X-Caller", "forged").send(edge.address());
    edge.get("/two");

    assert_eq!(
        (one.header("server"), one.header("x-kept"), one.header("x-from")),
        (None, Some("yes"), Some("edge"))
    );
    let requests = upstream.requests();
    assert_eq!((requests[0].headers.all("x-caller"), requests[0].header("x-drop")), (vec!["one"], None));
    assert_eq!(requests[1].headers.all("x-caller"), ["gateway"]);
}

#[test]
fn a_deprecated_route_says_so() {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|c| {
        c.service("api", &upstream)
            .route_with("old", "GET /v1/**", "to: api, deprecated: { since: 2026-10-01, sunset: 2027-04-01, link: \"https://shop.test/moved\" }")
            .route("GET /v2/**", "api")
    });

    let (old, new) = (edge.get("/v1/x"), edge.get("/v2/x"));

    assert_eq!(old.header("deprecation"), Some("@1790812800"));
    assert_eq!(old.header("sunset"), Some("Thu, 01 Apr 2027 00:00:00 GMT"));
    assert_eq!(old.header("link"), Some("<https://shop.test/moved>; rel=\"deprecation\""));
    assert!(["deprecation", "sunset", "link"].iter().all(|name| new.header(name).is_none()));
    assert_eq!(edge.metric("portcullis_deprecated_route_requests_total", &[("http_route", "old")]), 1.0);
}

#[test]
fn over_http_2_the_same_routes_hold() {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let edge = Edge::with(|c| {
        c.service("a", &a).service("b", &b).route_with("a", "GET /x/**", "to: a, hosts: [a]").route_with(
            "b",
            "POST /x/**",
            "to: b",
        )
    });
    let client = H2::connect(edge.address());

    assert_eq!(client.get("/x/1").header("x-upstream"), Some("a"));
    assert_eq!(client.post("/x/1", "body").header("x-upstream"), Some("b"));
    assert_eq!(client.get("/none").status, 404);
}

#[test]
fn ten_thousand_routes_stay_fast() {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|c| {
        (0..10_000).fold(c.service("api", &upstream), |c, i| {
            c.route_with(&format!("r{i}"), &format!("GET /area{}/item{i}/{{id}}", i % 100), "to: api")
        })
    });
    let before = edge.cpu();

    for i in (0..10_000).step_by(50) {
        assert_eq!(edge.get(&format!("/area{}/item{i}/7", i % 100)).status, 200, "{i}");
    }

    let spent = (edge.cpu() - before) / 200;
    assert!(spent < std::time::Duration::from_millis(10), "{spent:?} a request");
}

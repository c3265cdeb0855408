//! Attacks on who the client is said to be: rows I01 to I09.
//!
//! I05 (several values of a role header) belongs to authorization, which there is not yet. Choices: an `X-Forwarded-For` of an
//! untrusted peer is replaced, of a trusted one continued; a hop-by-hop list takes out what it names, but no protected name.

use portcullis_tests::{Client, Config, Edge, Request, Upstream, field};

fn scene(config: impl FnOnce(Config) -> Config) -> (Upstream, Edge) {
    let upstream = Upstream::echo();
    let edge = Edge::with(|c| config(c).service("api", &upstream).route("* /**", "api"));
    (upstream, edge)
}

/// The request as it arrived upstream.
fn arrived(config: impl FnOnce(Config) -> Config, client: &Client) -> (Request, Edge) {
    let (upstream, edge) = scene(config);
    let answer = client.send(edge.address());
    assert_eq!(answer.status, 200, "{}", answer.text());
    (upstream.request(), edge)
}

const TRUSTED: &str = "trust: { proxies: [127.0.0.0/8] }";

#[test]
fn forwarding_headers_of_an_untrusted_peer_are_replaced() {
    let many = vec!["6.6.6.6"; 2000].join(", ");
    let client = Client::get("/")
        .header("X-Forwarded-For", &many)
        .header("X-Forwarded-For", "6.6.6.6")
        .header("Forwarded", "for=6.6.6.6;proto=https")
        .header("X-Real-IP", "6.6.6.6")
        .header("True-Client-IP", "6.6.6.6")
        .header("X-Forwarded-Proto", "https")
        .header("X-FORWARDED-PROTO", "wss")
        .header("X-Forwarded-Host", "evil");

    let (request, edge) = arrived(|c| c, &client);

    assert_eq!(request.headers.all("x-forwarded-for"), ["127.0.0.1"], "I01");
    assert_eq!(request.headers.all("x-forwarded-proto"), ["http"], "I02");
    assert_eq!(request.headers.all("x-forwarded-host"), ["a"], "I01");
    assert!(request.headers.0.iter().all(|(_, value)| !value.contains("6.6.6.6")), "I01 {request:?}");
    let line = edge.wait_for_lines(1).remove(0);
    assert_eq!(field(&line, "client.address"), "127.0.0.1", "I01");
}

#[test]
fn a_trusted_peer_is_believed_as_many_hops_as_the_file_says_counted_from_the_right() {
    let client = Client::get("/")
        .header("X-Forwarded-For", "1.1.1.1, 6.6.6.6")
        .header("X-Forwarded-For", "7.7.7.7")
        .header("X-Forwarded-Proto", "https");
    let cases = [
        (1, "127.0.0.0/8, 7.0.0.0/8", "7.7.7.7"),
        (2, "127.0.0.0/8, 7.0.0.0/8", "6.6.6.6"),
        // A hop that nobody trusts is the client, however many may follow.
        (2, "127.0.0.0/8", "7.7.7.7"),
        (3, "127.0.0.0/8, 7.0.0.0/8, 6.6.0.0/16", "1.1.1.1"),
        (9, "127.0.0.0/8, 7.0.0.0/8, 6.6.0.0/16, 1.1.1.0/24", "1.1.1.1"),
    ];

    for (hops, proxies, expected) in cases {
        let trust = format!("trust: {{ proxies: [{proxies}], hops: {hops} }}");
        let (request, edge) = arrived(|c| c.top(&trust), &client);

        let list = request.headers.all("x-forwarded-for").join(", ");
        assert!(list.ends_with("7.7.7.7, 127.0.0.1"), "I01 {hops} hops: {list}");
        assert_eq!(request.headers.all("x-forwarded-proto"), ["https"], "I01 {hops} hops");
        assert_eq!(field(&edge.wait_for_lines(1)[0], "client.address"), expected, "I01 {hops} hops");
        assert_eq!(field(&edge.access_log()[0], "network.peer.address"), "127.0.0.1", "I01 {hops} hops");
    }
}

#[test]
fn an_address_list_that_is_none_falls_back_to_the_peer() {
    for value in ["nonsense", "1.2.3.4.5", "", ",", "6.6.6.6, <script>", "[::1", "6.6.6.6:99999"] {
        let client = Client::get("/").header("X-Forwarded-For", value);

        let (_, edge) = arrived(|c| c.top(TRUSTED), &client);

        assert_eq!(field(&edge.wait_for_lines(1)[0], "client.address"), "127.0.0.1", "I01 {value:?}");
    }
}

#[test]
fn a_hop_by_hop_list_that_names_a_protected_field_is_refused() {
    let (upstream, edge) = scene(|c| c);
    for name in ["X-Auth-User", "x_user_id", "X-Forwarded-For", "txn-token"] {
        let client = Client::get("/").header("Connection", &format!("close, {name}"));

        let answer = client.send(edge.address());

        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_hop_by_hop_list_takes_out_what_it_names_but_nothing_that_speaks_of_the_client() {
    let listed = "close, AUTHORIZATION, Host, X-Request-Id, Traceparent, Cookie, Content-Type, X-Private";
    let client = Client::get("/")
        .header("Connection", listed)
        .header("Authorization", "Bearer t")
        .header("Cookie", "a=b")
        .header("X-Private", "1")
        .header("X-User-Id", "root")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("Proxy-Authorization", "Basic eDp5")
        .header("TE", "trailers, gzip");

    let (request, _edge) = arrived(|c| c, &client);

    for name in ["authorization", "host", "x-forwarded-for", "x-request-id", "traceparent"] {
        assert!(request.headers.has(name), "I03 {name} is gone: {request:?}");
    }
    for name in
        ["connection", "keep-alive", "proxy-connection", "proxy-authorization", "x-private", "x-user-id"]
    {
        assert!(!request.headers.has(name), "I03 {name} went up: {request:?}");
    }
}

#[test]
fn headers_that_change_the_meaning_of_a_request_do_not_come_from_outside() {
    let names = [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Forwarded-Prefix",
        "X-Forwarded-Client-Cert",
        "X-Auth-User",
        "X-Auth-Roles",
        "X-User-Id",
        "X-Portcullis-Upstream",
        "Portcullis-Stamps",
        "X-Envoy-Upstream-Rq-Timeout-Ms",
        "X-Envoy-Retry-On",
        "Txn-Token",
        "Proxy",
    ];
    let client = names.iter().fold(Client::get("/"), |client, name| client.header(name, "/admin"));

    let (request, _edge) = arrived(|c| c, &client);

    for name in names {
        assert!(!request.headers.has(name), "I04 I06 {name} went up");
    }
}

#[test]
fn a_request_that_went_round_in_a_circle_is_ended() {
    let (upstream, edge) = scene(|c| c);
    let circle = vec!["1.1 portcullis"; 20].join(", ");

    let round = Client::get("/").header("Via", &circle).send(edge.address());
    let foreign = Client::get("/").header("Via", "1.1 proxy.example").send(edge.address());

    assert_eq!((round.status, foreign.status), (508, 200), "I07 {}", round.text());
    assert_eq!(upstream.request().headers.all("via").join(", "), "1.1 proxy.example, 1.1 portcullis", "I07");
}

#[test]
fn a_strange_grpc_timeout_neither_hangs_nor_overflows() {
    let (_upstream, edge) = scene(|c| c);

    for value in ["99999999999S", "-1m", "1x", "", "S", "18446744073709551616n"] {
        let answer = Client::post("/", "")
            .header("content-type", "application/grpc")
            .header("grpc-timeout", value)
            .send(edge.address());
        assert!(matches!(answer.status, 200 | 400), "I08 {value:?}: {}", answer.status);
    }

    assert!(edge.is_running(), "I08");
}

#[test]
fn what_a_client_calls_itself_stays_inside_its_log_line() {
    let (_upstream, edge) = scene(|c| c);
    let agents = ["\"}{\"x\":\"", "\\\" \\n \\u0000", "%0a%0d", "\u{202e}txt.exe", "a\tb"];

    for agent in agents {
        assert_eq!(
            Client::get("/").header("User-Agent", agent).send(edge.address()).status,
            200,
            "I09 {agent:?}"
        );
    }
    let escape = Client::get("/").header("User-Agent", "\x1b[31m").send(edge.address());

    // `wait_for_lines` fails for a line that is not one JSON object.
    let lines = edge.wait_for_lines(agents.len() + 1);
    assert_eq!(escape.status, 400, "I09");
    for agent in agents {
        let found = lines.iter().any(|line| field(line, "user_agent.original") == agent);
        assert!(found, "I09 {agent:?} is in no line: {lines:#?}");
    }
}

#[test]
fn a_request_id_and_a_trace_are_kept_from_trusted_peers_only_and_only_when_sound() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let sent =
        |id: &str, trace: &str| Client::get("/").header("X-Request-Id", id).header("traceparent", trace);

    let (untrusted, _edge) = arrived(|c| c, &sent("abc-123", trace));
    assert_ne!(untrusted.header("x-request-id"), Some("abc-123"), "I06");

    let (trusted, _edge) = arrived(|c| c.top(TRUSTED), &sent("abc-123", trace));
    assert_eq!(trusted.header("x-request-id"), Some("abc-123"), "I06");
    let parent = trusted.header("traceparent").expect("a traceparent").to_owned();
    assert!(
        parent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && !parent.contains("b7ad6b7169203331"),
        "{parent}"
    );

    for (id, trace) in [
        ("a b\"<x>", "00-xyz"),
        (&"a".repeat(1000), "00-00000000000000000000000000000000-b7ad6b7169203331-01"),
    ] {
        let (request, _edge) = arrived(|c| c.top(TRUSTED), &sent(id, trace));
        let kept = request.header("x-request-id").expect("a request id");
        let parent = request.header("traceparent").expect("a traceparent");
        assert!(kept != id && !kept.is_empty() && kept.len() <= 128, "I06 {kept:?}");
        assert!(
            parent.len() == 55
                && !parent.contains("00000000000000000000000000000000")
                && parent.starts_with("00-"),
            "{parent}"
        );
    }
}

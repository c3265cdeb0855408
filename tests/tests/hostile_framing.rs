//! Attacks on the framing of HTTP/1 requests: rows F01 to F31.
//!
//! Choices where the list leaves one: CL with TE is 400; an unknown coding 501; equal lengths 400, `010` too;
//! HTTP/1.0 is 505 unless the file keeps it, 400 when its framing is in doubt as well; TRACE and CONNECT are 405; what an absolute target says must be what Host says.

use crate::hostile::Expect::{Closed, Forwarded, ForwardedThenClosed, Refused};
use crate::hostile::{Row, chunked, get, post, row, run, scene};
use portcullis_tests::{Client, Raw, wait};

const BAD: &[u16] = &[400];
const CODING: &[u16] = &[400, 501];
const LARGE: &[u16] = &[431];

#[test]
fn a_request_with_two_lengths_or_an_odd_one_is_refused_and_the_connection_closed() {
    let (upstream, edge) = scene(|c| c);
    let hidden = "0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut rows = vec![
        row(
            "F01",
            "CL.TE",
            post(format!("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n{hidden}")),
            Closed(BAD),
        ),
        row(
            "F02",
            "TE.CL",
            post(format!("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n{hidden}")),
            Closed(BAD),
        ),
        row(
            "F02",
            "case",
            post(format!("Content-Length: 6\r\ntRANSFER-eNCODING: chunked\r\n\r\n{hidden}")),
            Closed(BAD),
        ),
        row(
            "F03",
            "two lengths",
            post("Content-Length: 5\r\nContent-Length: 10\r\n\r\nhelloworld"),
            Closed(BAD),
        ),
        row("F04", "a list", post("Content-Length: 5, 5\r\n\r\nhello"), Closed(BAD)),
        row(
            "F04",
            "twice the same",
            post("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
            Closed(BAD),
        ),
    ];
    for length in ["+5", "-0", "0x5", "5_0", "1 0", "", "5;", "18446744073709551616", "5\t5", "٥", "010"] {
        rows.push(row(
            "F05",
            format!("{length:?}"),
            post(format!("Content-Length: {length}\r\n\r\nhello")),
            Closed(BAD),
        ));
    }

    run(rows, &upstream, &edge);
}

#[test]
fn a_transfer_coding_other_than_one_plain_chunked_is_refused() {
    let (upstream, edge) = scene(|c| c);
    let mut rows = Vec::new();
    let values = [
        "xchunked",
        "chunked, identity",
        ",chunked",
        "\x0bchunked",
        "chunked\0",
        "\"chunked\"",
        "chunked;q=1",
        "",
    ];
    for value in values.iter().map(|value| value.as_bytes()).chain([b"\xa0chunked".as_slice()]) {
        let line = [b"Transfer-Encoding: ".as_slice(), value, b"\r\n"].concat();
        let alone = [&line, b"\r\n5\r\nhello\r\n0\r\n\r\n".as_slice()].concat();
        let both = [&line, b"Content-Length: 5\r\n\r\nhello".as_slice()].concat();
        let name = String::from_utf8_lossy(value).escape_debug().to_string();
        rows.push(row("F06", &name, post(alone), Closed(CODING)));
        rows.push(row("F06", format!("{name} with a length"), post(both), Closed(CODING)));
    }
    for (id, lines) in [
        ("F07", "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow"),
        ("F07", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ("F07", "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked"),
        ("F09", "Transfer-Encoding: gzip, chunked"),
        ("F16", "Transfer-Encoding:\r\n chunked"),
    ] {
        rows.push(row(id, lines, post(format!("{lines}\r\n\r\n5\r\nhello\r\n0\r\n\r\n")), Closed(CODING)));
    }
    rows.push(row(
        "F06",
        "CHUNKED is chunked",
        post("Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        Forwarded(1),
    ));

    run(rows, &upstream, &edge);
}

#[test]
fn a_header_name_with_an_underscore_goes_as_the_file_says_but_framing_and_identity_never() {
    let framing = post("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello");
    let cases = [
        ("refuse", Closed(BAD), Closed(BAD), false),
        ("drop", Forwarded(1), Forwarded(1), false),
        ("keep", Forwarded(1), Forwarded(1), true),
    ];
    for (word, expect, identity, seen) in cases {
        let (upstream, edge) = scene(|c| c.top(&format!("strict: {{ underscores: {word} }}")));
        run(
            vec![
                row("F08", format!("Transfer_Encoding, {word}"), &framing, Closed(BAD)),
                row("I02", format!("X_Auth_User, {word}"), get("X_Auth_User: root"), identity),
                row("I02", format!("X_Forwarded_Proto, {word}"), get("X_Forwarded_Proto: https"), identity),
                row("I02", format!("Some_Name, {word}"), get("Some_Name: 1"), expect),
            ],
            &upstream,
            &edge,
        );
        let raw = upstream.raw_text().to_lowercase();
        assert_eq!(raw.contains("some_name: 1"), seen, "{word}");
        assert!(!raw.contains("x_auth") && !raw.contains("root") && !raw.contains("x_forwarded"), "{word}");
    }
}

#[test]
fn http_1_0_is_refused_unless_kept_and_even_then_never_framed_by_the_end_of_the_connection() {
    let get = "GET /pub HTTP/1.0\r\nHost: a\r\n\r\n";
    let nameless = "GET /pub HTTP/1.0\r\n\r\n";
    let coded = "POST /pub HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let endless = "POST /pub HTTP/1.0\r\nHost: a\r\n\r\nhello";
    let framed = |statuses| -> Vec<Row> {
        vec![
            row("F10", "transfer coding", coded, Closed(statuses)),
            row("F10", "a body without length", endless, Closed(statuses)),
        ]
    };
    let (upstream, edge) = scene(|c| c);
    let mut rows = framed(&[400, 505]);
    rows.push(row("F10", "GET", get, Closed(&[505])));
    rows.push(row("F30", "no Host", nameless, Closed(&[400, 505])));
    run(rows, &upstream, &edge);

    let (upstream, edge) = scene(|c| c.top("strict: { http10: keep }"));
    run(framed(BAD), &upstream, &edge);
    for sent in [get, nameless] {
        let mut raw = Raw::connect(edge.address());
        raw.send(sent);
        let answer = String::from_utf8_lossy(&raw.until_closed()).into_owned();
        assert!(answer.starts_with("HTTP/1.0 200 ") || answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(!answer.to_lowercase().contains("transfer-encoding"), "{answer}");
    }
}

#[test]
fn a_chunk_that_is_not_exactly_one_is_refused() {
    let (upstream, edge) = scene(|c| c);
    let mut rows = Vec::new();
    for size in ["0x5", "+5", "5_0", " 5", "", "fffffffffffffffff", "-1", "g", "5\t", "5 "] {
        rows.push(row(
            "F11",
            format!("{size:?}"),
            chunked(format!("{size}\r\nhello\r\n0\r\n\r\n")),
            Closed(BAD),
        ));
    }
    for extension in [";", ";\0a", ";a\rX", ";\nhello"] {
        let name = extension.escape_debug().to_string();
        rows.push(row("F12", name, chunked(format!("5{extension}\r\nhello\r\n0\r\n\r\n")), Closed(BAD)));
    }
    let long = ";a=b".repeat(16 * 1024);
    rows.push(row(
        "F12",
        "64 KiB of extensions",
        chunked(format!("5{long}\r\nhello\r\n0\r\n\r\n")),
        Closed(BAD),
    ));
    let many = format!("1;{}\r\nx\r\n", "e".repeat(64)).repeat(10_000);
    rows.push(row(
        "F12",
        "64 B of extension for each byte",
        chunked(format!("{many}0\r\n\r\n")),
        Closed(BAD),
    ));
    rows.push(row(
        "F12",
        "one sound extension is taken out",
        chunked("5;a=b\r\nhello\r\n0\r\n\r\n"),
        Forwarded(1),
    ));
    rows.push(row("F13", "longer", chunked("5\r\nhelloXX\r\n0\r\n\r\n"), Closed(BAD)));
    rows.push(row("F13", "no CRLF", chunked("5\r\nhello0\r\n\r\n"), Closed(BAD)));
    rows.push(row("F13", "LF only", chunked("5\nhello\n0\n\n"), Closed(BAD)));
    rows.push(row("F13", "LF after the data", chunked("5\r\nhello\n0\r\n\r\n"), Closed(BAD)));

    run(rows, &upstream, &edge);
}

#[test]
fn trailers_never_become_headers_and_have_a_limit() {
    let (upstream, edge) = scene(|c| c);
    let forged = "Authorization: x\r\nHost: evil\r\nContent-Length: 9\r\nX-Forwarded-For: 6.6.6.6\r\nx-real-ip: 6.6.6.6\r\n";
    let forgery = chunked(format!("5\r\nhello\r\n0\r\n{forged}\r\n"));
    let many: String = (0..100_000).map(|i| format!("t{i}: 1\r\n")).collect();
    let big = format!("t: {}\r\n", "x".repeat(1 << 20));
    let rss = edge.rss();

    run(
        vec![
            row("F14", "forged trailers", forgery, Forwarded(1)),
            row(
                "F15",
                "100,000 trailers",
                chunked(format!("5\r\nhello\r\n0\r\n{many}\r\n")),
                Closed(&[400, 431]),
            ),
            row(
                "F15",
                "a trailer of 1 MiB",
                chunked(format!("5\r\nhello\r\n0\r\n{big}\r\n")),
                Closed(&[400, 431]),
            ),
        ],
        &upstream,
        &edge,
    );

    for request in upstream.requests() {
        assert!(request.trailers.0.is_empty(), "{request:?}");
        assert!(!request.headers.has("authorization") && request.header("host") == Some("a"), "{request:?}");
        assert!(
            request.header("x-forwarded-for") == Some("127.0.0.1") && !request.headers.has("x-real-ip"),
            "{request:?}"
        );
    }
    assert!(edge.rss() < rss + (8 << 20), "{} -> {}", rss, edge.rss());
}

#[test]
fn a_header_line_that_is_none_is_refused() {
    let (upstream, edge) = scene(|c| c);
    let long = "n".repeat(70_000);
    let mut rows = vec![
        row("F16", "folded value", get("X: a\r\n b"), Closed(BAD)),
        row("F17", "blank before the colon", post("Content-Length : 5\r\n\r\nhello"), Closed(BAD)),
        row("F17", "tab before Host", "GET /pub HTTP/1.1\r\n\tHost: a\r\n\r\n", Closed(BAD)),
        row(
            "F17",
            "blank before the first header",
            "GET /pub HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n",
            Closed(BAD),
        ),
        row("F18", "no colon", get("nonsense"), Closed(BAD)),
        row("F18", "brackets", get("X[]: y"), Closed(BAD)),
        row("F18", "high byte", get(b"X\x85: y"), Closed(BAD)),
        row("F18", "70,000 bytes", get(format!("{long}: y")), Closed(LARGE)),
        row("F19", "empty name", post(": x\r\nContent-Length: 5\r\n\r\nhello"), Closed(BAD)),
    ];
    for value in ["a\0b", "a\rb", "a\x7fb", "\x0b"] {
        rows.push(row("F19", value.escape_debug().to_string(), get(format!("X: {value}")), Closed(BAD)));
    }
    rows.push(row("F20", "bare LF", "GET /pub HTTP/1.1\nHost: a\n\n", Closed(BAD)));
    rows.push(row("F20", "one bare LF", "GET /pub HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", Closed(BAD)));
    rows.push(row("F20", "LF at the end", "GET /pub HTTP/1.1\r\nHost: a\r\n\n", Closed(BAD)));

    run(rows, &upstream, &edge);
}

#[test]
fn pipelined_requests_are_answered_in_order_up_to_the_first_malformed_one() {
    let (upstream, edge) = scene(|c| c);
    let good = get("X: 1");
    let bad =
        b"GET /pub HTTP/1.1\r\nHost: a\r\nbroken\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n".as_slice();

    run(
        vec![
            row("F21", "two", [&good[..], &good].concat(), Forwarded(2)),
            row("F21", "the second is malformed", [&good[..], bad].concat(), ForwardedThenClosed(1, BAD)),
            row(
                "F21",
                "the fourth is malformed",
                [&good[..], &good, &good, bad].concat(),
                ForwardedThenClosed(3, BAD),
            ),
        ],
        &upstream,
        &edge,
    );
}

#[test]
fn a_refused_request_with_a_body_never_poisons_the_next_one() {
    let (upstream, edge) = scene(|c| c.more_listeners("redirect: https"));
    let hidden = "GET /admin HTTP/1.1\r\nHost: a\r\nX: ";
    let body =
        format!("Content-Length: {}\r\n\r\n{hidden}GET /pub HTTP/1.1\r\nHost: a\r\n\r\n", hidden.len());
    let cases = [
        (0, "no route", format!("POST /private HTTP/1.1\r\nHost: a\r\n{body}"), 404),
        (0, "wrong method", format!("POST /hosted HTTP/1.1\r\nHost: a\r\n{body}"), 405),
        (1, "redirect", format!("POST /pub HTTP/1.1\r\nHost: a\r\n{body}"), 308),
    ];

    for (listener, name, bytes, status) in cases {
        let mut raw = Raw::connect(edge.listener(listener));
        raw.send(&bytes);
        assert_eq!(raw.response("POST").status, status, "F22 {name}");
        // Drained or closed: either way the hidden request is not one.
        if let Some(next) = raw.try_response("GET", wait::PATIENCE).expect("a sound answer") {
            assert!(matches!(next.status, 200 | 308), "F22 {name}: the next request got {}", next.status);
        }
        assert!(!upstream.saw("/admin"), "F22 {name}");
    }
    assert!(upstream.requests().iter().all(|request| request.target == "/pub"));
}

#[test]
fn expect_100_continue_is_honoured_and_never_answered_late() {
    let (upstream, edge) = scene(|c| c);
    let expect = "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    run(
        vec![
            row("F23", "with the body at once", post(format!("{expect}hello")), Forwarded(1)),
            row(
                "F23",
                "something else expected",
                post("Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello"),
                Closed(&[417]),
            ),
        ],
        &upstream,
        &edge,
    );

    let mut waiting = Raw::connect(edge.address());
    waiting.send(post(expect));
    wait::eventually("100 Continue", || {
        waiting.read(wait::now() + std::time::Duration::from_millis(50));
        waiting.inbox().starts_with(b"HTTP/1.1 100 ").then_some(())
    });
    waiting.send("hello");
    let answer = waiting.response("POST");
    assert_eq!((answer.status, answer.interim), (200, vec![100]), "F23 the body after the 100");

    let mut refused = Raw::connect(edge.address());
    refused.send(format!("POST /private HTTP/1.1\r\nHost: a\r\n{expect}"));
    let answer = refused.response("POST");
    assert_eq!((answer.status, answer.interim), (404, vec![]), "F23 a refusal needs no body");
    refused.half_close();
    assert_eq!(refused.until_closed(), b"", "F23 nothing after the final answer");
}

#[test]
fn nothing_is_upgraded_or_tunnelled() {
    let (upstream, edge) = scene(|c| c);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x";
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__";

    run(
        vec![
            row("F24", "websocket", get(upgrade), Forwarded(1)),
            row("F25", "h2c", get(h2c), Forwarded(1)),
            row(
                "F26",
                "CONNECT address",
                "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\nSSH-2.0-x\r\n",
                Closed(&[405]),
            ),
            row(
                "F26",
                "CONNECT name",
                "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03\x01",
                Closed(&[405]),
            ),
            row("F26", "TRACE", "TRACE /pub HTTP/1.1\r\nHost: a\r\n\r\n", Closed(&[405])),
        ],
        &upstream,
        &edge,
    );

    for request in upstream.requests() {
        for name in ["upgrade", "connection", "http2-settings"] {
            assert!(!request.headers.has(name), "F25 {name}: {request:?}");
        }
    }
}

#[test]
fn after_an_upgrade_that_was_not_granted_the_next_bytes_are_a_request_of_their_own() {
    let (upstream, edge) = scene(|c| c);
    let mut raw = Raw::connect(edge.address());

    raw.send(
        [
            get("Connection: Upgrade\r\nUpgrade: websocket").as_slice(),
            b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n",
        ]
        .concat(),
    );

    assert_eq!(raw.response("GET").status, 200, "F24");
    assert_eq!(raw.response("GET").status, 404, "F24");
    assert!(!upstream.saw("/admin"), "F24");
}

#[test]
fn a_target_has_one_form_and_names_the_host_that_host_names() {
    let (upstream, edge) = scene(|c| c);
    let target = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    run(
        vec![
            row(
                "F27",
                "another authority",
                "GET http://internal/admin HTTP/1.1\r\nHost: public\r\n\r\n",
                Closed(BAD),
            ),
            row("F27", "absolute form of the same host", target("http://a/pub?x=1"), Forwarded(1)),
            row("F27", "two slashes", target("//evil/pub"), Refused(BAD)),
            row("F27", "gopher", target("gopher://a/pub"), Closed(BAD)),
            row("F27", "userinfo", target("http://u@a/pub"), Closed(BAD)),
            row("F28", "GET *", target("*"), Closed(BAD)),
            row("F28", "query only", target("?x"), Closed(BAD)),
            row("F28", "fragment only", target("#x"), Closed(BAD)),
            row("F28", "no slash", target("pub"), Closed(BAD)),
            row("F28", "blank inside", target("/pub x"), Closed(BAD)),
            row("F28", "empty", target(""), Closed(BAD)),
        ],
        &upstream,
        &edge,
    );
    let targets: Vec<String> = upstream.requests().into_iter().map(|request| request.target).collect();
    assert!(targets.contains(&"/pub?x=1".to_owned()), "{targets:?}");

    let answer = Client::new("OPTIONS", "*").send(edge.address());
    assert!(matches!(answer.status, 200 | 204), "F28 OPTIONS *: {}", answer.status);
}

#[test]
fn a_host_that_is_not_exactly_one_name_is_refused() {
    let (upstream, edge) = scene(|c| c);
    let host = |value: &str| format!("GET /pub HTTP/1.1\r\nHost: {value}\r\n\r\n");
    let mut rows = vec![
        row("F29", "twice the same", "GET /pub HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Closed(BAD)),
        row("F29", "twice", "GET /pub HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Closed(BAD)),
        row("F30", "none", "GET /pub HTTP/1.1\r\nX: y\r\n\r\n", Closed(BAD)),
        row("F29", "300 bytes", host(&"a".repeat(300)), Closed(BAD)),
    ];
    for value in
        ["a, b", "u@a", "a/x", "a:0", "a:65536", "", "[::1", "a b", "a?x", "a#x", "a%2eb", "a\\b", ":80"]
    {
        rows.push(row("F29", format!("{value:?}"), host(value), Closed(BAD)));
    }
    for value in ["a", "A", "a.", "A.", "a:80"] {
        let sent = format!("GET /hosted HTTP/1.1\r\nHost: {value}\r\n\r\n");
        rows.push(row("F29", format!("{value:?} is a"), sent, Forwarded(1)));
    }
    rows.push(row("F29", "b is not a", "GET /hosted HTTP/1.1\r\nHost: b\r\n\r\n", Refused(&[404])));

    run(rows, &upstream, &edge);
}

#[test]
fn a_request_line_that_is_none_is_refused_and_never_hangs() {
    let (upstream, edge) = scene(|c| c);
    let line = |line: &str| format!("{line}\r\nHost: a\r\n\r\n");
    let big = "x".repeat(100 << 10);
    let many: String = (0..10_000).map(|i| format!("h{i}: 1\r\n")).collect();
    run(
        vec![
            row("F31", "two blanks", line("GET  /pub HTTP/1.1"), Closed(BAD)),
            row("F31", "tab", line("GET\t/pub HTTP/1.1"), Closed(BAD)),
            row("F31", "blank at the end", line("GET /pub HTTP/1.1 "), Closed(BAD)),
            row("F31", "small letters", line("get /pub HTTP/1.1"), Closed(BAD)),
            row("F31", "1.2", line("GET /pub HTTP/1.2"), Closed(&[400, 505])),
            row("F31", "2.0", line("GET /pub HTTP/2.0"), Closed(&[400, 505])),
            row("F31", "http/1.1", line("GET /pub http/1.1"), Closed(&[400, 505])),
            row("F31", "0.9", "GET /pub\r\n", Closed(&[400, 505])),
            row("F31", "no HTTP at all", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", Closed(BAD)),
            row("F31", "method of 100 KiB", line(&format!("{big} /pub HTTP/1.1")), Closed(&[400, 431, 501])),
            row("F31", "target of 100 KiB", line(&format!("GET /pub/{big} HTTP/1.1")), Closed(&[414])),
            row("F31", "10,000 headers", get(many.trim_end()), Closed(LARGE)),
            row("F31", "header of 100 KiB", get(format!("X: {big}")), Closed(LARGE)),
            row(
                "F31",
                "many empty lines",
                [b"\r\n\r\n\r\n\r\n".as_slice(), &get("X: y")].concat(),
                Closed(BAD),
            ),
        ],
        &upstream,
        &edge,
    );
}

#[test]
fn a_body_over_the_limit_is_refused_whatever_its_framing() {
    let (upstream, edge) = scene(|c| c.route_with("small", "POST /small", "to: api, body: { max: 1KiB }"));
    let small = |rest: &str| format!("POST /small HTTP/1.1\r\nHost: a\r\n{rest}");
    let kibibyte = "x".repeat(1024);

    run(
        vec![
            row("F22", "announced", post("Content-Length: 10485761\r\n\r\n"), Closed(&[413])),
            row(
                "F22",
                "exactly the limit",
                small(&format!("Content-Length: 1024\r\n\r\n{kibibyte}")),
                Forwarded(1),
            ),
            row(
                "F22",
                "one more",
                small(&format!("Content-Length: 1025\r\n\r\n{kibibyte}x")),
                Refused(&[413]),
            ),
            row(
                "F22",
                "found out on the way",
                small(&format!("Transfer-Encoding: chunked\r\n\r\n400\r\n{kibibyte}\r\n1\r\nx\r\n0\r\n\r\n")),
                Refused(&[413]),
            ),
        ],
        &upstream,
        &edge,
    );
}

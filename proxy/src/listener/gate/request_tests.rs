//! Requests through the gate, a table for each kind of fault.

use super::*;

fn keep_all() -> RequestRules {
    RequestRules { underscores: Strictness::Keep, http10: Strictness::Keep, ..RequestRules::default() }
}

fn verdict(rules: RequestRules, input: &[u8]) -> Verdict {
    RequestGate::new(rules).inspect(input)
}

/// The fault of a message that comes in one piece; None if all of it passes.
fn fault(input: &[u8]) -> Option<Fault> {
    fault_under(RequestRules::default(), input)
}

fn fault_under(rules: RequestRules, input: &[u8]) -> Option<Fault> {
    match verdict(rules, input) {
        Verdict::Pass { sound } => {
            assert_eq!(sound, input.len(), "waits for more of {}", input.escape_ascii());
            None
        }
        Verdict::Refuse { sound, fault, in_body } => {
            assert_eq!((sound, in_body), (0, false), "passed some of {}", input.escape_ascii());
            Some(fault)
        }
    }
}

fn check(cases: &[(&[u8], Option<Fault>)]) {
    for (input, wanted) in cases {
        assert_eq!(fault(input), *wanted, "{}", input.escape_ascii());
    }
}

/// `POST /` with these lines between Host and the empty line.
fn post(lines: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nHost: a\r\n", lines, b"\r\n"].concat()
}

fn check_lines(cases: &[(&[u8], Option<Fault>)]) {
    for (lines, wanted) in cases {
        assert_eq!(fault(&post(lines)), *wanted, "{}", lines.escape_ascii());
    }
}

/// A chunked POST with this body.
fn chunked(body: &[u8]) -> Vec<u8> {
    [post(b"Transfer-Encoding: chunked\r\n").as_slice(), body].concat()
}

fn check_chunks(cases: &[(&[u8], Option<Fault>)]) {
    for (body, wanted) in cases {
        assert_eq!(fault(&chunked(body)), *wanted, "{}", body.escape_ascii());
    }
}

#[test]
fn well_formed_requests_pass_whole() {
    check(&[
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
        (b"GET /a;b/%zz\\c?d={\"no\"} HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::Target)),
        (
            b"GET /a;b/%zz\\c/{d}?e=f|{}\\`^ HTTP/1.1\r\nHost: a.example:8080\r\nX:\r\nY: \t z \t\r\n\r\n",
            None,
        ),
        (b"M-SEARCH / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n", None),
        (b"OPTIONS * HTTP/1.1\r\nHOST: A\r\n\r\n", None),
        (b"GET http://A:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n", None),
        (b"GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n", None),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\nabc", None),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\x80\t~\r\n\r\n", None),
    ]);
}

#[test]
fn f01_f02_a_length_beside_chunked_is_refused_in_either_order() {
    check_lines(&[
        (b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", Some(Fault::LengthAndCoding)),
        (b"tRANSFER-eNCODING: chunked\r\nContent-Length: 6\r\n", Some(Fault::LengthAndCoding)),
        (b"Content-Length: 6\r\nTransfer-Encoding: gzip, chunked\r\n", Some(Fault::LengthAndCoding)),
    ]);
}

#[test]
fn f03_to_f05_only_one_plain_length_is_taken() {
    let mut cases: Vec<(Vec<u8>, Option<Fault>)> = vec![
        (b"Content-Length: 5\r\nContent-Length: 10\r\n".to_vec(), Some(Fault::LengthRepeated)),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n".to_vec(), Some(Fault::LengthRepeated)),
        (b"Content-Length: 0 \t\r\n".to_vec(), None),
    ];
    let malformed =
        ["5, 5", "+5", "-0", "0x5", "5_0", "1 0", "", "5;", "18446744073709551616", "010", "00", "1e3"];
    for value in malformed.iter().chain(&["1000000000000000000"]) {
        cases.push((format!("Content-Length: {value}\r\n").into_bytes(), Some(Fault::LengthInvalid)));
    }

    for (lines, wanted) in cases {
        assert_eq!(fault(&post(&lines)), wanted, "{}", lines.escape_ascii());
    }
}

#[test]
fn the_longest_length_waits_for_its_body() {
    let input = post(b"Content-Length: 999999999999999999\r\n");
    let mut gate = RequestGate::new(RequestRules::default());

    let verdict = gate.inspect(&input);

    assert_eq!(verdict, Verdict::Pass { sound: input.len() });
    assert!(gate.in_body());
}

#[test]
fn f06_f07_f09_no_coding_but_one_plain_chunked_is_taken() {
    let invalid =
        ["xchunked", "chunked, identity", ",chunked", "\"chunked\"", "chunked;q=1", "chunked,", "gzip", ""];
    for value in
        invalid.iter().chain(&["identity", "chunked, chunked", "gzip;q=1, chunked", "g zip, chunked"])
    {
        let lines = format!("Transfer-Encoding: {value}\r\n");
        assert_eq!(fault(&post(lines.as_bytes())), Some(Fault::CodingInvalid), "{value}");
    }
    check_lines(&[
        (b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n", Some(Fault::FieldValue)),
        (b"Transfer-Encoding: chunked\x00\r\nContent-Length: 5\r\n", Some(Fault::FieldValue)),
        (b"Transfer-Encoding: \xa0chunked\r\nContent-Length: 5\r\n", Some(Fault::CodingInvalid)),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n", Some(Fault::CodingRepeated)),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Some(Fault::CodingRepeated)),
        (b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n", Some(Fault::CodingInvalid)),
        (b"Transfer-Encoding: gzip, chunked\r\n", Some(Fault::CodingUnknown)),
        (b"Transfer-Encoding: gzip\t,cow , CHUNKED\r\n", Some(Fault::CodingUnknown)),
    ]);
    assert_eq!(Fault::CodingUnknown.status(), 501);
}

#[test]
fn f08_names_with_underscores_follow_the_rule_but_never_frame() {
    let harmless = post(b"X_Auth_User: root\r\n");
    let framing =
        [post(b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n"), post(b"content_LENGTH: 5\r\n")];

    for (rule, wanted) in
        [(Strictness::Refuse, Some(Fault::Underscore)), (Strictness::Drop, None), (Strictness::Keep, None)]
    {
        let rules = RequestRules { underscores: rule, ..RequestRules::default() };
        assert_eq!(fault_under(rules, &harmless), wanted, "{rule:?}");
        for framing in &framing {
            assert_eq!(fault_under(rules, framing), Some(Fault::Underscore), "{rule:?}");
        }
    }
}

#[test]
fn f10_http10_is_refused_by_default_and_never_ends_a_body_by_closing() {
    let cases: [(&[u8], Option<Fault>); 7] = [
        (b"GET / HTTP/1.0\r\n\r\n", None),
        (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", None),
        (b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab", None),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Some(Fault::CodingInHttp10)),
        (b"POST / HTTP/1.0\r\nHost: a\r\n\r\nuntil the end", Some(Fault::LengthMissing)),
        (b"GET http://a/ HTTP/1.0\r\n\r\n", Some(Fault::AuthorityMismatch)),
        (b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", Some(Fault::HostInvalid)),
    ];

    for (input, wanted) in cases {
        assert_eq!(fault_under(keep_all(), input), wanted, "{}", input.escape_ascii());
        assert_eq!(fault(input), wanted.or(Some(Fault::Http10)), "{}", input.escape_ascii());
    }
}

#[test]
fn f11_a_chunk_size_is_hex_digits_and_nothing_else() {
    for size in [
        "0x5",
        "+5",
        "5_0",
        " 5",
        "5 ",
        "5\t",
        "",
        "fffffffffffffffff",
        "-1",
        "g",
        "0000000000000005",
        "5 ;a",
    ] {
        let body = format!("{size}\r\nhello\r\n0\r\n\r\n");
        assert_eq!(fault(&chunked(body.as_bytes())), Some(Fault::ChunkSize), "{size}");
    }
    check_chunks(&[
        (b"5\r\nhello\r\n0\r\n\r\n", None),
        (b"000000000000005\r\nhello\r\n000\r\n\r\n", None),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", None),
    ]);
}

#[test]
fn f12_chunk_extensions_are_printable_not_empty_and_few() {
    check_chunks(&[
        (b"5;a=\"b c\";d\thi\xff\r\nhello\r\n0;e\r\n\r\n", None),
        (b"5;\r\nhello\r\n0\r\n\r\n", Some(Fault::ChunkExtension)),
        (b"5;a;\r\nhello\r\n0\r\n\r\n", Some(Fault::ChunkExtension)),
        (b"5; \r\nhello\r\n0\r\n\r\n", Some(Fault::ChunkExtension)),
        (b"5;\x00a\r\nhello\r\n0\r\n\r\n", Some(Fault::ChunkExtension)),
        (b"5;a\rX\r\nhello\r\n0\r\n\r\n", Some(Fault::BareCr)),
        (b"5;\nhello\r\n0\r\n\r\n", Some(Fault::BareLf)),
        (b"5;a\nhello\r\n0\r\n\r\n", Some(Fault::BareLf)),
    ]);
    let many = format!("5{}\r\nhello\r\n0\r\n\r\n", ";a=b".repeat(16 * 1024));
    assert_eq!(fault(&chunked(many.as_bytes())), Some(Fault::ChunkExtensionsTooLarge));
    let spread = format!("1;{}\r\nx\r\n", "e".repeat(63)).repeat(256) + "0\r\n\r\n";
    assert_eq!(fault(&chunked(spread.as_bytes())), Some(Fault::ChunkExtensionsTooLarge));
}

#[test]
fn f13_chunk_data_ends_with_exactly_crlf() {
    check_chunks(&[
        (b"5\r\nhelloXX\r\n0\r\n\r\n", Some(Fault::ChunkEnd)),
        (b"5\r\nhello0\r\n\r\n", Some(Fault::ChunkEnd)),
        (b"5\r\nhello\n0\r\n\r\n", Some(Fault::ChunkEnd)),
        (b"5\r\nhello\rX0\r\n\r\n", Some(Fault::ChunkEnd)),
        (b"5\nhello\r\n0\r\n\r\n", Some(Fault::BareLf)),
        (b"5\rXhello\r\n0\r\n\r\n", Some(Fault::BareCr)),
        (b"0\r\n\n", Some(Fault::BareLf)),
        (b"0\r\n\rX", Some(Fault::BareCr)),
    ]);
}

#[test]
fn f14_trailers_are_held_to_the_form_of_fields_whatever_their_names() {
    check_chunks(&[
        (b"0\r\nAuthorization: x\r\nHost: evil\r\nContent-Length: 9\r\nx_y:\r\n\r\n", None),
        (b"0\r\n folded\r\n\r\n", Some(Fault::FoldedLine)),
        (b"0\r\nX: a\r\n b\r\n\r\n", Some(Fault::FoldedLine)),
        (b"0\r\nX : a\r\n\r\n", Some(Fault::SpaceBeforeColon)),
        (b"0\r\n: a\r\n\r\n", Some(Fault::FieldName)),
        (b"0\r\nX[]: a\r\n\r\n", Some(Fault::FieldName)),
        (b"0\r\nX\r\n\r\n", Some(Fault::ColonMissing)),
        (b"0\r\nX: a\nY: b\r\n\r\n", Some(Fault::BareLf)),
        (b"0\r\nX\n\r\n", Some(Fault::BareLf)),
        (b"0\r\nX: a\rb\r\n\r\n", Some(Fault::BareCr)),
        (b"0\r\nX: a\0b\r\n\r\n", Some(Fault::FieldValue)),
    ]);
}

#[test]
fn f15_trailers_are_few_and_small() {
    let ended = |trailers: String| fault(&chunked(format!("0\r\n{trailers}\r\n").as_bytes()));

    assert_eq!(ended("a: b\r\n".repeat(100)), None);
    assert_eq!(ended("a: b\r\n".repeat(101)), Some(Fault::TooManyFields));
    assert_eq!(ended(format!("a: {}\r\n", "b".repeat(1024 * 1024))), Some(Fault::TrailersTooLarge));
    assert_eq!(ended(format!("{}: b\r\n", "a".repeat(257))), Some(Fault::FieldNameTooLong));
}

#[test]
fn f16_f17_white_space_out_of_place_is_refused() {
    check_lines(&[
        (b"X: a\r\n b\r\n", Some(Fault::FoldedLine)),
        (b"Transfer-Encoding:\r\n\tchunked\r\n", Some(Fault::CodingInvalid)),
        (b"Transfer-Encoding: chunked\r\n\t, gzip\r\n", Some(Fault::FoldedLine)),
        (b"Content-Length : 5\r\n", Some(Fault::SpaceBeforeColon)),
        (b"Content-Length\t: 5\r\n", Some(Fault::SpaceBeforeColon)),
    ]);
    check(&[
        (b"GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n", Some(Fault::FoldedLine)),
        (b"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", Some(Fault::FoldedLine)),
    ]);
}

#[test]
fn f18_f19_names_are_tokens_and_values_are_printable() {
    check_lines(&[
        (b"no colon\r\n", Some(Fault::ColonMissing)),
        (b"nocolon\r\n", Some(Fault::ColonMissing)),
        (b"X[]: y\r\n", Some(Fault::FieldName)),
        (b"X\x85: y\r\n", Some(Fault::FieldName)),
        (b": x\r\nContent-Length: 5\r\n", Some(Fault::FieldName)),
        (b"X: a\x00b\r\n", Some(Fault::FieldValue)),
        (b"X: a\x7f\r\n", Some(Fault::FieldValue)),
        (b"X: a\rb\r\n", Some(Fault::BareCr)),
        (b"X\r: b\r\n", Some(Fault::BareCr)),
    ]);
    for (len, wanted) in [
        (256, None),
        (257, Some(Fault::FieldNameTooLong)),
        (4096, Some(Fault::FieldNameTooLong)),
        (70_000, Some(Fault::HeadTooLarge)),
    ] {
        let line = format!("{}: y\r\n", "x".repeat(len));
        assert_eq!(fault(&post(line.as_bytes())), wanted, "{len}");
    }
}

#[test]
fn f20_lines_end_with_crlf() {
    check(&[
        (b"GET / HTTP/1.1\nHost: a\n\n", Some(Fault::BareLf)),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", Some(Fault::BareLf)),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", Some(Fault::BareLf)),
        (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::BareLf)),
        (b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::BareCr)),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::EmptyLines)),
    ]);
}

#[test]
fn f21_the_sound_messages_before_a_bad_one_pass() {
    let first = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
    let input = [first.as_slice(), b"GET /2 HTTP/1.1\r\nHost : a\r\n\r\n", first].concat();
    let mut gate = RequestGate::new(RequestRules::default());

    let verdict = gate.inspect(&input);

    let fault = Fault::SpaceBeforeColon;
    assert_eq!(verdict, Verdict::Refuse { sound: first.len(), fault, in_body: false });
    assert_eq!(gate.inspect(first), Verdict::Refuse { sound: 0, fault, in_body: false });
    assert_eq!(gate.marker(), MARKER_GET);
}

#[test]
fn f26_connect_and_trace_are_not_allowed_unless_the_head_is_worse() {
    check(&[
        (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::MethodNotAllowed)),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03\x01", Some(Fault::MethodNotAllowed)),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::MethodNotAllowed)),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Some(Fault::HostRepeated)),
    ]);
    assert_eq!(Fault::MethodNotAllowed.status(), 405);
}

#[test]
fn f27_f28_targets_have_one_of_the_allowed_forms() {
    for target in
        ["?x", "#x", "pub", "a:80", "gopher://a/", "http:///x", "http://", "*/", "/a#b", "/a?b#c", "http:/a"]
    {
        let input = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(fault(input.as_bytes()), Some(Fault::Target), "{target}");
    }
    check(&[
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::Target)),
        (b"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::Target)),
        (b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::Target)),
        (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::Target)),
        (b"GET http://internal/admin HTTP/1.1\r\nHost: public\r\n\r\n", Some(Fault::AuthorityMismatch)),
        (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::AuthorityMismatch)),
        (b"GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n", Some(Fault::HostInvalid)),
        (b"GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n", None),
        (b"GET http://a/#x HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::Target)),
        (b"GET http://a?<x HTTP/1.1\r\nHost: a\r\n\r\n", Some(Fault::Target)),
        (b"\r\nGET http://a/ HTTP/1.1\r\nX: y\r\nHost: A\r\n\r\n", None),
        (b"GET //evil/x HTTP/1.1\r\nHost: a\r\n\r\n", None),
    ]);
}

#[test]
fn f29_f30_there_is_exactly_one_host_and_it_names_one_host() {
    for host in ["a, b", "u@a", "a/x", "a:0", "a:65536", "", "[::1", "a b", &"a".repeat(300)] {
        let input = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(fault(input.as_bytes()), Some(Fault::HostInvalid), "{host}");
    }
    check(&[
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Some(Fault::HostRepeated)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhOST: b\r\n\r\n", Some(Fault::HostRepeated)),
        (b"GET / HTTP/1.1\r\nHost: a.\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\n\r\n", Some(Fault::HostMissing)),
        (MARKER_GET, Some(Fault::HostMissing)),
        (MARKER_HEAD, Some(Fault::HostMissing)),
    ]);
}

#[test]
fn f31_request_lines_are_exact() {
    let head = |line: &str| format!("{line}\r\nHost: a\r\n\r\n").into_bytes();
    for (line, wanted) in [
        ("GET  / HTTP/1.1", Fault::RequestLine),
        ("GET /", Fault::RequestLine),
        ("GET", Fault::RequestLine),
        ("GET\t/ HTTP/1.1", Fault::RequestLine),
        ("GET /\tHTTP/1.1", Fault::RequestLine),
        ("GET / HTTP/1.1 ", Fault::Version),
        ("GET /a b HTTP/1.1", Fault::Version),
        ("GET / http/1.1", Fault::Version),
        ("GET / HTTP/11", Fault::Version),
        ("GET / HTTP/1.1\r", Fault::Version),
        ("GET / HTTP/1.2", Fault::VersionUnsupported),
        ("GET / HTTP/2.0", Fault::VersionUnsupported),
        ("GET / HTTP/0.9", Fault::VersionUnsupported),
        ("PRI * HTTP/2.0", Fault::Http2Preface),
        ("get / HTTP/1.1", Fault::Method),
        ("Get / HTTP/1.1", Fault::Method),
        (" GET / HTTP/1.1", Fault::NotHttp),
        (&format!("{} / HTTP/1.1", "X".repeat(33)), Fault::Method),
        (&format!("{} / HTTP/1.1", "X".repeat(100 * 1024)), Fault::Method),
        (&format!("GET /{} HTTP/1.1", "x".repeat(8 * 1024)), Fault::TargetTooLong),
        (&format!("GET /{} HTTP/1.1", "x".repeat(100 * 1024)), Fault::TargetTooLong),
    ] {
        assert_eq!(fault(&head(line)), Some(wanted), "{line:.40}");
    }
    let longest = format!("\r\n{} /{} HTTP/1.1", "X".repeat(32), "x".repeat(8 * 1024 - 1));
    assert_eq!(fault(&head(&longest)), None);
}

#[test]
fn f31_heads_are_small_and_have_few_fields() {
    let with = |lines: String| fault(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes());

    assert_eq!(with("a: b\r\n".repeat(99)), None);
    assert_eq!(with("a: b\r\n".repeat(100)), Some(Fault::TooManyFields));
    assert_eq!(with("a: b\r\n".repeat(10_000)), Some(Fault::TooManyFields));
    assert_eq!(with(format!("a: {}\r\n", "b".repeat(32_000))), None);
    assert_eq!(with(format!("a: {}\r\n", "b".repeat(100 * 1024))), Some(Fault::HeadTooLarge));
}

#[test]
fn what_can_never_become_a_request_is_refused_at_once() {
    check(&[
        (b"\x16", Some(Fault::NotHttp)),
        (b"\x16\x03\x01\x02\x00\x01", Some(Fault::NotHttp)),
        (b"\0", Some(Fault::NotHttp)),
        (b"g", Some(Fault::Method)),
        (&[b'A'; 33], Some(Fault::Method)),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Some(Fault::RequestLine)),
        (b"PRI * HTTP/2.0\r\n", Some(Fault::Http2Preface)),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", Some(Fault::HostRepeated)),
    ]);
    let endless = [b"GET /".as_slice(), &[b'x'; 9000]].concat();
    assert_eq!(fault(&endless), Some(Fault::TargetTooLong));
}

#[test]
fn an_unknown_expectation_is_417_unless_the_head_is_worse() {
    check_lines(&[
        (b"Expect: 200-ok\r\n", Some(Fault::Expectation)),
        (b"Expect: 100-continue, x\r\n", Some(Fault::Expectation)),
        (b"Expect: 200-ok\r\nContent-Length: x\r\n", Some(Fault::LengthInvalid)),
    ]);
    assert_eq!(Fault::Expectation.status(), 417);
}

#[test]
fn a_bad_chunk_takes_back_a_head_that_was_not_passed_yet() {
    let first = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let input = [first.as_slice(), &chunked(b"5\r\nhello\r\n5 \r\n")].concat();

    let verdict = verdict(RequestRules::default(), &input);

    let wanted = Verdict::Refuse { sound: first.len(), fault: Fault::ChunkSize, in_body: false };
    assert_eq!(verdict, wanted);
}

#[test]
fn a_bad_chunk_after_a_passed_head_ends_the_body_where_it_was_sound() {
    let head = chunked(b"");
    let mut gate = RequestGate::new(RequestRules::default());
    gate.inspect(&head);

    let verdict = gate.inspect(b"5\r\nhello\r\n5 \r\n");

    assert_eq!(verdict, Verdict::Refuse { sound: 11, fault: Fault::ChunkSize, in_body: true });
    assert_eq!(gate.finish(), Ending::Truncated);
}

#[test]
fn an_incomplete_head_is_held_back_and_passed_whole() {
    let input = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut gate = RequestGate::new(RequestRules::default());

    for end in 1..input.len() {
        assert_eq!(gate.inspect(&input[..end]), Verdict::Pass { sound: 0 }, "{end}");
        // The empty line in front is not yet a request.
        assert_eq!((gate.at_boundary(), gate.in_head()), (end <= 2, end > 2), "{end}");
        assert_eq!(gate.finish(), if end <= 2 { Ending::Clean } else { Ending::Truncated }, "{end}");
    }

    assert_eq!(gate.inspect(input), Verdict::Pass { sound: input.len() });
    assert!(gate.at_boundary());
    assert_eq!(gate.finish(), Ending::Clean);
}

#[test]
fn the_marker_of_a_refused_head_request_is_a_head_request() {
    for input in [
        b"HEAD / HTTP/1.1\r\nHost : a\r\n\r\n".as_slice(),
        b"HEAD ?x HTTP/1.1\r\n",
        b"HEAD / HTTP/1.1\r\n\r\n",
    ] {
        let mut gate = RequestGate::new(RequestRules::default());

        let verdict = gate.inspect(input);

        assert!(matches!(verdict, Verdict::Refuse { .. }));
        assert_eq!(gate.marker(), MARKER_HEAD, "{}", input.escape_ascii());
    }
}

#[test]
fn what_follows_a_head_request_is_not_taken_for_one() {
    let mut gate = RequestGate::new(RequestRules::default());
    gate.inspect(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");

    gate.inspect(b"\0");

    assert_eq!(gate.marker(), MARKER_GET);
}

#[test]
fn a_head_that_does_not_come_in_time_is_refused_from_outside() {
    let mut gate = RequestGate::new(RequestRules::default());
    gate.inspect(b"HEAD / HT");

    let verdict = gate.refuse(Fault::HeaderTimeout);

    assert_eq!(verdict, Verdict::Refuse { sound: 0, fault: Fault::HeaderTimeout, in_body: false });
    assert_eq!(gate.inspect(b"HEAD / HTTP"), verdict);
    assert_eq!(gate.marker(), MARKER_HEAD);
}

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn f24_bytes_after_an_upgrade_request_wait_for_the_answer() {
    let rules = RequestRules { upgrades: true, ..RequestRules::default() };
    let frame = b"\x81\x05hello";

    let early = [UPGRADE, frame].concat();
    let mut gate = RequestGate::new(rules);
    assert_eq!(gate.inspect(&early), Verdict::Pass { sound: UPGRADE.len() });
    assert!(gate.awaits_upgrade() && !gate.at_boundary());
    let mut declined = gate.clone();

    gate.settle_upgrade(true);
    assert_eq!(gate.inspect(frame), Verdict::Pass { sound: frame.len() });
    declined.settle_upgrade(false);
    assert_eq!(declined.inspect(frame), Verdict::Refuse { sound: 0, fault: Fault::NotHttp, in_body: false });
}

#[test]
fn f24_without_the_rule_an_upgrade_request_is_a_request_like_any_other() {
    let input = [UPGRADE, UPGRADE].concat();

    assert_eq!(fault(&input), None);
}

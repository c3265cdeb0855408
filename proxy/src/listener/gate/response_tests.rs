//! Answers of upstreams through the gate.

use super::*;

fn gate(asked: Asked) -> ResponseGate {
    let mut gate = ResponseGate::new(Limits::of_responses());
    gate.ask(asked);
    gate
}

/// The fault of an answer to a GET that comes in one piece; None if all of it passes.
fn fault(input: &[u8]) -> Option<Fault> {
    match gate(Asked::Other).inspect(input) {
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

#[test]
fn well_formed_answers_pass_whole_and_leave_nothing_owed() {
    for input in [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab".as_slice(),
        b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 599 \xff strange\treason\r\nx_y: z\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 \r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
    ] {
        let mut gate = gate(Asked::Other);

        let verdict = gate.inspect(input);

        assert_eq!(verdict, Verdict::Pass { sound: input.len() }, "{}", input.escape_ascii());
        assert!(gate.at_boundary(), "{}", input.escape_ascii());
        assert_eq!(gate.finish(), Ending::Clean, "{}", input.escape_ascii());
    }
}

#[test]
fn f32_ambiguous_framing_is_refused() {
    check(&[
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Some(Fault::LengthAndCoding),
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", Some(Fault::LengthRepeated)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab", Some(Fault::LengthInvalid)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Some(Fault::CodingUnknown)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", Some(Fault::CodingInvalid)),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Some(Fault::CodingInHttp10)),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
            Some(Fault::ChunkSize),
        ),
        (b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nab", Some(Fault::BodyForbidden)),
        (b"HTTP/1.1 100 No\r\nTransfer-Encoding: chunked\r\n\r\n", Some(Fault::BodyForbidden)),
    ]);
}

#[test]
fn f32_malformed_heads_are_refused() {
    check(&[
        (b"HTTP/9.9 200 OK\r\n\r\n", Some(Fault::StatusLine)),
        (b"HTTP/1.1  200 OK\r\n\r\n", Some(Fault::StatusLine)),
        (b"HTTP/1.1 99 OK\r\n\r\n", Some(Fault::StatusLine)),
        (b"HTTP/1.1 099 OK\r\n\r\n", Some(Fault::StatusLine)),
        (b"HTTP/1.1 600 OK\r\n\r\n", Some(Fault::StatusLine)),
        (b"HTTP/1.1 2000 OK\r\n\r\n", Some(Fault::StatusLine)),
        (b"HTTP/1.1 200\tOK\r\n\r\n", Some(Fault::StatusLine)),
        (b"HTTP/1.1 200 O\0K\r\n\r\n", Some(Fault::StatusLine)),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", Some(Fault::StatusLine)),
        (b"<html>", Some(Fault::StatusLine)),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", Some(Fault::BareLf)),
        (b"HTTP/1.1 200 OK\r\nX: a\0\r\n\r\n", Some(Fault::FieldValue)),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", Some(Fault::FoldedLine)),
        (b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n", Some(Fault::SpaceBeforeColon)),
    ]);
}

#[test]
fn f32_large_heads_are_refused() {
    let with = |lines: String| fault(format!("HTTP/1.1 204 \r\n{lines}\r\n").as_bytes());

    assert_eq!(with("a: b\r\n".repeat(100)), None);
    assert_eq!(with("a: b\r\n".repeat(10_000)), Some(Fault::TooManyFields));
    assert_eq!(with(format!("a: {}\r\n", "b".repeat(60 * 1024))), None);
    assert_eq!(with(format!("a: {}\r\n", "b".repeat(1024 * 1024))), Some(Fault::HeadTooLarge));
}

#[test]
fn f32_endless_interim_answers_are_refused_after_the_eighth() {
    let interim = b"HTTP/1.1 103 Early Hints\r\n\r\n";

    let verdict = gate(Asked::Other).inspect(&interim.repeat(100));

    let wanted = Verdict::Refuse { sound: 8 * interim.len(), fault: Fault::InterimFlood, in_body: false };
    assert_eq!(verdict, wanted);
}

#[test]
fn interim_answers_are_counted_for_each_request() {
    let input = [b"HTTP/1.1 103 \r\n\r\n".repeat(8).as_slice(), b"HTTP/1.1 204 \r\n\r\n"].concat();
    let mut gate = gate(Asked::Other);
    gate.inspect(&input);

    gate.expect(false);
    let verdict = gate.inspect(&input);

    assert_eq!(verdict, Verdict::Pass { sound: input.len() });
}

#[test]
fn f32_switching_protocols_must_have_been_asked_for() {
    let input = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello";
    let mut asked = ResponseGate::new(Limits::of_responses());
    asked.expect_upgrade();

    assert_eq!(fault(input), Some(Fault::UnaskedUpgrade));
    assert_eq!(asked.inspect(input), Verdict::Pass { sound: input.len() });
    assert_eq!(asked.inspect(b"\0\0"), Verdict::Pass { sound: 2 });
}

#[test]
fn f32_an_upgrade_may_be_declined() {
    let input = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
    let mut gate = gate(Asked::Upgrade);

    assert_eq!(gate.inspect(input), Verdict::Pass { sound: input.len() });
    assert!(gate.at_boundary());
}

#[test]
fn f32_bytes_after_an_answer_condemn_it_while_its_head_is_held() {
    for (asked, input) in [
        (Asked::Other, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc".as_slice()),
        (
            Asked::Other,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ),
        (Asked::Other, b"HTTP/1.1 204 No Content\r\n\r\nbody"),
        (Asked::Other, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody"),
        (Asked::Head, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"),
    ] {
        let verdict = gate(asked).inspect(input);

        let wanted = Verdict::Refuse { sound: 0, fault: Fault::Unsolicited, in_body: false };
        assert_eq!(verdict, wanted, "{}", input.escape_ascii());
    }
}

#[test]
fn bytes_after_an_answer_that_was_passed_on_only_end_the_connection() {
    let mut gate = gate(Asked::Other);
    gate.inspect(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");

    let verdict = gate.inspect(b"bc");

    assert_eq!(verdict, Verdict::Refuse { sound: 1, fault: Fault::Unsolicited, in_body: false });
}

#[test]
fn bytes_nobody_asked_for_are_refused() {
    let mut gate = ResponseGate::new(Limits::of_responses());

    let verdict = gate.inspect(b"HTTP/1.1 408 Request Timeout\r\n\r\n");

    assert_eq!(verdict, Verdict::Refuse { sound: 0, fault: Fault::Unsolicited, in_body: false });
}

#[test]
fn asking_again_before_the_answer_finishes_the_gate() {
    let mut gate = gate(Asked::Other);

    gate.expect(true);

    assert!(matches!(gate.inspect(b"H"), Verdict::Refuse { fault: Fault::Unsolicited, .. }));
}

#[test]
fn an_answer_to_head_has_no_body_whatever_it_says() {
    for fields in ["Content-Length: 1000", "Transfer-Encoding: chunked", "X: y"] {
        let input = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
        let mut gate = gate(Asked::Head);

        let verdict = gate.inspect(input.as_bytes());

        assert_eq!(verdict, Verdict::Pass { sound: input.len() }, "{fields}");
        assert!(gate.at_boundary(), "{fields}");
    }
}

#[test]
fn f33_a_cut_off_answer_is_told_from_one_that_ends_with_the_stream() {
    for (input, wanted) in [
        (b"".as_slice(), Ending::Unanswered),
        (b"HTTP/1.1", Ending::Truncated),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Ending::Truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n50", Ending::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", Ending::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", Ending::Truncated),
        (b"HTTP/1.1 200 OK\r\n\r\n", Ending::Clean),
        (b"HTTP/1.0 200 OK\r\n\r\nall there is", Ending::Clean),
    ] {
        let mut gate = gate(Asked::Other);

        gate.inspect(input);

        assert_eq!(gate.finish(), wanted, "{}", input.escape_ascii());
    }
}

#[test]
fn the_next_answer_is_judged_by_its_own_request() {
    let mut gate = gate(Asked::Head);
    let first = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    gate.inspect(first);

    gate.expect(false);
    let verdict = gate.inspect(&[first.as_slice(), b"ab"].concat());

    assert_eq!(verdict, Verdict::Pass { sound: first.len() + 2 });
    assert!(gate.at_boundary());
}

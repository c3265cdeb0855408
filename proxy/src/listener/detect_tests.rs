//! What first bytes mean, and what is done about it.

use super::*;
use proptest::prelude::*;

#[test]
fn each_protocol_is_told_by_its_first_bytes() {
    let table: [(&[u8], Detected); 22] = [
        (b"", Detected::NeedMore),
        (b"\x16", Detected::NeedMore),
        (b"\x16\x03", Detected::Tls),
        (b"\x16\x03\x01\x02\x00\x01", Detected::Tls),
        (b"\x16\x02", Detected::Other),
        (b"P", Detected::NeedMore),
        (b"PRI ", Detected::NeedMore),
        (b"PRI * HTTP/2.", Detected::NeedMore),
        (b"PRI * HTTP/2.0", Detected::Http2),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Detected::Http2),
        (b"PRI * HTTP/1.1\r\n", Detected::Http1),
        (b"PRI /", Detected::Http1),
        (b"GET", Detected::NeedMore),
        (b"GET / HTTP/1.1\r\n", Detected::Http1),
        (b"ABCDEFGHIJKLMNOP ", Detected::Http1),
        (b"ABCDEFGHIJKLMNOP", Detected::NeedMore),
        (b"ABCDEFGHIJKLMNOPQ", Detected::Other),
        (b" GET / HTTP/1.1", Detected::Other),
        (b"\r\nGET / HTTP/1.1", Detected::Other),
        (b"GET\t/ HTTP/1.1", Detected::Other),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", Detected::Other),
        (b"*1\r\n$4\r\nPING\r\n", Detected::Other),
    ];
    for (bytes, detected) in table {
        assert_eq!(detect(bytes), detected, "{:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn what_is_declared_is_not_looked_for() {
    for detected in
        [None, Some(Detected::Tls), Some(Detected::Http1), Some(Detected::Http2), Some(Detected::Other)]
    {
        for port in [80, 5432] {
            assert_eq!(plan(Some(Protocol::H1), port, true, detected), Plan::Http(Http::H1));
            assert_eq!(plan(Some(Protocol::H2), port, true, detected), Plan::Http(Http::H2));
            assert_eq!(plan(Some(Protocol::Tcp), port, false, detected), Plan::Tcp);
            assert_eq!(
                plan(Some(Protocol::Tcp), port, true, detected),
                Plan::Refuse(Unreadable::DeclaredTcp)
            );
        }
    }
    assert!(!must_detect(Some(Protocol::H1), 80) && must_detect(None, 80));
}

#[test]
fn where_the_server_speaks_first_nobody_waits() {
    for port in SERVER_FIRST {
        assert!(speaks_first(port) && !must_detect(None, port));
        assert_eq!(plan(None, port, false, None), Plan::Tcp);
        assert_eq!(plan(None, port, true, Some(Detected::Http1)), Plan::Refuse(Unreadable::ServerFirst));
    }
    assert!(!speaks_first(80) && !speaks_first(8080) && !speaks_first(443));
}

#[test]
fn what_was_detected_decides_when_nothing_is_declared() {
    let table = [
        (Some(Detected::Http1), Plan::Http(Http::H1), Plan::Http(Http::H1)),
        (Some(Detected::Http2), Plan::Http(Http::H2), Plan::Http(Http::H2)),
        (Some(Detected::Tls), Plan::Tcp, Plan::Refuse(Unreadable::Encrypted)),
        (Some(Detected::Other), Plan::Tcp, Plan::Refuse(Unreadable::NotHttp)),
        (Some(Detected::NeedMore), Plan::Tcp, Plan::Refuse(Unreadable::Timeout)),
        (None, Plan::Tcp, Plan::Refuse(Unreadable::Timeout)),
    ];
    for (detected, without_policy, with_policy) in table {
        assert_eq!(plan(None, 8080, false, detected), without_policy, "{detected:?}");
        assert_eq!(plan(None, 8080, true, detected), with_policy, "{detected:?}");
    }
}

/// Anything, and what looks like one of the protocols for a while.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let begins: [&[u8]; 6] = [b"", b"\x16", b"\x16\x03", b"PRI * HTTP/2.", b"GET ", b"ABCDEFGHIJKLMNO"];
    (
        proptest::sample::select(begins.to_vec()),
        prop::collection::vec(prop_oneof![any::<u8>(), 32..127u8], 0..40),
    )
        .prop_map(|(begin, rest)| [begin, &rest].concat())
}

fn any_detected() -> impl Strategy<Value = Option<Detected>> {
    any_bytes().prop_flat_map(|bytes| prop_oneof![Just(None), Just(Some(detect(&bytes)))])
}

proptest! {
    #[test]
    fn once_told_more_bytes_change_nothing(bytes in any_bytes()) {
        let answers: Vec<Detected> = (0..=bytes.len()).map(|end| detect(&bytes[..end])).collect();

        let told = answers.iter().skip_while(|answer| **answer == Detected::NeedMore);

        prop_assert!(told.clone().all(|answer| Some(answer) == told.clone().next()));
        prop_assert!(bytes.len() <= MAX_METHOD || answers.last() != Some(&Detected::NeedMore));
    }

    #[test]
    fn rules_that_read_http_are_never_passed_by_unread_bytes(
        declared in prop_oneof![Just(None), Just(Some(Protocol::H1)), Just(Some(Protocol::H2)), Just(Some(Protocol::Tcp))],
        port in prop_oneof![any::<u16>(), proptest::sample::select(SERVER_FIRST.to_vec())],
        detected in any_detected(),
    ) {
        prop_assert_ne!(plan(declared, port, true, detected), Plan::Tcp);
        prop_assert!(!matches!(plan(declared, port, false, detected), Plan::Refuse(_)));
    }
}

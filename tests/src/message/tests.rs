//! The strict reader is strict: otherwise every test that leans on it proves nothing.

use super::*;

#[test]
fn a_plain_request_is_read_with_its_body() {
    let bytes = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET".to_vec();

    let (request, mut body, head) = read_request(&bytes).unwrap().unwrap();
    let (mut inbox, mut out) = (bytes[head..].to_vec(), Vec::new());
    let ended = body.take(&mut inbox, &mut out, &mut Headers::default()).unwrap();

    assert_eq!((request.line().as_str(), request.header("HOST")), ("POST /a", Some("x")));
    assert_eq!((ended, out.as_slice(), inbox.as_slice()), (true, b"hello".as_slice(), b"GET".as_slice()));
}

#[test]
fn chunks_and_trailers_are_read_byte_by_byte() {
    let (mut body, mut inbox, mut out, mut trailers) =
        (Body::chunked(), Vec::new(), Vec::new(), Headers::default());
    let bytes = b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\n";

    for byte in &bytes[..bytes.len() - 1] {
        inbox.push(*byte);
        assert!(!body.take(&mut inbox, &mut out, &mut trailers).unwrap());
    }
    inbox.push(b'\n');

    assert!(body.take(&mut inbox, &mut out, &mut trailers).unwrap());
    assert_eq!((out.as_slice(), trailers.get("X-Sum")), (b"hello0123456789".as_slice(), Some("1")));
}

#[test]
fn what_only_a_lenient_reader_understands_is_a_fault() {
    let heads = [
        "GET / HTTP/1.0\r\nHost: x",
        "GET  / HTTP/1.1\r\nHost: x",
        "GET / HTTP/1.1\r\nHost: x\nA: b",
        "GET / HTTP/1.1\r\nHost : x",
        "GET / HTTP/1.1\r\nHost: x\r\n folded",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: x",
        "GET / HTTP/1.1\r\nA: b",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 05",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked",
    ];

    for head in heads {
        assert!(read_request(format!("{head}\r\n\r\n").as_bytes()).is_err(), "{head:?}");
    }
    for chunks in [
        "5 \r\nhello\r\n",
        "5;a=b\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "5\nhello\r\n",
        "4\r\nhello\r\n",
        "\r\n",
    ] {
        let taken = Body::chunked().take(&mut chunks.into(), &mut Vec::new(), &mut Headers::default());
        assert!(taken.is_err(), "{chunks:?}");
    }
}

#[test]
fn an_answer_without_a_body_ends_with_its_head() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";

    assert_eq!(read_response(head, "HEAD").unwrap().unwrap().1, Body::None);
    assert_eq!(read_response(head, "GET").unwrap().unwrap().1, Body::Length(5));
    assert_eq!(read_response(b"HTTP/1.1 200 OK\r\n\r\n", "GET").unwrap().unwrap().1, Body::UntilClose);
    assert!(read_response(b"HTTP/1.1 204 \r\ncontent-length: 5\r\n\r\n", "GET").is_err());
}

//! Bytes no honest client sends. The connection ends, the server goes on.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends these bytes and waits until the server has closed the connection; returns what it answered.
async fn send(server: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ended = stream.read_to_end(&mut answer).await;
    answer
}

/// That it still does what it should.
async fn works(ground: &Ground, server: &Running) {
    let (token, key) = (ground.token(ORDER), Key::generate().unwrap());
    server.client(None).await.bootstrap(&token, &key).await.unwrap();
}

#[test]
fn what_is_not_tls_is_closed_with_an_alert_at_most() {
    local(async {
        let ground = Ground::new();
        let server = ground.serve().await;
        let garbage: Vec<u8> = (0..=255).cycle().take(5_000).collect();
        let table: [&[u8]; 6] = [
            b"GET / HTTP/1.1\r\nhost: ca\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            &garbage,
            // A record of length 0, one that is too long, an SSLv2 hello.
            &[0x16, 3, 1, 0, 0, 0x16, 3, 1, 0, 0],
            &[0x16, 3, 1, 0xff, 0xff, 1],
            &[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ];
        for bytes in table {
            let answer = send(&server, bytes).await;
            let alert = answer.len() == 7 && answer[0] == 0x15;
            assert!(answer.is_empty() || alert, "{answer:?} for {bytes:?}");
        }
        works(&ground, &server).await;
    });
}

#[test]
fn a_hello_that_comes_byte_by_byte_is_closed_when_the_time_is_up() {
    local(async {
        let ground = Ground::new();
        let limit = Duration::from_millis(300);
        let server = ground.serve_with(Limits { handshake: limit, ..limits() }).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let began = clock::monotonic();

        let mut sent = 0;
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let closed = loop {
            let mut byte = [0];
            tokio::select! {
                read = stream.read(&mut byte) => break read,
                _ = ticks.tick() => {
                    // The head of a record of 4 KiB, then a hello that never ends.
                    let bytes = [0x16, 3, 1, 0x10, 0, 1, 0, 0x0f, 0xfc, 3, 3];
                    let written = stream.write_all(&[bytes.get(sent).copied().unwrap_or(7)]).await;
                    if let Err(error) = written {
                        break Err(error);
                    }
                    sent += 1;
                }
            }
        };

        let took = clock::monotonic().duration_since(began);
        assert!(!matches!(closed, Ok(1..)), "{closed:?}");
        assert!(took >= limit && took < Duration::from_secs(5), "{took:?}");
        works(&ground, &server).await;
    });
}

#[test]
fn strangers_that_only_hold_places_make_room_for_who_means_it() {
    local(async {
        let ground = Ground::new();
        let member = ground.workload(ORDER);
        let server = ground.serve_with(Limits { strangers: 3, ..limits() }).await;
        let mut member = server.client(Some(&member)).await;
        member.renew(&Key::generate().unwrap()).await.unwrap();
        let mut silent = Vec::new();
        for _ in 0..5 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(&[0x16]).await.unwrap();
            silent.push(stream);
        }

        works(&ground, &server).await;

        for stream in silent.iter_mut().take(3) {
            let read = stream.read(&mut [0]).await;
            assert!(!matches!(read, Ok(1..)), "the oldest were sent away: {read:?}");
        }
        assert!(member.renew(&Key::generate().unwrap()).await.is_ok(), "members stay");
    });
}

#[test]
fn http_2_that_goes_beyond_its_bounds_ends_the_connection_and_nothing_else() {
    local(async {
        let ground = Ground::new();
        let server = ground.serve().await;
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".as_slice();
        // A frame of 16 MiB; DATA on a stream that is not open; CONTINUATION without HEADERS; a broken header block.
        let table: [&[u8]; 4] = [
            b"\xff\xff\xff\0\0\0\0\0\x01",
            b"\0\0\x01\0\0\0\0\0\x07x",
            b"\0\0\x01\x09\x04\0\0\0\x01x",
            b"\0\0\x05\x01\x05\0\0\0\x01\xff\xff\xff\xff\xff",
        ];
        for frame in table {
            let mut stream = server.shake(server.tls(None)).await.unwrap();
            stream.write_all(preface).await.unwrap();
            stream.write_all(frame).await.unwrap();
            let mut answer = Vec::new();
            let ended = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
            assert!(ended.is_ok(), "still open after {frame:?}");
        }
        works(&ground, &server).await;
    });
}

#[test]
fn headers_beyond_their_bound_are_refused() {
    local(async {
        let ground = Ground::new();
        let server = ground.serve().await;
        let mut client = server.client(None).await;
        let uri = format!("https://{}/portcullis.ca.v1.CertificateAuthority/Bootstrap", server.address);
        let request = Request::post(uri).header("x-long", "x".repeat(60_000)).body(Body::empty()).unwrap();

        let answer = client.send.send_request(request).await;

        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 431));
        works(&ground, &server).await;
    });
}

#[test]
fn a_message_that_claims_to_be_huge_or_compressed_is_refused() {
    local(async {
        let ground = Ground::new();
        let server = ground.serve().await;
        let mut client = server.client(None).await;
        let uri = format!("https://{}/portcullis.ca.v1.CertificateAuthority/Bootstrap", server.address);
        let post = |body: Body| {
            Request::post(&uri)
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(body)
                .unwrap()
        };

        let claims = Body::new(http_body_util::Full::from(b"\0\xff\xff\xff\xffabc".as_slice()));
        let huge = client.send.send_request(post(claims)).await.unwrap();
        let compressed = Body::new(http_body_util::Full::from(b"\x01\0\0\0\x03abc".as_slice()));
        let compressed = client.send.send_request(post(compressed)).await.unwrap();

        assert_eq!(huge.headers()["grpc-status"], "11", "OUT_OF_RANGE");
        assert_ne!(compressed.headers()["grpc-status"], "0");
        works(&ground, &server).await;
    });
}

//! The first bytes of a connection: the PROXY header, and which HTTP is spoken on a plain one.
//!
//! First bytes are peeked at, not read, so that nothing has to be put back.

use super::detect::{Detected, detect};
use super::proxy_protocol::{self, Parsed, Source};
use crate::telemetry::metrics::Refusal;
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// How an HTTP/2 client with prior knowledge begins (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// First byte of every TLS connection: a record of type handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    /// HTTP/1.1 (or something the gate will refuse).
    H1,
    /// HTTP/2.
    H2,
}

/// Takes the PROXY header off the front of the connection.
pub async fn proxy_header(stream: &mut TcpStream) -> Result<Source, Refusal> {
    let found = peek_until(stream, |bytes| match proxy_protocol::parse(bytes) {
        Parsed::Incomplete => None,
        verdict => Some(verdict),
    });
    let Ok(Some(Parsed::Header { source, length })) = found.await else { return Err(Refusal::ProxyHeader) };
    let mut header = vec![0; length];
    stream.read_exact(&mut header).await.map_err(|_gone| Refusal::ProxyHeader)?;
    Ok(source)
}

/// Tells HTTP/2 with prior knowledge from everything else. `None` = the client left without a byte.
pub async fn spoken(stream: &TcpStream) -> io::Result<Option<Http>> {
    peek_until(stream, |bytes| {
        let common = bytes.len().min(PREFACE.len());
        let fits = bytes.get(..common) == PREFACE.get(..common);
        match (fits, common == PREFACE.len()) {
            (false, _) => Some(Http::H1),
            (true, true) => Some(Http::H2),
            (true, false) => None,
        }
    })
    .await
}

/// Whether the client begins with TLS. `None` = it left without a byte.
pub async fn is_tls(stream: &TcpStream) -> io::Result<Option<bool>> {
    peek_until(stream, |bytes| bytes.first().map(|first| *first == TLS_HANDSHAKE)).await
}

/// What is spoken on a connection that may be anything. `None` = the client left without a byte.
pub async fn detected(stream: &TcpStream) -> io::Result<Option<Detected>> {
    peek_until(stream, |bytes| Some(detect(bytes)).filter(|detected| *detected != Detected::NeedMore)).await
}

/// Peeks until `judge` has seen enough; `None` when the peer closed before.
///
/// Peeking again at once would spin while a client drips single bytes, so it waits longer each time.
async fn peek_until<T>(stream: &TcpStream, judge: impl Fn(&[u8]) -> Option<T>) -> io::Result<Option<T>> {
    let mut buffer = [0u8; 1280];
    let mut pause = Duration::from_millis(5);
    let mut seen = 0;
    loop {
        let n = stream.peek(&mut buffer).await?;
        if n == 0 {
            return Ok(None);
        }
        if n > seen
            && let Some(verdict) = judge(buffer.get(..n).unwrap_or_default())
        {
            return Ok(Some(verdict));
        }
        seen = n;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

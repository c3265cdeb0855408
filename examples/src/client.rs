//! A small HTTP/1.1 client: one connection, one request, the whole answer. It sends the target byte for
//! byte, as `curl --path-as-is` does.

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(5);

/// A whole answer.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// The value of a header; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body read as JSON.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {:?}", self.body))
    }
}

/// A GET of `target` at a port of this machine.
pub async fn get(port: u16, target: &str) -> anyhow::Result<Reply> {
    send(port, Request::get(target).body(Full::default())?).await
}

/// Sends `request` to a port of this machine and reads the answer to its end.
pub async fn send(port: u16, request: Request<Full<Bytes>>) -> anyhow::Result<Reply> {
    tokio::time::timeout(PATIENCE, exchange(port, request)).await.context("no answer in time")?
}

async fn exchange(port: u16, mut request: Request<Full<Bytes>>) -> anyhow::Result<Reply> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    request.headers_mut().insert(HOST, format!("127.0.0.1:{port}").parse()?);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::task::spawn_local(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    connection.abort();
    Ok(Reply { status: head.status, headers: head.headers, body })
}

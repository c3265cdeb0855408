//! A small HTTP/1.1 client: one connection, one request, the whole answer. It sends the target byte for
//! byte, as `curl --path-as-is` does.

use crate::people;
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(5);

/// Where a request goes: a port of this machine.
pub struct To {
    /// The port.
    pub port: u16,
    /// Over TLS, as one of the people: the folder `people` and a name.
    pub person: Option<(PathBuf, &'static str)>,
}

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
    send(&To { port, person: None }, Request::get(target).body(Full::default())?).await
}

/// Sends `request` and reads the answer to its end. Without a `Host` of its own it asks for the address it goes to.
pub async fn send(to: &To, request: Request<Full<Bytes>>) -> anyhow::Result<Reply> {
    tokio::time::timeout(PATIENCE, connect(to, request)).await.context("no answer in time")?
}

async fn connect(to: &To, mut request: Request<Full<Bytes>>) -> anyhow::Result<Reply> {
    let stream = TcpStream::connect(("127.0.0.1", to.port)).await?;
    let name = if to.person.is_some() { people::HOST } else { "127.0.0.1" };
    let address = format!("{name}:{}", to.port).parse()?;
    request.headers_mut().entry(HOST).or_insert(address);
    match &to.person {
        Some((folder, person)) => exchange(people::connect(folder, person, stream).await?, request).await,
        None => exchange(stream, request).await,
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<Reply> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::task::spawn_local(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    connection.abort();
    Ok(Reply { status: head.status, headers: head.headers, body })
}

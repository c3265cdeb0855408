//! One GET over a connection of its own, in bounded time and space: for probes, not for traffic.
//!
//! Plain HTTP to an address, without redirects, without anything kept. Must not know: what the answer means.

use crate::runtime::LocalExecutor;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Buffer of the connection: bounds the head of the answer.
const BUFFER: usize = 16 << 10;
/// Bytes of an answer that are read.
const BODY: usize = 16 << 10;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Whom.
    pub address: SocketAddr,
    /// `/path?query`.
    pub path: &'a str,
    /// HTTP/2 with prior knowledge instead of HTTP/1.1.
    pub h2: bool,
    /// For everything: connection, head, body.
    pub patience: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody takes the connection.
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    /// What cannot be asked, or no HTTP came back.
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    /// The path is none.
    #[error("not a path: {0}")]
    Path(http::Error),
    /// The patience is over.
    #[error("no answer in time")]
    Late,
}

/// Whether somebody takes a connection.
///
/// # Errors
/// Refused, unreachable, or not in time.
pub async fn connect(address: SocketAddr, patience: Duration) -> Result<TcpStream, AskError> {
    match timeout(patience, TcpStream::connect(address)).await {
        Ok(connected) => connected.map_err(AskError::Connect),
        Err(_) => Err(AskError::Late),
    }
}

/// The status only; the body is left where it is.
///
/// # Errors
/// See [`AskError`].
pub async fn status(question: Question<'_>) -> Result<StatusCode, AskError> {
    within(question.patience, async {
        let mut tasks = JoinSet::new();
        Ok(send(&question, &mut tasks).await?.status())
    })
    .await
}

/// Status and body; of a body over 16 KiB nothing.
///
/// # Errors
/// See [`AskError`].
pub async fn get(question: Question<'_>) -> Result<(StatusCode, Bytes), AskError> {
    within(question.patience, async {
        let mut tasks = JoinSet::new();
        let answer = send(&question, &mut tasks).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), BODY).collect().await;
        Ok((status, body.map(|body| body.to_bytes()).unwrap_or_default()))
    })
    .await
}

async fn within<T>(
    patience: Duration,
    asking: impl Future<Output = Result<T, AskError>>,
) -> Result<T, AskError> {
    timeout(patience, asking).await.unwrap_or(Err(AskError::Late))
}

/// Sends it; the connection runs in `tasks` and ends with them.
async fn send(question: &Question<'_>, tasks: &mut JoinSet<()>) -> Result<Response<Incoming>, AskError> {
    let stream = TcpStream::connect(question.address).await.map_err(AskError::Connect)?;
    let io = TokioIo::new(stream);
    if question.h2 {
        let handshake = http2::Builder::new(LocalExecutor).max_header_list_size(BUFFER as u32).handshake(io);
        let (mut sender, connection) = handshake.await?;
        tasks.spawn_local(async { drop(connection.await) });
        return Ok(sender.send_request(request(question)?).await?);
    }
    let (mut sender, connection) = http1::Builder::new().max_buf_size(BUFFER).handshake(io).await?;
    tasks.spawn_local(async { drop(connection.await) });
    Ok(sender.send_request(request(question)?).await?)
}

fn request(question: &Question<'_>) -> Result<Request<Empty<Bytes>>, AskError> {
    let host = question.address.to_string();
    let builder = Request::builder().header(http::header::USER_AGENT, "portcullis-probe");
    let builder = if question.h2 {
        builder.uri(format!("http://{host}{}", question.path))
    } else {
        builder.uri(question.path).header(http::header::HOST, host).header(http::header::CONNECTION, "close")
    };
    builder.body(Empty::new()).map_err(AskError::Path)
}

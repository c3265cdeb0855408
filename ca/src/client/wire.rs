//! Glue between TLS, hyper's HTTP/2 and the generated client.
//!
//! A connection runs as local tasks; they end with its [`Driver`]. It remembers the alert the other side ended it with:
//! on its way through HTTP/2 that becomes a text.

use crate::tls::LocalExecutor;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::AlertDescription;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;
use tonic::body::Body;

/// A server that is gone is noticed within the sum of both.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_LIMIT: Duration = Duration::from_secs(10);

/// The alert the other side ended a connection with (RFC 8446, section 6.2), once it has.
pub(super) type Alert = Arc<OnceLock<AlertDescription>>;

/// Begins to speak HTTP/2.
pub(super) async fn start(tls: TlsStream<TcpStream>, alert: Alert) -> io::Result<(Channel, Driver)> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_LIMIT)
        .keep_alive_while_idle(true);
    let stream = TokioIo::new(Listening { tls, alert });
    let (send, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
    let task = tokio::task::spawn_local(async move {
        // Who waits for an answer hears of it too.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the authority ended");
        }
    });
    Ok((Channel(send), Driver(task)))
}

/// hyper's sender as a service the generated client can call.
#[derive(Debug)]
pub(super) struct Channel(SendRequest<Body>);

impl tonic::codegen::Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// The task that moves the bytes; it ends with this.
pub(super) struct Driver(JoinHandle<()>);

impl Driver {
    /// Waits until there is nothing more to move.
    pub(super) async fn ended(mut self) {
        // It can only have been cut off otherwise, and then there is nothing to wait for.
        let _done = (&mut self.0).await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes down the alert.
struct Listening {
    tls: TlsStream<TcpStream>,
    alert: Alert,
}

impl AsyncRead for Listening {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.tls).poll_read(context, buffer);
        if let Poll::Ready(Err(error)) = &read
            && let Some(rustls::Error::AlertReceived(alert)) =
                error.get_ref().and_then(|inner| inner.downcast_ref())
        {
            // The first one ends the connection; there is no second.
            let _first = self.alert.set(*alert);
        }
        read
    }
}

impl AsyncWrite for Listening {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(context)
    }
}

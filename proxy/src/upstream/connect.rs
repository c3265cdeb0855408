//! Making one connection to an endpoint: TCP, TLS when the service wants it, the HTTP handshake.

use super::body::RequestBody;
use super::guarded::{Guarded, Wire};
use crate::config::service::{Protocol, Service};
use crate::listener::gate::{Limits, ResponseGate};
use crate::pipeline::reject::ConnectFault;
use crate::runtime::LocalExecutor;
use crate::telemetry::metrics::{OpenConnection, ServiceMetrics};
use crate::tls::client::{ClientTls, TlsStream};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Nothing of one connection grows beyond this.
const BUFFER: usize = 64 * 1024;
/// Flow-control window of one HTTP/2 stream, bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Flow-control window of an HTTP/2 connection, bytes.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// A connection to an endpoint. An enum, so that the HTTP code is compiled once.
#[derive(Debug)]
pub enum Transport {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that speaks HTTP, ready for requests.
#[derive(Debug)]
pub enum Sender {
    /// HTTP/1: one request at a time.
    H1(http1::SendRequest<RequestBody>, Rc<Wire>),
    /// HTTP/2: many.
    H2 {
        /// Takes requests.
        sender: http2::SendRequest<RequestBody>,
        /// Streams the server allows at once, kept up to date.
        max_streams: Rc<Cell<usize>>,
        /// How the gauges see it.
        open: OpenConnection,
    },
}

/// What is needed to connect to any endpoint of a service.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// Its settings.
    pub service: &'a Service,
    /// How to speak TLS to it.
    pub tls: Option<&'a ClientTls>,
    /// Its counters.
    pub metrics: &'a Rc<ServiceMetrics>,
}

/// Connects within the service's connect time.
pub async fn connect(address: SocketAddr, to: Destination<'_>) -> Result<Sender, ConnectFault> {
    let Destination { service, tls, metrics } = to;
    metrics.connecting();
    let made = async {
        let transport = open(address, tls).await?;
        match service.protocol {
            Protocol::H1 => http1_handshake(transport, metrics.connected()).await,
            Protocol::H2 => http2_handshake(transport, metrics.connected()).await,
        }
    };
    let made =
        tokio::time::timeout(service.timeout.connect, made).await.unwrap_or(Err(ConnectFault::Timeout));
    if let Err(fault) = &made {
        metrics.connect_failed(fault.word());
    }
    made
}

async fn open(address: SocketAddr, tls: Option<&ClientTls>) -> Result<Transport, ConnectFault> {
    let stream = TcpStream::connect(address).await.map_err(|_refused| ConnectFault::Refused)?;
    // Without this, small requests wait for the acknowledgement of the one before.
    let _best_effort = stream.set_nodelay(true).is_ok();
    let Some(tls) = tls else { return Ok(Transport::Plain(stream)) };
    let secured =
        tls.connector.connect(tls.name.clone(), stream).await.map_err(|_failed| ConnectFault::Tls)?;
    Ok(Transport::Tls(Box::new(secured)))
}

async fn http1_handshake(transport: Transport, open: OpenConnection) -> Result<Sender, ConnectFault> {
    let wire = Wire::new(ResponseGate::new(Limits::of_responses()), open);
    let io = TokioIo::new(Guarded::new(transport, Rc::clone(&wire)));
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(io)
        .await
        .map_err(|_failed| ConnectFault::Protocol)?;
    tokio::task::spawn_local(async move {
        // Its end is seen by whoever holds the sender.
        let _ended = connection.await.is_ok();
    });
    Ok(Sender::H1(sender, wire))
}

async fn http2_handshake(transport: Transport, open: OpenConnection) -> Result<Sender, ConnectFault> {
    let (sender, connection) = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(64 * 1024)
        .max_send_buf_size(BUFFER)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .handshake(TokioIo::new(transport))
        .await
        .map_err(|_failed| ConnectFault::Protocol)?;
    let max_streams = Rc::new(Cell::new(connection.current_max_send_streams()));
    let told = Rc::clone(&max_streams);
    tokio::task::spawn_local(async move {
        let mut connection = pin!(connection);
        poll_fn(|cx| {
            let ended = connection.as_mut().poll(cx);
            told.set(connection.current_max_send_streams());
            ended.map(drop)
        })
        .await;
    });
    Ok(Sender::H2 { sender, max_streams, open })
}

macro_rules! either {
    ($transport:expr, $inner:ident => $call:expr) => {
        match $transport {
            Transport::Plain($inner) => $call,
            Transport::Tls($inner) => $call,
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_read(cx, buf))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        either!(self, inner => inner.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_shutdown(cx))
    }
}

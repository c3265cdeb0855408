//! A connection that may or may not be secured. An enum, so that the HTTP code is compiled once per side.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection, plain or with TLS of type `T` on it.
#[derive(Debug)]
pub enum Transport<T> {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<T>),
    /// Handed over to somebody else.
    Gone,
}

macro_rules! either {
    ($transport:expr, $inner:ident => $call:expr, $gone:expr) => {
        match $transport {
            Transport::Plain($inner) => $call,
            Transport::Tls($inner) => $call,
            Transport::Gone => $gone,
        }
    };
}

fn gone<V>() -> Poll<io::Result<V>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl<T: AsyncRead + Unpin> AsyncRead for Transport<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_read(cx, buf), gone())
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Transport<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_write(cx, buf), gone())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_write_vectored(cx, bufs), gone())
    }

    fn is_write_vectored(&self) -> bool {
        either!(self, inner => inner.is_write_vectored(), false)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_flush(cx), gone())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_shutdown(cx), gone())
    }
}

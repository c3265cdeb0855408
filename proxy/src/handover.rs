//! Taking a connection back from the HTTP library when it has left HTTP.
//!
//! The library gives connections back only to those that may move between threads, and ours may not. But when the last
//! answer was a 101 it lets go of its connection without shutting it: then the reader that stands before it, on its way
//! out, hands the socket over, with what it has read and the library has not seen.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// Where a connection is handed over, once somebody waits for it.
#[derive(Debug)]
pub struct Handover<T>(RefCell<Option<oneshot::Sender<Taken<T>>>>);

impl<T> Default for Handover<T> {
    fn default() -> Self {
        Self(RefCell::new(None))
    }
}

/// A connection without HTTP.
#[derive(Debug)]
pub struct Taken<T> {
    io: T,
    /// What was read ahead.
    early: Vec<u8>,
}

impl<T> Handover<T> {
    /// Waits for it; an error when the connection ends otherwise.
    pub fn awaited(&self) -> oneshot::Receiver<Taken<T>> {
        let (give, taken) = oneshot::channel();
        *self.0.borrow_mut() = Some(give);
        taken
    }

    /// Whether somebody waits for it.
    pub fn is_awaited(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Hands it over.
    pub fn give(&self, io: T, early: Vec<u8>) {
        if let Some(give) = self.0.borrow_mut().take() {
            // Whoever waited may be gone; then the connection ends here.
            drop(give.send(Taken { io, early }));
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Taken<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.early.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let rest = this.early.split_off(this.early.len().min(buf.remaining()));
        buf.put_slice(&this.early);
        this.early = rest;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Taken<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

//! A connection that can be cut from outside, whoever holds it by then.
//!
//! The HTTP/2 library keeps the connection in tasks of its own for as long as streams are open: to end it at once,
//! as when its peer is revoked, the bytes themselves must end.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Cuts one connection.
#[derive(Debug, Default)]
pub struct Knife {
    cut: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

impl Knife {
    /// Cuts it: from now on nothing is read or written.
    pub fn cut(&self) {
        self.cut.set(true);
        // Taken out first: waking may run arbitrary code of the executor.
        let reader = self.reader.borrow_mut().take();
        reader.into_iter().for_each(Waker::wake);
    }

    fn check(&self) -> io::Result<()> {
        if self.cut.get() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

/// A connection under the knife.
#[derive(Debug)]
pub struct Severed<T> {
    io: T,
    knife: Rc<Knife>,
}

impl<T> Severed<T> {
    /// Puts `io` under `knife`.
    pub const fn new(io: T, knife: Rc<Knife>) -> Self {
        Self { io, knife }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Severed<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.knife.check()?;
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        if read.is_pending() {
            let mut reader = this.knife.reader.borrow_mut();
            if !reader.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                *reader = Some(cx.waker().clone());
            }
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Severed<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.knife.check()?;
        Pin::new(&mut this.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.knife.check()?;
        Pin::new(&mut this.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

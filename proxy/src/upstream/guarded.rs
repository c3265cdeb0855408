//! The read path of an upstream HTTP/1 connection: answers are held to the same framing rules as requests.
//!
//! An unsound answer fails the connection, so that it can never serve another exchange; the fault stays on the
//! [`Wire`] for the exchange to report.

use crate::listener::gate::{Fault, ResponseGate, Verdict};
use crate::telemetry::metrics::OpenConnection;
use crate::tls::client::Transport;
use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::AbortHandle;

/// What the pool and the exchange know of an upstream connection.
#[derive(Debug)]
pub struct Wire {
    gate: RefCell<ResponseGate>,
    /// Why the connection was given up.
    pub fault: Cell<Option<Fault>>,
    /// How the gauges see it.
    pub open: OpenConnection,
    /// The task that drives it.
    pub task: OnceCell<AbortHandle>,
}

impl Wire {
    /// A wire on which nothing was asked yet.
    pub fn new(gate: ResponseGate, open: OpenConnection) -> Rc<Self> {
        Rc::new(Self { gate: RefCell::new(gate), fault: Cell::new(None), open, task: OnceCell::new() })
    }

    /// Ends the connection at once, whatever it is doing.
    pub fn close(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// Says what kind of answer comes next.
    pub fn expect(&self, head_request: bool) {
        self.gate.borrow_mut().expect(head_request);
    }
}

/// An upstream HTTP/1 connection with the gate in its read path.
#[derive(Debug)]
pub struct Guarded {
    stream: Transport,
    wire: Rc<Wire>,
    held: Vec<u8>,
    passed: Vec<u8>,
}

impl Guarded {
    /// Puts the gate of `wire` in front of `stream`.
    pub const fn new(stream: Transport, wire: Rc<Wire>) -> Self {
        Self { stream, wire, held: Vec::new(), passed: Vec::new() }
    }

    fn judge(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.wire.gate.borrow_mut().inspect(bytes) {
            Verdict::Pass { sound } => Ok(sound),
            // What is sound still goes on: the answer may have ended well before the surplus bytes.
            Verdict::Refuse { sound, fault, .. } => {
                let first = self.wire.fault.replace(Some(fault)).is_none();
                if first && sound > 0 { Ok(sound) } else { Err(io::ErrorKind::InvalidData.into()) }
            }
        }
    }

    /// The whole of what came in one read is usually sound: then nothing is copied.
    fn read_straight(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let fresh = buf.filled().get(before..).unwrap_or_default();
        if fresh.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let sound = self.judge(fresh)?;
        self.held.extend_from_slice(fresh.get(sound..).unwrap_or_default());
        buf.set_filled(before + sound);
        Poll::Ready(Ok(sound > 0))
    }

    /// The rest of a head that came in pieces.
    fn read_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut scratch = [0u8; 4096];
        let mut more = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut more))?;
        if more.filled().is_empty() {
            return Poll::Ready(Ok(true));
        }
        self.held.extend_from_slice(more.filled());
        let sound = self.judge(&self.held)?;
        let rest = self.held.split_off(sound);
        self.passed = std::mem::replace(&mut self.held, rest);
        Poll::Ready(Ok(false))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.passed.is_empty() {
                let rest = this.passed.split_off(this.passed.len().min(buf.remaining()));
                buf.put_slice(&this.passed);
                this.passed = rest;
                return Poll::Ready(Ok(()));
            }
            // What stood behind a sound end: the connection must not serve another exchange.
            if this.wire.fault.get().is_some() {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            let done = if this.held.is_empty() {
                ready!(this.read_straight(cx, buf))?
            } else {
                ready!(this.read_more(cx))?
            };
            if done {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.get_mut().stream);
        match bufs {
            // Usually a head alone.
            [only] => stream.poll_write(cx, only),
            _ => stream.poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

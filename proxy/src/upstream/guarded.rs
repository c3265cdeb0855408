//! The read path of an upstream HTTP/1 connection: answers are held to the same framing rules as requests.
//!
//! An unsound answer fails the connection, so that it can never serve another exchange; the fault stays on the
//! [`Wire`] for the exchange to report.

use crate::handover::{Handover, Taken};
use crate::listener::gate::{Fault, ResponseGate, Verdict};
use crate::telemetry::metrics::OpenConnection;
use crate::tls::client::Transport;
use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
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
    /// The request under way asks to leave HTTP.
    leaving: Cell<bool>,
    /// Where it goes when it has left HTTP.
    handover: Handover<Transport>,
    /// The other end of that, until somebody asks for it.
    taken: RefCell<Option<oneshot::Receiver<Taken<Transport>>>>,
}

impl Wire {
    /// A wire on which nothing was asked yet.
    pub fn new(gate: ResponseGate, open: OpenConnection) -> Rc<Self> {
        Rc::new(Self {
            gate: RefCell::new(gate),
            fault: Cell::new(None),
            open,
            task: OnceCell::new(),
            leaving: Cell::new(false),
            handover: Handover::default(),
            taken: RefCell::default(),
        })
    }

    /// Ends the connection at once, whatever it is doing.
    pub fn close(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// The connection itself, after a 101.
    pub fn taken(&self) -> Option<oneshot::Receiver<Taken<Transport>>> {
        self.taken.borrow_mut().take()
    }

    /// Says to what kind of request an answer comes next.
    pub fn expect<B>(&self, request: &http::Request<B>) {
        let mut gate = self.gate.borrow_mut();
        let leaving = request.headers().contains_key(http::header::UPGRADE);
        self.leaving.set(leaving);
        // Now: when the answer is seen, the connection may be gone already.
        *self.taken.borrow_mut() = leaving.then(|| self.handover.awaited());
        if leaving {
            gate.expect_upgrade();
        } else {
            gate.expect(request.method() == http::Method::HEAD);
        }
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
        if self.wire.leaving.get() {
            return self.judge_head_by_head(bytes);
        }
        self.judge_all(bytes)
    }

    /// Up to the end of a 101 and no further: what follows it is not for the HTTP library.
    fn judge_head_by_head(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut sound = 0;
        while let Some(end) = bytes.get(sound..).and_then(|rest| memchr::memmem::find(rest, b"\r\n\r\n")) {
            let upto = sound + end + 4;
            let passed = self.judge_all(bytes.get(sound..upto).unwrap_or_default())?;
            sound += passed;
            if sound < upto || self.wire.gate.borrow().is_tunnel() {
                return Ok(sound);
            }
        }
        Ok(sound + self.judge_all(bytes.get(sound..).unwrap_or_default())?)
    }

    fn judge_all(&self, bytes: &[u8]) -> io::Result<usize> {
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

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.wire.leaving.get() {
            let mut early = std::mem::take(&mut self.passed);
            early.append(&mut self.held);
            self.wire.handover.give(std::mem::replace(&mut self.stream, Transport::Gone), early);
        }
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
            if this.wire.leaving.get() && this.wire.gate.borrow().is_tunnel() {
                // The rest is read by whoever takes the connection over.
                return Poll::Pending;
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

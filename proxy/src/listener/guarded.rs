//! The read path in front of hyper for HTTP/1: nothing passes that the gate has not seen.
//!
//! What the gate refuses is replaced by its marker request, so that the refusal is answered in its turn on a
//! pipelined connection, by the one reply path, with one Outcome; after that no byte of the connection is
//! believed. The same shell keeps the client's pace: it arms a coarse timer whenever it waits for the client.
//!
//! | waiting for                 | armed with | when it fires                                |
//! |-----------------------------|------------|----------------------------------------------|
//! | the first byte of a request | `idle` (`header` on a new connection) | end of stream: hyper closes quietly |
//! | the rest of a head          | `header`, not moved by single bytes   | refused with 408 through the marker |
//! | the next bytes of a body    | `body`     | the body fails, the exchange answers 408     |
//! | the client to read          | `write`    | the connection fails                         |
//! | the client to close at last | 1 s        | the socket is closed                         |

use super::connection::Connection;
use super::gate::{Fault, RequestGate, Verdict};
use crate::clock;
use crate::runtime::OnePiece;
use crate::sweep::{Sweep, Timer};
use crate::tls::server::Transport;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long we go on reading after the last answer, so that a reset does not overtake it (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(1);
/// How much a client may send ahead of the answer to its upgrade.
const EARLY_BYTES: usize = 64 * 1024;
/// How much we throw away meanwhile.
const LINGER_BYTES: usize = 256 * 1024;

/// A downstream HTTP/1 connection with the gate in its read path.
#[derive(Debug)]
pub struct Guarded {
    stream: Transport,
    gate: RequestGate,
    connection: Rc<Connection>,
    /// Bytes the gate has not passed yet: the beginning of a head.
    held: Vec<u8>,
    /// Bytes it has passed that hyper's buffer had no room for.
    passed: Vec<u8>,
    state: State,
    reading: Timer,
    writing: Timer,
    waits_for: Wait,
    /// No request has begun yet.
    fresh: bool,
}

/// What the read side does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Bytes go through the gate.
    Open,
    /// A refusal stands where the next body bytes would be.
    BodyFailed,
    /// The marker has been handed over: nothing is read any more.
    Refused,
    /// The last answer is written; what still comes is thrown away.
    Lingering { left: usize },
    /// Done.
    Closed,
}

/// What the read timer was armed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    Nothing,
    Request,
    Head,
    Body,
}

impl Guarded {
    /// Puts `gate` in front of `stream`.
    pub fn new(stream: Transport, gate: RequestGate, connection: Rc<Connection>, sweep: &Rc<Sweep>) -> Self {
        Self {
            stream,
            gate,
            connection,
            held: Vec::new(),
            passed: Vec::new(),
            state: State::Open,
            reading: sweep.timer(),
            writing: sweep.timer(),
            waits_for: Wait::Nothing,
            fresh: true,
        }
    }

    /// Ends the wait after a request that asked to leave HTTP, when it is known whether it has.
    fn settle(&mut self) {
        if self.gate.awaits_upgrade()
            && let Some(switched) = self.connection.switched.take()
        {
            self.gate.settle_upgrade(switched);
            // What came meanwhile is looked at now.
            let held = std::mem::take(&mut self.held);
            let verdict = self.gate.inspect(&held);
            self.held = held;
            let rest = self.held.split_off(sound(&verdict));
            self.passed.append(&mut std::mem::replace(&mut self.held, rest));
            self.obey(verdict);
        }
    }

    /// Reads once and lets the gate look. `Ready(true)`: something was delivered or the stream ended.
    fn read_on(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        if self.held.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            let fresh = buf.filled().get(before..).unwrap_or_default();
            if fresh.is_empty() {
                return Poll::Ready(Ok(true));
            }
            let verdict = self.gate.inspect(fresh);
            let sound = sound(&verdict);
            self.held.extend_from_slice(fresh.get(sound..).unwrap_or_default());
            buf.set_filled(before + sound);
            self.obey(verdict);
            return Poll::Ready(Ok(sound > 0));
        }
        let mut scratch = [0u8; 4096];
        let mut more = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut more))?;
        if more.filled().is_empty() {
            return Poll::Ready(Ok(true));
        }
        self.held.extend_from_slice(more.filled());
        let verdict = self.gate.inspect(&self.held);
        let rest = self.held.split_off(sound(&verdict));
        self.passed = std::mem::replace(&mut self.held, rest);
        self.obey(verdict);
        Poll::Ready(Ok(false))
    }

    fn obey(&mut self, verdict: Verdict) {
        if let Verdict::Refuse { fault, in_body, .. } = verdict {
            self.refuse(fault, in_body);
        }
    }

    /// From here on nothing of this connection is believed.
    fn refuse(&mut self, fault: Fault, in_body: bool) {
        self.connection.fault.set(Some(fault));
        let _told = self.gate.refuse(fault);
        self.held = Vec::new();
        if in_body {
            self.state = State::BodyFailed;
        } else {
            self.passed.extend_from_slice(self.gate.marker());
            self.connection.marker_sent.set(true);
            self.state = State::Refused;
        }
    }

    /// Hands over what was passed earlier; `true` when there was something.
    fn deliver(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.passed.is_empty() {
            return false;
        }
        let rest = self.passed.split_off(self.passed.len().min(buf.remaining()));
        buf.put_slice(&self.passed);
        self.passed = rest;
        true
    }

    /// Arms the timer for what the client now owes us.
    fn wait(&mut self, cx: &Context<'_>) {
        let times = self.connection.timeouts;
        let (wait, limit) = if self.gate.in_head() {
            (Wait::Head, times.header)
        } else if self.gate.in_body() {
            (Wait::Body, times.body)
        } else {
            // Armed while an exchange is still in flight, too: hyper does not ask again when it ends.
            (Wait::Request, if self.fresh { times.header } else { times.idle })
        };
        if wait != self.waits_for || !self.reading.is_armed() {
            self.reading.arm(clock::now() + limit);
        }
        self.waits_for = wait;
        // Register for the wake-up; whether it has fired is looked at when the task runs again.
        let _registered = self.reading.poll(cx).is_ready();
    }

    /// What to do when the client took too long. `Some` ends this read.
    fn overdue(&mut self) -> Option<io::Result<()>> {
        self.reading.disarm();
        match std::mem::replace(&mut self.waits_for, Wait::Nothing) {
            Wait::Nothing => None,
            Wait::Request => {
                let (now, idle) = (clock::now(), self.connection.timeouts.idle);
                let end = self.connection.quiet_since.get() + idle;
                let busy = self.connection.in_flight.get() > 0;
                if !busy && (self.fresh || end <= now) {
                    return Some(Ok(()));
                }
                // Some exchange is here, or has been: the pause counts from its end.
                self.waits_for = Wait::Request;
                self.reading.arm(if busy { now + idle } else { end });
                None
            }
            Wait::Head => {
                self.refuse(Fault::HeaderTimeout, false);
                None
            }
            Wait::Body => {
                self.refuse(Fault::BodyTimeout, true);
                None
            }
        }
    }

    /// Notes that the client did something: a body's clock starts anew, a head's does not.
    ///
    /// `passed`: something whole went through, so that the head under way, if any, is another one.
    fn progress(&mut self, passed: bool) {
        self.fresh = false;
        if passed || self.waits_for != Wait::Head || !self.gate.in_head() {
            self.waits_for = Wait::Nothing;
        }
    }

    fn linger(&mut self, cx: &mut Context<'_>, mut left: usize) -> Poll<io::Result<()>> {
        let mut scratch = [0u8; 4096];
        while left > 0 && self.reading.poll(cx).is_pending() {
            let mut thrown_away = ReadBuf::new(&mut scratch);
            self.state = State::Lingering { left };
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut thrown_away)) {
                Ok(()) if !thrown_away.filled().is_empty() => {
                    left = left.saturating_sub(thrown_away.filled().len());
                }
                _ended => break,
            }
        }
        self.state = State::Closed;
        Poll::Ready(Ok(()))
    }

    /// Guards a write: a client that refuses to read for too long loses the connection.
    fn paced<T>(&mut self, cx: &Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing.disarm();
            return written;
        }
        if self.writing.has_fired() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if !self.writing.is_armed() {
            self.writing.arm(clock::now() + self.connection.timeouts.write);
        }
        let _registered = self.writing.poll(cx).is_ready();
        Poll::Pending
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.connection.handover.is_awaited() {
            let mut early = std::mem::take(&mut self.passed);
            early.append(&mut self.held);
            self.connection.handover.give(std::mem::replace(&mut self.stream, Transport::Gone), early);
        }
    }
}

const fn sound(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Pass { sound } | Verdict::Refuse { sound, .. } => *sound,
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.deliver(buf) {
                return Poll::Ready(Ok(()));
            }
            match this.state {
                State::Open => {}
                State::BodyFailed => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                // The answer is on its way out; a half-closed client must not cut it off.
                State::Refused => return Poll::Pending,
                State::Lingering { .. } | State::Closed => return Poll::Ready(Ok(())),
            }
            if this.reading.has_fired()
                && let Some(end) = this.overdue()
            {
                return Poll::Ready(end);
            }
            if !this.passed.is_empty() || this.state != State::Open {
                continue;
            }
            this.settle();
            if !this.passed.is_empty() {
                continue;
            }
            if this.gate.awaits_upgrade() {
                *this.connection.reader.borrow_mut() = Some(cx.waker().clone());
            }
            if this.gate.awaits_upgrade() && this.held.len() >= EARLY_BYTES {
                // Enough for what a client may send ahead of the answer.
                this.wait(cx);
                return Poll::Pending;
            }
            match this.read_on(cx, buf) {
                Poll::Pending => {
                    this.wait(cx);
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(delivered)) => {
                    this.progress(delivered || !this.passed.is_empty());
                    if delivered {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.paced(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match OnePiece::of(bufs) {
            Some(piece) => Pin::new(&mut this.stream).poll_write(cx, piece.as_slice()),
            None => Pin::new(&mut this.stream).poll_write_vectored(cx, bufs),
        };
        this.paced(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.paced(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.state {
            State::Closed => Poll::Ready(Ok(())),
            State::Lingering { left } => this.linger(cx, left),
            State::Open if this.gate.at_boundary() => {
                let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
                this.paced(cx, shut)
            }
            State::Open | State::BodyFailed | State::Refused => {
                let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
                ready!(this.paced(cx, shut))?;
                this.reading.arm(clock::now() + LINGER);
                this.linger(cx, LINGER_BYTES)
            }
        }
    }
}

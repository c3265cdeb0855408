//! The body of an answer on its way down: streamed or ours, counted, and with the exchange on its back.
//!
//! | ends by                       | outcome                               | upstream connection |
//! |-------------------------------|---------------------------------------|---------------------|
//! | its last byte                 | answered                              | back to the pool    |
//! | the upstream breaking off     | upstream, `response_truncated`        | closed              |
//! | both falling silent           | upstream, `response_stalled`          | closed              |
//! | either, after the request's body failed | the word of that failure    | closed              |
//! | being dropped before its end  | downstream, `client_gone`             | closed              |
//! | being dropped by the drain    | proxy, `drain_cut`                    | closed              |
//!
//! A body that breaks off ends with an error, so that the client sees a truncated answer and never a whole one.

use super::exchange::Exchange;
use crate::clock;
use crate::identity;
use crate::listener::streams::Stall;
use crate::telemetry::outcome::{EndedBy, Outcome, Stage};
use crate::upstream::attempt::Held;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The body of an answer.
#[derive(Debug)]
pub struct Body(Option<Answer>);

/// The body of an exchange's answer.
#[derive(Debug)]
struct Answer {
    exchange: Box<Exchange>,
    source: Source,
    /// Ends the stream of a client that does not read (HTTP/2).
    stall: Option<Rc<Stall>>,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every answer is streamed: a box would be for all of them"
)]
enum Source {
    /// Our own words; `None` once sent.
    Local(Option<Bytes>),
    /// Streamed. `uploaded`: bytes of the request when its silence was last looked at.
    Upstream { incoming: Incoming, held: Option<Held>, idle: Duration, uploaded: u64 },
}

/// The stall of this stream, for which a head is on its way.
fn owing() -> Option<Rc<Stall>> {
    Stall::current().inspect(|stall| stall.owes())
}

/// Why an answer broke off.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum Broken {
    /// The upstream closed, reset or broke its framing.
    #[error("the service broke off its answer")]
    Truncated,
    /// The upstream said nothing for too long.
    #[error("the service stopped in the middle of its answer")]
    Stalled,
    /// What allowed the request does not hold any more.
    #[error("the request is not allowed any more")]
    Cut,
}

impl Body {
    /// Our own words. The exchange must know its outcome already.
    pub fn local(exchange: Box<Exchange>, bytes: Bytes) -> Self {
        Self(Some(Answer { exchange, source: Source::Local(Some(bytes)), stall: owing() }))
    }

    /// Streamed from upstream; pauses longer than `idle` end it.
    pub fn upstream(exchange: Box<Exchange>, incoming: Incoming, held: Held, idle: Duration) -> Self {
        exchange.timer.disarm();
        let uploaded = exchange.flow.as_ref().map_or(0, |flow| flow.bytes.get());
        let source = Source::Upstream { incoming, held: Some(held), idle, uploaded };
        Self(Some(Answer { exchange, source, stall: owing() }))
    }

    /// None: the answer of a tunnel, whose exchange goes on beside.
    pub const fn of_tunnel() -> Self {
        Self(None)
    }
}

impl Answer {
    fn ended(&mut self) {
        let now = clock::now();
        self.exchange.outcome = Outcome::ANSWERED;
        self.exchange.ended = Some(now);
        if let Source::Upstream { held, .. } = &mut self.source
            && let Some(held) = held.take()
        {
            held.answer_ended(now);
        }
    }

    /// Whether the request has moved since this was last asked: then a silent answer is no stalled one.
    fn still_uploads(&mut self) -> bool {
        let Source::Upstream { uploaded, .. } = &mut self.source else { return false };
        let bytes = self.exchange.flow.as_ref().map_or(0, |flow| flow.bytes.get());
        std::mem::replace(uploaded, bytes) != bytes
    }

    fn broken(&mut self, why: Broken) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Source::Upstream { held, .. } = &mut self.source else { return Poll::Ready(None) };
        if matches!(why, Broken::Cut) {
            drop(held.take());
            self.exchange.outcome = super::reject::Rejection::NotAuthorized.outcome();
            return Poll::Ready(Some(Err(why)));
        }
        let reason = match (why, held.take().and_then(|held| held.fault())) {
            (Broken::Truncated, Some(fault)) => fault.word(),
            (Broken::Truncated, None) => "response_truncated",
            (Broken::Stalled | Broken::Cut, _) => "response_stalled",
        };
        let outcome = Outcome { ended_by: EndedBy::Upstream, stage: Stage::Response, reason };
        // An upstream that answered early is given up when the rest of the request fails.
        self.exchange.outcome =
            super::forward::clients_fault(&self.exchange).map_or(outcome, |fault| fault.outcome());
        Poll::Ready(Some(Err(why)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(this) = &mut self.get_mut().0 else { return Poll::Ready(None) };
        let (incoming, idle) = match &mut this.source {
            Source::Local(bytes) => {
                let bytes = bytes.take().filter(|bytes| !bytes.is_empty());
                this.exchange.bytes_out += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
                return Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))));
            }
            // Not our own words: they may be those that say so.
            Source::Upstream { .. } if this.exchange.is_cut() => return this.broken(Broken::Cut),
            Source::Upstream { incoming, idle, .. } => (incoming, *idle),
        };
        match Pin::new(incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                this.exchange.timer.disarm();
                if let Some(stall) = &this.stall {
                    stall.owes();
                }
                if let Some(data) = frame.data_ref() {
                    this.exchange.bytes_out += data.len() as u64;
                } else if let Some(trailers) = frame.trailers_mut() {
                    identity::headers::strip(trailers);
                    this.exchange.take_note_of_grpc(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.ended();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_broken))) => this.broken(Broken::Truncated),
            Poll::Pending if this.exchange.timer.has_fired() && !this.still_uploads() => {
                this.broken(Broken::Stalled)
            }
            Poll::Pending => {
                if let Some(stall) = &this.stall {
                    stall.waits();
                }
                if !this.exchange.timer.is_armed() {
                    this.exchange.timer.arm(clock::now() + idle);
                }
                let _registered = this.exchange.timer.poll(cx).is_ready();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.0.as_ref().map(|answer| &answer.source) {
            None => true,
            Some(Source::Local(bytes)) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Some(Source::Upstream { incoming, .. }) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.0.as_ref().map(|answer| &answer.source) {
            None => SizeHint::with_exact(0),
            Some(Source::Local(bytes)) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Some(Source::Upstream { incoming, .. }) => incoming.size_hint(),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // A body of known length is dropped after its last byte, without being asked for more.
        if matches!(&self.source, Source::Upstream { incoming, held: Some(_), .. } if incoming.is_end_stream())
        {
            self.ended();
        }
    }
}

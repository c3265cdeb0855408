//! The body of a request on its way up: streamed, counted, capped, trailers filtered.
//!
//! It runs on the upstream connection's task, away from the exchange. What goes wrong is left in the shared
//! [`Flow`], where the exchange finds it when its attempt fails.

use crate::clock;
use crate::identity;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// What became of a request body.
#[derive(Debug, Default)]
pub struct Flow {
    /// Bytes read from the client.
    pub bytes: Cell<u64>,
    /// Why it ended early.
    pub fault: Cell<Option<BodyFault>>,
    /// It was read to its end.
    pub finished: Cell<bool>,
    /// When that was; `None` when there was no body to read.
    pub ended_at: Cell<Option<Instant>>,
    /// The upstream would take more, the client sends none.
    pub starved: Cell<bool>,
}

impl Flow {
    fn finish(&self) {
        if !self.finished.replace(true) {
            self.ended_at.set(Some(clock::now()));
        }
    }
}

/// Why a request body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// More bytes than the route takes.
    #[error("the body is longer than the route takes")]
    TooLarge,
    /// The client's connection or framing failed.
    #[error("the body broke off")]
    Broken,
}

/// The body of a request on its way up.
#[derive(Debug)]
pub enum RequestBody {
    /// None.
    Empty,
    /// Streamed from the client.
    Stream(Stream),
}

/// A body streamed from the client.
#[derive(Debug)]
pub struct Stream {
    incoming: Incoming,
    flow: Rc<Flow>,
    limit: u64,
    trailers: bool,
}

impl RequestBody {
    /// Wraps `incoming`; `limit` in bytes, `trailers` = whether they may go on (gRPC).
    pub fn new(incoming: Incoming, flow: &Rc<Flow>, limit: Option<u64>, trailers: bool) -> Self {
        if incoming.is_end_stream() {
            flow.finished.set(true);
            return Self::Empty;
        }
        Self::Stream(Stream { incoming, flow: Rc::clone(flow), limit: limit.unwrap_or(u64::MAX), trailers })
    }
}

impl Stream {
    fn take(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, BodyFault> {
        match frame.into_data() {
            Ok(data) => {
                let bytes = self.flow.bytes.get() + data.len() as u64;
                self.flow.bytes.set(bytes);
                if bytes > self.limit { Err(BodyFault::TooLarge) } else { Ok(Some(Frame::data(data))) }
            }
            Err(frame) => Ok(frame.into_trailers().ok().filter(|_| self.trailers).map(|mut trailers| {
                identity::headers::strip(&mut trailers);
                Frame::trailers(trailers)
            })),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Self::Stream(stream) = self.get_mut() else { return Poll::Ready(None) };
        loop {
            let next = Pin::new(&mut stream.incoming).poll_frame(cx);
            stream.flow.starved.set(next.is_pending());
            let taken = match ready!(next) {
                None => {
                    stream.flow.finish();
                    return Poll::Ready(None);
                }
                Some(Ok(frame)) => {
                    // A body of known length is not polled again after its last byte.
                    if stream.incoming.is_end_stream() {
                        stream.flow.finish();
                    }
                    stream.take(frame)
                }
                Some(Err(_broken)) => Err(BodyFault::Broken),
            };
            match taken {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => {}
                Err(fault) => {
                    stream.flow.fault.set(Some(fault));
                    return Poll::Ready(Some(Err(fault)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(stream) => {
                let ended = stream.incoming.is_end_stream();
                if ended {
                    stream.flow.finish();
                }
                ended
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(stream) => stream.incoming.size_hint(),
        }
    }
}

//! The body of a request on its way up: streamed, counted, capped, trailers filtered.
//!
//! It runs on the upstream connection's task, away from the exchange. What goes wrong is left in the shared
//! [`Flow`], where the exchange finds it when its attempt fails.
//!
//! A body that may have to be sent again is kept on a tape while it is read ([`RequestBody::keep`]). Then there is one
//! source, and readers of it, of which only the newest counts:
//!
//! | reader | gets |
//! |--|--|
//! | the newest | what was kept, from the beginning; then what comes from the client |
//! | an older one | the error [`Stopped::Replaced`], at once: it must not take what the newest waits for |
//!
//! The tape is given up when it grows too long, and when nobody can rewind it any more ([`Original`] is dropped).

use super::body_tape::Tape;
use crate::clock;
use crate::identity;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

/// What became of a request body.
#[derive(Debug, Default)]
pub struct Flow {
    /// Bytes read from the client.
    pub bytes: Cell<u64>,
    /// Why it ended early.
    pub fault: Cell<Option<BodyFault>>,
    /// The attempt that has it now has read it to its end.
    pub finished: Cell<bool>,
    /// When that was the first time; `None` when there was no body to read.
    pub ended_at: Cell<Option<Instant>>,
    /// The upstream would take more, the client sends none.
    pub starved: Cell<bool>,
}

impl Flow {
    fn finish(&self) {
        if !self.finished.replace(true) && self.ended_at.get().is_none() {
            self.ended_at.set(Some(clock::now()));
        }
    }

    /// Another attempt begins to read it.
    fn begin_again(&self) {
        self.finished.set(false);
        self.starved.set(false);
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

/// Why a reader gets no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The body itself is over.
    #[error(transparent)]
    Fault(#[from] BodyFault),
    /// Another attempt reads it now.
    #[error("another attempt reads the body now")]
    Replaced,
}

/// The body of a request on its way up.
#[derive(Debug)]
pub enum RequestBody<B = Incoming> {
    /// None.
    Empty,
    /// Streamed from the client.
    Stream(Stream<B>),
    /// Streamed from the client, and kept for another try.
    Kept(Reader<B>),
}

/// A body streamed from the client.
#[derive(Debug)]
pub struct Stream<B> {
    incoming: B,
    flow: Rc<Flow>,
    limit: u64,
    trailers: bool,
}

/// One attempt's view of a body that is kept.
#[derive(Debug)]
pub struct Reader<B> {
    source: Rc<RefCell<Source<B>>>,
    /// Which of the readers it is; the newest counts.
    number: u32,
}

/// What is left with the caller while the body is sent: it can be sent again from the beginning. As long as it lives
/// the body is kept.
#[derive(Debug)]
pub struct Original<B = Incoming>(Kept<B>);

#[derive(Debug)]
enum Kept<B> {
    /// There is no body.
    Empty,
    /// Nothing is kept.
    Not,
    Source(Rc<RefCell<Source<B>>>),
}

/// A body, what of it is kept, and who reads it.
#[derive(Debug)]
struct Source<B> {
    stream: Stream<B>,
    /// `None`: given up.
    tape: Option<Tape>,
    /// Nobody can rewind it any more: it goes when it was played.
    is_last: bool,
    /// The client's part has been read.
    ended: bool,
    /// Number of the newest reader.
    newest: u32,
    /// Whom the client's next frame wakes.
    waiting: Option<Waker>,
}

impl<B: Body<Data = Bytes> + Unpin> RequestBody<B> {
    /// Wraps `incoming`; `limit` in bytes, `trailers` = whether they may go on (gRPC).
    pub fn new(incoming: B, flow: &Rc<Flow>, limit: Option<u64>, trailers: bool) -> Self {
        if incoming.is_end_stream() {
            flow.finished.set(true);
            return Self::Empty;
        }
        Self::Stream(Stream { incoming, flow: Rc::clone(flow), limit: limit.unwrap_or(u64::MAX), trailers })
    }

    /// Keeps what will be read of it, up to `most` bytes, so that it can be sent again. To be asked before any of it is
    /// read. What is certainly longer is not kept at all.
    pub fn keep(&mut self, most: u64) -> Original<B> {
        let stream = match std::mem::replace(self, Self::Empty) {
            Self::Empty => return Original(Kept::Empty),
            Self::Stream(stream)
                if stream.is_unread() && stream.incoming.size_hint().lower() <= most && most > 0 =>
            {
                stream
            }
            once => {
                *self = once;
                return Original(Kept::Not);
            }
        };
        let tape = Some(Tape::new(most));
        let source = Source { stream, tape, is_last: false, ended: false, newest: 0, waiting: None };
        let source = Rc::new(RefCell::new(source));
        *self = Self::Kept(Reader { source: Rc::clone(&source), number: 0 });
        Original(Kept::Source(source))
    }
}

impl<B> Original<B> {
    /// The body from its beginning; earlier ones get no more. `None` when it is not all there any more.
    pub fn again(&self) -> Option<RequestBody<B>> {
        match &self.0 {
            Kept::Empty => Some(RequestBody::Empty),
            Kept::Not => None,
            Kept::Source(source) => {
                let (number, waiting) = source.borrow_mut().rewind()?;
                // So that it finds out, and lets go of its connection.
                if let Some(waiting) = waiting {
                    waiting.wake();
                }
                Some(RequestBody::Kept(Reader { source: Rc::clone(source), number }))
            }
        }
    }

    /// Whether there is no body.
    pub const fn is_empty(&self) -> bool {
        matches!(self.0, Kept::Empty)
    }

    /// Whether [`Self::again`] has something to give.
    pub fn is_whole(&self) -> bool {
        match &self.0 {
            Kept::Empty => true,
            Kept::Not => false,
            Kept::Source(source) => source.borrow().is_whole(),
        }
    }
}

impl<B> Drop for Original<B> {
    fn drop(&mut self) {
        if let Kept::Source(source) = &self.0
            && let Ok(mut source) = source.try_borrow_mut()
        {
            source.is_last = true;
            source.give_up_if_played();
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Stream<B> {
    fn is_unread(&self) -> bool {
        self.flow.bytes.get() == 0 && !self.flow.finished.get() && self.flow.fault.get().is_none()
    }

    fn take(&self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, BodyFault> {
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

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        loop {
            let next = Pin::new(&mut self.incoming).poll_frame(cx);
            self.flow.starved.set(next.is_pending());
            let taken = match ready!(next) {
                None => {
                    self.flow.finish();
                    return Poll::Ready(None);
                }
                Some(Ok(frame)) => {
                    // A body of known length is not polled again after its last byte, nor any body after trailers.
                    if frame.is_trailers() || self.incoming.is_end_stream() {
                        self.flow.finish();
                    }
                    self.take(frame)
                }
                Some(Err(_broken)) => Err(BodyFault::Broken),
            };
            match taken {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => {}
                Err(fault) => {
                    self.flow.fault.set(Some(fault));
                    return Poll::Ready(Some(Err(fault)));
                }
            }
        }
    }
}

impl<B> Source<B> {
    /// The number of a new reader, and who waits for a frame that will not come.
    fn rewind(&mut self) -> Option<(u32, Option<Waker>)> {
        if !self.is_whole() {
            return None;
        }
        self.tape.as_mut()?.rewind();
        self.stream.flow.begin_again();
        self.newest = self.newest.wrapping_add(1);
        Some((self.newest, self.waiting.take()))
    }

    fn is_whole(&self) -> bool {
        self.tape.is_some() && self.stream.flow.fault.get().is_none()
    }

    fn give_up_if_played(&mut self) {
        if self.is_last && self.tape.as_ref().is_some_and(Tape::is_recording) {
            self.tape = None;
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Source<B> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        if let Some(frame) = self.tape.as_mut().and_then(Tape::play) {
            self.give_up_if_played();
            // Whoever sends it may not ask again after the last.
            self.is_end_stream();
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.ended {
            self.stream.flow.finish();
            return Poll::Ready(None);
        }
        let next = self.stream.poll(cx);
        match &next {
            Poll::Pending if self.tape.is_some() => match &mut self.waiting {
                Some(waiting) => waiting.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            },
            Poll::Pending => {}
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Ok(frame))) => {
                self.ended = frame.is_trailers();
                if self.tape.as_mut().is_some_and(|tape| tape.record(frame).is_err()) {
                    self.tape = None;
                }
            }
            Poll::Ready(Some(Err(_fault))) => self.tape = None,
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        let played = self.tape.as_ref().is_none_or(Tape::is_recording);
        let ended = played && (self.ended || self.stream.incoming.is_end_stream());
        if ended {
            self.stream.flow.finish();
        }
        ended
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.tape.as_ref().map_or(0, Tape::ahead);
        let rest = self.stream.incoming.size_hint();
        let mut whole = SizeHint::new();
        whole.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(ahead)) {
            whole.set_upper(upper);
        }
        whole
    }
}

impl<B> Reader<B> {
    fn is_newest(&self, source: &Source<B>) -> bool {
        self.number == source.newest
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        let polled = match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream(stream) => stream.poll(cx),
            Self::Kept(reader) => {
                let mut source = reader.source.borrow_mut();
                if !reader.is_newest(&source) {
                    return Poll::Ready(Some(Err(Stopped::Replaced)));
                }
                source.poll(cx)
            }
        };
        polled.map_err(Stopped::Fault)
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
            Self::Kept(reader) => {
                let source = reader.source.borrow();
                reader.is_newest(&source) && source.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(stream) => stream.incoming.size_hint(),
            Self::Kept(reader) => {
                let source = reader.source.borrow();
                if reader.is_newest(&source) { source.size_hint() } else { SizeHint::new() }
            }
        }
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;

//! What was read of a body, so that it can be sent again. Pure.
//!
//! | state | a frame from the client | a reader | rewinding |
//! |--|--|--|--|
//! | recording | is taken down; too long: it is given up, and freed | gets it from the client | playing |
//! | playing | none is asked for | gets the next that was taken down; after the last: recording | from the first again |
//!
//! Frames are counted references, not copies. Only small ones are copied together: they may be slices of something much
//! larger, that would be kept with them.
//!
//! Must not know: where frames come from, who reads.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;

/// A frame with less bytes is copied.
const SMALL: usize = 1024;

/// A body, as far as it was read.
#[derive(Debug)]
pub(super) struct Tape {
    /// Bytes at the most.
    most: u64,
    /// Bytes taken down.
    bytes: u64,
    frames: Vec<Bytes>,
    /// Small frames behind the last of `frames`.
    small: BytesMut,
    trailers: Option<HeaderMap>,
    /// The frame to be played next; behind the last: recording.
    next: usize,
    /// Bytes still to be played.
    ahead: u64,
    /// The trailers are still to be played.
    trailers_ahead: bool,
}

/// It is longer than may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is longer than may be kept")]
pub(super) struct TooLong;

impl Tape {
    /// Nothing yet, and never more than so many bytes.
    pub(super) fn new(most: u64) -> Self {
        Self {
            most,
            bytes: 0,
            frames: Vec::new(),
            small: BytesMut::new(),
            trailers: None,
            next: 0,
            ahead: 0,
            trailers_ahead: false,
        }
    }

    /// Takes down what came from the client.
    ///
    /// # Errors
    /// It is too long now, and worth nothing.
    pub(super) fn record(&mut self, frame: &Frame<Bytes>) -> Result<(), TooLong> {
        if let Some(data) = frame.data_ref() {
            self.bytes += data.len() as u64;
            if self.bytes > self.most {
                return Err(TooLong);
            }
            if data.len() < SMALL {
                self.small.extend_from_slice(data);
            } else {
                self.join();
                self.frames.push(data.clone());
            }
            self.next = self.frames.len();
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        }
        Ok(())
    }

    /// From the beginning.
    pub(super) fn rewind(&mut self) {
        self.join();
        (self.next, self.ahead) = (0, self.bytes);
        self.trailers_ahead = self.trailers.is_some();
    }

    /// The next frame that was taken down; `None`: ask the client.
    pub(super) fn play(&mut self) -> Option<Frame<Bytes>> {
        if let Some(data) = self.frames.get(self.next) {
            self.next += 1;
            self.ahead -= data.len() as u64;
            return Some(Frame::data(data.clone()));
        }
        let due = std::mem::take(&mut self.trailers_ahead);
        self.trailers.as_ref().filter(|_| due).cloned().map(Frame::trailers)
    }

    /// Nothing is to be played: readers get what comes from the client.
    pub(super) const fn is_recording(&self) -> bool {
        self.next >= self.frames.len() && !self.trailers_ahead
    }

    /// Bytes to be played before the client is asked.
    pub(super) const fn ahead(&self) -> u64 {
        self.ahead
    }

    /// Makes one frame of the small ones.
    fn join(&mut self) {
        if !self.small.is_empty() {
            self.frames.push(std::mem::take(&mut self.small).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is played until the client is asked.
    fn played(tape: &mut Tape) -> Vec<Bytes> {
        std::iter::from_fn(|| tape.play()).map(|frame| frame.into_data().unwrap()).collect()
    }

    fn data(length: usize) -> Frame<Bytes> {
        Frame::data(Bytes::from(vec![b'x'; length]))
    }

    #[test]
    fn large_frames_are_kept_by_reference_and_small_ones_are_copied_together() {
        let (large, small) = (Bytes::from(vec![b'l'; SMALL]), Bytes::from(vec![b's'; SMALL - 1]));
        let mut tape = Tape::new(10_000);
        for data in [&small, &small, &large, &small] {
            tape.record(&Frame::data(data.clone())).unwrap();
        }
        assert!(tape.is_recording() && tape.play().is_none(), "the reader has had them");

        tape.rewind();
        let frames = played(&mut tape);

        assert_eq!(frames.iter().map(Bytes::len).collect::<Vec<_>>(), [2 * SMALL - 2, SMALL, SMALL - 1]);
        assert_eq!(frames[1].as_ptr(), large.as_ptr());
        assert_ne!(frames[2].as_ptr(), small.as_ptr());
    }

    #[test]
    fn exactly_what_may_be_kept_is_kept_and_a_byte_more_is_not() {
        let mut tape = Tape::new(3_000);

        assert_eq!(tape.record(&data(3_000)), Ok(()));
        assert_eq!(tape.record(&data(0)), Ok(()));
        assert_eq!(tape.record(&data(1)), Err(TooLong));
    }

    #[test]
    fn a_tape_that_is_rewound_half_way_plays_from_the_first_again() {
        let mut tape = Tape::new(10_000);
        (0..3).for_each(|_| tape.record(&data(2_000)).unwrap());
        tape.rewind();
        tape.play();
        assert_eq!((tape.ahead(), tape.is_recording()), (4_000, false));

        tape.rewind();

        assert_eq!(tape.ahead(), 6_000);
        assert_eq!(played(&mut tape).len(), 3);
        assert_eq!((tape.ahead(), tape.is_recording()), (0, true));
    }

    #[test]
    fn trailers_are_played_last_and_once() {
        let trailers: HeaderMap =
            [(http::header::ETAG, http::HeaderValue::from_static("1"))].into_iter().collect();
        let mut tape = Tape::new(10);
        tape.record(&data(3)).unwrap();
        tape.record(&Frame::trailers(trailers.clone())).unwrap();
        tape.rewind();

        let frames: Vec<_> = std::iter::from_fn(|| tape.play()).collect();

        assert_eq!(frames.len(), 2);
        assert_eq!(frames[1].trailers_ref(), Some(&trailers));
        assert!(tape.is_recording());
    }
}

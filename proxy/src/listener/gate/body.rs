//! Finds the end of a body: by length, by chunks, or by the end of the stream.
//!
//! Knows nothing of heads. Passes every sound byte at once. Source: RFC 9112 §6.3.

use super::chunked::Chunked;
use super::{Fault, Limits};

/// The rest of a body.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    /// So many bytes. Never 0.
    Length(u64),
    /// Chunks.
    Chunked(Chunked),
    /// All there is (answers only).
    UntilEnd,
}

/// How the front of an input belongs to a body.
pub(super) enum Progress {
    /// All of it does, and the body goes on.
    More,
    /// So many bytes of it do, and the body has ended.
    Done(usize),
    /// So many bytes of it are in order, the next one is not.
    Fault(usize, Fault),
}

impl Body {
    /// Follows the body through `input`, which must not be empty.
    pub(super) fn follow(&mut self, input: &[u8], limits: &Limits) -> Progress {
        match self {
            Self::Length(left) => {
                // On a machine of less than 64 bits a longer body is longer than any input.
                let end = usize::try_from(*left).ok().filter(|&left| left <= input.len());
                *left = left.saturating_sub(input.len() as u64);
                end.map_or(Progress::More, Progress::Done)
            }
            Self::Chunked(chunked) => chunked.follow(input, limits),
            Self::UntilEnd => Progress::More,
        }
    }
}

//! Glue between hyper and a single-threaded runtime.

use std::any::Any;
use std::future::Future;
use std::io::IoSlice;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::Poll;

/// Lets hyper spawn its HTTP/2 tasks on the worker they belong to.
#[derive(Debug, Clone, Copy)]
pub struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Small writes made of several parts go out in one piece: copying them costs less than describing them to the
/// kernel.
#[derive(Debug)]
pub struct OnePiece {
    bytes: [u8; Self::MAX],
    length: usize,
}

impl OnePiece {
    const MAX: usize = 1024;

    /// The parts in one piece, when they are several and small.
    pub fn of(parts: &[IoSlice<'_>]) -> Option<Self> {
        let length = parts.iter().map(|part| part.len()).sum();
        if parts.len() < 2 || length > Self::MAX {
            return None;
        }
        let mut piece = Self { bytes: [0; Self::MAX], length };
        let mut rest = piece.bytes.as_mut_slice();
        for part in parts {
            let (place, after) = rest.split_at_mut_checked(part.len())?;
            place.copy_from_slice(part);
            rest = after;
        }
        Some(piece)
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Runs `future`; a panic in it becomes a value, so that it ends one exchange and not the others.
///
/// Takes it pinned: passing a large future by value copies it.
pub async fn catch_panic<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, Box<dyn Any + Send>> {
    std::future::poll_fn(move |cx| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

//! Glue between hyper and a single-threaded runtime.

use crate::clock;
use crate::sweep::Sweep;
use std::any::Any;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

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
    poll_fn(move |cx| match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// Bytes that have moved between two connections.
#[derive(Debug, Default)]
pub struct Moved {
    /// From the first to the second.
    pub up: Cell<u64>,
    /// From the second to the first.
    pub down: Cell<u64>,
}

/// Carries bytes both ways until both directions have ended, one fails, or nothing has moved for `idle`.
pub async fn relay<A, B>(
    a: &mut A,
    b: &mut B,
    idle: Duration,
    sweep: &Rc<Sweep>,
    moved: &Moved,
) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let timer = sweep.timer();
    let mut a = Counted { inner: a, moved };
    let mut carried = pin!(copy_bidirectional_with_sizes(&mut a, b, RELAY_BUFFER, RELAY_BUFFER));
    let mut seen = None;
    poll_fn(|cx| {
        let ended = carried.as_mut().poll(cx);
        let now = Some((moved.up.get(), moved.down.get()));
        if std::mem::replace(&mut seen, now) != now {
            timer.arm(clock::now() + idle);
        }
        match ended {
            Poll::Pending if timer.poll(cx).is_ready() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            other => other.map_ok(drop),
        }
    })
    .await
}

/// Bytes held for one direction of a relay.
const RELAY_BUFFER: usize = 16 * 1024;

fn add(counter: &Cell<u64>, count: usize) {
    counter.set(counter.get() + count as u64);
}

/// Counts what moves, in both directions.
struct Counted<'a, T> {
    inner: &'a mut T,
    moved: &'a Moved,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<'_, T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut *this.inner).poll_read(cx, buf);
        add(&this.moved.up, buf.filled().len() - before);
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<'_, T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut *this.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = &written {
            add(&this.moved.down, *count);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().inner).poll_shutdown(cx)
    }
}

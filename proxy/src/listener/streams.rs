//! The task of one HTTP/2 stream, and what ends it when its client does not read.
//!
//! A client can hold a stream open for ever by never opening its window: hyper then waits inside its own task
//! and asks our body for nothing. So each stream's task is wrapped: when its [`Stall`] fires, the task is
//! dropped, the stream reset and its upstream connection freed.
//!
//! | the stream                         | its stall is |
//! |------------------------------------|--------------|
//! | waits for us or the upstream       | disarmed     |
//! | owes the client a head or a frame  | armed with `timeouts.write`; each frame taken arms it anew |

use crate::clock;
use crate::sweep::{Sweep, Timer};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

tokio::task_local! {
    static STALL: Rc<Stall>;
}

/// How long the client of one stream may refuse to read.
#[derive(Debug)]
pub struct Stall {
    timer: Timer,
    limit: Duration,
}

impl Stall {
    /// That of the stream whose task is running; `None` outside of HTTP/2.
    pub fn current() -> Option<Rc<Self>> {
        STALL.try_with(Rc::clone).ok()
    }

    /// Something was handed over for the client to take.
    pub fn owes(&self) {
        self.timer.arm(clock::now() + self.limit);
    }

    /// There is nothing for the client to take.
    pub fn waits(&self) {
        self.timer.disarm();
    }
}

/// Spawns the tasks of an HTTP/2 connection, each with its stall.
#[derive(Debug, Clone)]
pub struct StreamExecutor {
    sweep: Rc<Sweep>,
    limit: Duration,
}

impl StreamExecutor {
    /// `limit` is `timeouts.write`.
    pub const fn new(sweep: Rc<Sweep>, limit: Duration) -> Self {
        Self { sweep, limit }
    }
}

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        let stall = Rc::new(Stall { timer: self.sweep.timer(), limit: self.limit });
        let watch = Rc::clone(&stall);
        tokio::task::spawn_local(STALL.scope(stall, async move {
            let mut future = pin!(future);
            poll_fn(|cx| match future.as_mut().poll(cx) {
                Poll::Ready(_done) => Poll::Ready(()),
                Poll::Pending => watch.timer.poll(cx),
            })
            .await;
        }));
    }
}

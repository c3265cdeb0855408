//! The writer thread: takes buffers of lines from all workers and writes them to the sink.
//!
//! | it hears            | it does                                                              |
//! |---------------------|----------------------------------------------------------------------|
//! | lines               | writes them, gives the buffer back                                   |
//! | a wake-up, reopen   | opens the sink again; keeps the old one when that fails              |
//! | a wake-up, stop     | writes what is still queued, ends                                    |
//! | all senders gone    | ends                                                                 |
//!
//! A sink that fails costs lines, which are counted and reported at most once a minute; it never costs traffic.

use super::sink::{Lost, Sink};
use crate::clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

/// Loss is reported at most this often.
const REPORT: Duration = Duration::from_secs(60);
/// A buffer that one huge line has blown up beyond this is not used again.
const KEEP: usize = 128 << 10;

/// What the writer hears.
#[derive(Debug)]
pub(super) enum Message {
    /// Lines to write.
    Lines(Batch),
    /// Look at the orders.
    Wake,
}

/// Lines of one worker. Wherever it is dropped with lines in it, in a queue that nobody reads any more say, these
/// lines are counted as lost.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Lines in `bytes` that are not written yet.
    pub(super) lines: u64,
    /// Where the emptied buffer goes.
    pub(super) back: SyncSender<Vec<u8>>,
    /// Where lost lines are counted.
    pub(super) drops: Arc<AtomicU64>,
}

impl Batch {
    /// An empty batch of the same worker.
    pub(super) fn sibling(&self) -> Self {
        Self { bytes: Vec::new(), lines: 0, back: self.back.clone(), drops: Arc::clone(&self.drops) }
    }

    /// Empties it; what was in it is lost.
    pub(super) fn lose(&mut self) {
        self.drops.fetch_add(std::mem::take(&mut self.lines), Ordering::Relaxed);
        self.bytes.clear();
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.lines > 0 {
            self.lose();
        }
    }
}

/// What the writer shall do apart from writing. Flags, because the queue may be full.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) reopen: AtomicBool,
    pub(super) stop: AtomicBool,
}

/// The state of the thread.
#[derive(Debug)]
pub(super) struct Writer {
    sink: Sink,
    orders: Arc<Orders>,
    drops: Arc<AtomicU64>,
    /// Drops that were reported, and when.
    reported: (u64, Option<Instant>),
    last_error: Option<Lost>,
}

impl Writer {
    pub(super) fn new(sink: Sink, orders: Arc<Orders>, drops: Arc<AtomicU64>) -> Self {
        let already = drops.load(Ordering::Relaxed);
        Self { sink, orders, drops, reported: (already, None), last_error: None }
    }

    /// Runs until told to stop or nobody is left who could send. The queue is closed when it returns.
    pub(super) fn run(mut self, queue: Receiver<Message>) {
        while let Ok(message) = queue.recv() {
            self.take(message);
            if self.orders.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            if self.orders.stop.load(Ordering::Acquire) {
                queue.try_iter().for_each(|message| self.take(message));
                break;
            }
        }
        // What arrives between the last look and this is counted as it is dropped.
        drop(queue);
    }

    fn take(&mut self, message: Message) {
        if let Message::Lines(mut batch) = message {
            batch.lines = 0;
            if let Err(lost) = self.sink.write(&batch.bytes) {
                self.drops.fetch_add(lost.lines, Ordering::Relaxed);
                self.last_error = Some(lost);
            }
            batch.bytes.clear();
            if batch.bytes.capacity() <= KEEP {
                // When the worker has buffers enough, this one is freed.
                let _freed = batch.back.try_send(std::mem::take(&mut batch.bytes));
            }
        }
        self.report(clock::now());
    }

    fn reopen(&mut self) {
        match self.sink.reopen() {
            Ok(()) => tracing::info!("access log reopened"),
            Err(error) => tracing::error!(%error, "access log could not be reopened, the old file stays"),
        }
    }

    fn report(&mut self, now: Instant) {
        let (reported, at) = self.reported;
        let dropped = self.drops.load(Ordering::Relaxed);
        if dropped == reported || at.is_some_and(|at| now.saturating_duration_since(at) < REPORT) {
            return;
        }
        self.reported = (dropped, Some(now));
        let lines = dropped.wrapping_sub(reported);
        match self.last_error.take() {
            Some(Lost { source: error, .. }) => tracing::error!(lines, %error, "access log lines lost"),
            None => tracing::error!(lines, "access log lines lost: the sink is too slow"),
        }
    }
}

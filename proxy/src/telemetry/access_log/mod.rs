//! The access log: one JSON line per exchange, written by a thread of its own.
//!
//! ```text
//! worker: WorkerLog::write -> its buffer --(32 KiB or 100 ms)--> bounded queue -> writer thread -> sink
//!                                ^------------- emptied buffers ----------------------|
//! ```
//!
//! A worker never waits for the sink and allocates nothing once its buffers go round. When the queue is full the
//! lines are dropped and counted. A reload that moves the log starts a second [`AccessLogWriter`], gives the workers
//! new [`WorkerLog`]s (dropping the old ones hands over their lines) and shuts the first one down.

mod timestamp;
mod escape;
mod redact;
mod line;
mod worker;
mod sink;
mod writer;

pub use worker::WorkerLog;

use crate::config::observe::AccessLog;
use line::Lines;
use redact::Redaction;
use sink::Sink;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use writer::{Message, Orders, Writer};

/// Buffers that may wait for the writer: 8 MiB when all are full, some 10,000 lines. On a machine whose cores are all
/// busy the writer may have to wait for its turn for tens of milliseconds.
const QUEUE: usize = 256;

/// The running writer thread.
#[derive(Debug)]
pub struct AccessLogWriter {
    handle: AccessLogHandle,
    /// Tells, by being closed, that the thread has ended.
    ended: Receiver<()>,
}

/// What workers get their logs from; may be copied to any thread.
#[derive(Debug, Clone)]
pub struct AccessLogHandle {
    queue: SyncSender<Message>,
    orders: Arc<Orders>,
    drops: Arc<AtomicU64>,
    redaction: Redaction,
}

/// The writer did not end in time: its sink is stuck.
#[derive(Debug, thiserror::Error)]
#[error("the access log did not end in time")]
pub struct Stuck;

impl AccessLogWriter {
    /// Opens the sink and starts the thread. Lost lines are added to `drops`
    /// (see [`Hub::access_log_drops`](super::metrics::Hub::access_log_drops)).
    ///
    /// # Errors
    /// The sink cannot be opened, or there is no thread to be had.
    pub fn start(config: &AccessLog, drops: Arc<AtomicU64>) -> io::Result<Self> {
        let sink = Sink::open(&config.to)?;
        let orders = Arc::<Orders>::default();
        let writer = Writer::new(sink, Arc::clone(&orders), Arc::clone(&drops));
        let (queue, messages) = sync_channel(QUEUE);
        let (end, ended) = sync_channel(1);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run(messages);
            drop(end);
        })?;
        let redaction = Redaction::new(&config.redact_query);
        Ok(Self { handle: AccessLogHandle { queue, orders, drops, redaction }, ended })
    }

    /// A handle for workers.
    pub fn handle(&self) -> AccessLogHandle {
        self.handle.clone()
    }

    /// Ends the thread after everything handed over so far is written. The workers' logs must have been flushed
    /// or dropped before; lines that come later are counted as lost.
    ///
    /// # Errors
    /// It was not done within `patience`: a pipe nobody reads can block a write for ever.
    pub fn shutdown(self, patience: Duration) -> Result<(), Stuck> {
        self.handle.orders.stop.store(true, Ordering::Release);
        self.handle.wake();
        match self.ended.recv_timeout(patience) {
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(Stuck),
            _ => Ok(()),
        }
    }
}

impl AccessLogHandle {
    /// A log for one worker.
    pub fn worker(&self) -> WorkerLog {
        WorkerLog::new(Lines::new(self.redaction.clone()), self.queue.clone(), Arc::clone(&self.drops))
    }

    /// Opens the sink again, after its file was moved away (SIGUSR1). Does not wait.
    pub fn reopen(&self) {
        self.orders.reopen.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        // A full queue means that the writer is about to look at its orders anyway.
        let _full = self.queue.try_send(Message::Wake);
    }
}

#[cfg(test)]
mod tests;

//! The worker's side: a buffer that lines are written into, handed over when it is full or the time is up.

use super::super::record::Record;
use super::line::Lines;
use super::writer::{Batch, Message};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

/// A buffer with this many bytes is handed over.
const FULL: usize = 32 << 10;
/// What a new buffer holds; a line longer than the difference makes it grow.
const CAPACITY: usize = 36 << 10;
/// Buffers that may wait to be used again.
pub(super) const SPARE_BUFFERS: usize = 16;

/// The access log of one worker. Lines not yet handed over are handed over when it is dropped.
#[derive(Debug)]
pub struct WorkerLog {
    lines: Lines,
    batch: Batch,
    writer: SyncSender<Message>,
    /// Emptied buffers, back from the writer.
    spare: Receiver<Vec<u8>>,
}

impl WorkerLog {
    pub(super) fn new(lines: Lines, writer: SyncSender<Message>, drops: Arc<AtomicU64>) -> Self {
        let (back, spare) = std::sync::mpsc::sync_channel(SPARE_BUFFERS);
        Self { lines, batch: Batch { bytes: Vec::new(), lines: 0, back, drops }, writer, spare }
    }

    /// Writes one line; it reaches the sink with the next hand-over.
    pub fn write(&mut self, record: &Record<'_>) {
        self.lines.write(&mut self.batch.bytes, record);
        self.batch.lines += 1;
        if self.batch.bytes.len() >= FULL {
            self.flush();
        }
    }

    /// Hands over what there is. To be called about every 100 ms; never waits.
    pub fn flush(&mut self) {
        if self.batch.lines == 0 {
            return;
        }
        let next = self.batch.sibling();
        match self.writer.try_send(Message::Lines(std::mem::replace(&mut self.batch, next))) {
            Ok(()) => {
                self.batch.bytes = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(CAPACITY))
            }
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => self.give_up(message),
        }
    }

    /// The sink is too slow or gone: the lines are lost and counted, the buffer is kept.
    #[cold]
    fn give_up(&mut self, message: Message) {
        if let Message::Lines(mut batch) = message {
            batch.lose();
            self.batch = batch;
        }
    }
}

impl Drop for WorkerLog {
    fn drop(&mut self) {
        self.flush();
    }
}

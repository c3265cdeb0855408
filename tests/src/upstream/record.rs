//! What an upstream has seen. Knows nothing of HTTP.

use crate::message::Request;
use crate::wait;
use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Raw bytes kept of each connection.
const KEPT: usize = 4 << 20;

/// Shared between the test and the threads of an upstream.
#[derive(Debug, Default)]
pub(super) struct Record {
    state: Mutex<State>,
    changed: Condvar,
}

/// All that was seen.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) accepted: usize,
    pub(super) open: usize,
    pub(super) raw: Vec<Vec<u8>>,
    pub(super) requests: Vec<Request>,
    pub(super) faults: Vec<String>,
    pub(super) busy: usize,
    pub(super) busiest: usize,
    pub(super) body_bytes: u64,
    pub(super) abandoned: usize,
    stopped: bool,
    sockets: HashMap<usize, TcpStream>,
}

impl Record {
    /// Looks at the state.
    pub(super) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the state and wakes whoever waits for it.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// When it does not within [`wait::PATIENCE`].
    pub(super) fn wait(&self, what: &str, mut condition: impl FnMut(&State) -> bool) {
        let waited = self.changed.wait_timeout_while(self.lock(), wait::PATIENCE, |state| !condition(state));
        let (state, result) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(state);
        assert!(!result.timed_out(), "gave up waiting: {what}");
    }

    /// A new connection; `None` when the upstream is at its end.
    pub(super) fn opened(&self, socket: Option<TcpStream>) -> Option<usize> {
        let mut state = self.lock();
        if state.stopped {
            return None;
        }
        let id = state.accepted;
        state.accepted += 1;
        state.open += 1;
        state.raw.push(Vec::new());
        if let Some(socket) = socket {
            state.sockets.insert(id, socket);
        }
        self.changed.notify_all();
        Some(id)
    }

    /// Forgets the socket of a connection, so that closing it elsewhere is the last close.
    pub(super) fn release(&self, id: usize) {
        self.lock().sockets.remove(&id);
    }

    /// A connection is over.
    pub(super) fn closed(&self, id: usize) {
        self.change(|state| {
            state.open -= 1;
            state.sockets.remove(&id);
        });
    }

    /// Bytes of a connection.
    pub(super) fn bytes(&self, id: usize, bytes: &[u8]) {
        let mut state = self.lock();
        let raw = &mut state.raw[id];
        let room = KEPT.saturating_sub(raw.len()).min(bytes.len());
        raw.extend_from_slice(&bytes[..room]);
    }

    /// Ends every connection.
    pub(super) fn close_connections(&self) {
        for socket in self.lock().sockets.values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Ends everything.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.close_connections();
    }

    /// Whether it is at its end.
    pub(super) fn stopped(&self) -> bool {
        self.lock().stopped
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The port: accepts connections, a bounded number of them, until it is told to stop.
//!
//! Who has not shown a certificate is a stranger: a handshake that goes on, a workload that joins, an attacker. When
//! there are too many strangers, the one that has been here longest goes: a handshake takes milliseconds, so who means
//! it is done before its turn comes, and who only holds a place loses it. Members are never sent away for strangers.

use super::connection::House;
use super::limit::{Bucket, Rate};
use crate::clock;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// How long a failing accept pauses.
const PAUSE: Duration = Duration::from_millis(100);

/// The port and everybody who came through it.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) house: Rc<House>,
    hall: Rc<Hall>,
    connections: JoinSet<()>,
    said: Bucket,
}

/// Who is here.
#[derive(Debug, Default)]
struct Hall {
    open: Cell<usize>,
    /// By the order in which they came.
    strangers: RefCell<BTreeMap<u64, AbortHandle>>,
    came: Cell<u64>,
}

/// A connection in the count; dropping it counts it out.
#[derive(Debug)]
pub(super) struct Seat {
    hall: Rc<Hall>,
    number: u64,
}

impl Listener {
    /// Nobody is here yet.
    pub(super) fn new(socket: TcpListener, house: Rc<House>) -> Self {
        let said = Bucket::default();
        Self { socket, house, hall: Rc::default(), connections: JoinSet::new(), said }
    }

    /// Accepts until dropped.
    pub(super) async fn accept(&mut self) {
        loop {
            tokio::select! {
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, address)) => self.admit(stream, address),
                    Err(error) => self.failed(&error).await,
                },
                Some(ended) = self.connections.join_next() => {
                    if let Err(error) = ended && error.is_panic() {
                        tracing::error!(event = "connection_broke", "{error}: this is a defect, please report it");
                    }
                }
            }
        }
    }

    /// Waits until all connections have ended, at most `limit`; then cuts those that are left. Nobody new comes.
    pub(super) async fn drain(self, limit: Duration) {
        let Self { socket, mut connections, .. } = self;
        drop(socket);
        let ended = async { while connections.join_next().await.is_some() {} };
        if timeout(limit, ended).await.is_err() {
            tracing::warn!(left = connections.len(), "connections are cut: they did not end in time");
            connections.shutdown().await;
        }
    }

    fn admit(&mut self, stream: TcpStream, address: SocketAddr) {
        let limits = &self.house.limits;
        let strangers = self.hall.strangers.borrow().len();
        let full = strangers >= limits.strangers || self.hall.open.get() >= limits.connections;
        if full && !self.hall.send_away() {
            self.say(|| tracing::warn!(%address, "a connection is refused: there are too many members"));
            return;
        }
        let number = self.hall.came.get();
        self.hall.came.set(number + 1);
        self.hall.open.set(self.hall.open.get() + 1);
        let seat = Seat { hall: Rc::clone(&self.hall), number };
        let task = self.connections.spawn_local(Rc::clone(&self.house).serve(stream, address, seat));
        self.hall.strangers.borrow_mut().insert(number, task);
    }

    async fn failed(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        // The client was gone before we took it (accept(2)).
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return;
        }
        // Most often there is no file descriptor left: a stranger's will do.
        let _made_room = self.hall.send_away();
        let hint = "if too many files are open, raise the limit (LimitNOFILE)";
        self.say(|| tracing::error!(%error, hint, "accept failed"));
        sleep(PAUSE).await;
    }

    /// At most a line a second.
    fn say(&mut self, line: impl FnOnce()) {
        if self.said.take(&Rate::new(Duration::from_secs(1), 1), clock::monotonic()).is_ok() {
            line();
        }
    }
}

impl Hall {
    /// Cuts the connection of the stranger that has been here longest; false: there is none.
    fn send_away(&self) -> bool {
        let oldest = self.strangers.borrow_mut().pop_first();
        if let Some((_, task)) = &oldest {
            task.abort();
        }
        oldest.is_some()
    }
}

impl Seat {
    /// It showed a good certificate.
    pub(super) fn is_a_member(&self) {
        self.hall.strangers.borrow_mut().remove(&self.number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hall.strangers.borrow_mut().remove(&self.number);
        self.hall.open.set(self.hall.open.get().saturating_sub(1));
    }
}

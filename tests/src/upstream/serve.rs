//! Serving HTTP/1: the threads of an upstream, and what a script may do with a connection.

use super::record::Record;
use super::{Reply, Script};
use crate::message::{Body, Headers, Request, read_request};
use crate::transport::Transport;
use crate::wait;
use rustls::{ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// What all connections of an upstream share.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) at_head: bool,
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    pub(super) script: Script,
}

/// Starts the accepting thread.
pub(super) fn start(listener: TcpListener, record: Arc<Record>, rules: Rules) {
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let Some(id) = record.opened(socket.try_clone().ok()) else { return };
            let (record, rules) = (record.clone(), rules.clone());
            thread::spawn(move || {
                serve(Wire::new(socket, id, record.clone(), rules.tls), rules.at_head, &rules.script);
                record.closed(id);
            });
        }
    });
}

fn serve(mut wire: Wire, at_head: bool, script: &Script) {
    while let Some(mut request) = wire.next_head() {
        if !at_head && !wire.read_body(&mut request) {
            return;
        }
        wire.record.change(|state| {
            state.requests.push(request.clone());
            state.busy += 1;
            state.busiest = state.busiest.max(state.busy);
        });
        script(&request, &mut wire);
        wire.record.change(|state| state.busy -= 1);
        if wire.transport.is_none() || (at_head && !wire.read_body(&mut request)) {
            return;
        }
    }
}

/// One connection, as a script sees it.
#[derive(Debug)]
pub struct Wire {
    /// `None` once it was closed.
    transport: Option<Transport>,
    inbox: Vec<u8>,
    body: Body,
    id: usize,
    record: Arc<Record>,
}

impl Wire {
    fn new(
        socket: TcpStream,
        id: usize,
        record: Arc<Record>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        socket.set_nodelay(true).expect("TCP_NODELAY");
        let transport = match tls {
            None => Transport::Plain(socket),
            Some(config) => {
                let session = ServerConnection::new(config).expect("a session");
                Transport::Server(Box::new(StreamOwned::new(session, socket)))
            }
        };
        Self { transport: Some(transport), inbox: Vec::new(), body: Body::None, id, record }
    }

    /// Which connection of the upstream this is, counted from 0.
    pub fn connection(&self) -> usize {
        self.id
    }

    /// Sends bytes as they are. A client that is gone is no fault.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let Some(transport) = &mut self.transport else { return false };
        transport.write_all(bytes.as_ref()).and_then(|()| transport.flush()).is_ok()
    }

    /// What comes next, as it is; `None` at the end.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        if !self.inbox.is_empty() {
            return Some(std::mem::take(&mut self.inbox));
        }
        let mut buffer = [0; 16 * 1024];
        let read = self.transport.as_mut()?.read(&mut buffer).ok().filter(|read| *read > 0)?;
        Some(buffer[..read].to_vec())
    }

    /// Sends a sound answer.
    pub fn reply(&mut self, request: &Request, reply: &Reply) {
        self.send(reply.bytes(&request.method));
    }

    /// Sends part after part with `pause` between them.
    pub fn drip(&mut self, parts: &[&[u8]], pause: Duration) {
        for part in parts {
            self.send(part);
            wait::pause(pause);
        }
    }

    /// Closes in order.
    pub fn close(&mut self) {
        if let Some(mut transport) = self.transport.take() {
            transport.half_close();
        }
    }

    /// Says that nothing more will be sent, but goes on reading.
    pub fn half_close(&mut self) {
        if let Some(transport) = &mut self.transport {
            transport.half_close();
        }
    }

    /// Ends the connection with RST.
    pub fn reset(&mut self) {
        self.record.release(self.id);
        if let Some(transport) = self.transport.take() {
            transport.reset();
        }
    }

    /// Stands still until the other side ends the connection.
    pub fn until_gone(&mut self) {
        while self.read_some() {}
        let left = !self.record.stopped();
        self.record.change(|state| state.abandoned += usize::from(left));
        self.transport = None;
    }

    /// Stands still for `span`.
    pub fn pause(&mut self, span: Duration) {
        wait::pause(span);
    }

    /// Reads the rest of the body into `request`; `false` when the connection or the framing broke.
    pub fn read_body(&mut self, request: &mut Request) -> bool {
        loop {
            let before = request.body.len();
            let taken = self.body.take(&mut self.inbox, &mut request.body, &mut request.trailers);
            let came = (request.body.len() - before) as u64;
            self.record.change(|state| state.body_bytes += came);
            match taken {
                Ok(true) => return true,
                Ok(false) => {}
                Err(fault) => {
                    self.record.change(|state| state.faults.push(fault));
                    return false;
                }
            }
            if !self.read_some() {
                return false;
            }
        }
    }

    /// Reads and forgets about `count` bytes of the body; `false` when it ended.
    pub fn skip_body(&mut self, count: usize) -> bool {
        let mut scratch = Vec::new();
        while scratch.len() < count && !self.body.ended() {
            let before = scratch.len();
            let taken = self.body.take(&mut self.inbox, &mut scratch, &mut Headers::default());
            let came = (scratch.len() - before) as u64;
            self.record.change(|state| state.body_bytes += came);
            if taken != Ok(false) || scratch.len() < count && !self.read_some() {
                return false;
            }
        }
        !self.body.ended()
    }

    /// The next head; `None` when the connection ended or what came is no head.
    fn next_head(&mut self) -> Option<Request> {
        loop {
            match read_request(&self.inbox) {
                Ok(Some((request, body, head))) => {
                    self.inbox.drain(..head);
                    self.body = body;
                    return Some(request);
                }
                Ok(None) => {}
                Err(fault) => {
                    self.record.change(|state| state.faults.push(fault));
                    return None;
                }
            }
            if !self.read_some() {
                return None;
            }
        }
    }

    fn read_some(&mut self) -> bool {
        let Some(transport) = &mut self.transport else { return false };
        let mut space = [0; 64 * 1024];
        match transport.read(&mut space) {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.record.bytes(self.id, &space[..count]);
                self.inbox.extend_from_slice(&space[..count]);
                true
            }
        }
    }
}

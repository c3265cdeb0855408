//! A connection to send anything on, byte for byte; what comes back is read strictly.

use crate::message::{Body, Response, read_response};
use crate::transport::{Got, Transport};
use crate::wait;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A raw connection.
#[derive(Debug)]
pub struct Raw {
    transport: Transport,
    inbox: Vec<u8>,
    end: Option<Got>,
}

impl Raw {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("a connection");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        Self::over(Transport::Plain(socket))
    }

    /// Over a connection that is there.
    pub fn over(transport: Transport) -> Self {
        Self { transport, inbox: Vec::new(), end: None }
    }

    /// Sends bytes; `false` when the other side does not take them any more.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        // A peer that does not read must not hold the test for ever.
        let _ = self.transport.socket().set_write_timeout(Some(wait::PATIENCE));
        self.transport.write_all(bytes.as_ref()).and_then(|()| self.transport.flush()).is_ok()
    }

    /// Sends as much as the other side takes within `patience`; how much that was.
    pub fn send_some(&mut self, bytes: &[u8], patience: Duration) -> usize {
        let _ = self.transport.socket().set_write_timeout(Some(patience));
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.transport.write(rest) {
                Ok(count) => sent += count,
                Err(_) => break,
            }
        }
        sent
    }

    /// Sends part after part with `pause` between them; `false` as soon as one is not taken.
    pub fn drip(&mut self, parts: &[&[u8]], pause: Duration) -> bool {
        parts.iter().all(|part| {
            let taken = self.send(part);
            wait::pause(pause);
            taken
        })
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) {
        self.transport.half_close();
    }

    /// Ends the connection with RST.
    pub fn reset(self) {
        self.transport.reset();
    }

    /// The connection below.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The next response to a request with `method`, 1xx answers included.
    ///
    /// # Panics
    /// When what comes is not a response, or nothing comes in time.
    pub fn response(&mut self, method: &str) -> Response {
        match self.try_response(method, wait::PATIENCE) {
            Ok(Some(response)) => response,
            Ok(None) => panic!("no response; the connection: {:?}, read: {:?}", self.end, self.text()),
            Err(fault) => panic!("the response is malformed: {fault}; read: {:?}", self.text()),
        }
    }

    /// The next response; `None` when the connection ends or `patience` does before its head is there. An incomplete body shows
    /// in [`Response::complete`].
    pub fn try_response(&mut self, method: &str, patience: Duration) -> Result<Option<Response>, String> {
        let end = wait::now() + patience;
        let mut interim = Vec::new();
        loop {
            let Some((mut response, mut body, head)) = read_response(&self.inbox, method)? else {
                if !self.read(end) {
                    return Ok(None);
                }
                continue;
            };
            self.inbox.drain(..head);
            if (100..200).contains(&response.status) && response.status != 101 {
                interim.push(response.status);
                continue;
            }
            response.interim = interim;
            loop {
                response.complete = body.take(&mut self.inbox, &mut response.body, &mut response.trailers)?;
                if response.complete || !self.read(end) {
                    break;
                }
            }
            response.complete |= body == Body::UntilClose && self.end == Some(Got::Closed);
            return Ok(Some(response));
        }
    }

    /// Only the head of the next response; its body stays to be read by [`Raw::read_some`].
    pub fn head(&mut self, method: &str) -> Response {
        let end = wait::now() + wait::PATIENCE;
        loop {
            match read_response(&self.inbox, method) {
                Ok(Some((response, _, head))) => {
                    self.inbox.drain(..head);
                    return response;
                }
                Ok(None) => assert!(self.read(end), "no head; the connection: {:?}", self.end),
                Err(fault) => panic!("the response is malformed: {fault}"),
            }
        }
    }

    /// Takes what has come, waiting for at least one byte; empty when the connection ended.
    pub fn read_some(&mut self) -> Vec<u8> {
        let end = wait::now() + wait::PATIENCE;
        while self.inbox.is_empty() && self.read(end) {}
        std::mem::take(&mut self.inbox)
    }

    /// Reads until the other side ends the connection; everything that came and was not taken yet.
    ///
    /// # Panics
    /// When it stays open.
    pub fn until_closed(&mut self) -> Vec<u8> {
        let rest = self.closes_within(wait::PATIENCE);
        rest.unwrap_or_else(|| panic!("the connection stays open; read: {:?}", self.text()))
    }

    /// As [`Raw::until_closed`]; `None` when it is still open after `patience`.
    pub fn closes_within(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let end = wait::now() + patience;
        while self.read(end) {}
        self.end.map(|_| std::mem::take(&mut self.inbox))
    }

    /// How the connection ended, when it has.
    pub fn end(&self) -> Option<Got> {
        self.end
    }

    /// Whether the connection is open and nothing has come that was not asked for, looked at for `span`.
    pub fn stays_quiet(&mut self, span: Duration) -> bool {
        self.read(wait::now() + span);
        self.end.is_none() && self.inbox.is_empty()
    }

    /// Reads more; `false` when the connection ended or the time did.
    pub fn read(&mut self, end: Instant) -> bool {
        if self.end.is_some() {
            return false;
        }
        match self.transport.read_into(&mut self.inbox, end) {
            Got::Bytes => true,
            Got::Nothing => false,
            ended => {
                self.end = Some(ended);
                false
            }
        }
    }

    /// What came and was not taken yet.
    pub fn inbox(&mut self) -> &mut Vec<u8> {
        &mut self.inbox
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(self.inbox.get(..self.inbox.len().min(2000)).unwrap_or_default()).into_owned()
    }
}

//! A blocking connection, plain or TLS, from either side.

use crate::wait;
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// A connection.
#[derive(Debug)]
pub enum Transport {
    /// TCP as it is.
    Plain(TcpStream),
    /// We are the TLS client.
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// We are the TLS server.
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Transport {
    /// The TCP connection below.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Client(stream) => &stream.sock,
            Self::Server(stream) => &stream.sock,
        }
    }

    /// Says that nothing more will be written.
    pub fn half_close(&mut self) {
        match self {
            Self::Plain(_) => {}
            Self::Client(stream) => stream.conn.send_close_notify(),
            Self::Server(stream) => stream.conn.send_close_notify(),
        }
        // The other side may be gone already: then there is nobody to tell.
        let _ = self.flush();
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// Ends the connection with RST.
    pub fn reset(self) {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Client(stream) => stream.sock,
            Self::Server(stream) => stream.sock,
        };
        let socket = tokio::net::TcpSocket::from_std_stream(socket);
        socket.set_zero_linger().expect("SO_LINGER");
    }

    /// Reads what is there into `inbox`; waits until `end` at most.
    pub fn read_into(&mut self, inbox: &mut Vec<u8>, end: Instant) -> Got {
        let Some(left) = end.checked_duration_since(wait::now()).filter(|left| !left.is_zero()) else {
            return Got::Nothing;
        };
        // A timeout of zero would mean none; sub-millisecond ones are rounded up by the system.
        let _ = self.socket().set_read_timeout(Some(left.max(Duration::from_millis(1))));
        let mut space = [0; 16 * 1024];
        match self.read(&mut space) {
            Ok(0) => Got::Closed,
            Ok(count) => {
                inbox.extend_from_slice(&space[..count]);
                Got::Bytes
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Got::Nothing,
                io::ErrorKind::Interrupted => Got::Bytes,
                io::ErrorKind::UnexpectedEof => Got::Closed,
                _ => Got::Reset,
            },
        }
    }
}

/// What came of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// Something, perhaps of length 0.
    Bytes,
    /// Nothing in time.
    Nothing,
    /// The end, in order (FIN).
    Closed,
    /// The end by RST or another error.
    Reset,
}

impl Got {
    /// Whether the connection is over.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Closed | Self::Reset)
    }
}

impl Read for Transport {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(space),
            Self::Client(stream) => stream.read(space),
            Self::Server(stream) => stream.read(space),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Client(stream) => stream.write(bytes),
            Self::Server(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Client(stream) => stream.flush(),
            Self::Server(stream) => stream.flush(),
        }
    }
}

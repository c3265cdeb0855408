//! Addresses nobody answers at.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tokio::net::TcpSocket;

/// An address that refuses connections. The port is held, so that nobody else gets it meanwhile.
#[derive(Debug)]
pub struct Refused {
    socket: TcpSocket,
}

impl Refused {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "taking a port is no default")]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        Self { socket }
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }
}

/// An address that neither accepts nor refuses: its backlog is full.
#[derive(Debug)]
pub struct BlackHole {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
    _listener: tokio::net::TcpListener,
    _waiting: Vec<TcpStream>,
}

impl BlackHole {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "taking a port is no default")]
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let address = socket.local_addr().expect("an address");
        let listener = runtime.block_on(async { socket.listen(1) }).expect("a listener");
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
        let waiting = std::iter::from_fn(|| connect().ok()).take(16).collect();
        Self { address, _runtime: runtime, _listener: listener, _waiting: waiting }
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

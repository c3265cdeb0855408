//! A TLS client with a choice of name and protocols.

use super::Raw;
use crate::Authority;
use crate::transport::Transport;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io;
use std::net::{SocketAddr, TcpStream};

/// TLS connections that believe one authority.
#[derive(Debug)]
pub struct TlsClient<'a> {
    authority: &'a Authority,
    name: String,
    alpn: Vec<&'a str>,
    prefix: Vec<u8>,
}

impl<'a> TlsClient<'a> {
    /// Asks for `name` and offers HTTP/1.1.
    pub fn new(authority: &'a Authority, name: &str) -> Self {
        Self { authority, name: name.into(), alpn: vec!["http/1.1"], prefix: Vec::new() }
    }

    /// Offers these protocols.
    pub fn alpn(self, alpn: &[&'a str]) -> Self {
        Self { alpn: alpn.to_vec(), ..self }
    }

    /// Sends this before the handshake.
    pub fn prefix(self, prefix: Vec<u8>) -> Self {
        Self { prefix, ..self }
    }

    /// Connects and shakes hands.
    ///
    /// # Panics
    /// When the handshake fails.
    pub fn connect(&self, address: SocketAddr) -> Raw {
        self.try_connect(address).unwrap_or_else(|error| panic!("the TLS handshake failed: {error}"))
    }

    /// Connects and shakes hands.
    pub fn try_connect(&self, address: SocketAddr) -> io::Result<Raw> {
        self.shake(address).map(|stream| Raw::over(Transport::Client(Box::new(stream))))
    }

    /// The protocol agreed on, empty when none; and the names of the certificate shown, as DER.
    pub fn look(&self, address: SocketAddr) -> io::Result<(String, Vec<u8>)> {
        let stream = self.shake(address)?;
        let alpn = String::from_utf8_lossy(stream.conn.alpn_protocol().unwrap_or_default()).into_owned();
        let leaf = stream.conn.peer_certificates().and_then(<[_]>::first).map(|der| der.to_vec());
        Ok((alpn, leaf.unwrap_or_default()))
    }

    fn shake(&self, address: SocketAddr) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(crate::wait::PATIENCE))?;
        io::Write::write_all(&mut socket, &self.prefix)?;
        let name = ServerName::try_from(self.name.clone()).expect("a name");
        let session = ClientConnection::new(self.authority.client(&self.alpn), name).expect("a session");
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }
}

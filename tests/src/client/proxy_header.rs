//! PROXY protocol headers, versions 1 and 2 (haproxy.org/download/2.9/doc/proxy-protocol.txt).

use std::net::SocketAddr;

/// Makes PROXY headers.
#[derive(Debug)]
pub struct ProxyHeader;

impl ProxyHeader {
    /// Version 1: text.
    pub fn v1(source: SocketAddr, target: SocketAddr) -> Vec<u8> {
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let (from, to) = (source.ip(), target.ip());
        format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), target.port()).into_bytes()
    }

    /// Version 2: binary, with a TLV nobody knows.
    pub fn v2(source: SocketAddr, target: SocketAddr) -> Vec<u8> {
        let mut addresses = Vec::new();
        let family = match (source, target) {
            (SocketAddr::V4(source), SocketAddr::V4(target)) => {
                addresses.extend(source.ip().octets());
                addresses.extend(target.ip().octets());
                0x11
            }
            (SocketAddr::V6(source), SocketAddr::V6(target)) => {
                addresses.extend(source.ip().octets());
                addresses.extend(target.ip().octets());
                0x21
            }
            _ => panic!("both addresses are of one family"),
        };
        addresses.extend(source.port().to_be_bytes());
        addresses.extend(target.port().to_be_bytes());
        addresses.extend([0xe0, 0, 2, b'h', b'i']);
        Self::v2_raw(0x21, family, &addresses)
    }

    /// Version 2 `LOCAL`: a health check of the proxy in front.
    pub fn v2_local() -> Vec<u8> {
        Self::v2_raw(0x20, 0, &[])
    }

    /// Version 2 with any bytes in its fields.
    pub fn v2_raw(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut out = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        out.extend([command, family]);
        out.extend(u16::try_from(rest.len()).expect("short").to_be_bytes());
        out.extend(rest);
        out
    }
}

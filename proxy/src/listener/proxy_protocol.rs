//! PROXY protocol v1 and v2 (the specification of HAProxy, 2020/03/05): who the client behind a proxy is.
//!
//! Pure: bytes in, verdict out. Whether the sender may be believed is decided by the caller, before any byte is
//! looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest v1 header, line end included.
const V1_MAX: usize = 107;
/// Longest v2 header taken: 16 bytes and this many of addresses and extensions.
const V2_BODY_MAX: usize = 1024;

/// Who is behind the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A client at this address.
    Address(SocketAddr),
    /// The proxy speaks for itself (health checks), or cannot say.
    Local,
}

/// What the bytes so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// A whole header of `length` bytes.
    Header {
        /// Who is behind the proxy.
        source: Source,
        /// Bytes to take off the front.
        length: usize,
    },
    /// Sound so far; read on.
    Incomplete,
    /// Not a PROXY header.
    Invalid,
}

/// Looks at the first bytes of a connection.
pub fn parse(bytes: &[u8]) -> Parsed {
    let common = bytes.len().min(V2_SIGNATURE.len());
    if bytes.get(..common) == V2_SIGNATURE.get(..common) {
        return if common < V2_SIGNATURE.len() { Parsed::Incomplete } else { v2(bytes) };
    }
    v1(bytes)
}

fn v1(bytes: &[u8]) -> Parsed {
    let prefix = b"PROXY ";
    let common = bytes.len().min(prefix.len());
    if bytes.get(..common) != prefix.get(..common) {
        return Parsed::Invalid;
    }
    let window = bytes.get(..V1_MAX).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if window.len() < V1_MAX { Parsed::Incomplete } else { Parsed::Invalid };
    };
    let line = window.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let Some(source) = line.and_then(|line| std::str::from_utf8(line).ok()).and_then(v1_line) else {
        return Parsed::Invalid;
    };
    Parsed::Header { source, length: end + 1 }
}

fn v1_line(line: &str) -> Option<Source> {
    let mut words = line.split(' ');
    words.next().filter(|word| *word == "PROXY")?;
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(Source::Local);
    }
    let source: IpAddr = words.next()?.parse().ok()?;
    let _destination: IpAddr = words.next()?.parse().ok()?;
    let port = port(words.next()?)?;
    let _destination_port = self::port(words.next()?)?;
    let fits = matches!((family, source), ("TCP4", IpAddr::V4(_)) | ("TCP6", IpAddr::V6(_)));
    (fits && words.next().is_none()).then(|| Source::Address(SocketAddr::new(source, port)))
}

fn port(word: &str) -> Option<u16> {
    let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    plain.then(|| word.parse().ok()).flatten()
}

fn v2(bytes: &[u8]) -> Parsed {
    let Some((&[.., version_command, family, high, low], rest)) = bytes.split_first_chunk::<16>() else {
        return Parsed::Incomplete;
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if version_command >> 4 != 2 || length > V2_BODY_MAX {
        return Parsed::Invalid;
    }
    let Some(body) = rest.get(..length) else { return Parsed::Incomplete };
    let source = match (version_command & 0x0f, family) {
        (0, _) => Some(Source::Local),
        (1, 0x11) => v2_inet(body),
        (1, 0x21) => v2_inet6(body),
        // Unspecified and unix sockets: valid, but they name no address.
        (1, 0x00 | 0x31 | 0x32) => Some(Source::Local),
        _ => None,
    };
    source.map_or(Parsed::Invalid, |source| Parsed::Header { source, length: 16 + length })
}

fn v2_inet(body: &[u8]) -> Option<Source> {
    let (address, rest) = body.split_first_chunk::<4>()?;
    let (_destination, rest) = rest.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes(*rest.first_chunk::<2>()?);
    rest.get(..4)?;
    Some(Source::Address(SocketAddr::new(Ipv4Addr::from(*address).into(), port)))
}

fn v2_inet6(body: &[u8]) -> Option<Source> {
    let (address, rest) = body.split_first_chunk::<16>()?;
    let (_destination, rest) = rest.split_first_chunk::<16>()?;
    let port = u16::from_be_bytes(*rest.first_chunk::<2>()?);
    rest.get(..4)?;
    Some(Source::Address(SocketAddr::new(Ipv6Addr::from(*address).into(), port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(text: &str) -> Parsed {
        parse(text.as_bytes())
    }

    fn address(text: &str, length: usize) -> Parsed {
        Parsed::Header { source: Source::Address(text.parse().unwrap()), length }
    }

    #[test]
    fn a_v1_line_names_the_client() {
        assert_eq!(header("PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\r\nGET"), address("192.0.2.7:5000", 40));
        assert_eq!(header("PROXY TCP6 2001:db8::1 ::1 5000 443\r\n"), address("[2001:db8::1]:5000", 37));
        assert_eq!(header("PROXY UNKNOWN\r\n"), Parsed::Header { source: Source::Local, length: 15 });
    }

    #[test]
    fn a_v1_line_in_pieces_is_incomplete_and_a_broken_one_is_invalid() {
        assert_eq!(header("PRO"), Parsed::Incomplete);
        assert_eq!(header("PROXY TCP4 192.0.2.7 10.0.0.1 5000 44"), Parsed::Incomplete);
        for broken in [
            "GET / HTTP/1.1\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 5000 443\n",
            "PROXY TCP4 ::1 ::1 5000 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 5000 443 x\r\n",
            "PROXY TCP4 192.0.2.7  10.0.0.1 5000 443\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
        ] {
            assert_eq!(header(broken), Parsed::Invalid, "{broken:?}");
        }
        assert_eq!(header(&format!("PROXY {}", "x".repeat(200))), Parsed::Invalid);
    }

    #[test]
    fn a_v2_header_names_the_client_and_extensions_are_skipped() {
        let mut bytes = V2_SIGNATURE.to_vec();
        bytes.extend([0x21, 0x11, 0, 15, 192, 0, 2, 7, 10, 0, 0, 1, 0x13, 0x88, 1, 187, 4, 0, 0]);

        assert_eq!(parse(&bytes), address("192.0.2.7:5000", 31));
        assert!((0..31).all(|n| parse(&bytes[..n]) == Parsed::Incomplete));
    }

    #[test]
    fn a_v2_local_command_keeps_the_peer_and_a_short_body_is_invalid() {
        let mut local = V2_SIGNATURE.to_vec();
        local.extend([0x20, 0, 0, 0]);
        assert_eq!(parse(&local), Parsed::Header { source: Source::Local, length: 16 });

        let mut short = V2_SIGNATURE.to_vec();
        short.extend([0x21, 0x11, 0, 4, 192, 0, 2, 7]);
        assert_eq!(parse(&short), Parsed::Invalid);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic_and_never_longer_than_they_are(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for bytes in [bytes.clone(), [&V2_SIGNATURE[..], &bytes].concat(), [b"PROXY TCP4 ", &bytes[..]].concat()] {
                if let Parsed::Header { length, .. } = parse(&bytes) {
                    prop_assert!(length <= bytes.len());
                }
            }
        }
    }
}

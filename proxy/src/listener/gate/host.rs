//! Whether a Host value names exactly one host, and nothing else.
//!
//! Knows nothing of which hosts exist. Source: RFC 9110 §7.2, RFC 3986 §3.2.2, without percent-encoding and
//! without the sub-delimiters that no host on the network has.

use super::octets::{self, HOST};
use std::net::Ipv6Addr;

/// DNS names have 253 bytes at most; this leaves room for a port.
const MAX_BYTES: usize = 255;

/// Whether `value` is `name`, `IPv4` or `[IPv6]`, each with an optional `:port` of 1 to 65535.
pub(super) fn is_host(value: &[u8]) -> bool {
    if value.len() > MAX_BYTES {
        return false;
    }
    if let Some(inner) = value.strip_prefix(b"[") {
        let Some(end) = memchr::memchr(b']', inner) else { return false };
        let (address, after) = inner.split_at_checked(end).unwrap_or_default();
        return is_ipv6(address) && is_port_part(after.strip_prefix(b"]").unwrap_or_default());
    }
    let end = value.iter().position(|&byte| octets::class(byte) & HOST == 0).unwrap_or(value.len());
    end > 0 && is_port_part(value.get(end..).unwrap_or_default())
}

/// Nothing, or a colon and a port.
fn is_port_part(part: &[u8]) -> bool {
    match part {
        [] => true,
        [b':', digits @ ..] => is_port(digits),
        _ => false,
    }
}

/// One to five digits, 1 to 65535. Leading zeros are refused: two spellings of one port are one too many.
fn is_port(digits: &[u8]) -> bool {
    let [b'1'..=b'9', rest @ ..] = digits else { return false };
    let text = std::str::from_utf8(digits).unwrap_or_default();
    rest.iter().all(u8::is_ascii_digit) && text.parse::<u16>().is_ok()
}

fn is_ipv6(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_an_address_with_or_without_a_port_is_a_host() {
        for host in [
            "a",
            "A",
            "a.",
            "a_b",
            "x.example.com",
            "127.0.0.1",
            "a:1",
            "a:65535",
            "[::1]",
            "[::ffff:1.2.3.4]:80",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        let long = "a".repeat(300);
        let ports =
            ["a:", "a:0", "a:080", "a:65536", "a:999999", "a:+1", "a:8 0", "a:1:2", "[::1]:", "[::1]80"];
        let names = [
            "",
            "a, b",
            "a b",
            "u@a",
            "a/x",
            "a?x",
            "a#x",
            "a%41",
            "é",
            ":80",
            "[::1",
            "::1",
            "[1]",
            "[::1%eth0]",
            "[]",
        ];
        for host in ports.iter().chain(&names).chain(&[long.as_str()]) {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}

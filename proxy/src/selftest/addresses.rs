//! Addresses of this host other than loopback, as the kernel lists them.
//!
//! Decides what those lists say. Must not know: who listens there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Most that are tried.
const MOST: usize = 16;

/// Where else the host of `target` is reached, with port 0. When it is another host than this one, only the address it
/// was called by.
pub(super) fn of_host(target: SocketAddr) -> Vec<SocketAddr> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let (v4, v6) = (read("/proc/self/net/fib_trie"), read("/proc/self/net/if_inet6"));
    let mut here = of_fib_trie(&v4);
    here.extend(of_if_inet6(&v6));
    choose(here, target.ip())
}

/// Those to try for a sidecar that is called by `target`.
fn choose(here: Vec<SocketAddr>, target: IpAddr) -> Vec<SocketAddr> {
    let is_here = target.is_loopback() || here.iter().any(|address| address.ip() == target);
    if is_here { here.into_iter().take(MOST).collect() } else { vec![SocketAddr::new(target, 0)] }
}

/// IPv4: an address stands on a line of its own, what it is on the next.
fn of_fib_trie(text: &str) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = last.take()
        {
            let address = SocketAddr::new(address.into(), 0);
            if !address.ip().is_loopback() && !found.contains(&address) {
                found.push(address);
            }
        }
    }
    found
}

/// IPv6: address in hex, index of the interface in hex, length of the prefix, scope, flags, name.
fn of_if_inet6(text: &str) -> Vec<SocketAddr> {
    let read = |line: &str| {
        let mut words = line.split_whitespace();
        let address = Ipv6Addr::from(u128::from_str_radix(words.next()?, 16).ok()?);
        let interface = u32::from_str_radix(words.next()?, 16).ok()?;
        // Only addresses of a link are ambiguous without their interface.
        let scope = if address.is_unicast_link_local() { interface } else { 0 };
        (!address.is_loopback()).then(|| SocketAddrV6::new(address, 0, 0, scope).into())
    };
    text.lines().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
        |-- 127.0.0.1
           /32 host LOCAL
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.7
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
Local:
        |-- 192.0.2.7
           /32 host LOCAL
";
    const V6: &str = "\
fe8000000000000000fc00fffe000001 0b 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000002 04 40 00 82     eth0
no address
";

    fn texts(addresses: &[SocketAddr]) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_addresses_of_a_host_are_read_once_each_and_without_loopback() {
        assert_eq!(texts(&of_fib_trie(V4)), ["192.0.2.7:0"]);
        assert_eq!(texts(&of_if_inet6(V6)), ["[fe80::fc:ff:fe00:1%11]:0", "[2001:db8::2]:0"]);
        assert!(of_fib_trie("nonsense").is_empty() && of_if_inet6("").is_empty());
    }

    #[test]
    fn of_another_host_only_the_address_it_is_called_by_is_known() {
        let here = of_fib_trie(V4);

        assert_eq!(texts(&choose(here.clone(), "127.0.0.1".parse().unwrap())), ["192.0.2.7:0"]);
        assert_eq!(texts(&choose(here.clone(), "192.0.2.7".parse().unwrap())), ["192.0.2.7:0"]);
        assert_eq!(texts(&choose(here, "198.51.100.1".parse().unwrap())), ["198.51.100.1:0"]);
    }
}

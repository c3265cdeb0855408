//! How many connections and handshakes there may be: numbers that hold for the whole process.
//!
//! Counted when a connection is accepted, never per request. IPv6 clients are counted by /64, because one client
//! commands all of it. Loopback is not held to the cap per address: there everybody is one address.

use crate::config::listener::Caps;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// The counts of one listener, shared by all workers; they outlive reloads.
#[derive(Debug)]
pub struct Census {
    open: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// The caps of one listener in force.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Numbers of the file.
    pub caps: Caps,
    /// Counts.
    pub census: Arc<Census>,
    /// Handshakes going on; whoever finds none left waits its turn.
    pub handshakes: Arc<Semaphore>,
}

/// An open connection in the count; dropping it counts it out.
#[derive(Debug)]
pub struct Open(Arc<Census>);

/// An open connection in the count of its address.
#[derive(Debug)]
pub struct OpenFrom(Arc<Census>, Option<IpAddr>);

impl Limits {
    /// Fresh counts.
    pub fn new(caps: Caps) -> Self {
        let census = Arc::new(Census { open: AtomicUsize::new(0), addresses: Mutex::default() });
        Self::with(caps, census)
    }

    /// New numbers, the same counts.
    pub fn renewed(&self, caps: Caps) -> Self {
        if caps == self.caps { self.clone() } else { Self::with(caps, Arc::clone(&self.census)) }
    }

    fn with(caps: Caps, census: Arc<Census>) -> Self {
        Self { caps, census, handshakes: Arc::new(Semaphore::new(caps.handshakes)) }
    }

    /// Counts a connection in; `None` = there are too many.
    pub fn open(&self) -> Option<Open> {
        let open = self.census.open.fetch_add(1, Ordering::Relaxed);
        let counted = Open(Arc::clone(&self.census));
        (open < self.caps.connections).then_some(counted)
    }

    /// Counts a connection in for its address; `None` = there are too many from there.
    pub fn open_from(&self, address: IpAddr) -> Option<OpenFrom> {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Some(OpenFrom(Arc::clone(&self.census), None));
        }
        let key = counted_as(address);
        let mut addresses = self.census.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(key).or_default();
        if *count >= self.caps.per_address {
            return None;
        }
        *count += 1;
        Some(OpenFrom(Arc::clone(&self.census), Some(key)))
    }
}

fn counted_as(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !0xffff_ffff_ffff_ffff).into(),
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for OpenFrom {
    fn drop(&mut self) {
        let Some(key) = self.1 else { return };
        let mut addresses = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = addresses.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections: usize, per_address: usize) -> Limits {
        Limits::new(Caps { connections, per_address, handshakes: 1 })
    }

    #[test]
    fn a_connection_over_the_cap_is_refused_until_one_has_gone() {
        let limits = limits(1, 9);
        let first = limits.open();
        assert!(first.is_some());
        assert!(limits.open().is_none());

        drop(first);

        assert!(limits.open().is_some());
    }

    #[test]
    fn addresses_are_counted_apart_and_ipv6_by_its_64() {
        let limits = limits(99, 1);
        let [a, b, c, d] =
            ["192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|ip| ip.parse().unwrap());
        let held = (limits.open_from(a), limits.open_from(b));

        assert!(held.0.is_some() && held.1.is_some());
        assert!(limits.open_from(a).is_none());
        assert!(limits.open_from(c).is_none(), "the same /64");
        assert!(limits.open_from(d).is_some());
        drop(held);
        assert!(limits.open_from(a).is_some());
    }

    #[test]
    fn loopback_is_not_held_to_the_cap_per_address() {
        let limits = limits(99, 0);

        assert!(limits.open_from("127.0.0.1".parse().unwrap()).is_some());
        assert!(limits.open_from("::ffff:127.0.0.1".parse().unwrap()).is_some());
    }
}

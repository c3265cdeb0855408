//! Which addresses may come. Pure.
//!
//! | the address is in | then |
//! |--|--|
//! | a network of `deny` | no, whatever else holds |
//! | no network of `allow`, and there are some | no |
//! | anything else | yes |
//!
//! It must not know whose address it is: whether a proxy in front is believed was decided before.

use crate::config::route::AddressRules;
use std::net::IpAddr;

impl AddressRules {
    /// Whether this address may use the route. An IPv4 address in its IPv6 form (`::ffff:192.0.2.7`, RFC 4291
    /// §2.5.5.2) is the IPv4 address: a socket bound to `[::]` shows every IPv4 client so.
    pub fn permits(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        !self.deny.iter().any(|network| network.contains(&ip))
            && (self.allow.is_empty() || self.allow.iter().any(|network| network.contains(&ip)))
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;

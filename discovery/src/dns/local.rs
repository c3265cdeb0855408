//! Addresses a name must not lead to.
//!
//! Decides which addresses of an answer are this machine's own, its link's, or no destination at all. Whoever can
//! write a zone could otherwise point us at the metadata service of the cloud or at what listens on loopback and
//! trusts everybody there (DNS rebinding, server-side request forgery).
//!
//! Pure: it must not know who asked, nor what was configured. Private networks (RFC 1918, RFC 4193) are no concern
//! of it: that is where services live.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The one form of an address: IPv4 inside IPv6 (`::ffff:192.0.2.1`, RFC 4291 §2.5.5.2) is IPv4.
pub(super) const fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Whether `address`, in its canonical form, stays on this machine or its link, or can be nobody's.
pub(super) const fn is_local(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(v4) => is_local_v4(v4),
        IpAddr::V6(v6) => is_local_v6(v6),
    }
}

const fn is_local_v4(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    // The whole of 0.0.0.0/8 is "this network" (RFC 1122 §3.2.1.3); 0.0.0.0 itself connects to loopback on Linux.
    first == 0
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
}

const fn is_local_v6(address: Ipv6Addr) -> bool {
    address.is_unspecified()
        || address.is_loopback()
        || address.is_unicast_link_local()
        || address.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::{canonical, is_local};
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    const LOCAL: [&str; 24] = [
        "127.0.0.1",
        "127.255.255.255",
        "0.0.0.0",
        "0.1.2.3",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::ffff:ffff:ffff:ffff",
        "febf::1",
        "ff00::",
        "ff02::1",
        "ffff::1",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
        "::ffff:169.254.169.254",
        "::ffff:224.0.0.1",
        "::ffff:255.255.255.255",
        "::ffff:7f00:1",
    ];
    const ABROAD: [&str; 17] = [
        "1.0.0.0",
        "10.0.0.1",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "169.255.0.0",
        "172.16.0.1",
        "192.168.1.1",
        "223.255.255.255",
        "255.255.255.254",
        "::2",
        "2001:db8::1",
        "fd00::1",
        "fe7f::1",
        "fec0::1",
        "feff::1",
        "::ffff:10.0.0.1",
    ];

    #[test]
    fn loopback_the_link_and_what_is_nobodys_address_are_local_and_nothing_else_is() {
        for text in LOCAL {
            assert!(is_local(text.parse().unwrap()), "{text}");
        }
        // 240.0.0.0/4 apart from broadcast is reserved, but no way back to this machine.
        for text in ABROAD {
            assert!(!is_local(text.parse().unwrap()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_judged_alike_in_both_of_its_forms(bits: u32) {
            let plain = Ipv4Addr::from(bits);
            let mapped = IpAddr::V6(plain.to_ipv6_mapped());

            prop_assert_eq!(canonical(mapped), IpAddr::V4(plain));
            prop_assert_eq!(is_local(mapped), is_local(IpAddr::V4(plain)));
        }
    }
}

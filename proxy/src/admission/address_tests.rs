//! Deny beats allow; a list names the only ones; one address has one form.

use super::*;
use ipnet::IpNet;
use proptest::prelude::*;

fn rules(allow: &[&str], deny: &[&str]) -> AddressRules {
    let networks = |texts: &[&str]| texts.iter().map(|text| text.parse::<IpNet>().unwrap()).collect();
    AddressRules { allow: networks(allow), deny: networks(deny) }
}

fn permits(rules: &AddressRules, ip: &str) -> bool {
    rules.permits(ip.parse().unwrap())
}

#[test]
fn without_rules_everybody_may_come() {
    let rules = AddressRules::default();

    assert!(permits(&rules, "203.0.113.7") && permits(&rules, "2001:db8::1"));
}

#[test]
fn a_list_names_the_only_ones() {
    let rules = rules(&["203.0.113.0/24", "2001:db8::/32"], &[]);

    for ip in ["203.0.113.0", "203.0.113.255", "2001:db8:ffff::1"] {
        assert!(permits(&rules, ip), "{ip}");
    }
    for ip in ["203.0.112.255", "203.0.114.0", "2001:db9::1", "::1", "127.0.0.1"] {
        assert!(!permits(&rules, ip), "{ip}");
    }
}

#[test]
fn deny_beats_allow_even_when_allow_is_narrower() {
    let rules = rules(&["203.0.113.7/32", "198.51.100.0/24"], &["203.0.113.0/24"]);

    assert!(!permits(&rules, "203.0.113.7"));
    assert!(permits(&rules, "198.51.100.1"));
}

#[test]
fn deny_alone_leaves_everybody_else_in() {
    let rules = rules(&[], &["203.0.113.0/24"]);

    assert!(!permits(&rules, "203.0.113.7"));
    assert!(permits(&rules, "203.0.114.7") && permits(&rules, "2001:db8::1"));
}

#[test]
fn a_mapped_address_is_neither_a_way_in_nor_a_way_around() {
    let allowed = rules(&["203.0.113.0/24"], &[]);
    let denied = rules(&[], &["203.0.113.0/24"]);
    let all_of_v6 = rules(&["::/0"], &[]);

    assert!(permits(&allowed, "::ffff:203.0.113.7"));
    assert!(!permits(&denied, "::ffff:203.0.113.7"));
    assert!(!permits(&all_of_v6, "::ffff:203.0.113.7"));
}

proptest! {
    #[test]
    fn both_forms_of_an_address_fare_alike(bits in any::<u32>(), net in any::<u32>(), length in 0..=32u8, deny in any::<bool>()) {
        let network: IpNet = ipnet::Ipv4Net::new(net.into(), length).unwrap().trunc().into();
        let rules = if deny {
            AddressRules { allow: Vec::new(), deny: vec![network] }
        } else {
            AddressRules { allow: vec![network], deny: Vec::new() }
        };
        let ip = std::net::Ipv4Addr::from(bits);

        let permitted = rules.permits(ip.into());

        prop_assert_eq!(permitted, rules.permits(ip.to_ipv6_mapped().into()));
        prop_assert_eq!(permitted, network.contains(&IpAddr::from(ip)) != deny);
    }
}

//! `ip:` of routes.

use super::*;
use crate::config::effective::to_yaml;
use crate::config::route::AddressRules;

/// A route `r` with this `ip:`, from column 60 of line 4.
fn route(ip: &str) -> String {
    format!("{SERVED}routes: [{{ name: r, match: GET /, auth: public, to: a, ip: {ip} }}]\n")
}

#[track_caller]
fn expect_ip(ip: &str, problems: &[&str]) {
    expect(&route(ip), problems);
}

#[track_caller]
fn rules(text: &str) -> AddressRules {
    let loaded = load(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    loaded.config.routes[0].ip.clone()
}

#[test]
fn networks_and_lone_addresses_are_read_and_printed() {
    let text =
        route("{ allow: [203.0.113.0/24, \"2001:db8::/32\", 192.0.2.7], deny: [203.0.113.128/25, \"::1\"] }");

    let first = rules(&text);
    let printed = to_yaml(&load(&text).unwrap().config);

    let texts = |list: &[ipnet::IpNet]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts(&first.allow), ["203.0.113.0/24", "2001:db8::/32", "192.0.2.7/32"]);
    assert_eq!(texts(&first.deny), ["203.0.113.128/25", "::1/128"]);
    assert_eq!(rules(&printed), first, "{printed}");
}

#[test]
fn a_route_without_rules_takes_every_address() {
    let text = format!("{SERVED}routes: [{{ name: r, match: GET /, auth: public, to: a }}]\n");

    assert_eq!(rules(&text), AddressRules::default());
    assert!(!to_yaml(&load(&text).unwrap().config).contains("ip:"));
}

#[test]
fn what_is_not_a_network_says_what_would_be() {
    let help = "write it as `203.0.113.0/24`, `2001:db8::/32` or `192.0.2.7`";
    for text in ["localhost", "203.0.113.0/33", "203.0.113/24", "203.0.113.0/-1", "203.0.113.0:80"] {
        expect_ip(
            &format!("{{ allow: [\"{text}\"] }}"),
            &[&format!("4:70 [\"{text}\"] bad-value: `{text}` is not a network | {help}")],
        );
    }
    expect_ip(
        "{ deny: [203.0.113.7/24] }",
        &[
            "4:69 [203.0.113.7/24] bad-value: `203.0.113.7/24` has bits behind its prefix | write `203.0.113.0/24`",
        ],
    );
    expect_ip(
        "{ deny: [\"::ffff:203.0.113.0/120\"] }",
        &[
            "4:69 [\"::ffff:203.0.113.0/120\"] bad-value: `::ffff:203.0.113.0/120` is an IPv4 network in IPv6 form | write `203.0.113.0/24`",
        ],
    );
}

#[test]
fn rules_that_name_nothing_are_pointed_out() {
    expect_ip(
        "{}",
        &[
            "4:60 [{] missing-key: `ip:` needs `allow` or `deny` | write `ip: { allow: [203.0.113.0/24] }`, or remove it",
        ],
    );
    expect_ip(
        "{ allow: [] }",
        &[
            "4:69 [[] bad-value: no network is named here | name the networks that may come; remove `allow` to let everybody in but those under `deny`",
        ],
    );
    expect_ip(
        "{ allow: [192.0.2.7, 192.0.2.7/32] }",
        &["4:81 [192.0.2.7/32] suspicious: `192.0.2.7/32` is listed twice | remove one of them"],
    );
}

#[test]
fn a_deny_that_leaves_nobody_is_an_error() {
    let nobody = "4:60 [{] conflict: nobody can use route `r`: `deny` has every address that may come | `deny` beats `allow`; name smaller networks under `deny`";

    expect_ip("{ allow: [203.0.113.0/24], deny: [203.0.0.0/16] }", &[nobody]);
    expect_ip("{ allow: [203.0.113.0/24], deny: [203.0.113.0/25, 203.0.113.128/25] }", &[nobody]);
    expect_ip("{ deny: [0.0.0.0/0, \"::/0\"] }", &[nobody]);
    expect_ip("{ deny: [0.0.0.0/0] }", &[]);
    expect_ip("{ allow: [203.0.113.0/24], deny: [203.0.113.0/25] }", &[]);
}

#[test]
fn one_network_allowed_in_vain_is_pointed_out() {
    expect_ip(
        "{ allow: [203.0.113.0/24, 192.0.2.0/24], deny: [192.0.2.0/24] }",
        &[
            "4:86 [192.0.2.0/24] suspicious: `192.0.2.0/24` is allowed in vain: `deny` has all of it | `deny` beats `allow`; remove it in one of them",
        ],
    );
}

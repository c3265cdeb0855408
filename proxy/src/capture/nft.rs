//! The rules as `nft -f -` takes them: one table of our own, replaced whole in one transaction. Pure.
//!
//! Nothing but that table is named, so nothing but that table can change. The table is of the family `inet` (both
//! Internet protocols; kernel 5.2 or later for its `nat` chains).

use super::rules::{Action, Direction, Name, Plan, Rule, Test, rules};
use std::fmt::Write;

/// Before the usual place of address translation (-100): connections are ours before others send them elsewhere.
const PRIORITY: i32 = -105;

/// The table of a capture.
pub fn table(name: &Name) -> String {
    format!("portcullis_{name}")
}

/// The name of the capture a table is of; `None`: not ours.
pub fn owner(table: &str) -> Option<&str> {
    table.strip_prefix("portcullis_").filter(|name| Name::new(name).is_ok())
}

/// Makes the table anew, whatever was in it. The same text twice leaves the same.
pub fn replace(plan: &Plan) -> String {
    let rules = rules(plan, None);
    let mut out = remove(&plan.name);
    // Writing to a String does not fail.
    let _ = writeln!(out, "table inet {} {{", table(&plan.name));
    for direction in Direction::ALL {
        let own: Vec<_> = rules.iter().filter(|rule| rule.direction == direction).collect();
        if own.is_empty() {
            continue;
        }
        let (chain, hook) = chain(direction);
        let _ = writeln!(out, "\tchain {chain} {{");
        let _ = writeln!(out, "\t\ttype nat hook {hook} priority {PRIORITY}; policy accept;");
        for rule in own {
            let _ = writeln!(out, "\t\t{}", line(rule));
        }
        out.push_str("\t}\n");
    }
    out.push_str("}\n");
    out
}

/// Removes the table, and is content when there is none: what is added first can always be deleted.
pub fn remove(name: &Name) -> String {
    let table = table(name);
    format!("add table inet {table}\ndelete table inet {table}\n")
}

/// The chain of a direction, and where it hooks in.
pub(super) fn chain(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::Out => ("outbound", "output"),
        Direction::In => ("inbound", "prerouting"),
    }
}

fn line(rule: &Rule) -> String {
    let when = match rule.when {
        Test::Mark(mark) => format!("meta mark {mark:#010x}"),
        Test::User(uid) => format!("meta skuid {uid}"),
        Test::Loopback if rule.direction == Direction::Out => "oif \"lo\"".to_owned(),
        Test::Loopback => "iif \"lo\"".to_owned(),
        Test::Port(port) => format!("tcp dport {port}"),
        Test::Network(ipnet::IpNet::V4(network)) => format!("ip daddr {network}"),
        Test::Network(ipnet::IpNet::V6(network)) => format!("ip6 daddr {network}"),
        Test::Any => "meta l4proto tcp".to_owned(),
    };
    let then = match rule.then {
        Action::Pass => "return".to_owned(),
        Action::Redirect(port) => format!("redirect to :{port}"),
    };
    format!("{when} {then} comment \"{}\"", rule.label)
}

#[cfg(test)]
#[path = "nft_tests.rs"]
mod tests;

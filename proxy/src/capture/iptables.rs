//! The rules as `iptables-restore --noflush` takes them: chains of our own, and one jump to each. Pure.
//!
//! One text is one transaction of one family. A chain that is declared is emptied; jumps of ours that are there (the
//! listing of `iptables-save` says so) are deleted first, so there is exactly one in the end. Rules of others are
//! neither deleted nor moved.

use super::rules::{Action, Direction, Family, Name, Plan, Rule, Test, fingerprint, rules};
use std::fmt::Write;

/// Longest suffix of a chain's name; the kernel takes 28 characters in all.
const SUFFIX: usize = 13;

/// The chain of a capture.
pub fn chain(name: &Name, direction: Direction) -> String {
    format!("{}{}", prefix(direction), suffix(name))
}

/// The suffix of a chain of ours, by its name; `None`: not ours.
pub fn owner(chain: &str) -> Option<&str> {
    Direction::ALL.iter().find_map(|direction| chain.strip_prefix(prefix(*direction)))
}

/// What stands for the name in the names of chains: itself, or its beginning and a fingerprint where it is long.
pub fn suffix(name: &Name) -> String {
    if name.as_str().len() <= SUFFIX {
        return name.as_str().to_owned();
    }
    let begin: String = name.as_str().chars().take(4).collect();
    format!("{begin}-{:08x}", fingerprint(name.as_str()))
}

fn prefix(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => "PORTCULLIS_OUT_",
        Direction::In => "PORTCULLIS_IN_",
    }
}

/// The chain of the system that ours is jumped to from.
pub fn hook(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => "OUTPUT",
        Direction::In => "PREROUTING",
    }
}

/// Makes our chains anew. `saved`: what `iptables-save -t nat` (or `ip6tables-save`) says now.
pub fn replace(plan: &Plan, family: Family, saved: &str) -> String {
    let rules = rules(plan, Some(family));
    let wanted = |direction: Direction| rules.iter().any(|rule| rule.direction == direction);
    let mut out = String::from("*nat\n");
    for direction in Direction::ALL {
        let name = chain(&plan.name, direction);
        delete_jumps(&mut out, &plan.name, direction, saved);
        // Writing to a String does not fail.
        let _ = match (wanted(direction), is_there(&name, saved)) {
            // First of all: connections are ours before others send them elsewhere.
            (true, _) => {
                writeln!(out, ":{name} - [0:0]\n-I {} 1 {}", hook(direction), jump(&plan.name, direction))
            }
            (false, true) => writeln!(out, "-F {name}\n-X {name}"),
            (false, false) => Ok(()),
        };
    }
    for rule in &rules {
        let _ = writeln!(out, "-A {} {}", chain(&plan.name, rule.direction), line(rule));
    }
    out.push_str("COMMIT\n");
    out
}

/// Removes what is there of ours; `None`: nothing is.
pub fn remove(name: &Name, saved: &str) -> Option<String> {
    let mut out = String::from("*nat\n");
    let begin = out.len();
    for direction in Direction::ALL {
        let chain = chain(name, direction);
        delete_jumps(&mut out, name, direction, saved);
        if is_there(&chain, saved) {
            // Writing to a String does not fail.
            let _ = writeln!(out, "-F {chain}\n-X {chain}");
        }
    }
    let some = out.len() > begin;
    out.push_str("COMMIT\n");
    some.then_some(out)
}

fn is_there(chain: &str, saved: &str) -> bool {
    saved
        .lines()
        .any(|line| line.split_whitespace().next().is_some_and(|word| word.strip_prefix(':') == Some(chain)))
}

/// Deletes each jump as it was listed, and so whoever wrote it and however.
fn delete_jumps(out: &mut String, name: &Name, direction: Direction, saved: &str) {
    for line in saved.lines().filter(|line| is_jump(line, &chain(name, direction), direction)) {
        // Writing to a String does not fail.
        let _ = writeln!(out, "{}", line.replacen("-A ", "-D ", 1));
    }
}

/// Whether a line of a listing jumps to `chain` from where we hook in.
pub(super) fn is_jump(line: &str, chain: &str, direction: Direction) -> bool {
    let mut words = line.split_whitespace();
    let from = (words.next(), words.next()) == (Some("-A"), Some(hook(direction)));
    from && line.split_whitespace().rev().take(2).eq([chain, "-j"])
}

fn jump(name: &Name, direction: Direction) -> String {
    let label = format!("portcullis:{name}:{}:jump", direction.word());
    format!("-p tcp -m comment --comment \"{label}\" -j {}", chain(name, direction))
}

fn line(rule: &Rule) -> String {
    let when = match rule.when {
        Test::Mark(mark) => format!("-m mark --mark {mark:#x}"),
        Test::User(uid) => format!("-m owner --uid-owner {uid}"),
        Test::Loopback if rule.direction == Direction::Out => "-o lo".to_owned(),
        Test::Loopback => "-i lo".to_owned(),
        Test::Port(port) => format!("-p tcp -m tcp --dport {port}"),
        Test::Network(network) => format!("-d {network}"),
        Test::Any => "-p tcp".to_owned(),
    };
    let then = match rule.then {
        Action::Pass => "-j RETURN".to_owned(),
        Action::Redirect(port) => format!("-j REDIRECT --to-ports {port}"),
    };
    format!("{when} -m comment --comment \"{}\" {then}", rule.label)
}

#[cfg(test)]
#[path = "iptables_tests.rs"]
mod tests;

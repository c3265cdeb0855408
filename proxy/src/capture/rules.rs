//! Which rules a capture needs, and in which order. Pure: the same plan gives the same rules.
//!
//! ```text
//! output:      our mark -> pass | exempt user -> pass | loopback -> pass | skipped port or network -> pass | TCP -> outbound
//! prerouting:  loopback -> pass | TCP to the application's port -> inbound
//! ```
//!
//! The first rule that fits decides. Every rule carries a label, `portcullis:NAME:out:3/7:9c1f02aa`: whose it is, the
//! how manieth of how many, and a fingerprint of the whole plan. By it rules are known again, after a crash too.
//! What tools are called and how they want it written is not known here.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The mark of connections that are not captured: "po".
pub const MARK: u32 = 0x706f;

/// What is to be captured, and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whose capture it is.
    pub name: Name,
    /// Port of the listener that takes outgoing connections, on loopback.
    pub outbound: u16,
    /// Incoming connections; `None`: they are left alone.
    pub inbound: Option<Incoming>,
    /// Whose connections are left alone.
    pub exempt: Exempt,
    /// Ports outside that are never captured.
    pub skip_ports: Vec<u16>,
    /// Networks outside that are never captured; loopback never is.
    pub skip_networks: Vec<IpNet>,
}

/// Capture of incoming connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incoming {
    /// Port the application listens on.
    pub app: u16,
    /// Port of the listener that takes them; it must not be bound to loopback.
    pub port: u16,
}

/// Whose connections are left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exempt {
    /// Sockets with this mark. Default [`MARK`].
    pub mark: u32,
    /// Processes of this user; for a proxy that may not set marks.
    pub uid: Option<u32>,
}

impl Default for Exempt {
    fn default() -> Self {
        Self { mark: MARK, uid: None }
    }
}

/// What a capture is called: part of the names of its table and chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Box<str>);

/// A name that no table can have.
#[derive(Debug, thiserror::Error)]
#[error("a name is 1 to 63 letters, digits, `-`, `_` or `.`, and begins with a letter or a digit")]
pub struct BadName;

/// Longest name.
const LONGEST: usize = 63;

impl Name {
    /// A name as somebody wrote it.
    pub fn new(text: &str) -> Result<Self, BadName> {
        let sound = (1..=LONGEST).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.chars().all(may_stand);
        if sound { Ok(Self(text.into())) } else { Err(BadName) }
    }

    /// The name for a service, whatever characters that has.
    pub fn of_service(service: &str) -> Self {
        let tame = |c: char| if may_stand(c) { c } else { '_' };
        let text: String = service.chars().map(tame).take(LONGEST).collect();
        Self::new(&text).unwrap_or_else(|_no_name| Self(format!("s{:08x}", fingerprint(service)).into()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn may_stand(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which way connections go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the workload to others.
    Out,
    /// From others to the workload.
    In,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Out, Self::In];

    /// As in labels.
    pub fn word(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
        }
    }
}

/// Which Internet protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What a rule asks about a connection; all rules are about TCP only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// The socket has this mark.
    Mark(u32),
    /// The socket is of this user.
    User(u32),
    /// The connection stays on this machine.
    Loopback,
    /// It goes to this port.
    Port(u16),
    /// It goes to this network.
    Network(IpNet),
    /// Any.
    Any,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It goes on as it is.
    Pass,
    /// It arrives at this port of ours.
    Redirect(u16),
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The chain it stands in.
    pub direction: Direction,
    /// What it asks.
    pub when: Test,
    /// What it does.
    pub then: Action,
    /// By what it is known again.
    pub label: String,
}

/// The rules of a plan in their order, outgoing first; of one family, or (`None`) of both.
pub fn rules(plan: &Plan, family: Option<Family>) -> Vec<Rule> {
    let bare: Vec<_> = bare(plan).into_iter().filter(|(_, when, _)| concerns(*when, family)).collect();
    let (count, mark) = (bare.len(), plan.fingerprint());
    let label = |index: usize, direction: Direction| {
        format!("portcullis:{}:{}:{}/{count}:{mark:08x}", plan.name, direction.word(), index + 1)
    };
    let rule =
        |(index, (direction, when, then))| Rule { direction, when, then, label: label(index, direction) };
    bare.into_iter().enumerate().map(rule).collect()
}

fn concerns(when: Test, family: Option<Family>) -> bool {
    !matches!(
        (when, family),
        (Test::Network(IpNet::V4(_)), Some(Family::V6)) | (Test::Network(IpNet::V6(_)), Some(Family::V4))
    )
}

fn bare(plan: &Plan) -> Vec<(Direction, Test, Action)> {
    let pass = |when| (Direction::Out, when, Action::Pass);
    let mut out = vec![pass(Test::Mark(plan.exempt.mark))];
    out.extend(plan.exempt.uid.map(|uid| pass(Test::User(uid))));
    out.push(pass(Test::Loopback));
    out.extend(plan.skip_ports.iter().map(|port| pass(Test::Port(*port))));
    out.extend(plan.skipped().into_iter().map(|network| pass(Test::Network(network))));
    out.push((Direction::Out, Test::Any, Action::Redirect(plan.outbound)));
    if let Some(Incoming { app, port }) = plan.inbound {
        out.push((Direction::In, Test::Loopback, Action::Pass));
        out.push((Direction::In, Test::Port(app), Action::Redirect(port)));
    }
    out
}

impl Plan {
    /// All networks that are left alone: loopback, then those asked for.
    pub fn skipped(&self) -> Vec<IpNet> {
        let loopback = [
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
        ];
        loopback.into_iter().chain(self.skip_networks.iter().map(IpNet::trunc)).collect()
    }

    /// Differs where the rules differ.
    pub fn fingerprint(&self) -> u32 {
        fingerprint(&format!("{:?}", bare(self)))
    }
}

/// FNV-1a, 32 bits: to tell things apart, not to keep anybody out.
pub(super) fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
#[cfg(test)]
pub(super) use tests::{full, least};

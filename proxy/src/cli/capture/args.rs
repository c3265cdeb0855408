//! The flags of `sidecar capture`: what they are called and what may stand behind them.

use crate::capture::apply::Kind;
use crate::capture::{Incoming, Name};
use clap::{Args, Subcommand, ValueEnum};
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::PathBuf;

/// Arguments of `sidecar capture`.
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CaptureCommand,
}

/// What can be done about capture.
#[derive(Debug, Subcommand)]
pub enum CaptureCommand {
    /// Put the rules in force, then try whether they work. If they do not, they are taken back.
    #[command(after_help = "\
Run it as root in the network namespace of the application. Said again, it replaces its own rules.
Rules of others are never touched. While no sidecar listens, captured connections are refused.

Examples:
  portcullis sidecar capture on --config sidecar.yaml
  portcullis sidecar capture on --outbound 15101 --inbound 8080:15108 --skip-port 22
  portcullis sidecar capture on --config sidecar.yaml --skip-network 10.9.0.0/16 --uid portcullis

Exit codes: 0 when the rules are in force and work, 1 when not, 2 on a wrong command line.")]
    On(OnArgs),
    /// Remove the rules, after a crash and when only some of them are there too.
    #[command(after_help = "\
Examples:
  portcullis sidecar capture off --config sidecar.yaml
  portcullis sidecar capture off --name order    # `capture status` says the names

Exit codes: 0 when no rules of that name are left, 1 on an error, 2 on a wrong command line.")]
    Off(OffArgs),
    /// Say whether the rules are there, whether they are complete, and whose they are.
    #[command(after_help = "\
Without a name, a configuration or a port it tells all captures of this network namespace.

Examples:
  portcullis sidecar capture status
  portcullis sidecar capture status --config sidecar.yaml   # and whether they are what it wants

Exit codes: 0 when there is a capture and it is complete, 1 when not, 2 on a wrong command line.")]
    Status(PlanArgs),
    /// Print the rules without touching anything, for nft and for iptables.
    #[command(after_help = "\
Examples:
  portcullis sidecar capture print --config sidecar.yaml
  portcullis sidecar capture print --outbound 15101 --with nft | nft -f -

Exit codes: 0, 1 on an error, 2 on a wrong command line.")]
    Print(PlanArgs),
}

/// What is to be captured.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The configuration of the sidecar. Its `outbound:`, `inbound:` and `workload:` say the ports and the name;
    /// flags outweigh them.
    #[arg(long, short, value_name = "FILE", env = "PORTCULLIS_CONFIG")]
    pub config: Option<PathBuf>,
    /// The port on loopback that outgoing connections are handed to.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub outbound: Option<u16>,
    /// Incoming connections for port APP are handed to PORT.
    #[arg(long, value_name = "APP:PORT", value_parser = incoming)]
    pub inbound: Option<Incoming>,
    /// Leave incoming connections alone, whatever the configuration says.
    #[arg(long, conflicts_with = "inbound")]
    pub outbound_only: bool,
    /// What the capture is called. Default: the service of the configuration, else `sidecar`.
    #[arg(long, value_name = "NAME", value_parser = Name::new)]
    pub name: Option<Name>,
    /// Leave the connections of this user alone. Needed only where the sidecar may not mark its own; an application
    /// of the same user would not be captured.
    #[arg(long, value_name = "N|NAME", value_parser = user)]
    pub uid: Option<u32>,
    /// Leave connections with this mark alone. The sidecar marks its own with the default.
    #[arg(long, value_name = "MARK", value_parser = mark, default_value = "0x706f")]
    pub mark: u32,
    /// Leave outgoing connections to this port alone; may be given several times.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub skip_port: Vec<u16>,
    /// Leave outgoing connections to this network alone, as in 10.9.0.0/16; may be given several times. Loopback always
    /// is.
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    pub skip_network: Vec<IpNet>,
    /// The tool to use. Default: nft, where it is missing iptables.
    #[arg(long, value_enum, value_name = "TOOL")]
    pub with: Option<Tool>,
}

/// Arguments of `sidecar capture on`.
#[derive(Debug, Args)]
pub struct OnArgs {
    /// What is to be captured.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Connect to this address to try the rules: one that has a route and nobody uses. May be given several times.
    /// Default: 192.0.2.1 and 2001:db8::1.
    #[arg(long, value_name = "ADDRESS")]
    pub probe: Vec<IpAddr>,
    /// Do not try the rules.
    #[arg(long, conflicts_with = "probe")]
    pub untested: bool,
}

/// Arguments of `sidecar capture off`.
#[derive(Debug, Args)]
pub struct OffArgs {
    /// The configuration of the sidecar, for the name.
    #[arg(long, short, value_name = "FILE", env = "PORTCULLIS_CONFIG")]
    pub config: Option<PathBuf>,
    /// What the capture is called; then the configuration is not read.
    #[arg(long, value_name = "NAME", value_parser = Name::new)]
    pub name: Option<Name>,
    /// Look only at the rules of this tool.
    #[arg(long, value_enum, value_name = "TOOL")]
    pub with: Option<Tool>,
}

/// What changes rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    /// nft, of the package nftables.
    Nft,
    /// iptables and ip6tables, over nftables or legacy.
    Iptables,
}

impl From<Tool> for Kind {
    fn from(tool: Tool) -> Self {
        match tool {
            Tool::Nft => Self::Nft,
            Tool::Iptables => Self::Iptables,
        }
    }
}

/// What is wrong with a value of a flag.
#[derive(Debug, thiserror::Error)]
enum BadValue {
    #[error("ports are written as APP:PORT, as in 8080:15108, and differ")]
    Incoming,
    #[error("this system has no user of that name; write its number")]
    User,
    #[error("a mark is a number above 0, as in 0x706f")]
    Mark,
    #[error("a network is written as in 10.9.0.0/16 or 192.0.2.7")]
    Network,
}

fn incoming(text: &str) -> Result<Incoming, BadValue> {
    let (app, port) = text.split_once(':').ok_or(BadValue::Incoming)?;
    let number = |text: &str| text.parse().ok().filter(|port| *port > 0).ok_or(BadValue::Incoming);
    let ports = Incoming { app: number(app)?, port: number(port)? };
    if ports.app == ports.port { Err(BadValue::Incoming) } else { Ok(ports) }
}

fn mark(text: &str) -> Result<u32, BadValue> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.ok().filter(|mark| *mark > 0).ok_or(BadValue::Mark)
}

fn network(text: &str) -> Result<IpNet, BadValue> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_no_prefix| address()).map_err(|_neither| BadValue::Network)
}

fn user(text: &str) -> Result<u32, BadValue> {
    let of_name = || {
        let users = std::fs::read_to_string("/etc/passwd").ok()?;
        users.lines().map(|line| line.split(':')).find_map(|mut fields| {
            let name = fields.next()?;
            fields.nth(1)?.parse().ok().filter(|_| name == text)
        })
    };
    text.parse().ok().or_else(of_name).ok_or(BadValue::User)
}

//! Connects, to see whether the rules do what they say; rules alone prove nothing (another table may come first).
//!
//! ```text
//! connect to an address nobody has          -> must arrive at our outbound port
//! the same with our mark                    -> must not arrive there
//! ```
//!
//! Where nobody listens on the port yet, we do for as long as it takes. Whether a connection arrived is read from the
//! kernel's table of sockets: the far end of ours stands in it, on our port. So it does not matter who listens.

use super::original::mark;
use super::rules::Plan;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

/// Addresses that nobody has (RFC 5737, RFC 3849).
pub const TARGETS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];
/// The first port that is tried there.
const PORT: u16 = 20_001;
/// A captured connection is made at once; this is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// One that is not captured has nobody to answer it.
const NO_ANSWER: Duration = Duration::from_millis(700);

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Addresses for which capture is proved.
    pub proved: Vec<IpAddr>,
    /// Addresses for which it is not, and why.
    pub untested: Vec<(IpAddr, &'static str)>,
    /// Where nobody listens yet: until somebody does, captured connections are refused.
    pub nobody: Vec<SocketAddr>,
}

/// The rules do not do what they say.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A connection was not captured.
    #[error("a connection to {target} should have arrived at our port {port}, but {saw}")]
    NotCaptured {
        /// Where it was going.
        target: SocketAddr,
        /// Our outbound port.
        port: u16,
        /// What became of it.
        saw: String,
    },
    /// A connection with our mark was.
    #[error("a connection to {target} with the mark {mark:#x} arrived at our port {port}: ours would loop")]
    MarkedCaptured {
        /// Where it was going.
        target: SocketAddr,
        /// Our outbound port.
        port: u16,
        /// The mark.
        mark: u32,
    },
    /// Neither address could be tried.
    #[error(
        "nothing could be tried: {0}. Choose an address that has a route and nobody uses: --probe ADDRESS"
    )]
    Nothing(String),
    /// The system refused something.
    #[error("cannot {what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Tries the rules of a plan, with connections to `targets`.
///
/// # Errors
/// When one of them does not end as it must, or none could be tried.
pub fn check(plan: &Plan, targets: &[IpAddr]) -> Result<Report, CheckError> {
    let mut report = Report::default();
    for target in targets {
        let loopback: IpAddr = match target {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let end = SocketAddr::new(loopback, plan.outbound);
        let listener = match listen(end)? {
            Held::NoSuchAddress => {
                report.untested.push((*target, "this protocol is off"));
                continue;
            }
            Held::Ours(listener) => {
                report.nobody.push(end);
                Some(listener)
            }
            Held::Taken => None,
        };
        match untestable(plan, *target) {
            Some(why) => report.untested.push((*target, why)),
            None => {
                one(plan, *target)?;
                report.proved.push(*target);
            }
        }
        drop(listener);
    }
    let excused = report.untested.iter().any(|(_, why)| *why == EXEMPT);
    if report.proved.is_empty() && !excused {
        let said = |(target, why): &(IpAddr, &str)| format!("{target}: {why}");
        return Err(CheckError::Nothing(report.untested.iter().map(said).collect::<Vec<_>>().join(", ")));
    }
    Ok(report)
}

const EXEMPT: &str = "the user who runs this is exempt";

fn untestable(plan: &Plan, target: IpAddr) -> Option<&'static str> {
    if plan.exempt.uid == Some(rustix::process::geteuid().as_raw()) {
        Some(EXEMPT)
    } else if plan.skipped().iter().any(|network| network.contains(&target)) {
        Some("its network is skipped")
    } else if !has_route(target) {
        Some("there is no route to it")
    } else {
        None
    }
}

/// Whether the system would know where to send it; nothing is sent.
fn has_route(target: IpAddr) -> bool {
    let any: IpAddr = match target {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((target, PORT))).is_ok()
}

/// Who listens on our port.
enum Held {
    /// We, for now.
    Ours(TcpListener),
    /// Somebody: the sidecar runs.
    Taken,
    /// Nobody can: the protocol is off.
    NoSuchAddress,
}

fn listen(address: SocketAddr) -> Result<Held, CheckError> {
    match TcpListener::bind(address) {
        Ok(listener) => Ok(Held::Ours(listener)),
        Err(error) => match error.kind() {
            io::ErrorKind::AddrInUse => Ok(Held::Taken),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported => Ok(Held::NoSuchAddress),
            _ if address.is_ipv6() && error.raw_os_error() == Some(NO_SUCH_FAMILY) => Ok(Held::NoSuchAddress),
            _ => Err(CheckError::System { what: "listen on the outbound port", source: error }),
        },
    }
}

/// `EAFNOSUPPORT`.
const NO_SUCH_FAMILY: i32 = rustix::io::Errno::AFNOSUPPORT.raw_os_error();

fn one(plan: &Plan, target: IpAddr) -> Result<(), CheckError> {
    let free = (PORT..=u16::MAX).find(|port| !plan.skip_ports.contains(port)).unwrap_or(PORT);
    let (target, port) = (SocketAddr::new(target, free), plan.outbound);
    let not_captured = |saw: String| CheckError::NotCaptured { target, port, saw };
    match connect(target, None, PATIENCE)? {
        Err(error) => return Err(not_captured(format!("it failed: {error}"))),
        Ok(socket) if !arrived(&socket, port)? => {
            return Err(not_captured("somebody else answered it".to_owned()));
        }
        Ok(_captured) => {}
    }
    let mark = plan.exempt.mark;
    match connect(target, Some(mark), NO_ANSWER)? {
        Ok(socket) if arrived(&socket, port)? => Err(CheckError::MarkedCaptured { target, port, mark }),
        // Nobody answered, or somebody out there did: it got past us.
        _ => Ok(()),
    }
}

/// Connects; the outer error is the system's, the inner one the connection's.
fn connect(
    target: SocketAddr,
    with: Option<u32>,
    patience: Duration,
) -> Result<io::Result<Socket>, CheckError> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))
        .map_err(|source| CheckError::System { what: "make a socket", source })?;
    if let Some(with) = with {
        let what = "put a mark on a socket (root or CAP_NET_ADMIN may)";
        mark(&socket, with).map_err(|source| CheckError::System { what, source })?;
    }
    Ok(socket.connect_timeout(&target.into(), patience).map(|()| socket))
}

/// Whether the far end of a connection is on this machine, on `port`.
fn arrived(socket: &Socket, port: u16) -> Result<bool, CheckError> {
    let system = |source| CheckError::System { what: "read /proc/net/tcp", source };
    let own = socket.local_addr().map_err(system)?.as_socket().map_or(0, |address| address.port());
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match std::fs::read_to_string(table) {
            Ok(text) if stands_in(&text, port, own) => return Ok(true),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(system(error)),
            _ => {}
        }
    }
    Ok(false)
}

/// Whether a table of sockets, as the kernel writes it, has one on `local` whose far end is on `remote`.
fn stands_in(table: &str, local: u16, remote: u16) -> bool {
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
    table.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let ends = (words.next().and_then(port), words.next().and_then(port));
        ends == (Some(local), Some(remote))
    })
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;

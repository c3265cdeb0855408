//! `portcullis wait`: returns when a sidecar is ready. For postStart hooks and scripts.
//!
//! | exit code | means |
//! |--|--|
//! | 0 | it is ready |
//! | 1 | not in time; or the configuration is unsound |
//! | 2 | the command line is wrong; or the configuration has no `ready:` to ask |

use super::{complain, unsound};
use crate::mode::ask::{self, Question};
use crate::{clock, config};
use clap::Args;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::sleep;

/// Arguments of `wait`.
#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// Where readiness is told: `ready: bind` of the sidecar.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) ready: Option<SocketAddr>,
    /// The configuration of the sidecar, to learn that address from; not read when --ready is given.
    #[arg(long, short, value_name = "FILE", env = "PORTCULLIS_CONFIG", required_unless_present = "ready")]
    pub(super) config: Option<PathBuf>,
    /// Be content when nothing but the application is missing: for whoever starts it then.
    #[arg(long)]
    pub(super) sidecar_only: bool,
    /// How long to wait.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span)]
    pub(super) timeout: Duration,
    /// Between two questions.
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = span)]
    pub(super) interval: Duration,
}

/// How often is said what is missing.
const REPORT: Duration = Duration::from_secs(5);
/// Longest time for one question.
const PATIENCE: Duration = Duration::from_secs(2);
/// Shortest time between two.
const SHORTEST: Duration = Duration::from_millis(10);
/// Longest time anyone may wait.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Characters of an answer that are shown.
const SHOWN: usize = 400;

/// Waits; 0 when it is ready.
pub(super) fn run(args: &WaitArgs) -> ExitCode {
    let address = match (args.ready, &args.config) {
        (Some(address), _) => address,
        (None, Some(file)) => match of_config(file) {
            Ok(address) => address,
            Err(code) => return code,
        },
        (None, None) => return ExitCode::from(2),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
    match runtime {
        Ok(runtime) if runtime.block_on(wait(reachable(address), args)) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("error: cannot start: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn of_config(file: &Path) -> Result<SocketAddr, ExitCode> {
    let config = config::load(file).map_err(|problems| unsound(&problems))?.config;
    config.sidecar.and_then(|sidecar| sidecar.ready).ok_or_else(|| {
        complain(&format!("error: {} has no `ready:` that could be asked\n", file.display()));
        ExitCode::from(2)
    })
}

/// An address to connect to: one that is bound to all is asked on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Asks until it is ready or the time is up.
async fn wait(address: SocketAddr, args: &WaitArgs) -> bool {
    let begun = clock::now();
    let mut reports = 0;
    loop {
        let left = args.timeout.saturating_sub(clock::now() - begun);
        let missing = match look(address, PATIENCE.min(left.max(SHORTEST))).await {
            Answer::Ready => return true,
            Answer::NoApplication(_) if args.sidecar_only => return true,
            Answer::NoApplication(missing) | Answer::NotReady(missing) => missing,
        };
        let waited = clock::now() - begun;
        if waited >= args.timeout {
            complain(&format!("error: {address} is not ready after {}: {missing}\n", whole(waited)));
            return false;
        }
        if waited >= REPORT * (reports + 1) {
            reports = u32::try_from(waited.as_secs() / REPORT.as_secs()).unwrap_or(u32::MAX - 1);
            complain(&format!("waiting for {address} since {}: {missing}\n", whole(waited)));
        }
        sleep(args.interval.max(SHORTEST).min(args.timeout - waited)).await;
    }
}

fn whole(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Ready,
    /// Nothing is missing but the application; the same for people.
    NoApplication(String),
    /// What is missing, for people.
    NotReady(String),
}

async fn look(address: SocketAddr, patience: Duration) -> Answer {
    match ask::get(Question { address, path: "/ready", h2: false, patience }).await {
        Ok((status, _)) if status == http::StatusCode::OK => Answer::Ready,
        Ok((http::StatusCode::SERVICE_UNAVAILABLE, body)) if only_the_application(&body) => {
            Answer::NoApplication(missing(&body))
        }
        Ok((http::StatusCode::SERVICE_UNAVAILABLE, body)) => Answer::NotReady(missing(&body)),
        Ok((status, _)) => Answer::NotReady(format!("it answers {status}; is this a ready listener?")),
        Err(error) => Answer::NotReady(error.to_string()),
    }
}

/// Whether the list a ready listener sends names the application alone.
fn only_the_application(body: &[u8]) -> bool {
    let list: Vec<serde_json::Value> = serde_json::from_slice(body).unwrap_or_default();
    !list.is_empty() && list.iter().all(|one| one.get("need").is_some_and(|need| need == "application"))
}

/// The details of the list a ready listener sends; of anything else that it is something else.
fn missing(body: &[u8]) -> String {
    let list: Vec<serde_json::Value> = serde_json::from_slice(body).unwrap_or_default();
    let details: Vec<&str> = list.iter().filter_map(|one| one.get("detail")?.as_str()).collect();
    if details.is_empty() {
        return "it does not say why".to_owned();
    }
    // Whoever answers there shall not write to the terminal as it likes.
    details.join("; ").chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}

/// What is wrong with a time.
#[derive(Debug, thiserror::Error)]
#[error("a time is a whole number with a unit (ms, s, m, h), at most a day, as in `200ms`, `60s`")]
struct NotATime;

fn span(text: &str) -> Result<Duration, NotATime> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(NotATime)?;
    let (number, unit) = text.split_at_checked(digits).ok_or(NotATime)?;
    let factor: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(NotATime),
    };
    let number: u64 = number.parse().map_err(|_no_number| NotATime)?;
    let time = number.checked_mul(factor).map(Duration::from_millis).ok_or(NotATime)?;
    if time <= LONGEST { Ok(time) } else { Err(NotATime) }
}

#[cfg(test)]
#[path = "wait_tests.rs"]
mod tests;

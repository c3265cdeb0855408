//! `portcullis selftest`: attacks on a running sidecar, and what became of them.
//!
//! | exit code | means |
//! |--|--|
//! | 0 | no attack worked |
//! | 1 | one did; or nothing could be tried |
//! | 2 | the command line is wrong; or the configuration is none of a sidecar |

use super::{complain, print, unsound};
use crate::config;
use crate::selftest::{self, Subject, SubjectError, report::Report};
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `selftest`.
#[derive(Debug, Args)]
pub(super) struct SelftestArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Try to get in, to pass for another member, and to pass for a user.
    #[command(after_help = "\
Connects to the sidecar's inbound port as an attacker would: without a certificate, with a
stranger's, and as a member of the mesh that cheats. For that last it uses the sidecar's own
certificate, so run it as the sidecar's user. Nothing is changed and no token is spent; it takes
at most 30 s. Requests that are let through are GETs of /.portcullis-selftest. The sidecar's log
and counters show the attempts.

What cannot be judged from outside is listed as n/a, with the reason. Whether a forged passport
was believed is seen in the sidecar's counter of refused ones: that needs `observe: metrics` or
`admin:` in the configuration.

Examples:
  portcullis selftest identity --config order.yaml
  portcullis selftest identity --config order.yaml --target 10.0.0.7:15108
  portcullis selftest identity --config order.yaml --json | jq .failed

Exit codes: 0 when no attack worked, 1 when one did or nothing could be tried, 2 on a wrong
command line or a configuration that is none of a sidecar.")]
    Identity(IdentityArgs),
}

/// Arguments of `selftest identity`.
#[derive(Debug, Args)]
struct IdentityArgs {
    /// The configuration of the sidecar.
    #[arg(long, short, value_name = "FILE", env = "PORTCULLIS_CONFIG")]
    config: PathBuf,
    /// Where it is reached, when not at its `inbound: bind`.
    #[arg(long, value_name = "ADDRESS")]
    target: Option<SocketAddr>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Runs what was asked for.
pub(super) fn run(args: SelftestArgs) -> ExitCode {
    let What::Identity(args) = args.what;
    let config = match config::load(&args.config) {
        Ok(loaded) => loaded.config,
        Err(problems) => return unsound(&problems),
    };
    let subject = match Subject::new(config, args.target) {
        Ok(subject) => subject,
        Err(error) => return no_subject(&error),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
    let report = match runtime {
        Ok(runtime) => Report::new(&subject, runtime.block_on(selftest::run(&subject))),
        Err(error) => return failed(&error),
    };
    let text = if args.json { report.json().map(|json| json + "\n") } else { Ok(report.table()) };
    match text {
        Ok(text) => print(&text),
        Err(error) => return failed(&error),
    }
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn no_subject(error: &SubjectError) -> ExitCode {
    complain(&format!("error: {error}\n"));
    if error.is_usage() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    complain(&format!("error: {error}\n"));
    ExitCode::FAILURE
}

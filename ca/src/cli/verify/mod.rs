//! `ca verify`: whether a certificate in a file is to be believed, and if not, for which one reason.
//!
//! | exit code | |
//! |--|--|
//! | 0 | all of it holds |
//! | 1 | one thing does not, or a file cannot be read |
//!
//! Decides where the roots come from and what to do about each reason. The rules are those of every member:
//! [`crate::verify`]. The question stands in `question`, what to do in `hint`.

mod hint;
mod question;

use super::bootstrap::Advised;
use super::context::Context;
use super::error::CliError;
use super::inspect::{self, InputError};
use super::words::Moment;
use crate::bundle::Bundle;
use crate::certificate;
use crate::client::StateDir;
use crate::deny::DenyList;
use crate::spiffe::{SpiffeId, TrustDomain};
use crate::verify::Side;
use clap::{Args, ValueEnum};
use question::{Question, reason};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `ca verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Checked are: the signatures up to a root of the bundle, the times of all certificates, that it may
be client and server, that it has exactly one SPIFFE ID, of the bundle's trust domain, and the
deny-list where there is one. It prints what holds, or else the one thing that does not.

Examples:
  portcullis ca bundle export --format jwks --out bundle.json  # where a bundle comes from
  portcullis ca verify svid/svid.pem --bundle bundle.json
  portcullis ca verify svid/svid.pem --bundle bundle.pem --id spiffe://shop.example/svc/order
  portcullis ca verify svid/svid.pem --bundle bundle.json --at 2026-12-24T18:00:00Z
  portcullis ca verify peer.pem --bundle /var/lib/order/svid   # by what that workload believes

Exit codes: 0 it is to be believed, 1 it is not or a file cannot be read, 2 a wrong command line.")]
pub(super) struct VerifyArgs {
    /// The certificate with its intermediates, PEM or DER; - is standard input, the folder of a workload its certificate.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The roots to believe: a SPIFFE bundle (JSON), PEM or DER; or the folder of a workload, whose deny-list counts too.
    #[arg(long, value_name = "FILE|DIR")]
    bundle: PathBuf,
    /// Whose it must be.
    #[arg(long, value_name = "SPIFFE_ID")]
    id: Option<SpiffeId>,
    /// As what it is shown. Default: both must hold.
    #[arg(long, value_enum)]
    side: Option<SideArg>,
    /// The moment to check for. Default: now, by the clock of this machine.
    #[arg(long, value_name = "TIME", default_value = "now", hide_default_value = true)]
    at: Moment,
    /// Whose the bundle is, when its roots do not say it.
    #[arg(long, value_name = "NAME")]
    trust_domain: Option<TrustDomain>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SideArg {
    /// It connects.
    Client,
    /// It is connected to.
    Server,
}

/// Whom to believe.
#[derive(Debug)]
struct Believed {
    bundle: Bundle,
    /// `None`: it is not known.
    denied: Option<DenyList>,
}

/// Runs the command.
pub(super) fn run(args: &VerifyArgs, context: &Context) -> Result<ExitCode, CliError> {
    let input = inspect::read(&args.file)?;
    let chain = inspect::certificates(&input)?;
    let believed = believed(args, &chain)?;
    let sides: &[Side] = match args.side {
        Some(SideArg::Client) => &[Side::Client],
        Some(SideArg::Server) => &[Side::Server],
        None => &[Side::Client, Side::Server],
    };
    let now = context.now();
    let at = args.at.resolve(now);
    let question = Question {
        chain: &chain,
        believed: &believed,
        id: args.id.as_ref(),
        sides,
        at,
        by_clock: args.at == Moment::Now,
    };
    match question.answer() {
        Ok(held) => {
            context.output.result(&question.value(&held), || question.text(&input.name, &held, now));
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            let hint = question.hint(&failure);
            if context.output.json {
                let value = json!({ "ok": false, "reason": reason(&failure), "error": failure.to_string(), "hint": hint });
                context.output.result(&value, String::new);
            }
            let named = format!("{}: {failure}", input.name);
            Err(Advised::new(named, hint).into())
        }
    }
}

fn believed(args: &VerifyArgs, chain: &[Vec<u8>]) -> Result<Believed, CliError> {
    let whose = args.trust_domain.as_ref().or(args.id.as_ref().map(SpiffeId::trust_domain));
    if args.bundle.is_dir() {
        return workload(&args.bundle);
    }
    let (mut bundle, named) = inspect::bundle(&args.bundle, whose)?;
    if named.is_none() {
        // Without a root nobody is believed, whoever it is.
        let own =
            chain.first().filter(|_| bundle.roots.is_empty()).and_then(|der| certificate::svid(der).ok());
        let own = own.ok_or_else(|| InputError::Unnamed(args.bundle.display().to_string()))?;
        bundle.trust_domain = own.id.trust_domain().clone();
    }
    Ok(Believed { bundle, denied: None })
}

/// What a workload believes now.
fn workload(dir: &Path) -> Result<Believed, CliError> {
    let loaded = StateDir::open(dir)?.load()?;
    let trust = loaded.ok_or_else(|| InputError::NoBundle(dir.to_owned()))?.trust;
    Ok(Believed { bundle: trust.bundle, denied: Some(DenyList::new(trust.denied)) })
}

#[cfg(test)]
mod tests;

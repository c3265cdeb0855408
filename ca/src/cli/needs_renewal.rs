//! `ca needs-renewal`: the question cron asks, answered by the exit code.
//!
//! | exit code | |
//! |--|--|
//! | 0 | renew it |
//! | 1 | not yet |
//! | 2 | it cannot be said |
//!
//! Decides for the first certificate of a file by the threshold, and for the authorities after it by their end alone: a
//! chain with an expired intermediate is of no use, however young its first certificate is. It looks at no other file
//! and asks nobody.

use super::context::Context;
use super::error::CliError;
use super::inspect::{self, InputError};
use super::words::{moment, quote};
use crate::certificate::{self, CertificateError, Facts};
use crate::client::{Threshold, needs_renewal};
use crate::time::{Timestamp, human};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const NO: u8 = 1;

/// Arguments of `ca needs-renewal`.
#[derive(Debug, Args)]
#[command(after_help = "\
`portcullis ca renew` asks this itself, with the moment the authority chose; this is for
certificates that other programs renew, and for alarms.

Examples:
  portcullis ca needs-renewal svid/svid.pem && ./renew.sh      # past half of its life
  portcullis ca needs-renewal svid/svid.pem --expires-in 75%   # past three quarters of it
  portcullis ca needs-renewal svid/svid.pem --expires-in 2h    # 2 hours or less are left

Exit codes: 0 yes, renew it (an expired one too), 1 no, 2 an error: do not take it for a no.")]
pub(super) struct NeedsRenewalArgs {
    /// The certificate, PEM or DER; - is standard input, the folder of a workload means its certificate.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say yes when so much of its life has gone (as in 66%), or when no more than this is left (as in 10m or 24h).
    #[arg(long, value_name = "SPAN|PERCENT%", default_value_t)]
    expires_in: Threshold,
}

/// The answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Answer {
    needs_renewal: bool,
    why: Why,
    /// The first name of the certificate.
    name: Option<String>,
    /// Of the certificate that decided.
    not_after: Timestamp,
    /// How much of its life has gone.
    gone_percent: u64,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Why {
    /// The certificate is over.
    Expired,
    /// An authority after it in the file is.
    AuthorityExpired,
    /// It is past the threshold.
    Due,
    /// It is not.
    NotDue,
    /// By the clock of this machine it does not live yet.
    NotYetValid,
}

/// Runs the command.
pub(super) fn run(args: &NeedsRenewalArgs, context: &Context) -> Result<ExitCode, CliError> {
    let input = inspect::read(&args.file)?;
    let chain = inspect::certificates(&input)?;
    let facts: Result<Vec<_>, _> = chain.iter().map(|der| certificate::read(der)).collect();
    let facts = facts.map_err(|why| InputError::certificate(&input.name, why))?;
    let now = context.now();
    let answer = answer(&facts, args.expires_in, now)
        .ok_or_else(|| InputError::certificate(&input.name, CertificateError::None))?;
    context.output.result(&answer, || text(&answer, &args.file, now));
    Ok(if answer.needs_renewal { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

/// `chain`: the certificate first; `None`: there is none.
fn answer(chain: &[Facts], threshold: Threshold, now: Timestamp) -> Option<Answer> {
    let (first, above) = chain.split_first()?;
    let over = above.iter().find(|authority| now > authority.not_after);
    let life = (first.not_before, first.not_after);
    let why = if now > first.not_after {
        Why::Expired
    } else if over.is_some() {
        Why::AuthorityExpired
    } else if needs_renewal(life, threshold, now) {
        Why::Due
    } else if now < first.not_before {
        Why::NotYetValid
    } else {
        Why::NotDue
    };
    let decided = over.filter(|_| why == Why::AuthorityExpired).unwrap_or(first);
    Some(Answer {
        needs_renewal: !matches!(why, Why::NotDue | Why::NotYetValid),
        why,
        name: first.uris.iter().chain(&first.dns).next().cloned(),
        not_after: decided.not_after,
        gone_percent: gone(decided, now),
    })
}

fn gone(facts: &Facts, now: Timestamp) -> u64 {
    let all = facts.not_after.since(facts.not_before).as_secs();
    let past = now.since(facts.not_before).as_secs().min(all);
    past.saturating_mul(100).checked_div(all).unwrap_or(100)
}

fn text(answer: &Answer, file: &Path, now: Timestamp) -> String {
    let file = quote(file);
    let past = human(now.since(answer.not_after));
    let life = format!(
        "{} % of its life has gone, it expires {}",
        answer.gone_percent,
        moment(answer.not_after, now)
    );
    match answer.why {
        Why::Expired => {
            format!("yes: {file} expired {past} ago, at {}, by the clock of this machine\n", answer.not_after)
        }
        Why::AuthorityExpired => {
            format!("yes: an authority in {file} expired {past} ago, at {}\n", answer.not_after)
        }
        Why::Due => format!("yes: {file}: {life}\n"),
        Why::NotDue => format!("no: {file}: {life}\n"),
        Why::NotYetValid => {
            format!("no: {file} begins only later by the clock of this machine ({now}): is it right?\n")
        }
    }
}

#[cfg(test)]
#[path = "needs_renewal_tests.rs"]
mod tests;

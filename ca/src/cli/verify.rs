//! `ca verify`: whether a certificate in a file is to be believed, and if not, for which one reason.
//!
//! | exit code | |
//! |--|--|
//! | 0 | all of it holds |
//! | 1 | one thing does not, or a file cannot be read |
//!
//! Decides where the roots come from and what to do about each reason. The rules are those of every member:
//! [`crate::verify`].

use super::bootstrap::Advised;
use super::context::Context;
use super::error::CliError;
use super::inspect::{self, InputError, rows};
use super::words::{Moment, count, moment, quote};
use crate::bundle::Bundle;
use crate::certificate::{self, Svid};
use crate::client::StateDir;
use crate::deny::DenyList;
use crate::names::Fingerprint;
use crate::spiffe::{SpiffeId, TrustDomain};
use crate::time::{Timestamp, human};
use crate::verify::{self, Side, VerifyError};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `ca verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Checked are: the signatures up to a root of the bundle, the times of all of them, that it may be client and
server, that it has exactly one SPIFFE ID, of the bundle's trust domain, and the deny-list where there is one.
Which root, until when and whom: it prints what holds; else the one thing that does not.

Examples:
  portcullis ca verify svid/svid.pem --bundle bundle.json
  portcullis ca verify svid/svid.pem --bundle bundle.pem --id spiffe://shop.example/svc/order
  portcullis ca verify peer.pem --bundle /var/lib/order/svid     # roots and deny-list a workload believes now
  portcullis ca verify svid/svid.pem --bundle bundle.json --at 2026-12-24T18:00:00Z
  portcullis ca bundle export --out bundle.json                  # where a bundle comes from

Exit codes: 0 it is to be believed, 1 it is not, or a file cannot be read, 2 a wrong command line.")]
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
    #[arg(long, value_name = "TIME", default_value = "now")]
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

/// What is asked.
struct Question<'a> {
    /// DER, the certificate first.
    chain: &'a [Vec<u8>],
    believed: &'a Believed,
    id: Option<&'a SpiffeId>,
    sides: &'a [Side],
    at: Timestamp,
}

/// What holds.
#[derive(Debug)]
struct Held {
    svid: Svid,
    /// The root it stands under: its subject and the SHA-256 of its certificate.
    root: Option<(String, Fingerprint)>,
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
    let question = Question { chain: &chain, believed: &believed, id: args.id.as_ref(), sides, at };
    match question.answer() {
        Ok(held) => {
            context.output.result(&question.value(&held), || question.text(&input.name, &held, now));
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            let hint = question.hint(&failure, args.at == Moment::Now);
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

impl Question<'_> {
    fn answer(&self) -> Result<Held, Failure> {
        let mut svid = None;
        for side in self.sides {
            svid = Some(self.check(&self.believed.bundle, *side)?);
        }
        let svid = svid.ok_or(VerifyError::Empty)?;
        match self.id.filter(|id| **id != svid.id) {
            Some(expected) => Err(Failure::OtherId { found: svid.id, expected: expected.clone() }),
            None => Ok(Held { root: self.root(), svid }),
        }
    }

    fn check(&self, bundle: &Bundle, side: Side) -> Result<Svid, VerifyError> {
        let links: Vec<&[u8]> = self.chain.iter().map(Vec::as_slice).collect();
        let none = DenyList::default();
        verify::verify(&links, bundle, self.believed.denied.as_ref().unwrap_or(&none), side, self.at)
    }

    /// Which of the roots it is that vouches: the one that does so alone.
    fn root(&self) -> Option<(String, Fingerprint)> {
        let (bundle, side) = (&self.believed.bundle, *self.sides.first()?);
        let alone = |root: &&Vec<u8>| {
            let one = Bundle { roots: vec![root.to_vec()], ..bundle.clone() };
            self.check(&one, side).is_ok()
        };
        let facts = certificate::read(bundle.roots.iter().find(alone)?).ok()?;
        Some((facts.subject, facts.fingerprint))
    }

    fn value(&self, held: &Held) -> serde_json::Value {
        json!({
            "ok": true,
            "id": held.svid.id,
            "serial": held.svid.serial,
            "not_before": held.svid.not_before,
            "not_after": held.svid.not_after,
            "root": held.root.as_ref().map(|(_, fingerprint)| fingerprint),
            "sides": self.sides.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "at": self.at,
            "deny_list_checked": self.believed.denied.is_some(),
        })
    }

    fn text(&self, name: &str, held: &Held, now: Timestamp) -> String {
        let Held { svid, root } = held;
        let (subject, fingerprint) = match root {
            Some((subject, fingerprint)) => (subject.clone(), fingerprint.to_string()),
            None => Default::default(),
        };
        let sides: Vec<_> = self.sides.iter().map(ToString::to_string).collect();
        let moment_asked = if self.at == now { String::new() } else { moment(self.at, now) };
        let denied = match &self.believed.denied {
            Some(list) => format!("not on it ({})", count(list.rules().len(), "rule")),
            None => "not checked: a bundle does not hold it; --bundle DIR of a workload does".to_owned(),
        };
        let known = rows(&[
            ("chain", format!("{}, up to {subject}", count(self.chain.len(), "certificate"))),
            ("root", fingerprint),
            ("good until", moment(svid.not_after, self.at)),
            ("checked for", moment_asked),
            ("use", sides.join(" and ")),
            ("trust domain", self.believed.bundle.trust_domain.to_string()),
            ("ID", if self.id.is_some() { "the one asked for" } else { "not compared (--id)" }.to_owned()),
            ("deny-list", denied),
        ]);
        format!("OK: {} is {}\n{known}", quote(Path::new(name)), svid.id)
    }

    /// What to do about a failure. `by_clock`: the moment is what the clock of this machine says.
    fn hint(&self, failure: &Failure, by_clock: bool) -> Option<String> {
        let Failure::Chain(error) = failure else { return None };
        Some(match error {
            VerifyError::Expired { .. } | VerifyError::NotYetValid { .. } if !by_clock => {
                "that was asked for with --at; without it the moment is now".to_owned()
            }
            VerifyError::Expired { not_after, now } => format!(
                "that was {} ago, if the clock is right (`date -u`). `portcullis ca inspect FILE` shows which \
                 certificate it is; `portcullis ca renew` gets the next one, and when it is too late for that \
                 `portcullis ca bootstrap` with a new token",
                human(now.since(*not_after))
            ),
            VerifyError::NotYetValid { not_before, now } => format!(
                "that is in {}. Certificates begin a minute before they are made, so the clocks differ by more: compare \
                 `date -u` here and on the authority's machine",
                human(not_before.since(*now))
            ),
            VerifyError::UnknownRoot { .. } => self.unknown_root(),
            VerifyError::Usage(_) => "--side checks one side alone".to_owned(),
            VerifyError::Svid(_) if self.chain.len() > 1 => {
                "the workload's certificate must be the first in the file; `portcullis ca inspect FILE` shows the order"
                    .to_owned()
            }
            VerifyError::Svid(_) => "`portcullis ca inspect FILE` shows what it is".to_owned(),
            VerifyError::ForeignTrustDomain { id, .. } => {
                format!("ask with the bundle of {}: bundles are never merged", id.trust_domain())
            }
            VerifyError::Denied { .. } | VerifyError::AuthorityDenied(_) => {
                "`portcullis ca revoke --list` on the authority's machine says why; the workload needs a new join token"
                    .to_owned()
            }
            _ => return None,
        })
    }

    /// Nobody vouches for it: most often the intermediate was left out, or the bundle is of before a rotation.
    fn unknown_root(&self) -> String {
        let read = |der: &Vec<u8>| certificate::read(der).ok();
        let subjects: Vec<_> =
            self.believed.bundle.roots.iter().filter_map(read).map(|root| root.subject).collect();
        let chain: Vec<_> = self.chain.iter().filter_map(read).collect();
        let known =
            |issuer: &String| subjects.contains(issuer) || chain.iter().any(|one| one.subject == *issuer);
        match chain.iter().map(|one| &one.issuer).find(|issuer| !known(issuer)) {
            Some(missing) if subjects.is_empty() => format!("the bundle holds no root at all, {missing} or other"),
            Some(missing) => format!(
                "{missing} signed it, and is neither in the file nor in the bundle. If that is an intermediate, use the \
                 file with the whole chain (svid.pem); if it is a root, get the bundle anew: `portcullis ca bundle \
                 export`"
            ),
            None => "a root of the bundle has the right name and another key: the authority was made anew. Get the \
                     bundle anew: `portcullis ca bundle export`"
                .to_owned(),
        }
    }
}

/// The one thing that does not hold.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// It is not to be believed at all.
    #[error(transparent)]
    Chain(#[from] VerifyError),
    /// It is good, and somebody else's.
    #[error("it is the certificate of {found}, not of {expected}")]
    OtherId {
        /// Whose it is.
        found: SpiffeId,
        /// Who was meant.
        expected: SpiffeId,
    },
}

/// The reason in one word, for scripts.
fn reason(failure: &Failure) -> &'static str {
    match failure {
        Failure::OtherId { .. } => "other_id",
        Failure::Chain(error) => match error {
            VerifyError::Expired { .. } => "expired",
            VerifyError::NotYetValid { .. } => "not_yet_valid",
            VerifyError::UnknownRoot { .. } => "unknown_root",
            VerifyError::Usage(_) => "usage",
            VerifyError::Svid(_) => "not_svid",
            VerifyError::ForeignTrustDomain { .. } => "foreign_trust_domain",
            VerifyError::Denied { .. } | VerifyError::AuthorityDenied(_) => "denied",
            _ => "chain",
        },
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;

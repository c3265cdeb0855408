//! `portcullis ca issue`: a key and a certificate by hand, in the files a workload has.

use super::context::{self, Context};
use super::error::CliError;
use super::words::{self, facts, quote};
use crate::authority::{Authority, Granted, HandAsk};
use crate::certificate;
use crate::client::{Identity, StateDir};
use crate::key::Key;
use crate::spiffe::SpiffeId;
use crate::store::How;
use crate::time::Timestamp;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What must not be there already.
const FILES: [&str; 2] = ["svid.pem", "svid.key"];

/// Arguments of `ca issue`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca issue svc/order --out order
  portcullis ca issue svc/batch --out batch --ttl 72h
  portcullis ca renew --out order            # later, from where the authority is reached

The folder then holds svid.pem (certificate and intermediate), svid.key, and bundle.pem (roots).
The key is made here: prefer `bootstrap` on the workload's own machine, or `sign`, which never see
it. Whoever does not speak to the authority is in the way of a rotation of the root until
`portcullis ca bundle acknowledge`.")]
pub(super) struct IssueArgs {
    /// Who, as registered: svc/order is spiffe://<trust domain>/svc/order.
    #[arg(value_name = "ID")]
    id: String,
    /// The folder for key, certificate and roots.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// How long it lives. Default: as given at `init`; never longer than the entry allows.
    #[arg(long, value_name = "SPAN", value_parser = words::span)]
    ttl: Option<Duration>,
    /// Replace the identity that is in the folder.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &IssueArgs, context: &Context) -> Result<ExitCode, CliError> {
    let authority = context.open()?;
    let now = context.now();
    let id = context::id_at(&args.id, &authority)?;
    // Before a folder is made; the refusal later on would speak of an entry that was there once.
    authority.entry(&id)?;
    if !args.force {
        vacant(&args.out)?;
    }
    let dir = StateDir::open(&args.out)?;
    let key = Key::generate()?;
    let csr = key.request()?;
    let granted = by_hand(&authority, &id, (&csr, How::Issue), (args.ttl, now));
    context.changed(&authority);
    let identity = identity(granted?, key, &authority, args.ttl)?;
    dir.store(&identity)?;
    let value = json!({
        "id": identity.svid.id,
        "instance": identity.instance,
        "serial": identity.svid.serial,
        "not_before": identity.svid.not_before,
        "not_after": identity.svid.not_after,
        "renew_after": identity.renew_after,
        "dir": args.out,
    });
    context.output.result(&value, || text(&identity, &args.out, now));
    context.output.hint(&format!(
        "next: `portcullis ca renew --out {}` before it expires, where the authority is reached",
        quote(&args.out)
    ));
    Ok(ExitCode::SUCCESS)
}

/// Issues for an entry.
pub(super) fn by_hand(
    authority: &Authority,
    id: &SpiffeId,
    (csr, how): (&[u8], How),
    (ttl, now): (Option<Duration>, Timestamp),
) -> Result<Granted, CliError> {
    Ok(authority.issue_by_hand(HandAsk { id, csr, how, ttl, now })?)
}

fn vacant(out: &Path) -> Result<(), CliError> {
    let taken = FILES.map(|name| out.join(name)).into_iter().find(|path| path.symlink_metadata().is_ok());
    taken.map_or(Ok(()), |path| Err(CliError::Exists(path)))
}

fn identity(
    granted: Granted,
    key: Key,
    authority: &Authority,
    ttl: Option<Duration>,
) -> Result<Identity, CliError> {
    let svid = certificate::svid(granted.chain.first().map(Vec::as_slice).unwrap_or_default())?;
    Ok(Identity {
        chain: granted.chain,
        key: Arc::new(key),
        svid,
        trust: granted.trust,
        instance: granted.instance,
        renew_after: granted.renew_after,
        urls: authority.settings()?.urls,
        ttl,
    })
}

fn text(identity: &Identity, out: &Path, now: Timestamp) -> String {
    facts(&[
        ("id", identity.svid.id.to_string()),
        ("serial", identity.svid.serial.to_string()),
        ("instance", identity.instance.to_string()),
        ("expires", words::moment(identity.svid.not_after, now)),
        ("certificate", quote(&out.join("svid.pem"))),
        ("key", quote(&out.join("svid.key"))),
        ("roots", quote(&out.join("bundle.pem"))),
    ])
}

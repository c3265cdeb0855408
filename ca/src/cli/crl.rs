//! `portcullis ca crl`: certificate revocation lists (RFC 5280), for software that reads no deny-list.

use super::context::Context;
use super::error::CliError;
use super::sign::write_or_print;
use super::words::{self, count};
use crate::certificate;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `ca crl`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca crl > lists.pem
  portcullis ca crl --valid 1h --out /srv/www/lists.pem           # every 30 minutes
  portcullis ca crl --root-key /media/safe/root-1.key             # the root's list too
  openssl verify -crl_check -CRLfile lists.pem -CAfile roots.pem -untrusted svid.pem svid.pem

One list for each intermediate, and one for each root whose key is at hand (openssl wants it with
-crl_check_all). A list says nothing of revocations after it was made: make it anew well before it
ends. It names certificates of the ledger, so a serial number revoked with --unknown is not in it.")]
pub(super) struct CrlArgs {
    /// How long the lists are good.
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = words::span)]
    valid: Duration,
    /// The root's key, when it is not in the authority's folder.
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// Where they go, in place of what is there. Default: standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &CrlArgs, context: &Context) -> Result<ExitCode, CliError> {
    let (authority, now) = (context.open_without_keys()?, context.now());
    let lists = authority.crls(args.valid, args.root_key.as_deref(), now)?;
    if lists.is_empty() {
        return Err(CliError::NoKeys(authority.dir().keys()));
    }
    let text: String = lists.iter().map(|der| certificate::pem("X509 CRL", der)).collect();
    write_or_print(args.out.as_deref(), &text, (true, context))?;
    context.output.hint(&format!(
        "{}, good until {}",
        count(lists.len(), "list"),
        words::moment(now.after(args.valid), now)
    ));
    Ok(ExitCode::SUCCESS)
}

//! `portcullis ca backup` and `restore`.

use super::context::Context;
use super::error::CliError;
use super::words::{facts, quote};
use crate::authority::Authority;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `ca backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca backup /backup/ca-$(date +%F)
  portcullis ca check --dir /backup/ca-2026-11-22       # a backup is a folder like the original

It works while the server runs. Keys go in as they are: encrypted when they are encrypted, so keep
the password elsewhere. A root's key that was moved away is not in it, nor is a key that is a
symbolic link.")]
pub(super) struct BackupArgs {
    /// The folder to make; new or empty.
    #[arg(value_name = "DIR")]
    to: PathBuf,
}

/// Arguments of `ca restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  mv /var/lib/portcullis-ca /var/lib/portcullis-ca.broken
  portcullis ca restore /backup/ca-2026-11-22 --dir /var/lib/portcullis-ca

Stop the server first. Members go on as before: certificates given out after the backup are
renewed though the ledger does not know them. Join tokens must be made anew, and what was revoked
after the backup revoked again.")]
pub(super) struct RestoreArgs {
    /// The folder of the backup. It goes to --dir, which must be new or empty.
    #[arg(value_name = "BACKUP")]
    from: PathBuf,
}

pub(super) fn backup(args: &BackupArgs, context: &Context) -> Result<ExitCode, CliError> {
    let authority = context.open_without_keys()?;
    authority.backup(&args.to, context.now())?;
    context.output.result(&json!({ "backup": args.to }), || format!("backed up to {}\n", quote(&args.to)));
    context.output.hint(&format!(
        "put it back: `portcullis ca restore {} --dir {}`",
        quote(&args.to),
        quote(&context.dir)
    ));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn restore(args: &RestoreArgs, context: &Context) -> Result<ExitCode, CliError> {
    let settings = Authority::restore(&args.from, &context.dir, context.now())?;
    let next = [context.command_with_keys("check"), context.command_with_keys("serve")];
    let value = json!({
        "dir": context.dir,
        "trust_domain": settings.trust_domain,
        "sequence": settings.sequence,
        "phase": settings.phase,
        "next": next,
    });
    context.output.result(&value, || {
        facts(&[
            ("restored", settings.trust_domain.to_string()),
            ("into", quote(&context.dir)),
            ("sequence", settings.sequence.to_string()),
        ])
    });
    let [check, serve] = next;
    context.output.hint(&format!(
        "join tokens of before are worth nothing now, and what was revoked after the backup is to be revoked again\n\
         next: `{check}`, then `{serve}`"
    ));
    Ok(ExitCode::SUCCESS)
}

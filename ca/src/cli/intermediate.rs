//! `portcullis ca intermediate`: replaces the intermediate, which signs.

use super::context::Context;
use super::error::CliError;
use super::words::{self, facts};
use crate::names::AuthorityId;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ca intermediate …`.
#[derive(Debug, Subcommand)]
pub(super) enum IntermediateCommand {
    /// Make a new intermediate under the root that signs, and sign with it from now on.
    Rotate(RotateArgs),
}

/// Arguments of `ca intermediate rotate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca intermediate rotate
  portcullis ca intermediate rotate --root-key /media/safe/root-1.key    # the key is kept elsewhere

A server that finds the root's key in the folder does this by itself at half of the intermediate's
life. It can be done at any time, and a server that runs goes on with the new one: certificates
under the old one stay good.")]
pub(super) struct RotateArgs {
    /// The root to make it under, when not the one that signs: a prepared one whose intermediate grew old.
    #[arg(long, value_name = "ROOT")]
    root: Option<AuthorityId>,
    /// The root's key, when it is not in the authority's folder. It is only read.
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
}

pub(super) fn run(command: &IntermediateCommand, context: &Context) -> Result<ExitCode, CliError> {
    let IntermediateCommand::Rotate(args) = command;
    let (authority, now) = (context.open_for_new_keys()?, context.now());
    let made = authority.rotate_intermediate(args.root.as_ref(), args.root_key.as_deref(), now)?;
    context.changed(&authority);
    let value = json!({ "intermediate": made.id, "root": made.root, "expires": made.not_after });
    context.output.result(&value, || {
        facts(&[
            ("made", made.id.to_string()),
            ("under", made.root.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("expires", words::moment(made.not_after, now)),
        ])
    });
    context.output.hint("certificates under the one before stay good; nothing needs a restart");
    Ok(ExitCode::SUCCESS)
}

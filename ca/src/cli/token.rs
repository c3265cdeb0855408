//! `portcullis ca token`: makes join tokens. The token alone goes to standard output, for `$(…)` and `>`.

use super::context::{self, Context};
use super::error::CliError;
use super::output::print;
use super::words;
use crate::authority::{Authority, NewToken};
use crate::entry::Entry;
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// How long a token is good when nobody says otherwise: 10 min.
pub(super) const TTL: Duration = Duration::from_secs(600);

/// `ca token …`.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a join token for an entry, good once.
    Create(CreateArgs),
}

/// Arguments of `ca token create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ca token create svc/order
  (umask 077; portcullis ca token create svc/order --ttl 1h > token)    # hand over the file
  portcullis ca bootstrap --token-file token --out order                # on its machine

A token is good once and then for nobody else. It names the authority's address and root, so the
workload sends it to nobody but this authority. On a command line others can see it (ps): prefer a
file.")]
pub(super) struct CreateArgs {
    /// For whom: svc/order is spiffe://<trust domain>/svc/order.
    #[arg(value_name = "ENTRY")]
    entry: String,
    /// How long it is good: 1m to 24h.
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = words::span)]
    ttl: Duration,
    /// Where the workload reaches the authority, instead of the addresses given at `init`. May be given several times.
    #[arg(long, value_name = "URL", value_parser = words::url)]
    url: Vec<String>,
}

pub(super) fn run(command: &TokenCommand, context: &Context) -> Result<ExitCode, CliError> {
    let TokenCommand::Create(args) = command;
    let authority = context.open_without_keys()?;
    let entry = context::id_at(&args.entry, &authority)?;
    let new = NewToken { entry, ttl: args.ttl, urls: args.url.clone() };
    make(&authority, &new, context, None)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a token and prints it. `entry`: the one that was made with it.
pub(super) fn make(
    authority: &Authority,
    new: &NewToken,
    context: &Context,
    entry: Option<&Entry>,
) -> Result<(), CliError> {
    let now = context.now();
    let (token, expires) = authority.create_token(new, now)?;
    context.changed(authority);
    if context.output.json {
        let value = json!({
            "token": token.reveal(),
            "id": new.entry,
            "expires": expires,
            "urls": token.urls,
            "roots": token.roots,
            "entry": entry,
        });
        context.output.result(&value, String::new);
        return Ok(());
    }
    print(&(token.reveal() + "\n"));
    let made = if entry.is_some() { "registered, with a" } else { "a" };
    context.output.hint(&format!(
        "{}: {made} join token, good once until {}",
        new.entry,
        words::moment(expires, now)
    ));
    context.output.hint(&format!(
        "next, where it reaches {}: `portcullis ca bootstrap TOKEN`",
        token.urls.join(" or ")
    ));
    Ok(())
}

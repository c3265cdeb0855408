//! The command line of the authority: what can be asked, and with which exit code it is answered.
//!
//! Decides commands and what they have in common: the folder, the password, how results are printed, how errors end.
//! What a command does stands in the file of its name. It must not decide anything about certificates.
//!
//! | exit code | meaning |
//! |--|--|
//! | 0 | done; `needs-renewal`: yes |
//! | 1 | an error; `check`: something fails or soon will; `needs-renewal`: no |
//! | 2 | the command line is wrong; `needs-renewal`: an error |
//! | 3 | `root …`: refused, because somebody would be cut off |

mod audit;
mod backup;
mod bootstrap;
mod bundle;
mod check;
mod context;
mod crl;
mod entry;
mod error;
mod init;
mod inspect;
mod intermediate;
mod issue;
mod list;
mod needs_renewal;
mod output;
mod probe;
mod renew;
mod revoke;
mod root;
mod serve;
mod sign;
mod token;
mod verify;
mod words;

use clap::{Args, Subcommand};
use context::Context;
use error::CliError;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where the help lists the options that all commands have.
const EVERYWHERE: &str = "Options of every command";

/// Arguments of `ca`.
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
From nothing to a certificate:
  portcullis ca init shop.example                       make the authority
  portcullis ca serve &                                 answer workloads
  portcullis ca entry create svc/order --token          register a workload, print its join token
  portcullis ca bootstrap TOKEN --out order             on the workload's machine

At 3 a.m.:
  portcullis ca check --server                          what is wrong, and what to do
  portcullis ca bundle status                           who runs, until when, and who is behind
  portcullis ca revoke --id svc/order --before now      a key was stolen
  portcullis ca audit tail                              who did what

Operator commands take SPIFFE IDs in short: svc/order is spiffe://<trust domain>/svc/order.
Exit codes: 0 done, 1 an error, 2 a wrong command line, 3 a `root` step that would cut somebody off."
)]
pub struct CaArgs {
    /// The folder of the authority.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR", env = "PORTCULLIS_CA_DIR", default_value = context::DIR)]
    dir: PathBuf,
    /// A file with the password that protects the authority's keys: one line, not readable by everybody.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE", env = "PORTCULLIS_CA_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
    /// Print JSON, for scripts.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an authority: a root, an intermediate under it, an empty store.
    Init(init::InitArgs),
    /// Answer workloads: give out and renew certificates, spread roots and revocations.
    Serve(serve::ServeArgs),
    /// Say what is wrong or soon will be, and until when all goes well if the authority dies now.
    Check(check::CheckArgs),
    /// Register workloads: who may get which certificate.
    #[command(subcommand)]
    Entry(entry::EntryCommand),
    /// Make join tokens: what a workload gets its first certificate with.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Make a key and a certificate by hand.
    Issue(issue::IssueArgs),
    /// Sign a request (CSR) that somebody brought.
    Sign(sign::SignArgs),
    /// Put certificates on the deny-list, show it, or take something off it.
    Revoke(revoke::RevokeArgs),
    /// Replace the root, step by step, cutting nobody off.
    #[command(subcommand)]
    Root(root::RootCommand),
    /// Replace the intermediate, which signs.
    #[command(subcommand)]
    Intermediate(intermediate::IntermediateCommand),
    /// Show and export the roots to believe, and see who has them.
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// List certificates that were given out.
    List(list::ListArgs),
    /// Read the audit file, and check that nobody changed it.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Write a copy of everything, while the server runs.
    Backup(backup::BackupArgs),
    /// Put a backup back.
    Restore(backup::RestoreArgs),
    /// Write certificate revocation lists, for software that reads no deny-list.
    Crl(crl::CrlArgs),
    /// Get the first certificate, with a join token.
    Bootstrap(bootstrap::BootstrapArgs),
    /// Renew a certificate, once or for as long as this runs.
    Renew(renew::RenewArgs),
    /// Renew a certificate now, with a new key.
    Rekey(renew::RekeyArgs),
    /// Say by the exit code whether a certificate is to be renewed: 0 yes, 1 no, 2 an error.
    NeedsRenewal(needs_renewal::NeedsRenewalArgs),
    /// Show what is in a certificate, request, bundle or join token.
    Inspect(inspect::InspectArgs),
    /// Say whether a certificate is to be believed.
    Verify(verify::VerifyArgs),
}

/// Runs the command and says how it went. `start_log` starts the process's own log, for commands that run for long.
pub fn run(args: &CaArgs, start_log: fn()) -> ExitCode {
    let context = Context::new(args, start_log);
    match dispatch(&args.command, &context) {
        Ok(code) => code,
        Err(error) => {
            output::complain(&format!("error: {error}"));
            if let Some(hint) = error.hint(&context) {
                output::complain(&format!("hint: {hint}"));
            }
            args.command.failure()
        }
    }
}

fn dispatch(command: &Command, context: &Context) -> Result<ExitCode, CliError> {
    match command {
        Command::Init(args) => init::run(args, context),
        Command::Serve(args) => serve::run(args, context),
        Command::Check(args) => check::run(args, context),
        Command::Entry(command) => entry::run(command, context),
        Command::Token(command) => token::run(command, context),
        Command::Issue(args) => issue::run(args, context),
        Command::Sign(args) => sign::run(args, context),
        Command::Revoke(args) => revoke::run(args, context),
        Command::Root(command) => root::run(command, context),
        Command::Intermediate(command) => intermediate::run(command, context),
        Command::Bundle(command) => bundle::run(command, context),
        Command::List(args) => list::run(args, context),
        Command::Audit(command) => audit::run(command, context),
        Command::Backup(args) => backup::backup(args, context),
        Command::Restore(args) => backup::restore(args, context),
        Command::Crl(args) => crl::run(args, context),
        Command::Bootstrap(args) => bootstrap::run(args, context),
        Command::Renew(args) => renew::run(args, context),
        Command::Rekey(args) => renew::rekey(args, context),
        Command::NeedsRenewal(args) => needs_renewal::run(args, context),
        Command::Inspect(args) => inspect::run(args, context),
        Command::Verify(args) => verify::run(args, context),
    }
}

impl Command {
    /// The exit code of an error.
    fn failure(&self) -> ExitCode {
        match self {
            Self::NeedsRenewal(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

#[cfg(test)]
mod tests;

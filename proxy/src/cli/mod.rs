//! The command line: what can be asked of the binary, and with which exit code it answers.
//!
//! Decides commands, flags and their help. What a command does stands in the file of its name.
//!
//! | exit code | meaning |
//! |--|--|
//! | 0 | done; `explain`: the request is admitted; `test`: all tests hold |
//! | 1 | an error: unsound configuration, failed test, failed start |
//! | 2 | the command line is wrong |
//! | 3 | `explain`: the request is refused |

pub mod capture;
mod check;
mod completions;
mod decide;
pub mod edge;
pub mod explain;
mod keys;
mod launch;
mod log;
mod schema;
mod selftest;
pub mod sidecar;
pub mod test;
mod wait;

use crate::admission::authenticate::Caller;
use crate::config::{Diagnostic, Problems, diagnostic};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use portcullis_ca::spiffe::SpiffeId;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// `explain`: the request is refused.
pub const REFUSED: u8 = 3;

/// Parses the command line, runs the command, says how it went.
pub fn main() -> ExitCode {
    main_from(std::env::args_os().skip(1))
}

/// The same for the words after the program's name: for binaries that have this one inside.
pub fn main_from(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Cli::try_parse_from(std::iter::once(OsString::from("portcullis")).chain(words)) {
        Ok(cli) => run(cli.command),
        Err(error) => {
            // Help and version arrive here too; they go to standard output and are no error.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

fn run(command: Command) -> ExitCode {
    match command {
        Command::Edge(args) => edge::run(&args),
        Command::Sidecar(SidecarArgs { sub: Some(SidecarCommand::Capture(args)), .. }) => capture::run(&args),
        Command::Sidecar(args) => sidecar::run(&args),
        Command::Wait(args) => wait::run(&args),
        Command::Launch(args) => launch::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(args),
        Command::Test(args) => test::run(&args),
        Command::Selftest(args) => selftest::run(args),
        Command::Keys(args) => keys::run(&args),
        Command::Ca(args) => portcullis_ca::cli::run(&args, start_long),
        Command::Schema => schema::run(),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => completions::man(&args),
    }
}

/// What a command that runs for long does first.
fn start_long() {
    drop(log::start_log());
    edge::raise_file_limit();
}

/// The definition of the whole command line.
pub fn command() -> clap::Command {
    Cli::command()
}

/// A gateway for HTTP services: routes, checks and forwards requests.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis",
    version,
    about,
    max_term_width = 100,
    after_help = "\
Start here:
  portcullis check edge.yaml                     say everything that is wrong with a configuration
  portcullis edge --config edge.yaml             run the gateway
  portcullis explain --config edge.yaml 'GET /'  say what would become of a request, and why

An editor checks the file while you type when it knows the schema:
  portcullis schema > portcullis.schema.json
  and as first line of the file: # yaml-language-server: $schema=portcullis.schema.json"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    #[command(after_help = "\
Signals:
  SIGTERM          not ready any more, then (after drain.delay) stop accepting, let requests in flight
                   end, exit; a second one cuts what is left
  SIGINT           the same without the delay
  SIGUSR1          open the access log's file again, after logrotate
  SIGHUP           read the configuration again; a change of the file does the same
                   (a configuration with an error is refused and the old one stays)

Examples:
  portcullis edge --config edge.yaml
  PORTCULLIS_CONFIG=/etc/portcullis/edge.yaml portcullis edge
  PORTCULLIS_LOG=debug portcullis edge --config edge.yaml     # its own log: error, warn, info, debug, trace

Exit codes: 0 after a drain, 1 on an error, 2 on a wrong command line.")]
    Edge(EdgeArgs),
    /// Run beside one service: mutual TLS in and out, nobody in without a rule.
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    #[command(after_help = "\
With a command the application is started as soon as the sidecar is ready, signals are passed on to it,
and the sidecar ends with it, with its exit code.

Signals:
  SIGTERM          not ready any more, then (after drain.delay) nobody new comes in; requests in flight end,
                   the application is told to end and may make calls until it has; a second one ends all at once
  SIGINT           the same without the delay
  SIGUSR1          open the access log's file again, after logrotate
  SIGHUP           read the configuration again; a change of the file does the same

Examples:
  portcullis sidecar --config order.yaml
  portcullis sidecar --config order.yaml -- /usr/bin/order --port 8080
  portcullis explain --config order.yaml --from spiffe://shop.example/edge 'GET /api/orders/1'

Exit codes: the command's (128 + N when signal N ended it, 127 when it is not found); without a command 0 after a
drain; 1 on an error, 2 on a wrong command line.")]
    Sidecar(SidecarArgs),
    /// Wait until a sidecar is ready.
    #[command(after_help = "\
Asks the sidecar's `ready:` listener. Every 5 s it says on standard error what is missing.

Examples:
  portcullis wait --ready 127.0.0.1:15121
  portcullis wait --config order.yaml --sidecar-only --timeout 30s && exec order-service

Exit codes: 0 when it is ready, 1 when it is not in time (or the configuration is unsound), 2 on a wrong
command line or a configuration without `ready:`.")]
    Wait(wait::WaitArgs),
    /// Become a command, tied to the sidecar that starts it.
    #[command(
        hide = true,
        after_help = "\
Used by `portcullis sidecar --config FILE -- COMMAND`; there is no reason to call it by hand."
    )]
    Launch(launch::LaunchArgs),
    /// Say everything that is wrong with configurations, without running them.
    #[command(after_help = "\
Every problem is reported in one run, with its place and what to do about it. Warnings do not fail.
Certificates, keys and tokens are read too, so run it where the gateway will run.

Examples:
  portcullis check edge.yaml
  portcullis check --print-effective edge.yaml   # all defaults filled in
  portcullis check --format json *.yaml          # for editors and pipelines

Exit codes: 0 when all are sound, 1 when one is not, 2 on a wrong command line.")]
    Check(CheckArgs),
    /// Say what would become of a request, step by step, without sending it.
    #[command(after_help = "\
Examples:
  portcullis explain --config edge.yaml 'GET /orders/17'
  portcullis explain --config edge.yaml 'POST /orders?dry=1' --host shop.example -H 'X-Beta: 1'
  portcullis explain --config edge.yaml --as user=alice 'GET /me'                      # with her certificate
  portcullis explain --config order.yaml --from spiffe://shop.example/edge --as user=alice,scope=orders:write \
    'POST /orders'                                                                   # of a sidecar

Exit codes: 0 when the request would be forwarded, 3 when it would be refused, 1 on an error, 2 on a
wrong command line.")]
    Explain(ExplainArgs),
    /// Run the `tests:` of configurations, without sending anything.
    #[command(after_help = "\
Example, in the configuration:
  tests:
    - { name: orders need no login, send: GET /orders/1, expect: { route: orders, status: 200 } }
    - { name: no way around the path, send: \"GET /orders/%2e%2e/admin\", expect: { status: 400 } }

Exit codes: 0 when all tests hold, 1 when one does not, 2 on a wrong command line.")]
    Test(TestArgs),
    /// Attack a running sidecar, as those would whom it keeps out.
    #[command(after_help = "\
Example:
  portcullis selftest identity --config order.yaml")]
    Selftest(selftest::SelftestArgs),
    /// Make, list and revoke the API keys of clients.
    #[command(after_help = "\
Examples:
  portcullis keys create --file partners.yaml --id acme-2026 --owner acme --expires 90d
  portcullis keys list --file partners.yaml
  portcullis keys revoke --file partners.yaml acme-2026")]
    Keys(keys::KeysArgs),
    /// Run the certificate authority of the services, and use it.
    Ca(portcullis_ca::cli::CaArgs),
    /// Print the JSON Schema of the configuration, for editors.
    #[command(after_help = "\
Example:
  portcullis schema > portcullis.schema.json")]
    Schema,
    /// Print completions for a shell.
    #[command(after_help = "\
Examples:
  portcullis completions bash > /etc/bash_completion.d/portcullis
  portcullis completions fish > ~/.config/fish/completions/portcullis.fish")]
    Completions(CompletionsArgs),
    /// Print the manual page, of portcullis or of one of its commands.
    #[command(after_help = "\
Examples:
  portcullis man > portcullis.1
  portcullis man check | man -l -")]
    Man(ManArgs),
}

/// Arguments of `edge`.
#[derive(Debug, Args)]
pub struct EdgeArgs {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", env = "PORTCULLIS_CONFIG")]
    pub config: PathBuf,
}

/// Arguments of `sidecar`.
#[derive(Debug, Args)]
pub struct SidecarArgs {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", env = "PORTCULLIS_CONFIG", required = true)]
    pub config: Option<PathBuf>,
    /// The application and its arguments, after `--`.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// What else there is to do.
    #[command(subcommand)]
    pub sub: Option<SidecarCommand>,
}

/// What belongs to a sidecar.
#[derive(Debug, Subcommand)]
pub enum SidecarCommand {
    /// Capture the connections of the application: the kernel's rules for it.
    #[command(after_help = "\
Examples:
  portcullis sidecar capture on --config sidecar.yaml
  portcullis sidecar capture status")]
    Capture(capture::CaptureArgs),
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How problems are written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Print each sound configuration with all defaults filled in.
    #[arg(long)]
    pub print_effective: bool,
}

/// How problems are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, on standard error.
    Text,
    /// One JSON array, on standard output.
    Json,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", env = "PORTCULLIS_CONFIG")]
    pub config: PathBuf,
    /// The request: method and target, as in 'GET /orders?page=2'.
    #[arg(value_name = "METHOD TARGET")]
    pub request: String,
    /// A request header; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// The host to ask for. Default: localhost if some route takes any host, else the first host of the routes.
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// The member of the mesh that sends it, as in spiffe://shop.example/edge. Of a sidecar; without it the request is
    /// taken to come from the application.
    #[arg(long, value_name = "SPIFFE-ID")]
    pub from: Option<SpiffeId>,
    /// The user it is made for, taken as proved: user=alice,role=buyer,scope=orders:write,tier=premium,claim.x=y. Roles,
    /// scopes and claims may be repeated.
    #[arg(long = "as", value_name = "USER", value_parser = caller)]
    pub caller: Option<Caller>,
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The configuration files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// A command; without it the page of portcullis itself.
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}

/// What is wrong with a `-H`.
#[derive(Debug, thiserror::Error)]
#[error("a header is written as 'NAME: VALUE'")]
struct NotAHeader;

/// What is wrong with a `--as`.
#[derive(Debug, thiserror::Error)]
#[error(
    "a user is written as user=NAME,role=ROLE,scope=SCOPE,tier=TIER,claim.NAME=VALUE; names are visible characters without quotes"
)]
struct NotAUser;

fn caller(text: &str) -> Result<Caller, NotAUser> {
    let mut caller = Caller::default();
    for (key, value) in text.split(',').map(|pair| pair.trim().split_once('=').unwrap_or_default()) {
        match (key, key.strip_prefix("claim.")) {
            ("user", _) => caller.principal.user = value.into(),
            ("role", _) => caller.principal.roles.push(value.into()),
            ("scope", _) => caller.principal.scopes.push(value.into()),
            ("tier", _) => caller.tier = Some(value.into()),
            (_, Some(claim)) => caller.claims.push((claim.into(), value.into())),
            _ => return Err(NotAUser),
        }
    }
    if caller.principal.is_sound() { Ok(caller) } else { Err(NotAUser) }
}

fn header(text: &str) -> Result<(String, String), NotAHeader> {
    let (name, value) = text.split_once(':').ok_or(NotAHeader)?;
    let name = name.trim();
    if http::HeaderName::from_bytes(name.as_bytes()).is_err()
        || http::HeaderValue::from_str(value.trim()).is_err()
    {
        return Err(NotAHeader);
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// Writes to standard output. A reader that went away early (`| head`) is no reason to fail or to panic.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard error; see [`print()`].
pub fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes warnings of a configuration that loaded to standard error.
pub fn warn(warnings: &[Diagnostic]) {
    if !warnings.is_empty() {
        complain(&format!("{}\n", diagnostic::render(warnings)));
    }
}

/// Writes why a configuration does not load to standard error; the exit code for it.
pub fn unsound(problems: &Problems) -> ExitCode {
    complain(&format!("{problems}\n"));
    ExitCode::FAILURE
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;

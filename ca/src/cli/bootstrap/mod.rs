//! `ca bootstrap`: the first certificate of a workload.
//!
//! Decides where the join token comes from, so that it need not stand on a command line, which everybody on the machine
//! can read. What is done with it decides [`crate::client`].

mod advice;
mod report;

use super::context::Context;
use super::error::CliError;
use super::inspect::InputError;
use super::output::complain;
use super::words;
use crate::client::{self, ClientError, Identity, StateDir};
use crate::clock;
use crate::time::Timestamp;
use crate::token::JoinToken;
use clap::Args;
use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};
use zeroize::Zeroizing;

pub(super) use advice::{Advised, Place};
pub(super) use report::{Done, Outcome};

/// A line with a join token is not longer, white space included.
const LARGEST_TOKEN: u64 = 8192;

/// Arguments of `ca bootstrap`.
#[derive(Debug, Args)]
#[command(after_help = "\
The operator makes the token, on the authority's machine:
  portcullis ca token create svc/order

It is good once and for a short time, 10 minutes. It says where the authority is and which root it
has, and nothing is sent to anybody else. When the answer is lost, run the same command again: the
same token gets the same certificate. Everybody on the machine can see a command line while it
runs; a file or standard input is safer.

Examples:
  portcullis ca bootstrap --token-file /run/secrets/join-token --out /var/lib/order/svid
  portcullis ca bootstrap - --out /var/lib/order/svid          # then paste the token
  portcullis ca bootstrap pct1.eyJ1Ijpb... --ttl 1h

It writes svid.pem (the certificate and its intermediates), svid.key, bundle.pem and bundle.json
(the roots to believe) and state.json. All of them change at once; only their owner can read them.

Next: portcullis ca renew --out DIR --daemon

Exit codes: 0 done, 1 an error, 2 a wrong command line.")]
pub(super) struct BootstrapArgs {
    /// The join token; - reads it from standard input.
    #[arg(value_name = "TOKEN", required_unless_present = "token_file", conflicts_with = "token_file")]
    token: Option<TokenText>,
    /// A file with the join token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    place: OutArgs,
    /// The life to ask for: 1m to 72h, no longer than the entry allows. Default: what the authority gives.
    #[arg(long, value_name = "SPAN", value_parser = words::span)]
    ttl: Option<Duration>,
}

/// Where a workload keeps who it is.
#[derive(Debug, Args)]
pub(super) struct OutArgs {
    /// The folder for certificate, key and roots; it is made when it is not there.
    #[arg(long, value_name = "DIR", env = "PORTCULLIS_SVID_DIR", default_value = "svid")]
    pub(super) out: PathBuf,
}

/// A word of the command line that may be a join token: never shown. Read later: what clap refuses it prints.
#[derive(Clone)]
struct TokenText(Zeroizing<String>);

impl FromStr for TokenText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TokenText(…)")
    }
}

/// Runs the command.
pub(super) fn run(args: &BootstrapArgs, context: &Context) -> Result<ExitCode, CliError> {
    (context.start_log)();
    let token = token(args)?;
    let dir = StateDir::open(&args.place.out)?;
    // What cannot be read is replaced.
    let before = dir.load().ok().flatten();
    let (identity, synced) = local(async {
        let identity = client::bootstrap(&dir, &token, args.ttl).await?;
        let synced = sync(&dir, &identity).await;
        Ok::<_, ClientError>((identity, synced))
    })?
    .map_err(|error| refused(error, &args.place.out, before.as_ref(), context.now()))?;
    let done =
        Done { dir: dir.path(), identity: &identity, outcome: Outcome::Joined, synced, now: context.now() };
    done.print(context.output);
    context.output.hint(&next(dir.path()));
    Ok(ExitCode::SUCCESS)
}

/// The token, from wherever it is to be read.
fn token(args: &BootstrapArgs) -> Result<JoinToken, CliError> {
    let text = match (&args.token_file, &args.token) {
        (Some(file), _) => from_file(file)?,
        (None, Some(text)) if text.0.as_str() != "-" => text.0.clone(),
        (None, _) => from_stdin()?,
    };
    Ok(text.parse()?)
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, CliError> {
    let file = File::open(path).map_err(CliError::io(path))?;
    let mode = file.metadata().map_err(CliError::io(path))?.mode() & 0o777;
    if mode & 0o007 != 0 {
        complain(&format!(
            "warning: {} has mode {mode:04o}: who reads it first can join in place of this workload. \
             Write it with umask 077",
            path.display()
        ));
    }
    first_line(file).map_err(CliError::io(path)).and_then(|line| filled(line, &path.display().to_string()))
}

fn from_stdin() -> Result<Zeroizing<String>, CliError> {
    if io::stdin().is_terminal() {
        complain("paste the join token and press Enter:");
    }
    let line = first_line(io::stdin().lock()).map_err(CliError::io(Path::new("standard input")))?;
    filled(line, "standard input")
}

/// The first line: whoever pastes a token does not end the input.
fn first_line(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::with_capacity(LARGEST_TOKEN as usize));
    BufReader::new(from.take(LARGEST_TOKEN)).read_line(&mut line)?;
    Ok(line)
}

fn filled(line: Zeroizing<String>, name: &str) -> Result<Zeroizing<String>, CliError> {
    if line.trim().is_empty() { Err(InputError::NoToken(name.to_owned()).into()) } else { Ok(line) }
}

/// Adds to an error what the folder says: a token that is used up is no harm where there is a certificate already.
fn refused(error: ClientError, out: &Path, before: Option<&Identity>, now: Timestamp) -> Advised {
    let place = Place { dir: out, id: before.map(|before| &before.svid.id), now };
    let good = before.filter(|before| before.svid.not_after >= now);
    match (&error, good) {
        (ClientError::TokenInvalid { .. } | ClientError::Refused { .. }, Some(before)) => {
            let hint = format!(
                "{} still holds a good certificate of {}, until {}: it was not touched, and needs no token: `{}`",
                out.display(),
                before.svid.id,
                words::moment(before.svid.not_after, now),
                place.command("renew"),
            );
            Advised::new(error, Some(hint))
        }
        _ => Advised::of(error, &place),
    }
}

/// Learns whom to believe and says so to the authority: whoever never does stands in the way of a rotation. An error is
/// told and no more: the certificate is good without.
pub(super) async fn sync(dir: &StateDir, identity: &Identity) -> Result<u64, ClientError> {
    let trust = client::sync(dir, identity).await?;
    Ok(trust.bundle.sequence)
}

/// Runs what connects to the authority.
pub(super) fn local<T>(task: impl Future<Output = T>) -> Result<T, CliError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    Ok(runtime.map_err(CliError::Runtime)?.block_on(task))
}

fn next(dir: &Path) -> String {
    let place = Place { dir, id: None, now: clock::wall() };
    format!(
        "\nNext, keep it good:\n  {} --daemon\n      renews it in time, for as long as this runs; --exec CMD reloads \
         who uses it\n  */5 * * * * {}\n      the same by cron: does nothing until it is due\nTo look at it:\n  \
         portcullis ca inspect {}",
        place.command("renew"),
        place.absolute("renew"),
        words::quote(dir),
    )
}

#[cfg(test)]
mod tests;

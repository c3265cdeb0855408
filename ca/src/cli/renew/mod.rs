//! `ca renew` and `ca rekey`: the next certificate of a workload, once or for as long as the process runs.
//!
//! Decides whether anything is to be done now; how it is done decides [`crate::client`]. Even when no renewal is due the
//! newest roots are fetched and acknowledged: a workload renewed by cron would else hold up every rotation of the root.

mod daemon;

use super::bootstrap::{Advised, Done, OutArgs, Outcome, Place, local, sync};
use super::context::Context;
use super::error::CliError;
use super::output::complain;
use super::words;
use crate::client::{self, ClientError, Clocks, Identity, Next, Schedule, StateDir, StateError};
use crate::time::Timestamp;
use clap::Args;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

/// Arguments of `ca renew`.
#[derive(Debug, Args)]
#[command(after_help = "\
The authority says when a certificate is due: between a half and two thirds of its life, spread
over all workloads. Before that, renew says so and exits with 0: run it as often as you like. It
fetches the roots to believe all the same, and acknowledges them: a rotation of the root waits for
every workload.

Examples:
  portcullis ca renew --out /var/lib/order/svid --daemon --exec 'systemctl reload order'
  portcullis ca renew --out /var/lib/order/svid --daemon --token-file /run/secrets/join-token
      joins too, when there is no certificate yet or the authority was away longer than it lived
  */5 * * * *  portcullis ca renew --out /var/lib/order/svid --exec 'systemctl reload order'
  portcullis ca renew --out svid --force                       # now, though it is not due

CMD is run by sh -c after the files have changed, with PORTCULLIS_SVID_DIR in its environment.
SIGTERM and SIGINT end the daemon. It logs to standard error; PORTCULLIS_LOG=debug says more.

Exit codes: 0 renewed or not due, 1 an error (the certificate before is still there), 2 a wrong
command line.")]
pub(super) struct RenewArgs {
    #[command(flatten)]
    place: OutArgs,
    /// Keep the private key. A new one each time is safer.
    #[arg(long)]
    keep_key: bool,
    /// Renew though it is not due.
    #[arg(long, conflicts_with = "daemon")]
    force: bool,
    /// Go on: renew in time, follow changes of the roots and of the deny-list, until SIGTERM.
    #[arg(long)]
    daemon: bool,
    /// A command to run each time the files have changed.
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// A file with a join token, for when there is no good certificate; it is read again when it changes.
    #[arg(long, value_name = "FILE", requires = "daemon")]
    token_file: Option<PathBuf>,
    /// The life to ask for when joining: 1m to 72h.
    #[arg(long, value_name = "SPAN", value_parser = words::span, requires = "token_file")]
    ttl: Option<Duration>,
}

/// Arguments of `ca rekey`.
#[derive(Debug, Args)]
#[command(after_help = "\
For a key that somebody may have seen. The certificate before stays good until it expires. If its
key was stolen, revoke it on the authority's machine as soon as this is done, or the thief renews
it too:
  portcullis ca revoke --serial SERIAL --reason 'key stolen'

Examples:
  portcullis ca rekey --out /var/lib/order/svid
  portcullis ca rekey --out /var/lib/order/svid --exec 'systemctl reload order'

Exit codes: 0 done, 1 an error (certificate and key before are still there), 2 a wrong command
line.")]
pub(super) struct RekeyArgs {
    #[command(flatten)]
    place: OutArgs,
    /// A command to run when the files have changed.
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
}

/// What one renewal is to do.
struct Order<'a> {
    out: &'a Path,
    keep_key: bool,
    force: bool,
    exec: Option<&'a str>,
}

/// Runs `ca renew`.
pub(super) fn run(args: &RenewArgs, context: &Context) -> Result<ExitCode, CliError> {
    (context.start_log)();
    if args.daemon {
        return daemon::run(args, context);
    }
    let (keep_key, force) = (args.keep_key, args.force);
    once(&Order { out: &args.place.out, keep_key, force, exec: args.exec.as_deref() }, context)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `ca rekey`.
pub(super) fn rekey(args: &RekeyArgs, context: &Context) -> Result<ExitCode, CliError> {
    (context.start_log)();
    let order = Order { out: &args.place.out, keep_key: false, force: true, exec: args.exec.as_deref() };
    let before = once(&order, context)?;
    let hint = format!(
        "if the key before was stolen, on the authority's machine: `portcullis ca revoke --serial {}`",
        before.svid.serial
    );
    context.output.hint(&hint);
    Ok(ExitCode::SUCCESS)
}

/// Returns the identity before.
fn once(order: &Order<'_>, context: &Context) -> Result<Identity, CliError> {
    let (dir, before) = load(order.out, context.now())?;
    let renewing = order.force || due(&before, context.now());
    let refused = |error| failed(error, order.out, &before, context.now());
    let (identity, synced) =
        local(ask(&dir, &before, renewing.then_some(order.keep_key)))?.map_err(refused)?;
    let synced = match synced {
        // Revoked, or forgotten: that it is not due yet would be false comfort.
        Err(error) if !renewing && error.needs_token() => return Err(refused(error)),
        synced => synced,
    };
    let outcome = if renewing { Outcome::Renewed } else { Outcome::Kept };
    let done = Done { dir: dir.path(), identity: &identity, outcome, synced, now: context.now() };
    done.print(context.output);
    let changed = renewing || done.sequence() != before.trust.bundle.sequence;
    if let Some(command) = order.exec.filter(|_| changed) {
        exec(command, order.out)?;
    }
    Ok(before)
}

/// Renews, when `keep_key` is given, and fetches the trust.
async fn ask(
    dir: &StateDir,
    before: &Identity,
    keep_key: Option<bool>,
) -> Result<(Identity, Result<u64, ClientError>), ClientError> {
    let identity = match keep_key {
        Some(keep_key) => Box::pin(client::renew(dir, before, keep_key)).await?,
        None => before.clone(),
    };
    let synced = Box::pin(sync(dir, &identity)).await;
    Ok((identity, synced))
}

/// Who the workload in `out` is. Looking makes no folder.
fn load(out: &Path, now: Timestamp) -> Result<(StateDir, Identity), CliError> {
    let read = || {
        if !out.is_dir() {
            return Err(StateError::Empty(out.to_owned()));
        }
        let dir = StateDir::open(out)?;
        let identity = dir.load()?.ok_or_else(|| StateError::Empty(out.to_owned()))?;
        Ok((dir, identity))
    };
    let place = Place { dir: out, id: None, now };
    read().map_err(|error| match error {
        StateError::Empty(_) | StateError::Damaged { .. } => Advised::new(error, Some(place.join())).into(),
        other => other.into(),
    })
}

/// Whether the certificate is to be renewed now. An expired one is: asking says what to do about it.
fn due(identity: &Identity, now: Timestamp) -> bool {
    let clocks = Clocks { wall: now, up: Duration::ZERO };
    !matches!(Schedule::new(identity.term(), clocks, false).next(clocks), Next::Wait(_))
}

fn failed(error: ClientError, out: &Path, before: &Identity, now: Timestamp) -> CliError {
    let place = Place { dir: out, id: Some(&before.svid.id), now };
    if before.svid.not_after >= now && !error.needs_token() {
        complain(&format!(
            "the certificate before is good until {}",
            words::moment(before.svid.not_after, now)
        ));
    }
    Advised::of(error, &place).into()
}

/// Runs a command that must know of the new files.
fn exec(command: &str, out: &Path) -> Result<(), CliError> {
    let failed = |why: ExecError| CliError::from(Advised::new(why, None));
    let status = shell(command, out).status().map_err(|source| failed(ExecError::Start(source)))?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(ExecError::Status { command: command.to_owned(), status }))
    }
}

/// `sh -c COMMAND`, with the folder in its environment. What it prints goes to standard error: standard output is for
/// our own result.
fn shell(command: &str, out: &Path) -> Command {
    let mut shell = Command::new("sh");
    let out = std::path::absolute(out).unwrap_or_else(|_no_working_folder| out.to_owned());
    shell
        .arg("-c")
        .arg(command)
        .env("PORTCULLIS_SVID_DIR", out)
        .stdin(std::process::Stdio::null())
        .stdout(io::stderr());
    shell
}

/// Why the command did not do its work. The files are in their place all the same.
#[derive(Debug, thiserror::Error)]
enum ExecError {
    /// There is no shell.
    #[error("the files have changed, but sh cannot be run: {0}")]
    Start(#[source] io::Error),
    /// It failed.
    #[error("the files have changed, but `{command}` failed ({status}): run it again by hand")]
    Status {
        /// Which.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
}

#[cfg(test)]
mod tests;

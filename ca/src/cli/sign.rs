//! `portcullis ca sign`: a certificate for a request somebody brought. The key stays where it is.

use super::context::{self, Context};
use super::error::CliError;
use super::issue::by_hand;
use super::output::print;
use super::words::{self, quote};
use crate::certificate;
use crate::csr::MAX_CSR;
use crate::store::How;
use clap::Args;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `ca sign`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / \\
    -keyout order.key -out order.csr
  portcullis ca sign order.csr --id svc/order --out order.pem
  ssh order cat order.csr | portcullis ca sign - --id svc/order > order.pem
  portcullis ca bundle export --out roots.pem          # whom the workload is to believe

From the request only the public key is taken (P-256). Names come from the entry; a request that
asks for others is refused.")]
pub(super) struct SignArgs {
    /// The request, PEM or DER; - is standard input.
    #[arg(value_name = "CSR_FILE")]
    csr: PathBuf,
    /// For whom, as registered: svc/order is spiffe://<trust domain>/svc/order.
    #[arg(long, value_name = "ID")]
    id: String,
    /// Where the certificate goes, with its intermediate. Default: standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How long it lives. Default: as given at `init`; never longer than the entry allows.
    #[arg(long, value_name = "SPAN", value_parser = words::span)]
    ttl: Option<Duration>,
    /// Replace the file.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &SignArgs, context: &Context) -> Result<ExitCode, CliError> {
    let authority = context.open()?;
    let now = context.now();
    let id = context::id_at(&args.id, &authority)?;
    // The refusal later on would speak of an entry that was there once.
    authority.entry(&id)?;
    let csr = read(&args.csr)?;
    if let Some(out) = args.out.as_deref().filter(|out| out.exists() && !args.force) {
        return Err(CliError::Exists(out.to_owned()));
    }
    let granted = by_hand(&authority, &id, (&csr, How::Sign), (args.ttl, now));
    context.changed(&authority);
    let granted = granted?;
    let pem: String = granted.chain.iter().map(|der| certificate::pem("CERTIFICATE", der)).collect();
    let svid = certificate::svid(granted.chain.first().map(Vec::as_slice).unwrap_or_default())?;
    let written = args.out.as_deref().map(|out| write(out, &pem, args.force)).transpose();
    if written.is_err() {
        // It is in the ledger: nobody should have to ask for another one.
        print(&pem);
    }
    written?;
    let value = json!({
        "id": svid.id,
        "instance": granted.instance,
        "serial": svid.serial,
        "not_before": svid.not_before,
        "not_after": svid.not_after,
        "certificate": pem,
    });
    let shown = if args.out.is_none() { pem.as_str() } else { "" };
    context.output.result(&value, || shown.to_owned());
    context.output.hint(&format!(
        "{}: certificate {}, instance {}, expires {}",
        svid.id,
        svid.serial,
        granted.instance,
        words::moment(svid.not_after, now)
    ));
    Ok(ExitCode::SUCCESS)
}

/// The request; more than one can be is not read.
fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let most = u64::try_from(MAX_CSR).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(CliError::io(path))?;
    Ok(bytes)
}

/// Writes a file that is no secret.
pub(super) fn write(path: &Path, text: &str, replace: bool) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    options.write(true);
    if replace {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => CliError::Exists(path.to_owned()),
        _ => CliError::Io { path: path.to_owned(), source },
    })
}

/// Writes to a file, or to standard output; says where it went.
pub(super) fn write_or_print(
    out: Option<&Path>,
    text: &str,
    (replace, context): (bool, &Context),
) -> Result<(), CliError> {
    match out {
        None => print(text),
        Some(path) => {
            write(path, text, replace)?;
            context.output.hint(&format!("wrote {}", quote(path)));
        }
    }
    Ok(())
}

//! `portcullis ca sign`: a certificate for a request somebody brought. The key stays where it is.

use super::context::{self, Context};
use super::error::CliError;
use super::issue::by_hand;
use super::output::print;
use super::words::{self, quote};
use crate::certificate;
use crate::csr::MAX_CSR;
use crate::files;
use crate::store::How;
use clap::Args;
use serde_json::json;
use std::fs::File;
use std::io::{self, Read};
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

/// Writes a file that is no secret: whole, or not at all.
pub(super) fn write(path: &Path, text: &str, replace: bool) -> Result<(), CliError> {
    let written = if replace {
        files::replace(path, text.as_bytes())
    } else {
        files::write_new(path, text.as_bytes(), files::PUBLIC)
    };
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

#[cfg(test)]
mod tests {
    //! How a file that is no secret is written.

    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn a_file_is_replaced_whole_and_only_by_who_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (path, kept) = (folder.path().join("ca.crl"), folder.path().join("reader.crl"));
        write(&path, "old", false).unwrap();
        // Who reads the old list goes on reading the old list.
        fs::hard_link(&path, &kept).unwrap();

        let refused = write(&path, "new", false).unwrap_err();
        write(&path, "new", true).unwrap();

        assert!(matches!(refused, CliError::Exists(_)), "{refused}");
        assert_eq!(
            (fs::read_to_string(&path).unwrap(), fs::read_to_string(&kept).unwrap()),
            ("new".into(), "old".into())
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no draft is left");
    }

    #[test]
    fn a_file_that_is_no_secret_is_as_open_as_the_umask_allows() {
        let folder = tempfile::tempdir().unwrap();
        let (usual, written) = (folder.path().join("usual"), folder.path().join("written"));
        fs::write(&usual, "").unwrap();

        write(&written, "list", false).unwrap();
        write(&folder.path().join("replaced"), "list", true).unwrap();

        for name in ["written", "replaced"] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().mode();
            assert_eq!(mode, fs::metadata(&usual).unwrap().mode(), "{name}");
        }
    }

    #[test]
    fn a_dangling_link_is_no_free_name() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("order.pem");
        symlink(folder.path().join("elsewhere"), &link).unwrap();

        assert!(matches!(write(&link, "certificate", false), Err(CliError::Exists(_))));
        assert!(!folder.path().join("elsewhere").exists());
    }
}

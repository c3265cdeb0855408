//! `ca inspect`: what is in a file, for somebody who has it before them and must know.
//!
//! | step | file |
//! |--|--|
//! | read it | `input` |
//! | recognise it by its content | `content` |
//! | take the facts from it | `gather`, into the records of `facts` |
//! | word them | `text` |
//!
//! It must not judge: whether a certificate is to be believed says `ca verify`.

mod content;
mod facts;
mod gather;
mod input;
mod text;

use super::context::Context;
use super::error::CliError;
use crate::bundle::Bundle;
use crate::spiffe::TrustDomain;
use clap::Args;
use facts::Found;
use gather::View;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(super) use input::{InputError, certificates, read};
pub(super) use text::rows;

/// Arguments of `ca inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
The kind is recognised by the content, PEM or DER; a file may hold several things. Secrets are not
shown: of a private key only its kind, whether it is encrypted, and the fingerprint of its public
key. A certificate and a key belong together when their public keys have the same fingerprint.

Examples:
  portcullis ca inspect svid/svid.pem
  portcullis ca inspect svid                    # the same: the certificate of a workload's folder
  portcullis ca inspect --json svid/bundle.json
  portcullis ca inspect order.csr               # would it be signed? what does it ask for?
  portcullis ca inspect --password-file pw portcullis-ca/keys/intermediate-1.key
  openssl s_client -connect 127.0.0.1:8443 -showcerts </dev/null | portcullis ca inspect -

Whether a certificate is to be believed says: portcullis ca verify.

Exit codes: 0 it could be read, 1 it could not, 2 a wrong command line.")]
pub(super) struct InspectArgs {
    /// The file; - is standard input, the folder of a workload means its certificate.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    found: &'a [Found],
}

/// Runs the command.
pub(super) fn run(args: &InspectArgs, context: &Context) -> Result<ExitCode, CliError> {
    let input = read(&args.file)?;
    let now = context.now();
    let password = context.password()?;
    let view = View { now, password: password.as_ref(), mode: input.mode };
    let found = content::pieces(&input.bytes).and_then(|pieces| gather::facts(&pieces, &view));
    let found = found.map_err(|why| InputError::Content { name: input.name.clone(), why })?;
    context.output.result(&Report { file: &input.name, found: &found }, || text::text(&found, now));
    Ok(ExitCode::SUCCESS)
}

/// Reads a bundle of roots from a file: a JSON Web Key Set, PEM or DER. `whose`: its trust domain, where somebody said it.
/// Also returns the trust domain; `None`: neither was it said nor do the roots name one.
///
/// # Errors
/// When it is no bundle, or one of another trust domain.
pub(super) fn bundle(
    file: &Path,
    whose: Option<&TrustDomain>,
) -> Result<(Bundle, Option<TrustDomain>), InputError> {
    let input = read(file)?;
    content::bundle(&input.bytes, whose).map_err(|why| InputError::Content { name: input.name.clone(), why })
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

//! What ends a command with an error, and what to type next.
//!
//! The errors come from the parts that found them; here they get the hint that only the command line knows.

use super::bootstrap::Advised;
use super::context::Context;
use super::inspect::InputError;
use crate::audit::AuditError;
use crate::authority::{AuthorityError, Dir, Refusal};
use crate::bundle::BundleError;
use crate::certificate::{CertificateError, SvidError};
use crate::client::{ClientError, StateError};
use crate::csr::CsrError;
use crate::key::{KeyError, KeyFault};
use crate::server::ServeError;
use crate::spiffe::{SpiffeIdError, TrustDomain};
use crate::store::StoreError;
use crate::token::TokenError;
use crate::verify::VerifyError;
use std::io::ErrorKind;
use std::path::PathBuf;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A certificate that is not given.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// The way to the authority's server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The files of a workload.
    #[error(transparent)]
    State(#[from] StateError),
    /// A private key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate that cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A certificate that is not a workload's.
    #[error(transparent)]
    Svid(#[from] SvidError),
    /// A certificate that is not to be believed.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A request for a certificate.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// A bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A join token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The audit file.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A file that was named holds something else.
    #[error(transparent)]
    Input(#[from] InputError),
    /// An error with its own hint.
    #[error(transparent)]
    Advised(#[from] Advised),
    /// A SPIFFE ID on the command line.
    #[error("{text:?} is no SPIFFE ID: {source}; write it as svc/order or spiffe://{trust_domain}/svc/order")]
    Id {
        /// What was written.
        text: String,
        /// Whose authority it is.
        trust_domain: TrustDomain,
        /// What is wrong.
        source: SpiffeIdError,
    },
    /// A file that is there and is not replaced.
    #[error("{0} is there already; nothing was done; --force replaces it")]
    Exists(PathBuf),
    /// No key that could sign a list.
    #[error("no key of an authority is in {0}, so no list can be signed")]
    NoKeys(PathBuf),
    /// A file or folder.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Threads, sockets or signals cannot be had.
    #[error("cannot start: {0}")]
    Runtime(#[source] std::io::Error),
}

impl CliError {
    /// A file that could not be read or written, for `map_err`.
    pub(super) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// What to type next, where the words of the error do not say it already.
    pub(super) fn hint(&self, context: &Context) -> Option<String> {
        match self {
            Self::Authority(error) | Self::Serve(ServeError::Authority(error)) => authority(error, context),
            Self::Refusal(Refusal::Unavailable(error)) => authority(error, context),
            Self::Refusal(Refusal::Denied(_)) => Some(format!(
                "`{}` shows why, and how to take it off the list",
                context.command("revoke --list")
            )),
            Self::Refusal(Refusal::KeyTaken(_)) => Some(
                "`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new.key` makes one"
                    .into(),
            ),
            Self::Key(error) => key(error),
            Self::NoKeys(_) => {
                Some(format!("name the root's key: `{}`", context.command("crl --root-key FILE")))
            }
            Self::Io { source, .. } => io(source),
            _ => None,
        }
    }
}

fn authority(error: &AuthorityError, context: &Context) -> Option<String> {
    match error {
        AuthorityError::NotInitialised(dir) => match Dir::new(dir).database().metadata() {
            Err(source) if source.kind() == ErrorKind::PermissionDenied => io(&source),
            _ if dir.exists() => Some("the folder is there, but it holds no ca.db: is it the right one?".into()),
            _ => None,
        },
        AuthorityError::AlreadyInitialised(dir) if !Dir::new(dir).database().exists() => Some(
            "there is no ca.db in it, so it is the folder of something else: name one that is new or empty with --dir"
                .into(),
        ),
        AuthorityError::AlreadyInitialised(_) => Some(format!(
            "`{}` says how that authority fares; another one needs another --dir",
            context.command("check")
        )),
        AuthorityError::NotEmpty(_) => Some("name a folder that is new or empty".into()),
        AuthorityError::RootKeyAway { .. } => Some(format!(
            "bring the medium with the key, then `{}`",
            context.command_with_keys("intermediate rotate --root-key FILE")
        )),
        AuthorityError::ForeignEntry { ours, .. } => {
            Some(format!("is --dir right? This one is the authority of {ours}"))
        }
        AuthorityError::Key(error) => key(error),
        AuthorityError::Io { source, .. } | AuthorityError::Store(StoreError::Io { source, .. }) => io(source),
        _ => None,
    }
}

fn key(error: &KeyError) -> Option<String> {
    match error {
        KeyError::File { fault: KeyFault::Encrypted, .. } | KeyError::Content(KeyFault::Encrypted) => {
            Some("or set PORTCULLIS_CA_PASSWORD_FILE".into())
        }
        KeyError::Io { source, .. } => io(source),
        _ => None,
    }
}

fn io(source: &std::io::Error) -> Option<String> {
    match source.kind() {
        ErrorKind::PermissionDenied => {
            Some("run it as the user the folder belongs to (`ls -ld` shows who), or with sudo -u".into())
        }
        ErrorKind::StorageFull => Some("`df -h` shows which disk is full; nothing was changed".into()),
        _ => None,
    }
}

//! Reading what a command is given to look at: a file, or standard input.
//!
//! Decides how much is read, and what a folder means. It must not know what the bytes are: [`super::content`] does. They
//! may be a private key or a join token, so they are wiped from memory when they are dropped.

use super::content::{self, ContentError};
use crate::certificate::CertificateError;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Nothing that is looked at is longer: 1 MiB.
const LIMIT: usize = 1 << 20;
/// What is meant when a workload's folder is named.
const CHAIN: &str = "svid.pem";

/// What was read.
pub(in crate::cli) struct Input {
    /// For messages: the path, or `standard input`.
    pub(in crate::cli) name: String,
    /// The content.
    pub(in crate::cli) bytes: Zeroizing<Vec<u8>>,
    /// The permissions of the file, where it is one.
    pub(in crate::cli) mode: Option<u32>,
}

/// Reads `place`; `-` is standard input, the folder of a workload means its certificate.
///
/// # Errors
/// When it cannot be read, is empty, or too long.
pub(in crate::cli) fn read(place: &Path) -> Result<Input, InputError> {
    if place.as_os_str() == "-" {
        return limited(io::stdin().lock(), "standard input".to_owned(), None);
    }
    if let Some(text) = place.to_str().filter(|text| text.starts_with(content::TOKEN) && !place.exists()) {
        // A token in the place of a file. An error that named it as a file would show it.
        let bytes = Zeroizing::new(text.as_bytes().to_vec());
        return Ok(Input { name: "the join token".to_owned(), bytes, mode: None });
    }
    let place = if place.is_dir() { in_folder(place)? } else { place.to_owned() };
    let name = place.display().to_string();
    let failed = |source| InputError::Io { name: name.clone(), source };
    let file = File::open(&place).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode() & 0o777;
    limited(file, name.clone(), Some(mode))
}

/// The certificates of `input`: PEM, the first one first, or DER.
///
/// # Errors
/// When it is anything else, too.
pub(in crate::cli) fn certificates(input: &Input) -> Result<Vec<Vec<u8>>, InputError> {
    content::certificates(&input.bytes).map_err(|why| InputError::Content { name: input.name.clone(), why })
}

fn in_folder(folder: &Path) -> Result<PathBuf, InputError> {
    let chain = folder.join(CHAIN);
    if chain.exists() { Ok(chain) } else { Err(InputError::Folder(folder.to_owned())) }
}

fn limited(from: impl Read, name: String, mode: Option<u32>) -> Result<Input, InputError> {
    // As large as it can get: growing would leave copies of a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT + 1));
    let mut from = from.take(LIMIT as u64 + 1);
    if let Err(source) = from.read_to_end(&mut bytes) {
        return Err(InputError::Io { name, source });
    }
    match bytes.len() {
        0 => Err(InputError::Empty(name)),
        1..=LIMIT => Ok(Input { name, bytes, mode }),
        _ => Err(InputError::TooLong(name)),
    }
}

impl InputError {
    /// A file whose certificate cannot be used.
    pub(in crate::cli) fn certificate(name: &str, why: CertificateError) -> Self {
        Self::Content { name: name.to_owned(), why: why.into() }
    }
}

/// Why there is nothing to look at. Never quotes the content.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum InputError {
    /// The system does not let us read it.
    #[error("{name}: {source}")]
    Io {
        /// Which.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A folder without a certificate.
    #[error("{0} is a folder without an {CHAIN}: name a file")]
    Folder(PathBuf),
    /// Nothing in it.
    #[error("{0} is empty: was the disk full when it was written?")]
    Empty(String),
    /// More than 1 MiB.
    #[error("{0} is longer than 1 MiB: nothing that is looked at here is")]
    TooLong(String),
    /// No join token.
    #[error(
        "{0} holds no join token: make one with `portcullis ca token create ENTRY` on the authority's machine"
    )]
    NoToken(String),
    /// A bundle of nobody in particular.
    #[error("the roots in {0} do not say of which trust domain they are: name it with --trust-domain")]
    Unnamed(String),
    /// A folder without a bundle.
    #[error("{0} is not the folder of a workload that has joined: name a bundle file")]
    NoBundle(PathBuf),
    /// Not what it should be.
    #[error("{name}: {why}")]
    Content {
        /// Which.
        name: String,
        /// What is wrong.
        why: ContentError,
    },
}

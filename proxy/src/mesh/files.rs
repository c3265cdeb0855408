//! Certificate, key and bundle from files that somebody else renews.
//!
//! Decides when to read them and whether they are good: they are taken whole or not at all, and what is bad is said
//! once for each change of the files.
//!
//! | state | the files | then |
//! |--|--|--|
//! | good | look the same | nothing |
//! | any | look new, and the same twice in a row | read: good or bad |
//! | bad | look the same | read again, silently: the clock may have been the reason |
//!
//! Must not know: who uses the identity. There is no deny-list in files, and nobody is granted to introduce users.

use super::publisher::{Offer, Publisher};
use crate::control::watch::{Look, Settling};
use portcullis_ca::bundle::{Bundle, BundleError};
use portcullis_ca::certificate::{self, CertificateError, Svid, SvidError};
use portcullis_ca::deny::DenyList;
use portcullis_ca::key::{Key, KeyError};
use portcullis_ca::spiffe::TrustDomain;
use portcullis_ca::time::Timestamp;
use portcullis_ca::trust::Trust;
use portcullis_ca::verify::{self, Side, VerifyError};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Chains and bundles are smaller.
const LARGEST: u64 = 1 << 20;

/// Where they are.
#[derive(Debug)]
pub(super) struct Files {
    /// PEM chain, leaf first.
    pub(super) cert: PathBuf,
    /// PEM key.
    pub(super) key: PathBuf,
    /// PEM bundle.
    pub(super) bundle: PathBuf,
    /// Whose bundle it is.
    pub(super) trust_domain: TrustDomain,
}

/// What they hold.
#[derive(Debug)]
struct Content {
    chain: Vec<Vec<u8>>,
    key: Arc<Key>,
    svid: Svid,
    trust: Trust,
}

impl Files {
    fn paths(&self) -> [PathBuf; 3] {
        [self.cert.clone(), self.key.clone(), self.bundle.clone()]
    }

    /// Reads them and checks that they belong together and are good now.
    fn read(&self, now: Timestamp) -> Result<Content, FilesError> {
        let wrong = |why| FilesError::Cert { path: self.cert.clone(), why };
        let chain = certificate::certificates_from_pem(&text(&self.cert)?)
            .map_err(|why| wrong(SvidError::Certificate(why)))?;
        let leaf = chain.first().ok_or_else(|| wrong(SvidError::Certificate(CertificateError::None)))?;
        let svid = certificate::svid(leaf).map_err(wrong)?;
        let key = Arc::new(Key::read(&self.key, None)?);
        if svid.key != key.fingerprint() {
            return Err(FilesError::OtherKey { cert: self.cert.clone(), key: self.key.clone() });
        }
        let bundle = Bundle::from_pem(&text(&self.bundle)?, &self.trust_domain)
            .map_err(|why| FilesError::Bundle { path: self.bundle.clone(), why })?;
        let links: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        for side in [Side::Client, Side::Server] {
            verify::verify(&links, &bundle, &DenyList::default(), side, now).map_err(|why| {
                FilesError::Untrusted { cert: self.cert.clone(), bundle: self.bundle.clone(), why }
            })?;
        }
        let trust = Trust { bundle, denied: Vec::new(), asserters: Vec::new() };
        Ok(Content { chain, key, svid, trust })
    }
}

/// Keeps looking at the files.
#[derive(Debug)]
pub(super) struct Looker {
    files: Files,
    publisher: Publisher,
    settling: Settling,
    /// How the files looked that cannot be used.
    bad: Option<Look>,
}

impl Looker {
    /// Reads the files for the first time.
    pub(super) fn start(files: Files, publisher: Publisher, now: Timestamp) -> Self {
        let look = Look::at(&files.paths());
        let mut looker = Self { settling: Settling::new(look.clone()), files, publisher, bad: None };
        looker.load(look, now);
        looker
    }

    /// Looks at the files, once a second.
    pub(super) fn step(&mut self, now: Timestamp) {
        let look = Look::at(&self.files.paths());
        if self.settling.settled(look.clone()) || self.bad.as_ref() == Some(&look) {
            self.load(look, now);
        }
    }

    fn load(&mut self, look: Look, now: Timestamp) {
        let read = self.files.read(now);
        if Look::at(&self.files.paths()) != look {
            // Somebody is writing: what was read may be half of each. It is read again once it has settled.
            return;
        }
        let taken = read.and_then(|content| {
            let Content { chain, key, svid, trust } = &content;
            self.publisher
                .offer(&Offer { chain, key, svid, trust })
                .map_err(|error| FilesError::Offer(error.to_string()))
        });
        match taken {
            Ok(()) => self.bad = None,
            Err(_) if self.bad.as_ref() == Some(&look) => {}
            Err(error) => {
                self.publisher.refuse(&error);
                self.bad = Some(look);
            }
        }
    }
}

/// The text of a file.
fn text(path: &Path) -> Result<String, FilesError> {
    let unread = |source| FilesError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let read = File::open(path).map_err(unread)?.take(LARGEST + 1).read_to_string(&mut text);
    match read.map_err(unread)? {
        length if u64::try_from(length).is_ok_and(|length| length <= LARGEST) => Ok(text),
        _ => Err(FilesError::TooLong { path: path.to_owned() }),
    }
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
enum FilesError {
    /// A file is missing, or ours not to read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no chain and no bundle.
    #[error("{}: it is larger than {LARGEST} bytes: is it the right file?", path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
    },
    /// The chain.
    #[error("{}: {why}", path.display())]
    Cert {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: SvidError,
    },
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Certificate and key are of different pairs.
    #[error(
        "{} is not the key of the certificate in {}: whoever renews them must replace both; they are read again when they change",
        key.display(),
        cert.display()
    )]
    OtherKey {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The bundle.
    #[error("{}: {why}", path.display())]
    Bundle {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: BundleError,
    },
    /// The roots do not vouch for the certificate.
    #[error("{} is not believed under {}: {why}", cert.display(), bundle.display())]
    Untrusted {
        /// The certificate.
        cert: PathBuf,
        /// The bundle.
        bundle: PathBuf,
        /// What is wrong.
        why: VerifyError,
    },
    /// It does not fit here.
    #[error("{0}")]
    Offer(String),
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;

//! Reading certificates and keys from PEM files.

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};

/// Why TLS material could not be used. Says which file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file is missing, unreadable or not PEM.
    #[error("{}: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        source: rustls::pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("{}: no certificate in it", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// This machine has no authorities.
    #[error("this machine knows no certificate authorities")]
    NoAuthority,
    /// Certificate and key do not fit, or rustls cannot use them.
    #[error("{}: {source}", path.display())]
    Unusable {
        /// The certificate file.
        path: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The verifier for client certificates could not be made.
    #[error("{}: {source}", path.display())]
    ClientCa {
        /// The bundle.
        path: PathBuf,
        /// What rustls says.
        source: rustls::server::VerifierBuilderError,
    },
    /// The name is not a host name.
    #[error("`{name}` is not a name a certificate can carry")]
    Name {
        /// The name.
        name: String,
    },
    /// rustls refuses the settings.
    #[error(transparent)]
    Settings(#[from] rustls::Error),
}

/// All certificates of a file, at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| TlsError::Pem { path: path.to_owned(), source };
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(pem)?.collect::<Result<_, _>>().map_err(pem)?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(found)
}

/// The first private key of a file (PKCS#8, PKCS#1 or SEC1).
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::Pem { path: path.to_owned(), source })
}

/// A bundle of authorities.
pub fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|source| TlsError::Unusable { path: path.to_owned(), source })?;
    }
    Ok(store)
}

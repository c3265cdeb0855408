//! Private keys and their files. P-256 only.
//!
//! Decides how a key is kept: PKCS#8 in PEM (RFC 5958, RFC 7468), under a password when there is one (PBES2 with
//! scrypt and AES-256-CBC, RFC 8018 and RFC 7914: what openssl reads), in a file nobody else can read. A key file is
//! whole or not there, and never replaced. It must not know whose key it is.
//!
//! Secrets are wiped from memory when they are dropped, and stand in no message and no `Debug`.

use crate::files::{self, Unsafe};
use crate::names::Fingerprint;
use pkcs8::der::{ErrorKind, Tag};
use pkcs8::pkcs5::{self, pbes2, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use rcgen::{CertificateParams, DistinguishedName, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// scrypt, as log2 N, r, p: 16 MiB (128 × 2^14 × 8) and about 0.2 s a try. Not more memory: openssl gives up above
/// 32 MiB, and 2^15 is just above. Five passes instead, which costs a guesser about as much.
const SCRYPT: (u8, u32, u32) = (14, 8, 5);
/// What a key file may ask of scrypt at most: one that wants gigabytes is damaged, or a trap.
const SCRYPT_MEMORY: u64 = 256 << 20;
/// The same for PBKDF2: rounds.
const PBKDF2_ROUNDS: u32 = 20_000_000;
/// Key files are smaller than 2 KiB.
const MAX_FILE: u64 = 64 << 10;
/// openssl reads so many bytes of a password file.
const MAX_PASSWORD: usize = 1023;

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// What protects key files.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Reads the one line of a file; the newline at its end is not part of it.
    ///
    /// # Errors
    /// When everybody can read the file, somebody else owns it (root may), or it does not hold one line of 1 to 1023 bytes.
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let text = read_secret(file, 0o007)?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if !(1..=MAX_PASSWORD).contains(&line.len()) || line.contains(['\n', '\r', '\0']) {
            return Err(KeyError::Password(file.to_owned()));
        }
        Ok(Self(Zeroizing::new(line.to_owned())))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Password(…)")
    }
}

/// A private key on the curve P-256.
pub struct Key {
    pair: rcgen::KeyPair,
    public: Vec<u8>,
}

impl Key {
    /// A new key.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        rcgen::KeyPair::generate().map(Self::new).map_err(|_| KeyError::NoRandomness)
    }

    /// Reads a key; `password` is not used when the key is not encrypted.
    ///
    /// # Errors
    /// [`KeyError::Content`].
    pub fn from_pem(text: &str, password: Option<&Password>) -> Result<Self, KeyError> {
        Ok(parse(text, password)?)
    }

    /// Writes the key; with a password encrypted, with a new salt each time.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn to_pem(&self, password: Option<&Password>) -> Result<Zeroizing<String>, KeyError> {
        let Some(password) = password else {
            let plain = SecretDocument::try_from(self.pkcs8()).map_err(|_| KeyFault::Damaged)?;
            return Ok(plain.to_pem(PLAIN, LineEnding::LF).map_err(|_| KeyFault::Damaged)?);
        };
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| KeyError::NoRandomness)?;
        aws_lc_rs::rand::fill(&mut iv).map_err(|_| KeyError::NoRandomness)?;
        let encrypted = encrypt(self.pkcs8(), password, &salt, iv).map_err(|_| KeyFault::Damaged)?;
        Ok(encrypted.to_pem(ENCRYPTED, LineEnding::LF).map_err(|_| KeyFault::Damaged)?)
    }

    /// Reads a key file; a symbolic link is followed.
    ///
    /// # Errors
    /// When somebody else can read or write it, or owns it (root may), or it holds no usable key; each error names
    /// the file.
    pub fn read(path: &Path, password: Option<&Password>) -> Result<Self, KeyError> {
        let text = read_secret(path, 0o077)?;
        parse(&text, password).map_err(|fault| KeyError::File { path: path.to_owned(), fault })
    }

    /// Writes a new key file with mode 0600. When this returns it survives a power cut; whatever happens before that,
    /// there is no half a key at `path`.
    ///
    /// # Errors
    /// When there is a file already, or the file cannot be written.
    pub fn write(&self, path: &Path, password: Option<&Password>) -> Result<(), KeyError> {
        let text = self.to_pem(password)?;
        files::write_new(path, text.as_bytes(), files::PRIVATE).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
            _ => KeyError::Io { path: path.to_owned(), source },
        })
    }

    /// The public key: SubjectPublicKeyInfo, DER.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The SHA-256 of [`Self::public`].
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.public)
    }

    /// The private key, PKCS#8 DER. Secret.
    pub fn pkcs8(&self) -> &[u8] {
        self.pair.serialized_der()
    }

    /// A request for a certificate (PKCS#10, DER): the public key, signed by the private one, and no wishes.
    ///
    /// # Errors
    /// When signing fails, for want of random numbers.
    pub fn request(&self) -> Result<Vec<u8>, KeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&self.pair).map_err(|_| KeyError::NoRandomness)?;
        Ok(request.der().to_vec())
    }

    fn new(pair: rcgen::KeyPair) -> Self {
        let public = pair.subject_public_key_info();
        Self { pair, public }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({})", self.fingerprint())
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.pair.zeroize();
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.pair.der_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        PublicKeyData::algorithm(&self.pair)
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.pair.sign(message)
    }
}

fn parse(text: &str, password: Option<&Password>) -> Result<Key, KeyFault> {
    if !text.contains("-----BEGIN ") {
        return Err(KeyFault::NotPem);
    }
    if !text.contains("-----END ") {
        return Err(KeyFault::Truncated);
    }
    let (label, document) = SecretDocument::from_pem(text).map_err(|_| KeyFault::Damaged)?;
    match label {
        PLAIN => usable(&document),
        ENCRYPTED => usable(&decrypt(&document, password.ok_or(KeyFault::Encrypted)?)?),
        _ => Err(KeyFault::Label(label.to_owned())),
    }
}

fn usable(document: &SecretDocument) -> Result<Key, KeyFault> {
    let info = PrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| KeyFault::Damaged)?;
    let curve = info.algorithm.parameters.and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
    if info.algorithm.oid != EC || curve != Some(P256) {
        return Err(KeyFault::NotP256(curve.unwrap_or(info.algorithm.oid).to_string()));
    }
    let pair = rcgen::KeyPair::try_from(document.as_bytes()).map_err(|_| KeyFault::Damaged)?;
    if pair.is_compatible(&PKCS_ECDSA_P256_SHA256) { Ok(Key::new(pair)) } else { Err(KeyFault::Damaged) }
}

fn encrypt(pkcs8: &[u8], password: &Password, salt: &[u8], iv: [u8; 16]) -> pkcs8::Result<SecretDocument> {
    let (log_n, r, p) = SCRYPT;
    let bad = |_| pkcs5::Error::EncryptFailed;
    let cost = scrypt::Params::new(log_n, r, p).map_err(bad)?;
    let how = pbes2::Parameters::generate_scrypt_aes256cbc(cost, salt, iv)?;
    PrivateKeyInfoRef::try_from(pkcs8)?.encrypt_with_params(how, password.0.as_bytes())
}

fn decrypt(document: &SecretDocument, password: &Password) -> Result<SecretDocument, KeyFault> {
    let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|error| match error {
        pkcs8::Error::Asn1(error) if is_unknown(error.kind()) => KeyFault::Scheme,
        _ => KeyFault::Damaged,
    })?;
    let affordable = info.encryption_algorithm.pbes2().is_some_and(|how| match &how.kdf {
        pbes2::Kdf::Scrypt(cost) => {
            let memory = u64::from(cost.block_size).saturating_mul(128).saturating_mul(cost.cost_parameter);
            memory <= SCRYPT_MEMORY && cost.parallelization <= 16
        }
        pbes2::Kdf::Pbkdf2(cost) => cost.iteration_count <= PBKDF2_ROUNDS,
        _ => false,
    });
    if !affordable {
        return Err(KeyFault::Scheme);
    }
    info.decrypt(password.0.as_bytes()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::UnsupportedAlgorithm { .. }) => KeyFault::Scheme,
        // The padding of a wrong password is right once in 256 times; what comes out is then no key.
        _ => KeyFault::WrongPassword,
    })
}

/// An algorithm the reader does not know, rather than bytes that make no sense.
fn is_unknown(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::OidUnknown { .. } | ErrorKind::Value { tag: Tag::ObjectIdentifier })
}

/// The text of a file to which nobody has one of the permissions in `forbidden`.
fn read_secret(path: &Path, forbidden: u32) -> Result<Zeroizing<String>, KeyError> {
    let bytes = files::read_private(path, forbidden, MAX_FILE)?;
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| KeyError::File { path: path.to_owned(), fault: KeyFault::NotPem })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Why there is no key, or no key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is no usable key.
    #[error("the private key {0}")]
    Content(#[from] KeyFault),
    /// The file holds no usable key.
    #[error("the private key {path} {fault}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// Others can read or change the file.
    #[error("{path} has mode {mode:04o}, so others can read or change it: chmod 600 {path}")]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is somebody else's, or no file for a secret.
    #[error(transparent)]
    Unsafe(Unsafe),
    /// Key files are not replaced.
    #[error("{0} is there already and is not replaced: move it away first if it is of no use any more")]
    Exists(PathBuf),
    /// Not one line.
    #[error("{0} must hold the password and nothing else: one line of 1 to {MAX_PASSWORD} bytes")]
    Password(PathBuf),
    /// The system gave no random bytes.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<Unsafe> for KeyError {
    fn from(error: Unsafe) -> Self {
        match error {
            Unsafe::Exposed { path, mode } => Self::Exposed { path, mode },
            Unsafe::Io { path, source } => Self::Io { path, source },
            other => Self::Unsafe(other),
        }
    }
}

/// What is wrong with a key. The messages go on after its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// There is no PEM block.
    #[error("is not in PEM form: it should start with -----BEGIN PRIVATE KEY-----")]
    NotPem,
    /// The PEM block does not end.
    #[error("is cut off: put it back from a backup")]
    Truncated,
    /// PEM or DER that makes no sense.
    #[error("is damaged: put it back from a backup")]
    Damaged,
    /// Another PEM block than a PKCS#8 key.
    #[error(
        "is a {0:?}, not a PRIVATE KEY: if it is a key, turn it into PKCS#8 with `openssl pkcs8 -topk8 -nocrypt`"
    )]
    Label(String),
    /// A password is needed.
    #[error("is encrypted: name the file with its password (--password-file)")]
    Encrypted,
    /// The password is not the right one.
    #[error("does not open with this password: give the password it was encrypted with")]
    WrongPassword,
    /// Encrypted in a way we do not read.
    #[error("is encrypted in a way that is not known: encrypt it anew with `openssl pkcs8 -topk8 -scrypt`")]
    Scheme,
    /// Another kind of key; the object identifier of the kind.
    #[error(
        "is not on the curve P-256 (but {0}): make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
    )]
    NotP256(String),
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;

//! Requests for a certificate (PKCS#10, RFC 2986).
//!
//! Decides whether a request is well-formed, on a curve we sign for, and signed by the key it names. Only that public
//! key goes into a certificate; what else the request asks for is read ([`Wishes`]) so that `policy` can refuse what
//! the entry does not allow, instead of quietly giving something else. Subjects and unknown extensions are ignored.
//!
//! Read with x509-parser: rcgen's own reader refuses unknown extensions and takes over the wishes. Pure.

use crate::certificate::{blocks, curve, key_kind};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer, X509Error};
use x509_parser::x509::{SubjectPublicKeyInfo, X509Version};

/// Requests are no longer: 16 KiB. An honest one has about 250 bytes.
pub const MAX_CSR: usize = 16 * 1024;
/// SubjectPublicKeyInfo of a P-256 key up to its point (RFC 5480).
const P256_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point: 4, x, y.
const P256_POINT: usize = 65;

/// A request whose signature is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    /// SubjectPublicKeyInfo, DER, in the one encoding a P-256 key has: equal keys are equal bytes.
    pub public_key: Vec<u8>,
    /// What it asks for.
    pub wishes: Wishes,
}

/// What a request asks for beyond a certificate for its key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Names of the kind URI.
    pub uris: Vec<String>,
    /// Names of the kind DNS.
    pub dns: Vec<String>,
    /// Names of other kinds: addresses, mail, malformed ones.
    pub other_names: bool,
    /// To be an authority: CA:TRUE, keyCertSign or cRLSign.
    pub ca: bool,
}

/// Reads a request: DER, or PEM.
///
/// # Errors
/// See [`CsrError`].
pub fn parse(bytes: &[u8]) -> Result<Csr, CsrError> {
    if bytes.len() > MAX_CSR {
        return Err(CsrError::TooLarge(bytes.len()));
    }
    let from_pem =
        bytes.trim_ascii_start().starts_with(b"-----BEGIN").then(|| from_pem(bytes)).transpose()?;
    let der = from_pem.as_deref().unwrap_or(bytes);
    let Ok(([], request)) = X509CertificationRequest::from_der(der) else {
        return Err(CsrError::Malformed);
    };
    let info = &request.certification_request_info;
    if info.version != X509Version::V1 {
        return Err(CsrError::Malformed);
    }
    let public_key = p256(&info.subject_pki)?;
    request.verify_signature().map_err(|error| match error {
        X509Error::SignatureUnsupportedAlgorithm => {
            CsrError::Algorithm(algorithm_name(&request.signature_algorithm.algorithm))
        }
        _ => CsrError::Signature,
    })?;
    Ok(Csr { public_key, wishes: wishes(&request)? })
}

fn from_pem(bytes: &[u8]) -> Result<Vec<u8>, CsrError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CsrError::Malformed)?;
    let blocks = blocks(text).map_err(|_| CsrError::Malformed)?;
    match <[_; 1]>::try_from(blocks) {
        Ok([("CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST", der)]) => Ok(der),
        _ => Err(CsrError::Malformed),
    }
}

/// The key, encoded anew. The encoding in the request could be a longer one of the same key, and a key under two
/// fingerprints would pass for two.
fn p256(key: &SubjectPublicKeyInfo<'_>) -> Result<Vec<u8>, CsrError> {
    let point = key.subject_public_key.data.as_ref();
    if key.algorithm.algorithm != oid::OID_KEY_TYPE_EC_PUBLIC_KEY || curve(key) != Some(oid::OID_EC_P256) {
        return Err(CsrError::Key(key_kind(key)));
    }
    if point.len() != P256_POINT || point.first() != Some(&4) || key.subject_public_key.unused_bits != 0 {
        return Err(CsrError::Key("a P-256 key that is not an uncompressed point".to_owned()));
    }
    Ok([P256_HEAD.as_slice(), point].concat())
}

/// The wishes of all extension requests; there should be one, but who reads only the first may miss what the second
/// says.
fn wishes(request: &X509CertificationRequest<'_>) -> Result<Wishes, CsrError> {
    let mut wishes = Wishes::default();
    for attribute in request.certification_request_info.iter_attributes() {
        let ParsedCriAttribute::ExtensionRequest(asked) = attribute.parsed_attribute() else {
            continue;
        };
        for extension in &asked.extensions {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) => {
                    names.general_names.iter().for_each(|name| wishes.add_name(name));
                }
                ParsedExtension::BasicConstraints(limits) => wishes.ca |= limits.ca,
                ParsedExtension::KeyUsage(usage) => wishes.ca |= usage.key_cert_sign() || usage.crl_sign(),
                ParsedExtension::ParseError { .. } => return Err(CsrError::Malformed),
                _ => {}
            }
        }
    }
    Ok(wishes)
}

impl Wishes {
    fn add_name(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
            GeneralName::DNSName(dns) => self.dns.push((*dns).to_owned()),
            _ => self.other_names = true,
        }
    }
}

/// A signature algorithm by its name in RFC 3279 and 5758, where it has one that is met.
fn algorithm_name(id: &oid::Oid<'_>) -> String {
    match id.to_id_string().as_str() {
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption".to_owned(),
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1".to_owned(),
        "1.2.840.10045.4.3.1" => "ecdsa-with-SHA224".to_owned(),
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512".to_owned(),
        other => other.to_owned(),
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Longer than 16 KiB; its length.
    #[error("the request has {0} bytes, more than {MAX_CSR}")]
    TooLarge(usize),
    /// Not PKCS#10, or with a malformed extension in it.
    #[error("the request is not PKCS#10 or is damaged; `openssl req -verify -noout -in FILE` says more")]
    Malformed,
    /// Another key than P-256; which.
    #[error(
        "the key of the request is {0}, only P-256 is signed for: make a new one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
    )]
    Key(String),
    /// Signed in a way we do not accept; which.
    #[error("the request is signed with {0}: sign it with ecdsa-with-SHA256 (`openssl req -new -sha256`)")]
    Algorithm(String),
    /// Whoever made the request does not hold the key, or the request was changed.
    #[error(
        "the signature of the request is wrong: its maker does not hold the key, or it was changed on the way"
    )]
    Signature,
}

#[cfg(test)]
#[path = "csr_tests.rs"]
mod tests;

//! Reading certificates, and what makes one an identity.
//!
//! Decides what a certificate says ([`read`], for people and for checks), whether it is an X.509-SVID of a workload
//! ([`svid`]: SPIFFE X509-SVID standard, sections 2 to 5), and how certificates stand in PEM. It must not know who is
//! believed: a forged certificate reads as well as a good one. Pure.

use crate::names::{Fingerprint, Serial};
use crate::spiffe::{SpiffeId, SpiffeIdError};
use crate::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_parser::asn1_rs::Tag;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension};
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A PEM text holds no more certificates.
const MAX_CERTIFICATES: usize = 64;
const LABEL: &str = "CERTIFICATE";

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The SHA-256 of the whole certificate.
    pub fingerprint: Fingerprint,
    /// Its serial number as it is encoded: big-endian, with a leading 0 where the first bit would be 1.
    pub serial: Vec<u8>,
    /// Names of the kind URI, in their order.
    pub uris: Vec<String>,
    /// Names of the kind DNS.
    pub dns: Vec<String>,
    /// Names of other kinds, and malformed ones, as text for people.
    pub other_names: Vec<String>,
    /// Its first second.
    pub not_before: Timestamp,
    /// Its last second.
    pub not_after: Timestamp,
    /// Whether it may sign certificates, by its basic constraints.
    pub ca: bool,
    /// How many intermediates may stand below it.
    pub path_len: Option<u32>,
    /// Whose, as text for people.
    pub subject: String,
    /// Signed by whom, as text for people.
    pub issuer: String,
    /// SHA-256 of its public key (SubjectPublicKeyInfo, DER).
    pub key: Fingerprint,
    /// What kind of key, for people: `P-256`, `RSA-2048`.
    pub key_kind: String,
    /// Key usage: signing of handshakes.
    pub digital_signature: bool,
    /// Key usage: signing of certificates.
    pub signs_certificates: bool,
    /// Key usage: signing of revocation lists.
    pub signs_lists: bool,
    /// All key usages and extended ones, by their names in RFC 5280.
    pub usages: Vec<String>,
}

/// Reads a certificate (DER).
///
/// # Errors
/// When it is no certificate, has an extension twice, or one of those named in [`Facts`] is malformed.
pub fn read(der: &[u8]) -> Result<Facts, CertificateError> {
    let certificate = parse(der)?;
    let key = certificate.public_key();
    let mut facts = Facts {
        fingerprint: Fingerprint::of(der),
        serial: certificate.raw_serial().to_vec(),
        uris: Vec::new(),
        dns: Vec::new(),
        other_names: Vec::new(),
        not_before: Timestamp(certificate.validity().not_before.timestamp()),
        not_after: Timestamp(certificate.validity().not_after.timestamp()),
        ca: false,
        path_len: None,
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        key: Fingerprint::of(key.raw),
        key_kind: key_kind(key),
        digital_signature: false,
        signs_certificates: false,
        signs_lists: false,
        usages: Vec::new(),
    };
    // RFC 5280, section 4.2: none may stand there twice. Who reads the first and who the last would see two identities.
    certificate.extensions_map().map_err(|_| CertificateError::Twice)?;
    for extension in certificate.extensions() {
        facts.add(extension.parsed_extension(), &extension.oid)?;
    }
    Ok(facts)
}

impl Facts {
    fn add(&mut self, extension: &ParsedExtension<'_>, id: &oid::Oid<'_>) -> Result<(), CertificateError> {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                names.general_names.iter().for_each(|name| self.add_name(name));
            }
            ParsedExtension::BasicConstraints(limits) => {
                (self.ca, self.path_len) = (limits.ca, limits.path_len_constraint);
            }
            ParsedExtension::KeyUsage(usage) => self.add_usage(usage),
            ParsedExtension::ExtendedKeyUsage(usage) => self.add_extended(usage),
            _ if is_ours(id) => return Err(CertificateError::Extension(id.to_string())),
            _ => {}
        }
        Ok(())
    }

    fn add_name(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
            GeneralName::DNSName(dns) => self.dns.push((*dns).to_owned()),
            other => self.other_names.push(other.to_string()),
        }
    }

    fn add_usage(&mut self, usage: &KeyUsage) {
        self.digital_signature = usage.digital_signature();
        self.signs_certificates = usage.key_cert_sign();
        self.signs_lists = usage.crl_sign();
        let names = [
            (usage.digital_signature(), "digitalSignature"),
            (usage.non_repudiation(), "nonRepudiation"),
            (usage.key_encipherment(), "keyEncipherment"),
            (usage.data_encipherment(), "dataEncipherment"),
            (usage.key_agreement(), "keyAgreement"),
            (usage.key_cert_sign(), "keyCertSign"),
            (usage.crl_sign(), "cRLSign"),
            (usage.encipher_only(), "encipherOnly"),
            (usage.decipher_only(), "decipherOnly"),
        ];
        self.usages.extend(names.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned()));
    }

    fn add_extended(&mut self, usage: &ExtendedKeyUsage<'_>) {
        let names = [
            (usage.any, "anyExtendedKeyUsage"),
            (usage.server_auth, "serverAuth"),
            (usage.client_auth, "clientAuth"),
            (usage.code_signing, "codeSigning"),
            (usage.email_protection, "emailProtection"),
            (usage.time_stamping, "timeStamping"),
            (usage.ocsp_signing, "OCSPSigning"),
        ];
        self.usages.extend(names.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned()));
        self.usages.extend(usage.other.iter().map(ToString::to_string));
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateError::Malformed),
    }
}

/// Whether the extension is one of those that [`Facts`] speaks of.
fn is_ours(id: &oid::Oid<'_>) -> bool {
    [
        oid::OID_X509_EXT_SUBJECT_ALT_NAME,
        oid::OID_X509_EXT_BASIC_CONSTRAINTS,
        oid::OID_X509_EXT_KEY_USAGE,
        oid::OID_X509_EXT_EXTENDED_KEY_USAGE,
    ]
    .contains(id)
}

/// The kind of a public key, for people.
pub(crate) fn key_kind(key: &SubjectPublicKeyInfo<'_>) -> String {
    match (key.parsed(), curve(key)) {
        (Ok(PublicKey::EC(_)), Some(curve)) if curve == oid::OID_EC_P256 => "P-256".to_owned(),
        (Ok(PublicKey::EC(_)), Some(curve)) if curve == oid::OID_NIST_EC_P384 => "P-384".to_owned(),
        (Ok(PublicKey::EC(_)), Some(curve)) if curve == oid::OID_NIST_EC_P521 => "P-521".to_owned(),
        (Ok(PublicKey::EC(_)), Some(curve)) => format!("EC {curve}"),
        (Ok(PublicKey::EC(_)), None) => "EC without a named curve".to_owned(),
        (Ok(PublicKey::RSA(rsa)), _) => format!("RSA-{}", rsa.key_size()),
        _ if key.algorithm.algorithm == oid::OID_SIG_ED25519 => "Ed25519".to_owned(),
        _ => key.algorithm.algorithm.to_string(),
    }
}

/// The named curve of an elliptic key. x509-parser takes anything for an object identifier, so the tag is looked at.
pub(crate) fn curve<'a>(key: &'a SubjectPublicKeyInfo<'_>) -> Option<oid::Oid<'a>> {
    let parameters = key.algorithm.parameters.as_ref()?;
    if parameters.tag() == Tag::Oid { parameters.as_oid().ok() } else { None }
}

/// The identity of a workload, as its certificate states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Svid {
    /// Who.
    pub id: SpiffeId,
    /// The serial number.
    pub serial: Serial,
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
    /// SHA-256 of the public key (SubjectPublicKeyInfo, DER).
    pub key: Fingerprint,
}

/// Reads the certificate of a workload. Its signature and time are somebody else's to check.
///
/// # Errors
/// When it is not an X.509-SVID, or not one of ours by its serial number.
pub fn svid(der: &[u8]) -> Result<Svid, SvidError> {
    let facts = read(der)?;
    if facts.ca {
        return Err(SvidError::Authority);
    }
    if facts.signs_certificates || facts.signs_lists {
        return Err(SvidError::SigningUsage);
    }
    if !facts.digital_signature {
        return Err(SvidError::NoDigitalSignature);
    }
    let [uri] = facts.uris.as_slice() else {
        return Err(SvidError::Uris(facts.uris.len()));
    };
    let id: SpiffeId = uri.parse()?;
    if id.path().is_empty() {
        return Err(SvidError::NoPath);
    }
    // A first bit of 1 would make the number negative.
    let positive = facts.serial.first().is_some_and(|first| *first < 0x80);
    let serial = Serial::from_bytes(&facts.serial).filter(|_| positive).ok_or(SvidError::Serial)?;
    Ok(Svid { id, serial, not_before: facts.not_before, not_after: facts.not_after, key: facts.key })
}

/// One PEM block (RFC 7468) with a newline at its end.
pub fn pem(label: &str, der: &[u8]) -> String {
    let lines = der.chunks(48).map(|line| STANDARD.encode(line) + "\n");
    format!("-----BEGIN {label}-----\n{}-----END {label}-----\n", lines.collect::<String>())
}

/// The certificates of a PEM text, DER, in their order. What stands outside of the blocks is skipped.
///
/// # Errors
/// When there is none or more than 64, a block is malformed, or is something else than a certificate.
pub fn certificates_from_pem(text: &str) -> Result<Vec<Vec<u8>>, CertificateError> {
    let mut certificates = Vec::new();
    for (label, der) in blocks(text)? {
        if label != LABEL {
            return Err(CertificateError::Label(label.to_owned()));
        }
        parse(&der)?;
        certificates.push(der);
    }
    Ok(certificates)
}

/// The blocks of a PEM text, label and content: 1 to 64.
pub(crate) fn blocks(text: &str) -> Result<Vec<(&str, Vec<u8>)>, CertificateError> {
    let mut found = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in text.lines().map(str::trim_end) {
        let mark = |mark| line.strip_prefix(mark).and_then(|rest: &str| rest.strip_suffix("-----"));
        match (&mut open, mark("-----BEGIN "), mark("-----END ")) {
            (None, Some(label), _) => open = Some((label, String::new())),
            (None, None, None) => {}
            (Some((label, base64)), None, Some(end)) if *label == end => {
                let der = STANDARD.decode(base64.as_str()).map_err(|_| CertificateError::Pem)?;
                found.push((*label, der));
                open = None;
            }
            (Some((_, base64)), None, None) => base64.push_str(line),
            _ => return Err(CertificateError::Pem),
        }
        if found.len() > MAX_CERTIFICATES {
            return Err(CertificateError::TooMany);
        }
    }
    match open {
        None if found.is_empty() => Err(CertificateError::None),
        None => Ok(found),
        Some(_) => Err(CertificateError::Pem),
    }
}

/// Why something is not a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not a certificate, or cut off, or followed by something.
    #[error("it is not a certificate, or a damaged one")]
    Malformed,
    /// An extension that stands there twice.
    #[error("the certificate has an extension twice")]
    Twice,
    /// A malformed extension; its object identifier.
    #[error("the extension {0} of the certificate is malformed")]
    Extension(String),
    /// PEM that does not end, or holds no base64.
    #[error("the PEM text is damaged or cut off")]
    Pem,
    /// There is nothing in the text.
    #[error("there is no certificate in it: a PEM certificate starts with -----BEGIN CERTIFICATE-----")]
    None,
    /// Too many.
    #[error("there are more than {MAX_CERTIFICATES} certificates in it")]
    TooMany,
    /// Another kind of PEM block.
    #[error("there is a {0:?} in it: leave only certificates there")]
    Label(String),
}

/// Why a certificate is not the identity of a workload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SvidError {
    /// Not a certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// It belongs to an authority.
    #[error("it is the certificate of an authority, not of a workload")]
    Authority,
    /// It may sign certificates or revocation lists.
    #[error("its key may sign certificates or revocation lists (key usage): a workload's may not")]
    SigningUsage,
    /// It may not sign handshakes.
    #[error("its key usage lacks digitalSignature")]
    NoDigitalSignature,
    /// None or several URIs.
    #[error("it has {0} URI names: an SVID has exactly one")]
    Uris(usize),
    /// The URI is not a SPIFFE ID.
    #[error("its URI name is not a SPIFFE ID: {0}")]
    Id(#[from] SpiffeIdError),
    /// The URI names the trust domain.
    #[error("its SPIFFE ID has no path: it names the trust domain, not a workload")]
    NoPath,
    /// Not 16 bytes, or negative.
    #[error(
        "its serial number is not a positive number of 16 bytes, so no authority of portcullis issued it"
    )]
    Serial,
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;

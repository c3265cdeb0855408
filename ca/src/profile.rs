//! What stands in each certificate, and nothing else does.
//!
//! | | root | intermediate | workload |
//! |--|--|--|--|
//! | subject | `portcullis root-1 <trust domain>` | `portcullis intermediate-1 <trust domain>` | empty |
//! | names | `spiffe://<trust domain>` | `spiffe://<trust domain>` | critical: its SPIFFE ID, the DNS names of its entry |
//! | basic constraints, critical | CA | CA, path length 0 | not CA |
//! | key usage, critical | keyCertSign, cRLSign | keyCertSign, cRLSign | digitalSignature |
//! | extended key usage | – | – | serverAuth, clientAuth |
//! | key identifiers | subject | subject, authority | subject, authority |
//!
//! After RFC 5280 and the SPIFFE X509-SVID standard. No name constraints: rustls-webpki refuses those for URIs, so who
//! verifies checks the trust domain. Subjects of authorities are for people; no check reads them.
//!
//! Pure: it must not know keys, requests or a clock.

use crate::names::{AuthorityId, Serial};
use crate::policy::Grant;
use crate::spiffe::TrustDomain;
use crate::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber,
};

/// The longest common name RFC 5280 allows (ub-common-name), in characters.
const MAX_COMMON_NAME: usize = 64;

/// From when to when a certificate is good, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

/// The certificate of a root.
///
/// # Errors
/// When a name cannot be encoded; names that were parsed can.
pub fn root(
    trust_domain: &TrustDomain,
    id: &AuthorityId,
    validity: Validity,
    serial: Serial,
) -> Result<CertificateParams, rcgen::Error> {
    authority((trust_domain, id), validity, serial, BasicConstraints::Unconstrained)
}

/// The certificate of an intermediate: no further authority may stand below it.
///
/// # Errors
/// See [`root`].
pub fn intermediate(
    trust_domain: &TrustDomain,
    id: &AuthorityId,
    validity: Validity,
    serial: Serial,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = authority((trust_domain, id), validity, serial, BasicConstraints::Constrained(0))?;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// The certificate of a workload.
///
/// # Errors
/// See [`root`].
pub fn leaf(grant: &Grant, serial: Serial) -> Result<CertificateParams, rcgen::Error> {
    let validity = Validity { not_before: grant.not_before, not_after: grant.not_after };
    let mut params = common(validity, serial);
    params.subject_alt_names.push(SanType::URI(grant.id.as_str().try_into()?));
    for name in &grant.dns {
        params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn authority(
    (trust_domain, id): (&TrustDomain, &AuthorityId),
    validity: Validity,
    serial: Serial,
    limits: BasicConstraints,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = common(validity, serial);
    // The name of the authority stands first: where a long trust domain is cut off, subjects still differ.
    let name: String = format!("portcullis {id} {trust_domain}").chars().take(MAX_COMMON_NAME).collect();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names.push(SanType::URI(format!("spiffe://{trust_domain}").try_into()?));
    params.is_ca = IsCa::Ca(limits);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// What is the same in all, over rcgen's defaults: those give a subject and a life of two thousand years.
fn common(validity: Validity, serial: Serial) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = validity.not_before.calendar();
    params.not_after = validity.not_after.calendar();
    params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
    params
}

//! Signing: certificates and revocation lists.
//!
//! Decides that an issuer signs only what it may: with the key of its own certificate, for P-256 keys, and nothing
//! that outlives it. What stands in a certificate decides `profile`, who gets one `policy`. It must not know requests,
//! the store or a clock.

use crate::certificate::{self, CertificateError};
use crate::key::Key;
use crate::names::{AuthorityId, Serial};
use crate::policy::Grant;
use crate::profile::{self, Validity};
use crate::spiffe::TrustDomain;
use crate::time::Timestamp;
use rcgen::{
    CertificateParams, CertificateRevocationListParams, KeyIdMethod, PKCS_ECDSA_P256_SHA256, PublicKeyData,
    RevokedCertParams, SerialNumber, SubjectPublicKeyInfo,
};
use std::fmt;

/// The certificate of an authority with its key.
pub struct Issuer {
    der: Vec<u8>,
    not_after: Timestamp,
    signer: rcgen::Issuer<'static, Key>,
}

/// What a revocation list says (RFC 5280, section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlContent {
    /// Grows from list to list.
    pub number: u64,
    /// When it was made.
    pub this_update: Timestamp,
    /// When the next one will be there at the latest.
    pub next_update: Timestamp,
    /// Which certificates, and since when they are revoked.
    pub revoked: Vec<(Serial, Timestamp)>,
}

impl Issuer {
    /// Puts a certificate (DER) and its key together.
    ///
    /// # Errors
    /// When the certificate is not one of an authority, or the key is another one's.
    pub fn new(der: Vec<u8>, key: Key) -> Result<Self, IssueError> {
        let facts = certificate::read(&der)?;
        if !(facts.ca && facts.signs_certificates && facts.signs_lists) {
            return Err(IssueError::NotAuthority);
        }
        if facts.key != key.fingerprint() {
            return Err(IssueError::ForeignKey);
        }
        let signer = rcgen::Issuer::from_ca_cert_der(&der.as_slice().into(), key)?;
        Ok(Self { der, not_after: facts.not_after, signer })
    }

    /// Signs the certificate of a workload for `public_key` (SubjectPublicKeyInfo, DER).
    ///
    /// # Errors
    /// When the grant outlives the issuer, or the key is not P-256.
    pub fn leaf(&self, grant: &Grant, public_key: &[u8], serial: Serial) -> Result<Vec<u8>, IssueError> {
        self.within(grant.not_before, grant.not_after)?;
        self.sign(&profile::leaf(grant, serial)?, public_key)
    }

    /// Signs the certificate of an intermediate for `key`.
    ///
    /// # Errors
    /// When it would outlive the issuer.
    pub fn intermediate(
        &self,
        (trust_domain, id): (&TrustDomain, &AuthorityId),
        validity: Validity,
        serial: Serial,
        key: &Key,
    ) -> Result<Vec<u8>, IssueError> {
        self.within(validity.not_before, validity.not_after)?;
        self.sign(&profile::intermediate(trust_domain, id, validity, serial)?, key.public())
    }

    /// Signs a revocation list (DER) of certificates this issuer signed.
    ///
    /// # Errors
    /// When the next update is not after this one.
    pub fn crl(&self, content: &CrlContent) -> Result<Vec<u8>, IssueError> {
        let revoked = content.revoked.iter().map(|(serial, since)| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial.as_bytes()),
            revocation_time: since.calendar(),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: content.this_update.calendar(),
            next_update: content.next_update.calendar(),
            crl_number: SerialNumber::from(content.number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            // What `profile` puts into certificates as the subject key identifier.
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.signer)?.der().to_vec())
    }

    /// The certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.der
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        self.signer.key()
    }

    /// Its last second.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    fn within(&self, not_before: Timestamp, not_after: Timestamp) -> Result<(), IssueError> {
        if not_before >= not_after {
            return Err(IssueError::NoLife);
        }
        if not_after > self.not_after {
            return Err(IssueError::Outlives { not_after, issuer: self.not_after });
        }
        Ok(())
    }

    fn sign(&self, params: &CertificateParams, public_key: &[u8]) -> Result<Vec<u8>, IssueError> {
        let public_key = SubjectPublicKeyInfo::from_der(public_key).map_err(|_| IssueError::PublicKey)?;
        if *public_key.algorithm() != PKCS_ECDSA_P256_SHA256 {
            return Err(IssueError::PublicKey);
        }
        Ok(params.signed_by(&public_key, &self.signer)?.der().to_vec())
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Issuer").field("key", self.key()).field("not_after", &self.not_after).finish()
    }
}

/// Makes the certificate (DER) of a root: signed by the key it names.
///
/// # Errors
/// When it has no life.
pub fn self_signed_root(
    (trust_domain, id): (&TrustDomain, &AuthorityId),
    validity: Validity,
    serial: Serial,
    key: &Key,
) -> Result<Vec<u8>, IssueError> {
    if validity.not_before >= validity.not_after {
        return Err(IssueError::NoLife);
    }
    Ok(profile::root(trust_domain, id, validity, serial)?.self_signed(key)?.der().to_vec())
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The issuer's certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// It is not the certificate of an authority.
    #[error("the certificate that should sign is not one of an authority")]
    NotAuthority,
    /// The key belongs to another certificate.
    #[error(
        "the private key is not the one of the certificate that should sign: put the right key back from a backup"
    )]
    ForeignKey,
    /// The end would be before the beginning.
    #[error("the certificate would end before it begins: check the clock of this machine")]
    NoLife,
    /// The certificate would outlive its issuer.
    #[error(
        "the certificate would be good until {not_after}, longer than its issuer ({issuer}): rotate the issuer"
    )]
    Outlives {
        /// Its last second.
        not_after: Timestamp,
        /// The issuer's.
        issuer: Timestamp,
    },
    /// Another kind of key.
    #[error("the public key is not on the curve P-256")]
    PublicKey,
    /// Encoding or the signature failed.
    #[error("signing: {0}")]
    Signing(#[from] rcgen::Error),
}

#[cfg(test)]
#[path = "issuer_tests.rs"]
mod tests;

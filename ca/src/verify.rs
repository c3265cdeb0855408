//! Whether to believe a certificate that somebody shows.
//!
//! Decides it from the chain, the bundle of the trust domain, the deny-list and the moment: a path to a root of this
//! bundle (RFC 5280, by rustls-webpki), the use as client or server, exactly one SPIFFE ID, in this trust domain, not
//! denied. It must not know who was expected: a certificate of the mesh says who somebody is, and who calls compares
//! that with whom they meant. Pure: no clock, no network.
//!
//! rustls-webpki refuses what it does not understand, URI name constraints among it. It leaves to us: the key usage of
//! authorities, and whether a root is in force.

use crate::bundle::{self, Bundle, RootError};
use crate::certificate::{self, CertificateError, Facts, Svid, SvidError};
use crate::deny::DenyList;
use crate::names::{Fingerprint, Serial};
use crate::spiffe::{SpiffeId, TrustDomain};
use crate::time::Timestamp;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use std::fmt;
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, aws_lc_rs as algorithm};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// A chain is no longer: the certificate, up to six intermediates (which is as deep as webpki goes), a root.
const MAX_CHAIN: usize = 8;

/// How the certificates of a chain may be signed: what [`bundle::check_root`] takes as a root's key.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithm::ECDSA_P256_SHA256,
    algorithm::ECDSA_P256_SHA384,
    algorithm::ECDSA_P384_SHA256,
    algorithm::ECDSA_P384_SHA384,
    algorithm::ED25519,
];

/// As what somebody shows a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// They connected to us.
    Client,
    /// We connected to them.
    Server,
}

/// Who shows this chain (DER; the certificate first, then the authorities above it in any order; the root may be among
/// them).
///
/// # Errors
/// When they are not to be believed; see [`VerifyError`].
pub fn verify(
    chain: &[&[u8]],
    bundle: &Bundle,
    denied: &DenyList,
    side: Side,
    now: Timestamp,
) -> Result<Svid, VerifyError> {
    let verified = verify_chain(chain, bundle, side, now)?;
    if denied.denies(&verified.svid) {
        return Err(VerifyError::Denied { id: verified.svid.id, serial: verified.svid.serial });
    }
    // A denied intermediate takes all with it that it signed.
    match verified.authorities.into_iter().find(|serial| denied.denies_serial(serial)) {
        Some(serial) => Err(VerifyError::AuthorityDenied(serial)),
        None => Ok(verified.svid),
    }
}

/// Which server shows this chain, when we know nothing but the SHA-256 of roots, one of which must be in the chain: for
/// the first contact, before there is a bundle. Also returns that root (DER). `trust_domain`: whose it must be; `None`:
/// the one the root names.
///
/// # Errors
/// When no root of the chain has one of the fingerprints, or the server is not to be believed under it.
pub fn verify_pinned(
    chain: &[&[u8]],
    pins: &[Fingerprint],
    trust_domain: Option<&TrustDomain>,
    now: Timestamp,
) -> Result<(Svid, Vec<u8>), VerifyError> {
    // Before any hash is taken: the chain comes from a stranger.
    bounded(chain)?;
    let mut refusal = VerifyError::NotPinned;
    for root in chain.iter().skip(1).filter(|der| pins.contains(&Fingerprint::of(der))) {
        match verify_under(chain, root, trust_domain, now) {
            Ok(svid) => return Ok((svid, root.to_vec())),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

fn verify_under(
    chain: &[&[u8]],
    root: &[u8],
    trust_domain: Option<&TrustDomain>,
    now: Timestamp,
) -> Result<Svid, VerifyError> {
    let trust_domain = match trust_domain {
        Some(trust_domain) => trust_domain.clone(),
        None => named_by(root)?,
    };
    bundle::check_root(root, &trust_domain).map_err(VerifyError::PinnedRoot)?;
    if !self_signed(root) {
        return Err(VerifyError::NotSelfSigned);
    }
    let bundle =
        Bundle { trust_domain, roots: vec![root.to_vec()], sequence: 0, refresh_hint: bundle::REFRESH_HINT };
    verify_chain(chain, &bundle, Side::Server, now).map(|verified| verified.svid)
}

/// What a path that holds says.
struct Verified {
    svid: Svid,
    /// The serial numbers of the intermediates on the path.
    authorities: Vec<Serial>,
}

fn verify_chain(
    chain: &[&[u8]],
    bundle: &Bundle,
    side: Side,
    now: Timestamp,
) -> Result<Verified, VerifyError> {
    let chain = bounded(chain)?;
    let (leaf, above) = chain.split_first().ok_or(VerifyError::Empty)?;
    let roots: Vec<_> = bundle.roots.iter().map(|root| CertificateDer::from(root.as_slice())).collect();
    // One that cannot be read is not believed.
    let anchors: Vec<_> =
        roots.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok()).collect();
    let certificate = EndEntityCert::try_from(leaf).map_err(VerifyError::Chain)?;
    let usage = match side {
        Side::Client => KeyUsage::client_auth(),
        Side::Server => KeyUsage::server_auth(),
    };
    let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.0).unwrap_or(0)));
    let path = certificate
        .verify_for_usage(ALGORITHMS, &anchors, above, time, usage, None, None)
        .map_err(|error| named(error, bundle, side))?;
    root_in_force(path.anchor(), &roots, now)?;
    let authorities = path.intermediate_certificates().map(|authority| signs(&authority.der()));
    let authorities: Vec<_> = authorities.collect::<Result<_, _>>()?;
    let svid = certificate::svid(leaf).map_err(VerifyError::Svid)?;
    if *svid.id.trust_domain() != bundle.trust_domain {
        return Err(VerifyError::ForeignTrustDomain { id: svid.id, expected: bundle.trust_domain.clone() });
    }
    Ok(Verified { svid, authorities: authorities.into_iter().flatten().collect() })
}

fn bounded<'a>(chain: &[&'a [u8]]) -> Result<Vec<CertificateDer<'a>>, VerifyError> {
    match chain.len() {
        0 => Err(VerifyError::Empty),
        1..=MAX_CHAIN => Ok(chain.iter().map(|der| CertificateDer::from(*der)).collect()),
        _ => Err(VerifyError::TooMany),
    }
}

/// Checks that an authority of the path may sign certificates by its key usage too (RFC 5280, section 6.1.4 (n), which
/// webpki leaves out); returns its serial number, if it is one of ours.
fn signs(der: &[u8]) -> Result<Option<Serial>, VerifyError> {
    let facts = certificate::read(der).map_err(VerifyError::Authority)?;
    if facts.signs_certificates {
        Ok(Serial::from_bytes(&facts.serial))
    } else {
        Err(VerifyError::NotAuthority)
    }
}

/// Checks that the root the path ends at is valid now: webpki takes from it only name and key.
fn root_in_force(
    anchor: &TrustAnchor<'_>,
    roots: &[CertificateDer<'_>],
    now: Timestamp,
) -> Result<(), VerifyError> {
    let mut refusal = VerifyError::NotAuthority;
    let same =
        |root: &&CertificateDer<'_>| webpki::anchor_from_trusted_cert(root).is_ok_and(|one| one == *anchor);
    // Several when a root was made anew with its old key: one in force is enough.
    for root in roots.iter().filter(same) {
        let facts = certificate::read(root).map_err(VerifyError::Authority)?;
        match in_force(&facts, now) {
            Ok(()) => return Ok(()),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

fn in_force(facts: &Facts, now: Timestamp) -> Result<(), VerifyError> {
    if now < facts.not_before {
        Err(VerifyError::NotYetValid { not_before: facts.not_before, now })
    } else if now > facts.not_after {
        Err(VerifyError::Expired { not_after: facts.not_after, now })
    } else {
        Ok(())
    }
}

/// The trust domain whose root this is, by its one URI name.
fn named_by(root: &[u8]) -> Result<TrustDomain, VerifyError> {
    let facts = certificate::read(root).map_err(VerifyError::Authority)?;
    match facts.uris.as_slice() {
        [uri] => uri.parse().map(|id: SpiffeId| id.trust_domain().clone()).map_err(|_| VerifyError::Nameless),
        _ => Err(VerifyError::Nameless),
    }
}

fn self_signed(root: &[u8]) -> bool {
    X509Certificate::from_der(root).is_ok_and(|(_, certificate)| certificate.verify_signature(None).is_ok())
}

/// webpki's error in our words.
fn named(error: webpki::Error, bundle: &Bundle, side: Side) -> VerifyError {
    use webpki::Error;
    match error {
        Error::CertExpired { time, not_after } => {
            VerifyError::Expired { not_after: moment(not_after), now: moment(time) }
        }
        Error::CertNotValidYet { time, not_before } => {
            VerifyError::NotYetValid { not_before: moment(not_before), now: moment(time) }
        }
        // A wrong signature: somebody else with the same name and key identifier.
        Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => {
            VerifyError::UnknownRoot { trust_domain: bundle.trust_domain.clone(), roots: bundle.roots.len() }
        }
        Error::RequiredEkuNotFoundContext(_) => VerifyError::Usage(side),
        Error::EndEntityUsedAsCa => VerifyError::NotAuthority,
        Error::CaUsedAsEndEntity => VerifyError::Svid(SvidError::Authority),
        Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => VerifyError::TooDeep,
        Error::NameConstraintViolation => VerifyError::NameConstraint,
        other => VerifyError::Chain(other),
    }
}

fn moment(time: UnixTime) -> Timestamp {
    Timestamp(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

impl fmt::Display for Side {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// Why somebody is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No certificate at all.
    #[error("no certificate was shown")]
    Empty,
    /// Too long a chain.
    #[error("the chain has more than {MAX_CHAIN} certificates")]
    TooMany,
    /// A certificate of the path, or its root, is over.
    #[error(
        "a certificate of the chain expired at {not_after} and the clock here says {now}: renew it; if the clock is wrong, set it"
    )]
    Expired {
        /// Its last second.
        not_after: Timestamp,
        /// The moment of the check.
        now: Timestamp,
    },
    /// A certificate of the path, or its root, is not in force yet.
    #[error(
        "a certificate of the chain begins at {not_before} and the clock here says {now}: the clock of this machine or of the authority is wrong, set it"
    )]
    NotYetValid {
        /// Its first second.
        not_before: Timestamp,
        /// The moment of the check.
        now: Timestamp,
    },
    /// No root of the bundle is above it.
    #[error(
        "no root of {trust_domain} ({roots} known) vouches for it: it is of another authority, or the bundle here is old"
    )]
    UnknownRoot {
        /// Whose bundle it is.
        trust_domain: TrustDomain,
        /// How many roots it has.
        roots: usize,
    },
    /// Who signed may not sign.
    #[error("the chain holds a signature by a certificate that is not that of an authority")]
    NotAuthority,
    /// More intermediates than their authority allows.
    #[error("there are more intermediates in the chain than an authority of it allows")]
    TooDeep,
    /// The extended key usage does not fit.
    #[error("its extended key usage does not allow it to be a {0}")]
    Usage(Side),
    /// Name constraints forbid its name; constraints on URIs forbid every name.
    #[error(
        "name constraints in the chain forbid its name; constraints on URIs are not supported: issue the intermediate without them"
    )]
    NameConstraint,
    /// Anything else that is wrong with the path.
    #[error("the chain does not hold: {0}")]
    Chain(#[source] webpki::Error),
    /// An authority of the path is malformed.
    #[error("an authority of the chain: {0}")]
    Authority(#[source] CertificateError),
    /// Not an X.509-SVID.
    #[error("the certificate is not a workload's: {0}")]
    Svid(#[source] SvidError),
    /// A SPIFFE ID of somebody else, under our root.
    #[error("{id} is not in the trust domain {expected}")]
    ForeignTrustDomain {
        /// What it says.
        id: SpiffeId,
        /// Whose bundle it was checked under.
        expected: TrustDomain,
    },
    /// On the deny-list.
    #[error("the certificate {serial} of {id} is on the deny-list")]
    Denied {
        /// Whose.
        id: SpiffeId,
        /// Its serial number.
        serial: Serial,
    },
    /// The intermediate is on the deny-list.
    #[error("the intermediate {0} that signed the certificate is on the deny-list")]
    AuthorityDenied(Serial),
    /// No pinned root in the chain.
    #[error(
        "it shows no root with an expected fingerprint: this is another authority, or somebody in between; if the root was rotated, make a new join token"
    )]
    NotPinned,
    /// What has the fingerprint cannot be a root.
    #[error("the certificate with the expected fingerprint cannot be a root: {0}")]
    PinnedRoot(#[source] RootError),
    /// What has the fingerprint was signed by somebody else.
    #[error("the certificate with the expected fingerprint did not sign itself, so it is no root")]
    NotSelfSigned,
    /// The root does not say whose it is.
    #[error("the root has not exactly one SPIFFE ID, so the trust domain must be named")]
    Nameless,
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;

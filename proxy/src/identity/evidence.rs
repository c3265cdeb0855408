//! Whether a request's evidence proves a user. Pure.
//!
//! A passport is good only in the hands it was given to. All of this must hold, or there is no user:
//!
//! | # | what | else |
//! |--|--|--|
//! | 1 | one passport, one field of stamps, at most one of chains, all within their sizes | duplicate, too_large, malformed |
//! | 2 | one to eight stamps; the last names us, by the peer of this very connection | no_stamps, too_many_stamps, wrong_audience, wrong_hands |
//! | 3 | each earlier one names the signer of the next, and each the bytes before it | broken_chain |
//! | 4 | the first was signed by who signed the passport | broken_chain |
//! | 5 | who signed the passport may introduce users, in our trust domain | not_asserter, wrong_audience |
//! | 6 | it lives at most a minute, and now | too_long, not_yet, expired |
//! | 7 | every signer's certificate holds now and is not denied | untrusted_signer |
//! | 8 | every signature holds | signature |
//! | 9 | the user's names fit a header | malformed |
//!
//! Must not know: how often it was asked before (that is [`super::inspector`]), what the user may do.

use super::jws::{Jws, decode, digest};
use super::passport::{self, Claims as Passport, take_one};
use super::principal::Principal;
use super::stamp::{self, Claims as Stamp};
use crate::mesh::Believed;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use portcullis_ca::names::Fingerprint;
use portcullis_ca::spiffe::SpiffeId;
use portcullis_ca::time::Timestamp;
use portcullis_ca::verify::{self, Side};
use smallvec::SmallVec;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The header stamps travel in.
pub const STAMPS: HeaderName = HeaderName::from_static("portcullis-stamps");
/// The header certificates of earlier signers travel in.
pub const CHAINS: HeaderName = HeaderName::from_static("portcullis-chains");
/// Longest field of stamps, bytes.
pub(super) const LONGEST_STAMPS: usize = 8 << 10;
/// Longest field of chains, bytes.
pub(super) const LONGEST_CHAINS: usize = 32 << 10;
/// Most certificates of one chain.
const LONGEST_CHAIN: usize = 4;

/// Evidence as it came.
#[derive(Debug)]
pub struct Presented {
    /// The passport.
    pub passport: HeaderValue,
    /// Its stamps.
    pub stamps: HeaderValue,
    /// Certificates of signers other than the peer.
    pub chains: Option<HeaderValue>,
}

/// In whose hands it is.
pub struct Hands<'a> {
    /// Who we are.
    pub me: &'a SpiffeId,
    /// The peer of the connection.
    pub peer_id: &'a SpiffeId,
    /// SHA-256 of the leaf it showed.
    pub peer_leaf: Fingerprint,
    /// What it showed: leaf, then intermediates; DER, verified.
    pub peer_chain: &'a [Vec<u8>],
    /// Whom we believe.
    pub trust: &'a Believed,
    /// Who may introduce users.
    pub asserts: &'a dyn Fn(&SpiffeId) -> bool,
}

/// A proved user, and what proves it to others.
#[derive(Debug)]
pub struct Carried {
    /// The user.
    pub principal: Principal,
    /// The passport.
    pub passport: HeaderValue,
    /// The stamps on it, the oldest first.
    pub stamps: Vec<Box<str>>,
    /// The chain of everybody who signed, by leaf.
    pub signers: Vec<(Fingerprint, Arc<Vec<Vec<u8>>>)>,
    /// The last second of the passport.
    pub expires: Timestamp,
    /// Who introduced the user.
    pub asserter: SpiffeId,
    /// Up to when the verdict holds: the passport's last second and what clocks may differ, or the last second of the
    /// certificate that ends first among those that came along.
    pub until: Timestamp,
}

/// Why there is no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.word())]
pub enum Rejected {
    /// More than one field of a name.
    Duplicate,
    /// Larger than it may be.
    TooLarge,
    /// Not in its form.
    Malformed,
    /// A passport without a stamp.
    NoStamps,
    /// More than eight.
    TooManyStamps,
    /// For another workload or trust domain.
    WrongAudience,
    /// Not stamped by who brings it.
    WrongHands,
    /// A stamp is missing, moved or another's.
    BrokenChain,
    /// Its signer may not introduce users.
    NotAsserter,
    /// It lives longer than it may.
    TooLong,
    /// It is from the future.
    NotYet,
    /// It is over.
    Expired,
    /// A signer's certificate is not believed.
    UntrustedSigner,
    /// A signature does not hold.
    Signature,
    /// An application uses it without a request in flight.
    NotInFlight,
}

impl Rejected {
    /// The word in logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::NoStamps => "no_stamps",
            Self::TooManyStamps => "too_many_stamps",
            Self::WrongAudience => "wrong_audience",
            Self::WrongHands => "wrong_hands",
            Self::BrokenChain => "broken_chain",
            Self::NotAsserter => "not_asserter",
            Self::TooLong => "too_long",
            Self::NotYet => "not_yet",
            Self::Expired => "expired",
            Self::UntrustedSigner => "untrusted_signer",
            Self::Signature => "signature",
            Self::NotInFlight => "not_in_flight",
        }
    }
}

impl Presented {
    /// Takes evidence off. `None`: there is no passport.
    ///
    /// # Errors
    /// When it cannot be any.
    pub fn take(headers: &mut HeaderMap) -> Result<Option<Self>, Rejected> {
        let stamps = take_one(headers, &STAMPS, LONGEST_STAMPS);
        let chains = take_one(headers, &CHAINS, LONGEST_CHAINS);
        let Some(passport) = passport::take(headers)? else { return Ok(None) };
        let stamps = stamps?.ok_or(Rejected::NoStamps)?;
        Ok(Some(Self { passport, stamps, chains: chains? }))
    }
}

/// Somebody whose certificate holds.
struct Signer {
    leaf: Fingerprint,
    id: SpiffeId,
    /// Its public key: an uncompressed point.
    point: Vec<u8>,
    chain: Arc<Vec<Vec<u8>>>,
    /// Its last second; the peer's is for its connection to watch.
    until: Option<Timestamp>,
}

/// Proves the user of `presented`, or says why there is none.
///
/// # Errors
/// See the page.
pub fn verify(presented: &Presented, hands: &Hands<'_>, now: Timestamp) -> Result<Carried, Rejected> {
    let text = |value: &HeaderValue| value.to_str().map(ToOwned::to_owned).map_err(|_| Rejected::Malformed);
    let (passport_text, stamps_text) = (text(&presented.passport)?, text(&presented.stamps)?);
    let stamps: SmallVec<[&str; stamp::MOST]> = stamps_text.split(", ").collect();
    if stamps.len() > stamp::MOST {
        return Err(Rejected::TooManyStamps);
    }
    let passport = Jws::read(&passport_text, passport::TYPE)?;
    let claims = Passport::read(&passport)?;
    let principal = claims.principal()?;
    claims.check_times(now)?;
    let read: Vec<Jws<'_>> =
        stamps.iter().map(|stamp| Jws::read(stamp, stamp::TYPE)).collect::<Result<_, _>>()?;
    let said: Vec<Stamp> = read.iter().map(Stamp::read).collect::<Result<_, _>>()?;
    let asserter = check_hands(&claims, (&passport_text, &stamps, &said), hands, now)?;
    let chains = presented.chains.as_ref().map(text).transpose()?;
    let named: SmallVec<[Fingerprint; stamp::MOST + 1]> =
        std::iter::once(passport.leaf).chain(read.iter().map(|jws| jws.leaf)).collect();
    let signers = signers(chains.as_deref(), &named, (hands, now))?;
    let said = said.iter().map(|stamp| &stamp.iss);
    check_signatures(std::iter::once((&passport, &claims.iss)).chain(read.iter().zip(said)), &signers)?;
    let good = Timestamp(claims.exp.saturating_add(passport::SKEW));
    Ok(Carried {
        principal,
        passport: presented.passport.clone(),
        stamps: stamps.iter().map(|stamp| Box::from(*stamp)).collect(),
        until: signers.iter().filter_map(|signer| signer.until).fold(good, Timestamp::min),
        signers: signers
            .into_iter()
            .filter(|signer| named.contains(&signer.leaf))
            .map(|signer| (signer.leaf, signer.chain))
            .collect(),
        expires: Timestamp(claims.exp),
        asserter,
    })
}

/// Whether each was signed by who it says.
fn check_signatures<'a>(
    signed: impl Iterator<Item = (&'a Jws<'a>, &'a String)>,
    signers: &[Signer],
) -> Result<(), Rejected> {
    for (jws, iss) in signed {
        let signer =
            signers.iter().find(|signer| signer.leaf == jws.leaf).ok_or(Rejected::UntrustedSigner)?;
        if signer.id.as_str() != iss {
            return Err(Rejected::UntrustedSigner);
        }
        jws.verify(&signer.point)?;
    }
    Ok(())
}

/// Who gave it to whom, up to us; costs no signature, so it comes first. Returns who introduces the user.
fn check_hands(
    passport: &Passport,
    (passport_text, stamps, said): (&str, &[&str], &[Stamp]),
    hands: &Hands<'_>,
    now: Timestamp,
) -> Result<SpiffeId, Rejected> {
    let last = said.last().ok_or(Rejected::NoStamps)?;
    if last.aud != hands.me.as_str() {
        return Err(Rejected::WrongAudience);
    }
    if last.iss != hands.peer_id.as_str() {
        return Err(Rejected::WrongHands);
    }
    let mut before = passport_text;
    let mut holder = &passport.iss;
    for (text, stamp) in stamps.iter().zip(said) {
        if stamp.iss != *holder || stamp.prev != digest(before) {
            return Err(Rejected::BrokenChain);
        }
        if stamp.exp > passport.exp {
            return Err(Rejected::TooLong);
        }
        passport::in_time(stamp.iat, stamp.exp, now)?;
        (before, holder) = (text, &stamp.aud);
    }
    let asserter: SpiffeId = passport.iss.parse().map_err(|_| Rejected::Malformed)?;
    if passport.req_wl != passport.iss || !(hands.asserts)(&asserter) {
        return Err(Rejected::NotAsserter);
    }
    let ours = hands.me.trust_domain();
    if passport.aud != ours.as_str() || asserter.trust_domain() != ours {
        return Err(Rejected::WrongAudience);
    }
    Ok(asserter)
}

/// Everybody whose certificate came along, each judged anew; a certificate nobody names has no business here.
fn signers(
    chains: Option<&str>,
    named: &[Fingerprint],
    (hands, now): (&Hands<'_>, Timestamp),
) -> Result<Vec<Signer>, Rejected> {
    let leaf = hands.peer_chain.first().ok_or(Rejected::UntrustedSigner)?;
    let mut signers = vec![Signer {
        leaf: hands.peer_leaf,
        id: hands.peer_id.clone(),
        point: point(leaf)?,
        chain: Arc::new(hands.peer_chain.to_vec()),
        until: None,
    }];
    let chains: SmallVec<[&str; stamp::MOST]> =
        chains.into_iter().flat_map(|text| text.split(", ")).collect();
    if chains.len() > stamp::MOST + 1 {
        return Err(Rejected::TooLarge);
    }
    for chain in chains {
        let signer = signer(chain, named, (hands.trust, now))?;
        // What came twice, or is the peer's, is there already.
        if !signers.iter().any(|known| known.leaf == signer.leaf) {
            signers.push(signer);
        }
    }
    Ok(signers)
}

fn signer(
    text: &str,
    named: &[Fingerprint],
    (trust, now): (&Believed, Timestamp),
) -> Result<Signer, Rejected> {
    let chain: Vec<Vec<u8>> = text.split('.').map(decode).collect::<Result<_, _>>()?;
    if chain.len() > LONGEST_CHAIN {
        return Err(Rejected::TooLarge);
    }
    // Before any signature is looked at: the others are a stranger's way to make us work.
    if !chain.first().is_some_and(|leaf| named.contains(&Fingerprint::of(leaf))) {
        return Err(Rejected::Malformed);
    }
    let links: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let svid = verify::verify(&links, &trust.bundle, &trust.denied, Side::Client, now)
        .map_err(|_| Rejected::UntrustedSigner)?;
    let leaf = chain.first().ok_or(Rejected::Malformed)?;
    Ok(Signer {
        leaf: Fingerprint::of(leaf),
        id: svid.id,
        point: point(leaf)?,
        chain: Arc::new(chain),
        until: Some(svid.not_after),
    })
}

/// The public key of a leaf.
fn point(leaf: &[u8]) -> Result<Vec<u8>, Rejected> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| Rejected::UntrustedSigner)?;
    Ok(parsed.tbs_certificate.subject_pki.subject_public_key.data.to_vec())
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;

//! Certificates of somebody who has no authority but his own: made in memory, gone with the process.
//!
//! Besides names nobody may have: the profile we issue by cannot write them, so they are written over sound ones. The
//! signature does not hold then, which is one more reason to refuse them.

use crate::mesh;
use portcullis_ca::issuer::{IssueError, Issuer, self_signed_root};
use portcullis_ca::key::{Key, KeyError};
use portcullis_ca::names::{AuthorityId, Serial};
use portcullis_ca::policy::Grant;
use portcullis_ca::profile::Validity;
use portcullis_ca::spiffe::{SpiffeId, SpiffeIdError, TrustDomain};
use portcullis_ca::time::Timestamp;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Somebody's certificate and key.
#[derive(Debug)]
pub(super) struct Stranger {
    /// DER: leaf, then the root.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) key: Key,
}

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("no certificate could be made: {0}")]
pub(super) enum StrangerError {
    Key(#[from] KeyError),
    Issue(#[from] IssueError),
    Id(#[from] SpiffeIdError),
    #[error("the name is not found in the certificate")]
    Name,
}

/// An authority of his own.
pub(super) struct Camp(Issuer);

impl Camp {
    /// One that calls itself by `domain`.
    pub(super) fn new(domain: &TrustDomain) -> Result<Self, StrangerError> {
        let key = Key::generate()?;
        let now = mesh::now();
        let validity = Validity { not_before: now.before(48 * HOUR), not_after: now.after(24 * HOUR) };
        let der = self_signed_root((domain, &AuthorityId::root(1)), validity, serial(), &key)?;
        Ok(Self(Issuer::new(der, key)?))
    }

    /// Its root's own certificate, shown as if it were a workload's.
    pub(super) fn root(domain: &TrustDomain) -> Result<Stranger, StrangerError> {
        let key = Key::generate()?;
        let now = mesh::now();
        let validity = Validity { not_before: now.before(HOUR), not_after: now.after(HOUR) };
        let der = self_signed_root((domain, &AuthorityId::root(1)), validity, serial(), &key)?;
        Ok(Stranger { chain: vec![der], key })
    }

    /// Somebody who calls himself `id`, now.
    pub(super) fn member(&self, id: &SpiffeId) -> Result<Stranger, StrangerError> {
        let now = mesh::now();
        self.grant(id, &[], (now.before(HOUR), now.after(HOUR)))
    }

    /// The same, whose hour is over.
    pub(super) fn expired(&self, id: &SpiffeId) -> Result<Stranger, StrangerError> {
        let now = mesh::now();
        self.grant(id, &[], (now.before(3 * HOUR), now.before(2 * HOUR)))
    }

    /// Somebody with `from` written over by `to` in his certificate, as long as each other.
    pub(super) fn odd(&self, id: &SpiffeId, (from, to): (&str, &str)) -> Result<Stranger, StrangerError> {
        let mut stranger = self.member(id)?;
        write_over(&mut stranger, from.as_bytes(), to.as_bytes())?;
        Ok(stranger)
    }

    /// Somebody with two SPIFFE IDs.
    pub(super) fn double(&self, id: &SpiffeId, other: &SpiffeId) -> Result<Stranger, StrangerError> {
        let now = mesh::now();
        let mut stranger = self.grant(id, &[other.to_string()], (now.before(HOUR), now.after(HOUR)))?;
        // A DNS name becomes a URI: [2] and [6] of GeneralName (RFC 5280 §4.2.1.6).
        let name = |tag: u8| {
            [&[tag, u8::try_from(other.as_str().len()).unwrap_or(0)], other.as_str().as_bytes()].concat()
        };
        write_over(&mut stranger, &name(0x82), &name(0x86))?;
        Ok(stranger)
    }

    fn grant(
        &self,
        id: &SpiffeId,
        dns: &[String],
        (not_before, not_after): (Timestamp, Timestamp),
    ) -> Result<Stranger, StrangerError> {
        let key = Key::generate()?;
        let grant = Grant { id: id.clone(), dns: dns.to_vec(), not_before, not_after };
        let leaf = self.0.leaf(&grant, key.public(), serial())?;
        Ok(Stranger { chain: vec![leaf, self.0.certificate().to_vec()], key })
    }
}

fn write_over(stranger: &mut Stranger, from: &[u8], to: &[u8]) -> Result<(), StrangerError> {
    let leaf = stranger.chain.first_mut().ok_or(StrangerError::Name)?;
    *leaf = replaced(leaf, from, to).ok_or(StrangerError::Name)?;
    Ok(())
}

/// `bytes` with the first `from` replaced by `to`, which is as long.
pub(super) fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    let at = memchr::memmem::find(bytes, from).filter(|_| from.len() == to.len())?;
    let mut bytes = bytes.to_vec();
    bytes.get_mut(at..at + to.len())?.copy_from_slice(to);
    Some(bytes)
}

fn serial() -> Serial {
    Serial::from_random(fastrand::u128(..).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_ca::certificate;

    const ID: &str = "spiffe://shop.example/svc/order";

    fn camp() -> Camp {
        Camp::new(&"shop.example".parse().unwrap()).unwrap()
    }

    fn uris(stranger: &Stranger) -> Vec<String> {
        certificate::read(&stranger.chain[0]).unwrap().uris
    }

    #[test]
    fn a_stranger_calls_himself_what_he_likes() {
        let id = ID.parse().unwrap();

        assert_eq!(uris(&camp().member(&id).unwrap()), [ID]);
        assert_eq!(uris(&camp().expired(&id).unwrap()), [ID]);
        assert_eq!(uris(&Camp::root(id.trust_domain()).unwrap()), ["spiffe://shop.example"]);
    }

    #[test]
    fn names_nobody_may_have_are_written_over_sound_ones() {
        let id = ID.parse().unwrap();
        let other = "spiffe://shop.example/edge";

        let odd = camp().odd(&id, ("//shop.example", "//SHOP.example")).unwrap();
        let double = camp().double(&id, &other.parse().unwrap()).unwrap();

        assert_eq!(uris(&odd), ["spiffe://SHOP.example/svc/order"]);
        assert_eq!(uris(&double), [ID, other]);
        assert!(certificate::svid(&double.chain[0]).is_err());
        assert!(matches!(camp().odd(&id, ("absent", "ABSENT")), Err(StrangerError::Name)));
    }

    #[test]
    fn only_something_as_long_is_written_over() {
        assert_eq!(replaced(b"abcabc", b"bc", b"xy").as_deref(), Some(&b"axyabc"[..]));
        assert_eq!(replaced(b"abc", b"bc", b"x"), None);
        assert_eq!(replaced(b"abc", b"z", b"y"), None);
    }
}

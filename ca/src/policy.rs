//! May this entry get this certificate, for how long, and when is it to be renewed.
//!
//! Decides by the entry alone: names come from it, a request can only ask for less. What a request asks for and the
//! entry does not have is refused, so that its maker learns of it. A certificate never outlives its issuer.
//!
//! | the life asked for | the answer |
//! |--|--|
//! | none | the default, at most what the entry allows |
//! | less than 60 s | refused |
//! | more than the entry allows, or 72 h | what the entry allows, at most 72 h |
//! | more than the issuer has left | what it has left; refused when that is under 60 s or under half of the life |
//!
//! Pure: it must not know keys, the store, the wire, a clock or randomness.

use crate::csr::Wishes;
use crate::entry::Entry;
use crate::spiffe::{AUTHORITY_PATH, SpiffeId};
use crate::time::{Timestamp, human};
use std::time::Duration;

/// No certificate lives shorter.
pub const TTL_LEAST: Duration = Duration::from_secs(60);
/// No certificate lives longer.
pub const TTL_MOST: Duration = Duration::from_secs(72 * 3_600);
/// So far before the moment of issue a certificate starts: clocks of peers may be behind.
pub const BACKDATE: Duration = Duration::from_secs(60);
/// An entry has no more DNS names.
const MAX_DNS: usize = 64;
const MAX_DNS_NAME: usize = 253;
const MAX_DNS_LABEL: usize = 63;

/// What is asked, and what it is decided by.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Whose certificate.
    pub entry: &'a Entry,
    /// What the request asks for.
    pub wishes: &'a Wishes,
    /// The life asked for.
    pub ttl: Option<Duration>,
    /// The life when none is asked for.
    pub ttl_default: Duration,
    /// The last second of the issuer.
    pub issuer_not_after: Timestamp,
    /// The newest moment of the deny-list up to which certificates of this entry are denied by their NotBefore.
    pub denied_before: Option<Timestamp>,
    /// The moment.
    pub now: Timestamp,
}

/// What may be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The one URI.
    pub id: SpiffeId,
    /// DNS names besides.
    pub dns: Vec<String>,
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

/// Decides.
///
/// # Errors
/// When something is asked that the entry does not allow, or nothing useful can be given now.
pub fn decide(ask: &Ask<'_>) -> Result<Grant, Refusal> {
    only_its_own(ask.entry, ask.wishes)?;
    let not_after = ask.now.after(life(ask)?);
    let mut not_before = ask.now.before(BACKDATE);
    if let Some(denied) = ask.denied_before {
        if denied >= ask.now {
            return Err(Refusal::DeniedUntil(denied));
        }
        // The first second that is not denied; it is not in the future.
        not_before = not_before.max(denied.after(Duration::from_secs(1)));
    }
    Ok(Grant { id: ask.entry.id.clone(), dns: ask.entry.dns.clone(), not_before, not_after })
}

fn only_its_own(entry: &Entry, wishes: &Wishes) -> Result<(), Refusal> {
    if wishes.ca {
        return Err(Refusal::Authority);
    }
    if wishes.other_names {
        return Err(Refusal::OtherNames);
    }
    if let Some(uri) = wishes.uris.iter().find(|uri| uri.as_str() != entry.id.as_str()) {
        return Err(Refusal::Uri { asked: shown(uri), ours: entry.id.clone() });
    }
    match wishes.dns.iter().find(|name| !entry.dns.contains(name)) {
        Some(name) => Err(Refusal::Dns { asked: shown(name), entry: entry.id.clone() }),
        None => Ok(()),
    }
}

/// A name a stranger chose, for the audit and the answer: no control characters, not endless.
fn shown(name: &str) -> String {
    let cut: String = name.chars().take(200).collect();
    cut.escape_debug().to_string()
}

/// How long from now on.
fn life(ask: &Ask<'_>) -> Result<Duration, Refusal> {
    let most = Duration::from_secs(ask.entry.ttl_max).min(TTL_MOST);
    let asked = Duration::from_secs(ask.ttl.unwrap_or(ask.ttl_default).as_secs());
    let life = asked.min(most);
    if life < TTL_LEAST {
        return Err(Refusal::TooShort { asked: life, most });
    }
    let left = ask.issuer_not_after.since(ask.now);
    if left < TTL_LEAST || left < life / 2 {
        return Err(Refusal::IssuerExpires { not_after: ask.issuer_not_after });
    }
    Ok(life.min(left))
}

/// When to renew: NotBefore + life × U(0.50, 0.66), with `random` out of all 64-bit numbers alike. So renewals spread,
/// and an outage of the authority of a third of the life is survived.
///
/// A certificate of a few minutes counts from about its issue instead: half of its life may lie before that.
pub fn renew_after(grant: &Grant, random: u64) -> Timestamp {
    let life = grant.not_after.since(grant.not_before);
    let past = if life < BACKDATE * 10 { BACKDATE.min(life / 2) } else { Duration::ZERO };
    let (start, rest) = (grant.not_before.after(past), life.saturating_sub(past));
    let spread = (u128::from(rest.as_secs()) * 16 * u128::from(random)) >> 64;
    let share = (u128::from(rest.as_secs()) * 50 + spread) / 100;
    start.after(Duration::from_secs(u64::try_from(share).unwrap_or(0)))
}

/// Whether an entry can be.
///
/// # Errors
/// When its certificates would be refused by who verifies them, or dangerous.
pub fn entry_sound(entry: &Entry) -> Result<(), EntryError> {
    match entry.id.path() {
        "" => return Err(EntryError::NoPath(entry.id.clone())),
        AUTHORITY_PATH => return Err(EntryError::Reserved(entry.id.clone())),
        _ => {}
    }
    if entry.dns.len() > MAX_DNS {
        return Err(EntryError::TooManyDns(entry.dns.len()));
    }
    if let Some(name) = entry.dns.iter().find(|name| !dns_sound(name)) {
        return Err(EntryError::Dns(shown(name)));
    }
    if !(TTL_LEAST..=TTL_MOST).contains(&Duration::from_secs(entry.ttl_max)) {
        return Err(EntryError::Ttl(Duration::from_secs(entry.ttl_max)));
    }
    Ok(())
}

/// Letters, digits and hyphens (RFC 1123, section 2.1), in lower case. A last label of digits would be an address, or
/// be taken for one.
fn dns_sound(name: &str) -> bool {
    let label = |label: &str| {
        (1..=MAX_DNS_LABEL).contains(&label.len())
            && label.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let number = last.chars().all(|c| c.is_ascii_digit()) || last.starts_with("0x");
    name.len() <= MAX_DNS_NAME && name.split('.').all(label) && !number
}

/// Why a certificate is not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// To be an authority.
    #[error("the request asks to be an authority (CA:TRUE, keyCertSign or cRLSign): leave that out")]
    Authority,
    /// Names of other kinds.
    #[error("the request asks for names that are neither URI nor DNS: leave them out")]
    OtherNames,
    /// Somebody else's identity, or none.
    #[error("the request asks for the name {asked}, but may only have {ours}")]
    Uri {
        /// What was asked for, made harmless.
        asked: String,
        /// What it may have.
        ours: SpiffeId,
    },
    /// A DNS name that is not in the entry.
    #[error("the request asks for the DNS name {asked}, which is not in the entry {entry}")]
    Dns {
        /// What was asked for, made harmless.
        asked: String,
        /// The entry.
        entry: SpiffeId,
    },
    /// Less than the least life.
    #[error("a life of {} is too short: ask for {} to {}", human(*.asked), human(TTL_LEAST), human(*.most))]
    TooShort {
        /// The life asked for.
        asked: Duration,
        /// The longest the entry allows.
        most: Duration,
    },
    /// The issuer has not enough life left.
    #[error(
        "the intermediate expires at {not_after}, too soon for a certificate under it: portcullis ca intermediate rotate"
    )]
    IssuerExpires {
        /// Its last second.
        not_after: Timestamp,
    },
    /// A rule of the deny-list reaches into the future.
    #[error("certificates of this entry are revoked up to {0}: ask after that")]
    DeniedUntil(Timestamp),
}

/// Why an entry cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The trust domain itself.
    #[error("{0} names the trust domain itself: an entry needs a path, as in {0}/svc/order")]
    NoPath(SpiffeId),
    /// The authority's own name.
    #[error("{0} is the authority itself: choose another path")]
    Reserved(SpiffeId),
    /// A malformed DNS name, a wildcard or an address.
    #[error(
        "{0} is not a DNS name of lower-case letters, digits and hyphens; wildcards and addresses are not given"
    )]
    Dns(String),
    /// Too many DNS names.
    #[error("an entry has at most {MAX_DNS} DNS names, not {0}")]
    TooManyDns(usize),
    /// A longest life outside its bounds.
    #[error("the longest life of its certificates must be from {} to {}, not {}", human(TTL_LEAST), human(TTL_MOST), human(*.0))]
    Ttl(Duration),
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;

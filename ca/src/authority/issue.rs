//! Giving out certificates: for a join token, for the certificate before, and by hand.
//!
//! Each is one transaction. A refusal changes nothing and is noted by itself.

use super::{Authority, AuthorityError, Granted, Refusal, Signer, TrustView, audit, operator, random};
use crate::audit::{Caller, Event, What};
use crate::certificate::{self, Svid};
use crate::csr::{self, Csr};
use crate::entry::{Entry, Spent, Token};
use crate::issuer::Issuer;
use crate::key::Key;
use crate::names::{Fingerprint, InstanceId, Serial};
use crate::policy::{self, Ask, Grant};
use crate::spiffe::{AUTHORITY_PATH, SpiffeId};
use crate::store::{How, Instance, Issued, Reading, Settings, Writing};
use crate::time::Timestamp;
use crate::token;
use std::sync::Arc;
use std::time::Duration;

/// The life of the certificate the authority's own server shows.
const OWN_LIFE: Duration = Duration::from_secs(2 * 3_600);

/// A workload without a certificate asks for its first one.
#[derive(Debug, Clone, Copy)]
pub struct BootstrapAsk<'a> {
    /// The join token, whole or its secret alone.
    pub token: &'a str,
    /// PKCS#10, DER or PEM.
    pub csr: &'a [u8],
    /// The life it wishes for.
    pub ttl: Option<Duration>,
    /// Who asks.
    pub caller: &'a Caller,
    /// The moment.
    pub now: Timestamp,
}

/// A workload asks for its next certificate.
#[derive(Debug, Clone, Copy)]
pub struct RenewAsk<'a> {
    /// The certificate it holds, DER; its chain has been verified.
    pub peer: &'a [u8],
    /// PKCS#10, DER or PEM.
    pub csr: &'a [u8],
    /// The life it wishes for.
    pub ttl: Option<Duration>,
    /// Who asks.
    pub caller: &'a Caller,
    /// The moment.
    pub now: Timestamp,
}

/// The operator makes a certificate by hand.
#[derive(Debug, Clone, Copy)]
pub struct HandAsk<'a> {
    /// Whose.
    pub id: &'a SpiffeId,
    /// PKCS#10, DER or PEM.
    pub csr: &'a [u8],
    /// How: [`How::Issue`] or [`How::Sign`].
    pub how: How,
    /// The life wished for.
    pub ttl: Option<Duration>,
    /// The moment.
    pub now: Timestamp,
}

/// What all three ways have in common once it is known for whom.
struct Order<'a> {
    entry: &'a Entry,
    csr: &'a Csr,
    ttl: Option<Duration>,
    how: How,
    /// `None`: a new one.
    instance: Option<InstanceId>,
    now: Timestamp,
}

/// What signing needs of one moment.
struct Moment {
    settings: Settings,
    signer: Arc<Signer>,
    view: Arc<TrustView>,
}

impl Authority {
    /// The first certificate, for a join token.
    ///
    /// The same token with the same key gets the same certificate again while the token lives: an answer that was
    /// lost on the way can be asked for again.
    ///
    /// # Errors
    /// See [`Refusal`]; the refusal has been noted in the audit.
    pub fn bootstrap(&self, ask: BootstrapAsk<'_>) -> Result<Granted, Refusal> {
        let granted = self.try_bootstrap(&ask);
        self.noted(granted, Event::new(What::RequestRefused, ask.now, ask.caller.clone()))
    }

    /// Whether a token could bring a certificate now: it is known, fresh and in time. Reads only; a guess costs no
    /// more than a look-up.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_fresh(&self, token: &str, now: Timestamp) -> Result<bool, AuthorityError> {
        let Some(hash) = token::hash_of(token) else { return Ok(false) };
        let known = self.store.read()?.token(&hash)?;
        Ok(known.is_some_and(|token| token.spent.is_none() && now < token.expires))
    }

    fn try_bootstrap(&self, ask: &BootstrapAsk<'_>) -> Result<Granted, Refusal> {
        let hash = token::hash_of(ask.token).ok_or(Refusal::UnknownToken)?;
        let csr = csr::parse(ask.csr)?;
        let write = self.store.write()?;
        let token = write.token(&hash)?.ok_or(Refusal::UnknownToken)?;
        if ask.now >= token.expires {
            return Err(Refusal::TokenExpired { entry: token.entry, expires: token.expires });
        }
        if let Some(spent) = &token.spent {
            return self.again(&*write, (&token.entry, spent), &csr);
        }
        let entry = write.entry(&token.entry)?.ok_or_else(|| Refusal::NoEntry(token.entry.clone()))?;
        let order = Order {
            entry: &entry,
            csr: &csr,
            ttl: ask.ttl,
            how: How::Bootstrap,
            instance: None,
            now: ask.now,
        };
        let (issued, granted) = self.sign(&*write, &order)?;
        spend(&*write, &token, &issued)?;
        audit(&*write, &issued_event(&issued, &entry, ask.caller.clone()))?;
        write.commit()?;
        Ok(granted)
    }

    /// The certificate a spent token brought, for the key it was spent with.
    fn again(
        &self,
        read: &(impl Reading + ?Sized),
        (entry, spent): (&SpiffeId, &Spent),
        csr: &Csr,
    ) -> Result<Granted, Refusal> {
        let refused = || Refusal::TokenSpent { entry: entry.clone(), at: spent.at, serial: spent.serial };
        if spent.key != Fingerprint::of(&csr.public_key) {
            return Err(refused());
        }
        let issued = read.issued(&spent.serial)?.ok_or_else(refused)?;
        let moment = self.moment(read)?;
        not_denied(&moment, &issued.id, Some(&svid(&issued.der)?))?;
        self.granted(read, &moment, &issued)
    }

    /// The next certificate, for the one before.
    ///
    /// # Errors
    /// See [`Refusal`]; the refusal has been noted in the audit.
    pub fn renew(&self, ask: RenewAsk<'_>) -> Result<Granted, Refusal> {
        let granted = self.try_renew(&ask);
        self.noted(granted, Event::new(What::RequestRefused, ask.now, ask.caller.clone()))
    }

    fn try_renew(&self, ask: &RenewAsk<'_>) -> Result<Granted, Refusal> {
        let peer = svid(ask.peer)?;
        let csr = csr::parse(ask.csr)?;
        let write = self.store.write()?;
        let moment = self.moment(&*write)?;
        not_denied(&moment, &peer.id, Some(&peer))?;
        let entry = write.entry(&peer.id)?.ok_or_else(|| Refusal::NoEntry(peer.id.clone()))?;
        let instance = known(&*write, &moment.settings, (&peer, &entry), ask.now)?;
        let order = Order { entry: &entry, csr: &csr, ttl: ask.ttl, how: How::Renew, instance, now: ask.now };
        let (issued, granted) = self.sign(&*write, &order)?;
        audit(&*write, &issued_event(&issued, &entry, ask.caller.clone()))?;
        write.commit()?;
        Ok(granted)
    }

    /// A certificate by hand, for an entry that is registered.
    ///
    /// # Errors
    /// See [`Refusal`]; the refusal has been noted in the audit.
    pub fn issue_by_hand(&self, ask: HandAsk<'_>) -> Result<Granted, Refusal> {
        let granted = self.try_by_hand(&ask);
        let event = Event::new(What::RequestRefused, ask.now, operator());
        self.noted(granted, Event { spiffe_id: Some(ask.id.clone()), ..event })
    }

    fn try_by_hand(&self, ask: &HandAsk<'_>) -> Result<Granted, Refusal> {
        let csr = csr::parse(ask.csr)?;
        let write = self.store.write()?;
        let entry = write.entry(ask.id)?.ok_or_else(|| Refusal::NoEntry(ask.id.clone()))?;
        let order =
            Order { entry: &entry, csr: &csr, ttl: ask.ttl, how: ask.how, instance: None, now: ask.now };
        let (issued, granted) = self.sign(&*write, &order)?;
        audit(&*write, &issued_event(&issued, &entry, operator()))?;
        write.commit()?;
        Ok(granted)
    }

    /// Decides, signs, and puts the certificate into the ledger of a transaction that is not committed yet.
    fn sign(&self, write: &(impl Writing + ?Sized), order: &Order<'_>) -> Result<(Issued, Granted), Refusal> {
        let moment = self.moment(write)?;
        let grant = self.decide(&moment, order)?;
        let key = Fingerprint::of(&order.csr.public_key);
        if let Some(holder) = write.key_holder(&key, order.now)?
            && holder != grant.id
        {
            return Err(Refusal::KeyTaken(holder));
        }
        let serial = Serial::from_random(random()?);
        let der = moment.signer.issuer.leaf(&grant, &order.csr.public_key, serial)?;
        let instance = match &order.instance {
            Some(instance) => instance.clone(),
            None => InstanceId::from_random(random()?),
        };
        let issued = Issued {
            serial,
            id: grant.id,
            instance,
            how: order.how,
            key,
            issuer: moment.signer.id.clone(),
            root: moment.signer.root.clone(),
            not_before: grant.not_before,
            not_after: grant.not_after,
            at: order.now,
            der,
        };
        write.add_issued(&issued)?;
        put_instance(write, &issued)?;
        let granted = self.granted(write, &moment, &issued)?;
        Ok((issued, granted))
    }

    fn decide(&self, moment: &Moment, order: &Order<'_>) -> Result<Grant, Refusal> {
        let denied = &moment.view.denied;
        if denied.denies_id(&order.entry.id) {
            return Err(Refusal::Denied(order.entry.id.clone()));
        }
        Ok(policy::decide(&Ask {
            entry: order.entry,
            wishes: &order.csr.wishes,
            ttl: order.ttl,
            ttl_default: Duration::from_secs(moment.settings.ttl_default),
            issuer_not_after: moment.signer.issuer.not_after(),
            denied_before: denied.last_before(&order.entry.id),
            now: order.now,
        })?)
    }

    /// The answer for a certificate that is in the ledger.
    fn granted(
        &self,
        read: &(impl Reading + ?Sized),
        moment: &Moment,
        issued: &Issued,
    ) -> Result<Granted, Refusal> {
        let issuer = super::find(&read.authorities()?, &issued.issuer)?;
        let life = Grant {
            id: issued.id.clone(),
            dns: Vec::new(),
            not_before: issued.not_before,
            not_after: issued.not_after,
        };
        Ok(Granted {
            chain: vec![issued.der.clone(), issuer.der],
            renew_after: policy::renew_after(&life, u64::from_be_bytes(random()?)),
            trust: moment.view.trust.clone(),
            instance: issued.instance.clone(),
        })
    }

    fn moment(&self, read: &(impl Reading + ?Sized)) -> Result<Moment, AuthorityError> {
        let settings = read.settings()?;
        let signer = self.signer(read, &settings)?;
        let view = self.trust_view(read, &settings)?;
        Ok(Moment { settings, signer, view })
    }

    /// Notes a refusal. The caller learns of it whether or not that can be written.
    fn noted(&self, answer: Result<Granted, Refusal>, mut event: Event) -> Result<Granted, Refusal> {
        if let Err(refusal) = &answer {
            event.refused(refusal.to_string());
            refusal.about(&mut event);
            if let Err(error) = self.note(&event) {
                tracing::error!(%error, refusal = %refusal, "a refusal could not be noted in the audit");
            }
        }
        answer
    }

    /// The certificate and key the authority's own server shows: for `spiffe://<trust domain>/ca`, good for 2 h, with
    /// the chain up to the root, not in the ledger. Short, so that its dates also tell what the clock here says.
    ///
    /// # Errors
    /// When the signing key cannot be used.
    pub fn server_identity(&self, now: Timestamp) -> Result<(Vec<Vec<u8>>, Key), AuthorityError> {
        let read = self.store.read()?;
        let moment = self.moment(&*read)?;
        let key = Key::generate()?;
        let id = SpiffeId::new(moment.settings.trust_domain, AUTHORITY_PATH)?;
        let issuer: &Issuer = &moment.signer.issuer;
        let not_after = now.after(OWN_LIFE).min(issuer.not_after());
        let grant = Grant { id, dns: Vec::new(), not_before: now.before(policy::BACKDATE), not_after };
        let leaf = issuer.leaf(&grant, key.public(), Serial::from_random(random()?))?;
        let root = super::find(&read.authorities()?, &moment.signer.root)?;
        Ok((vec![leaf, issuer.certificate().to_vec(), root.der], key))
    }
}

fn svid(der: &[u8]) -> Result<Svid, Refusal> {
    Ok(certificate::svid(der)?)
}

fn not_denied(moment: &Moment, id: &SpiffeId, svid: Option<&Svid>) -> Result<(), Refusal> {
    let denied = &moment.view.denied;
    if denied.denies_id(id) || svid.is_some_and(|svid| denied.denies(svid)) {
        return Err(Refusal::Denied(id.clone()));
    }
    Ok(())
}

/// The instance a certificate belongs to. `None`, a new one, for a certificate older than the backup this store was
/// put back from.
fn known(
    read: &(impl Reading + ?Sized),
    settings: &Settings,
    (peer, entry): (&Svid, &Entry),
    now: Timestamp,
) -> Result<Option<InstanceId>, Refusal> {
    let Some(issued) = read.issued(&peer.serial)? else {
        // None of before the restore is alive later than this, save what a thief of the key made.
        let unlisted =
            |restored: Timestamp| peer.not_before <= restored && now < restored.after(policy::TTL_MOST);
        let known = settings.restored.is_some_and(unlisted);
        return if known { Ok(None) } else { Err(Refusal::NotInLedger(peer.serial)) };
    };
    if issued.id != peer.id || issued.key != peer.key {
        return Err(Refusal::NotInLedger(peer.serial));
    }
    if issued.at < entry.created {
        return Err(Refusal::OlderThanEntry { id: peer.id.clone(), created: entry.created });
    }
    match read.instance(&issued.instance)? {
        // Two hold certificates of one instance: the state of a workload was copied, or stolen.
        Some(instance) if instance.shown && instance.serial != peer.serial => {
            Err(Refusal::Superseded { serial: peer.serial, by: instance.serial })
        }
        _ => Ok(Some(issued.instance)),
    }
}

/// The first certificate makes the instance; later ones keep what it acknowledged.
fn put_instance(write: &(impl Writing + ?Sized), issued: &Issued) -> Result<(), AuthorityError> {
    let before = write.instance(&issued.instance)?;
    Ok(write.put_instance(&Instance {
        instance: issued.instance.clone(),
        id: issued.id.clone(),
        acknowledged: before.map_or(0, |instance| instance.acknowledged),
        seen: issued.at,
        serial: issued.serial,
        not_after: issued.not_after,
        shown: false,
    })?)
}

fn spend(write: &(impl Writing + ?Sized), token: &Token, issued: &Issued) -> Result<(), Refusal> {
    let spent = Spent { at: issued.at, key: issued.key, serial: issued.serial };
    if write.spend_token(&token.hash, &spent)? {
        return Ok(());
    }
    Err(AuthorityError::Inconsistent("a token was spent inside a transaction that saw it fresh").into())
}

fn issued_event(issued: &Issued, entry: &Entry, caller: Caller) -> Event {
    Event {
        spiffe_id: Some(issued.id.clone()),
        instance: Some(issued.instance.clone()),
        dns: entry.dns.clone(),
        serial: Some(issued.serial),
        key: Some(issued.key),
        not_before: Some(issued.not_before),
        not_after: Some(issued.not_after),
        issuer: Some(issued.issuer.clone()),
        root: Some(issued.root.clone()),
        how: Some(issued.how),
        ..Event::new(What::CertificateIssued, issued.at, caller)
    }
}

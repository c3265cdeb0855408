//! Attacks on who a request is made for: a member brings a passport that proves nothing.
//!
//! None of them may make a user. Whether one did is not seen in the answer, which may be no for other reasons; it is
//! seen in the sidecar's count of refused evidence ([`super::counter`]).

use super::counter::{self, Counter};
use super::forge::{self, PASSPORT, Pen};
use super::probe::Prober;
use super::requests::{get, get2, second};
use super::strangers::{Camp, StrangerError};
use super::subject::Subject;
use super::verdict::{Refused, Reply, Verdict, is_without_user};
use super::{Row, row};
use crate::config::listener::Role;
use crate::config::mesh::Level;
use crate::config::service::Protocol;
use crate::mesh;
use portcullis_ca::names::Fingerprint;
use portcullis_ca::spiffe::SpiffeId;
use serde_json::{Value, json};

const MUST: &str = "no user";
/// Seconds clocks may differ by, and some.
const FAR: i64 = 120;

/// What is brought, as header fields.
#[derive(Debug)]
struct Forgery {
    number: &'static str,
    attack: &'static str,
    fields: Vec<(&'static str, String)>,
}

/// Nothing could be forged.
#[derive(Debug, thiserror::Error)]
enum ForgeError {
    #[error("nothing could be signed: {0}")]
    Sign(#[from] forge::Failed),
    #[error(transparent)]
    Stranger(#[from] StrangerError),
}

/// All of them.
pub(super) async fn run(prober: &Prober<'_>) -> Vec<Row> {
    let subject = prober.subject;
    let forgeries = match forgeries(subject) {
        Ok(forgeries) => forgeries,
        Err(error) => return vec![row("9", "forged passports", MUST, Verdict::Failed(error.to_string()))],
    };
    let blind = blind(subject);
    let counter = Counter::of(&subject.config);
    let mut rows = Vec::new();
    let mut leaked = None;
    for forgery in &forgeries {
        let verdict = match (&blind, &counter) {
            (None, Some(counter)) => {
                let (verdict, replies) = bring(prober, counter, forgery).await;
                leaked = leaked
                    .or_else(|| replies.iter().find(|reply| repeats(reply, forgery)).map(|_| forgery.attack));
                verdict
            }
            (Some(why), _) => Verdict::NotApplicable(why.clone()),
            (None, None) => Verdict::NotApplicable(counter::nowhere(subject)),
        };
        let verdict = match (forgery.number, subject.is_asserter) {
            ("10b", true) => Verdict::NotApplicable("this workload may introduce users".to_owned()),
            _ => verdict,
        };
        rows.push(row(forgery.number, forgery.attack, MUST, verdict));
    }
    rows.push(leak(leaked, blind.is_none() && counter.is_some()));
    rows.push(from_app(prober, counter.as_ref(), &forgeries).await);
    rows
}

/// Why no evidence is looked at.
fn blind(subject: &Subject) -> Option<String> {
    if subject.sidecar.workload.protocol == Protocol::Tcp {
        return Some("the workload speaks tcp: inside of tunnels there are no users".to_owned());
    }
    let level = subject.config.mesh.as_ref().map(|mesh| mesh.level);
    (level == Some(Level::None)).then(|| "`identity: level: none`: no evidence is looked at".to_owned())
}

/// Brings it over both protocols; more than one field of a name can only be told apart there.
async fn bring(prober: &Prober<'_>, counter: &Counter, forgery: &Forgery) -> (Verdict, Vec<Reply>) {
    let peer = prober.subject.own.svid.id.as_str();
    if prober.patience().is_zero() {
        return (Verdict::Failed("no time is left".to_owned()), Vec::new());
    }
    let before = counter.read(peer, prober.patience()).await;
    let lines: String = forgery.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let first = prober.tls(prober.member(), &get(&lines)).await;
    let fields = forgery.fields.iter();
    let builder = fields.fold(get2(), |builder, (name, value)| builder.header(*name, value));
    let replies = vec![first, second(prober, builder).await];
    let verdict = judge(before, counter.read(peer, prober.patience()).await, &replies);
    (verdict, replies)
}

fn judge(
    before: Result<Refused, counter::CounterError>,
    after: Result<Refused, counter::CounterError>,
    replies: &[Reply],
) -> Verdict {
    match (before, after) {
        (Ok(before), Ok(after)) => is_without_user(&before, &after, replies),
        (Err(error), _) => Verdict::NotApplicable(error.to_string()),
        // It could be read a moment ago.
        (Ok(_), Err(error)) => Verdict::Failed(format!("afterwards {error}")),
    }
}

/// Whether an answer repeats a passport: whoever reads it, or the log it ends up in, has it then.
fn repeats(reply: &Reply, forgery: &Forgery) -> bool {
    let tokens = forgery.fields.iter().map(|(_, value)| value.as_bytes());
    let signed = tokens.filter_map(|token| token.get(..64));
    signed.into_iter().any(|token| memchr::memmem::find(&reply.bytes, token).is_some())
}

fn leak(leaked: Option<&str>, tried: bool) -> Row {
    let verdict = match leaked {
        Some(attack) => Verdict::Failed(format!("the answer repeats it: {attack}")),
        None if tried => Verdict::Ok("no answer repeats one".to_owned()),
        None => Verdict::NotApplicable("no passport was brought".to_owned()),
    };
    row("23", "answers that repeat a passport", "none does", verdict)
}

/// The application makes one up for a call of its own. The host is nobody's, so that the call goes nowhere.
async fn from_app(prober: &Prober<'_>, counter: Option<&Counter>, forgeries: &[Forgery]) -> Row {
    const ATTACK: &str = "the application makes up a passport for a call";
    let Subject { config, target, .. } = prober.subject;
    let outbound = config.listeners.iter().find(|one| one.role == Role::Outbound).map(|one| one.bind);
    let here = outbound.filter(|bind| bind.port() != 0 && target.ip().is_loopback());
    let passport = forgeries.first().and_then(|forgery| forgery.fields.first());
    let (Some(bind), Some(counter), Some((name, value))) = (here, counter, passport) else {
        let why = "needs `outbound:` on this host, a port that is known, and the sidecar's counter";
        return row("22", ATTACK, MUST, Verdict::NotApplicable(why.to_owned()));
    };
    let before = counter.read("", prober.patience()).await;
    let reply = prober.plain(bind, &get(&format!("{name}: {value}\r\n"))).await;
    row("22", ATTACK, MUST, judge(before, counter.read("", prober.patience()).await, &[reply]))
}

/// Who forges, in whose name.
struct Forger<'a> {
    pen: Pen<'a>,
    /// The workload; also the peer that brings everything.
    me: &'a str,
    /// Whose word introduces users.
    asserter: String,
    domain: &'a str,
    now: i64,
}

impl Forger<'_> {
    fn claims(&self) -> Value {
        forge::claims(&self.asserter, self.domain, self.now)
    }

    /// `passport` with stamps that lead from the asserter over us to us.
    fn stamped(&self, passport: String) -> Result<Vec<(&'static str, String)>, ForgeError> {
        self.handed(passport, &[&self.asserter, self.me, self.me])
    }

    fn handed(&self, passport: String, hands: &[&str]) -> Result<Vec<(&'static str, String)>, ForgeError> {
        let stamps = self.pen.stamps(&passport, hands, self.now)?;
        Ok(vec![("Txn-Token", passport), ("Portcullis-Stamps", stamps)])
    }

    /// Signed with our key, whatever it says.
    fn signed(&self, header: &Value, claims: &Value) -> Result<String, ForgeError> {
        Ok(self.pen.sign(header, claims)?)
    }
}

fn forgeries(subject: &Subject) -> Result<Vec<Forgery>, ForgeError> {
    let id = &subject.own.svid.id;
    let asserter = subject
        .asserter
        .as_ref()
        .map_or_else(|| format!("spiffe://{}/edge", id.trust_domain()), SpiffeId::to_string);
    let forger = Forger {
        pen: Pen { key: &subject.own.key, leaf: &subject.own.leaf },
        me: id.as_str(),
        asserter,
        domain: id.trust_domain().as_str(),
        now: mesh::now().0,
    };
    let mut list = in_wrong_hands(&forger)?;
    list.extend(in_wrong_form(&forger)?);
    list.extend(of_wrong_signers(&forger, id)?);
    list.extend(of_wrong_claims(&forger)?);
    Ok(list.into_iter().map(|(number, attack, fields)| Forgery { number, attack, fields }).collect())
}

type Listed = (&'static str, &'static str, Vec<(&'static str, String)>);

/// A passport that was stolen, from a log or on the way.
fn in_wrong_hands(forger: &Forger<'_>) -> Result<Vec<Listed>, ForgeError> {
    let passport = forger.signed(&forger.pen.header(PASSPORT), &forger.claims())?;
    let elsewhere = format!("spiffe://{}/svc/portcullis-selftest", forger.domain);
    let first: &str = &forger.asserter;
    Ok(vec![
        ("6a", "a passport without stamps", vec![("Txn-Token", passport.clone())]),
        (
            "6b",
            "a passport stamped for another workload",
            forger.handed(passport.clone(), &[first, &elsewhere])?,
        ),
        (
            "7",
            "a passport stamped by somebody else than who brings it",
            forger.handed(passport, &[first, forger.me])?,
        ),
    ])
}

/// A token that wants to choose how it is checked, and one too many.
fn in_wrong_form(forger: &Forger<'_>) -> Result<Vec<Listed>, ForgeError> {
    let (pen, claims) = (&forger.pen, forger.claims());
    let header = pen.header(PASSPORT);
    let without = forge::with(header.clone(), "alg", json!("none"));
    let secret = forge::with(header.clone(), "alg", json!("HS256"));
    let embedded = forge::with(header.clone(), "jwk", forge::jwk(pen.key));
    let critical = forge::with(header.clone(), "crit", json!(["exp"]));
    let passport = forger.signed(&header, &claims)?;
    let mut twice = forger.stamped(passport.clone())?;
    twice.push(("Txn-Token", passport.clone()));
    let mut joined = forger.stamped(passport.clone())?;
    joined.retain(|(name, _)| *name != "Txn-Token");
    joined.push(("Txn-Token", format!("{passport}, {passport}")));
    Ok(vec![
        ("9a", "alg none", forger.stamped(forge::unsigned(&without, &claims))?),
        ("9b", "HS256 with the public key as secret", forger.stamped(pen.confuse(&secret, &claims)?)?),
        ("9c", "a key embedded in the header (jwk)", forger.stamped(forger.signed(&embedded, &claims)?)?),
        ("9d", "a token of another type", forger.stamped(forger.signed(&pen.header("at+jwt"), &claims)?)?),
        ("9e", "a critical extension", forger.stamped(forger.signed(&critical, &claims)?)?),
        ("13a", "two Txn-Token fields", twice),
        ("13b", "two passports in one field", joined),
    ])
}

/// Soundly signed, by who may not.
fn of_wrong_signers(forger: &Forger<'_>, id: &SpiffeId) -> Result<Vec<Listed>, ForgeError> {
    let header = forger.pen.header(PASSPORT);
    let others = forger.stamped(forger.signed(&header, &forger.claims())?)?;
    let own = forger.signed(&header, &forge::claims(forger.me, forger.domain, forger.now))?;
    let own = forger.handed(own, &[forger.me, forger.me])?;
    let who: SpiffeId = forger.asserter.parse().unwrap_or_else(|_| id.clone());
    let stranger = Camp::new(id.trust_domain())?.member(&who)?;
    let leaf = Fingerprint::of(stranger.chain.first().map(Vec::as_slice).unwrap_or_default());
    let pen = Pen { key: &stranger.key, leaf: &leaf };
    let passport = pen.sign(&pen.header(PASSPORT), &forger.claims())?;
    let mut strange = forger.stamped(passport)?;
    strange.push(("Portcullis-Chains", forge::chain(&stranger.chain)));
    Ok(vec![
        ("10a", "a passport in the name of who may introduce users, signed by us", others),
        ("10b", "a passport of our own, though we may not introduce users", own),
        ("10c", "a passport signed by a stranger, with his certificates", strange),
    ])
}

/// Soundly formed, for elsewhere or another time.
fn of_wrong_claims(forger: &Forger<'_>) -> Result<Vec<Listed>, ForgeError> {
    let times = |iat: i64, life: i64| {
        let claims = forge::with(forger.claims(), "iat", json!(forger.now + iat));
        forge::with(claims, "exp", json!(forger.now + iat + life))
    };
    let made = |claims: Value| forger.stamped(forger.signed(&forger.pen.header(PASSPORT), &claims)?);
    let abroad = forge::with(forger.claims(), "aud", json!("selftest.invalid"));
    Ok(vec![
        ("11a", "a passport for another trust domain", made(abroad)?),
        ("11b", "a passport that lives for an hour", made(times(0, 3600))?),
        ("11c", "a passport from the future", made(times(FAR, 60))?),
        ("11d", "a passport that is over", made(times(-FAR, 60))?),
    ])
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;

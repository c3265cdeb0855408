//! What was verified is remembered exactly as long as the verdict would be the same.

use super::*;
use crate::identity::passport::{LIFE, SKEW};
use crate::identity::support::{Evidence, World, nobody};
use crate::mesh::support::{EDGE, ORDER, PAYMENT, period};
use crate::mesh::{Believed, Own};
use portcullis_ca::deny::{Denial, DenyList};
use serde_json::json;

fn asked(inspector: &mut Inspector, world: &World, evidence: &Evidence) -> Result<Arc<Carried>, Rejected> {
    asked_by(inspector, world, (evidence, &world.edge), world.now)
}

fn asked_by(
    inspector: &mut Inspector,
    world: &World,
    (evidence, by): (&Evidence, &Own),
    now: Timestamp,
) -> Result<Arc<Carried>, Rejected> {
    inspector.verify(evidence.presented(by)?, &world.hands(by, &world.order), now)
}

/// The same trust with these denials, one version on.
fn changed(world: &World, denied: Vec<Denial>) -> Arc<Believed> {
    let Believed { bundle, asserters, version, .. } = &*world.trust;
    Arc::new(Believed {
        bundle: bundle.clone(),
        denied: DenyList::new(denied),
        asserters: asserters.clone(),
        version: version + 1,
    })
}

#[test]
fn the_same_evidence_is_verified_once() {
    let (world, mut inspector) = (World::new(), Inspector::new());
    let evidence = world.evidence(&json!({}));

    let first = asked(&mut inspector, &world, &evidence).unwrap();
    let second = asked(&mut inspector, &world, &evidence).unwrap();

    // A verification makes a new one each time.
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(inspector.entries.len(), 1);
}

#[test]
fn evidence_that_differs_anywhere_is_verified_anew() {
    let (world, mut inspector) = (World::new(), Inspector::new());
    let evidence = world.evidence(&json!({}));
    asked(&mut inspector, &world, &evidence).unwrap();
    // What is hashed, the signatures at the ends, is the same.
    let mut passport = evidence.passport.clone();
    passport.replace_range(0..1, "f");
    let mut stamps = evidence.stamps.clone();
    stamps[0].replace_range(0..1, "f");

    let other = Evidence { passport, ..evidence.clone() };
    assert_eq!(asked(&mut inspector, &world, &other).err(), Some(Rejected::Malformed));
    let other = Evidence { stamps, ..evidence.clone() };
    assert_eq!(asked(&mut inspector, &world, &other).err(), Some(Rejected::Malformed));
    let other = Evidence { chains: vec![world.payment.chain.clone()], ..evidence };
    assert_eq!(asked(&mut inspector, &world, &other).err(), Some(Rejected::Malformed));
}

#[test]
fn what_one_peer_proved_another_does_not() {
    let (world, mut inspector) = (World::new(), Inspector::new());
    let evidence = world.evidence(&json!({}));
    asked(&mut inspector, &world, &evidence).unwrap();
    let bare = Evidence { chains: Vec::new(), ..evidence };

    let thief = asked_by(&mut inspector, &world, (&bare, &world.payment), world.now);
    let replica = asked_by(&mut inspector, &world, (&bare, &world.ca.own(EDGE)), world.now);

    assert_eq!(thief.err(), Some(Rejected::WrongHands));
    assert_eq!(replica.err(), Some(Rejected::UntrustedSigner));
}

#[test]
fn what_is_refused_is_not_remembered() {
    let (world, mut inspector) = (World::new(), Inspector::new());
    let evidence = world.evidence(&json!({ "aud": "other.example" }));
    for _ in 0..3 {
        assert_eq!(asked(&mut inspector, &world, &evidence).err(), Some(Rejected::WrongAudience));
    }

    assert_eq!(inspector.entries.len(), 0);
}

#[test]
fn a_changed_trust_is_asked_again() {
    let (mut world, mut inspector) = (World::new(), Inspector::new());
    let evidence = world.evidence(&json!({})).handed(&world.order, PAYMENT);
    let mut at_payment = |world: &World| {
        let presented = evidence.presented(&world.order).unwrap();
        inspector.verify(presented, &world.hands(&world.order, &world.payment), world.now)
    };
    let first = at_payment(&world).unwrap();

    world.trust = changed(&world, vec![Denial::Id(ORDER.parse().unwrap())]);
    let anew = at_payment(&world).unwrap();
    world.trust = changed(&world, vec![Denial::Id(EDGE.parse().unwrap())]);

    // Whether the peer is denied is for its connection to say.
    assert!(!Arc::ptr_eq(&first, &anew));
    assert_eq!(at_payment(&world).err(), Some(Rejected::UntrustedSigner));
}

#[test]
fn an_asserter_that_may_no_longer_is_heard_no_longer() {
    let (world, mut inspector) = (World::new(), Inspector::new());
    let evidence = world.evidence(&json!({}));
    asked(&mut inspector, &world, &evidence).unwrap();
    let hands = Hands { asserts: &nobody, ..world.hands(&world.edge, &world.order) };

    let again = inspector.verify(evidence.presented(&world.edge).unwrap(), &hands, world.now);

    assert_eq!(again.err(), Some(Rejected::NotAsserter));
}

#[test]
fn evidence_for_who_we_were_is_not_evidence_for_who_we_are() {
    let (world, mut inspector) = (World::new(), Inspector::new());
    let evidence = world.evidence(&json!({}));
    asked(&mut inspector, &world, &evidence).unwrap();
    let hands = world.hands(&world.edge, &world.payment);

    let again = inspector.verify(evidence.presented(&world.edge).unwrap(), &hands, world.now);

    assert_eq!(again.err(), Some(Rejected::WrongAudience));
}

#[test]
fn a_passport_that_expires_is_expired_though_it_is_remembered() {
    let (world, mut inspector) = (World::new(), Inspector::new());
    let evidence = world.evidence(&json!({}));
    let first = asked(&mut inspector, &world, &evidence).unwrap();
    let mut at = |seconds: i64| {
        let now = Timestamp(world.now.0 + seconds);
        asked_by(&mut inspector, &world, (&evidence, &world.edge), now)
    };

    assert!(Arc::ptr_eq(&at(LIFE + SKEW).unwrap(), &first));
    assert_eq!(at(LIFE + SKEW + 1).err(), Some(Rejected::Expired));
    assert_eq!(inspector.entries.len(), 0);
}

#[test]
fn a_signer_whose_certificate_ends_first_ends_the_verdict() {
    let (mut world, mut inspector) = (World::new(), Inspector::new());
    world.edge = world.ca.spoiled(EDGE, |params| period(params, -60, 20));
    let evidence = world.evidence(&json!({})).handed(&world.order, PAYMENT);
    let mut at = |moment: Timestamp| {
        let presented = evidence.presented(&world.order).unwrap();
        inspector.verify(presented, &world.hands(&world.order, &world.payment), moment)
    };
    let end = world.edge.svid.not_after;

    assert!(at(world.now).is_ok() && at(end).is_ok());
    assert_eq!(at(Timestamp(end.0 + 1)).err(), Some(Rejected::UntrustedSigner));
}

#[test]
fn a_purge_forgets_what_has_expired() {
    let (world, mut inspector) = (World::new(), Inspector::new());
    asked(&mut inspector, &world, &world.evidence(&json!({}))).unwrap();

    inspector.purge(Timestamp(world.now.0 + LIFE));
    assert_eq!(inspector.entries.len(), 1);
    inspector.purge(Timestamp(world.now.0 + LIFE + SKEW + 1));
    assert_eq!(inspector.entries.len(), 0);
}

#[test]
fn a_peer_that_brings_ever_new_evidence_fills_no_memory() {
    let (world, mut inspector) = (World::new(), Inspector::new());
    let passport = Evidence::by(&world.edge, world.now, &json!({}));
    for _ in 0..MOST + 10 {
        // Signatures are random, so each stamp is another one.
        let evidence = passport.clone().handed(&world.edge, ORDER);
        asked(&mut inspector, &world, &evidence).unwrap();

        assert!(inspector.entries.len() <= MOST);
    }
}

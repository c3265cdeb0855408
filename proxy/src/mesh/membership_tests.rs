//! What a membership says of others: denied, asserting, for how long.

use super::support::{Ca, EDGE, ORDER, PAYMENT, svid};
use super::*;
use portcullis_ca::deny::Denial;

fn id(text: &str) -> SpiffeId {
    text.parse().unwrap()
}

#[test]
fn who_the_authority_lets_introduce_users_may_and_the_configuration_only_narrows_that() {
    let ca = Ca::new();
    let member = ca.member(ca.own(ORDER));

    assert!(member.asserts(&id(EDGE), &[]));
    assert!(member.asserts(&id(EDGE), &[id(EDGE)]));
    assert!(!member.asserts(&id(EDGE), &[id(PAYMENT)]));
    assert!(!member.asserts(&id(PAYMENT), &[id(PAYMENT)]));
}

#[test]
fn with_files_only_whom_the_configuration_names_may_introduce_users() {
    let ca = Ca::new();
    let member = Membership::new(Arc::new(ca.own(ORDER)), ca.believed(Vec::new()), Origin::Files).unwrap();

    assert!(!member.asserts(&id(EDGE), &[]));
    assert!(member.asserts(&id(PAYMENT), &[id(PAYMENT)]));
    assert!(!member.asserts(&id(EDGE), &[id(PAYMENT)]));
}

#[test]
fn a_connection_ends_after_an_hour_or_four_fifths_of_what_is_left() {
    let ca = Ca::new();
    let member = ca.member(ca.own(ORDER));
    let (wall, start) = (member.own.svid.not_before, clock::now());
    let age = |left| member.retire_at(&svid(PAYMENT, wall.0 + left), wall, start).duration_since(start);

    let ages = [86_400, 3_000, 100, 0, -5].map(|left| age(left).as_secs());

    // Our own certificate has 3660 s: the earlier end counts.
    assert_eq!(ages, [2_928, 2_400, 80, 0, 0]);
    let long = ca.member(ca.spoiled(ORDER, |params| support::period(params, 0, 80_000)));
    let at = long.retire_at(&svid(PAYMENT, wall.0 + 80_000), wall, start);
    assert_eq!(at.duration_since(start), OLDEST);
}

#[test]
fn who_was_believed_is_judged_anew_by_leaf_intermediate_and_root() {
    let (ca, other) = (Ca::new(), Ca::new());
    let (own, peer) = (Arc::new(ca.own(ORDER)), ca.own(PAYMENT));
    let shown = Peer { svid: peer.svid.clone(), leaf: peer.leaf, chain: peer.chain.clone() };
    let under = |trust| Membership::new(Arc::clone(&own), trust, Origin::Authority).unwrap();
    let above = certificate_serial(ca.intermediate());
    let judged = |member: &Membership| member.judge(&shown, Side::Client, now());

    let good = under(ca.believed(Vec::new()));
    let denied = under(ca.believed(vec![Denial::Id(id(PAYMENT))]));
    let without_intermediate = under(ca.believed(vec![Denial::Serial(above)]));
    let without_root = under(other.believed(Vec::new()));

    assert_eq!(judged(&good), Ok(()));
    assert!(!good.denies(&peer.svid) && denied.denies(&peer.svid));
    assert!(matches!(judged(&denied), Err(VerifyError::Denied { .. })));
    assert_eq!(judged(&without_intermediate), Err(VerifyError::AuthorityDenied(above)));
    assert!(matches!(judged(&without_root), Err(VerifyError::UnknownRoot { .. })));
}

fn certificate_serial(der: &[u8]) -> portcullis_ca::names::Serial {
    let facts = portcullis_ca::certificate::read(der).unwrap();
    portcullis_ca::names::Serial::from_bytes(&facts.serial).unwrap()
}

#[test]
fn a_membership_is_over_after_the_last_second_of_its_certificate() {
    let ca = Ca::new();
    let member = ca.member(ca.own(ORDER));
    let last = member.own.svid.not_after;

    assert!(!member.expired(last));
    assert!(member.expired(last.after(Duration::from_secs(1))));
    assert_eq!(member.facts().not_after, last);
    assert_eq!((member.facts().roots, member.facts().generation, member.facts().sequence), (1, 1, 1));
}

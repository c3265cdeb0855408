//! What is made here is believed there, and is made once.

use super::*;
use crate::identity::evidence::{Presented, Rejected, verify};
use crate::identity::passport::SKEW;
use crate::identity::support::{World, alice};
use crate::mesh::support::{EDGE, ORDER, PAYMENT, period};

const TXN: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;

fn id(text: &str) -> SpiffeId {
    text.parse().unwrap()
}

/// Alice's passport by the edge.
fn passport(signer: &mut Signer, world: &World) -> Arc<Carried> {
    signer.passport_for(&alice(), &world.edge, world.now, TXN).unwrap()
}

fn attached(
    signer: &mut Signer,
    carried: &Arc<Carried>,
    (by, to): (&Own, &str),
    now: Timestamp,
) -> Result<HeaderMap, AttachError> {
    let mut headers = HeaderMap::new();
    signer.attach(&mut headers, carried, (by, &id(to)), now)?;
    Ok(headers)
}

/// What `to` makes of what `by` attaches for it.
fn handed(
    world: &World,
    carried: &Arc<Carried>,
    (by, to): (&Own, &Own),
    (there, here): (Timestamp, Timestamp),
) -> Result<Arc<Carried>, Rejected> {
    let mut headers = attached(&mut Signer::new(), carried, (by, to.svid.id.as_str()), there).unwrap();
    let presented = Presented::take(&mut headers).unwrap().unwrap();
    verify(&presented, &world.hands(by, to), here).map(Arc::new)
}

fn later(world: &World, seconds: i64) -> Timestamp {
    Timestamp(world.now.0 + seconds)
}

#[test]
fn a_user_introduced_here_is_proved_there() {
    let world = World::new();
    let carried = passport(&mut Signer::new(), &world);

    let proved = handed(&world, &carried, (&world.edge, &world.order), (world.now, world.now)).unwrap();

    assert_eq!(proved.principal, alice());
    assert_eq!(proved.expires.0, world.now.0 + LIFE);
    assert_eq!(proved.asserter.as_str(), EDGE);
}

#[test]
fn a_user_is_handed_on_through_eight_hands_and_no_ninth() {
    let world = World::new();
    let mut carried = passport(&mut Signer::new(), &world);
    let (mut by, mut to) = (&world.edge, &world.order);
    for hop in 1..=8 {
        carried = handed(&world, &carried, (by, to), (world.now, world.now)).unwrap();
        assert_eq!(carried.stamps.len(), hop);
        (by, to) = (to, if hop % 2 == 1 { &world.payment } else { &world.order });
    }

    let mut headers = HeaderMap::new();
    let ninth = Signer::new().attach(&mut headers, &carried, (by, &to.svid.id), world.now);

    assert!(matches!(ninth, Err(AttachError::TooManyStamps)));
    assert!(headers.is_empty());
}

#[test]
fn the_first_hop_needs_no_certificates_and_the_second_those_of_the_first() {
    let world = World::new();
    let carried = passport(&mut Signer::new(), &world);
    let first = attached(&mut Signer::new(), &carried, (&world.edge, ORDER), world.now).unwrap();
    let at_order = handed(&world, &carried, (&world.edge, &world.order), (world.now, world.now)).unwrap();
    let second = attached(&mut Signer::new(), &at_order, (&world.order, PAYMENT), world.now).unwrap();

    assert!(!first.contains_key(CHAINS));
    assert_eq!(second[CHAINS].to_str().unwrap(), written(&world.edge.chain));
    assert_eq!(second[TXN_TOKEN], first[TXN_TOKEN]);
    assert_eq!(second[STAMPS].to_str().unwrap().split(", ").count(), 2);
}

#[test]
fn a_passport_is_made_once_for_a_user_until_half_of_its_life_is_over() {
    let (world, mut signer) = (World::new(), Signer::new());
    let first = passport(&mut signer, &world);
    let mut at = |seconds| signer.passport_for(&alice(), &world.edge, later(&world, seconds), TXN).unwrap();

    assert!(Arc::ptr_eq(&first, &at(0)));
    assert!(Arc::ptr_eq(&first, &at(LIFE / 2)));
    let second = at(LIFE / 2 + 1);
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &at(LIFE / 2 + 2)));
}

#[test]
fn another_user_gets_another_passport() {
    let (world, mut signer) = (World::new(), Signer::new());
    let first = passport(&mut signer, &world);
    let others = [
        Principal { user: "bob".into(), ..alice() },
        Principal { roles: vec![], ..alice() },
        Principal { scopes: vec!["orders:read".into()], ..alice() },
    ];
    for other in others {
        let made = signer.passport_for(&other, &world.edge, world.now, TXN).unwrap();

        assert_ne!(made.passport, first.passport);
        let proved = handed(&world, &made, (&world.edge, &world.order), (world.now, world.now)).unwrap();
        assert_eq!(proved.principal, other);
    }
}

/// Row 31: for a while there are connections of both certificates.
#[test]
fn both_certificates_of_a_rotation_have_a_passport_of_their_own_and_each_is_made_once() {
    let (world, mut signer) = (World::new(), Signer::new());
    let renewed = world.ca.own(EDGE);
    let mut by = |own: &Own| signer.passport_for(&alice(), own, world.now, TXN).unwrap();
    let (old, new) = (by(&world.edge), by(&renewed));

    assert!(!Arc::ptr_eq(&old, &new));
    assert!(Arc::ptr_eq(&old, &by(&world.edge)) && Arc::ptr_eq(&new, &by(&renewed)));
}

/// Row 31: what arrived before a rotation goes on after it.
#[test]
fn what_the_old_certificate_signed_is_handed_on_by_the_new_one() {
    let world = World::new();
    let renewed = world.ca.own(EDGE);
    let carried = passport(&mut Signer::new(), &world);

    let proved = handed(&world, &carried, (&renewed, &world.order), (world.now, world.now)).unwrap();

    assert_eq!(proved.signers.len(), 2);
}

#[test]
fn a_stamp_is_made_once_for_a_passport_a_recipient_and_a_certificate() {
    let (world, mut signer) = (World::new(), Signer::new());
    let carried = passport(&mut signer, &world);
    let renewed = world.ca.own(EDGE);
    let mut to = |own, to: &str| attached(&mut signer, &carried, (own, to), world.now).unwrap();
    let first = to(&world.edge, ORDER);

    // Signatures are random: the same bytes were not signed twice.
    assert_eq!(to(&world.edge, ORDER), first);
    assert_ne!(to(&world.edge, PAYMENT), first);
    assert_ne!(to(&renewed, ORDER), first);
    assert_eq!(to(&world.edge, ORDER), first);
}

#[test]
fn attaching_replaces_what_stood_there() {
    let (world, mut signer) = (World::new(), Signer::new());
    let carried = passport(&mut signer, &world);
    let mut headers = HeaderMap::new();
    for name in [TXN_TOKEN, STAMPS, CHAINS] {
        headers.append(name.clone(), HeaderValue::from_static("forged"));
        headers.append(name, HeaderValue::from_static("again"));
    }

    signer.attach(&mut headers, &carried, (&world.edge, &id(ORDER)), world.now).unwrap();

    assert_eq!(headers.len(), 2);
    assert!(headers.values().all(|value| value != "forged" && value != "again"));
}

#[test]
fn clocks_that_differ_by_five_seconds_do_not_matter() {
    let world = World::new();
    let carried = passport(&mut Signer::new(), &world);
    for (there, here) in
        [(0, 0), (-SKEW, 0), (-SKEW, -SKEW), (SKEW, 0), (0, -SKEW), (LIFE - 1, LIFE), (LIFE, LIFE)]
    {
        let moments = (later(&world, there), later(&world, here));

        let got = handed(&world, &carried, (&world.edge, &world.order), moments);

        assert!(got.is_ok(), "{there} {here}: {:?}", got.err());
    }
}

#[test]
fn a_user_that_fits_no_header_is_not_introduced() {
    let (world, mut signer) = (World::new(), Signer::new());
    let unsound = Principal { user: "al ice".into(), ..alice() };
    let large = Principal { roles: vec!["r".repeat(256).into(); 64], ..alice() };

    let mut made = |user| signer.passport_for(user, &world.edge, world.now, TXN).err();

    assert!(matches!(made(&unsound), Some(AttachError::User)));
    assert!(matches!(made(&large), Some(AttachError::TooLarge("passport"))));
}

#[test]
fn caches_are_bounded_and_a_purge_forgets_what_has_expired() {
    let (world, mut signer) = (World::new(), Signer::new());
    for number in 0..MOST + 1 {
        let user = Principal { user: number.to_string().into(), ..alice() };
        let carried = signer.passport_for(&user, &world.edge, world.now, TXN).unwrap();
        attached(&mut signer, &carried, (&world.edge, ORDER), world.now).unwrap();
    }
    assert!(signer.passports.len() <= MOST && signer.ready.len() <= MOST);
    passport(&mut signer, &world);

    signer.purge(later(&world, LIFE));
    assert!(!signer.passports.is_empty());
    signer.purge(later(&world, LIFE + 1));
    assert!(signer.passports.is_empty() && signer.ready.is_empty());
}

#[test]
fn a_certificate_near_its_end_still_signs() {
    let mut world = World::new();
    world.edge = world.ca.spoiled(EDGE, |params| period(params, -60, 5));
    let carried = passport(&mut Signer::new(), &world);

    assert!(handed(&world, &carried, (&world.edge, &world.order), (world.now, world.now)).is_ok());
}

//! What is new gets a number; what is not usable changes nothing.

use super::super::support::{Ca, DOMAIN, ORDER};
use super::*;
use portcullis_ca::deny::Denial;

fn publisher() -> Publisher {
    Publisher::new(DOMAIN.parse().unwrap(), Origin::Authority)
}

fn offered(publisher: &Publisher, own: &Own, trust: &Trust) -> Result<(u64, u64), OfferError> {
    let offer = Offer { chain: &own.chain, key: &own.key, svid: &own.svid, trust };
    publisher.offer(&offer)?;
    let now = publisher.current.borrow().clone().unwrap();
    Ok((now.own.generation, now.trust.version))
}

#[test]
fn another_certificate_and_another_trust_count_for_themselves() {
    let (ca, publisher) = (Ca::new(), publisher());
    let (first, second) = (ca.own(ORDER), ca.own(ORDER));
    let denied = vec![Denial::Id("spiffe://shop.example/lab/x".parse().unwrap())];

    let numbers = [
        offered(&publisher, &first, &ca.trust(1, Vec::new())).unwrap(),
        offered(&publisher, &second, &ca.trust(1, Vec::new())).unwrap(),
        offered(&publisher, &second, &ca.trust(2, denied.clone())).unwrap(),
        offered(&publisher, &first, &ca.trust(3, denied)).unwrap(),
    ];

    assert_eq!(numbers, [(1, 1), (2, 1), (2, 2), (3, 3)]);
}

#[test]
fn what_is_not_new_is_not_published() {
    let (ca, publisher) = (Ca::new(), publisher());
    let own = ca.own(ORDER);
    offered(&publisher, &own, &ca.trust(1, Vec::new())).unwrap();
    let mut watching = publisher.subscribe();
    watching.mark_unchanged();

    offered(&publisher, &own, &ca.trust(1, Vec::new())).unwrap();

    assert!(!watching.has_changed().unwrap());
}

#[test]
fn what_does_not_fit_leaves_the_one_before_in_force() {
    let (ca, publisher) = (Ca::new(), publisher());
    let own = ca.own(ORDER);
    offered(&publisher, &own, &ca.trust(1, Vec::new())).unwrap();
    let foreign = ca.own("spiffe://lab.example/svc/order");
    let mut mixed = ca.own(ORDER);
    mixed.key = Arc::clone(&own.key);
    let mut elsewhere = ca.trust(2, Vec::new());
    elsewhere.bundle.trust_domain = "lab.example".parse().unwrap();

    let refused = [
        offered(&publisher, &foreign, &ca.trust(1, Vec::new())).unwrap_err(),
        offered(&publisher, &mixed, &ca.trust(1, Vec::new())).unwrap_err(),
        offered(&publisher, &own, &elsewhere).unwrap_err(),
    ];

    assert!(matches!(
        refused,
        [OfferError::TrustDomain { .. }, OfferError::OtherKey(_), OfferError::TrustDomain { .. }]
    ));
    let now = publisher.current.borrow().clone().unwrap();
    assert_eq!((now.own.leaf, now.own.generation, now.trust.version), (own.leaf, 1, 1));
}

//! Trust over the wire: the round trip, and that one wrong part spoils the whole.

use super::*;
use crate::bundle::REFRESH_HINT;
use crate::proto::denial::What;
use proptest::prelude::*;
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};
use std::sync::LazyLock;

static ROOT: LazyLock<Vec<u8>> = LazyLock::new(root);

fn root() -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn shop() -> TrustDomain {
    "shop.example".parse().unwrap()
}

fn id(name: &str) -> SpiffeId {
    format!("spiffe://shop.example/svc/{name}").parse().unwrap()
}

fn trust() -> Trust {
    Trust {
        bundle: Bundle::new(shop(), [ROOT.clone()], 7, REFRESH_HINT).unwrap(),
        denied: vec![
            Denial::Serial(Serial::from_random([3; 16])),
            Denial::Id(id("order")),
            Denial::Before { id: id("stock"), not_before: Timestamp(1_795_000_000) },
        ],
        asserters: vec![id("edge")],
    }
}

/// What is read of a good message that differs in one point.
fn spoiled(spoil: impl FnOnce(&mut proto::Trust)) -> Result<Trust, TrustError> {
    let mut wire = trust().to_wire(0);
    spoil(&mut wire);
    Trust::from_wire(wire, Some(&shop()))
}

fn denial(what: What) -> proto::Denial {
    proto::Denial { what: Some(what) }
}

#[test]
fn trust_is_read_as_it_was_sent() {
    let wire = trust().to_wire(1_795_000_000_123);
    let sent = proto::Trust::decode(wire.encode_to_vec().as_slice()).unwrap();

    assert_eq!(sent.server_time_ms, 1_795_000_000_123);
    assert_eq!(sent.refresh_hint, 300);
    assert_eq!(Trust::from_wire(sent, Some(&shop())).unwrap(), trust());
}

#[test]
fn no_roots_means_to_believe_nobody() {
    let read = spoiled(|wire| wire.roots.clear()).unwrap();

    assert_eq!(read.bundle.roots, Vec::<Vec<u8>>::new());
}

#[test]
fn no_refresh_hint_means_the_usual_one() {
    assert_eq!(spoiled(|wire| wire.refresh_hint = 0).unwrap().bundle.refresh_hint, REFRESH_HINT);
}

#[test]
fn another_trust_domain_than_the_expected_one_is_refused() {
    let bank = "bank.example".parse().unwrap();

    let error = Trust::from_wire(trust().to_wire(0), Some(&bank)).unwrap_err();

    assert!(matches!(&error, TrustError::OtherTrustDomain { .. }), "{error}");
    assert!(error.to_string().contains("shop.example") && error.to_string().contains("bank.example"));
    assert!(Trust::from_wire(trust().to_wire(0), None).is_ok());
}

/// Turns a good message into the one of a row.
type Spoil = fn(&mut proto::Trust);
/// Whether it is the error of a row.
type Expected = fn(&TrustError) -> bool;

#[test]
fn one_wrong_part_spoils_the_whole() {
    let table: [(&str, Spoil, Expected); 13] = [
        ("no trust domain", |w| w.trust_domain.clear(), |e| matches!(e, TrustError::TrustDomain(_))),
        (
            "a trust domain in capitals",
            |w| w.trust_domain = "Shop.example".into(),
            |e| matches!(e, TrustError::TrustDomain(_)),
        ),
        (
            "a root that is none",
            |w| w.roots.push(b"rubbish".to_vec()),
            |e| matches!(e, TrustError::Bundle(BundleError::Root { number: 2, .. })),
        ),
        ("an empty root", |w| w.roots.push(vec![]), |e| matches!(e, TrustError::Bundle(_))),
        (
            "a rule that is none",
            |w| w.denied.push(proto::Denial { what: None }),
            |e| matches!(e, TrustError::UnknownDenial),
        ),
        (
            "a short serial",
            |w| w.denied.push(denial(What::Serial(vec![1; 15]))),
            |e| matches!(e, TrustError::Serial),
        ),
        (
            "a long serial",
            |w| w.denied.push(denial(What::Serial(vec![1; 17]))),
            |e| matches!(e, TrustError::Serial),
        ),
        (
            "a malformed ID denied",
            |w| w.denied.push(denial(What::Id("order".into()))),
            |e| matches!(e, TrustError::Id(_)),
        ),
        (
            "a foreign ID denied",
            |w| w.denied.push(denial(What::Id("spiffe://bank.example/a".into()))),
            |e| matches!(e, TrustError::Foreign { .. }),
        ),
        (
            "a moment for nobody",
            |w| w.denied.push(denial(What::Before(proto::Before::default()))),
            |e| matches!(e, TrustError::Id(_)),
        ),
        (
            "a malformed asserter",
            |w| w.asserters.push("spiffe://shop.example/edge/".into()),
            |e| matches!(e, TrustError::Id(_)),
        ),
        (
            "a foreign asserter",
            |w| w.asserters.push("spiffe://bank.example/edge".into()),
            |e| matches!(e, TrustError::Foreign { .. }),
        ),
        (
            "the trust domain as an asserter",
            |w| w.asserters.push("spiffe://shop.example".into()),
            |e| matches!(e, TrustError::NoPath(_)),
        ),
    ];

    for (name, spoil, expected) in table {
        let error = spoiled(spoil).expect_err(name);

        assert!(expected(&error), "{name}: {error}");
    }
}

#[test]
fn a_rule_of_a_future_kind_is_not_skipped() {
    // Field 4 of a Denial, which does not exist yet.
    let newer = proto::Denial::decode([0x22, 1, b'x'].as_slice()).unwrap();

    let error = spoiled(|wire| wire.denied.push(newer)).unwrap_err();

    assert!(matches!(error, TrustError::UnknownDenial));
}

#[test]
fn lists_have_limits() {
    let roots = |count: usize| spoiled(|wire| wire.roots = (0..count).map(|_| root()).collect());
    let denied = |count| spoiled(|wire| wire.denied.resize(count, denial(What::Serial(vec![1; 16]))));
    let asserters = |count| spoiled(|wire| wire.asserters.resize(count, "spiffe://shop.example/edge".into()));

    assert_eq!(roots(16).unwrap().bundle.roots.len(), 16);
    assert!(matches!(roots(17), Err(TrustError::Bundle(BundleError::TooMany))));
    assert_eq!(denied(100_000).unwrap().denied.len(), 100_000);
    assert!(matches!(denied(100_001), Err(TrustError::TooMany { most: 100_000, .. })));
    assert_eq!(asserters(10_000).unwrap().asserters.len(), 10_000);
    assert!(matches!(asserters(10_001), Err(TrustError::TooMany { most: 10_000, .. })));
}

fn any_denial() -> impl Strategy<Value = Denial> {
    prop_oneof![
        any::<[u8; 16]>().prop_map(|bits| Denial::Serial(Serial::from_random(bits))),
        "[a-zA-Z0-9_-]{1,20}".prop_map(|name| Denial::Id(id(&name))),
        ("[a-zA-Z0-9_-]{1,20}", any::<i64>())
            .prop_map(|(name, at)| Denial::Before { id: id(&name), not_before: Timestamp(at) }),
    ]
}

proptest! {
    #[test]
    fn any_trust_survives_the_round_trip(
        denied in prop::collection::vec(any_denial(), 0..8),
        asserters in prop::collection::vec("[a-zA-Z0-9_-]{1,20}", 0..4),
        (sequence, hint, believed) in (any::<u64>(), 1..=86_400_u64, any::<bool>()),
    ) {
        let roots = believed.then(|| ROOT.clone());
        let bundle = Bundle::new(shop(), roots, sequence, Duration::from_secs(hint)).unwrap();
        let trust = Trust { bundle, denied, asserters: asserters.iter().map(|name| id(name)).collect() };

        let wire = proto::Trust::decode(trust.to_wire(0).encode_to_vec().as_slice()).unwrap();

        prop_assert_eq!(Trust::from_wire(wire, Some(&shop())).unwrap(), trust);
    }

    #[test]
    fn any_bytes_at_all_are_answered_without_a_panic(bytes in any::<Vec<u8>>()) {
        if let Ok(wire) = proto::Trust::decode(bytes.as_slice()) {
            let _ = Trust::from_wire(wire, None);
        }
    }
}

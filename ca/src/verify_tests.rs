//! Who is believed and who is not, with real certificates made for each row of a table.

use super::*;
use crate::deny::Denial;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
    SerialNumber,
};

const NOW: Timestamp = Timestamp(1_795_000_000);
const ID: &str = "spiffe://shop.example/svc/order";
/// RFC 5280, section 4.2.1.10.
const NAME_CONSTRAINTS: &[u64] = &[2, 5, 29, 30];

/// An authority of a test: its certificate, and what it signs with.
struct Ca {
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn root(spoil: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::root_with(KeyPair::generate().unwrap(), spoil)
    }

    fn root_with(key: KeyPair, spoil: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority("root-1", BasicConstraints::Unconstrained);
        spoil(&mut params);
        Self { der: params.self_signed(&key).unwrap().der().to_vec(), issuer: Issuer::new(params, key) }
    }

    /// An intermediate below.
    fn below(&self, spoil: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority("intermediate-1", BasicConstraints::Constrained(0));
        spoil(&mut params);
        let key = KeyPair::generate().unwrap();
        Self {
            der: params.signed_by(&key, &self.issuer).unwrap().der().to_vec(),
            issuer: Issuer::new(params, key),
        }
    }

    fn leaf(&self, spoil: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = leaf_params();
        spoil(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().to_vec()
    }
}

fn authority(name: &str, limits: BasicConstraints) -> CertificateParams {
    let mut params = lasting(86_400);
    params.distinguished_name.push(DnType::CommonName, format!("portcullis {name} shop.example"));
    params.subject_alt_names = vec![uri("spiffe://shop.example")];
    params.is_ca = IsCa::Ca(limits);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(SerialNumber::from_slice(&[0x41; 16]));
    params
}

fn leaf_params() -> CertificateParams {
    let mut params = lasting(3_600);
    params.subject_alt_names = vec![uri(ID)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.serial_number = Some(SerialNumber::from_slice(&[0x45; 16]));
    params
}

fn lasting(seconds: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = NOW.before(Duration::from_secs(60)).calendar();
    params.not_after = NOW.after(Duration::from_secs(seconds)).calendar();
    params
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn bundle(roots: &[&Ca]) -> Bundle {
    let roots = roots.iter().map(|root| root.der.clone()).collect();
    let trust_domain = "shop.example".parse().unwrap();
    Bundle { trust_domain, roots, sequence: 1, refresh_hint: bundle::REFRESH_HINT }
}

fn as_client(chain: &[&[u8]], roots: &[&Ca]) -> Result<Svid, VerifyError> {
    verify(chain, &bundle(roots), &DenyList::default(), Side::Client, NOW)
}

/// What is said of a leaf that differs from a good one.
fn spoiled(side: Side, spoil: impl FnOnce(&mut CertificateParams)) -> Result<Svid, VerifyError> {
    let root = Ca::root(|_| {});
    let intermediate = root.below(|_| {});
    let leaf = intermediate.leaf(spoil);
    verify(&[&leaf, &intermediate.der], &bundle(&[&root]), &DenyList::default(), side, NOW)
}

fn unknown() -> VerifyError {
    VerifyError::UnknownRoot { trust_domain: "shop.example".parse().unwrap(), roots: 1 }
}

#[test]
fn a_good_chain_says_who_it_is_with_and_without_the_root_in_it() {
    let (old, root) = (Ca::root(|_| {}), Ca::root(|_| {}));
    let intermediate = root.below(|_| {});
    let leaf = intermediate.leaf(|_| {});
    let chains: [&[&[u8]]; 4] = [
        &[&leaf, &intermediate.der],
        &[&leaf, &intermediate.der, &root.der],
        &[&leaf, &root.der, &intermediate.der],
        &[&leaf, &old.der, &intermediate.der, &root.der],
    ];

    for chain in chains {
        for side in [Side::Client, Side::Server] {
            let svid = verify(chain, &bundle(&[&old, &root]), &DenyList::default(), side, NOW).unwrap();

            assert_eq!(svid, certificate::svid(&leaf).unwrap());
            assert_eq!(svid.id.as_str(), ID);
        }
    }
}

#[test]
fn a_certificate_is_good_from_its_first_to_its_last_second_and_no_clock_is_forgiven() {
    let root = Ca::root(|_| {});
    let intermediate = root.below(|_| {});
    let leaf = intermediate.leaf(|_| {});
    let at = |now| {
        verify(
            &[&leaf, &intermediate.der],
            &bundle(&[&root]),
            &DenyList::default(),
            Side::Client,
            Timestamp(now),
        )
    };
    let (first, last) = (NOW.0 - 60, NOW.0 + 3_600);

    assert!(at(first).is_ok());
    assert!(at(last).is_ok());
    let early = VerifyError::NotYetValid { not_before: Timestamp(first), now: Timestamp(first - 1) };
    let late = VerifyError::Expired { not_after: Timestamp(last), now: Timestamp(last + 1) };
    assert_eq!(at(first - 1), Err(early));
    assert_eq!(at(last + 1), Err(late));
    assert!(matches!(at(-1), Err(VerifyError::NotYetValid { .. })));
    assert!(matches!(at(i64::MAX), Err(VerifyError::Expired { .. })));
}

#[test]
fn a_wrong_clock_is_named_with_both_moments() {
    let (not_after, not_before) = (Timestamp(1_790_000_000), Timestamp(1_790_007_200));
    let now = Timestamp(1_790_003_600);

    let late = VerifyError::Expired { not_after, now }.to_string();
    let early = VerifyError::NotYetValid { not_before, now }.to_string();

    for (text, moment) in [(late, "2026-09-21T14:13:20Z"), (early, "2026-09-21T16:13:20Z")] {
        assert!(text.contains(moment), "{text}");
        assert!(text.contains("2026-09-21T15:13:20Z"), "{text}");
        assert!(text.contains("clock"), "{text}");
    }
}

#[test]
fn an_authority_that_is_not_in_force_vouches_for_nobody_even_a_root() {
    let over =
        |params: &mut CertificateParams| params.not_after = NOW.before(Duration::from_secs(1)).calendar();
    let early =
        |params: &mut CertificateParams| params.not_before = NOW.after(Duration::from_secs(1)).calendar();
    let expired = Err(VerifyError::Expired { not_after: Timestamp(NOW.0 - 1), now: NOW });
    let future = Err(VerifyError::NotYetValid { not_before: Timestamp(NOW.0 + 1), now: NOW });
    let root = Ca::root(|_| {});
    let below =
        |root: &Ca, intermediate: &Ca| as_client(&[&intermediate.leaf(|_| {}), &intermediate.der], &[root]);

    assert_eq!(below(&root, &root.below(over)), expired);
    assert_eq!(below(&root, &root.below(early)), future);
    let old = Ca::root(over);
    assert_eq!(below(&old, &old.below(|_| {})), expired);
    let young = Ca::root(early);
    assert_eq!(below(&young, &young.below(|_| {})), future);
}

#[test]
fn a_root_made_anew_with_its_old_key_takes_over_from_the_expired_one() {
    let old = Ca::root(|params| params.not_after = NOW.before(Duration::from_secs(1)).calendar());
    let key = KeyPair::try_from(old.issuer.key().serialize_der()).unwrap();
    let renewed = Ca::root_with(key, |_| {});
    let intermediate = old.below(|_| {});

    let verified = as_client(&[&intermediate.leaf(|_| {}), &intermediate.der], &[&old, &renewed]);

    assert!(verified.is_ok(), "{verified:?}");
}

#[test]
fn another_authority_with_the_same_names_and_key_identifiers_is_unknown() {
    let alike = |params: &mut CertificateParams| {
        params.key_identifier_method = KeyIdMethod::PreSpecified(vec![7; 20])
    };
    let (ours, theirs) = (Ca::root(alike), Ca::root(alike));
    let intermediate = theirs.below(|params| {
        alike(params);
        params.use_authority_key_identifier_extension = true;
    });
    let leaf = intermediate.leaf(|params| params.use_authority_key_identifier_extension = true);

    assert!(as_client(&[&leaf, &intermediate.der], &[&theirs]).is_ok());
    assert_eq!(as_client(&[&leaf, &intermediate.der], &[&ours]), Err(unknown()));
    assert_eq!(as_client(&[&leaf, &intermediate.der, &theirs.der], &[&ours]), Err(unknown()));
}

#[test]
fn what_leads_to_no_root_of_the_bundle_is_unknown() {
    let (root, other) = (Ca::root(|_| {}), Ca::root(|_| {}));
    let intermediate = root.below(|_| {});
    let leaf = intermediate.leaf(|_| {});
    let selfmade = leaf_params().self_signed(&KeyPair::generate().unwrap()).unwrap();

    assert_eq!(as_client(&[&leaf], &[&root]), Err(unknown()), "without its intermediate");
    assert_eq!(as_client(&[&leaf, &other.der], &[&root]), Err(unknown()));
    assert_eq!(as_client(&[selfmade.der()], &[&root]), Err(unknown()));
    let nobody = VerifyError::UnknownRoot { trust_domain: "shop.example".parse().unwrap(), roots: 0 };
    assert_eq!(as_client(&[&leaf, &intermediate.der, &root.der], &[]), Err(nobody), "an empty bundle");
}

#[test]
fn a_workload_signs_nobody() {
    let root = Ca::root(|_| {});
    let intermediate = root.below(|_| {});
    for basic_constraints in [IsCa::NoCa, IsCa::ExplicitNoCa] {
        let thief = intermediate.below(|params| {
            *params = leaf_params();
            params.is_ca = basic_constraints;
            params.distinguished_name.push(DnType::CommonName, "thief");
        });
        let forged =
            thief.leaf(|params| params.subject_alt_names = vec![uri("spiffe://shop.example/svc/admin")]);

        let verified = as_client(&[&forged, &thief.der, &intermediate.der], &[&root]);

        assert_eq!(verified, Err(VerifyError::NotAuthority));
    }
}

#[test]
fn an_authority_without_the_key_usage_signs_nobody() {
    let root = Ca::root(|_| {});
    for usages in [vec![], vec![KeyUsagePurpose::DigitalSignature], vec![KeyUsagePurpose::CrlSign]] {
        let intermediate = root.below(|params| params.key_usages = usages);

        let verified = as_client(&[&intermediate.leaf(|_| {}), &intermediate.der], &[&root]);

        assert_eq!(verified, Err(VerifyError::NotAuthority));
    }
}

#[test]
fn an_intermediate_makes_no_further_one() {
    let root = Ca::root(|_| {});
    let intermediate = root.below(|_| {});
    let second = intermediate.below(|params| params.distinguished_name.push(DnType::CommonName, "second"));

    let verified = as_client(&[&second.leaf(|_| {}), &second.der, &intermediate.der], &[&root]);

    assert_eq!(verified, Err(VerifyError::TooDeep));
}

#[test]
fn an_authority_is_no_workload() {
    let root = Ca::root(|_| {});
    let intermediate = root.below(|_| {});

    assert_eq!(as_client(&[&intermediate.der], &[&root]), Err(VerifyError::Svid(SvidError::Authority)));
    assert_eq!(as_client(&[&root.der], &[&root]), Err(VerifyError::Svid(SvidError::Authority)));
}

#[test]
fn the_extended_key_usage_must_fit_the_side() {
    use ExtendedKeyUsagePurpose::{ClientAuth, CodeSigning, ServerAuth};
    let table = [
        (vec![ServerAuth], Side::Client, Err(VerifyError::Usage(Side::Client))),
        (vec![ClientAuth], Side::Server, Err(VerifyError::Usage(Side::Server))),
        (vec![CodeSigning], Side::Client, Err(VerifyError::Usage(Side::Client))),
        (vec![CodeSigning], Side::Server, Err(VerifyError::Usage(Side::Server))),
        (vec![ServerAuth], Side::Server, Ok(())),
        (vec![ClientAuth], Side::Client, Ok(())),
        // The standard (X509-SVID, section 4.4) wants both there, but does not make it a must.
        (vec![], Side::Client, Ok(())),
    ];

    for (usages, side, expected) in table {
        let verified = spoiled(side, |params| params.extended_key_usages.clone_from(&usages));

        assert_eq!(verified.map(|_| ()), expected, "{usages:?} as {side}");
    }
}

/// Turns a good leaf into the one of a row.
type Spoil = fn(&mut CertificateParams);

#[test]
fn an_identity_stands_in_exactly_one_uri_and_nowhere_else() {
    let table: [(&str, Spoil, SvidError); 7] = [
        ("no name", |p| p.subject_alt_names.clear(), SvidError::Uris(0)),
        (
            "common name",
            |p| {
                p.subject_alt_names.clear();
                p.distinguished_name.push(DnType::CommonName, ID);
            },
            SvidError::Uris(0),
        ),
        (
            "DNS",
            |p| p.subject_alt_names = vec![SanType::DnsName("order.shop.example".try_into().unwrap())],
            SvidError::Uris(0),
        ),
        (
            "email",
            |p| p.subject_alt_names = vec![SanType::Rfc822Name("order@shop.example".try_into().unwrap())],
            SvidError::Uris(0),
        ),
        ("two IDs", |p| p.subject_alt_names.push(uri("spiffe://shop.example/svc/admin")), SvidError::Uris(2)),
        ("ID and web page", |p| p.subject_alt_names.push(uri("https://shop.example")), SvidError::Uris(2)),
        ("may sign", |p| p.key_usages.push(KeyUsagePurpose::KeyCertSign), SvidError::SigningUsage),
    ];

    for (name, spoil, expected) in table {
        assert_eq!(spoiled(Side::Client, spoil), Err(VerifyError::Svid(expected)), "{name}");
    }
}

#[test]
fn an_id_that_could_be_read_in_two_ways_is_refused() {
    use crate::spiffe::SpiffeIdError as Id;
    let long = format!("spiffe://shop.example/{}", "a".repeat(2049 - 22));
    assert_eq!(long.len(), 2049);
    let table = [
        ("spiffe://shop.example/svc/a\0.b", SvidError::Id(Id::PathCharacter('\0'))),
        ("spiffe://shop.example\0.evil/svc/a", SvidError::Id(Id::TrustDomainCharacter('\0'))),
        ("SPIFFE://shop.example/svc/a", SvidError::Id(Id::Scheme)),
        ("spiffe://SHOP.example/svc/a", SvidError::Id(Id::TrustDomainCharacter('S'))),
        ("spiffe://shop.example/svc/a/", SvidError::Id(Id::EmptySegment)),
        ("spiffe://shop.example/svc/%2e%2e/a", SvidError::Id(Id::PathCharacter('%'))),
        ("spiffe://shop.example/svc/../a", SvidError::Id(Id::DotSegment)),
        ("spiffe://shop.example//svc/a", SvidError::Id(Id::EmptySegment)),
        ("spiffe://shop.example:443/svc/a", SvidError::Id(Id::TrustDomainCharacter(':'))),
        ("spiffe://me@shop.example/svc/a", SvidError::Id(Id::TrustDomainCharacter('@'))),
        ("spiffe://shop.example/svc/a?b", SvidError::Id(Id::PathCharacter('?'))),
        ("spiffe://shop.example/svc/a#b", SvidError::Id(Id::PathCharacter('#'))),
        ("https://shop.example/svc/a", SvidError::Id(Id::Scheme)),
        ("spiffe://shop.example", SvidError::NoPath),
        (&long, SvidError::Id(Id::TooLong)),
    ];

    for (text, expected) in table {
        let verified = spoiled(Side::Client, |params| params.subject_alt_names = vec![uri(text)]);

        assert_eq!(verified, Err(VerifyError::Svid(expected)), "{text:?}");
    }
}

#[test]
fn an_id_of_another_trust_domain_is_refused_though_our_root_vouches_for_it() {
    for foreign in
        ["spiffe://bank.example/svc/order", "spiffe://shop.example.evil/svc/order", "spiffe://shop/svc/order"]
    {
        let verified = spoiled(Side::Client, |params| params.subject_alt_names = vec![uri(foreign)]);

        let expected = "shop.example".parse().unwrap();
        assert_eq!(verified, Err(VerifyError::ForeignTrustDomain { id: foreign.parse().unwrap(), expected }));
    }
}

#[test]
fn the_deny_list_is_obeyed_for_workloads_and_intermediates() {
    let root = Ca::root(|_| {});
    let intermediate = root.below(|_| {});
    let leaf = intermediate.leaf(|_| {});
    let svid = certificate::svid(&leaf).unwrap();
    let with = |rule| {
        let denied = DenyList::new(vec![rule]);
        verify(&[&leaf, &intermediate.der], &bundle(&[&root]), &denied, Side::Client, NOW)
    };
    let denied = Err(VerifyError::Denied { id: svid.id.clone(), serial: svid.serial });
    let before = |not_before| Denial::Before { id: svid.id.clone(), not_before };

    assert_eq!(with(Denial::Serial(svid.serial)), denied);
    assert_eq!(with(Denial::Id(svid.id.clone())), denied);
    assert_eq!(with(before(svid.not_before)), denied);
    assert!(with(before(Timestamp(svid.not_before.0 - 1))).is_ok());
    assert!(with(Denial::Serial(Serial::from_random([1; 16]))).is_ok());
    let above = Serial::from_bytes(&[0x41; 16]).unwrap();
    assert_eq!(with(Denial::Serial(above)), Err(VerifyError::AuthorityDenied(above)));
}

/// The extension (DER) that permits only URIs of one host.
fn only_uris_of(host: &str) -> CustomExtension {
    let nest = |tag: u8, inner: &[u8]| [&[tag, u8::try_from(inner.len()).unwrap()], inner].concat();
    let content = nest(0x30, &nest(0xa0, &nest(0x30, &nest(0x86, host.as_bytes()))));
    let mut extension = CustomExtension::from_oid_content(NAME_CONSTRAINTS, content);
    extension.set_criticality(true);
    extension
}

#[test]
fn name_constraints_on_uris_are_refused_even_when_they_would_permit_the_name() {
    let limited =
        |params: &mut CertificateParams| params.custom_extensions.push(only_uris_of("shop.example"));
    let root = Ca::root(|_| {});
    let intermediate = root.below(limited);
    let limited_root = Ca::root(limited);
    let below = limited_root.below(|_| {});

    let verified = as_client(&[&intermediate.leaf(|_| {}), &intermediate.der], &[&root]);
    let under_root = as_client(&[&below.leaf(|_| {}), &below.der], &[&limited_root]);

    assert_eq!(verified, Err(VerifyError::NameConstraint));
    assert_eq!(under_root, Err(VerifyError::NameConstraint));
}

#[test]
fn name_constraints_on_dns_names_hold_and_leave_uris_alone() {
    let root = Ca::root(|_| {});
    let intermediate = root.below(|params| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("shop.example".to_owned())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: vec![] });
    });
    let named = |name: &str| {
        let name = SanType::DnsName(name.try_into().unwrap());
        let leaf = intermediate.leaf(|params| params.subject_alt_names.push(name));
        as_client(&[&leaf, &intermediate.der], &[&root])
    };

    assert!(named("order.shop.example").is_ok());
    assert_eq!(named("order.bank.example"), Err(VerifyError::NameConstraint));
}

#[test]
fn roots_of_the_believed_kinds_of_key_work_and_rsa_does_not() {
    use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
    let kinds = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_RSA_SHA256];

    let believed = kinds.map(|kind| {
        let root = Ca::root_with(KeyPair::generate_for(kind).unwrap(), |_| {});
        let intermediate = root.below(|_| {});
        as_client(&[&intermediate.leaf(|_| {}), &intermediate.der], &[&root]).is_ok()
    });

    assert_eq!(believed, [true, true, true, false]);
}

#[test]
fn a_chain_is_bounded() {
    let root = Ca::root(|_| {});
    let intermediate = root.below(|_| {});
    let leaf = intermediate.leaf(|_| {});
    let long = |length| {
        let mut chain = vec![leaf.as_slice()];
        chain.resize(length, &intermediate.der);
        as_client(&chain, &[&root])
    };

    assert_eq!(as_client(&[], &[&root]), Err(VerifyError::Empty));
    assert!(long(8).is_ok());
    assert_eq!(long(9), Err(VerifyError::TooMany));
}

#[test]
fn a_leaf_with_one_byte_changed_is_nobody() {
    let root = Ca::root(|_| {});
    let intermediate = root.below(|_| {});
    let leaf = intermediate.leaf(|_| {});

    for place in 0..leaf.len() {
        let mut forged = leaf.clone();
        forged[place] ^= 1;

        assert!(as_client(&[&forged, &intermediate.der], &[&root]).is_err(), "byte {place}");
        assert!(as_client(&[&leaf[..place], &intermediate.der], &[&root]).is_err(), "cut off at {place}");
    }
}

#[test]
fn rubbish_beside_a_good_chain_does_no_harm() {
    let root = Ca::root(|_| {});
    let intermediate = root.below(|_| {});
    let leaf = intermediate.leaf(|_| {});

    assert!(matches!(as_client(&[b"rubbish", &intermediate.der], &[&root]), Err(VerifyError::Chain(_))));
    // An unreadable root is not believed; the others still are.
    let mut bundle = bundle(&[&root]);
    bundle.roots.insert(0, b"rubbish".to_vec());
    assert!(verify(&[&leaf, &intermediate.der], &bundle, &DenyList::default(), Side::Client, NOW).is_ok());
}

mod pinned {
    use super::*;

    fn ours() -> TrustDomain {
        "shop.example".parse().unwrap()
    }

    /// What is said of a good chain when this certificate (and more) is pinned.
    fn with_pins(chain: &[&[u8]], pinned: &[&[u8]]) -> Result<(Svid, Vec<u8>), VerifyError> {
        let pins: Vec<_> = pinned.iter().map(|der| Fingerprint::of(der)).collect();
        verify_pinned(chain, &pins, Some(&ours()), NOW)
    }

    #[test]
    fn a_server_under_a_pinned_root_is_believed() {
        let (old, root) = (Ca::root(|_| {}), Ca::root(|_| {}));
        let intermediate = root.below(|_| {});
        let leaf = intermediate.leaf(|_| {});
        let chain: [&[u8]; 4] = [&leaf, &intermediate.der, &old.der, &root.der];

        for pins in [&[root.der.as_slice()][..], &[&old.der, &root.der]] {
            let (svid, believed) = with_pins(&chain, pins).unwrap();

            assert_eq!(svid.id.as_str(), ID);
            assert_eq!(believed, root.der);
        }
        let pins = [Fingerprint::of(&root.der)];
        assert!(verify_pinned(&chain, &pins, None, NOW).is_ok(), "the root names its trust domain");
    }

    #[test]
    fn a_chain_without_the_pinned_root_is_another_authority() {
        let (root, other) = (Ca::root(|_| {}), Ca::root(|_| {}));
        let intermediate = root.below(|_| {});
        let leaf = intermediate.leaf(|_| {});
        let chain: [&[u8]; 3] = [&leaf, &intermediate.der, &root.der];

        assert_eq!(with_pins(&chain, &[&other.der]), Err(VerifyError::NotPinned));
        assert_eq!(with_pins(&chain, &[]), Err(VerifyError::NotPinned));
        assert_eq!(
            with_pins(&chain[..2], &[&root.der]),
            Err(VerifyError::NotPinned),
            "the root was not sent"
        );
        assert_eq!(with_pins(&chain, &[&leaf]), Err(VerifyError::NotPinned), "a leaf is no root");
        assert_eq!(with_pins(&[], &[&root.der]), Err(VerifyError::Empty));
        assert_eq!(with_pins(&[leaf.as_slice(); 9], &[&root.der]), Err(VerifyError::TooMany));
    }

    #[test]
    fn showing_the_right_root_beside_a_foreign_chain_does_not_help() {
        let (ours, theirs) = (Ca::root(|_| {}), Ca::root(|_| {}));
        let intermediate = theirs.below(|_| {});
        let leaf = intermediate.leaf(|_| {});

        let verified = with_pins(&[&leaf, &intermediate.der, &theirs.der, &ours.der], &[&ours.der]);

        assert_eq!(verified, Err(unknown()));
    }

    #[test]
    fn only_a_root_can_be_pinned() {
        let root = Ca::root(|_| {});
        let intermediate = root.below(|_| {});
        let leaf = intermediate.leaf(|_| {});
        // Signed by the root, with the root's own name.
        let namesake = root.below(|params| *params = authority("root-1", BasicConstraints::Unconstrained));
        let below = namesake.leaf(|_| {});

        let pinned = with_pins(&[&leaf, &intermediate.der, &root.der], &[&intermediate.der]);
        let pinned_namesake = with_pins(&[&below, &namesake.der], &[&namesake.der]);
        let pinned_leaf = with_pins(&[&leaf, &leaf, &intermediate.der], &[&leaf]);

        assert_eq!(pinned, Err(VerifyError::NotSelfSigned));
        assert_eq!(pinned_namesake, Err(VerifyError::NotSelfSigned));
        assert_eq!(pinned_leaf, Err(VerifyError::PinnedRoot(RootError::NotAuthority)));
    }

    #[test]
    fn the_trust_domain_is_held_to() {
        let root = Ca::root(|_| {});
        let intermediate = root.below(|_| {});
        let leaf = intermediate.leaf(|_| {});
        let stray =
            intermediate.leaf(|params| params.subject_alt_names = vec![uri("spiffe://bank.example/ca")]);
        let pins = [Fingerprint::of(&root.der)];
        let bank = "bank.example".parse().unwrap();

        let other = verify_pinned(&[&leaf, &intermediate.der, &root.der], &pins, Some(&bank), NOW);
        let strayed = verify_pinned(&[&stray, &intermediate.der, &root.der], &pins, None, NOW);

        assert_eq!(other, Err(VerifyError::PinnedRoot(RootError::Foreign(ours()))));
        assert!(matches!(strayed, Err(VerifyError::ForeignTrustDomain { .. })), "{strayed:?}");
    }

    #[test]
    fn a_root_without_a_name_needs_the_trust_domain_said() {
        let root = Ca::root(|params| params.subject_alt_names.clear());
        let intermediate = root.below(|_| {});
        let leaf = intermediate.leaf(|_| {});
        let chain: [&[u8]; 3] = [&leaf, &intermediate.der, &root.der];
        let pins = [Fingerprint::of(&root.der)];

        assert!(verify_pinned(&chain, &pins, Some(&ours()), NOW).is_ok());
        assert_eq!(verify_pinned(&chain, &pins, None, NOW), Err(VerifyError::Nameless));
    }

    #[test]
    fn the_server_must_be_a_server_and_in_force() {
        let root = Ca::root(|_| {});
        let intermediate = root.below(|_| {});
        let client = intermediate
            .leaf(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
        let old =
            intermediate.leaf(|params| params.not_after = NOW.before(Duration::from_secs(1)).calendar());
        let shown = |leaf: &[u8]| with_pins(&[leaf, &intermediate.der, &root.der], &[&root.der]).map(|_| ());

        assert_eq!(shown(&client), Err(VerifyError::Usage(Side::Server)));
        assert_eq!(shown(&old), Err(VerifyError::Expired { not_after: Timestamp(NOW.0 - 1), now: NOW }));
    }
}

//! Bundles: the round trips, what the SPIFFE standard forbids and what it says to ignore.

use super::*;
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, SanType, SignatureAlgorithm,
};
use std::sync::LazyLock;

/// Roots of each believed kind of key, made once: keys are slow.
static ROOTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_ECDSA_P256_SHA256]
        .map(|kind| root(kind, |_| {}))
        .to_vec()
});

fn root(kind: &'static SignatureAlgorithm, spoil: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri("spiffe://shop.example")];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    spoil(&mut params);
    params.self_signed(&KeyPair::generate_for(kind).unwrap()).unwrap().der().to_vec()
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn ours() -> TrustDomain {
    "shop.example".parse().unwrap()
}

fn bundle(roots: &[Vec<u8>]) -> Bundle {
    Bundle::new(ours(), roots.to_vec(), 7, REFRESH_HINT).unwrap()
}

/// A good set of one entry.
fn set() -> Value {
    serde_json::from_str(&bundle(&ROOTS[..1]).to_jwks()).unwrap()
}

fn read(set: &Value) -> Result<Bundle, BundleError> {
    Bundle::from_jwks(&set.to_string(), &ours())
}

#[test]
fn a_set_has_what_the_standard_asks_for_and_no_more() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let root = params.self_signed(&key).unwrap().der().to_vec();
    let point = key.public_key_raw();

    let set: Value = serde_json::from_str(&bundle(std::slice::from_ref(&root)).to_jwks()).unwrap();

    let expected = json!({
        "keys": [{
            "use": "x509-svid",
            "kty": "EC",
            "crv": "P-256",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]),
            "y": URL_SAFE_NO_PAD.encode(&point[33..]),
            "x5c": [STANDARD.encode(&root)],
        }],
        "spiffe_sequence": 7,
        "spiffe_refresh_hint": 300,
    });
    assert_eq!(set, expected);
}

#[test]
fn an_empty_set_means_to_believe_nobody_and_a_missing_one_is_a_mistake() {
    let empty = Bundle::from_jwks(r#"{"keys":[]}"#, &ours()).unwrap();

    assert_eq!(empty.roots, Vec::<Vec<u8>>::new());
    assert_eq!((empty.sequence, empty.refresh_hint), (0, REFRESH_HINT));
    assert!(matches!(Bundle::from_jwks("{}", &ours()), Err(BundleError::NoKeys)));
    assert!(matches!(Bundle::from_jwks(r#"{"keys":null}"#, &ours()), Err(BundleError::NoKeys)));
    assert_eq!(empty.to_pem(), "");
    assert!(matches!(Bundle::from_pem("", &ours()), Err(BundleError::Pem(CertificateError::None))));
}

#[test]
fn what_the_standard_says_to_ignore_is_ignored_wholly() {
    let ignored = [
        json!({"use": "jwt-svid", "kty": "EC", "kid": "a", "crv": "P-256", "x": "AA", "y": "AA"}),
        json!({"use": "wit-svid", "kty": "EC"}),
        json!({"use": "X509-SVID", "kty": "EC"}),
        json!({"use": "x509-svid", "kty": "AKP", "x5c": 5, "kid": []}),
        json!({"use": "x509-svid", "kty": "ec"}),
        json!({"use": "x509-svid", "kty": "RSA", "n": "AQAB", "e": "AQAB", "x5c": ["AA=="]}),
        json!({"use": "x509-svid", "kty": "EC", "crv": "P-521", "x": "", "y": "", "x5c": ["AA=="]}),
        json!({"use": "x509-svid", "kty": "OKP", "crv": "X25519", "x": ""}),
        json!({"use": "unknown"}),
        json!({"kty": "unknown"}),
    ];

    for entry in ignored {
        let mut set = set();
        set["keys"].as_array_mut().unwrap().insert(0, entry.clone());
        set["some_other_member"] = json!({"a": 1});

        let read = read(&set).unwrap_or_else(|error| panic!("{entry}: {error}"));

        assert_eq!(read.roots, ROOTS[..1], "{entry}");
    }
}

#[test]
fn members_of_an_entry_that_nobody_knows_are_ignored() {
    let mut set = set();
    set["keys"][0]["alg"] = json!("ES256");
    set["keys"][0]["x5t#S256"] = json!(7);

    assert_eq!(read(&set).unwrap().roots, ROOTS[..1]);
}

/// Takes the member away where the value is null, else puts the value there.
fn with(member: &str, value: &Value) -> Result<Bundle, BundleError> {
    let mut set = set();
    let entry = set["keys"][0].as_object_mut().unwrap();
    if value.is_null() {
        entry.remove(member)
    } else {
        entry.insert(member.to_owned(), value.clone())
    };
    read(&set)
}

#[test]
fn what_the_standard_forbids_is_refused() {
    let [ours, other] = [0, 3].map(|number| STANDARD.encode(&ROOTS[number]));
    let urlsafe = ours.replace('+', "-").replace('/', "_");
    let table = [
        ("use", Value::Null, EntryError::Missing("use")),
        ("use", json!(1), EntryError::NotText("use")),
        ("kty", Value::Null, EntryError::Missing("kty")),
        ("crv", Value::Null, EntryError::Missing("crv")),
        ("kid", json!("root-1"), EntryError::Kid),
        ("kid", json!(""), EntryError::Kid),
        ("x5c", Value::Null, EntryError::X5c),
        ("x5c", json!([]), EntryError::X5c),
        ("x5c", json!([ours, other]), EntryError::X5c),
        ("x5c", json!(ours), EntryError::X5c),
        ("x5c", json!([7]), EntryError::X5c),
        ("x5c", json!([format!("{ours}\n")]), EntryError::X5c),
        ("x5c", json!([urlsafe.trim_end_matches('=')]), EntryError::X5c),
        ("x5c", json!([STANDARD.encode("rubbish")]), EntryError::OtherKey),
        ("x5c", json!([other]), EntryError::OtherKey),
        ("x", Value::Null, EntryError::OtherKey),
        ("y", Value::Null, EntryError::OtherKey),
        ("x", json!("AAAA"), EntryError::OtherKey),
        ("crv", json!("P-384"), EntryError::OtherKey),
    ];

    for (member, value, expected) in table {
        let error = with(member, &value).unwrap_err();

        assert!(
            matches!(error, BundleError::Entry { number: 1, why } if why == expected),
            "{member} {value}: {error}"
        );
    }
}

#[test]
fn numbers_are_whole_and_not_negative() {
    for member in ["spiffe_sequence", "spiffe_refresh_hint"] {
        for value in [json!(-1), json!(1.5), json!("1"), json!(1e30), json!([1])] {
            let mut set = set();
            set[member] = value.clone();

            assert!(matches!(read(&set), Err(BundleError::Json(_))), "{member} {value}");
        }
    }
    let mut largest = set();
    largest["spiffe_sequence"] = json!(u64::MAX);
    assert_eq!(read(&largest).unwrap().sequence, u64::MAX);
}

#[test]
fn a_refresh_hint_is_neither_nothing_nor_for_ever() {
    let hint = |seconds: u64| {
        let mut set = set();
        set["spiffe_refresh_hint"] = json!(seconds);
        read(&set).unwrap().refresh_hint.as_secs()
    };

    assert_eq!(
        [hint(0), hint(1), hint(86_400), hint(86_401), hint(u64::MAX)],
        [300, 1, 86_400, 86_400, 86_400]
    );
}

#[test]
fn what_is_no_set_at_all_is_refused() {
    for text in
        ["", "[]", "{", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#, r#"{"keys":[]} x"#]
    {
        assert!(matches!(Bundle::from_jwks(text, &ours()), Err(BundleError::Json(_))), "{text}");
    }
    let long = " ".repeat(1 << 20) + r#"{"keys":[]}"#;
    assert!(matches!(Bundle::from_jwks(&long, &ours()), Err(BundleError::TooLong)));
}

#[test]
fn a_certificate_that_cannot_be_a_root_is_refused() {
    let p256 = |spoil: fn(&mut CertificateParams)| root(&PKCS_ECDSA_P256_SHA256, spoil);
    let bank = "bank.example".parse().unwrap();
    let table = [
        (p256(|params| params.is_ca = IsCa::ExplicitNoCa), RootError::NotAuthority),
        (p256(|params| params.key_usages = vec![]), RootError::NotAuthority),
        (p256(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]), RootError::NotAuthority),
        (
            p256(|params| params.subject_alt_names = vec![uri("spiffe://bank.example")]),
            RootError::Foreign(bank),
        ),
        (
            p256(|params| params.subject_alt_names = vec![uri("spiffe://shop.example/svc/a")]),
            RootError::Workload("spiffe://shop.example/svc/a".parse().unwrap()),
        ),
        (
            p256(|params| params.subject_alt_names = vec![uri("https://shop.example")]),
            RootError::Id(SpiffeIdError::Scheme),
        ),
        (root(&PKCS_RSA_SHA256, |_| {}), RootError::Key("RSA-2048".to_owned())),
        (b"rubbish".to_vec(), RootError::Certificate(CertificateError::Malformed)),
        ([ROOTS[0].as_slice(), b"x"].concat(), RootError::Certificate(CertificateError::Malformed)),
        (vec![0x30; 16_385], RootError::TooLong),
    ];

    for (der, expected) in table {
        assert_eq!(check_root(&der, &ours()), Err(expected.clone()));
        let error = Bundle::new(ours(), [ROOTS[0].clone(), der], 1, REFRESH_HINT).unwrap_err();
        assert!(matches!(&error, BundleError::Root { number: 2, why } if *why == expected), "{error}");
    }
    let nameless = p256(|params| params.subject_alt_names.clear());
    assert_eq!(check_root(&nameless, &ours()), Ok(()), "other authorities give their roots no URI");
}

#[test]
fn a_bundle_has_at_most_sixteen_roots_and_each_once() {
    let many: Vec<_> = (0..17).map(|_| root(&PKCS_ECDSA_P256_SHA256, |_| {})).collect();
    let new = |roots: &[Vec<u8>]| Bundle::new(ours(), roots.to_vec(), 1, REFRESH_HINT);

    assert_eq!(new(&many[..16]).unwrap().roots, many[..16]);
    assert!(matches!(new(&many), Err(BundleError::TooMany)));
    let twice = [many[0].clone(), many[1].clone(), many[0].clone()];
    assert_eq!(new(&twice).unwrap().roots, many[..2]);
}

#[test]
fn pem_carries_the_roots_and_nothing_else() {
    let bundle = bundle(&ROOTS);

    let text = bundle.to_pem();
    let read = Bundle::from_pem(&text, &ours()).unwrap();

    assert_eq!(read, Bundle { sequence: 0, ..bundle });
    let foreign: TrustDomain = "bank.example".parse().unwrap();
    assert!(matches!(
        Bundle::from_pem(&text, &foreign),
        Err(BundleError::Root { number: 1, why: RootError::Foreign(_) })
    ));
}

#[test]
fn fingerprints_are_those_of_whole_certificates() {
    assert_eq!(bundle(&ROOTS[..2]).fingerprints(), [Fingerprint::of(&ROOTS[0]), Fingerprint::of(&ROOTS[1])]);
}

proptest! {
    #[test]
    fn a_bundle_survives_the_round_trip(
        roots in prop::sample::subsequence(ROOTS.clone(), 0..=ROOTS.len()).prop_shuffle(),
        sequence in any::<u64>(),
        hint in 1..=86_400_u64,
    ) {
        let bundle = Bundle::new(ours(), roots.clone(), sequence, Duration::from_secs(hint)).unwrap();

        let read = Bundle::from_jwks(&bundle.to_jwks(), &ours()).unwrap();

        prop_assert_eq!(&read.roots, &roots);
        prop_assert_eq!(read, bundle);
    }

    #[test]
    fn any_text_at_all_is_answered_without_a_panic(text in any::<String>(), x5c in any::<Vec<u8>>()) {
        let _ = Bundle::from_jwks(&text, &ours());
        let _ = Bundle::from_pem(&text, &ours());
        let _ = with("x5c", &json!([STANDARD.encode(x5c)]));
    }

    #[test]
    fn a_root_with_one_byte_changed_is_answered_without_a_panic(place in any::<prop::sample::Index>(), bit in 0..8) {
        let mut der = ROOTS[0].clone();
        let place = place.index(der.len());
        der[place] ^= 1_u8 << bit;

        let _ = check_root(&der, &ours());
    }
}

//! Requests: those openssl makes, those that must be refused, and that whatever is accepted leads to a certificate
//! that holds exactly what the entry says.

use super::*;
use crate::certificate;
use crate::entry::{Entry, Grants};
use crate::issuer::{Issuer, self_signed_root};
use crate::key::Key;
use crate::names::{AuthorityId, Fingerprint, Serial};
use crate::openssl::OpenSsl;
use crate::policy::{self, Ask, Grant, Refusal};
use crate::profile::Validity;
use crate::time::Timestamp;
use proptest::prelude::*;
use rcgen::SigningKey;
use std::sync::LazyLock;
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_790_000_000);
const ID: &str = "spiffe://shop.example/svc/order";

const CONFIG: &str = "[req]\ndistinguished_name=d\n[d]\n
[none]\n
[own]\nsubjectAltName=URI:spiffe://shop.example/svc/order,DNS:order.shop.example\n
[foreign]\nsubjectAltName=URI:spiffe://shop.example/svc/cart\n
[extra]\nsubjectAltName=URI:spiffe://shop.example/svc/order,URI:spiffe://shop.example/svc/cart\n
[wildcard]\nsubjectAltName=DNS:*.shop.example\n
[dns]\nsubjectAltName=DNS:cart.shop.example\n
[ip]\nsubjectAltName=IP:10.0.0.1\n
[mail]\nsubjectAltName=email:root@shop.example\n
[ca]\nbasicConstraints=critical,CA:TRUE\n
[sign]\nkeyUsage=keyCertSign\n
[crl]\nkeyUsage=cRLSign\n
[odd]\n1.2.3.4.5=critical,ASN1:UTF8String:anything\ntlsfeature=status_request\nextendedKeyUsage=codeSigning\n\
certificatePolicies=1.2.3.4\nnsComment=hello\n";

struct Maker(OpenSsl);

impl Maker {
    fn new() -> Self {
        let ssl = OpenSsl::new();
        ssl.write("config", CONFIG);
        ssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.pem");
        Self(ssl)
    }

    /// A request (DER) with the extensions of a section of the configuration.
    fn request(&self, section: &str, more: &str) -> Vec<u8> {
        let words = format!(
            "req -new -config config -reqexts {section} -subj /CN=order -out r.der -outform DER {more}"
        );
        self.0.run(&words);
        self.0.read("r.der")
    }

    fn with_key(&self, genpkey: &str, more: &str) -> Vec<u8> {
        self.0.run(&format!("genpkey {genpkey} -out other.pem"));
        self.request("none", &format!("-key other.pem {more}"))
    }
}

fn entry() -> Entry {
    Entry {
        id: ID.parse().unwrap(),
        dns: vec!["order.shop.example".to_owned()],
        ttl_max: 86_400,
        grants: Grants::default(),
        created: NOW,
    }
}

fn decide(csr: &Csr) -> Result<Grant, Refusal> {
    policy::decide(&Ask {
        entry: &entry(),
        wishes: &csr.wishes,
        ttl: None,
        ttl_default: Duration::from_secs(3_600),
        issuer_not_after: ISSUER.not_after(),
        denied_before: None,
        now: NOW,
    })
}

static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let key = Key::generate().unwrap();
    let validity = Validity { not_before: NOW, not_after: Timestamp(NOW.0 + 30 * 86_400) };
    let trust_domain = "shop.example".parse().unwrap();
    let root = self_signed_root((&trust_domain, &AuthorityId::root(1)), validity, serial(), &key).unwrap();
    Issuer::new(root, key).unwrap()
});

static KEY: LazyLock<Key> = LazyLock::new(|| Key::generate().unwrap());

fn serial() -> Serial {
    Serial::from_random([7; 16])
}

/// Signs for the entry, whatever the request wished, and checks that the certificate holds exactly what it may.
fn check_leaf(csr: &Csr) {
    let grant = decide(&Csr { wishes: Wishes::default(), ..csr.clone() }).unwrap();
    let der = ISSUER.leaf(&grant, &csr.public_key, serial()).unwrap();

    let facts = certificate::read(&der).unwrap();

    assert_eq!((facts.uris.as_slice(), &facts.dns), ([ID.to_owned()].as_slice(), &entry().dns));
    assert!(facts.other_names.is_empty() && facts.subject.is_empty());
    assert_eq!((facts.ca, facts.path_len), (false, None));
    assert_eq!(facts.usages, ["digitalSignature", "serverAuth", "clientAuth"]);
    assert_eq!(facts.key, Fingerprint::of(&csr.public_key));
    assert_eq!(certificate::svid(&der).unwrap().id, entry().id);
}

#[test]
fn requests_of_openssl_are_taken_with_their_key_alone() {
    let maker = Maker::new();
    maker.0.run("pkey -in p256.pem -pubout -outform DER -out public.der");

    for section in ["none", "own", "odd"] {
        let der = maker.request(section, "-key p256.pem");
        let csr = parse(&der).unwrap();

        assert_eq!(csr.public_key, maker.0.read("public.der"), "{section}");
        decide(&csr).unwrap();
        check_leaf(&csr);
        let pem = certificate::pem("CERTIFICATE REQUEST", &der);
        assert_eq!(parse(pem.as_bytes()), Ok(csr.clone()));
        assert_eq!(
            parse(pem.replace("BEGIN C", "BEGIN NEW C").replace("END C", "END NEW C").as_bytes()),
            Ok(csr)
        );
    }
    parse(&maker.request("none", "-key p256.pem -sha384")).unwrap();
}

#[test]
fn our_own_request_wishes_nothing() {
    let csr = parse(&KEY.request().unwrap()).unwrap();

    assert_eq!(csr, Csr { public_key: KEY.public().to_vec(), wishes: Wishes::default() });
}

#[test]
fn wishes_beyond_the_entry_are_refused_and_never_granted() {
    let maker = Maker::new();
    let entry = entry();
    let uri = || Refusal::Uri { asked: "spiffe://shop.example/svc/cart".to_owned(), ours: entry.id.clone() };
    let dns = |asked: &str| Refusal::Dns { asked: asked.to_owned(), entry: entry.id.clone() };
    let cases = [
        ("foreign", uri()),
        ("extra", uri()),
        ("wildcard", dns("*.shop.example")),
        ("dns", dns("cart.shop.example")),
        ("ip", Refusal::OtherNames),
        ("mail", Refusal::OtherNames),
        ("ca", Refusal::Authority),
        ("sign", Refusal::Authority),
        ("crl", Refusal::Authority),
    ];
    for (section, expected) in cases {
        let csr = parse(&maker.request(section, "-key p256.pem")).unwrap();

        assert_eq!(decide(&csr), Err(expected), "{section}");
        check_leaf(&csr);
    }
}

#[test]
fn other_keys_are_refused_by_name() {
    let maker = Maker::new();
    let rsa_1024 = maker.with_key("-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "");
    let rsa_2048 = maker.with_key("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "");
    let p384 = maker.with_key("-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "");
    let k1 = maker.with_key("-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "");
    let explicit =
        maker.with_key("-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit", "");
    let ed25519 = maker.with_key("-algorithm ED25519", "");
    maker.0.run("pkey -in p256.pem -ec_conv_form compressed -out compressed.pem");
    let compressed = maker.request("none", "-key compressed.pem");

    let cases = [
        (rsa_1024, "RSA-1024"),
        (rsa_2048, "RSA-2048"),
        (p384, "P-384"),
        (k1, "EC 1.3.132.0.10"),
        (explicit, "EC without a named curve"),
        (ed25519, "Ed25519"),
        (compressed, "a P-256 key that is not an uncompressed point"),
    ];
    for (request, kind) in cases {
        assert_eq!(parse(&request), Err(CsrError::Key(kind.to_owned())));
    }
}

#[test]
fn weak_hashes_are_refused_by_name() {
    let maker = Maker::new();

    for (digest, name) in
        [("sha1", "ecdsa-with-SHA1"), ("sha224", "ecdsa-with-SHA224"), ("sha512", "ecdsa-with-SHA512")]
    {
        let request = maker.request("none", &format!("-key p256.pem -{digest}"));

        assert_eq!(parse(&request), Err(CsrError::Algorithm(name.to_owned())));
    }
    // MD5 is signed with RSA only; the key is refused first.
    let md5 = maker.with_key("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "-md5");
    assert_eq!(parse(&md5), Err(CsrError::Key("RSA-2048".to_owned())));
    let renamed = signed_as(&info(KEY.public(), &[]), &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4]);
    assert_eq!(parse(&renamed), Err(CsrError::Algorithm("md5WithRSAEncryption".to_owned())));
}

#[test]
fn a_request_for_a_key_its_maker_does_not_hold_is_refused() {
    // Somebody else's public key, signed with the own one.
    let theft = signed(&info(Key::generate().unwrap().public(), &[]));
    let mut changed = KEY.request().unwrap();
    let last = changed.len() - 1;
    changed[last] ^= 1;

    assert_eq!(parse(&theft), Err(CsrError::Signature));
    assert_eq!(parse(&changed), Err(CsrError::Signature));
}

#[test]
fn what_is_too_large_or_no_request_is_refused() {
    let good = KEY.request().unwrap();
    let pem = certificate::pem("CERTIFICATE REQUEST", &good);
    let nul = certificate::pem("CERTIFICATE REQUEST", &good).replacen('M', "\0", 1);

    assert_eq!(parse(&vec![0x30; 1 << 20]), Err(CsrError::TooLarge(1 << 20)));
    assert_eq!(parse(&vec![b'-'; MAX_CSR + 1]), Err(CsrError::TooLarge(MAX_CSR + 1)));
    let trailing = [good.as_slice(), &[0]].concat();
    let version_2 = signed(&tlv(0x30, &[&[2, 1, 1], &[0x30, 0], KEY.public(), &[0xa0, 0]]));
    for wrong in [
        b"".as_slice(),
        b"-----BEGIN",
        b"\xff\xfe",
        &[0x30; MAX_CSR],
        &trailing,
        &version_2,
        &good[..good.len() - 1],
        nul.as_bytes(),
        pem.repeat(2).as_bytes(),
        certificate::pem("CERTIFICATE", &good).as_bytes(),
        certificate::pem("CERTIFICATE REQUEST", ISSUER.certificate()).as_bytes(),
        ISSUER.certificate(),
    ] {
        assert_eq!(parse(wrong), Err(CsrError::Malformed), "{}", String::from_utf8_lossy(wrong));
    }
}

#[test]
fn names_with_nul_are_refused() {
    for (tag, name) in [(0x86, "spiffe://shop.example/svc/order\0.evil"), (0x82, "order.shop.example\0.evil")]
    {
        let csr = parse(&signed(&info(KEY.public(), &[san(&[(tag, name.as_bytes())])]))).unwrap();

        let refusal = decide(&csr).unwrap_err().to_string();

        assert!(refusal.contains("\\0.evil") && !refusal.contains('\0'), "{refusal}");
        check_leaf(&csr);
    }
}

#[test]
fn a_wish_in_a_second_extension_request_is_seen() {
    let own = san(&[(0x86, ID.as_bytes())]);
    let foreign = san(&[(0x86, b"spiffe://shop.example/svc/cart")]);

    let csr = parse(&signed(&info_with(KEY.public(), &[attribute(&[own]), attribute(&[foreign])]))).unwrap();

    assert_eq!(csr.wishes.uris, [ID, "spiffe://shop.example/svc/cart"]);
    assert!(matches!(decide(&csr), Err(Refusal::Uri { .. })));
}

#[test]
fn a_key_has_one_fingerprint_however_it_is_encoded() {
    // The same key with its lengths written the long way: what a second fingerprint of it could be made of.
    let point = &KEY.public()[P256_HEAD.len()..];
    let algorithm = &KEY.public()[2..23];
    let bits = [&[0x03, 0x81, 0x42, 0x00], point].concat();
    let long = [&[0x30, 0x81, (algorithm.len() + bits.len()) as u8], algorithm, &bits].concat();

    let csr = parse(&signed(&info(&long, &[]))).unwrap();

    assert_eq!(csr.public_key, KEY.public());
}

// Requests made by hand, so that they are signed well whatever they hold.

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = match body.len() {
        short @ 0..=0x7f => vec![short as u8],
        long => vec![0x82, (long >> 8) as u8, long as u8],
    };
    [&[tag], length.as_slice(), &body].concat()
}

fn san(names: &[(u8, &[u8])]) -> Vec<u8> {
    let names: Vec<u8> = names.iter().flat_map(|(tag, name)| tlv(*tag, &[name])).collect();
    extension(&[0x55, 0x1d, 0x11], true, &tlv(0x30, &[&names]))
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    tlv(0x30, &[&tlv(6, &[oid]), critical, &tlv(4, &[value])])
}

fn attribute(extensions: &[Vec<u8>]) -> Vec<u8> {
    let oid = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
    tlv(0x30, &[&oid, &tlv(0x31, &[&tlv(0x30, &[&extensions.concat()])])])
}

fn info(public: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    info_with(public, &[attribute(extensions)])
}

fn info_with(public: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &[&[2, 1, 0], &[0x30, 0], public, &tlv(0xa0, &[&attributes.concat()])])
}

fn signed(info: &[u8]) -> Vec<u8> {
    signed_as(info, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2])
}

fn signed_as(info: &[u8], algorithm: &[u8]) -> Vec<u8> {
    let signature = KEY.sign(info).unwrap();
    tlv(0x30, &[info, &tlv(0x30, &[&tlv(6, &[algorithm])]), &tlv(3, &[&[0], &signature])])
}

/// Edits of a byte string: replace, insert, remove.
fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..5)
}

fn edited(mut bytes: Vec<u8>, edits: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    for (at, byte, how) in edits {
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = *byte,
            1 => bytes.insert(at, *byte),
            _ => drop(bytes.remove(at)),
        }
    }
    bytes
}

/// Extensions of all sorts: names of every kind, the CA bit, usages, unknown ones, and bytes that are none.
fn extensions() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let name = prop_oneof![
        4 => Just((0x86, ID.as_bytes().to_vec())),
        1 => Just((0x86, b"spiffe://shop.example/svc/cart".to_vec())),
        2 => Just((0x82, b"order.shop.example".to_vec())),
        1 => Just((0x82, b"*".to_vec())),
        1 => (0x80..0x89_u8, prop::collection::vec(any::<u8>(), 0..20)),
    ];
    let names = prop::collection::vec(name, 0..4)
        .prop_map(|names| san(&names.iter().map(|(tag, name)| (*tag, name.as_slice())).collect::<Vec<_>>()));
    let any_bytes = || prop::collection::vec(any::<u8>(), 0..30);
    let one = prop_oneof![
        6 => names,
        1 => any::<bool>().prop_map(|critical| extension(&[0x55, 0x1d, 0x13], critical, &[0x30, 3, 1, 1, 0xff])),
        1 => any::<[u8; 2]>().prop_map(|bits| extension(&[0x55, 0x1d, 0x0f], true, &[3, 3, 0, bits[0], bits[1]])),
        1 => (prop::sample::select(vec![0x0e_u8, 0x0f, 0x11, 0x12, 0x13, 0x1e, 0x1f, 0x20, 0x25]), any_bytes())
            .prop_map(|(id, value)| extension(&[0x55, 0x1d, id], true, &value)),
        3 => (any_bytes(), any::<bool>()).prop_map(|(value, critical)| extension(&[0x2a, 3, 4], critical, &value)),
        1 => any_bytes(),
    ];
    prop::collection::vec(one, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_accepted_leads_to_the_certificate_of_the_entry(
        extensions in extensions(),
        inside in prop_oneof![Just(Vec::new()), edits()],
        outside in prop_oneof![3 => Just(Vec::new()), 1 => edits()],
    ) {
        // Changed before it is signed, so that the signature is good; then, sometimes, after it.
        let request = edited(signed(&edited(info(KEY.public(), &extensions), &inside)), &outside);

        if let Ok(csr) = parse(&request) {
            prop_assert_eq!(csr.public_key.as_slice(), KEY.public());
            check_leaf(&csr);
            if decide(&csr).is_ok() {
                let wishes = &csr.wishes;
                prop_assert!(!wishes.ca && !wishes.other_names);
                prop_assert!(wishes.uris.iter().all(|uri| uri == ID));
                prop_assert!(wishes.dns.iter().all(|name| name == "order.shop.example"));
            }
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), pem in any::<bool>()) {
        let text = certificate::pem("CERTIFICATE REQUEST", &bytes);

        let result = parse(if pem { text.as_bytes() } else { &bytes });

        prop_assert!(result.is_err());
    }
}

//! Certificates and revocation lists as openssl judges them, and what an issuer refuses to sign.

use super::*;
use crate::certificate::{pem, read, svid};
use crate::names::Fingerprint;
use crate::openssl::OpenSsl;
use std::collections::HashSet;

const NOW: Timestamp = Timestamp(1_790_000_000);
const DAY: i64 = 86_400;

fn after(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds)
}

fn serial(first: u8) -> Serial {
    Serial::from_random([first; 16])
}

fn trust_domain() -> TrustDomain {
    "shop.example".parse().unwrap()
}

fn grant() -> Grant {
    Grant {
        id: "spiffe://shop.example/svc/order".parse().unwrap(),
        dns: vec!["order.shop.example".to_owned(), "order".to_owned()],
        not_before: after(-60),
        not_after: after(DAY),
    }
}

/// A root and an intermediate, ready to sign.
struct Ca {
    root: Issuer,
    intermediate: Issuer,
}

impl Ca {
    fn new() -> Self {
        Self::of(&trust_domain())
    }

    fn of(trust_domain: &TrustDomain) -> Self {
        let key = Key::generate().unwrap();
        let validity = Validity { not_before: after(-60), not_after: after(5 * 365 * DAY) };
        let der = self_signed_root((trust_domain, &AuthorityId::root(1)), validity, serial(1), &key).unwrap();
        let root = Issuer::new(der, key).unwrap();
        let key = Key::generate().unwrap();
        let validity = Validity { not_before: after(-60), not_after: after(30 * DAY) };
        let id = AuthorityId::intermediate(1);
        let der = root.intermediate((trust_domain, &id), validity, serial(2), &key).unwrap();
        Self { root, intermediate: Issuer::new(der, key).unwrap() }
    }

    fn leaf(&self, first: u8) -> Vec<u8> {
        self.intermediate.leaf(&grant(), Key::generate().unwrap().public(), serial(first)).unwrap()
    }

    /// A folder with root.pem, intermediate.pem and leaf.pem.
    fn files(&self, leaf: &[u8]) -> OpenSsl {
        let ssl = OpenSsl::new();
        ssl.write("root.pem", pem("CERTIFICATE", self.root.certificate()));
        ssl.write("intermediate.pem", pem("CERTIFICATE", self.intermediate.certificate()));
        ssl.write("leaf.pem", pem("CERTIFICATE", leaf));
        ssl
    }
}

/// What openssl says of the extensions, without the key identifiers, one trimmed line each.
fn extensions(ssl: &OpenSsl, file: &str) -> Vec<String> {
    let text = ssl.run(&format!("x509 -in {file} -noout -text -certopt ext_parse"));
    let (_, extensions) = text.split_once("X509v3 extensions:\n").expect("extensions");
    let (extensions, _) = extensions.split_once("Signature Algorithm").expect("an end");
    extensions.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// `lines` without the bytes of key identifiers.
fn without_key_ids(lines: Vec<String>) -> Vec<String> {
    let bytes = |line: &str| line.len() == 59 && line.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
    lines.into_iter().filter(|line| !bytes(line)).collect()
}

#[test]
fn openssl_verifies_the_chain_strictly_as_client_and_as_server() {
    let ca = Ca::new();
    let ssl = ca.files(&ca.leaf(3));
    let verify = format!("verify -x509_strict -policy_check -attime {} -CAfile root.pem", NOW.0);

    for purpose in ["sslclient", "sslserver"] {
        ssl.run(&format!("{verify} -purpose {purpose} -untrusted intermediate.pem leaf.pem"));
    }
    ssl.run(&format!(
        "{verify} -purpose sslserver -verify_hostname order.shop.example -untrusted intermediate.pem leaf.pem"
    ));
    ssl.run(&format!("{verify} intermediate.pem"));
    ssl.run(&format!("{verify} -check_ss_sig root.pem"));
    let missing = ssl.refused(&format!("{verify} leaf.pem"));
    assert!(missing.contains("unable to get local issuer certificate"), "{missing}");
    let late = NOW.0 + DAY + 1;
    let expired =
        ssl.refused(&format!("verify -attime {late} -CAfile root.pem -untrusted intermediate.pem leaf.pem"));
    assert!(expired.contains("certificate has expired"), "{expired}");
}

#[test]
fn a_leaf_holds_exactly_its_profile() {
    let ca = Ca::new();
    let ssl = ca.files(&ca.leaf(3));

    assert_eq!(
        without_key_ids(extensions(&ssl, "leaf.pem")),
        [
            "X509v3 Authority Key Identifier:",
            "X509v3 Subject Alternative Name: critical",
            "URI:spiffe://shop.example/svc/order, DNS:order.shop.example, DNS:order",
            "X509v3 Key Usage: critical",
            "Digital Signature",
            "X509v3 Extended Key Usage:",
            "TLS Web Server Authentication, TLS Web Client Authentication",
            "X509v3 Subject Key Identifier:",
            "X509v3 Basic Constraints: critical",
            "CA:FALSE",
        ]
    );
    let text = ssl.run("x509 -in leaf.pem -noout -text");
    for line in [
        "Version: 3 (0x2)",
        "43:03:03:03:03:03:03:03:03:03:03:03:03:03:03:03",
        "Signature Algorithm: ecdsa-with-SHA256",
        "Issuer: CN = portcullis intermediate-1 shop.example",
        "Not Before: Sep 21 14:12:20 2026 GMT",
        "Not After : Sep 22 14:13:20 2026 GMT",
        "Subject: \n",
        "ASN1 OID: prime256v1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn the_encoding_of_a_leaf_is_der_to_the_letter() {
    // What `-text` does not show: an empty sequence as the subject, no default value written out.
    let ca = Ca::new();
    let ssl = ca.files(&ca.leaf(3));

    let shape = ssl.run("asn1parse -in leaf.pem");

    let lines: Vec<&str> = shape.lines().collect();
    let follows = |name: &str, skip: usize| {
        let at =
            lines.iter().position(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}\n{shape}"));
        lines[at + skip]
    };
    assert!(follows("X509v3 Subject Alternative Name", 1).contains("BOOLEAN           :255"), "{shape}");
    let constraints = follows("X509v3 Basic Constraints", 2);
    assert!(constraints.ends_with("[HEX DUMP]:3000"), "{constraints}");
    let usage = follows("X509v3 Key Usage", 2);
    assert!(usage.ends_with("[HEX DUMP]:03020780"), "{usage}");
    assert!(!follows("X509v3 Extended Key Usage", 1).contains("BOOLEAN"), "not critical\n{shape}");
    // Subject: the sequence after the two times.
    let times = lines.iter().rposition(|line| line.contains("UTCTIME")).unwrap();
    assert!(lines[times + 1].contains("l=   0 cons: SEQUENCE"), "{shape}");
}

#[test]
fn authorities_hold_exactly_their_profiles() {
    let ca = Ca::new();
    let ssl = ca.files(&ca.leaf(3));
    let common = ["X509v3 Subject Alternative Name:", "URI:spiffe://shop.example"];
    let usage =
        ["X509v3 Key Usage: critical", "Certificate Sign, CRL Sign", "X509v3 Subject Key Identifier:"];
    let limits = "X509v3 Basic Constraints: critical";

    let root = [common.as_slice(), &usage, &[limits, "CA:TRUE"]].concat();
    assert_eq!(without_key_ids(extensions(&ssl, "root.pem")), root);
    let authority = ["X509v3 Authority Key Identifier:"];
    let intermediate = [authority.as_slice(), &common, &usage, &[limits, "CA:TRUE, pathlen:0"]].concat();
    assert_eq!(without_key_ids(extensions(&ssl, "intermediate.pem")), intermediate);
    let names = ssl.run("x509 -in intermediate.pem -noout -issuer -subject");
    assert!(names.contains("issuer=CN = portcullis root-1 shop.example"), "{names}");
    assert!(names.contains("subject=CN = portcullis intermediate-1 shop.example"), "{names}");
    assert_eq!(svid(ca.root.certificate()), Err(certificate::SvidError::Authority));
    assert_eq!(svid(ca.intermediate.certificate()), Err(certificate::SvidError::Authority));
}

#[test]
fn key_identifiers_chain() {
    let ca = Ca::new();
    let ssl = ca.files(&ca.leaf(3));
    let of = |file: &str, name: &str| {
        let lines = extensions(&ssl, file);
        let at = lines.iter().position(|line| line.starts_with(name)).unwrap();
        lines[at + 1].clone()
    };

    assert_eq!(of("leaf.pem", "X509v3 Authority Key"), of("intermediate.pem", "X509v3 Subject Key"));
    assert_eq!(of("intermediate.pem", "X509v3 Authority Key"), of("root.pem", "X509v3 Subject Key"));
    assert_ne!(of("leaf.pem", "X509v3 Subject Key"), of("intermediate.pem", "X509v3 Subject Key"));
}

#[test]
fn the_longest_trust_domain_gets_certificates_too() {
    let trust_domain: TrustDomain = "a_b.".repeat(63).parse().unwrap();

    let ca = Ca::of(&trust_domain);

    let ssl = ca.files(&ca.leaf(3));
    ssl.run(&format!(
        "verify -x509_strict -attime {} -CAfile root.pem -untrusted intermediate.pem leaf.pem",
        NOW.0
    ));
    let subject = read(ca.root.certificate()).unwrap().subject;
    assert!(subject.starts_with("CN=portcullis root-1 a_b.") && subject.len() == 3 + 64, "{subject}");
}

#[test]
fn a_leaf_cannot_sign_and_an_intermediate_cannot_make_another() {
    let ca = Ca::new();
    let key = Key::generate().unwrap();
    let leaf = ca.intermediate.leaf(&grant(), key.public(), serial(3)).unwrap();
    let ssl = ca.files(&leaf);

    assert!(matches!(Issuer::new(leaf, key), Err(IssueError::NotAuthority)));
    // It can sign one below itself; nobody believes it.
    let below = Key::generate().unwrap();
    let validity = Validity { not_before: NOW, not_after: after(DAY) };
    let id = AuthorityId::intermediate(2);
    let der = ca.intermediate.intermediate((&trust_domain(), &id), validity, serial(4), &below).unwrap();
    let leaf = Issuer::new(der.clone(), below).unwrap();
    let leaf =
        leaf.leaf(&Grant { not_after: after(60), ..grant() }, Key::generate().unwrap().public(), serial(5));
    ssl.write("leaf.pem", pem("CERTIFICATE", &leaf.unwrap()));
    let both = ssl.text("intermediate.pem") + &pem("CERTIFICATE", &der);
    ssl.write("both.pem", both);
    let said =
        ssl.refused(&format!("verify -attime {} -CAfile root.pem -untrusted both.pem leaf.pem", NOW.0 + 1));
    assert!(said.contains("path length constraint exceeded"), "{said}");
}

#[test]
fn an_issuer_is_a_certificate_with_its_own_key() {
    let ca = Ca::new();
    let der = ca.root.certificate().to_vec();

    let foreign = Issuer::new(der.clone(), Key::generate().unwrap());
    let garbage = Issuer::new(b"garbage".to_vec(), Key::generate().unwrap());

    assert!(matches!(foreign, Err(IssueError::ForeignKey)));
    assert!(matches!(garbage, Err(IssueError::Certificate(CertificateError::Malformed))));
    assert_eq!(ca.root.key().fingerprint(), read(&der).unwrap().key);
    assert_eq!((ca.root.not_after(), ca.intermediate.not_after()), (after(5 * 365 * DAY), after(30 * DAY)));
    let shown = format!("{:?}", ca.root);
    assert!(!shown.contains(&crate::names::to_hex(&ca.root.key().pkcs8()[36..68])), "{shown}");
}

#[test]
fn nothing_outlives_its_issuer_or_has_no_life() {
    let ca = Ca::new();
    let key = Key::generate().unwrap();
    let end = ca.intermediate.not_after();
    let leaf = |grant| ca.intermediate.leaf(&grant, key.public(), serial(3));

    leaf(Grant { not_after: end, ..grant() }).unwrap();
    let longer = leaf(Grant { not_after: Timestamp(end.0 + 1), ..grant() });
    assert!(matches!(longer, Err(IssueError::Outlives { issuer, .. }) if issuer == end), "{longer:?}");
    let empty = leaf(Grant { not_after: after(-60), ..grant() });
    assert!(matches!(empty, Err(IssueError::NoLife)), "{empty:?}");
    let validity = Validity { not_before: NOW, not_after: Timestamp(ca.root.not_after().0 + 1) };
    let longer =
        ca.root.intermediate((&trust_domain(), &AuthorityId::intermediate(2)), validity, serial(3), &key);
    assert!(matches!(longer, Err(IssueError::Outlives { .. })), "{longer:?}");
    let validity = Validity { not_before: NOW, not_after: NOW };
    let empty = self_signed_root((&trust_domain(), &AuthorityId::root(2)), validity, serial(3), &key);
    assert!(matches!(empty, Err(IssueError::NoLife)), "{empty:?}");
}

#[test]
fn only_p256_keys_are_signed_for() {
    let ssl = OpenSsl::new();
    let ca = Ca::new();
    for algorithm in ["EC -pkeyopt ec_paramgen_curve:P-384", "ED25519", "RSA -pkeyopt rsa_keygen_bits:2048"] {
        ssl.run(&format!("genpkey -algorithm {algorithm} -out k.pem"));
        ssl.run("pkey -in k.pem -pubout -outform DER -out p.der");

        let signed = ca.intermediate.leaf(&grant(), &ssl.read("p.der"), serial(3));

        assert!(matches!(signed, Err(IssueError::PublicKey)), "{algorithm}: {signed:?}");
    }
    assert!(matches!(ca.intermediate.leaf(&grant(), b"no key", serial(3)), Err(IssueError::PublicKey)));
}

#[test]
fn revocation_lists_are_believed_by_openssl() {
    let ca = Ca::new();
    let (good, bad) = (ca.leaf(3), ca.leaf(4));
    let ssl = ca.files(&good);
    ssl.write("bad.pem", pem("CERTIFICATE", &bad));
    let content = |revoked| CrlContent { number: 300, this_update: NOW, next_update: after(DAY), revoked };
    let mut lists = String::new();
    for (name, issuer, revoked) in [
        ("root.crl", &ca.root, vec![]),
        ("intermediate.crl", &ca.intermediate, vec![(serial(4), after(-10)), (serial(5), NOW)]),
    ] {
        let list = pem("X509 CRL", &issuer.crl(&content(revoked)).unwrap());
        ssl.write(name, &list);
        lists += &list;
    }
    ssl.write("lists.pem", lists);

    let text = ssl.run("crl -in intermediate.crl -noout -text");
    for line in [
        "Version 2 (0x1)",
        "Issuer: CN = portcullis intermediate-1 shop.example",
        "Last Update: Sep 21 14:13:20 2026 GMT",
        "Next Update: Sep 22 14:13:20 2026 GMT",
        "X509v3 CRL Number: \n                300",
        "Serial Number: 44040404040404040404040404040404\n        Revocation Date: Sep 21 14:13:10 2026 GMT",
        "Serial Number: 45050505050505050505050505050505",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(ssl.run("crl -in root.crl -noout -text").contains("No Revoked Certificates"));
    let verify = format!(
        "verify -x509_strict -crl_check_all -attime {} -CAfile root.pem -untrusted intermediate.pem -CRLfile lists.pem",
        NOW.0 + 1
    );
    ssl.run(&format!("{verify} leaf.pem"));
    let said = ssl.refused(&format!("{verify} bad.pem"));
    assert!(said.contains("certificate revoked"), "{said}");
}

#[test]
fn a_revocation_list_needs_a_later_next_one() {
    let ca = Ca::new();
    let content = CrlContent { number: 1, this_update: NOW, next_update: NOW, revoked: Vec::new() };

    assert!(matches!(ca.root.crl(&content), Err(IssueError::Signing(rcgen::Error::InvalidCrlNextUpdate))));
}

#[test]
fn hundreds_of_leaves_are_each_themselves() {
    let ca = Ca::new();
    let mut seen = HashSet::new();

    for number in 0..300_u32 {
        let mut bits = [0; 16];
        aws_lc_rs::rand::fill(&mut bits).unwrap();
        let key = Key::generate().unwrap();
        let id = format!("spiffe://shop.example/svc/order-{number}");
        let grant = Grant { id: id.parse().unwrap(), ..grant() };
        let der = ca.intermediate.leaf(&grant, key.public(), Serial::from_random(bits)).unwrap();

        let svid = svid(&der).unwrap();
        assert_eq!(
            (&svid.id, svid.serial, svid.key),
            (&grant.id, Serial::from_random(bits), key.fingerprint())
        );
        assert_eq!((svid.not_before, svid.not_after), (grant.not_before, grant.not_after));
        assert!(seen.insert(Fingerprint::of(&der)));
    }
}

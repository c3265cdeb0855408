//! Certificates read: the facts openssl states too, which ones are no identity, PEM, and that nothing panics.

use super::*;
use crate::openssl::OpenSsl;
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SanType, SerialNumber};

const ID: &str = "spiffe://shop.example/svc/order";

/// Parameters of a good SVID, for tests to spoil.
fn good() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri(ID), SanType::DnsName("order.shop.example".try_into().unwrap())];
    params.serial_number = Some(SerialNumber::from_slice(&[0x45; 16]));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.is_ca = IsCa::ExplicitNoCa;
    params
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn der(params: &CertificateParams) -> Vec<u8> {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn spoiled(spoil: impl FnOnce(&mut CertificateParams)) -> Result<Svid, SvidError> {
    let mut params = good();
    spoil(&mut params);
    svid(&der(&params))
}

#[test]
fn an_svid_is_read_whole() {
    let der = der(&good());

    let read = svid(&der).unwrap();

    assert_eq!(read.id.as_str(), ID);
    assert_eq!(read.serial.as_bytes(), &[0x45; 16]);
    assert_eq!(read.not_before, "1975-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(read.not_after, "4096-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(read.key, super::read(&der).unwrap().key);
}

#[test]
fn facts_are_what_openssl_says() {
    let ssl = OpenSsl::new();
    ssl.write(
        "extensions",
        "[e]\nbasicConstraints=critical,CA:TRUE,pathlen:3\nkeyUsage=keyCertSign,cRLSign,digitalSignature\n\
         extendedKeyUsage=serverAuth,1.2.3.4\nsubjectAltName=URI:spiffe://a/b,URI:spiffe://c,DNS:x.y,IP:10.0.0.1\n\
         [req]\ndistinguished_name=d\n[d]\n",
    );
    ssl.run("req -x509 -config extensions -extensions e -newkey rsa:2048 -nodes -keyout k.pem -subj /O=shop/CN=me -days 2 -out c.pem");
    ssl.run("x509 -in c.pem -outform DER -out c.der");
    let der = ssl.read("c.der");

    let facts = read(&der).unwrap();

    assert_eq!((facts.ca, facts.path_len), (true, Some(3)));
    assert_eq!(facts.uris, ["spiffe://a/b", "spiffe://c"]);
    assert_eq!(facts.dns, ["x.y"]);
    assert_eq!(facts.other_names.len(), 1);
    assert_eq!((facts.subject.as_str(), facts.issuer.as_str()), ("O=shop, CN=me", "O=shop, CN=me"));
    assert_eq!(facts.key_kind, "RSA-2048");
    assert_eq!(facts.usages, ["digitalSignature", "keyCertSign", "cRLSign", "serverAuth", "1.2.3.4"]);
    assert!(facts.digital_signature && facts.signs_certificates && facts.signs_lists);
    let serial = ssl.run("x509 -in c.pem -noout -serial").to_lowercase();
    assert!(crate::names::to_hex(&facts.serial).ends_with(serial.trim().trim_start_matches("serial=")));
    let print = ssl.run("x509 -in c.pem -noout -fingerprint -sha256");
    assert_eq!(print.trim().split('=').nth(1).unwrap().parse(), Ok(facts.fingerprint));
    ssl.run("x509 -in c.pem -noout -pubkey -out p.pem");
    ssl.run("pkey -pubin -in p.pem -outform DER -out p.der");
    assert_eq!(facts.key, Fingerprint::of(&ssl.read("p.der")));
    assert_eq!(facts.not_after.since(facts.not_before).as_secs(), 2 * 86_400);
}

#[test]
fn what_is_not_an_svid_has_a_name() {
    let none = spoiled(|p| p.subject_alt_names.clear());
    let only_dns = spoiled(|p| drop(p.subject_alt_names.remove(0)));
    let only_mail = spoiled(|p| p.subject_alt_names = vec![SanType::Rfc822Name("a@b.c".try_into().unwrap())]);
    let two = spoiled(|p| p.subject_alt_names.push(uri("spiffe://shop.example/svc/cart")));
    let twice = spoiled(|p| p.subject_alt_names.push(uri(ID)));
    let web_too = spoiled(|p| p.subject_alt_names.push(uri("https://shop.example")));
    for (result, count) in [(none, 0), (only_dns, 0), (only_mail, 0), (two, 2), (twice, 2), (web_too, 2)] {
        assert_eq!(result, Err(SvidError::Uris(count)));
    }
    for usage in [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign] {
        assert_eq!(spoiled(|p| p.key_usages.push(usage)), Err(SvidError::SigningUsage));
    }
    assert_eq!(spoiled(|p| p.key_usages.clear()), Err(SvidError::NoDigitalSignature));
    assert_eq!(
        spoiled(|p| p.key_usages = vec![KeyUsagePurpose::KeyAgreement]),
        Err(SvidError::NoDigitalSignature)
    );
    assert_eq!(spoiled(|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), Err(SvidError::Authority));
    assert_eq!(spoiled(|p| p.subject_alt_names = vec![uri("spiffe://shop.example")]), Err(SvidError::NoPath));
}

#[test]
fn a_uri_that_is_not_a_spiffe_id_is_no_identity() {
    let long = format!("spiffe://shop.example/{}", "a".repeat(2048));
    for text in [
        "spiffe://shop.example/svc/a\0.b",
        "SPIFFE://shop.example/svc/a",
        "spiffe://shop.example/svc/a/",
        "spiffe://shop.example/%2e%2e/a",
        "spiffe://shop.example//a",
        "spiffe://shop.example/../a",
        "spiffe://user@shop.example/a",
        "https://shop.example/a",
        long.as_str(),
    ] {
        let result = spoiled(|p| p.subject_alt_names = vec![uri(text)]);

        assert!(matches!(result, Err(SvidError::Id(_))), "{text:?}: {result:?}");
    }
}

#[test]
fn a_serial_is_positive_and_of_sixteen_bytes() {
    for serial in [vec![1], vec![0x45; 15], vec![0x45; 17], vec![0x45; 20], vec![0x85; 16]] {
        let result = spoiled(|p| p.serial_number = Some(serial.clone().into()));

        assert_eq!(result, Err(SvidError::Serial), "{serial:?}");
    }
    // A negative number of 16 bytes; no encoder writes it, so it is patched in.
    let mut der = der(&good());
    let at = der.windows(16).position(|bytes| bytes == [0x45; 16]).unwrap();
    der[at] = 0xc5;
    assert_eq!(svid(&der), Err(SvidError::Serial));
}

#[test]
fn an_extension_that_stands_there_twice_is_refused() {
    let mut params = good();
    // Another identity in a second subjectAltName.
    let name = b"spiffe://shop.example/svc/cart";
    let mut content = vec![0x30, name.len() as u8 + 2, 0x86, name.len() as u8];
    content.extend_from_slice(name);
    params.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 17], content));

    assert_eq!(svid(&der(&params)), Err(SvidError::Certificate(CertificateError::Twice)));
}

#[test]
fn a_malformed_extension_is_refused() {
    for oid in [[2, 5, 29, 17], [2, 5, 29, 15], [2, 5, 29, 19], [2, 5, 29, 37]] {
        let mut params = CertificateParams::default();
        params.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&oid, vec![0x30, 0x05, 1]));

        let result = read(&der(&params));

        assert!(matches!(result, Err(CertificateError::Extension(_))), "{oid:?}: {result:?}");
    }
}

#[test]
fn pem_is_what_openssl_reads_and_writes() {
    let ssl = OpenSsl::new();
    let certificates: Vec<Vec<u8>> = (0..3).map(|_| der(&good())).collect();

    ssl.write("chain.pem", certificates.iter().map(|der| pem(LABEL, der)).collect::<String>());

    ssl.run("crl2pkcs7 -nocrl -certfile chain.pem -out chain.p7");
    ssl.run("pkcs7 -in chain.p7 -print_certs -text -out printed.pem");
    assert_eq!(
        certificates_from_pem(&ssl.text("printed.pem")),
        Ok(certificates.clone()),
        "with text in between"
    );
    let windows = ssl.text("chain.pem").replace('\n', "\r\n");
    assert_eq!(certificates_from_pem(&windows), Ok(certificates));
}

#[test]
fn pem_that_is_not_certificates_alone_is_refused() {
    let one = pem(LABEL, &der(&good()));
    let key = crate::key::Key::generate().unwrap().to_pem(None).unwrap();
    let half = &one[..one.len() / 2];

    let cases = [
        (String::new(), CertificateError::None),
        ("certificate\n".to_owned(), CertificateError::None),
        (half.to_owned(), CertificateError::Pem),
        (format!("{half}\n{one}"), CertificateError::Pem),
        (one.replace("END CERTIFICATE", "END X509 CRL"), CertificateError::Pem),
        (format!("{one}-----END CERTIFICATE-----\n"), CertificateError::Pem),
        (one.replacen("MII", "M*I", 1), CertificateError::Pem),
        (format!("{one}{}", *key), CertificateError::Label("PRIVATE KEY".to_owned())),
        (pem(LABEL, b"no certificate"), CertificateError::Malformed),
        (one.repeat(65), CertificateError::TooMany),
    ];
    for (text, expected) in cases {
        assert_eq!(certificates_from_pem(&text), Err(expected), "{text}");
    }
    assert_eq!(certificates_from_pem(&one.repeat(64)).unwrap().len(), 64);
}

#[test]
fn a_cut_or_lengthened_certificate_is_none() {
    let mut der = der(&good());

    for length in 0..der.len() {
        assert_eq!(read(&der[..length]), Err(CertificateError::Malformed), "{length}");
    }
    der.push(0);
    assert_eq!(read(&der), Err(CertificateError::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_certificates_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut bytes = ONE.clone();
        for (at, byte, how) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }

        let read = read(&bytes);
        // Whoever is an identity is so by its facts.
        if let Ok(svid) = svid(&bytes) {
            let facts = read.unwrap();
            prop_assert_eq!(&facts.uris, &[svid.id.as_str()]);
            prop_assert!(!facts.ca && !facts.signs_certificates && facts.digital_signature);
        }
    }

    #[test]
    fn any_text_as_pem_never_panics(text in "(-----(BEGIN|END) CERTIFICATE-----\n|[A-Za-z0-9+/=]{0,70}\n|.{0,5}){0,12}") {
        let _ = certificates_from_pem(&text);
    }

    #[test]
    fn pem_holds_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = pem("X", &bytes);

        prop_assert_eq!(blocks(&text), Ok(vec![("X", bytes)]));
    }
}

static ONE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| der(&good()));

//! `ca inspect`: each kind is recognised, PEM or DER, and no secret is told.

use super::content::pieces;
use super::facts::{Certificate, PrivateKey, Role, State};
use super::gather::facts;
use super::testing::{Ca, ORDER, chain_pem, failing, run};
use super::*;
use crate::certificate::pem;
use crate::issuer::CrlContent;
use crate::key::{Key, Password};
use crate::names::{Fingerprint, Serial};
use crate::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::{any, proptest};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

const NOW: Timestamp = Timestamp(1_800_000_000);

fn seen(bytes: &[u8], view: &View<'_>) -> Vec<Found> {
    facts(&pieces(bytes).unwrap(), view).unwrap()
}

fn look(bytes: &[u8]) -> Vec<Found> {
    seen(bytes, &View { now: NOW, password: None, mode: None })
}

fn shown(found: &[Found]) -> String {
    text::text(found, NOW) + &serde_json::to_string(found).unwrap()
}

fn wrong(bytes: &[u8]) -> String {
    let view = View { now: NOW, password: None, mode: None };
    pieces(bytes).and_then(|pieces| facts(&pieces, &view)).unwrap_err().to_string()
}

fn certificate(found: &Found) -> &Certificate {
    let Found::Certificate(one) = found else { panic!("{found:?}") };
    one
}

fn private_key(found: &[Found]) -> &PrivateKey {
    let [Found::PrivateKey(one)] = found else { panic!("{found:?}") };
    one
}

/// A file only its owner can read.
fn secret_file(path: &Path, content: &str) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
}

#[test]
fn of_a_chain_it_says_who_is_who_and_who_signed_whom() {
    let ca = Ca::new();
    let chain = [ca.order(), vec![ca.root.clone()]].concat();
    let view = View { now: ca.now, password: None, mode: None };

    let found = seen(chain_pem(&chain).as_bytes(), &view);

    let told: Vec<_> =
        found.iter().map(certificate).map(|one| (one.role, one.signed_by, one.state)).collect();
    assert_eq!(
        told,
        [
            (Role::Workload, Some(2), State::Valid),
            (Role::Intermediate, Some(3), State::Valid),
            (Role::Root, Some(3), State::Valid)
        ]
    );
    let text = text::text(&found, ca.now);
    for part in ["certificate 1 of 3: of a workload", ORDER, "order.shop.example", "(in 1 d)", "itself"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_name_alone_does_not_make_a_signer() {
    let (ca, other) = (Ca::new(), Ca::new());
    let chain = [ca.order()[0].clone(), other.intermediate.certificate().to_vec()];

    let found = look(chain_pem(&chain).as_bytes());

    assert_eq!(certificate(&found[0]).signed_by, None);
}

#[test]
fn a_certificate_out_of_its_time_is_marked() {
    let ca = Ca::new();
    let der = ca.order()[0].clone();
    let at = |now| text::text(&seen(&der, &View { now, password: None, mode: None }), now);

    assert!(at(Timestamp(ca.now.0 + 90_000)).contains("EXPIRED by the clock"));
    assert!(at(Timestamp(ca.now.0 - 3_600)).contains("is the clock right?"));
    assert!(!at(ca.now).contains("clock"));
}

#[test]
fn der_and_pem_are_recognised_by_what_they_hold() {
    let ca = Ca::new();
    let key = Key::generate().unwrap();
    let content = CrlContent {
        number: 7,
        this_update: NOW,
        next_update: Timestamp(NOW.0 + 3_600),
        revoked: vec![(Serial::from_random([1; 16]), NOW)],
    };
    let list = ca.intermediate.crl(&content).unwrap();
    let (leaf, request) = (ca.order()[0].clone(), key.request().unwrap());
    let cases: [(&str, &[u8], &str); 5] = [
        ("CERTIFICATE", &leaf, "certificate"),
        ("CERTIFICATE REQUEST", &request, "certificate_request"),
        ("X509 CRL", &list, "revocation_list"),
        ("PUBLIC KEY", key.public(), "public_key"),
        ("PRIVATE KEY", key.pkcs8(), "private_key"),
    ];
    for (label, der, kind) in cases {
        for bytes in [der.to_vec(), format!("words\n{}", pem(label, der)).into_bytes()] {
            let json = serde_json::to_value(look(&bytes)).unwrap();

            assert_eq!(json[0]["kind"], kind, "{label}");
            assert_eq!(json[1], serde_json::Value::Null, "{label}");
        }
    }
    let text = text::text(&look(&list), NOW);
    assert!(text.contains("revoked      1") && text.contains("number       7"), "{text}");
}

#[test]
fn a_private_key_is_told_by_its_public_key_alone() {
    let key = Key::generate().unwrap();
    let text = key.to_pem(None).unwrap();
    let view = View { now: NOW, password: None, mode: Some(0o644) };

    let found = seen(text.as_bytes(), &view);

    let one = private_key(&found);
    assert_eq!((one.key, one.encrypted), (Some(key.fingerprint()), false));
    let shown = shown(&found);
    assert!(shown.contains("mode 0644"), "{shown}");
    for line in text.lines().filter(|line| !line.starts_with('-')) {
        assert!(!shown.contains(line));
    }
    assert!(!shown.contains(&STANDARD.encode(&key.pkcs8()[36..68])));
}

#[test]
fn an_encrypted_key_opens_for_its_password_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pw");
    secret_file(&file, "right\n");
    let password = Password::read(&file).unwrap();
    let key = Key::generate().unwrap();
    let text = key.to_pem(Some(&password)).unwrap();

    let locked = look(text.as_bytes());
    let open = seen(text.as_bytes(), &View { now: NOW, password: Some(&password), mode: Some(0o600) });

    assert_eq!((private_key(&locked).encrypted, private_key(&locked).key), (true, None));
    assert!(shown(&locked).contains("--password-file"));
    assert_eq!((private_key(&open).encrypted, private_key(&open).key), (true, Some(key.fingerprint())));
    assert_eq!(private_key(&open).exposed, None);
}

#[test]
fn a_key_of_another_kind_is_named_with_what_to_do() {
    for (algorithm, kind) in [(&rcgen::PKCS_ED25519, "Ed25519"), (&rcgen::PKCS_ECDSA_P384_SHA384, "P-384")] {
        let pair = KeyPair::generate_for(algorithm).unwrap();

        let found = look(pair.serialize_pem().as_bytes());

        let one = private_key(&found);
        assert_eq!(one.key_kind.as_deref(), Some(kind));
        assert_eq!(one.key, Some(Fingerprint::of(&pair.subject_public_key_info())));
        assert!(shown(&found).contains("P-256"));
    }
}

#[test]
fn a_key_in_an_old_form_is_named_as_such() {
    let old = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n";

    let found = look(old.as_bytes());

    assert!(private_key(&found).encrypted);
    assert!(shown(&found).contains("openssl pkcs8"));
}

#[test]
fn of_a_join_token_all_is_told_but_its_secret() {
    let token = Ca::new().token([0xa7; 32]);

    let found = look(format!(" {}\n", token.reveal()).as_bytes());

    let shown = shown(&found);
    for part in
        ["shop.example", "https://127.0.0.1:1", &token.roots[0].to_string(), &token.hash().to_string()]
    {
        assert!(shown.contains(part), "{part}");
    }
    assert!(
        !shown.contains(&URL_SAFE_NO_PAD.encode([0xa7; 32]))
            && !shown.contains("a7a7")
            && !shown.contains("pct1.")
    );
}

#[test]
fn a_token_in_the_place_of_a_file_is_looked_at_and_never_repeated() {
    let token = Ca::new().token([3; 32]).reveal();

    assert_eq!(run(&["inspect", &token]).unwrap(), ExitCode::SUCCESS);

    let (cut, _) = token.split_at(token.len() - 9);
    let said = failing(&["inspect", cut]);
    assert!(said.contains("copy it again") && !said.contains("pct1.eyJ"), "{said}");
}

#[test]
fn a_bundle_says_whose_it_is_and_what_an_empty_one_means() {
    let ca = Ca::new();

    let full = text::text(&look(ca.bundle().to_jwks().as_bytes()), ca.now);
    let empty = text::text(&look(br#"{"keys":[]}"#), ca.now);

    for part in ["shop.example", "sequence      7", "root 1 of 1", "itself"] {
        assert!(full.contains(part), "{part} in {full}");
    }
    assert!(empty.contains("believes nobody"), "{empty}");
}

#[test]
fn a_request_says_what_it_asks_for_and_whether_it_would_be_signed() {
    let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let good = params.serialize_request(&KeyPair::generate().unwrap()).unwrap();
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let foreign = params.serialize_request(&p384).unwrap();
    let mut forged = good.der().to_vec();
    *forged.last_mut().unwrap() ^= 1;

    let verdicts =
        [good.der().as_ref(), foreign.der().as_ref(), &forged].map(|der| text::text(&look(der), NOW));

    assert!(
        verdicts[0].contains("a.example") && verdicts[0].contains("acceptable    yes"),
        "{}",
        verdicts[0]
    );
    assert!(verdicts[1].contains("P-384") && verdicts[1].contains("no: the key"), "{}", verdicts[1]);
    assert!(verdicts[2].contains("no: the signature"), "{}", verdicts[2]);
}

#[test]
fn what_cannot_be_read_is_named_with_what_to_do() {
    let ca = Ca::new();
    let whole = chain_pem(&ca.order());
    let (cut, _) = whole.split_at(whole.len() - 40);
    let damaged = whole.replacen("MII", "!!!", 1);
    let (short, _) = ca.root.split_at(100);

    assert!(wrong(cut.as_bytes()).contains("CERTIFICATE in it is cut off"), "{}", wrong(cut.as_bytes()));
    assert!(wrong(damaged.as_bytes()).contains("damaged"), "{}", wrong(damaged.as_bytes()));
    for nothing in [b"hello".as_slice(), b"{\"trust_domain\":1}", b"\xff\xfe", short] {
        assert!(wrong(nothing).contains("nothing known"), "{}", wrong(nothing));
    }
    let many = whole.repeat(40);
    assert!(wrong(many.as_bytes()).contains("more than 64"));
}

#[test]
fn the_words_of_a_certificate_do_not_reach_the_terminal_as_commands() {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "a\u{1b}[2Jb");
    let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();

    let text = text::text(&look(made.der()), NOW);
    let label = text::text(&look(b"-----BEGIN \x1b[2J-----\n-----END \x1b[2J-----"), NOW);
    let cut = wrong(b"-----BEGIN \x1b[2J-----");

    assert!(text.contains(r"a\u{1b}[2Jb"), "{text}");
    for said in [text, label, cut] {
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}

#[test]
fn a_folder_means_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert!(failing(&["inspect", path]).contains("name a file"));

    fs::write(folder.path().join("svid.pem"), chain_pem(&Ca::new().order())).unwrap();

    assert_eq!(run(&["inspect", path]).unwrap(), ExitCode::SUCCESS);
    assert_eq!(run(&["--json", "inspect", path]).unwrap(), ExitCode::SUCCESS);
}

#[test]
fn files_that_are_empty_or_too_long_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let path = file.to_str().unwrap();
    assert!(failing(&["inspect", path]).contains("No such file"));

    fs::write(&file, "").unwrap();
    assert!(failing(&["inspect", path]).contains("disk full"));

    fs::write(&file, vec![b' '; (1 << 20) + 1]).unwrap();
    assert!(failing(&["inspect", path]).contains("longer than 1 MiB"));
}

#[test]
fn the_mode_of_a_key_file_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    secret_file(&file, &Key::generate().unwrap().to_pem(None).unwrap());

    let before = read(&file).unwrap().mode;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();

    assert_eq!((before, read(&file).unwrap().mode), (Some(0o600), Some(0o640)));
}

proptest! {
    #[test]
    fn nothing_that_comes_in_breaks_it(bytes: Vec<u8>, cut in any::<proptest::sample::Index>(), flip: u8) {
        let view = View { now: NOW, password: None, mode: None };
        let _any = pieces(&bytes).and_then(|pieces| facts(&pieces, &view));
        let mut der = Key::generate().unwrap().request().unwrap();
        let at = cut.index(der.len());
        der[at] ^= flip;
        let _near = pieces(&der).and_then(|pieces| facts(&pieces, &view));
        let text = format!("-----BEGIN CERTIFICATE-----{}-----END", STANDARD.encode(&der));
        let _text = pieces(text.as_bytes()).and_then(|pieces| facts(&pieces, &view));
    }
}

//! Key files as this crate and as openssl write and read them, and what is refused.

use super::*;
use crate::openssl::OpenSsl;
use pkcs8::der::Encode;
use std::os::unix::fs::{MetadataExt, symlink};

fn password(text: &str) -> Password {
    Password(Zeroizing::new(text.to_owned()))
}

fn fault(error: KeyError) -> KeyFault {
    match error {
        KeyError::Content(fault) | KeyError::File { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

#[test]
fn a_key_is_read_as_it_is_written() {
    let key = Key::generate().unwrap();
    let secret = password("correct horse");

    let plain = key.to_pem(None).unwrap();
    let locked = key.to_pem(Some(&secret)).unwrap();
    let again = key.to_pem(Some(&secret)).unwrap();

    assert!(plain.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(locked.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    assert_ne!(*locked, *again, "a new salt each time");
    assert_eq!(Key::from_pem(&plain, None).unwrap().pkcs8(), key.pkcs8());
    assert_eq!(Key::from_pem(&plain, Some(&secret)).unwrap().pkcs8(), key.pkcs8(), "a password too many");
    assert_eq!(Key::from_pem(&locked, Some(&secret)).unwrap().fingerprint(), key.fingerprint());
}

#[test]
fn openssl_reads_our_key_files() {
    let ssl = OpenSsl::new();
    let key = Key::generate().unwrap();
    let file = ssl.write("password", "päss wörd\n");

    key.write(&ssl.path("plain.pem"), None).unwrap();
    key.write(&ssl.path("locked.pem"), Some(&Password::read(&file).unwrap())).unwrap();

    ssl.run("pkey -in plain.pem -check -noout");
    ssl.run("pkey -in plain.pem -pubout -outform DER -out public.der");
    assert_eq!(ssl.read("public.der"), key.public());
    ssl.run("pkcs8 -in locked.pem -passin file:password -out opened.pem");
    assert_eq!(Key::from_pem(&ssl.text("opened.pem"), None).unwrap().fingerprint(), key.fingerprint());
    ssl.write("other", "password");
    ssl.refused("pkcs8 -in locked.pem -passin file:other");
    let shape = ssl.run("asn1parse -in locked.pem");
    assert!(["PBES2", "scrypt", "aes-256-cbc"].iter().all(|word| shape.contains(word)), "{shape}");
}

#[test]
fn keys_of_openssl_are_read() {
    let ssl = OpenSsl::new();
    let secret = Password::read(&ssl.write("password", "pass\n")).unwrap();
    ssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out plain.pem");
    ssl.run("pkcs8 -topk8 -in plain.pem -passout file:password -out pbkdf2.pem");
    ssl.run("pkcs8 -topk8 -scrypt -in plain.pem -passout file:password -out scrypt.pem");
    ssl.run("pkey -in plain.pem -pubout -outform DER -out public.der");

    for name in ["plain.pem", "pbkdf2.pem", "scrypt.pem"] {
        let key = Key::from_pem(&ssl.text(name), Some(&secret)).unwrap();

        assert_eq!(key.public(), ssl.read("public.der"), "{name}");
        assert_eq!(key.fingerprint(), Fingerprint::of(&ssl.read("public.der")));
    }
}

#[test]
fn whatever_is_wrong_with_a_key_has_its_own_name() {
    let ssl = OpenSsl::new();
    ssl.write("password", "pass");
    ssl.run("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out rsa.pem");
    ssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.pem");
    ssl.run("genpkey -algorithm ED25519 -out ed25519.pem");
    ssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out good.pem");
    ssl.run("pkey -in good.pem -traditional -out sec1.pem");
    ssl.run("pkcs8 -topk8 -in good.pem -passout file:password -out locked.pem");
    ssl.run("pkcs8 -topk8 -v2 des3 -in good.pem -passout file:password -out des3.pem");
    ssl.run("pkcs8 -topk8 -v1 PBE-SHA1-3DES -in good.pem -passout file:password -out pbes1.pem");
    let good = ssl.text("good.pem");
    ssl.write("text.pem", "what is this\n");
    ssl.write("empty.pem", "");
    ssl.write("cut.pem", &good[..good.len() / 2]);
    ssl.write("holes.pem", good.replacen(&good[60..80], "????????????????????", 1));
    ssl.write("der.pem", crate::certificate::pem(PLAIN, &[0x30, 0x03, 2, 1, 0]));
    ssl.write("blob.pem", [0xff, 0xfe, 0, 1]);
    let secret = password("pass");

    let cases = [
        ("rsa.pem", None, KeyFault::NotP256("1.2.840.113549.1.1.1".to_owned())),
        ("p384.pem", None, KeyFault::NotP256("1.3.132.0.34".to_owned())),
        ("ed25519.pem", None, KeyFault::NotP256("1.3.101.112".to_owned())),
        ("sec1.pem", None, KeyFault::Label("EC PRIVATE KEY".to_owned())),
        ("locked.pem", None, KeyFault::Encrypted),
        ("locked.pem", Some(password("Pass")), KeyFault::WrongPassword),
        ("des3.pem", Some(secret), KeyFault::Scheme),
        ("pbes1.pem", Some(password("pass")), KeyFault::Scheme),
        ("text.pem", None, KeyFault::NotPem),
        ("empty.pem", None, KeyFault::NotPem),
        ("blob.pem", None, KeyFault::NotPem),
        ("cut.pem", None, KeyFault::Truncated),
        ("holes.pem", None, KeyFault::Damaged),
        ("der.pem", None, KeyFault::Damaged),
    ];
    for (name, password, expected) in cases {
        let error = Key::read(&ssl.path(name), password.as_ref()).unwrap_err();

        assert!(error.to_string().contains(name), "the message names the file: {error}");
        assert_eq!(fault(error), expected, "{name}");
    }
    assert!(matches!(Key::read(&ssl.path("none.pem"), None), Err(KeyError::Io { .. })));
}

#[test]
fn wrong_passwords_never_open_a_key() {
    // The padding of one in 256 is right by chance: what comes out must not be taken for damage.
    let ssl = OpenSsl::new();
    ssl.write("password", "pass");
    ssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out good.pem");
    ssl.run("pkcs8 -topk8 -iter 1 -in good.pem -passout file:password -out locked.pem");
    let locked = ssl.text("locked.pem");

    for number in 0..1024 {
        let error = Key::from_pem(&locked, Some(&password(&format!("pass{number}")))).unwrap_err();

        assert_eq!(fault(error), KeyFault::WrongPassword);
    }
}

#[test]
fn a_cut_key_is_never_a_key() {
    let key = Key::generate().unwrap();
    let text = key.to_pem(None).unwrap();

    for length in 0..text.trim_end().len() {
        assert!(Key::from_pem(&text[..length], None).is_err(), "{length}");
    }
}

#[test]
fn a_key_that_wants_gigabytes_to_open_is_refused() {
    let params = scrypt::Params::new(24, 8, 1).unwrap();
    let how = pbes2::Parameters::generate_scrypt_aes256cbc(params, &[1; 16], [2; 16]).unwrap();
    let bytes = pkcs8::der::asn1::OctetStringRef::new(&[0; 48]).unwrap();
    let trap = EncryptedPrivateKeyInfoRef { encryption_algorithm: how.into(), encrypted_data: bytes };
    let text = crate::certificate::pem(ENCRYPTED, &trap.to_der().unwrap());

    let error = Key::from_pem(&text, Some(&password("pass"))).unwrap_err();

    assert_eq!(fault(error), KeyFault::Scheme);
}

#[test]
fn a_key_file_that_others_can_read_or_change_is_refused() {
    let ssl = OpenSsl::new();
    Key::generate().unwrap().write(&ssl.path("key.pem"), None).unwrap();
    symlink(ssl.path("key.pem"), ssl.path("link.pem")).unwrap();

    for mode in [0o604, 0o640, 0o620, 0o602, 0o644, 0o660, 0o666, 0o440, 0o601] {
        ssl.chmod("key.pem", mode);
        for name in ["key.pem", "link.pem"] {
            match Key::read(&ssl.path(name), None) {
                Err(KeyError::Exposed { path, mode: found }) => {
                    assert_eq!((path, found), (ssl.path(name), mode))
                }
                other => panic!("{mode:o}: {other:?}"),
            }
        }
    }
    for mode in [0o600, 0o400] {
        ssl.chmod("key.pem", mode);
        Key::read(&ssl.path("link.pem"), None).unwrap();
    }
}

#[test]
fn what_cannot_be_a_key_file_or_password_file_is_not_read() {
    let ssl = OpenSsl::new();
    std::fs::create_dir(ssl.path("folder")).unwrap();
    ssl.write("large.pem", vec![b'-'; 65_537]);

    for (name, expected) in [("folder", "is not a regular file"), ("large.pem", "is larger than 65536 bytes")]
    {
        let key = Key::read(&ssl.path(name), None).unwrap_err();
        let password = Password::read(&ssl.path(name)).unwrap_err();

        for error in [key, password] {
            assert!(matches!(error, KeyError::Unsafe(_)) && error.to_string().contains(expected), "{error}");
        }
    }
}

#[test]
fn a_new_key_file_is_private_whole_and_alone() {
    let ssl = OpenSsl::new();
    let path = ssl.path("key.pem");
    let key = Key::generate().unwrap();

    key.write(&path, None).unwrap();

    let file = std::fs::metadata(&path).unwrap();
    assert_eq!((file.mode() & 0o7777, file.nlink()), (0o600, 1));
    assert_eq!(Key::read(&path, None).unwrap().fingerprint(), key.fingerprint());
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
}

#[test]
fn a_key_file_is_never_replaced() {
    let ssl = OpenSsl::new();
    let (key, other) = (Key::generate().unwrap(), Key::generate().unwrap());
    key.write(&ssl.path("key.pem"), None).unwrap();
    symlink(ssl.path("nowhere"), ssl.path("dangling.pem")).unwrap();
    std::fs::create_dir(ssl.path("folder.pem")).unwrap();

    for name in ["key.pem", "dangling.pem", "folder.pem"] {
        let error = other.write(&ssl.path(name), None).unwrap_err();

        assert!(matches!(&error, KeyError::Exists(path) if *path == ssl.path(name)), "{error}");
    }
    assert_eq!(Key::read(&ssl.path("key.pem"), None).unwrap().fingerprint(), key.fingerprint());
    let error = other.write(&ssl.path("no/such/folder/key.pem"), None).unwrap_err();
    assert!(matches!(error, KeyError::Io { .. }), "{error}");
}

#[test]
fn a_password_is_the_one_line_of_its_file() {
    let ssl = OpenSsl::new();
    for (content, expected) in
        [("pass", "pass"), ("pass\n", "pass"), ("pass\r\n", "pass"), (" p w \n", " p w ")]
    {
        let read = Password::read(&ssl.write("password", content)).unwrap();

        assert_eq!(read.0.as_str(), expected, "{content:?}");
    }
    let long = "x".repeat(1024);
    for content in ["", "\n", "a\nb", "a\n\n", "a\0b", long.as_str()] {
        let error = Password::read(&ssl.write("password", content)).unwrap_err();

        assert!(matches!(error, KeyError::Password(_)), "{content:?}: {error}");
    }
    ssl.write("password", "pass");
    for mode in [0o604, 0o644, 0o602] {
        ssl.chmod("password", mode);
        assert!(matches!(Password::read(&ssl.path("password")), Err(KeyError::Exposed { .. })), "{mode:o}");
    }
    // A group of its own is how containers are given files.
    ssl.chmod("password", 0o440);
    Password::read(&ssl.path("password")).unwrap();
}

#[test]
fn secrets_are_in_no_debug_and_no_message() {
    let secret = password("correct horse");
    let key = Key::generate().unwrap();
    let scalar = crate::names::to_hex(&key.pkcs8()[36..68]);
    let locked = key.to_pem(Some(&secret)).unwrap();
    let error = Key::from_pem(&locked, Some(&password("wrong mule"))).unwrap_err();

    let shown = format!("{key:?} {secret:?} {error:?} {error} {:?}", Key::from_pem(&locked, None));

    for word in ["correct", "wrong mule", scalar.as_str(), "BEGIN"] {
        assert!(!shown.contains(word), "{shown}");
    }
    assert!(shown.contains(&key.fingerprint().to_string()));
}

#[test]
fn a_request_holds_the_key_and_nothing_else() {
    let ssl = OpenSsl::new();
    let key = Key::generate().unwrap();

    ssl.write("request.der", key.request().unwrap());

    let text = ssl.run("req -inform DER -in request.der -verify -noout -text");
    assert!(text.contains("Subject: \n") && text.contains("(none)"), "{text}");
    assert!(!text.contains("X509v3"), "{text}");
    ssl.run("req -inform DER -in request.der -noout -pubkey -out public.pem");
    ssl.run("pkey -pubin -in public.pem -outform DER -out public.der");
    assert_eq!(ssl.read("public.der"), key.public());
}

//! openssl and curl, which share no code with us, accept what the authority writes and refuse what they should.

use portcullis_tests::ca::openssl;
use portcullis_tests::{Ca, Ran, wait};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A child that is killed at the end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Splits a PEM file into a file per certificate: 0.pem, 1.pem …
fn split(folder: &Path, file: &Path) {
    let text = std::fs::read_to_string(file).expect("a file");
    for (index, part) in text.split_inclusive("-----END CERTIFICATE-----\n").enumerate() {
        std::fs::write(folder.join(format!("{index}.pem")), part).expect("written");
    }
}

#[test]
fn openssl_verifies_the_chain_of_an_issued_certificate_strictly() {
    let ca = Ca::new();
    let order = ca.issue("svc/order", &["--dns", "order.shop.example"]);
    split(&order, &order.join("svid.pem"));

    for purpose in ["sslclient", "sslserver"] {
        let verified = openssl(
            &order,
            &[
                "verify",
                "-x509_strict",
                "-purpose",
                purpose,
                "-CAfile",
                "bundle.pem",
                "-untrusted",
                "1.pem",
                "0.pem",
            ],
        );

        assert_eq!(verified.ok().trim(), "0.pem: OK");
    }
}

#[test]
fn the_certificate_says_what_the_profile_says_and_nothing_more() {
    let ca = Ca::new();
    let order = ca.issue("svc/order", &["--dns", "order.shop.example"]);

    let text = openssl(&order, &["x509", "-in", "svid.pem", "-noout", "-text"]).ok();

    assert!(text.contains("Subject: \n") || text.contains("Subject:\n"), "{text}");
    let san = "X509v3 Subject Alternative Name: critical\n                URI:spiffe://shop.example/svc/order, DNS:order.shop.example";
    let other = "X509v3 Subject Alternative Name: critical\n                DNS:order.shop.example, URI:spiffe://shop.example/svc/order";
    assert!(text.contains(san) || text.contains(other), "{text}");
    assert!(text.contains("X509v3 Key Usage: critical\n                Digital Signature\n"), "{text}");
    assert!(text.contains("TLS Web Server Authentication"), "{text}");
    assert!(text.contains("TLS Web Client Authentication"), "{text}");
    assert!(text.contains("X509v3 Basic Constraints: critical\n                CA:FALSE"), "{text}");
    assert!(text.contains("ASN1 OID: prime256v1"), "{text}");
}

#[test]
fn a_request_made_by_openssl_is_signed_and_its_wishes_are_not_copied() {
    let ca = Ca::new();
    ca.entry("svc/order", &["--dns", "order.shop.example"]);
    let folder = ca.path("");
    let request = |name: &str, more: &[&str]| {
        let key = format!("{name}.key");
        let csr = format!("{name}.csr");
        let mut words = vec!["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        words.extend(["-keyout", &key, "-out", &csr, "-subj", "/CN=whoever"]);
        words.extend(more);
        openssl(&folder, &words).ok();
        csr
    };
    let plain =
        request("plain", &["-addext", "keyUsage=digitalSignature", "-addext", "extendedKeyUsage=serverAuth"]);

    let signed = ca.run(&["sign", &plain, "--id", "svc/order", "--out", "plain.pem"]);

    signed.ok();
    let text = openssl(&folder, &["x509", "-in", "plain.pem", "-noout", "-text"]).ok();
    assert!(!text.contains("whoever"), "{text}");
    assert!(text.contains("TLS Web Client Authentication"), "{text}");
    let keys = ["pkey -in plain.key -pubout", "x509 -in plain.pem -noout -pubkey"];
    let keys = keys.map(|words| openssl(&folder, &words.split(' ').collect::<Vec<_>>()).ok());
    assert_eq!(keys[0], keys[1]);

    let wishes = [
        ("another", "subjectAltName=URI:spiffe://shop.example/svc/payment"),
        (
            "second",
            "subjectAltName=URI:spiffe://shop.example/svc/order,URI:spiffe://shop.example/svc/payment",
        ),
        ("wildcard", "subjectAltName=DNS:*.shop.example"),
        ("foreign", "subjectAltName=DNS:bank.example"),
        ("authority", "basicConstraints=critical,CA:TRUE"),
    ];
    for (name, extension) in wishes {
        let csr = request(name, &["-addext", extension]);

        let refused = ca.run(&["sign", &csr, "--id", "svc/order", "--out", "never.pem"]);

        assert_eq!(refused.code, Some(1), "{name}: {}", refused.out);
        assert!(!ca.path("never.pem").exists(), "{name}");
    }
    let audit = ca.run(&["audit", "tail", "--json"]).ok();
    assert_eq!(audit.matches("request_refused").count(), wishes.len(), "{audit}");
}

#[test]
fn weak_and_broken_requests_are_refused() {
    let ca = Ca::new();
    ca.entry("svc/order", &[]);
    let folder = ca.path("");
    let keys = [
        (
            "rsa",
            vec!["req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "k", "-out", "rsa", "-subj", "/"],
        ),
        (
            "md5",
            vec![
                "req", "-new", "-md5", "-newkey", "rsa:2048", "-nodes", "-keyout", "k", "-out", "md5",
                "-subj", "/",
            ],
        ),
        (
            "p384",
            vec![
                "req",
                "-new",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-384",
                "-nodes",
                "-keyout",
                "k",
                "-out",
                "p384",
                "-subj",
                "/",
            ],
        ),
    ];
    for (_, words) in &keys {
        openssl(&folder, words).ok();
    }
    std::fs::write(folder.join("large"), vec![b'A'; 1 << 20]).expect("written");
    std::fs::write(folder.join("zero"), [0; 300]).expect("written");
    std::fs::write(folder.join("empty"), []).expect("written");

    for name in ["rsa", "md5", "p384", "large", "zero", "empty"] {
        let refused = ca.run(&["sign", name, "--id", "svc/order"]);

        assert_eq!(refused.code, Some(1), "{name}");
        assert!(refused.err.starts_with("error: "), "{name}: {}", refused.err);
        assert!(!refused.out.contains("BEGIN"), "{name}");
    }
}

#[test]
fn openssl_reads_the_revocation_lists_and_refuses_what_is_on_them() {
    let ca = Ca::new();
    let order = ca.issue("svc/order", &[]);
    let payment = ca.issue("svc/payment", &[]);
    ca.run(&["revoke", "--id", "svc/order", "--reason", "stolen"]).ok();

    ca.run(&["crl", "--out", "crl.pem"]).ok();

    let folder = ca.path("");
    let text = openssl(&folder, &["crl", "-in", "crl.pem", "-noout", "-text"]).ok();
    assert!(text.contains("Certificate Revocation List"), "{text}");
    for (who, revoked) in [(&order, true), (&payment, false)] {
        split(who, &who.join("svid.pem"));
        let at = |name: &str| who.join(name).display().to_string();
        let (bundle, intermediate, leaf) = (at("bundle.pem"), at("1.pem"), at("0.pem"));
        let verified = openssl(
            &folder,
            &[
                "verify",
                "-crl_check_all",
                "-CRLfile",
                "crl.pem",
                "-CAfile",
                &bundle,
                "-untrusted",
                &intermediate,
                &leaf,
            ],
        );

        assert_eq!(verified.code, Some(if revoked { 2 } else { 0 }), "{}{}", verified.out, verified.err);
        assert_eq!(verified.err.contains("certificate revoked"), revoked, "{}", verified.err);
    }
}

#[test]
fn curl_and_an_openssl_server_speak_mutual_tls_with_issued_certificates() {
    let ca = Ca::new();
    let server = ca.serve();
    let order = ca.join("svc/order", &server);
    let localhost = ca.issue("svc/web", &["--dns", "web.shop.example"]);
    let port = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("an address").port()
    };
    let mut serve = Command::new("openssl");
    serve.args([
        "s_server",
        "-accept",
        &format!("127.0.0.1:{port}"),
        "-www",
        "-Verify",
        "3",
        "-verify_return_error",
    ]);
    serve.args(["-cert", "svid.pem", "-cert_chain", "svid.pem", "-key", "svid.key", "-CAfile", "bundle.pem"]);
    let child = serve
        .current_dir(&localhost)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _server = Killed(child.expect("openssl"));
    let curl = |words: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "10", "--noproxy", "*", "--resolve"]);
        curl.arg(format!("web.shop.example:{port}:127.0.0.1")).args(words);
        Ran::of(curl.arg(format!("https://web.shop.example:{port}/")).current_dir(&order))
    };
    wait::eventually("openssl to listen", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());

    let with = curl(&["--cacert", "bundle.pem", "--cert", "svid.pem", "--key", "svid.key"]);
    let without = curl(&["--cacert", "bundle.pem"]);

    assert!(with.ok().contains("URI:spiffe://shop.example/svc/order"));
    assert_ne!(without.code, Some(0), "no certificate: {}", without.out);
}

#[test]
fn keys_under_a_password_are_read_by_openssl_with_it_and_by_nobody_without() {
    let folder = tempfile::tempdir().expect("a folder");
    let password = folder.path().join("password");
    std::fs::write(&password, "correct horse\n").expect("written");
    set_private(&password);
    let ca = Ca::with(&["--password-file", &password.display().to_string()]);
    let key = ca.dir().join("keys/intermediate-1.key").display().to_string();

    let with = openssl(folder.path(), &["pkey", "-in", &key, "-passin", "file:password", "-noout", "-text"]);
    let without = ca.run(&["issue", "svc/order", "--out", "x"]);

    assert!(with.ok().contains("prime256v1"));
    assert_eq!(without.code, Some(1));
    assert!(without.err.contains("--password-file"), "{}", without.err);
}

fn set_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
}

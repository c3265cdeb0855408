//! A clock that is an hour off is named as such, not as a broken certificate.

use portcullis_tests::{Ca, Ran, program};
use std::process::Command;

/// `portcullis ca WORDS…` on a machine whose clock is off.
fn at(ca: &Ca, offset: &str, words: &[&str]) -> Ran {
    let mut command = Command::new("faketime");
    command.args(["-f", offset]).arg(program("portcullis")).arg("ca").args(words);
    Ran::of(command.current_dir(ca.path("")).env("PORTCULLIS_CA_DIR", ca.dir()).env("NO_COLOR", "1"))
}

#[test]
fn a_clock_an_hour_off_is_named_by_the_workload() {
    let ca = Ca::new();
    let server = ca.serve();
    for (offset, out) in [("+4h", "ahead"), ("-1h", "behind")] {
        let name = format!("svc/{out}");
        ca.entry(&name, &[]);
        let token = ca.token(&name, &server);

        let refused = at(&ca, offset, &["bootstrap", &token, "--out", out]);

        assert_eq!(refused.code, Some(1), "{}", refused.out);
        assert!(refused.err.contains("clock"), "{offset}: {}", refused.err);
        assert!(!ca.path(out).join("svid.pem").exists());
    }
}

#[test]
fn an_expired_certificate_is_verified_as_such_with_both_moments() {
    let ca = Ca::new();
    let order = ca.issue("svc/order", &[]);
    let file = |name: &str| order.join(name).display().to_string();

    let now = ca.run(&[
        "verify",
        &file("svid.pem"),
        "--bundle",
        &file("bundle.pem"),
        "--id",
        "spiffe://shop.example/svc/order",
    ]);
    let later = at(&ca, "+30h", &["verify", &file("svid.pem"), "--bundle", &file("bundle.pem")]);
    let other = ca.run(&[
        "verify",
        &file("svid.pem"),
        "--bundle",
        &file("bundle.pem"),
        "--id",
        "spiffe://shop.example/svc/bank",
    ]);

    now.ok();
    assert_eq!((later.code, other.code), (Some(1), Some(1)));
    assert!(later.err.contains("expired") && later.err.contains("clock"), "{}", later.err);
    assert!(other.err.contains("svc/order"), "{}", other.err);
}

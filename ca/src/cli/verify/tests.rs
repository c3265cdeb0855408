//! `ca verify`: what holds is printed, what does not is named, with what to do about it.

use super::question::{Failure, Held};
use super::*;
use crate::cli::inspect::testing::{Ca, ORDER, chain_pem, failing, run};
use crate::cli::words::Moment;
use crate::deny::Denial;
use crate::key::Key;
use crate::names::Fingerprint;
use crate::time::Timestamp;
use std::fs;

const BOTH: &[Side] = &[Side::Client, Side::Server];

fn believed(ca: &Ca) -> Believed {
    Believed { bundle: ca.bundle(), denied: None }
}

fn question<'a>(chain: &'a [Vec<u8>], believed: &'a Believed, at: Timestamp) -> Question<'a> {
    Question { chain, believed, id: None, sides: BOTH, at, by_clock: true }
}

/// The reason in one word, and all that is said.
fn refusal(question: &Question<'_>) -> (&'static str, String) {
    let failure: Failure = question.answer().unwrap_err();
    (reason(&failure), format!("{failure} | {}", question.hint(&failure).unwrap_or_default()))
}

fn later(ca: &Ca, seconds: i64) -> Timestamp {
    Timestamp(ca.now.0 + seconds)
}

#[test]
fn what_holds_is_told_with_the_root_above() {
    let ca = Ca::new();
    let (chain, other) = (ca.order(), Ca::new());
    let mut believed = believed(&ca);
    believed.bundle.roots.insert(0, other.root);
    let question = question(&chain, &believed, ca.now);

    let held: Held = question.answer().unwrap();

    let text = question.text("svid.pem", &held, ca.now);
    assert_eq!(question.value(&held)["root"], Fingerprint::of(&ca.root).to_string());
    for part in [ORDER, "root-1", "(in 1 d)", "client and server", "deny-list     not checked"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn an_expired_certificate_is_named_with_its_age_and_the_clock() {
    let ca = Ca::new();
    let (chain, believed) = (ca.order(), believed(&ca));

    let (reason, said) = refusal(&question(&chain, &believed, later(&ca, 86_400 + 7_200)));

    assert_eq!(reason, "expired");
    for part in ["the certificate itself", "2 h ago", "date -u", "ca renew", "ca bootstrap"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_certificate_of_the_future_is_a_wrong_clock() {
    let ca = Ca::new();
    let (chain, believed) = (ca.order(), believed(&ca));

    let (reason, said) = refusal(&question(&chain, &believed, later(&ca, -3_660)));

    assert_eq!(reason, "not_yet_valid");
    for part in ["clock", "begins in 1 h.", "date -u"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn another_moment_than_now_says_nothing_of_clocks() {
    let ca = Ca::new();
    let (chain, believed) = (ca.order(), believed(&ca));
    for (seconds, expected, which) in [
        (100_000, "expired", "the certificate itself"),
        (-3_600, "not_yet_valid", "the certificate itself"),
        (-100 * 86_400, "not_yet_valid", "the certificate itself"),
    ] {
        let at = later(&ca, seconds);

        let (reason, said) = refusal(&Question { by_clock: false, ..question(&chain, &believed, at) });

        assert_eq!(reason, expected);
        assert!(said.contains(which) && !said.contains("clock") && said.contains(&at.to_string()), "{said}");
    }
}

#[test]
fn an_intermediate_that_was_left_out_is_named() {
    let ca = Ca::new();
    let believed = believed(&ca);
    let leaf = [ca.order()[0].clone()];

    let (reason, said) = refusal(&question(&leaf, &believed, ca.now));

    assert_eq!(reason, "unknown_root");
    assert!(
        said.contains("CN=portcullis intermediate-1 shop.example signed it") && said.contains("svid.pem"),
        "{said}"
    );
}

#[test]
fn the_reasons_for_an_unknown_root_are_told_apart() {
    let (ca, again, pay) = (Ca::new(), Ca::new(), Ca::of("pay.example"));
    let chain = ca.order();
    let mut nobody = believed(&ca);
    nobody.bundle.roots.clear();
    for (believed, part) in [
        (believed(&again), "the authority was made anew"),
        (believed(&pay), "it is of shop.example"),
        (nobody, "no root at all"),
    ] {
        let (reason, said) = refusal(&question(&chain, &believed, ca.now));

        assert_eq!(reason, "unknown_root");
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn somebody_elses_good_certificate_is_not_the_one_that_was_meant() {
    let ca = Ca::new();
    let (chain, believed) = (ca.order(), believed(&ca));
    let [order, pay] = [ORDER, "spiffe://shop.example/svc/pay"].map(|id| id.parse().unwrap());

    let right = Question { id: Some(&order), ..question(&chain, &believed, ca.now) };
    let other = Question { id: Some(&pay), ..question(&chain, &believed, ca.now) };

    assert!(right.answer().is_ok());
    let (reason, said) = refusal(&other);
    assert_eq!(reason, "other_id");
    assert!(said.contains(ORDER) && said.contains("svc/pay"), "{said}");
}

#[test]
fn the_deny_list_counts_where_there_is_one() {
    let ca = Ca::new();
    let chain = ca.order();
    let rule = Denial::Id(ORDER.parse().unwrap());
    let believed = Believed { denied: Some(DenyList::new(vec![rule])), ..believed(&ca) };

    let (reason, said) = refusal(&question(&chain, &believed, ca.now));

    assert_eq!(reason, "denied");
    assert!(said.contains("revoke --list"), "{said}");
}

#[test]
fn an_authority_is_no_workload() {
    let ca = Ca::new();
    let believed = believed(&ca);
    let chain = [ca.intermediate.certificate().to_vec()];

    let (reason, said) = refusal(&question(&chain, &believed, ca.now));

    assert_eq!(reason, "not_svid");
    assert!(said.contains("ca inspect"), "{said}");
}

#[test]
fn bundles_are_read_in_all_their_forms() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::new();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let svid = file("svid.pem", chain_pem(&ca.order()).as_bytes());
    let der = file("svid.der", &ca.order()[0]);
    let bundles = [
        file("bundle.json", ca.bundle().to_jwks().as_bytes()),
        file("bundle.pem", ca.bundle().to_pem().as_bytes()),
        file("bundle.der", &ca.root),
    ];
    for bundle in &bundles {
        assert_eq!(run(&["verify", &svid, "--bundle", bundle]).unwrap(), ExitCode::SUCCESS, "{bundle}");
        assert_eq!(
            run(&["--json", "verify", &svid, "--bundle", bundle, "--side", "server", "--id", ORDER]).unwrap(),
            ExitCode::SUCCESS
        );
        assert!(failing(&["verify", &der, "--bundle", bundle]).contains("whole chain"));
        assert!(
            failing(&["verify", &svid, "--bundle", bundle, "--at", "2020-01-01T00:00:00Z"])
                .contains("not good yet")
        );
        let foreign = failing(&["verify", &svid, "--bundle", bundle, "--trust-domain", "pay.example"]);
        assert!(foreign.contains("never merged"), "{foreign}");
    }
    let nobody = file("none.json", br#"{"keys":[]}"#);
    assert!(failing(&["verify", &svid, "--bundle", &nobody]).contains("no root at all"));
}

#[test]
fn roots_without_a_name_need_one() {
    let folder = tempfile::tempdir().unwrap();
    let [svid, bundle] = ["svid.pem", "bundle.pem"].map(|name| folder.path().join(name));
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let root = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    fs::write(&svid, chain_pem(&Ca::new().order())).unwrap();
    fs::write(&bundle, chain_pem(&[root.der().to_vec()])).unwrap();
    let [svid, bundle] = [svid, bundle].map(|path| path.to_str().unwrap().to_owned());

    assert!(failing(&["verify", &svid, "--bundle", &bundle]).contains("--trust-domain"));
    assert!(failing(&["verify", &svid, "--bundle", &bundle, "--id", ORDER]).contains("vouches"));
}

#[test]
fn the_folder_of_a_workload_brings_its_deny_list() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::new();
    let mut identity = ca.identity(3_600, (-60, 7_200));
    let dir = StateDir::open(folder.path()).unwrap();
    dir.store(&identity).unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(run(&["verify", path, "--bundle", path]).unwrap(), ExitCode::SUCCESS);

    identity.trust.denied = vec![Denial::Serial(identity.svid.serial)];
    dir.store(&identity).unwrap();

    assert!(failing(&["verify", path, "--bundle", path]).contains("deny-list"));
}

#[test]
fn a_folder_nobody_joined_in_is_no_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let svid = folder.path().join("leaf.pem");
    fs::write(&svid, chain_pem(&Ca::new().chain(ORDER, &Key::generate().unwrap(), (-60, 60)))).unwrap();

    let said = failing(&["verify", svid.to_str().unwrap(), "--bundle", folder.path().to_str().unwrap()]);

    assert!(said.contains("name a bundle file"), "{said}");
    assert_eq!("now".parse(), Ok(Moment::Now));
}

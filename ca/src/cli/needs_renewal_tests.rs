//! `ca needs-renewal`: the answer at each age, and the exit code for each answer.

use super::*;
use crate::cli::inspect::testing::{Ca, ORDER, chain_pem, failing, run};
use crate::key::Key;
use std::fs;

/// Of a certificate of 100 s, at so many of them, with an intermediate that ends at second 1,000.
fn at(second: i64, threshold: &str) -> Answer {
    let ca = Ca::new();
    let chain = ca.chain(ORDER, &Key::generate().unwrap(), (0, 100));
    let mut facts: Vec<Facts> = chain.iter().map(|der| certificate::read(der).unwrap()).collect();
    facts[1].not_after = Timestamp(ca.now.0 + 1_000);
    answer(&facts, threshold.parse().unwrap(), Timestamp(ca.now.0 + second)).unwrap()
}

#[test]
fn it_is_due_from_the_threshold_on_and_when_it_has_expired() {
    let half = Threshold::default().to_string();
    for (second, threshold, expected) in [
        (49, half.as_str(), Why::NotDue),
        (50, half.as_str(), Why::Due),
        (74, "75%", Why::NotDue),
        (75, "75%", Why::Due),
        (69, "30s", Why::NotDue),
        (70, "30s", Why::Due),
        (100, "1s", Why::Due),
        (101, "100%", Why::Expired),
        (-5, half.as_str(), Why::NotYetValid),
    ] {
        let answer = at(second, threshold);

        assert_eq!(answer.why, expected, "{second} {threshold}");
        assert_eq!(answer.needs_renewal, matches!(expected, Why::Due | Why::Expired), "{second} {threshold}");
        assert_eq!(answer.gone_percent, u64::try_from(second.clamp(0, 100)).unwrap());
    }
}

#[test]
fn a_chain_with_an_expired_authority_is_of_no_use() {
    let ca = Ca::new();
    let chain = ca.order();
    let mut facts: Vec<Facts> = chain.iter().map(|der| certificate::read(der).unwrap()).collect();
    facts[1].not_after = Timestamp(ca.now.0 - 60);

    let answer = answer(&facts, Threshold::default(), ca.now).unwrap();

    assert_eq!((answer.why, answer.needs_renewal), (Why::AuthorityExpired, true));
    assert!(
        text(&answer, Path::new("svid.pem"), ca.now).contains("an authority in svid.pem expired 1 m ago")
    );
}

#[test]
fn the_exit_code_is_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("svid.pem");
    let path = file.to_str().unwrap();
    fs::write(&file, chain_pem(&Ca::new().order())).unwrap();

    assert_eq!(run(&["needs-renewal", path]).unwrap(), ExitCode::from(1));
    assert_eq!(run(&["--json", "needs-renewal", path, "--expires-in", "48h"]).unwrap(), ExitCode::SUCCESS);
    assert_eq!(run(&["needs-renewal", path, "--expires-in", "0%"]).unwrap(), ExitCode::SUCCESS);

    // An error is neither: the caller of `run` makes it a 2.
    fs::write(&file, "nothing").unwrap();
    assert!(failing(&["needs-renewal", path]).contains("no certificate"));
    assert!(failing(&["needs-renewal", "/nowhere.pem"]).contains("/nowhere.pem"));
}

#[test]
fn what_is_said_names_the_clock_where_it_may_be_wrong() {
    let ca = Ca::new();
    let words = |second| text(&at(second, "50%"), Path::new("a.pem"), Timestamp(ca.now.0 + second));

    assert!(words(10).starts_with("no: a.pem: 10 % of its life has gone"));
    assert!(words(60).starts_with("yes: a.pem: 60 %"));
    assert!(words(200).contains("by the clock of this machine"));
    assert!(words(-50).contains("is it right?"));
}

//! Forgeries as they are brought.

use super::super::support::subject;
use super::*;
use crate::mesh::support::{EDGE, ORDER};

#[test]
fn every_forgery_has_a_number_of_its_own_and_fits_what_is_read() {
    let forgeries = forgeries(&subject("")).unwrap();

    let mut numbers: Vec<_> = forgeries.iter().map(|forgery| forgery.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!((numbers.len(), forgeries.len()), (17, 17));
    for forgery in &forgeries {
        for (name, value) in &forgery.fields {
            let longest = if *name == "Txn-Token" { 4 << 10 } else { 8 << 10 };
            assert!(value.len() <= longest && !value.is_empty(), "{} {name}", forgery.attack);
        }
    }
}

#[test]
fn they_are_made_in_the_name_of_who_may_introduce_users() {
    let subject = Subject { asserter: Some(EDGE.parse().unwrap()), ..subject("") };

    let forgeries = forgeries(&subject).unwrap();

    assert!(!forgeries.is_empty() && ORDER != EDGE);
}

#[test]
fn an_answer_that_repeats_a_passport_is_noticed() {
    let forgeries = forgeries(&subject("")).unwrap();
    let reply = |text: &str| Reply::read(text.into(), super::super::verdict::End::Closed);
    let passport = &forgeries[0].fields[0].1;

    assert!(repeats(&reply(&format!("<p>{passport}</p>")), &forgeries[0]));
    assert!(!repeats(&reply("<p>no</p>"), &forgeries[0]));
    assert!(matches!(leak(Some("x"), true).verdict, Verdict::Failed(_)));
    assert!(matches!(leak(None, true).verdict, Verdict::Ok(_)));
    assert!(matches!(leak(None, false).verdict, Verdict::NotApplicable(_)));
}

#[test]
fn without_evidence_there_is_nothing_to_forge() {
    let none = subject("");
    let mut config = none.config.clone();
    config.mesh.as_mut().unwrap().level = Level::None;

    assert!(blind(&none).is_none());
    let mut without = Subject { config, ..none };
    assert!(blind(&without).is_some_and(|why| why.contains("level")));
    without.sidecar.workload.protocol = Protocol::Tcp;
    assert!(blind(&without).is_some_and(|why| why.contains("tcp")));
}

#[test]
fn a_counter_that_is_gone_after_the_attack_is_a_failure() {
    let (some, late) = (Refused::new, || counter::CounterError::Late);

    assert!(matches!(judge(Err(late()), Ok(some()), &[]), Verdict::NotApplicable(_)));
    assert!(matches!(judge(Ok(some()), Err(late()), &[]), Verdict::Failed(_)));
}

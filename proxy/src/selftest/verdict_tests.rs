//! Judging without anybody to connect to.

use super::*;

fn closed(bytes: &str) -> Reply {
    Reply::read(bytes.as_bytes().to_vec(), End::Closed)
}

fn is_ok(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Ok(_))
}

const BAD: &str = "HTTP/1.1 400 Bad Request\r\n\r\n";
const FINE: &str = "HTTP/1.1 200 OK\r\n\r\n";

#[test]
fn a_status_is_read_from_an_answer_and_from_nothing_else() {
    assert_eq!(closed(BAD).status, Some(400));
    assert_eq!(closed("HTTP/1.0 505 x").status, Some(505));
    for text in ["", "HTTP/1.1", "HTTP/2 200", "HTTP/1.1 2", "220 ready"] {
        assert_eq!(closed(text).status, None, "{text}");
    }
}

#[test]
fn nobody_is_kept_out_by_silence_or_by_an_answer() {
    assert!(is_ok(&kept_out(&Reply::ended(End::Alert("CertificateRequired".into())))));
    assert!(is_ok(&kept_out(&Reply::ended(End::Closed))));
    for reply in
        [closed(BAD), closed("x"), Reply::ended(End::Open), Reply::ended(End::Broken("refused".into()))]
    {
        assert!(!is_ok(&kept_out(&reply)), "{reply:?}");
    }
}

#[test]
fn an_alert_is_no_answer_and_anything_longer_is() {
    let told = |bytes: &[u8]| kept_out(&Reply::read(bytes.to_vec(), End::Closed));

    assert!(is_ok(&told(&[21, 3, 3, 0, 2, 2, 70])));
    assert!(!is_ok(&told(&[21, 3, 3, 0, 2, 2, 70, 72])));
    assert!(!is_ok(&told(&[22, 3, 3, 0, 2, 2, 70])));
}

#[test]
fn too_large_is_said_or_shown_by_the_end_but_not_by_a_rule() {
    assert!(is_ok(&is_too_large(&closed("HTTP/1.1 431 x"))));
    assert!(is_ok(&is_too_large(&Reply::ended(End::Closed))));
    assert!(!is_ok(&is_too_large(&closed("HTTP/1.1 403 x"))));
}

#[test]
fn a_member_is_let_in_when_it_is_answered_at_all() {
    assert!(is_ok(&let_in(&closed(BAD))));
    assert!(!is_ok(&let_in(&Reply::ended(End::Alert("x".into())))));
}

#[test]
fn a_smuggler_is_thrown_out_by_one_answer_and_the_end() {
    assert!(is_ok(&is_thrown_out(&closed(BAD))));
    let open = Reply::read(BAD.into(), End::Open);
    for reply in [closed(FINE), closed(&format!("{BAD}{FINE}")), open, Reply::ended(End::Closed)] {
        assert!(!is_ok(&is_thrown_out(&reply)), "{reply:?}");
    }
}

#[test]
fn errors_and_ends_are_refusals_and_success_is_none() {
    let reset = Reply::ended(End::Answered);
    for reply in [closed(BAD), closed("HTTP/1.1 505 x"), Reply::ended(End::Closed), reset] {
        assert!(is_ok(&is_refused(&reply)), "{reply:?}");
    }
    for reply in [closed(FINE), Reply::ended(End::Open), closed("HTTP/1.1 101 x")] {
        assert!(!is_ok(&is_refused(&reply)), "{reply:?}");
    }
}

#[test]
fn only_the_wanted_status_is_an_answer_and_101_is_a_switch() {
    assert!(is_ok(&is_answered(&closed(BAD), &[400])));
    assert!(!is_ok(&is_answered(&closed(FINE), &[400])));
    assert!(is_ok(&is_not_switched(&closed(FINE))));
    assert!(!is_ok(&is_not_switched(&closed("HTTP/1.1 101 Switching Protocols\r\n"))));
    assert!(!is_ok(&is_not_switched(&Reply::ended(End::Open))));
}

#[test]
fn one_open_port_is_enough_to_fail_and_an_unknown_one_is_no_proof() {
    let met = |all: &[Met]| -> Vec<(String, Met)> {
        all.iter().enumerate().map(|(n, met)| (format!("192.0.2.{n}:80"), met.clone())).collect()
    };

    assert!(is_ok(&nobody_is_met(&met(&[Met::Nobody, Met::Nobody]))));
    let found = nobody_is_met(&met(&[Met::Nobody, Met::Somebody]));
    assert_eq!(found, Verdict::Failed("somebody listens at 192.0.2.1:80".into()));
    assert!(!is_ok(&nobody_is_met(&met(&[Met::Nobody, Met::Unknown("no time".into())]))));
}

#[test]
fn evidence_is_refused_when_the_counter_says_so_as_often_as_it_was_brought() {
    let count = |n: u64| Refused::from([("no_stamps".to_owned(), n)]);
    let refused = [closed("HTTP/1.1 403 x"), closed("HTTP/1.1 403 x")];

    assert!(is_ok(&is_without_user(&count(3), &count(5), &refused)));
    assert!(is_ok(&is_without_user(&Refused::new(), &count(1), &[closed(FINE)])));
    // Refused whole: no counter moves.
    assert!(is_ok(&is_without_user(&count(3), &count(3), &[closed(BAD)])));
    assert!(!is_ok(&is_without_user(&count(3), &count(4), &refused)));
    assert!(!is_ok(&is_without_user(&count(3), &count(3), &refused)));
    assert!(!is_ok(&is_without_user(&count(5), &count(3), &refused)));
    assert!(!is_ok(&is_without_user(&count(1), &count(1), &[])));
}

#[test]
fn of_several_attempts_the_failure_counts() {
    let (ok, failed) = (Verdict::Ok("a".into()), Verdict::Failed("b".into()));

    assert_eq!(Verdict::worst([ok.clone(), failed.clone(), ok.clone()]), failed);
    assert_eq!(Verdict::worst([ok.clone()]), ok);
    assert!(matches!(Verdict::worst([]), Verdict::Failed(_)));
}

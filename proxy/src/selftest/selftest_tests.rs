//! The list as a whole.

use super::support::subject;
use super::*;
use crate::mesh::support::local;

#[test]
fn rows_are_put_in_order_by_number_and_then_by_letter() {
    let mut numbers = ["16b", "3a", "27", "0", "16a", "9"];

    numbers.sort_by_key(|number| order(number));

    assert_eq!(numbers, ["0", "3a", "9", "16a", "16b", "27"]);
}

#[test]
fn every_attack_that_cannot_be_judged_says_why() {
    for row in unseen::rows() {
        assert!(matches!(&row.verdict, Verdict::NotApplicable(why) if !why.is_empty()), "{row:?}");
    }
}

#[test]
fn where_no_member_is_let_in_nothing_is_taken_for_a_refusal() {
    local(async {
        let mut subject = subject("");
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        subject.target = free.local_addr().unwrap();
        drop(free);

        let rows = run(&subject).await;

        assert!(matches!(&rows[..], [Row { number: "0", verdict: Verdict::Failed(_), .. }]), "{rows:?}");
    });
}
